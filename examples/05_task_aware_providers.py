"""Each kind of task to whoever is best at it: `python examples/05_task_aware_providers.py`.

The group chooses by what its members declare to be good at, learns from how they fare, and says why. With a
key the members are real models; without one, two that are scripted and declare different strengths.
"""

from __future__ import annotations

import asyncio
import sys

from atlas_mcp import Prompt, ProviderGroup, Registry, Script, ScriptedProvider, complete, configured_vendors
from atlas_mcp.errors import AtlasError
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.strategies import task_aware

TASKS = {
    TaskType.CODE: "Write a Python function that says whether a year is a leap year.",
    TaskType.WRITING: "Write one sentence about the sea at night.",
    TaskType.CLASSIFICATION: "Is this praise or complaint: 'It broke on the first day.'",
}


def scripted(name: str, says: str, strengths: dict[Capability, Strength]) -> ScriptedProvider:
    """A member without a model, that declares its strengths."""
    return ScriptedProvider(Script.parse(f'[[reply]]\nsay = "{says}"', name=name), Capabilities(strengths))


CODER = {Capability.CODE: Strength.EXCEPTIONAL, Capability.WRITING: Strength.LIMITED}
WRITER = {Capability.CODE: Strength.LIMITED, Capability.WRITING: Strength.EXCEPTIONAL}


async def main() -> None:
    """Ask one prompt of each kind; say who answered, and why they did."""
    registry = Registry()
    members = [registry.open(vendor) for vendor in configured_vendors()] or [
        scripted("coder", "def leap(y): return y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)", CODER),
        scripted("writer", "The sea breathed in the dark, and the shore breathed back.", WRITER),
    ]
    group = ProviderGroup(members, task_aware, name="example")
    try:
        for task, text in TASKS.items():
            reply = await complete(group, Prompt.of(text, task=task))
            who = reply.choices[0] if reply.choices else None
            said = f"{who.member}, {who.reason}" if who else reply.stopped.model
            print(f"{task.value} ({said}):\n  {reply.text}\n")
            # What others thought of the answer feeds the next choice; here the person at the keyboard.
            if who:
                group.rate(who.member, task, 4.0)
    except AtlasError as error:
        sys.exit(str(error))
    finally:
        await registry.aclose()


if __name__ == "__main__":
    asyncio.run(main())
