"""Strategies: orders of members, from nothing but how they stand and from chance that is given."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.adaptive import Adaptive
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.known.prices import Price
from atlas_mcp.providers.known.reliability import Record
from atlas_mcp.providers.retry import Retry
from atlas_mcp.providers.roster import Circumstances, Roster
from atlas_mcp.providers.strategies import (
    STRATEGIES,
    cheapest,
    failover,
    fastest,
    name_of,
    random,
    round_robin,
    strategy_named,
    task_aware,
)
from atlas_mcp.providers.strategy import Ask, MemberView, Order
from tests.providers.mortal import Mortal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.providers.member import Member

WRITING = Ask(TaskType.WRITING, prompt_tokens=1000, answer_tokens=500)
DEAR, CHEAP = Price(10e-6, 50e-6), Price(1e-6, 5e-6)
KNOWN = Record(calls=20.0, success=1.0, seconds=2.0)


def seeded(seed: int = 7) -> Random:
    return Random(seed)  # noqa: S311 - a test's chance


def named(views: Sequence[MemberView], places: Sequence[int]) -> str:
    return "".join(views[place].name for place in places)


amounts = st.floats(0.0, 1e4)
records = st.builds(
    Record,
    calls=amounts,
    success=st.floats(0.0, 1.0),
    seconds=st.none() | st.floats(0.01, 500.0),
    first_token=st.none() | st.floats(0.01, 60.0),
    lost_seconds=st.none() | st.floats(0.0, 60.0),
    answer_tokens=st.none() | st.floats(0.0, 1e5),
    cost_usd=st.none() | st.floats(0.0, 10.0),
    quality=st.none() | st.floats(0.0, 5.0),
    rated=amounts,
)
views = st.builds(
    MemberView,
    name=st.text("abc", min_size=1, max_size=3),
    weight=st.floats(0.001, 100.0),
    turns=st.floats(0.0, 1e6),
    at_once=st.integers(0, 200),
    capabilities=st.builds(
        Capabilities, st.dictionaries(st.sampled_from(Capability), st.sampled_from(Strength), max_size=4)
    ),
    price=st.none() | st.builds(Price, st.floats(0.0, 1e-4), st.floats(0.0, 1e-3)),
    record=records,
)
asks = st.builds(Ask, st.sampled_from(TaskType), st.integers(0, 200_000), st.integers(1, 64_000))


@given(
    st.sampled_from(sorted(STRATEGIES)), asks, st.lists(views, min_size=2, max_size=6), st.integers(0, 999)
)
def test_law_every_strategy_gives_each_member_once_and_equal_views_an_equal_order(
    name: str, ask: Ask, members: list[MemberView], seed: int
) -> None:
    strategy = STRATEGIES[name]
    places, reason = strategy(ask, members, seeded(seed))
    assert sorted(places) == list(range(len(members)))
    assert reason
    assert strategy(ask, list(members), seeded(seed)) == (places, reason)


@pytest.mark.parametrize("name", ["round-robin", "Round_Robin", " adaptive "])
def test_a_strategy_is_found_by_its_name_as_people_write_it(name: str) -> None:
    assert strategy_named(name) is STRATEGIES[name.strip().lower().replace("-", "_")]


def test_a_strategy_that_there_is_not_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidConfiguration, match="no strategy 'best'") as caught:
        strategy_named("best")
    assert all(name in caught.value.remedy for name in STRATEGIES)


def test_failover_keeps_to_the_list() -> None:
    members = [MemberView(name, turns=number, record=KNOWN) for number, name in enumerate("cab")]
    assert failover(WRITING, members, seeded()) == (range(3), "first of the list that is free")


# In turn, and by lot ---------------------------------------------------------------------------------------


def rotation(*weights: float) -> Roster:
    mortals = [(Mortal(f"m{number}", []), weight) for number, weight in enumerate(weights)]
    return Roster(
        "test", mortals, round_robin, retry=Retry(), tripwire=None, circumstances=Circumstances.fresh()
    )  # fmt: skip


def turn(roster: Roster, there: Sequence[Member] | None = None) -> Member:
    """Whose turn it is among those who are there; they take it."""
    free = list(there or roster.members)
    members = [MemberView(member.name, member.weight, member.turns) for member in free]
    chosen = free[round_robin(WRITING, members, seeded()).places[0]]
    roster.take_turn(chosen)
    return chosen


@given(st.integers(1, 6), st.integers(1, 40))
def test_law_of_equal_weights_nobody_is_ever_two_turns_ahead(members: int, turns: int) -> None:
    roster = rotation(*[1.0] * members)
    taken = Counter(turn(roster).name for _ in range(turns))
    counts = [taken[member.name] for member in roster.members]
    assert max(counts) - min(counts) <= 1


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_law_turns_are_in_proportion_to_the_weights(weights: list[int]) -> None:
    roster = rotation(*map(float, weights))
    taken = Counter(turn(roster).name for _ in range(10 * sum(weights)))
    for member, weight in zip(roster.members, weights, strict=True):
        assert abs(taken[member.name] - 10 * weight) <= 1


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(0, 100))
def test_law_whoever_comes_back_takes_part_from_then_on_and_does_not_catch_up(
    weights: list[int], missed: int
) -> None:
    roster = rotation(*map(float, weights))
    away, *there = roster.members
    for _ in range(missed):
        turn(roster, there)
    taken = Counter(turn(roster).name for _ in range(10 * sum(weights)))
    # What was its due when it came back, and what has been since.
    assert abs(taken[away.name] - 10 * weights[0]) <= 2


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 1.0), (0.5, 2.0, 0.001)])
def test_lots_fall_in_proportion_to_the_weights_in_the_long_run(weights: tuple[float, ...]) -> None:
    members = [MemberView(str(number), weight) for number, weight in enumerate(weights)]
    chance, draws = seeded(), 20_000
    first = Counter(random(WRITING, members, chance).places[0] for _ in range(draws))
    for number, weight in enumerate(weights):
        assert abs(first[number] / draws - weight / sum(weights)) < 0.01


# By price, by speed, by strength ---------------------------------------------------------------------------


def test_the_cheapest_is_first_and_an_unknown_price_last() -> None:
    members = [
        MemberView("u"), MemberView("d", price=DEAR), MemberView("c", price=CHEAP),
        MemberView("f", price=Price(0.0, 0.0)),
    ]  # fmt: skip
    places, reason = cheapest(WRITING, members, seeded())
    assert named(members, places) == "fcdu"
    assert reason == "cheapest, about $0.00000 an answer"
    assert cheapest(WRITING, members[:1] * 2, seeded()).reason == "no price is known"


def test_what_tries_were_seen_to_cost_stands_in_for_a_price() -> None:
    seen = MemberView("s", record=replace(KNOWN, cost_usd=0.002))
    members = [MemberView("d", price=DEAR), seen]
    assert named(members, cheapest(WRITING, members, seeded()).places) == "sd"


def test_cheap_answers_that_are_ten_times_as_long_are_not_cheap() -> None:
    verbose = MemberView("v", price=CHEAP, record=replace(KNOWN, answer_tokens=10_000.0))
    brief = MemberView("b", price=DEAR, record=replace(KNOWN, answer_tokens=50.0))
    assert named([verbose, brief], cheapest(WRITING, [verbose, brief], seeded()).places) == "bv"


def test_failures_are_paid_for_too() -> None:
    half, whole = Price(0.6e-6, 3e-6), Price(1e-6, 5e-6)
    fails = MemberView("f", price=half, record=replace(KNOWN, success=0.5))
    works = MemberView("w", price=whole, record=KNOWN)
    assert named([fails, works], cheapest(WRITING, [fails, works], seeded()).places) == "wf"


def test_the_fastest_is_first_by_what_was_observed() -> None:
    members = [
        MemberView("s", record=replace(KNOWN, seconds=9.0)),
        MemberView("f", record=replace(KNOWN, seconds=1.5)),
    ]
    assert fastest(WRITING, members, seeded()) == ([1, 0], "fastest, usually 1.5 s")


def test_one_that_fails_at_once_is_not_fast() -> None:
    refuses = Record(calls=50.0, success=0.2, seconds=1.0, lost_seconds=0.01)
    hangs = Record(calls=50.0, success=0.9, seconds=1.0, lost_seconds=60.0)
    members = [MemberView(name, record=record) for name, record in [("r", refuses), ("h", hangs)]]
    steady = MemberView("s", record=replace(KNOWN, seconds=4.0))
    assert named([*members, steady], fastest(WRITING, [*members, steady], seeded()).places) == "srh"


def test_whoever_was_not_tried_is_tried_first_by_one_call_at_a_time() -> None:
    known, new = MemberView("k", record=KNOWN), MemberView("n")
    assert fastest(WRITING, [known, new], seeded()) == ([1, 0], "not tried lately")
    under_way = new._replace(at_once=1)
    assert named([known, under_way], fastest(WRITING, [known, under_way], seeded()).places) == "kn"


def test_the_untried_are_tried_in_turn() -> None:
    members = [MemberView("a", turns=2.0), MemberView("b", turns=1.0)]
    assert named(members, fastest(WRITING, members, seeded()).places) == "ba"


def declared(name: str, strength: Strength | None, **more: object) -> MemberView:
    strengths = {} if strength is None else {Capability.WRITING: strength}
    return MemberView(name, capabilities=Capabilities(strengths))._replace(**more)


def test_the_strongest_at_the_task_is_first_and_the_unknown_counts_as_moderate() -> None:
    members = [
        declared("l", Strength.LIMITED), declared("u", None), declared("e", Strength.EXCEPTIONAL),
        declared("s", Strength.STRONG),
    ]  # fmt: skip
    places, reason = task_aware(WRITING, members, seeded())
    assert named(members, places) == "esul"
    assert reason == "exceptional at writing"
    assert task_aware(Ask(TaskType.CODE), members, seeded()).reason == "of unknown strength at code"


def test_of_equally_strong_ones_the_reliable_is_first_then_the_cheap() -> None:
    strong = [
        declared("f", Strength.STRONG, record=replace(KNOWN, success=0.5), price=CHEAP),
        declared("d", Strength.STRONG, record=KNOWN, price=DEAR),
        declared("c", Strength.STRONG, record=replace(KNOWN, success=0.98), price=CHEAP),
    ]
    assert named(strong, task_aware(WRITING, strong, seeded()).places) == "cdf"


def test_a_strategy_is_called_as_in_the_settings_or_by_its_own_name() -> None:
    def last_first(_ask: Ask, members: Sequence[MemberView], _chance: Random, /) -> Order:
        return Order(range(len(members))[::-1], "the other way round")

    assert {name: name_of(strategy) for name, strategy in STRATEGIES.items()} == {n: n for n in STRATEGIES}
    assert name_of(last_first) == "last_first"
    assert name_of(Adaptive(curiosity=0.0)) == "Adaptive"
