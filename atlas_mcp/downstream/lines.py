"""Lines out of pieces, each read once, with a limit: what is longer is passed over and named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Lines", "Overlong"]

_SHOWN = 4096
_ID = re.compile(rb'"id"\s*:\s*(?:(\d{1,18})|"([^"\\]{1,100})")')
_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID.pattern)


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line that was passed over: its bytes, and which request it answered, where that can be seen."""

    size: int
    identity: int | str | None


class Lines:
    """Splits pieces at line feeds; a line of more than `most` bytes is given as `Overlong`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        """Bytes of the line that has not ended yet."""
        self._pieces: list[bytes] = []
        self._over = False
        self._head = b""
        self._tail = b""

    def feed(self, piece: bytes) -> Iterator[bytes | Overlong]:
        """The lines that end in a piece, each without its line feed."""
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            self._keep(piece[start:end])
            yield self._line()
            start = end + 1
        if start < len(piece):
            self._keep(piece[start:])

    def _keep(self, part: bytes) -> None:
        self.size += len(part)
        if not self._over and self.size > self.most:
            self._over = True
            whole = b"".join(self._pieces) + part[:_SHOWN]
            self._head, self._pieces = whole[:_SHOWN], []
        if self._over:
            self._tail = (self._tail + part[-_SHOWN:])[-_SHOWN:]
        else:
            self._pieces.append(part)

    def _line(self) -> bytes | Overlong:
        line = Overlong(self.size, self._identity()) if self._over else b"".join(self._pieces)
        self._pieces, self.size, self._over, self._head, self._tail = [], 0, False, b"", b""
        return line

    def _identity(self) -> int | str | None:
        """An id stands before what a message says or behind it, by who wrote it; ids within are others'."""
        found = _FIRST.match(self._head) or next(iter([*_ID.finditer(self._tail)][-1:]), None)
        if found is None:
            return None
        return int(found[1]) if found[1] else found[2].decode("utf-8", "replace")
