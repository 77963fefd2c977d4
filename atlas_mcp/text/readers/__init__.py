"""Documents as text: one snapshot of what a file says, whatever its format.

Every format is one file here. What is read is text with Markdown's marks for structure, in which offsets
count; nothing here knows where documents come from or where snapshots are kept.
"""

from atlas_mcp.text.readers.document import Document, Said
from atlas_mcp.text.readers.formats import LIMIT, load, read_bytes, read_document
from atlas_mcp.text.readers.media import SOURCE_CODE, TABLE

__all__ = ["LIMIT", "SOURCE_CODE", "TABLE", "Document", "Said", "load", "read_bytes", "read_document"]
