"""A run's journal as tests write it: one event after another, a second apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from atlas_mcp.cli.console import PlainConsole
from atlas_mcp.cli.story import tell_story
from atlas_mcp.events import Event, Kind
from atlas_mcp.orchestration.store import RunRow, RunState

__all__ = ["BUSY", "ROW", "Told", "after", "fails", "step", "story", "works"]

BUSY = {"code": "overloaded", "message": "The model is busy.", "remedy": ""}

MOMENT = "2026-01-01T00:00:00+00:00"
ROW = RunRow("r_1", "me", "research", "1", {}, {}, RunState.DONE, False, MOMENT, MOMENT)
"""A run that is done."""


class Told:
    """A run's events, told one after another, a second apart."""

    def __init__(self, run_id: str = "r_1") -> None:
        self.run_id = run_id
        self.events: list[Event] = []

    def __call__(self, kind: Kind, actor: str = "", span: str = "", /, **data: Any) -> Told:
        seq = len(self.events) + 1
        at = f"2026-01-01T00:{seq // 60:02d}:{seq % 60:02d}.000+00:00"
        self.events.append(Event(self.run_id, seq, at, kind, actor, span, data))
        return self

    def plan(self, **goals: str) -> Told:
        made: list[dict[str, Any]] = [
            {"id": name, "worker": "web", "goal": goal, "after": []} for name, goal in goals.items()
        ]
        return self(Kind.PLAN_MADE, "research", "plan/1", round=1, assignments=made)

    def begin(self, name: str) -> Told:
        return self(
            Kind.WORK_STARTED, f"web#{name}", f"work/{name}", assignment=name, worker="web", goal="Moon?"
        )

    def asks(self, span: str, call: int = 1, **more: Any) -> Told:
        """A model call of 90 and 10 tokens for a cent, that took two seconds."""
        name = span.split("/")[1].partition("~")[0]
        said = {"provider": "openai:gpt-5.4", "call": call}
        self(Kind.MODEL_STARTED, f"web#{name}", span, **said, intent="gather")
        usage = {"input_tokens": 90, "output_tokens": 10, "cost_usd": 0.01, "calls": 1}
        if "error" in more:
            return self(Kind.MODEL_FAILED, f"web#{name}", span, **said, usage=usage, **more)
        done = {
            "model": "gpt-5.4",
            "usage": usage,
            "seconds": 2.0,
            "first_token": 0.1,
            "stopped": "end",
            **more,
        }
        return self(Kind.MODEL_FINISHED, f"web#{name}", span, **said, **done)


def story(told: Told, state: str = "done", width: int = 100, **more: Any) -> list[str]:
    """The lines of a story as a terminal shows them, without colours and empty lines."""
    console = PlainConsole(width=width, highlight=False, emoji=False)
    row = replace(ROW, run_id=told.run_id, state=RunState(state), **more)
    with console.capture() as capture:
        tell_story(console, row, told.events)
    return [line for line in capture.get().splitlines() if line]


def after(lines: list[str], said: str) -> list[str]:
    """The lines from the first that has this in it."""
    return lines[next(place for place, line in enumerate(lines) if said in line) :]


def fails(told: Told, name: str, error: dict[str, Any] = BUSY) -> Told:
    told.begin(name).asks(f"work/{name}", error=error)
    return told(Kind.WORK_FAILED, f"web#{name}", f"work/{name}", assignment=name, worker="web", error=error)


def works(told: Told, name: str, *, seconds: float = 2.0) -> Told:
    done = {"assignment": name, "worker": "web", "findings": 1, "drafts": 0, "dropped": 0}
    return told(Kind.WORK_FINISHED, f"web#{name}", f"work/{name}", **done, seconds=seconds)


def step(told: Told, name: str) -> Told:
    return told(Kind.STEP_STARTED, "research", name, step=name, label=f"{name}: …")
