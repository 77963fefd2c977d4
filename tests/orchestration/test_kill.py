"""`kill -9` at any moment: the run goes on, gives the same, and repeats no finished model call."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.orchestration.conftest import HARBOURS, TIDES

pytestmark = pytest.mark.crash

WORKER = Path(__file__).with_name("crash_worker.py")
KILLS = 20
SECONDS = 60

GOALS = ("spring tides", "neap tides", "the Bay of Fundy", "the tide table")
QUOTES = (
    "Spring tides come at new moon and at full moon, when sun and moon pull together.",
    "Neap tides come at the quarters.",
    "The Bay of Fundy has a range of 16 metres.",
    "A harbour master must publish the tide table every month.",
)


def script() -> str:
    """A plan of four workers, each of whom searches twice more before it answers."""
    assignments = ", ".join(
        f'{{ id = "a{number}", worker = "documents", goal = "{goal}", after = [] }}'
        for number, goal in enumerate(GOALS, 1)
    )
    replies = [
        f'[[reply]]\nwhen = {{ intent = "plan" }}\njson = {{ assignments = [{assignments}] }}\nseconds = 0.05'
    ]
    for number, (goal, quote) in enumerate(zip(GOALS, QUOTES, strict=True), 1):
        when = f'intent = "gather", contains = "Your goal: {goal}"'
        pace = f"tokens = 8\nseconds = {0.04 * number:.2f}"
        for turn in (1, 2):
            search = f'{{ name = "search_documents", arguments = {{ query = "{goal} {turn}" }} }}'
            replies.append(f"[[reply]]\nwhen = {{ {when}, nth = {turn} }}\ntool = {search}\nseconds = 0.05")
        finding = f'{{ passage = "p1", quote = "{quote}" }}'
        replies.append(
            f"[[reply]]\nwhen = {{ {when} }}\njson = {{ findings = [{finding}], gaps = [] }}\n{pace}"
        )
    claims = ", ".join(
        f'{{ text = "{quote}", finding_ids = ["f{number}"] }}' for number, quote in enumerate(QUOTES, 1)
    )
    replies.append(
        '[[reply]]\nwhen = { intent = "compose" }\n'
        f'json = {{ answer = "{QUOTES[0]} [f1]", claims = [{claims}],'
        " disagreements = [], open_questions = [], confidence = 0.8 }\ntokens = 20\nseconds = 0.2"
    )
    return "\n".join(replies)


class Place:
    """One data folder, its documents and the notes of who called which model when."""

    def __init__(self, folder: Path, documents: Path) -> None:
        self.home = folder / "home"
        self.notes = folder / "notes"
        self.script = folder / "script.toml"
        self.documents = documents
        folder.mkdir(parents=True, exist_ok=True)
        self.script.write_text(script(), "utf-8")

    def spawn(self, run_id: str | None = None) -> subprocess.Popen[str]:
        places = (self.home, self.script, self.documents, self.notes)
        command = [sys.executable, str(WORKER), *map(str, places)]
        return subprocess.Popen(
            [*command, *([run_id] if run_id else [])],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def calls(self) -> list[tuple[str, str]]:
        """Process and prompt of every model call that was begun."""
        if not self.notes.exists():
            return []
        return [
            (pid, digest) for pid, digest in (line.split() for line in self.notes.read_text().splitlines())
        ]

    def finished(self) -> set[str]:
        """The prompts whose answers are in the ledger."""
        with closing(sqlite3.connect(self.home / "runs.db")) as connection:
            return {row[0] for row in connection.execute("SELECT hash FROM ledger WHERE kind = 'model'")}


def lines(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    return out.splitlines()


def told(output: dict[str, Any]) -> dict[str, Any]:
    """An output without what names the run and the time."""
    bare = {key: value for key, value in output.items() if key not in {"run_id", "report"}}
    bare["sources"] = [{**source, "retrieved_at": ""} for source in bare["sources"]]
    return bare


@pytest.fixture(scope="module")
def folder_of_documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for every run, so that their sources have the same addresses."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "tides.md").write_text(TIDES, "utf-8")
    (folder / "harbours.md").write_text(HARBOURS, "utf-8")
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, folder_of_documents: Path
) -> tuple[dict[str, Any], int]:
    """What the run gives when nobody kills it, and how many model calls it makes."""
    place = Place(tmp_path_factory.mktemp("undisturbed"), folder_of_documents)
    envelope = json.loads(lines(place.spawn())[1])
    assert envelope["state"] == "done"
    return told(envelope["output"]), len(place.calls())


def killed_somewhere(place: Place, after_calls: int, delay: float) -> str | None:
    """Start a run and kill its process a moment after so many model calls began; gives the run's id."""
    process = place.spawn()
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    deadline = time.monotonic() + SECONDS
    while len(place.calls()) < after_calls and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.communicate()
    return run_id


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_run_killed_at_a_random_moment_goes_on_and_repeats_no_finished_call(
    kill: int, tmp_path: Path, folder_of_documents: Path, undisturbed: tuple[dict[str, Any], int]
) -> None:
    expected, calls = undisturbed
    chance = random.Random(kill)  # noqa: S311 - a reproducible moment
    place = Place(tmp_path / "run", folder_of_documents)
    run_id = killed_somewhere(place, chance.randint(1, calls), chance.uniform(0, 0.06))
    before, kept = place.calls(), place.finished()

    envelope = json.loads(lines(place.spawn(run_id))[1])

    assert envelope["state"] == "done"
    assert told(envelope["output"]) == expected
    repeated = [digest for _, digest in place.calls()[len(before) :] if digest in kept]
    assert repeated == []


def test_of_two_processes_told_to_resume_a_run_one_does(
    tmp_path: Path, folder_of_documents: Path, undisturbed: tuple[dict[str, Any], int]
) -> None:
    expected, calls = undisturbed
    place = Place(tmp_path / "run", folder_of_documents)
    run_id = killed_somewhere(place, calls // 2, 0.0)
    before = len(place.calls())

    processes = [place.spawn(run_id), place.spawn(run_id)]
    envelopes = [json.loads(lines(process)[1]) for process in processes]

    assert [told(envelope["output"]) for envelope in envelopes] == [expected, expected]
    assert len({pid for pid, _ in place.calls()[before:]}) == 1
