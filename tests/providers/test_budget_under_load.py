"""Workers side by side under one limit, over real sockets, some of them losing their model in mid-answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest

from atlas_mcp import errors
from atlas_mcp.chunks import Switched
from atlas_mcp.errors import BudgetSpent
from atlas_mcp.providers.breaker import Tripwire
from atlas_mcp.providers.budget import LEAST_ANSWER, Budget, Limit
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.retry import Retry
from atlas_mcp.providers.terms import EVERY_WAY, Policy, Terms, Way
from tests.fakes.model_server import FakeModels
from tests.fakes.turn import Turn
from tests.providers.asking import prompt
from tests.providers.vendors import VENDORS
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from atlas_mcp.chunks import Reply
    from tests.fakes.model_server import Exchange
    from tests.fakes.turn import Ending

WORKERS = 8
TOKENS = 60
"""So many tokens has every whole answer."""
CAP = 700
INPUT, OUTPUT = 2e-6, 1e-5
"""What a token costs, in dollars."""
LONG_ENOUGH = 1000.0

_DEATHS: tuple[Ending, ...] = ("drop", "eof", "error")
"""Not by a reset, which takes with it what was on its way: nobody but the server could count that."""
_PRICES = f'["*:*"]\nprice = {{ input = {INPUT * 1e6}, output = {OUTPUT * 1e6} }}\n'
_STUBBORN = Retry(
    dict.fromkeys((errors.StreamBroken, errors.Overloaded, errors.ServerFailed), 100), first=1.0, jitter=0.0
)
"""It waits for whole seconds, so that the next token comes to all workers at the same moment."""

_GRACE = 0.01
"""In so many real seconds a token has come over the loopback interface, on a busy machine too."""


@dataclass
class Load:
    """What the workers were answered, and what the server counted meanwhile."""

    replies: list[Reply] = field(default_factory=list["Reply"])
    refused: list[BudgetSpent] = field(default_factory=list[BudgetSpent])
    switches: int = 0
    exchanges: list[Exchange] = field(default_factory=list["Exchange"])

    @property
    def tokens(self) -> int:
        return sum(exchange.asked + exchange.sent for exchange in self.exchanges)

    @property
    def dollars(self) -> float:
        return sum(exchange.asked * INPUT + exchange.sent * OUTPUT for exchange in self.exchanges)


def dying(chance: Random) -> Callable[[Exchange], Turn]:
    """Every third answer breaks off."""
    numbers = count(1)

    def respond(_: Exchange) -> Turn:
        if next(numbers) % 3:
            return Turn()
        return Turn(ending=chance.choice(_DEATHS), after=chance.randrange(1, TOKENS))

    return respond


async def worked(
    run: Budget, first: str, chance: Random, models: Models, ways: tuple[Way, ...] = EVERY_WAY
) -> Load:
    """Let workers ask again and again until the budget has no more for them."""
    load, names = Load(), list(VENDORS)
    second = names[(names.index(first) + 1) % len(names)]
    # Virtual seconds: the next token is sent when all have read the one before.
    async with FakeModels(tokens=TOKENS, seconds=1.0, respond=dying(chance)) as server:
        members = [VENDORS[first](server.root), VENDORS[second](server.root)]
        for member in members:
            await member.warm()
        group = ProviderGroup(
            members,
            policy=Policy(ways, crawl=0.0, attempts=100), retry=_STUBBORN, tripwire=Tripwire(trips=False),
            circumstances=Circumstances(
                Reliability(), Prices(models), asyncio.get_running_loop().time, chance
            ),
        )  # fmt: skip

        async def worker(number: int) -> None:
            terms = Terms(budget=run.child(Limit(), name=f"worker {number}"))
            try:
                while True:
                    fold = Fold()
                    async with group.stream(prompt(f"worker {number}: the tides?"), terms) as stream:
                        async for chunk in stream:
                            fold.add(chunk)
                            load.switches += isinstance(chunk, Switched)
                    load.replies.append(fold.reply())
            except BudgetSpent as spent:
                load.refused.append(spent)

        async with asyncio.timeout(LONG_ENOUGH * TOKENS):
            await asyncio.gather(*map(worker, range(WORKERS)))
        await group.aclose()
    load.exchanges = [exchange for exchange in server.exchanges if exchange.wire is not None]
    return load


@pytest.fixture
def models(tmp_path: Path) -> Models:
    file = tmp_path / "models.toml"
    file.write_text(_PRICES, "utf-8")
    return Models.load(file)


def survived(run: Budget, first: str, models: Models, ways: tuple[Way, ...]) -> Load:
    """What came of the workers, which is right whatever the limit was."""
    chance = Random(f"{first} {run.limit}")  # noqa: S311 - nothing secret rests on it
    with asyncio.Runner(loop_factory=lambda: SkippingLoop(grace=_GRACE)) as runner:
        load = runner.run(worked(run, first, chance, models, ways))
    # Everybody had whole answers until there was no more, though members died all the while.
    assert len(load.refused) == WORKERS
    assert {reply.stopped.reason for reply in load.replies} == {"end"}
    assert load.switches
    # Nothing is reserved any more, and every call was counted.
    assert (run._tokens, run._calls) == (run.spent.tokens, run.spent.calls)
    assert run._usd == pytest.approx(run.spent.cost_usd)
    assert run.spent.calls == len(load.exchanges)
    return load


@pytest.mark.parametrize("first", VENDORS)
@pytest.mark.parametrize(
    "limit", [Limit(tokens=CAP), Limit(cost_usd=CAP * OUTPUT)], ids=["tokens", "dollars"]
)
def test_a_run_never_takes_more_than_its_limit_and_a_chunk_a_worker_however_its_members_die(
    limit: Limit, first: str, models: Models
) -> None:
    run = Budget(limit)
    # The next begins anew, on the same prompt: one of which we know that its size is not underrated.
    load = survived(run, first, models, (Way.RESTART,))
    assert run.spent.tokens >= load.tokens
    took = load.tokens if limit.tokens else load.dollars / OUTPUT
    assert CAP - WORKERS * LEAST_ANSWER < took <= CAP + WORKERS


def test_what_is_retold_of_an_answer_adds_no_more_than_its_size_is_underrated(models: Models) -> None:
    run = Budget(Limit(tokens=2 * CAP))
    load = survived(run, "OpenAI chat", models, (Way.RETELL,))
    underrated = 0.05 * sum(exchange.asked for exchange in load.exchanges)
    assert load.tokens <= 2 * CAP + WORKERS + underrated
    assert load.tokens <= run.spent.tokens + underrated
