"""The benchmark of teams: both of our sides do the same work, and the fake model sends workers out once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.sides import teams as sides
from benchmarks.sides.teamwork import WORKERS, Teamwork
from benchmarks.team_server import delegating
from benchmarks.teams import DOCUMENTS, PLAIN, table
from tests.fakes.model_server import Exchange, FakeModels

TOOLS = [
    {"type": "function", "function": {"name": f"ask_{name}", "parameters": {"required": ["question"]}}}
    for name in WORKERS
]


def written(bodies: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(body, sort_keys=True) for body in bodies)


def asked(*roles: str) -> Exchange:
    messages = [{"role": role, "content": "Go on."} for role in roles]
    return Exchange("/v1/chat/completions", {}, {"messages": messages, "tools": TOOLS}, 0.0)


def test_whoever_is_offered_workers_sends_each_of_them_out_with_a_question_once() -> None:
    turn = delegating(asked("system", "user"))
    assert [call["name"] for call in turn.calls] == [f"ask_{name}" for name in WORKERS]
    assert all(call["arguments"].keys() == {"question"} for call in turn.calls)
    assert turn.text
    assert delegating(asked("system", "user", "assistant", "tool")).calls == []


async def test_atlas_and_the_plain_side_make_the_same_five_streamed_calls() -> None:
    async with FakeModels(tokens=5) as server:
        async with sides.atlas(Teamwork(server.url, DOCUMENTS, [])) as run:
            assert await run()
        recorded = list(server.requests)
        assert [body["stream"] for body in recorded] == [True] * 5
        work = Teamwork(server.url, DOCUMENTS, recorded)
        assert len(work.work) == len(WORKERS)
        async with sides.bare(work) as run:
            assert await run()
        assert written(server.requests[5:]) == written(recorded)


@pytest.mark.parametrize("failed", [False, True])
def test_the_table_says_how_many_times_as_much_a_side_takes_or_why_it_has_no_figures(failed: bool) -> None:
    figures = {"cpu_1": 10.0, "cpu_16": 8.0, "wall_1": 12.0, "wall_16": 90.0, "prompt_kb": 9.0}
    plain = {"name": PLAIN.name, "versions": "openai 1", "import_s": 1.0, "mb_end": 50, **figures}
    other = {**plain, "name": "another", "cpu_1": 25.0, "cpu_16": 12.0}
    if failed:
        other = {"name": "another", "failed": "not installed"}
    about = {"tokens": 5, "rounds": 1, "load": 0.1, "load_after": 0.2, "cores": 2}
    line = next(line for line in table({**about, "sides": [plain, other]}).splitlines() if "another" in line)
    assert ("not installed" in line) if failed else ("2.50" in line and "1.50" in line)
