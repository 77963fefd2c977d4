"""Several processes at once on one data folder, and what is left of one that is killed."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.embedded.runtime import open_runtime
from atlas_mcp.agents.runtime import AgentSpec, Block, Turn
from tests.agents.runtime_place import Place, Watched, ended, say, take, values

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

SPEC = AgentSpec("reader", "You read.", ("several",), (Block("team", "", shared="all"),))

PROCESS = """
import asyncio, sys
from contextlib import aclosing
from pathlib import Path
from atlas_mcp.agents.embedded.runtime import open_runtime
from atlas_mcp.agents.runtime import AgentSpec, Block, Turn
from atlas_mcp.chunks import TextDelta
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from atlas_mcp.providers.terms import TERMS

SPEC = AgentSpec("reader", "You read.", ("several",), (Block("team", "", shared="all"),))

async def main():
    home, name, script, thread = sys.argv[1:]
    model = ScriptedProvider(Script.parse(script))
    async with open_runtime(Path(home)) as runtime:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        agent = await runtime.ensure_agent(SPEC)
        asked = Turn(f"turn {name}", f"I am {name}.")
        async with aclosing(runtime.turn(agent.id, thread, asked, provider=model, terms=TERMS)) as taking:
            async for step in taking:
                if isinstance(step, TextDelta):
                    print(agent.id, flush=True)
        print("done", flush=True)

asyncio.run(main())
"""

EDIT = """
[[reply]]
when = {{ contains = '"status"' }}
say = 'Done.'
[[reply]]
tool = {{ name = 'memory_insert', arguments = {{ label = 'team', new_string = '{name} was here.' }} }}
"""


async def started(home: Path, name: str, script: str, thread: str) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, str(home), name, script, thread,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert await line(process) == "ready"
    return process


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def scripted(script: str) -> Watched:
    return Watched(script)


@pytest.mark.parametrize("thread", ["the same", "each its own {name}"])
async def test_processes_make_one_agent_and_lose_no_edit(home: Path, thread: str) -> None:
    names = ["Ann", "Ben", "Cem"]
    processes = [
        await started(home, name, EDIT.format(name=name), thread.format(name=name)) for name in names
    ]
    for process in processes:
        go(process)
    said = [(await line(process), await line(process)) for process in processes]
    assert len({agent for agent, _ in said}) == 1
    assert all(end == "done" for _, end in said)
    for process in processes:
        await process.communicate()
    async with open_runtime(home) as runtime:
        agent = await runtime.ensure_agent(SPEC)
        value = (await values(Place(runtime, scripted), agent))["team"]
        assert sorted(value.splitlines()) == [f"{name} was here." for name in names]
        if thread == "the same":
            told = [one.role for one in await runtime.history(agent.id, thread)]
            assert told == ["user", "assistant", "tool", "assistant"] * 3


async def test_who_is_killed_in_the_middle_leaves_the_thread_free_and_the_turn_to_be_taken_up(
    home: Path,
) -> None:
    script = EDIT.format(name="Ann").replace(
        "'Done.'", "'word word word word word'\ntokens = 5\nseconds = 60"
    )
    process = await started(home, "Ann", script, "t")
    go(process)
    agent_id = await line(process)
    process.kill()
    await process.communicate()
    async with open_runtime(home) as runtime:
        place = Place(runtime, scripted)
        agent = await runtime.ensure_agent(SPEC)
        assert agent.id == agent_id
        model = Watched(say("Done.", '"status"') + say("I forgot."))
        steps = await take(place, agent, model, Turn("turn Ann", "I am Ann."))
        assert ended(steps).text == "Done."
        assert len(model.asked) == 1, "what was answered whole is not asked again"
        assert await values(place, agent) == {"team": "Ann was here."}
        assert ended(await take(place, agent, model, "Still there?", thread="u")).text == "I forgot."
