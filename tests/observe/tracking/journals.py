"""Journals as runs write them, made by hand: a run with a team that works for it, crashes and replays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from atlas_mcp.events import Event, Kind

__all__ = ["CHILD", "ROOT", "Journal", "usage", "whole_run"]

ROOT = "r_01M8JX0N190D2YG6VN0H53WHRZ"
CHILD = "r_01M8JX0SKN8XM8NAXCHP9XCATZ"
BEGAN = datetime(2026, 11, 29, 12, tzinfo=UTC)


def usage(tokens: int = 10, cost: float | None = 0.01) -> dict[str, Any]:
    return {
        "input_tokens": tokens, "output_tokens": 2, "cached_tokens": 1, "reasoning_tokens": 0,
        "cost_usd": cost, "estimated": False, "calls": 1, "cache_write_tokens": 0,
    }  # fmt: skip


class Journal:
    """Writes events of several runs, each a tenth of a second after the one before."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._seq: dict[str, int] = {}

    def write(
        self, kind: Kind, *, actor: str = "atlas", path: str = "", run: str = ROOT, **data: Any
    ) -> Event:
        self._seq[run] = self._seq.get(run, 0) + 1
        at = (BEGAN + timedelta(milliseconds=100 * len(self.events))).isoformat(timespec="milliseconds")
        parent = ROOT if run == CHILD else None
        event = Event(run, self._seq[run], at, kind, actor, path, data, parent)
        self.events.append(event)
        return event

    def begin(self, run: str = ROOT, team: str = "atlas", **about: Any) -> None:
        self.write(
            Kind.RUN_QUEUED,
            run=run,
            actor=team,
            team=team,
            team_version="a" * 64,
            input={"task": "When?"},
            **about,
        )
        self.write(Kind.RUN_STARTED, run=run, actor=team, team=team, provider="v:m", language_model=True)

    def step(self, name: str, run: str = ROOT) -> None:
        self.write(Kind.STEP_STARTED, run=run, path=name, step=name, label=name)

    def stepped(self, name: str, run: str = ROOT) -> None:
        self.write(Kind.STEP_FINISHED, run=run, path=name, step=name, seconds=0.1, assignments=1)

    def ask(self, path: str, actor: str, run: str = ROOT, call: int = 1) -> None:
        self.write(
            Kind.MODEL_STARTED, run=run, path=path, actor=actor, provider="v:m", call=call, intent="plan",
            task="planning", complexity="simple", persona="p", level="whole",
        )  # fmt: skip

    def answer(self, path: str, actor: str, run: str = ROOT, call: int = 1, **more: Any) -> None:
        told = {"usage": usage(), "seconds": 0.5, "first_token": 0.1, "stopped": "end", **more}
        self.write(
            Kind.MODEL_FINISHED,
            run=run,
            path=path,
            actor=actor,
            provider="v:m",
            model="m-1",
            call=call,
            **told,
        )

    def use(self, path: str, actor: str, run: str = ROOT, error: str | None = None) -> None:
        said = {"tool": "search_documents", "arguments": {"query": "tides"}}
        self.write(Kind.TOOL_STARTED, run=run, path=path, actor=actor, **said)
        told = {"tool": "search_documents", "seconds": 0.1, "passages": 2, "error": error}
        self.write(Kind.TOOL_FINISHED, run=run, path=path, actor=actor, **told)

    def remember(self, path: str, actor: str, *operations: tuple[str, str, int, float]) -> None:
        """Tell what memory did: operation, store, how often and for how long in all."""
        told = [
            {
                "operation": operation, "store": store, "count": count, "seconds": seconds,
                "items": 2 * count, "hits": 1, "errors": 0,
            }
            for operation, store, count, seconds in operations
        ]  # fmt: skip
        self.write(Kind.MEMORY_MEASURED, path=path, actor=actor, operations=told)

    def end(self, run: str = ROOT, state: str = "done", **more: Any) -> None:
        told: dict[str, Any] = {
            "state": state,
            "partial": False,
            "seconds": 1.0,
            "usage": usage(20, 0.02),
            "error": None,
            **more,
        }
        self.write(Kind.RUN_FINISHED, run=run, **told)


def whole_run() -> Journal:
    """Atlas plans, lets research work, which lets a reader work, and ends."""
    journal = Journal()
    journal.begin(session="s_1")
    journal.step("plan")
    journal.ask("plan/1", "supervisor")
    journal.answer("plan/1", "supervisor")
    planned: list[dict[str, Any]] = [
        {"id": "a1", "worker": "team:research", "goal": "When?", "after": [], "round": 1}
    ]
    journal.write(Kind.PLAN_MADE, path="plan/1", round=1, assignments=planned, reason="It takes sources.")
    journal.stepped("plan")
    work = {"assignment": "a1", "worker": "team:research"}
    journal.write(Kind.WORK_STARTED, actor="team:research#a1", path="work/a1", goal="When?", **work)
    journal.begin(CHILD, "research")
    journal.write(Kind.CHILD_STARTED, path="work/a1", assignment="a1", team="research", run_=CHILD)
    journal.events[-1].data["run"] = journal.events[-1].data.pop("run_")
    inner = {"assignment": "a1", "worker": "reader"}
    journal.write(Kind.WORK_STARTED, run=CHILD, actor="reader#a1", path="work/a1", goal="When?", **inner)
    journal.use("work/a1", "reader#a1", CHILD)
    journal.ask("work/a1", "reader#a1", CHILD)
    journal.answer("work/a1", "reader#a1", CHILD)
    found: dict[str, Any] = {"findings": 1, "drafts": 0, "dropped": 0, "seconds": 0.4}
    journal.write(Kind.WORK_FINISHED, run=CHILD, actor="reader#a1", path="work/a1", **inner, **found)
    journal.end(CHILD)
    journal.write(Kind.WORK_FINISHED, actor="team:research#a1", path="work/a1", **work, **found)
    journal.end()
    return journal
