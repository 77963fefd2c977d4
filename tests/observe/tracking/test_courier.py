"""Taking a journal to a destination that fails whenever it likes: all arrives, in order, and is noted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.database import open_database, open_reading
from atlas_mcp.errors import TrackingUnavailable
from atlas_mcp.events import Kind
from atlas_mcp.observe.health import Sample, samples
from atlas_mcp.observe.journal import insert_event
from atlas_mcp.observe.tracking import courier as couriers
from atlas_mcp.observe.tracking.courier import Courier
from atlas_mcp.observe.tracking.deliveries import open_deliveries
from atlas_mcp.observe.tracking.source import Source
from atlas_mcp.orchestration.records import RunRecords
from atlas_mcp.orchestration.store import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from atlas_mcp.observe.tracking.source import Told
    from atlas_mcp.observe.tracking.spans import Span


class Receiver:
    """A destination in memory that is down as often as it is told to be."""

    name = "receiver"

    def __init__(self, *failures: TrackingUnavailable | None) -> None:
        self.spans: list[Span] = []
        self.told: list[Told] = []
        self.fares: list[Sample] = []
        self.failures = list(failures)
        self.poison = ""

    async def send(self, project: str, spans: Sequence[Span]) -> None:
        assert project == ""
        self._fail()
        if self.poison and any(span.name == self.poison for span in spans):
            raise TrackingUnavailable("It is too long.", refused=True)
        self.spans += spans

    async def conclude(self, told: Told) -> None:
        self._fail()
        self.told.append(told)

    async def fare(self, samples: Sequence[Sample]) -> None:
        self.fares += samples

    def _fail(self) -> None:
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure


DOWN = TrackingUnavailable("It is down.")
TIDES = "# Tides\n\nSpring tides come at new moon and at full moon.\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(couriers, "LONGEST_WAIT", 0.01)


async def a_run() -> str:
    async with open_atlas() as atlas:
        run = await atlas.start("research", question="When do spring tides come?", documents=[TIDES])
        await atlas.result(run.id, wait_seconds=60, to_the_end=True)
        return run.id


async def delivered(home: Path, receiver: Receiver, *, content: bool = True) -> list[list[str]]:
    """Let a courier work until everything was told; gives the runs of which all was."""
    told: list[list[str]] = []

    async def on_told(run_ids: Sequence[str]) -> None:
        told.append(list(run_ids))

    async def fared(after: str) -> list[Sample]:
        return await samples(home, after)

    async with open_reading(home / "runs.db") as database, open_deliveries(home) as deliveries:
        source = Source(database, RunRecords(), content=content)
        courier = Courier(receiver, source, deliveries, on_told=on_told, samples=fared)
        working = asyncio.create_task(courier.work())
        async with asyncio.timeout(30):
            await courier.drained()
            while await deliveries.counts("receiver") != (1, 0):
                await courier.drained()
        working.cancel()
        await asyncio.wait({working})
    return told


async def test_a_run_arrives_whole_with_what_it_measured_and_only_once(home: Path) -> None:
    run_id = await a_run()
    receiver = Receiver()
    assert await delivered(home, receiver) == [[run_id]]
    assert receiver.fares[0].figures["system/memory_bytes"] > 0
    names = [span.name for span in receiver.spans]
    assert names[-1] == "team.research"
    assert {"step.plan", "chat.research.documents", "search_documents", "step.check"} <= set(names)
    (told,) = receiver.told
    assert told.figures["coordination/completion_rate"] == 1
    again = Receiver()
    await delivered(home, again)
    assert (again.spans, again.told, again.fares) == ([], [], [])


async def test_a_destination_that_comes_and_goes_gets_everything_in_order_at_last(home: Path) -> None:
    await a_run()
    whole, patchy = Receiver(), Receiver(DOWN, None, DOWN, DOWN, None, DOWN)
    await delivered(home, whole)
    (home / "observed.db").unlink()
    await delivered(home, patchy)
    assert [span.span_id for span in patchy.spans] == [span.span_id for span in whole.spans]
    assert len(patchy.told) == 1


async def test_one_span_that_is_refused_costs_the_others_nothing(home: Path) -> None:
    await a_run()
    whole, choosy = Receiver(), Receiver()
    choosy.poison = "step.check"
    await delivered(home, whole)
    (home / "observed.db").unlink()
    await delivered(home, choosy)
    assert [span.name for span in choosy.spans] == [
        span.name for span in whole.spans if span.name != "step.check"
    ]


async def test_without_content_nothing_that_anybody_said_leaves(home: Path) -> None:
    await a_run()
    receiver = Receiver()
    await delivered(home, receiver, content=False)
    said = repr((receiver.spans, receiver.told))
    assert "spring" not in said.lower()
    assert "moon" not in said.lower()


async def test_secrets_are_taken_out_and_long_texts_keep_both_ends(home: Path) -> None:
    secret = f"sk-{'abcdefgh' * 4}"
    question = f"{secret} {'tides ' * 300} the end?"
    async with open_atlas() as atlas:
        run = await atlas.start("research", question=question)
        await atlas.result(run.id, wait_seconds=60, to_the_end=True)
    receiver = Receiver()
    await delivered(home, receiver)
    assert secret not in repr((receiver.spans, receiver.told))
    (told,) = receiver.told
    assert len(told.question) < 1_200
    assert told.question.endswith("the end?")


async def test_a_journal_of_an_older_version_is_told_as_far_as_it_is_understood_and_stops_nothing(
    home: Path,
) -> None:
    async with open_database(home / "runs.db", MIGRATIONS) as database:

        def write(connection: Any) -> None:
            connection.execute(
                "INSERT INTO run (run_id, user, team, team_version, input, options, sameness, state,"
                " created_at, updated_at)"
                " VALUES ('r_old', 'ada', 'research', 'v', '{}', '{}', '', 'done', '2026', '2026')"
            )
            data: dict[str, Any] = {"team": "research", "team_version": "v", "input": {}}
            insert_event(connection, "r_old", Kind.RUN_QUEUED, actor="x", data=data)
            insert_event(connection, "r_old", Kind.STEP_STARTED, actor="x", data={"name": "an older key"})
            insert_event(connection, "r_old", Kind.RUN_FINISHED, actor="x", data={"state": "done"})

        await database.write(write)
    receiver = Receiver()
    assert await delivered(home, receiver) == [["r_old"]]
    assert [span.name for span in receiver.spans] == ["step.step", "team.research"]
    (told,) = receiver.told
    assert told.facts.run_id == "r_old"


async def test_a_journal_of_a_newer_version_is_left_to_that_version(home: Path) -> None:
    run_id = await a_run()
    async with open_database(home / "runs.db", MIGRATIONS) as database:
        await database.write(
            lambda connection: connection.execute("UPDATE event SET v = 99 WHERE run_id = ?", (run_id,))
        )
    receiver = Receiver()
    async with open_reading(home / "runs.db") as database, open_deliveries(home) as deliveries:
        courier = Courier(receiver, Source(database, RunRecords(), content=True), deliveries)
        working = asyncio.create_task(courier.work())
        await courier.drained()
        assert (receiver.spans, await deliveries.counts("receiver")) == ([], (0, 0))
        working.cancel()
        await asyncio.wait({working})


async def test_a_process_that_ends_between_two_batches_loses_no_span(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_run()
    whole, first, rest = Receiver(), Receiver(None, *[DOWN] * 50), Receiver()
    await delivered(home, whole)
    for batch in range(1, len(whole.spans)):
        (home / "observed.db").unlink()
        monkeypatch.setattr(couriers, "BATCH", batch)
        first.spans, first.failures = [], [None, *[DOWN] * 50]
        async with open_reading(home / "runs.db") as database, open_deliveries(home) as deliveries:
            courier = Courier(first, Source(database, RunRecords(), content=True), deliveries)
            working = asyncio.create_task(courier.work())
            await courier.drained()
            working.cancel()
            await asyncio.wait({working})
        rest.spans, rest.told = [], []
        await delivered(home, rest)
        assert {span.span_id for span in (*first.spans, *rest.spans)} == {
            span.span_id for span in whole.spans
        }


async def test_whatever_goes_wrong_is_tried_again_and_told(home: Path) -> None:
    class Odd(Receiver):
        async def send(self, project: str, spans: Sequence[Span]) -> None:
            if not self.fares:
                self.fares = [object()]  # type: ignore[list-item] # a note that it happened
                raise KeyError("experiment")
            await super().send(project, spans)

    await a_run()
    receiver = Odd()
    await delivered(home, receiver)
    assert len(receiver.told) == 1


async def test_while_a_destination_is_down_no_more_is_read_than_it_is_tried_with(home: Path) -> None:
    for _ in range(3):
        await a_run()
    down = Receiver(*[DOWN] * 1_000)
    async with open_reading(home / "runs.db") as database, open_deliveries(home) as deliveries:
        courier = Courier(down, Source(database, RunRecords(), content=True), deliveries)
        working = asyncio.create_task(courier.work())
        async with asyncio.timeout(30):
            while len(down.failures) > 950:
                await deliveries.counts("receiver")
        waiting = sum(len(each.pending) for each in courier._underway.values())
        await a_run()
        async with asyncio.timeout(30):
            while len(down.failures) > 900:
                await deliveries.counts("receiver")
        assert sum(len(each.pending) for each in courier._underway.values()) == waiting
        assert "It is down." in courier.trouble
        working.cancel()
        await asyncio.wait({working})
