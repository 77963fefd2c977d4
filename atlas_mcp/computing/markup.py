"""The XML parts of a spreadsheet, read as a stream: bounded by size, and never what they could refer to."""

from __future__ import annotations

import io
import zipfile
from typing import IO, TYPE_CHECKING
from xml.parsers import expat

from atlas_mcp.errors import UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["UNPACKED_MOST", "Package"]

UNPACKED_MOST = 200_000_000
"""Bytes of a part as it is unpacked."""
_PARTS_MOST = 10_000
_DAMAGE = (
    zipfile.BadZipFile,
    expat.ExpatError,
    NotImplementedError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
)


class Package:
    """A spreadsheet's zip file; its parts are walked by their elements, names without namespaces."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGE:
            raise self.damaged() from None
        if len(self._zip.namelist()) > _PARTS_MOST:
            raise self.damaged("it has too many parts")

    def damaged(self, why: str = "it is no whole spreadsheet") -> UnreadableDocument:
        """The refusal of a file that cannot be read."""
        return UnreadableDocument(
            f"{self.name} cannot be read: {why}.",
            remedy="Open it in a spreadsheet program and save it anew as .xlsx or CSV, without a password.",
        )

    def has(self, part: str) -> bool:
        """Whether there is such a part."""
        return part in self._zip.NameToInfo

    def walk(
        self,
        part: str,
        start: Callable[[str, Mapping[str, str]], None],
        end: Callable[[str, str], None],
        within: frozenset[str] = frozenset(),
    ) -> None:
        """Tell of each element that begins (name, attributes) and ends (name, the text right in it).

        The text of an element named in `within` is also its parent's.

        :raises UnreadableDocument: the part is missing, damaged, too large, or has a document type.
        """
        try:
            info = self._zip.getinfo(part)
        except KeyError:
            raise self.damaged(f"it has no {part}") from None
        # The zip module unpacks no more than what is said here.
        if info.file_size > UNPACKED_MOST:
            raise self.damaged(
                f"{part} unpacks to {info.file_size / 1e6:,.0f} MB, {UNPACKED_MOST / 1e6:.0f} MB is the most"
            )
        try:
            with self._zip.open(info) as file:
                _walk(file, start, end, within, self)
        except _DAMAGE:
            raise self.damaged(f"{part} is damaged or locked") from None


def _walk(
    file: IO[bytes],
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str, str], None],
    within: frozenset[str],
    package: Package,
) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    texts: list[list[str]] = []

    def on_start(name: str, attributes: dict[str, str]) -> None:
        texts.append([])
        start(name.rpartition(" ")[2], {key.rpartition(" ")[2]: value for key, value in attributes.items()})

    def on_end(name: str) -> None:
        local, text = name.rpartition(" ")[2], "".join(texts.pop())
        if local in within:
            on_text(text)
        end(local, text)

    def on_text(text: str) -> None:
        if texts:
            texts[-1].append(text)

    def on_doctype(*_: object) -> None:
        raise package.damaged("it has a document type, as no spreadsheet has")

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = on_text
    parser.StartDoctypeDeclHandler = on_doctype
    parser.ParseFile(file)
