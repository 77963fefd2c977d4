"""Everything that can go wrong between a vendor and us, and what whoever asked gets to see of it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp import errors
from atlas_mcp.chunks import TextDelta
from atlas_mcp.errors import ProviderError
from atlas_mcp.providers.provider import AT_ONCE, Fold, complete
from atlas_mcp.providers.terms import TERMS, Patience
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import prompt
from tests.providers.vendors import VENDORS
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_mcp.providers.vendor import VendorProvider

Way: TypeAlias = Literal["stream", "plain"]
Outcome: TypeAlias = type[ProviderError] | Literal["a whole answer", "a refusal"]

TOKENS = 20
AFTER = 5
"""So many pieces of an answer come before it breaks."""

_LONG = Patience().first_token * 10
_GRACE = 0.05
_ROUNDS = 200
_AGAIN = 10
"""A fault happens to repetitions too."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    `turn` is how the server brings it about; None: there is no server. `outcome` is what comes of a stream,
    `plain` of a call that wants the answer in one piece, where that is another; one that is `streamed` cannot
    happen to it. `vendors` have outcomes of their own, some in one way alone.
    """

    name: str
    turn: Turn | None
    outcome: Outcome
    plain: Outcome | None = None
    streamed: bool = False
    vendors: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    def expected(self, vendor: str, way: Way) -> Outcome:
        """What is to come of it."""
        usual = self.plain if way == "plain" and self.plain is not None else self.outcome
        return self.vendors.get(f"{vendor}, {way}") or self.vendors.get(vendor) or usual


_FAULTS = (
    Fault("an error comes in the middle of the answer, or as the answer", Turn(ending="error", after=AFTER),
          errors.Overloaded, vendors={"Ollama": errors.ServerFailed}),
    Fault("the body ends in good order, without the terminal event", Turn(ending="eof", after=AFTER),
          errors.StreamBroken, streamed=True),
    Fault("the connection is closed in mid-answer", Turn(ending="drop", after=AFTER), errors.StreamBroken),
    Fault("the connection is reset in mid-answer", Turn(ending="reset", after=AFTER), errors.StreamBroken),
    Fault("the connection is closed when the model is done",
          Turn(ending="drop", after=TOKENS, finish="stop"), "a whole answer", streamed=True,
          # It says why the model is done, and then that this is all; without the latter it was cut off.
          vendors={"Anthropic": errors.StreamBroken}),
    Fault("the server goes silent in mid-answer", Turn(ending="stall", after=AFTER), errors.Stalled,
          plain=errors.ProviderTimeout),
    Fault("what comes is no JSON", Turn(ending="junk", after=AFTER), errors.MalformedResponse),
    Fault("a tool call's arguments are no JSON", Turn(calls=[{"name": "search", "arguments": '{"q"'}]),
          errors.MalformedResponse),
    Fault("no usage is ever told", Turn(usage=None), "a whole answer"),
    Fault("JSON comes that is no answer, or where a stream was asked for", Turn(body={"answer": "hello"}),
          errors.MalformedResponse),
    Fault("a web page comes", Turn(body="<!doctype html><p>Welcome to this hotel's network."),
          errors.MalformedResponse),
    Fault("429, and it says when to come back", Turn(refused="rate", headers={"retry-after": "7"}),
          errors.RateLimited),
    Fault("429, and it does not say", Turn(refused="rate"), errors.RateLimited),
    Fault("the account is empty (402; OpenAI: 429)", Turn(refused="quota"), errors.QuotaExceeded),
    Fault("the key is wrong (401)", Turn(refused="key"), errors.Authentication),
    Fault("there is no such model (404)", Turn(refused="model"), errors.ModelNotFound),
    Fault("the prompt is longer than the window (400)", Turn(refused="context"), errors.ContextTooLong),
    Fault("the server fails (500)", Turn(refused="server"), errors.ServerFailed),
    Fault("the server is overloaded (503; Anthropic: 529)", Turn(refused="overloaded"), errors.Overloaded),
    Fault("the first token takes ten minutes", Turn(first_token=_LONG), errors.ProviderTimeout,
          # They say at once that an answer begins, which counts as a sign of life.
          vendors={"OpenAI responses, stream": errors.Stalled, "Anthropic, stream": errors.Stalled}),
    Fault("the request is never answered", Turn(ending="silent"), errors.ProviderTimeout),
    Fault("nobody listens at the address", None, errors.ConnectionFailed),
    Fault("the model refuses", Turn(refusal="I cannot help with that."), "a refusal",
          vendors={"Ollama": "a whole answer"}),
)  # fmt: skip
FAULTS = {fault.name: fault for fault in _FAULTS}


@dataclass(frozen=True)
class Seen:
    """What whoever asked saw of a fault, and what the server saw of them.

    `told` tells whether the chunks say all that is known of what the call took. A model was asked `requests`
    times. `well` says that the next prompt was answered.
    """

    outcome: Outcome
    error: ProviderError | None
    pieces: int
    usage: Literal["measured", "estimated", "none"]
    told: bool
    connection: Literal["kept", "closed", "none"]
    requests: int
    well: bool


@cache
def seen(vendor: str, way: Way) -> dict[str, Seen]:
    """Let one provider go through every fault, by their names; minutes of waiting cost nothing."""
    with asyncio.Runner(loop_factory=lambda: SkippingLoop(grace=_GRACE)) as runner:
        return runner.run(_lived_through(vendor, way))


async def _lived_through(vendor: str, way: Way) -> dict[str, Seen]:
    lived: dict[str, Seen] = {}
    async with FakeModels(tokens=TOKENS) as server:
        provider, lonely = VENDORS[vendor](server.root), VENDORS[vendor](_nowhere())
        await provider.warm()
        await lonely.warm()
        for name, fault in FAULTS.items():
            if way == "plain" and fault.streamed:
                continue
            async with asyncio.timeout(_LONG * 10):
                if fault.turn is None:
                    lived[name] = await _see(lonely, way, server=None)
                else:
                    server.turns.extend([fault.turn] * _AGAIN)
                    lived[name] = await _see(provider, way, server=server)
        await lonely.aclose()
        await provider.aclose()
        await _settled(lambda: not server.open_connections)
        assert server.open_connections == 0
    return lived


async def _see(provider: VendorProvider, way: Way, *, server: FakeModels | None) -> Seen:
    fold, pieces, error = Fold(), 0, None
    before = len(server.requests) if server else 0
    async with provider.stream(prompt(), TERMS if way == "stream" else AT_ONCE) as stream:
        try:
            async for chunk in stream:
                fold.add(chunk)
                pieces += isinstance(chunk, TextDelta)
        except ProviderError as failure:
            error = failure
    usage = stream.usage
    connection, requests, well = "none", 0, True
    if server is not None:
        requests = len(server.requests) - before
        await _settled(lambda: not server.open_connections)
        connection = "kept" if server.open_connections else "closed"
        server.turns.clear()
        well = (await complete(provider, prompt())).stopped.reason == "end"
    refused = fold.stopped is not None and fold.stopped.reason == "refused"
    return Seen(
        outcome=type(error) if error else "a refusal" if refused else "a whole answer",
        error=error,
        pieces=pieces,
        usage="estimated" if usage.estimated else "measured" if usage.calls else "none",
        told=fold.usage == usage,
        connection=connection,
        requests=requests,
        well=well,
    )


async def _settled(true: Callable[[], bool]) -> None:
    """Let both sides come to rest, or until something is so; the clock does not jump meanwhile."""
    for _ in range(_ROUNDS):
        if true():
            return
        await asyncio.sleep(0)


def _nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
