"""What every wire gives to the server that speaks it: a module of its functions is one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fakes.turn import Answer, Asked, Frames, Grounds, Refused, Turn

JsonObject: TypeAlias = dict[str, Any]


class Wire(Protocol):
    """One vendor's way of putting a request and its answer into HTTP."""

    @property
    def MEDIA_TYPE(self) -> str:  # noqa: N802  a module's constant
        """The content type of a stream."""
        ...

    @property
    def HEADERS(self) -> Mapping[str, str]:  # noqa: N802  a module's constant
        """The headers of every response."""
        ...

    @property
    def SCHEMA(self) -> str:  # noqa: N802  a module's constant
        """The parameter that carries a JSON Schema, as an error message names it."""
        ...

    def streams(self, body: JsonObject, /) -> bool:
        """Whether a stream is asked for."""
        ...

    def asked(self, body: JsonObject, /) -> Asked:
        """What a request says."""
        ...

    def frames(self, body: JsonObject, answer: Answer, turn: Turn, /) -> Frames:
        """An answer as a stream."""
        ...

    def plain(self, body: JsonObject, answer: Answer, /) -> JsonObject:
        """An answer in one piece."""
        ...

    def frame(self, event: JsonObject, /) -> bytes:
        """One event as it goes over the wire."""
        ...

    def error(self, said: Any, /) -> JsonObject:
        """The event of an error within a stream: the vendor's for being overloaded, if nothing is said."""
        ...

    def failed(self, body: JsonObject, said: Any, /) -> JsonObject:
        """The same error as the answer to who asked for one in one piece."""
        ...

    def refusal(self, grounds: Grounds, body: JsonObject, /) -> Refused:
        """How the vendor refuses a request."""
        ...

    def no_schema(self) -> Refused:
        """How a server refuses structured output that it does not know."""
        ...


def sse(event: JsonObject, name: str = "") -> bytes:
    """A server-sent event."""
    data = b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
    return f"event: {name}\n".encode() + data if name else data
