"""What ATLAS keeps: documents that were read, and what was learned; found again by words and by meaning."""
