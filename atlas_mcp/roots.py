"""Which documents a call may name: paths inside the allowed folders, addresses, and texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidInput, OutsideRoots, UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LONGEST_TEXT", "MOST_DOCUMENTS", "is_address", "is_text", "readable"]

LONGEST_TEXT = 2_000_000
MOST_DOCUMENTS = 100
_LONGEST_PATH = 1000
_WEB = ("http://", "https://")


def is_text(document: str) -> bool:
    """Whether a document is a text rather than a path: it has a line break or is very long."""
    return "\n" in document or len(document) > _LONGEST_PATH


def is_address(document: str) -> bool:
    """Whether a document is the address of a page on the web."""
    return document.strip().lower().startswith(_WEB) and not is_text(document)


def readable(documents: Sequence[str], roots: Sequence[Path]) -> list[str]:
    """The documents, paths made absolute and free of links; an address stays what it is.

    Raises:
        InvalidInput: too many documents, one that is empty, or a text that is too long.
        OutsideRoots: a path leads outside every root, also by `..` or a link.
        UnreadableDocument: a path does not exist, or cannot be one.
    """
    if len(documents) > MOST_DOCUMENTS:
        raise InvalidInput(
            f"{len(documents)} documents are named; {MOST_DOCUMENTS} is the most.", remedy="Name a folder."
        )
    return [_checked(document, roots) for document in documents]


def _checked(document: str, roots: Sequence[Path]) -> str:
    if not document.strip():
        raise InvalidInput("A document is empty.", remedy="Name a path, or give a text.")
    try:
        document.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"{document[:80]!a} is not Unicode.", remedy="Give a text, or the path of a folder, in UTF-8."
        ) from None
    if is_address(document):
        return document.strip()
    return _text(document) if is_text(document) else _path(document, roots)


def _text(document: str) -> str:
    if len(document) > LONGEST_TEXT:
        raise InvalidInput(
            f"A text of {len(document):,} characters is given; {LONGEST_TEXT:,} is the most.",
            remedy="Put it in a file and name the file.",
        )
    return document


def _path(document: str, roots: Sequence[Path]) -> str:
    try:
        resolved = Path(document).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        # A loop of links, an unknown user's home, a null byte.
        raise UnreadableDocument(
            f"{document!a} is no path: {error}.",
            remedy="Check the path. A text in the place of a path needs a line break in it.",
        ) from None
    allowed = [root.expanduser().resolve() for root in roots]
    if not any(resolved.is_relative_to(root) for root in allowed):
        names = ", ".join(str(root) for root in allowed) or "none yet"
        raise OutsideRoots(
            f"{document} may not be read; folders that may: {names}.",
            remedy="Add its folder in atlas.toml under [roots], such as read = ['/path/of/the/folder'];"
            " in Python, open_atlas(roots=[Path('/path/of/the/folder')]).",
        )
    try:
        resolved.stat()
    except OSError as error:
        raise UnreadableDocument(
            f"{document}: {error.strerror or error}.",
            remedy="Check the path. A text in the place of a path needs a line break in it.",
        ) from None
    return str(resolved)
