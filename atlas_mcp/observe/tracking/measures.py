"""What a run's events measure: time, tokens, money, quality, coordination, recovery, memory, steps.

Each figure has one stable name, `group/name`, listed in the handbook. A figure that does not apply to a run
is left out rather than zero: a team of one has no parallel efficiency, an answer without claims no quality.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from statistics import quantiles
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.events import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["AgentMeasures", "measured", "measured_agents"]

_TOKENS = {
    "tokens/input": "input_tokens", "tokens/output": "output_tokens", "tokens/cached": "cached_tokens",
    "tokens/reasoning": "reasoning_tokens",
}  # fmt: skip


def measured(events: Sequence[Event]) -> dict[str, float]:
    """Everything that the events of one run say, by name; its tokens and money include its child runs'."""
    figures: dict[str, float] = {}
    if not events:
        return figures
    for part in (_time, _usage, _calls, _quality, _coordination, _recovery, _context, _memory, _steps):
        figures |= part(events)
    return figures


@dataclass(slots=True)
class AgentMeasures:
    """What one member of a team did in a run; `work` counts its assignments."""

    seconds: float = 0.0
    work: int = 0
    failed: int = 0
    tokens: Counter[str] = field(default_factory=Counter[str])
    cost_usd: float = 0.0
    calls: int = 0
    calls_failed: int = 0
    tools: int = 0
    findings: int = 0

    def figures(self) -> dict[str, float]:
        """By the same names as a run's."""
        return {
            "time/seconds": round(self.seconds, 3),
            **{name: self.tokens[key] for name, key in _TOKENS.items()},
            "tokens/total": self.tokens["input_tokens"] + self.tokens["output_tokens"],
            "cost/usd": self.cost_usd, "calls/models": self.calls, "calls/models_failed": self.calls_failed,
            "calls/tools": self.tools, "work/assignments": self.work, "work/failed": self.failed,
            "work/findings": self.findings,
        }  # fmt: skip


def measured_agents(events: Iterable[Event]) -> dict[str, AgentMeasures]:
    """What each member did, by name; teams that work for the run are runs of their own and not in it."""
    members: defaultdict[str, AgentMeasures] = defaultdict(AgentMeasures)
    paid: set[tuple[str, int]] = set()
    for event in events:
        name = event.actor.partition("#")[0]
        match event.kind:
            case Kind.WORK_STARTED if not name.startswith("team:"):
                members[name].work += 1
            case Kind.WORK_FINISHED if name in members:
                members[name].seconds += event.data["seconds"]
                members[name].findings += event.data["findings"]
            case Kind.WORK_FAILED if name in members:
                members[name].failed += 1
            case Kind.MODEL_FINISHED:
                _count_call(members[name], event, paid)
                if not event.span_id.startswith("work/"):
                    members[name].seconds += event.data["seconds"]
            case Kind.MODEL_FAILED:
                _count_call(members[name], event, paid)
                members[name].calls_failed += 1
            case Kind.TOOL_FINISHED:
                members[name].tools += 1
            case Kind.TOOL_CHARGED:
                members[name].cost_usd += event.data["cost_usd"]
            case _:
                pass
    return dict(members)


def _count_call(member: AgentMeasures, event: Event, paid: set[tuple[str, int]]) -> None:
    call = (event.span_id, event.data["call"])
    if event.data.get("replayed") and call in paid:
        return
    paid.add(call)
    member.calls += 1
    usage = cast("dict[str, Any]", event.data.get("usage") or {})
    for key in _TOKENS.values():
        member.tokens[key] += usage.get(key, 0)
    member.cost_usd += usage.get("cost_usd") or 0.0


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _of(events: Iterable[Event], *kinds: Kind) -> list[Event]:
    return [event for event in events if event.kind in kinds]


def _time(events: Sequence[Event]) -> dict[str, float]:
    figures = {"time/seconds": _seconds(events[0].at, events[-1].at)}
    if started := _of(events, Kind.RUN_STARTED):
        figures["time/queued_seconds"] = _seconds(events[0].at, started[0].at)
    asked = {event.data["id"]: event.at for event in _of(events, Kind.QUESTION_ASKED)}
    waited = [
        _seconds(asked[event.data["id"]], event.at)
        for event in _of(events, Kind.QUESTION_ANSWERED) if event.data["id"] in asked
    ]  # fmt: skip
    if waited:
        figures["time/waiting_seconds"] = sum(waited)
    return figures


def _usage(events: Sequence[Event]) -> dict[str, float]:
    ends = _of(events, Kind.RUN_FINISHED)
    usage: Mapping[str, Any] = ends[-1].data.get("usage") or {} if ends else {}
    if not usage:
        return {}
    figures: dict[str, float] = {name: usage[key] for name, key in _TOKENS.items()}
    figures["tokens/total"] = usage["input_tokens"] + usage["output_tokens"]
    figures["calls/total"] = usage["calls"]
    if usage["cost_usd"] is not None:
        figures["cost/usd"] = usage["cost_usd"]
    return figures


def _calls(events: Sequence[Event]) -> dict[str, float]:
    finished = [event.data for event in _of(events, Kind.MODEL_FINISHED)]
    fresh = [data for data in finished if not data.get("replayed")]
    failed, tools = _of(events, Kind.MODEL_FAILED), _of(events, Kind.TOOL_FINISHED)
    figures: dict[str, float] = {
        "calls/models": len(fresh) + len(failed), "calls/models_failed": len(failed),
        "calls/replayed": len(finished) - len(fresh), "calls/switches": len(_of(events, Kind.MODEL_SWITCHED)),
        "calls/tools": len(tools), "calls/tools_failed": sum(bool(each.data["error"]) for each in tools),
        "calls/tools_refused": len(_of(events, Kind.TOOL_REFUSED)),
    }  # fmt: skip
    if charged := [event.data["cost_usd"] for event in _of(events, Kind.TOOL_CHARGED)]:
        figures["cost/tools_usd"] = sum(charged)
    figures |= _spread("latency/model", [data["seconds"] for data in fresh])
    first = [data["first_token"] for data in fresh if data.get("first_token") is not None]
    figures |= _spread("latency/first_token", first)
    figures |= _spread("latency/tool", [each.data["seconds"] for each in tools])
    spoken = sum(data["seconds"] for data in fresh)
    usages = [cast("dict[str, Any]", data.get("usage") or {}) for data in fresh]
    said = sum(usage.get("output_tokens", 0) for usage in usages)
    if spoken > 0 and said:
        figures["throughput/output_tokens_per_second"] = round(said / spoken, 3)
    return figures


def _spread(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """The middle and the slow end of some times."""
    if not seconds:
        return {}
    if len(seconds) == 1:
        return {f"{name}_p50_seconds": seconds[0], f"{name}_p95_seconds": seconds[0]}
    cuts = quantiles(seconds, n=20, method="inclusive")
    return {f"{name}_p50_seconds": round(cuts[9], 4), f"{name}_p95_seconds": round(cuts[18], 4)}


def _quality(events: Sequence[Event]) -> dict[str, float]:
    figures: dict[str, float] = {}
    if checks := _of(events, Kind.CHECK_FINISHED):
        check = checks[-1].data
        figures = {
            f"quality/{key}": check[key] for key in ("claims", "quotes", "unsupported")
            if isinstance(check.get(key), int)
        }  # fmt: skip
        parts = cast("list[dict[str, Any]]", check.get("parts") or [])
        figures |= {f"quality/{part['name']}": part["share"] for part in parts if part.get("applies")}
        if check.get("score") is not None:
            figures["quality/measured"] = figures["quality/overall"] = check["score"]
    kept = [each.data for each in _of(events, Kind.VERSION_KEPT) if each.data["better"]]
    if kept and kept[-1]["score"] is not None:
        figures["quality/overall"] = kept[-1]["score"]
    if revisions := _of(events, Kind.REVISION_STARTED):
        figures["quality/revisions"] = len(revisions)
    return figures


def _coordination(events: Sequence[Event]) -> dict[str, float]:
    """How the members worked together; work lasts from the first beginning to the last end."""
    plans = _of(events, Kind.PLAN_MADE)
    planned = {each["id"]: each for plan in plans for each in plan.data["assignments"]}
    if not planned:
        return {}
    done = _of(events, Kind.WORK_FINISHED)
    failed = {event.data["assignment"] for event in _of(events, Kind.WORK_FAILED)}
    finished = {event.data["assignment"] for event in done}
    spans = _work_spans(events)
    figures: dict[str, float] = {
        "coordination/agents": len({each["worker"] for each in planned.values()}),
        "coordination/assignments": len(planned),
        "coordination/failed": len(failed - finished),
        "coordination/completion_rate": round(len(finished) / len(planned), 4),
        "coordination/rounds": max((plan.data["round"] for plan in plans), default=0),
        "coordination/waves": _longest_chain(planned),
        "coordination/sync_points": _longest_chain(planned) + len(_of(events, Kind.REVIEW_MADE)),
    }
    if spans:
        busy = sum(end - start for start, end in spans)
        wall = max(end for _, end in spans) - min(start for start, _ in spans)
        covered = _covered(spans)
        whole = _seconds(events[0].at, events[-1].at)
        figures |= {
            "coordination/busy_seconds": round(busy, 3), "coordination/work_seconds": round(wall, 3),
            "coordination/latency_seconds": round(max(0.0, whole - covered), 3),
        }  # fmt: skip
        widest = _widest(spans)
        figures["coordination/parallel"] = widest
        if wall > 0 and widest > 1:
            figures["coordination/parallel_efficiency"] = round(busy / (wall * widest), 4)
            figures["coordination/speedup"] = round(busy / wall, 4)
    return figures


def _work_spans(events: Sequence[Event]) -> list[tuple[float, float]]:
    """When each assignment was worked on, in seconds from the first event."""
    began: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    for event in _of(events, Kind.WORK_STARTED, Kind.WORK_FINISHED, Kind.WORK_FAILED):
        at = _seconds(events[0].at, event.at)
        if event.kind is Kind.WORK_STARTED:
            began[event.data["assignment"]] = at
        elif (start := began.pop(event.data["assignment"], None)) is not None:
            spans.append((start, at))
    return spans


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one was at work."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def _widest(spans: Iterable[tuple[float, float]]) -> int:
    """How many were at work at once, at most."""
    turns = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, turn in turns:
        now += turn
        most = max(most, now)
    return most


def _longest_chain(planned: Mapping[str, Mapping[str, Any]]) -> int:
    """The waves that a plan needs: the length of its longest chain of `after`."""
    depth: dict[str, int] = {}
    for identity, assignment in planned.items():
        # A plan names what it comes after before it.
        depth[identity] = 1 + max((depth.get(each, 0) for each in assignment.get("after", ())), default=0)
    return max(depth.values(), default=0)


def _recovery(events: Sequence[Event]) -> dict[str, float]:
    tried = _of(events, Kind.RECOVERY_TRIED)
    again = {event.data["assignment"] for event in tried}
    finished = {event.data["assignment"] for event in _of(events, Kind.WORK_FINISHED)}
    counted = {
        "recovery/tried": len(tried), "recovery/succeeded": len(again & finished),
        "recovery/repairs": len(_of(events, Kind.OUTPUT_REPAIRED)),
        "recovery/escalations": len(_of(events, Kind.ESCALATED)),
        "recovery/questions": len(_of(events, Kind.QUESTION_ASKED)),
        "recovery/resumed": len(_of(events, Kind.RUN_RESUMED)),
        "errors/total": len(_of(events, Kind.WORK_FAILED, Kind.MODEL_FAILED, Kind.MEMORY_FAILED))
        + sum(bool(each.data["error"]) for each in _of(events, Kind.TOOL_FINISHED)),
    }  # fmt: skip
    return {name: float(value) for name, value in counted.items()}


def _context(events: Sequence[Event]) -> dict[str, float]:
    fitted = [event.data for event in _of(events, Kind.CONTEXT_FITTED)]
    if not fitted:
        return {}
    return {
        "context/fitted": len(fitted), "context/tokens_before": sum(each["before"] for each in fitted),
        "context/tokens_saved": sum(each["before"] - each["after"] for each in fitted),
    }  # fmt: skip


def _memory(events: Sequence[Event]) -> dict[str, float]:
    recalled = [event.data for event in _of(events, Kind.MEMORY_RECALLED)]
    kept = [event.data for event in _of(events, Kind.LEARNING_KEPT)]
    figures: dict[str, float] = {
        "memory/recalls": len(recalled), "memory/recalled": sum(len(each["items"]) for each in recalled),
        "memory/kept": sum(each["new"] for each in kept),
        "memory/known": sum(not each["new"] for each in kept),
        "memory/dropped": len(_of(events, Kind.LEARNING_DROPPED)),
        "memory/closed": sum(len(each["closes"]) for each in kept),
        "memory/failures": len(_of(events, Kind.MEMORY_FAILED)),
    }  # fmt: skip
    figures |= _spread("memory/recall", [each["seconds"] for each in recalled])
    return figures | _stores(events)


def _stores(events: Sequence[Event]) -> dict[str, float]:
    """What each store of memory did, by `OPERATION_STORE`; of times the means of an event are known."""
    figures: defaultdict[str, float] = defaultdict(float)
    times: defaultdict[str, list[float]] = defaultdict(list)
    for event in _of(events, Kind.MEMORY_MEASURED):
        for took in cast("list[dict[str, Any]]", event.data["operations"]):
            name = f"memory/{took['operation']}_{took['store']}"
            for key in ("count", "items", "hits", "errors"):
                if took[key] or key == "count":
                    figures[f"{name}_{key}"] += took[key]
            times[name] += [took["seconds"] / took["count"]] * took["count"]
    for name, each in times.items():
        figures |= _spread(name, each)
    return dict(figures)


def _steps(events: Sequence[Event]) -> dict[str, float]:
    """Time, count and success of each node of the graph."""
    figures: defaultdict[str, float] = defaultdict(float)
    for event in _of(events, Kind.STEP_STARTED):
        figures[f"step_{event.data['step']}/count"] += 1
    for event in _of(events, Kind.STEP_FINISHED):
        figures[f"step_{event.data['step']}/seconds"] += event.data["seconds"]
        figures[f"step_{event.data['step']}/finished"] += 1
    for name in {each.partition("/")[0] for each in figures}:
        began = figures[f"{name}/count"]
        figures[f"{name}/success_rate"] = (
            round(figures.pop(f"{name}/finished", 0.0) / began, 4) if began else 1.0
        )
    return dict(figures)
