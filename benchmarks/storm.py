"""Many streams at once through a group of which one is dead, one flaps and one is slow.

Real sockets on the loopback: the dead one refuses every connection, the flapping one answers 503 in every
other spell of seconds, the slow one takes five times as long as the healthy one. The clock jumps while all
wait, so that what is measured is how long one waits for others, not how busy this machine is.
`python -m benchmarks storm`.
"""

from __future__ import annotations

import asyncio
import math
import socket
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from statistics import quantiles
from time import perf_counter
from typing import TYPE_CHECKING

from atlas_mcp.chunks import Switched, TextDelta
from atlas_mcp.errors import AtlasError
from atlas_mcp.messages import Intent, Message, Prompt, Text
from atlas_mcp.providers.breaker import BreakerState
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.openai import open_provider
from atlas_mcp.providers.strategies import strategy_named
from atlas_mcp.providers.terms import TERMS
from tests.fakes.model_server import FakeModels
from tests.fakes.turn import Turn
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.stream import Stream
    from atlas_mcp.providers.terms import Terms
    from tests.fakes.model_server import Exchange

__all__ = ["Report", "Seen", "Storm", "lived_through", "main"]

TOKENS = 10
SLOWER = 5.0
GRACE = 0.002
"""Real seconds that the loop gives the sockets before its clock jumps."""
EVERYBODY = ("dead", "flapping", "slow", "healthy")
STRATEGIES = ("failover", "round_robin", "adaptive")
PROMPT = Prompt((Message("user", (Text("When is the tide high?"),)),), Intent.COMPOSE, "tides")


@dataclass(frozen=True)
class Storm:
    """How hard it is: so many readers, each asking again as soon as it is answered, for so many seconds.

    A token of the healthy one takes `token` seconds, the flapping one changes every `flap` seconds.
    """

    readers: int = 200
    seconds: float = 60.0
    token: float = 0.2
    flap: float = 4.0


class Seen:
    """A member as seen by whoever asks it: the provider, how it was asked, and what its breaker did.

    `asked` counts calls by the state in which the breaker was when it let them through, `opened` how often it
    opened. `trial` are the times between opening and closing, by `time.perf_counter`.
    """

    def __init__(self, provider: Provider, server: FakeModels | None) -> None:
        self._provider = provider
        self.server = server
        self.info = provider.info
        self.member: Member
        self.asked = dict.fromkeys(BreakerState, 0)
        self.opened = 0
        self.trial: list[tuple[float, float]] = []

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The provider's stream, which is counted."""
        self.asked[self.member.breaker.state] += 1
        return self._provider.stream(prompt, terms)

    async def aclose(self) -> None:
        """Close the provider."""
        await self._provider.aclose()

    def noticed(self) -> None:
        """The breaker changed."""
        now, state = perf_counter(), self.member.breaker.state
        self.opened += state is BreakerState.OPEN
        if state is BreakerState.OPEN and self.member.breaker.opens == 1:
            self.trial.append((now, float("inf")))
        elif state is BreakerState.CLOSED:
            self.trial[-1] = (self.trial[-1][0], now)

    @property
    def requests_on_trial(self) -> int | None:
        """How many requests came to the server while the breaker was not closed."""
        if self.server is None:
            return None
        times = [exchange.began_at for exchange in self.server.exchanges]
        return sum(begins <= at <= ends for at in times for begins, ends in self.trial)


@dataclass
class Report:
    """How it went: seconds to the whole answer and to its first text, for all who were answered."""

    whole: list[float] = field(default_factory=list[float])
    first: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])
    seams: int = 0
    members: dict[str, Seen] = field(default_factory=dict[str, Seen])

    @property
    def success(self) -> float:
        """The share of requests that were answered."""
        return len(self.whole) / (len(self.whole) + len(self.failed))


async def _weather(strategy: str, names: Sequence[str], storm: Storm) -> Report:
    loop, report, prices = asyncio.get_running_loop(), Report(), Prices()

    def noticed(member: Member) -> None:
        report.members[member.provider.info.model].noticed()

    async with AsyncExitStack() as stack:
        for name in names:
            server = None if name == "dead" else await stack.enter_async_context(_server(name, storm))
            address = server.url if server else f"http://127.0.0.1:{_nowhere(stack)}/v1"
            provider = open_provider(name, api_key="none", base_url=address)
            stack.push_async_callback(provider.aclose)
            await provider.warm()
            await prices.ready("openai", name)
            report.members[name] = Seen(provider, server)
        chance = Random("storm")  # noqa: S311 - to be had again
        circumstances = Circumstances(Reliability(clock=loop.time), prices, loop.time, chance, noticed)
        group = ProviderGroup(
            list(report.members.values()), strategy_named(strategy), name="storm", circumstances=circumstances
        )
        for member, seen in zip(group.members, report.members.values(), strict=True):
            seen.member = member
        until = loop.time() + storm.seconds
        delays = [storm.token * (number % TOKENS) for number in range(storm.readers)]
        await asyncio.gather(*(_reader(group, report, delay, until) for delay in delays))
    return report


async def _reader(group: ProviderGroup, report: Report, delay: float, until: float) -> None:
    """Ask until it is over; not all begin at once."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(delay)
    while (since := loop.time()) < until:
        first = None
        try:
            async with group.stream(PROMPT) as stream:
                async for chunk in stream:
                    if first is None and type(chunk) is TextDelta:
                        first = loop.time() - since
                    report.seams += type(chunk) is Switched
        except AtlasError as error:
            report.failed.append(str(error))
        else:
            report.whole.append(loop.time() - since)
            report.first.append(first or report.whole[-1])


def _server(name: str, storm: Storm) -> FakeModels:
    """A member that is there: `healthy`, `slow` or `flapping`."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    def flaps(_: Exchange) -> Turn:
        down = (loop.time() - began) // storm.flap % 2 == 1
        return Turn(refused="overloaded") if down else Turn()

    seconds = storm.token * (SLOWER if name == "slow" else 1.0)
    return FakeModels(tokens=TOKENS, seconds=seconds, respond=flaps if name == "flapping" else None)


def _nowhere(stack: AsyncExitStack) -> int:
    """A port on which nobody listens, and nobody will until the stack is left."""
    bound = stack.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    return bound.getsockname()[1]


def _at(seconds: Sequence[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1] if len(seconds) > 1 else math.nan


_COLUMNS = (
    "requests", "answered %", "p50 s", "p95 s", "added p50 s", "added p95 s", "first text added p95 s",
    "switches",
)  # fmt: skip
_OF_MEMBERS = (
    "member", "calls while closed", "while open", "on trial", "opened", "at its server meanwhile",
)  # fmt: skip


def _head(columns: Sequence[str]) -> str:
    return f"| strategy | {' | '.join(columns)} |\n{'|---' * (1 + len(columns))}|"


def _row(strategy: str, report: Report, alone: Report) -> str:
    figures = [
        f"{len(report.whole) + len(report.failed)}", f"{100 * report.success:.2f}",
        f"{_at(report.whole, 50):.2f}", f"{_at(report.whole, 95):.2f}",
        *(f"{_at(report.whole, share) - _at(alone.whole, share):+.2f}" for share in (50, 95)),
        f"{_at(report.first, 95) - _at(alone.first, 95):+.2f}",
        f"{report.seams / max(1, len(report.whole)):.2f}",
    ]  # fmt: skip
    return f"| {strategy} | {' | '.join(figures)} |"


def _rows_of_members(strategy: str, report: Report) -> list[str]:
    rows: list[str] = []
    for name, seen in report.members.items():
        at_server = seen.requests_on_trial
        figures = [
            seen.asked[state] for state in (BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN)
        ]
        told = [*figures, seen.opened, "refused" if at_server is None else at_server]
        rows.append(f"| {strategy} | {name} | {' | '.join(map(str, told))} |")
    return rows


def lived_through(strategy: str, names: Sequence[str], storm: Storm) -> Report:
    """Let a storm loose on a group with members of these names, in that order."""
    with asyncio.Runner(loop_factory=lambda: SkippingLoop(grace=GRACE)) as runner:
        return runner.run(_weather(strategy, names, storm))


def main() -> None:
    """Measure, and print the tables."""
    storm = Storm()
    alone = lived_through("failover", ["healthy"], storm)
    sys.stdout.write(
        f"{storm.readers} streams at once for {storm.seconds:.0f} s. The healthy one alone: "
        f"{_at(alone.whole, 50):.2f} s (p95 {_at(alone.whole, 95):.2f} s) to the whole answer, "
        f"{_at(alone.first, 50):.2f} s (p95 {_at(alone.first, 95):.2f} s) to its first text.\n"
    )
    for title, names in {
        "One dead, one flapping, one slow, one healthy": EVERYBODY,
        "One dead, one flapping, nobody else": EVERYBODY[:2],
    }.items():
        reports = {strategy: lived_through(strategy, names, storm) for strategy in STRATEGIES}
        lines = [
            f"\n{title}:\n",
            _head(_COLUMNS),
            *(_row(each, report, alone) for each, report in reports.items()),
        ]
        lines += ["", _head(_OF_MEMBERS)]
        for strategy, report in reports.items():
            lines += _rows_of_members(strategy, report)
        failures = Counter(why for report in reports.values() for why in report.failed)
        lines += ["", *(f"{count} failed: {why}" for why, count in failures.most_common(5))]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
