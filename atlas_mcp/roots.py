"""Which documents a call may name: paths inside the allowed folders, and texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidInput, OutsideRoots, UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LONGEST_TEXT", "MOST_DOCUMENTS", "is_text", "readable"]

LONGEST_TEXT = 2_000_000
MOST_DOCUMENTS = 100
_LONGEST_PATH = 1000


def is_text(document: str) -> bool:
    """Whether a document is a text rather than a path: it has a line break or is very long."""
    return "\n" in document or len(document) > _LONGEST_PATH


def readable(documents: Sequence[str], roots: Sequence[Path]) -> list[str]:
    """The documents, paths made absolute and free of links.

    Raises:
        InvalidInput: too many documents, or a text that is empty or too long.
        OutsideRoots: a path leads outside every root, also by `..` or a link.
        UnreadableDocument: a path does not exist.
    """
    if len(documents) > MOST_DOCUMENTS:
        raise InvalidInput(
            f"{len(documents)} documents are named; {MOST_DOCUMENTS} is the most.", remedy="Name a folder."
        )
    return [_text(document) if is_text(document) else _path(document, roots) for document in documents]


def _text(document: str) -> str:
    if len(document) > LONGEST_TEXT:
        raise InvalidInput(
            f"A text of {len(document):,} characters is given; {LONGEST_TEXT:,} is the most.",
            remedy="Put it in a file and name the file.",
        )
    return document


def _path(document: str, roots: Sequence[Path]) -> str:
    if not document.strip():
        raise InvalidInput("A document is empty.", remedy="Name a path, or give a text.")
    path = Path(document).expanduser()
    resolved = path.resolve()
    allowed = [root.expanduser().resolve() for root in roots]
    if not any(resolved.is_relative_to(root) for root in allowed):
        names = ", ".join(str(root) for root in allowed) or "none yet"
        raise OutsideRoots(
            f"{document} may not be read; folders that may: {names}.",
            remedy="Add its folder in atlas.toml under [roots], such as read = ['/path/of/the/folder'].",
        )
    if not resolved.exists():
        raise UnreadableDocument(f"{document}: there is no such file or folder.", remedy="Check the path.")
    return str(resolved)
