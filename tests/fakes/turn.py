"""What a fake model says to one request and how it ends, on no wire in particular."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
Ending: TypeAlias = Literal["whole", "drop", "reset", "eof", "error", "junk", "stall", "silent"]
Grounds: TypeAlias = Literal["key", "model", "context", "rate", "quota", "server", "overloaded"]
"""Why a vendor refuses a request."""


@dataclass
class Turn:
    """How one request is answered; what is left out follows the request and the server's settings.

    `reasoning` is said before `text`, which comes in exactly as many pieces as the server has `tokens`, then
    `calls`, each a dict of `id`, `name` and `arguments` (an object, or text as the model wrote it). `refusal`
    is the model's own, in its wire's form, instead of text. `citations` stand behind the text where the wire
    has them. `finish` is `stop`, `length`, `tool_calls`, `content_filter` or a word of the wire's own.
    `usage` is counted, left out (None), or counted but for what a dict of `Tally`'s fields says. `events`,
    JSON objects of the wire or bytes, are sent instead of all that, with nothing around them.

    A request that is `refused` gets its vendor's status and words for that, else the `status` and the `body`
    (JSON, or a text that is sent as a web page) that are given instead of an answer; `headers` go with any.

    `first_token` seconds pass before the first piece. `ending` says what happens after `after` pieces: the
    connection is closed (`drop`) or reset, the body ends in good order without the terminal event (`eof`), an
    `error` event or a frame that is not JSON (`junk`) comes, the server goes silent (`stall`), or never
    answers at all (`silent`). A `finish` that is given is still said before. Without `done` the wire's mark
    of the end is left out where it says nothing but that.
    """

    text: str | None = None
    reasoning: str = ""
    calls: list[JsonObject] = field(default_factory=list[JsonObject])
    refusal: str = ""
    citations: list[JsonObject] = field(default_factory=list[JsonObject])
    finish: str | None = None
    usage: JsonObject | Literal["count"] | None = "count"
    events: list[JsonObject | bytes] | None = None
    refused: Grounds | None = None
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    first_token: float = 0.0
    ending: Ending = "whole"
    after: int = 0
    error: Any = None
    done: bool = True


@dataclass(frozen=True)
class Asked:
    """What a request says, whatever its wire: its words, the schema of the wished-for answer."""

    words: str
    schema: JsonObject | None = None


@dataclass(frozen=True)
class Tally:
    """Tokens of one call; `input` includes `cached` and `cache_write`, `output` includes `reasoning`."""

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Call:
    """A tool call, its arguments as text."""

    id: str
    name: str
    arguments: str

    @property
    def halves(self) -> tuple[str, str]:
        """The arguments in two pieces, so that a reader has something to put together."""
        middle = len(self.arguments) // 2
        return self.arguments[:middle], self.arguments[middle:]


@dataclass(frozen=True)
class Answer:
    """What is said, piece by piece, and what it took; `usage` is what is told of `tally`."""

    reasoning: tuple[str, ...]
    text: tuple[str, ...]
    refusal: tuple[str, ...]
    calls: tuple[Call, ...]
    citations: tuple[JsonObject, ...]
    finish: str
    tally: Tally
    usage: Tally | None

    @classmethod
    def of(cls, turn: Turn, said: str, tokens: int, *, prompt: int) -> Answer:
        """What `turn` says: its own text or `said`, in so many pieces, to a prompt of so many tokens."""
        calls = tuple(_call(number, call) for number, call in enumerate(turn.calls, 1))
        speaks = turn.text is not None or not (calls or turn.refusal)
        text = pieces(said if turn.text is None else turn.text, tokens) if speaks else []
        reasoning, refusal = _words(turn.reasoning), _words(turn.refusal)
        output = len(reasoning) + len(text) + len(refusal) + 2 * len(calls)
        tally = Tally(prompt, output, reasoning=len(reasoning))
        if isinstance(turn.usage, dict):
            tally = replace(tally, **turn.usage)
        finish = turn.finish or ("tool_calls" if calls else "stop")
        told = None if turn.usage is None else tally
        return cls(reasoning, tuple(text), refusal, calls, tuple(turn.citations), finish, tally, told)


@dataclass(frozen=True)
class Frames:
    """An answer as the frames of its wire, in order.

    `opening` goes out at once, `pieces` are one a token, `finish` says that and why the model is done, `rest`
    is what follows that.
    """

    pieces: list[bytes]
    finish: bytes
    opening: bytes = b""
    rest: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Refused:
    """How a vendor refuses a request."""

    status: int
    body: JsonObject


def pieces(text: str, tokens: int) -> list[str]:
    """`text` in exactly `tokens` pieces, filled up with spaces (which JSON ignores) where it is too short."""
    text = text.ljust(tokens)
    bounds = [len(text) * number // tokens for number in range(tokens + 1)]
    return [text[start:end] for start, end in pairwise(bounds)]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"(?<= )", text) if word)


def _call(number: int, call: JsonObject) -> Call:
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Call(call.get("id") or f"call_{number}", call["name"], text)
