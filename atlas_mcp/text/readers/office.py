"""What the readers of office files share: the package, its parts by their relations, its title."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlas_mcp.computing.markup import Package
from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.marks import MOST_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.text.readers.marks import Marks

__all__ = ["Relations", "main_part", "nothing", "opened", "relations", "title_of", "written"]

_TITLES = ("docProps/core.xml", "meta.xml")


@dataclass(frozen=True, slots=True)
class Relations:
    """To which parts a part refers: by id, and by the kind of what they are ("styles", "footnotes")."""

    by_id: dict[str, str] = field(default_factory=dict[str, str])
    of_kind: dict[str, str] = field(default_factory=dict[str, str])


def opened(data: bytes, name: str, kind: str, suffix: str) -> Package:
    """The package of an office file.

    :raises UnreadableDocument: it is no whole zip file.
    """
    return Package(
        data,
        name,
        kind=kind,
        remedy=f"Open it in the program it was made with, and save it as {suffix} or PDF, unlocked.",
    )


def relations(package: Package, part: str) -> Relations:
    """To which parts a part ("" for the package itself) refers."""
    folder, file = posixpath.split(part)
    listing = posixpath.join(folder, "_rels", f"{file}.rels")
    found = Relations()

    def start(element: str, given: Mapping[str, str]) -> None:
        if element == "Relationship" and given.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, given.get("Target", ""))).lstrip("/")
            found.by_id[given.get("Id", "")] = target
            found.of_kind.setdefault(given.get("Type", "").rpartition("/")[2], target)

    if package.has(listing):
        package.walk(listing, start, nothing)
    return found


def main_part(package: Package) -> str:
    """The part that the package is about.

    :raises UnreadableDocument: it names none.
    """
    part = relations(package, "").of_kind.get("officeDocument")
    if part is None:
        raise package.damaged()
    return part


def title_of(package: Package) -> str:
    """The title in the file's properties; "" where there is none."""
    title = ""

    def end(element: str, text: str) -> None:
        nonlocal title
        if element == "title":
            title = " ".join(text.split())

    part = next(filter(package.has, _TITLES), None)
    if part is not None:
        package.walk(part, lambda _element, _given: None, end)
    return title


def written(package: Package, marks: Marks) -> str:
    """What was read, as the text of a document.

    :raises UnreadableDocument: there are no words in it, or too many.
    """
    text = marks.text()
    if marks.length > MOST_CHARACTERS:
        raise UnreadableDocument(
            f"{package.name} has {marks.length:,} characters; {MOST_CHARACTERS:,} is the most.",
            remedy="Split it into smaller files, or give the part that matters.",
        )
    if not text.strip():
        raise UnreadableDocument(
            f"{package.name} holds no words.",
            remedy="If it holds pictures of text, run text recognition (OCR) first.",
        )
    return text + "\n"


def nothing(_name: str, _text: str) -> None:
    """What an element says at its end is not asked for."""
