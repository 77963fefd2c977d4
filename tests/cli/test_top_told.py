"""What `atlas-mcp top` says of where runs are told of, by whichever process, now and lately."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.cli.top_drawing import drawn
from atlas_mcp.cli.top_frame import Frame, Queue, Told
from atlas_mcp.cli.top_told import Delivered, delivered, told_of
from atlas_mcp.observe.health import Sample
from atlas_mcp.observe.tracking.deliveries import open_deliveries
from atlas_mcp.observe.tracking.observing import Addresses

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

MLFLOW, OTLP = "http://127.0.0.1:5055", "http://127.0.0.1:4318/v1/traces"
NOBODY = Addresses("", "")
NOW = datetime.now(UTC)


def before(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat(timespec="milliseconds")


def sample(pid: int, progress: str, *, seconds: float = 4.0) -> Sample:
    telling = {MLFLOW: {"progress": progress, "trouble": ""}}
    return Sample(f"p{pid}", pid, "here", before(seconds=seconds), 0.0, {}, telling)


def line(told: Told, width: int = 120) -> str:
    nothing: dict[str, Any] = {"calls": 0, "limit_tokens": None, "limit_usd": None}
    providers: dict[str, Any] = {"default": "", "members": [], "groups": [], "today": nothing}
    frame = Frame(before(), "/home/me/.atlas", (), Queue((), 8), providers, (), (told,), ())
    title, said = (each.plain for each in drawn(frame, width)[-2:])
    assert title == "runs are told of at"
    return said


async def test_what_was_told_is_kept_by_address_with_how_far_and_when(home: Path) -> None:
    assert await delivered(home) == []
    async with open_deliveries(home) as deliveries:
        await deliveries.conclude(f"the OTLP receiver at {OTLP}", "r_1")
        for root in ("r_1", "r_2"):
            await deliveries.conclude(f"MLflow at {MLFLOW}", root)
        await deliveries.advance(f"MLflow at {MLFLOW}", {("r_3", "r_3"): 4, ("r_3", "r_4"): 2})
    found = {each.address: each for each in await delivered(home)}
    assert (found[MLFLOW].progress, found[OTLP].progress) == ("2 runs told, 1 at work", "1 run told")
    assert (NOW - datetime.fromisoformat(found[MLFLOW].last)).total_seconds() < 1
    (home / "observed.db").write_text("This is no database, and it is longer than a head. " * 20, "utf-8")
    assert await delivered(home) == []


async def test_an_address_that_is_set_nowhere_is_shown_with_what_it_was_told(
    atlas_mcp: Program, home: Path
) -> None:
    async with open_deliveries(home) as deliveries:
        await deliveries.conclude(f"MLflow at {MLFLOW}", "r_1")
    done, picture = await asyncio.to_thread(lambda: (atlas_mcp("top", "--json"), atlas_mcp("top")))
    (told,) = json.loads(done.stdout)["told"]
    assert (told["address"], told["pid"], told["progress"]) == (MLFLOW, None, "1 run told")
    assert told["last"] > before()
    assert f"{MLFLOW}  1 run told, the last " in picture.stdout


def test_of_several_processes_the_one_that_spoke_last_is_who_tells() -> None:
    spoke = [sample(2, "6 runs told", seconds=1), sample(1, "5 runs told", seconds=40)]
    last = before(days=2, hours=12)
    (told,) = told_of(spoke, [Delivered(MLFLOW, "6 runs told", last)], NOBODY, before())
    assert told == Told(MLFLOW, 2, "6 runs told", "", last, 1.0)
    assert line(told) == f"✓ {MLFLOW}  6 runs told, by process 2, the last 2 d ago"


def test_what_is_set_here_is_shown_whether_it_is_told_or_not() -> None:
    ours = Addresses(MLFLOW, OTLP)
    kept = [Delivered(MLFLOW, "6 runs told", before(days=30, hours=12))]
    known, unknown = told_of([], kept, ours, before())
    assert line(known) == f"· {MLFLOW}  6 runs told, the last 30 d ago; no process tells now"
    assert line(unknown) == f"· {OTLP}  no process tells now; it is kept"


@pytest.mark.parametrize(("days", "shown"), [(0.1, True), (6, True), (8, False)])
def test_an_address_of_before_is_shown_for_a_week(days: float, shown: bool) -> None:
    kept = [Delivered(MLFLOW, "6 runs told", before(days=days))]
    assert bool(told_of([], kept, NOBODY, before())) == shown


def test_that_nobody_tells_now_is_not_said_of_an_address_that_was_told_a_moment_ago() -> None:
    moment = (datetime.now(UTC) - timedelta(seconds=9)).isoformat(timespec="milliseconds")
    told = Told(MLFLOW, None, "6 runs told", "", moment)
    assert "no process" not in line(told)
    assert line(replace(told, last=before(days=3, hours=12))).endswith(
        "the last 3 d ago; no process tells now"
    )


def test_a_process_that_has_not_said_how_far_it_is_for_long_is_pointed_out() -> None:
    told = Told(MLFLOW, 4711, "6 runs told", "", before(days=2, hours=12), 130.0)
    assert line(told) == f"· {MLFLOW}  6 runs told, by process 4711, silent for 2:10, the last 2 d ago"
