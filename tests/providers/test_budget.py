"""What may be spent: laws over any calls in any order, and what a limit of each kind does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.chunks import Usage
from atlas_mcp.errors import BudgetSpent
from atlas_mcp.providers.budget import LEAST_ANSWER, Budget, Hold, Limit
from atlas_mcp.providers.known.prices import Price

PRICE = Price(1e-5, 5e-5, above=((5_000, Price(2e-5, 1e-4)),))
HUGE = 10**9

limits = st.builds(
    Limit,
    tokens=st.none() | st.integers(0, 20_000),
    cost_usd=st.none() | st.floats(0, 0.5),
    calls=st.none() | st.integers(0, 10),
)


def taken(budget: Budget) -> tuple[int, float, int]:
    """What counts against a budget now, reserved or spent."""
    return budget._tokens, budget._usd, budget._calls


# Laws ------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """A call under way: where it was reserved, and how far it came; one of a tool takes `usd` and no more."""

    budget: Budget
    hold: Hold
    prompt: int
    price: Price | None
    answer: int = 0
    usd: float | None = None


@dataclass
class World:
    """A tree of budgets and what is done with it."""

    budgets: list[Budget]
    open: list[Call] = field(default_factory=list[Call])
    settled: list[tuple[Budget, Usage]] = field(default_factory=list[tuple[Budget, Usage]])

    def reserve(self, at: int, prompt: int, whole: int | None, price: Price | None, closing: bool) -> None:
        budget = self.budgets[at % len(self.budgets)]
        before = [taken(each) for each in self.budgets]
        try:
            hold = budget.reserve(prompt, answer_tokens=whole, price=price, closing=closing)
        except BudgetSpent:
            assert [taken(each) for each in self.budgets] == before
        else:
            self.open.append(Call(budget, hold, prompt, price))

    def set_aside(self, at: int, cents: int) -> None:
        budget = self.budgets[at % len(self.budgets)]
        before = [taken(each) for each in self.budgets]
        try:
            hold = budget.set_aside(cents / 100)
        except BudgetSpent:
            assert [taken(each) for each in self.budgets] == before
        else:
            self.open.append(Call(budget, hold, 0, None, usd=cents / 100))

    def count(self, at: int, more: int) -> None:
        if models := [call for call in self.open if call.usd is None]:
            call = models[at % len(models)]
            call.answer += more
            try:
                call.hold.count(call.prompt, call.answer)
            except BudgetSpent:
                self.settle(self.open.index(call), 0)

    def settle(self, at: int, off: int) -> None:
        """The provider says something else than was estimated, or nothing was sent at all."""
        if self.open:
            call = self.open.pop(at % len(self.open))
            usage = Usage(max(0, call.prompt + off), max(0, call.answer + off), cost_usd=None, calls=off % 2)
            if call.usd is not None:
                usage = Usage(cost_usd=call.usd if off % 2 else 0.0)
            elif call.price is not None:
                usage = replace(usage, cost_usd=call.price.cost(usage))
            call.hold.settle(usage)
            call.hold.settle(usage)  # it counts once
            self.settled.append((call.budget, usage))

    def check(self) -> None:
        for budget in self.budgets:
            spent = [usage for at, usage in self.settled if budget in at._chain()]
            below = [call for call in self.open if budget in call.budget._chain()]
            total = sum(spent, start=Usage())
            assert (budget.spent.tokens, budget.spent.calls) == (total.tokens, total.calls)
            assert budget.spent.cost_usd == total.cost_usd
            assert budget.blind == any(usage.cost_usd is None and usage.tokens for usage in spent)
            assert budget._tokens == total.tokens + sum(call.hold._tokens for call in below)
            assert budget._calls == total.calls + sum(call.usd is None for call in below)
            usd = sum(usage.cost_usd or 0.0 for usage in spent) + sum(call.hold._usd for call in below)
            assert isclose(budget._usd, usd, abs_tol=1e-9)


prices = st.sampled_from([None, PRICE])
deeds = st.one_of(
    st.tuples(
        st.just("reserve"), st.integers(0, 9), st.integers(0, 6_000), st.none() | st.integers(0, 500), prices,
        st.booleans(),
    ),
    st.tuples(st.just("set_aside"), st.integers(0, 9), st.integers(0, 20)),
    st.tuples(st.just("count"), st.integers(0, 9), st.integers(0, 300)),
    st.tuples(st.just("settle"), st.integers(0, 9), st.integers(-200, 200)),
)  # fmt: skip


@given(
    root=limits, children=st.lists(st.tuples(limits, st.integers(0, 9)), max_size=5),
    deeds=st.lists(deeds, max_size=40),
)  # fmt: skip
def test_what_was_spent_is_what_was_settled_and_nothing_stays_reserved(
    root: Limit, children: list[tuple[Limit, int]], deeds: list[tuple[str, ...]]
) -> None:
    world = World([Budget(root, held_back=0.1)])
    for number, (limit, above) in enumerate(children):
        parent = world.budgets[above % len(world.budgets)]
        world.budgets.append(parent.child(limit, name=f"child {number}"))
    for name, *arguments in deeds:
        getattr(world, name)(*arguments)
        world.check()
    while world.open:
        world.settle(0, 0)
    world.check()
    for budget in world.budgets:
        assert (budget._tokens, budget._calls) == (budget.spent.tokens, budget.spent.calls)


@dataclass(frozen=True)
class Crowd:
    """Workers under one limit, in tokens or in dollars, so many budgets below it, and the sizes of chunks."""

    limit: int
    workers: int
    prompt: int
    sizes: list[int]
    dollars: bool
    depth: int


crowds = st.builds(
    Crowd,
    limit=st.integers(0, 8_000),
    workers=st.integers(1, 8),
    prompt=st.integers(0, 300),
    sizes=st.lists(st.integers(1, 60), min_size=1),
    dollars=st.booleans(),
    depth=st.integers(0, 2),
)


@given(crowd=crowds, turns=st.lists(st.integers(0, 7), max_size=400))
def test_workers_side_by_side_never_spend_more_than_the_limit_and_a_chunk_each(
    crowd: Crowd, turns: list[int]
) -> None:
    price = Price(1e-5, 1e-5)
    most = Limit(cost_usd=crowd.limit * 1e-5) if crowd.dollars else Limit(tokens=crowd.limit)
    root = Budget(most)
    lowest = [root] * crowd.workers
    for level in range(crowd.depth):
        lowest = [each.child(Limit(), name=f"level {level}") for each in lowest]
    calls: dict[int, Call] = {}
    for number, turn in enumerate(turns):
        worker = turn % crowd.workers
        try:
            if worker not in calls:
                hold = lowest[worker].reserve(crowd.prompt, price=price)
                calls[worker] = Call(lowest[worker], hold, crowd.prompt, price)
            call = calls[worker]
            call.answer += crowd.sizes[number % len(crowd.sizes)]
            call.hold.count(crowd.prompt, call.answer)
        except BudgetSpent:
            if worker in calls:
                settle(calls.pop(worker))
    for call in calls.values():
        settle(call)
    assert root.spent.tokens <= crowd.limit + crowd.workers * max(crowd.sizes)
    assert root._tokens == root.spent.tokens


def settle(call: Call) -> None:
    usage = Usage(call.prompt, call.answer, calls=1)
    call.hold.settle(replace(usage, cost_usd=call.price.cost(usage) if call.price else None))


async def test_tasks_that_take_turns_stop_within_a_chunk_of_the_limit() -> None:
    budget = Budget(Limit(tokens=1_000))
    chunk = 10

    async def work(name: str) -> None:
        hold = budget.child(Limit(), name=name).reserve(0)
        said = 0
        with suppress(BudgetSpent):
            while True:
                said += chunk
                hold.count(0, said)
                await asyncio.sleep(0)
        hold.settle(Usage(0, said, calls=1))

    await asyncio.gather(*(work(f"worker {number}") for number in range(8)))
    assert 1_000 <= budget.spent.tokens <= 1_000 + 8 * chunk


# Limits ----------------------------------------------------------------------------------------------------


def test_a_prompt_is_not_sent_where_no_answer_would_fit_behind_it() -> None:
    budget = Budget(Limit(tokens=1_000))
    with pytest.raises(BudgetSpent) as refused:
        budget.reserve(1_000 - LEAST_ANSWER + 1)
    assert "is reached" not in refused.value.message
    assert refused.value.remedy
    budget.reserve(1_000 - LEAST_ANSWER)


def test_a_call_that_does_not_fit_is_told_apart_from_a_limit_that_is_reached() -> None:
    day = Budget(Limit(tokens=63_000), name="day", held_back=0.05)

    def said(prompt: int, *, closing: bool = False) -> str:
        with pytest.raises(BudgetSpent) as refused:
            day.reserve(prompt, closing=closing)
        return refused.value.message

    day.add(Usage(50_000))
    head = "Of the day's limit of 63,000 tokens, "
    assert said(20_000) == f"{head}50,000 are taken; what is left has no room for this call."
    day.add(Usage(10_563))
    assert said(0) == f"{head}60,563 are taken; what is left is kept for handing back what there is."
    assert said(9_000, closing=True) == f"{head}60,563 are taken; what is left has no room for this call."
    day.add(Usage(2_437))
    assert said(0) == "The day's limit of 63,000 tokens is reached."
    priced = Budget(Limit(cost_usd=1.0))
    priced.add(Usage(cost_usd=0.98))
    with pytest.raises(
        BudgetSpent, match=r"^Of the run's limit of \$1.00, \$0.98 is taken; what is left has no"
    ):
        priced.reserve(10_000, price=PRICE)


def test_an_answer_that_comes_at_once_is_reserved_as_a_whole() -> None:
    budget = Budget(Limit(tokens=1_000))
    with pytest.raises(BudgetSpent):
        budget.reserve(500, answer_tokens=501)
    hold = budget.reserve(500, answer_tokens=500)
    assert budget.left() == (0, None)
    with pytest.raises(BudgetSpent):
        budget.reserve(0)
    hold.settle(Usage(500, 100, calls=1))
    assert budget.left() == (400, None)


def test_the_nearest_limit_that_is_reached_is_named_by_its_budget() -> None:
    run = Budget(Limit(tokens=1_000))
    agent = run.child(Limit(calls=1), name="critic")
    agent.reserve(0).settle(Usage(10, 10, calls=1))
    assert agent.reached() == "critic's limit of 1 call"
    assert run.reached() == ""
    with pytest.raises(BudgetSpent, match="The critic's limit of 1 call is reached"):
        agent.reserve(0)
    run.add(Usage(970, 10))
    assert run.reached() == "run's limit of 1,000 tokens"


def test_what_is_left_is_the_least_of_all_budgets_above() -> None:
    run = Budget(Limit(tokens=1_000, cost_usd=2.0))
    agent = run.child(Limit(tokens=2_000, cost_usd=0.5), name="critic")
    assert agent.left() == (1_000, 0.5)
    assert Budget(Limit()).left() == (None, None)


def test_only_a_closing_turn_takes_what_is_held_back() -> None:
    budget = Budget(Limit(tokens=1_000, calls=1), held_back=0.2)
    hold = budget.reserve(0)
    hold.count(0, 800)
    with pytest.raises(BudgetSpent):
        hold.count(0, 801)
    hold.settle(Usage(0, 801, calls=1))
    assert budget.reached()
    assert budget.reached(closing=True) == ""
    assert budget.left() == (0, None)
    assert budget.left(closing=True) == (199, None)
    with pytest.raises(BudgetSpent):
        budget.reserve(0)
    last = budget.reserve(0, closing=True)  # also one call more than the limit
    last.count(0, 199)
    with pytest.raises(BudgetSpent):
        last.count(0, 200)


def test_money_binds_while_an_answer_streams() -> None:
    budget = Budget(Limit(cost_usd=0.10))
    hold = budget.reserve(1_000, price=Price(1e-5, 1e-4))
    hold.count(1_000, 900)
    with pytest.raises(BudgetSpent, match=r"The run's limit of \$0\.10 is reached"):
        hold.count(1_000, 901)


def test_money_does_not_bind_where_the_price_is_unknown_and_the_budget_says_that_it_is_blind() -> None:
    run = Budget(Limit(cost_usd=0.01))
    agent = run.child(Limit(), name="critic")
    hold = agent.reserve(HUGE)
    hold.count(HUGE, HUGE)
    assert not run.blind
    hold.settle(Usage(HUGE, HUGE, cost_usd=None, calls=1))
    assert agent.blind
    assert run.blind
    assert run.spent.cost_usd is None
    with pytest.raises(BudgetSpent):
        run.reserve(10_000, price=PRICE)  # what has a price still binds


def test_a_call_that_took_nothing_leaves_the_budget_as_it_was() -> None:
    budget = Budget(Limit(tokens=1_000, cost_usd=1.0))
    budget.reserve(500, price=PRICE).settle(Usage(cost_usd=None))
    assert taken(budget) == (0, 0.0, 0)
    assert not budget.blind


def test_what_is_told_of_the_prompt_later_counts_with_the_next_piece() -> None:
    budget = Budget(Limit(tokens=1_000))
    hold = budget.reserve(100)
    hold.count(100, 10)
    with pytest.raises(BudgetSpent):
        hold.count(995, 11)


def test_a_call_that_was_not_reserved_counts_here_and_above_if_it_was_not_counted_there() -> None:
    run = Budget(Limit())
    agent = run.child(Limit(), name="critic")
    agent.add(Usage(10, 5, cost_usd=0.5, calls=1))
    agent.add(Usage(10, 5, cost_usd=0.5, calls=1), above=False)
    assert (agent.spent.tokens, run.spent.tokens) == (30, 15)
    assert taken(agent) == (30, 1.0, 2)
    assert taken(run) == (15, 0.5, 1)


def test_whoever_wants_to_know_is_told_what_each_call_took() -> None:
    run = Budget(Limit())
    told: list[Usage] = []
    run.on_spent = told.append
    agent = run.child(Limit(), name="critic")
    agent.reserve(10).settle(Usage(10, 5, calls=1))
    agent.add(Usage(1, 1, calls=1))
    assert told == [Usage(10, 5, calls=1), Usage(1, 1, calls=1)]


def test_what_others_spend_counts_in_one_budget_alone() -> None:
    run = Budget(Limit(tokens=1_000), remedy="Wait for tomorrow.")
    agent = run.child(Limit(), name="critic")
    run.move(990, 0.0, 3)
    assert run.spent == Usage()
    with pytest.raises(BudgetSpent) as refused:
        agent.reserve(0)
    assert refused.value.remedy == "Wait for tomorrow."
    assert taken(agent) == (0, 0.0, 0)


def test_money_is_set_aside_though_tokens_and_calls_are_used_up() -> None:
    budget = Budget(Limit(tokens=100, cost_usd=1.0, calls=1))
    budget.add(Usage(150, 0, calls=2))
    budget.set_aside(0.5).settle(Usage(cost_usd=0.5))
    with pytest.raises(BudgetSpent, match=r"\$1\.00"):
        budget.set_aside(0.6)
