"""Electronic books (EPUB): the chapters in their order, each read as a page of HTML."""

from __future__ import annotations

import posixpath
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.document import Document
from atlas_mcp.text.readers.html import read_html
from atlas_mcp.text.readers.marks import MOST_CHARACTERS
from atlas_mcp.text.readers.media import EBOOK
from atlas_mcp.text.readers.office import nothing, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.computing.markup import Package

__all__ = ["read_ebook"]

LOCKED = "META-INF/encryption.xml"
CONTAINER = "META-INF/container.xml"
PAGES = ("application/xhtml+xml", "text/html")


def read_ebook(data: bytes, name: str) -> Document:
    """The chapters that are read one after the other.

    :raises UnreadableDocument: it is damaged, too large, protected against copying, or holds no words.
    """
    package = opened(data, name, "book", ".epub")
    title, chapters = _chapters(package)
    texts: list[str] = []
    for part in chapters:
        try:
            texts.append(read_html(package.read(part), part).text)
        except UnreadableDocument:
            continue  # a cover, a picture
        if sum(map(len, texts)) > MOST_CHARACTERS:
            raise package.damaged(f"it has more than {MOST_CHARACTERS:,} characters")
    if not texts:
        why = "it is protected against copying" if package.has(LOCKED) else "it holds no words"
        raise package.damaged(why)
    return Document("\n".join(texts), title or PurePath(name).stem, EBOOK)


def _chapters(package: Package) -> tuple[str, list[str]]:
    """The book's title, and the parts that are its chapters, in order."""
    title = listing = ""
    items: dict[str, str] = {}
    order: list[str] = []

    def contained(element: str, given: Mapping[str, str]) -> None:
        nonlocal listing
        if element == "rootfile":
            listing = listing or given.get("full-path", "")

    def start(element: str, given: Mapping[str, str]) -> None:
        if element == "item" and given.get("media-type") in PAGES:
            target = posixpath.join("/", posixpath.dirname(listing), unquote(given.get("href", "")))
            items[given.get("id", "")] = posixpath.normpath(target).lstrip("/")
        elif element == "itemref":
            order.append(given.get("idref", ""))

    def end(element: str, text: str) -> None:
        nonlocal title
        if element == "title" and not title:
            title = " ".join(text.split())

    package.walk(CONTAINER, contained, nothing)
    package.walk(listing, start, end)
    return title, [part for key in order if (part := items.get(key)) is not None and package.has(part)]
