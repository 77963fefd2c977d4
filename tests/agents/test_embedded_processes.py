"""Several processes at once on one data folder, and what is left of one that is killed."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.embedded.runtime import open_runtime
from atlas_mcp.agents.runtime import AgentSpec, Block, Turn
from tests.agents.runtime_place import Place, Watched, ended, say, take, values

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator
    from pathlib import Path

pytestmark = pytest.mark.crash

SPEC = AgentSpec("reader", "You read.", ("several",), (Block("team", "", shared="all"),))
NAMES = ("Ann", "Ben", "Cem")

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
            said = False
            async for step in taking:
                if isinstance(step, TextDelta) and not said:
                    said = True
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


@asynccontextmanager
async def started(home: Path, name: str, script: str, thread: str) -> AsyncGenerator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, str(home), name, script, thread,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert await line(process) == "ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


async def scripted(script: str) -> Watched:
    return Watched(script)


async def all_at_once(home: Path, script: str, thread: str) -> list[str]:
    """Who three processes were talking to, each in a turn of its own."""
    async with AsyncExitStack() as stack:
        processes: list[Process] = []
        for name in NAMES:
            its = started(home, name, script.format(name=name), thread.format(name=name))
            processes.append(await stack.enter_async_context(its))
        for process in processes:
            go(process)
        said = [(await line(process), await line(process)) for process in processes]
    assert all(end == "done" for _, end in said)
    return [agent for agent, _ in said]


async def test_processes_make_one_agent_and_lose_no_edit_of_what_they_share(home: Path) -> None:
    agents = await all_at_once(home, EDIT, "thread of {name}")
    assert len(set(agents)) == 1
    async with open_runtime(home) as runtime:
        value = (await runtime.blocks(agents[0]))[0].value
    assert sorted(value.splitlines()) == [f"{name} was here." for name in NAMES]


async def test_processes_take_their_turns_in_a_thread_one_after_the_other(home: Path) -> None:
    (agent, *_) = await all_at_once(home, "[[reply]]\nsay = 'Heard.'\nseconds = 0.2\n", "t")
    async with open_runtime(home) as runtime:
        told = [one.role for one in await runtime.history(agent, "t")]
    assert told == ["user", "assistant"] * 3


async def test_who_is_killed_in_the_middle_leaves_the_thread_free_and_the_turn_to_be_taken_up(
    home: Path,
) -> None:
    slowly = "'word word word word word'\ntokens = 5\nseconds = 20"
    script = EDIT.format(name="Ann").replace("'Done.'", slowly)
    async with started(home, "Ann", script, "t") as process:
        go(process)
        agent_id = await line(process)
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
