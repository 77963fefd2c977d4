"""Documents: read, split, kept, searched."""
