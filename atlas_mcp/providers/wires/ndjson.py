"""JSON lines out of bytes that arrive in any pieces.

A line is one event. What a server sends between events (empty lines that keep a connection alive) is passed
over; a line that nothing ends is no event. It knows no transport and no vendor, and reads no JSON.
"""

from __future__ import annotations

from atlas_mcp.errors import MalformedResponse

__all__ = ["LineDecoder"]

_LARGEST_LINE = 8 * 1024 * 1024


class LineDecoder:
    """Decodes one stream; `feed` it what arrives, in order.

    Raises:
        MalformedResponse: a line grew beyond `largest` bytes, so these are no JSON lines.
    """

    __slots__ = ("_largest", "_rest")

    def __init__(self, *, largest: int = _LARGEST_LINE) -> None:
        self._largest = largest
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that `piece` completes, often one."""
        if not self._rest and piece[:1] == b"{" and piece.find(b"\n") == len(piece) - 1 < self._largest:
            return [piece[:-1]]  # one whole line is what usually comes
        lines = (self._rest + piece).split(b"\n")
        if max(map(len, lines)) > self._largest:
            raise MalformedResponse(
                f"A single line of the stream is larger than {self._largest} bytes.",
                remedy="Check that the address is that of a model API.",
            )
        self._rest = lines.pop()
        return [line for line in lines if line and not line.isspace()]
