"""The XML parts of an office file, read as a stream: bounded by size, and never what they could refer to."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING
from xml.parsers import expat

from atlas_mcp.errors import UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["UNPACKED_MOST", "Package"]

UNPACKED_MOST = 200_000_000
"""Bytes of a part as it is unpacked."""
_TOTAL_MOST = 600_000_000
_PARTS_MOST = 10_000
_SPREADSHEET = "Open it in a spreadsheet program and save it anew as .xlsx or CSV, without a password."
_DAMAGE = (
    zipfile.BadZipFile,
    expat.ExpatError,
    NotImplementedError,
    OSError,
    EOFError,
    LookupError,  # an encoding that nobody knows
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)


class Package:
    """An office file, a zip of parts; they are walked by their elements, names without namespaces.

    `kind` and `remedy` are what a refusal calls the file, and what it says to do.
    """

    def __init__(
        self, data: bytes, name: str, *, kind: str = "spreadsheet", remedy: str = _SPREADSHEET
    ) -> None:
        self.name = name
        self._kind = kind
        self._remedy = remedy
        self._left = _TOTAL_MOST
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGE:
            raise self.damaged() from None
        if len(self._zip.namelist()) > _PARTS_MOST:
            raise self.damaged("it has too many parts")

    def damaged(self, why: str = "") -> UnreadableDocument:
        """The refusal of a file that cannot be read."""
        return UnreadableDocument(
            f"{self.name} cannot be read: {why or f'it is no whole {self._kind}'}.", remedy=self._remedy
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
        said: Callable[[str], None] | None = None,
    ) -> None:
        """Tell of each element that begins (name, attributes) and ends (name, the text right in it).

        The text of an element named in `within` is also its parent's. `said` hears every text in its place.

        :raises UnreadableDocument: the part is missing, damaged, too large, or has a document type.
        """
        info = self._info(part)
        try:
            with self._zip.open(info) as file:
                _walk(file, start, end, self, within=within, said=said)
        except _DAMAGE:
            raise self.damaged(f"{part} is damaged or locked") from None

    def read(self, part: str) -> bytes:
        """A part's bytes.

        :raises UnreadableDocument: the part is missing, damaged or too large.
        """
        info = self._info(part)
        try:
            return self._zip.read(info)
        except _DAMAGE:
            raise self.damaged(f"{part} is damaged or locked") from None

    def _info(self, part: str) -> zipfile.ZipInfo:
        try:
            info = self._zip.getinfo(part)
        except KeyError:
            raise self.damaged(f"it has no {part}") from None
        self._left -= info.file_size
        # The zip module unpacks no more than what is said here.
        if info.file_size > UNPACKED_MOST:
            raise self.damaged(
                f"{part} unpacks to {info.file_size / 1e6:,.0f} MB, {UNPACKED_MOST / 1e6:.0f} MB is the most"
            )
        if self._left < 0:
            raise self.damaged(f"its parts unpack to more than {_TOTAL_MOST / 1e6:.0f} MB")
        return info


def _walk(
    file: IO[bytes],
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str, str], None],
    package: Package,
    *,
    within: frozenset[str],
    said: Callable[[str], None] | None,
) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    texts: list[list[str]] = []

    def on_start(name: str, attributes: dict[str, str]) -> None:
        texts.append([])
        start(name.rpartition(" ")[2], _local(attributes))

    def on_end(name: str) -> None:
        local, text = name.rpartition(" ")[2], "".join(texts.pop())
        if local in within:
            on_text(text)
        end(local, text)

    def on_text(text: str) -> None:
        if texts:
            texts[-1].append(text)

    def on_words(text: str) -> None:
        if texts:
            texts[-1].append(text)
            if said is not None:
                said(text)

    def on_doctype(*_: object) -> None:
        raise package.damaged("it has a document type, as no office file has")

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = on_words
    parser.StartDoctypeDeclHandler = on_doctype
    parser.ParseFile(file)


def _local(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes by their names without namespaces."""
    given = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
    if len(given) < len(attributes):
        # Of two with one name that of a namespace counts: `id` is a number, `r:id` names a relation.
        given |= {key.rpartition(" ")[2]: value for key, value in attributes.items() if " " in key}
    return given
