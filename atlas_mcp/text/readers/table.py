"""Tables: CSV, Excel and OpenDocument, as a text that names the columns in every row."""

from __future__ import annotations

from pathlib import PurePath

from atlas_mcp.computing.tables import listed, read_tables
from atlas_mcp.text.readers.document import Document

__all__ = ["read_table"]


def read_table(data: bytes, name: str, media_type: str) -> Document:
    """The rows of every sheet, as far as they are listed; the text says how many there are.

    :raises UnreadableDocument: it is damaged, locked, empty, too large, or of a format that is not read.
    """
    title = PurePath(name).name
    return Document(listed(read_tables(data, name), title), title, media_type)
