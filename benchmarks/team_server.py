"""The fake model server of the benchmark of teams: whoever is offered workers as tools calls them, once.

It says a few words first, so that each of the five calls of a run streams as many tokens. Standard library
only. `python -m benchmarks.team_server` prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from benchmarks.sides.teamwork import DELEGATE
from tests.fakes.model_server import FakeModels
from tests.fakes.turn import Turn

if TYPE_CHECKING:
    from tests.fakes.model_server import Exchange

__all__ = ["delegating"]

_PLAN = "The question hides three others, and each of them goes to somebody of its own. "


def delegating(exchange: Exchange) -> Turn:
    """A call to each worker that is offered, unless they have been called; else an answer."""
    body = exchange.body
    offered = [tool["function"] for tool in body.get("tools") or () if DELEGATE in tool["function"]["name"]]
    if not offered or any(message["role"] == "tool" for message in body["messages"]):
        return Turn()
    calls = [
        {"id": f"call_{number}", "name": each["name"], "arguments": _filled(each)}
        for number, each in enumerate(offered, start=1)
    ]
    return Turn(text=_PLAN * 25, calls=calls)


def _filled(function: dict[str, Any]) -> dict[str, str]:
    required: list[str] = function.get("parameters", {}).get("required", [])
    return dict.fromkeys(required, "What do the documents say about this part of the question?")


async def _serve(tokens: int) -> None:
    async with FakeModels(tokens=tokens, respond=delegating) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until terminated; the first line of output is the port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=500)
    asyncio.run(_serve(parser.parse_args().tokens))


if __name__ == "__main__":
    main()
