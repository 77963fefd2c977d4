"""Several agents, each with its own providers, under one budget.

`python examples/08_multi_agent_providers.py "your subject"`: a planner, two writers and a critic share what
may be spent; each asks the group that suits its work. One provider fails on the way, and nobody but the log
notices. With a key real models are asked; without one they are scripted.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from atlas_mcp import (
    Budget,
    Limit,
    Prompt,
    Provider,
    ProviderGroup,
    Registry,
    Script,
    ScriptedProvider,
    Terms,
    complete,
    configured_vendors,
)
from atlas_mcp.chunks import Reply
from atlas_mcp.errors import AtlasError, BudgetSpent
from atlas_mcp.messages import Intent
from atlas_mcp.providers.strategies import cheapest, failover

SUBJECT = "Why do lighthouses flash?"

WRITER = """
[[reply]]
when = { contains = "one other sentence" }
say = "A steady light on a dark shore could be anybody's window."

[[reply]]
say = "Each lighthouse has a rhythm of its own, so that a sailor can tell where they are."
"""


@dataclass(frozen=True)
class Agent:
    """Somebody with a task for models: a name, what it asks, and the providers it asks."""

    name: str
    says: str
    group: ProviderGroup
    intent: Intent = Intent.COMPOSE

    async def work(self, material: str, budget: Budget) -> Reply:
        """Its answer; what it takes is charged to its share of the budget, and so to everybody's."""
        prompt = Prompt.of(f"{self.says}\n\n{material}", intent=self.intent, agent=self.name)
        share = budget.child(Limit(tokens=4_000), name=self.name)
        reply = await complete(self.group, prompt, Terms(budget=share))
        print(f"  {self.name}: {told(reply)}, {reply.usage.tokens} tokens")
        return reply


def told(reply: Reply) -> str:
    """Who answered, and after whom."""
    left = [f"{switch.left} failed ({switch.failure})" for switch in reply.switches]
    return ", ".join([*left, f"{reply.stopped.provider}:{reply.stopped.model} answered"])


def scripted(name: str, script: str) -> ScriptedProvider:
    """A provider without a model."""
    return ScriptedProvider(Script.parse(script, name=name))


def team(registry: Registry) -> list[Agent]:
    """The agents, with real models where there is a key."""
    models: list[Provider] = [registry.open(vendor) for vendor in configured_vendors()]
    broken = scripted("broken", '[[reply]]\nfail = "overloaded"')
    writer = scripted("writer", WRITER)
    critic = scripted("critic", '[[reply]]\nsay = "Short and true; it could name the period of the flash."')
    planner = scripted("planner", '[[reply]]\nsay = "1. What a flash tells. 2. Who reads it."')
    return [
        Agent("planner", "List the points to make.", ProviderGroup(models or [planner]), Intent.PLAN),
        Agent("writer 1", "Write one sentence.", ProviderGroup(models or [broken, writer], failover)),
        Agent("writer 2", "Write one other sentence.", ProviderGroup(models or [writer, broken], cheapest)),
        Agent("critic", "Judge this in one sentence.", ProviderGroup(models or [critic]), Intent.RATE),
    ]


async def main(subject: str = SUBJECT) -> None:
    """Plan, write twice at once, judge; then say what it took."""
    registry = Registry()
    budget = Budget(Limit(tokens=20_000, cost_usd=0.50), name="example")
    try:
        planner, *writers, critic = team(registry)
        plan = await planner.work(subject, budget)
        drafts = await asyncio.gather(*(writer.work(plan.text, budget) for writer in writers))
        text = "\n".join(draft.text for draft in drafts)
        verdict = await critic.work(text, budget)
    except BudgetSpent as spent:
        sys.exit(f"The budget ended the work: {spent}")
    except AtlasError as error:
        sys.exit(str(error))
    finally:
        await registry.aclose()
    spent = budget.spent
    cost = "at a price unknown" if spent.cost_usd is None else f"for ${spent.cost_usd:.4f}"
    print(f"\n{text}\n\nThe critic: {verdict.text}\n\n{spent.calls} calls, {spent.tokens} tokens, {cost}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
