"""The adaptive strategy: what it goes by, what it does where little is known, and how far it looks around."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.messages import TaskType
from atlas_mcp.providers.adaptive import Adaptive
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.known.prices import Price
from atlas_mcp.providers.known.reliability import HALF_LIFE, Record, Reliability
from atlas_mcp.providers.known.track import Outcome
from atlas_mcp.providers.strategy import Ask, MemberView

if TYPE_CHECKING:
    from collections.abc import Sequence

WRITING, CODE = Ask(TaskType.WRITING, 1000, 500), Ask(TaskType.CODE, 1000, 500)
KNOWN = Record(
    calls=200.0, answers=200.0, success=0.98, seconds=3.0, quality=4.0, rated=100.0, lost_seconds=1.0
)  # fmt: skip
PRICE = Price(2e-6, 10e-6)
SURE = Adaptive(curiosity=0.0)
"""It looks at nobody else, and leaves nothing to chance."""


def seeded(seed: int = 1) -> Random:
    return Random(seed)  # noqa: S311 - a test's chance


def view(name: str, record: Record = KNOWN, price: Price | None = PRICE, **strengths: Strength) -> MemberView:
    able = {Capability(task): strength for task, strength in strengths.items()}
    return MemberView(name, price=price, record=record, capabilities=Capabilities(able))


def order(members: Sequence[MemberView], ask: Ask = WRITING, strategy: Adaptive = SURE) -> str:
    return "".join(members[place].name for place in strategy(ask, members, seeded()).places)


def shares(members: Sequence[MemberView], ask: Ask = WRITING, times: int = 2000) -> dict[str, float]:
    """How often each is first."""
    chance, strategy = seeded(), Adaptive()
    first = Counter(members[strategy(ask, members, chance).places[0]].name for _ in range(times))
    return {member.name: first[member.name] / times for member in members}


# What it goes by -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "worse",
    [
        {"success": 0.7}, {"seconds": 12.0}, {"quality": 3.2},
        {"success": 0.9, "lost_seconds": 120.0}, {"answer_tokens": 4000.0},
    ],
    ids=str,
)  # fmt: skip
def test_all_else_being_equal_each_thing_that_is_worse_tells(worse: dict[str, Any]) -> None:
    assert order([view("w", replace(KNOWN, **worse)), view("b")]) == "bw"


def test_all_else_being_equal_the_cheaper_is_first_and_the_free_before_it() -> None:
    dear, free = Price(4e-6, 20e-6), Price(0.0, 0.0)
    assert order([view("d", price=dear), view("c"), view("f", price=free)]) == "fcd"


def test_a_price_that_nobody_knows_is_neither_nothing_nor_beyond_all_others() -> None:
    cheap, dear = Price(0.2e-6, 1e-6), Price(20e-6, 100e-6)
    members = [view("d", price=dear), view("u", price=None), view("c", price=cheap), view("m")]
    assert order(members) in {"cumd", "cmud"}


def test_beside_a_free_member_an_unknown_price_is_not_taken_for_free() -> None:
    assert order([view("u", price=None), view("f", price=Price(0.0, 0.0))]) == "fu"


def test_where_no_price_is_known_the_rest_decides() -> None:
    assert order([view("w", replace(KNOWN, quality=3.0), price=None), view("b", price=None)]) == "bw"


def test_a_better_answer_is_worth_some_wait_and_some_money() -> None:
    good = view("g", replace(KNOWN, quality=4.8, seconds=6.0), price=Price(3e-6, 15e-6))
    assert order([view("p", replace(KNOWN, quality=3.2)), good]) == "gp"


def test_weights_say_what_wait_and_price_are_worth() -> None:
    quick = view("q", replace(KNOWN, seconds=1.0, quality=3.6), price=Price(8e-6, 40e-6))
    cheap = view("c", replace(KNOWN, seconds=20.0, quality=3.4), price=Price(0.1e-6, 0.5e-6))
    good = view("g", replace(KNOWN, seconds=15.0, quality=4.7), price=Price(8e-6, 40e-6))
    members = [quick, cheap, good]
    assert order(members, strategy=Adaptive(wait=3.0, price=0.0, curiosity=0.0))[0] == "q"
    assert order(members, strategy=Adaptive(wait=0.0, price=3.0, curiosity=0.0))[0] == "c"
    assert order(members, strategy=Adaptive(wait=0.1, price=0.1, curiosity=0.0))[0] == "g"


def test_one_may_be_good_at_code_and_bad_at_writing() -> None:
    reliability, members = Reliability(clock=lambda: 0.0), ("c", "w")
    for _ in range(40):
        for member in members:
            for task in (TaskType.CODE, TaskType.WRITING):
                reliability.observe(member, task, Outcome("", 3.0, 50.0, 0.001, 300))
                reliability.rate(member, task, 4.5 if task.value.startswith(member) else 2.5)
    for ask, expected in ((CODE, "cw"), (WRITING, "wc")):
        assert order([view(m, reliability.record(m, ask.task)) for m in members], ask) == expected


records = st.builds(
    Record,
    calls=st.floats(0.0, 500.0),
    success=st.floats(0.0, 1.0),
    seconds=st.none() | st.floats(0.1, 100.0),
    lost_seconds=st.floats(0.0, 60.0),
    quality=st.floats(0.0, 5.0),
    rated=st.floats(0.0, 500.0),
)


@given(
    st.lists(records, min_size=2, max_size=5), st.integers(0, 4), st.floats(0.01, 1.0),
    st.sampled_from(["quality", "success", "seconds", "price"]),
)  # fmt: skip
def test_law_whoever_gets_better_does_not_fall_behind(
    several: list[Record], which: int, by: float, what: str
) -> None:
    which %= len(several)
    members = [view(str(number), record) for number, record in enumerate(several)]
    record = several[which]
    # The usual wait stands in where one is unknown, so that of others may move with it.
    if what == "seconds" and any(each.seconds is None for each in several):
        return
    match what:
        case "quality":
            better = view(str(which), replace(record, quality=min(5.0, (record.quality or 0.0) + 5.0 * by)))
        case "success":
            better = view(str(which), replace(record, success=record.success + by * (1.0 - record.success)))
        case "seconds":
            better = view(str(which), replace(record, seconds=(record.seconds or 0.0) * (1.0 - by / 2)))
        case _:
            better = view(str(which), record, price=Price(PRICE.input * (1 - by / 2), PRICE.output))
    before = order(members).index(str(which))
    members[which] = better
    assert order(members).index(str(which)) <= before


# Where little is known -------------------------------------------------------------------------------------


def test_with_nothing_observed_declared_strengths_and_prices_decide() -> None:
    dear = Price(3e-6, 15e-6)
    strong = view("s", Record(), writing=Strength.STRONG, code=Strength.LIMITED)
    limited = view("l", Record(), writing=Strength.LIMITED, code=Strength.STRONG)
    same = view("d", Record(), price=dear, writing=Strength.STRONG, code=Strength.LIMITED)
    assert order([limited, same, strong], WRITING) == "sdl"
    assert order([limited, same, strong], CODE)[0] == "l"


def test_what_was_observed_soon_counts_for_more_than_what_was_declared() -> None:
    boasts = view("b", replace(KNOWN, quality=2.5, rated=15.0), writing=Strength.EXCEPTIONAL)
    modest = view("m", replace(KNOWN, quality=4.2, rated=15.0), writing=Strength.LIMITED)
    assert order([boasts, modest]) == "mb"


def test_newcomers_are_given_a_chance_and_those_known_to_be_worse_hardly_any() -> None:
    best, worse = view("b", replace(KNOWN, quality=4.4)), view("w", replace(KNOWN, quality=3.0))
    first = shares([best, worse, view("n", Record())])
    assert 0.005 < first["n"] < 0.5
    assert first["w"] < 0.001


def test_the_more_is_known_the_less_is_left_to_chance() -> None:
    def others(known: float) -> float:
        record = replace(KNOWN, calls=known, answers=known, rated=known)
        return shares([view("b", record), view("o", replace(record, quality=3.6))])["o"]

    doubts = [others(1.0), others(10.0), others(100.0)]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > 0.05
    assert doubts[-1] < 0.02


def test_where_nobody_rates_answers_nobody_is_asked_for_the_sake_of_their_quality() -> None:
    unrated = replace(KNOWN, quality=None, rated=0.0)
    members = [view("s", unrated, writing=Strength.STRONG), view("m", unrated, writing=Strength.MODERATE)]
    assert shares(members)["m"] < 0.002
    fresh = [member._replace(record=Record(calls=1.0)) for member in members]
    assert shares(fresh)["m"] > 0.05


def test_one_that_was_out_for_hours_comes_back_once_that_is_past() -> None:
    now = [0.0]
    reliability = Reliability(clock=lambda: now[0])

    def lived(member: str, failures: int, answers: int) -> None:
        for _ in range(failures):
            reliability.observe(member, TaskType.WRITING, Outcome("overloaded", 0.3))
        for _ in range(answers):
            reliability.observe(member, TaskType.WRITING, Outcome("", 3.0, 50.0, 0.001, 300))
            reliability.rate(member, TaskType.WRITING, 4.6 if member == "g" else 3.8)

    def share() -> float:
        return shares([view(m, reliability.record(m, TaskType.WRITING)) for m in "gp"])["g"]

    lived("g", 0, 30)
    lived("p", 0, 30)
    assert share() > 0.99
    lived("g", 30, 0)
    assert share() < 0.001, "while it fails it is passed over"
    for _ in range(24):
        now[0] += HALF_LIFE / 24
        lived("p", 0, 5)
    assert share() > 0.05, "a day later it is looked at again"
    lived("g", 0, 10)
    assert share() > 0.9, "and, being better, is back"


# Reasons ---------------------------------------------------------------------------------------------------


def test_the_reason_says_what_the_choice_rests_on() -> None:
    members = [view("a"), view("b", replace(KNOWN, quality=2.0)), view("c", replace(KNOWN, quality=3.0))]
    reason = SURE(WRITING, members, seeded()).reason
    assert reason == "best of 3: 98 % answered, 3.0 s, $0.0070, quality 4.0"


def test_of_a_stranger_the_reason_says_that_little_is_known() -> None:
    members = [view("a", Record(), price=None, writing=Strength.EXCEPTIONAL), view("b", Record(), price=None)]
    assert SURE(WRITING, members, seeded()).reason == "best of 2: hardly tried lately, unknown price"


def test_a_look_at_another_is_called_one_and_names_the_best() -> None:
    members = [view("best", replace(KNOWN, quality=4.4)), view("new", Record())]
    chance = seeded()
    orders = [Adaptive()(WRITING, members, chance) for _ in range(300)]
    looks = {reason for places, reason in orders if places[0] == 1}
    assert looks == {"to see how it does now: hardly tried lately, $0.0070; the best so far is best"}
