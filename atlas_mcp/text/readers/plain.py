"""Text that is its own snapshot: plain text, Markdown and source code, character for character."""

from __future__ import annotations

import re
from pathlib import PurePath

from atlas_mcp.text.blocks import outline
from atlas_mcp.text.readers.document import Document, decoded

__all__ = ["read_plain"]

FRONT_TITLE = re.compile(
    r"\A---\r?\n(?:.*\r?\n)*?title:[ \t]*(?P<title>.+?)[ \t]*\r?\n(?:.*\r?\n)*?---", re.MULTILINE
)
FRONT_MATTER = 4_000


def read_plain(data: bytes, name: str, media_type: str) -> Document:
    """The text as it is; a Markdown file is called what its front matter or first heading says."""
    text = decoded(data, name)
    title = _markdown_title(text) if media_type == "text/markdown" else None
    return Document(text, title or PurePath(name).name, media_type)


def _markdown_title(text: str) -> str | None:
    if front := FRONT_TITLE.match(text[:FRONT_MATTER]):
        return front["title"].strip("\"'")
    first = next(iter(outline(text)), None)
    return first.title if first else None
