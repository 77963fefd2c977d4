"""Server-sent events out of bytes that arrive in any pieces.

Follows the event-stream grammar of the HTML standard (section 9.2): lines end with CR, LF or CRLF, `data`
lines of one event are joined, comments keep the connection alive, an event that no blank line ends is
dropped. An event is its data; the names that some servers give beside it say nothing that the data does not.
It knows no transport and no vendor.
"""

from __future__ import annotations

from atlas_mcp.errors import MalformedResponse

__all__ = ["EventDecoder"]

_LARGEST_EVENT = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_NAMED = 4
"""Lines of an event that has a name: that, its data, and the two empty ones that end it."""


class EventDecoder:
    """Decodes one stream; `feed` it what arrives, in order.

    Raises:
        MalformedResponse: an event grew beyond `largest` bytes, so this is no event stream.
    """

    __slots__ = ("_after_cr", "_data", "_fresh", "_largest", "_rest", "_size")

    def __init__(self, *, largest: int = _LARGEST_EVENT) -> None:
        self._largest = largest
        self._rest: bytes = b""
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._fresh = True

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that `piece` completes, often none or one."""
        if not (self._fresh or self._after_cr or self._rest or self._data):
            # Most pieces are one plain event, whole; the grammar in full costs several times as much.
            lines = piece.split(b"\n")
            plain = len(lines) == _NAMED - 1 or (len(lines) == _NAMED and lines[0].startswith(b"event: "))
            if plain and lines[-3].startswith(b"data: ") and piece.endswith(b"\n\n") and b"\r" not in piece:
                self._guard(len(piece))
                return [lines[-3][6:]]
        if self._after_cr:
            if not piece:
                return []
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        text = self._rest + piece
        if self._fresh:
            if len(text) < len(_BOM) and _BOM.startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(_BOM)
            self._fresh = False
        lines = text.splitlines(keepends=True)
        self._rest = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        self._after_cr = text.endswith(b"\r")
        self._guard(len(self._rest))
        return [event for line in lines if (event := self._take(line.rstrip(b"\r\n"))) is not None]

    def _take(self, line: bytes) -> bytes | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
            self._guard(self._size)
        return None

    def _dispatch(self) -> bytes | None:
        event = b"\n".join(self._data) if self._data else None
        self._data.clear()
        self._size = 0
        return event

    def _guard(self, size: int) -> None:
        if size > self._largest:
            raise MalformedResponse(
                f"A single event of the stream is larger than {self._largest} bytes.",
                remedy="Check that the address is that of a model API.",
            )
