"""The table that closes a story: what each member did and took, and each team that worked for the run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.cli.aligned import Column, aligned
from atlas_mcp.cli.words import lasting, seconds_between
from atlas_mcp.events import Kind
from atlas_mcp.observe.tracking.measures import measured_agents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.text import Text

    from atlas_mcp.cli.branches import Branch
    from atlas_mcp.events import Event

__all__ = ["members_table"]

_COLUMNS = (
    Column("who", gives=True), Column("work"), Column("calls"), Column("tokens", right=True),
    Column("money", right=True), Column("time", right=True),
)  # fmt: skip
_NUMBERS = ("seconds", "findings")


@dataclass(slots=True)
class _Row:
    """What one took; `priced` is False where a price is not known."""

    work: int = 0
    failed: int = 0
    calls: int = 0
    calls_failed: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    priced: bool = True
    estimated: bool = False
    seconds: float = 0.0

    def cells(self, name: str) -> list[str]:
        about = "about " if self.estimated else ""
        money = f"${self.cost_usd:.4f}" if self.cost_usd else ""
        return [
            name, _failing(self.work, self.failed), _failing(self.calls, self.calls_failed),
            f"{about}{self.tokens:,}" if self.tokens else "", money if self.priced else "price unknown",
            lasting(self.seconds) if self.seconds else "",
        ]  # fmt: skip


def members_table(events: Sequence[Event], branches: Sequence[Branch], room: int) -> list[Text]:
    """The lines of the table, none longer than `room`; none at all where one member did everything."""
    rows = {**_members(events), **_teams(branches)}
    if len(rows) < 2:  # noqa: PLR2004 - what one took is what the run took
        return []
    return aligned(_COLUMNS, [row.cells(name) for name, row in rows.items()], room)


def _members(events: Sequence[Event]) -> dict[str, _Row]:
    measured = measured_agents([_numbered(event) for event in events])
    rows = {
        name: _Row(
            calls=each.calls, calls_failed=each.calls_failed, cost_usd=each.cost_usd, seconds=each.seconds,
            tokens=each.tokens["input_tokens"] + each.tokens["output_tokens"],
        )
        for name, each in measured.items() if each.calls or each.work
    }  # fmt: skip
    # Work that a crash cut off is begun again and is the same; what failed took its time, too.
    begun: dict[str, str] = {}
    done: defaultdict[str, set[str]] = defaultdict(set)
    failed: defaultdict[str, set[str]] = defaultdict(set)
    for event in events:
        row = rows.get(name := event.actor.partition("#")[0])
        if row is None:
            continue
        data = event.data
        match event.kind:
            case Kind.WORK_STARTED:
                begun[data["assignment"]] = event.at
                done[name].add(data["assignment"])
                failed[name].discard(data["assignment"])
            case Kind.WORK_FAILED:
                failed[name].add(data["assignment"])
                row.seconds += seconds_between(begun.get(data["assignment"], event.at), event.at)
            case Kind.MODEL_FINISHED | Kind.MODEL_FAILED:
                row.priced = row.priced and data["usage"].get("cost_usd", 0) is not None
                row.estimated = row.estimated or bool(data["usage"].get("estimated"))
            case _:
                pass
    for name, row in rows.items():
        row.work, row.failed = len(done[name]), len(failed[name])
    return rows


def _numbered(event: Event) -> Event:
    """The event as it is measured: what an older version did not write counts nothing."""
    unknown = {key: 0 for key in _NUMBERS if key in event.data and event.data[key] is None}
    return replace(event, data={**event.data, **unknown}) if unknown else event


def _teams(branches: Sequence[Branch]) -> dict[str, _Row]:
    rows: defaultdict[str, _Row] = defaultdict(_Row)
    for branch in branches:
        row, usage = rows[f"team {branch.row.team}"], branch.row.usage
        row.work += 1
        row.failed += branch.row.state.value == "failed"
        row.seconds += seconds_between(branch.row.created_at, branch.row.updated_at)
        _spend(row, usage)
    return dict(rows)


def _spend(row: _Row, usage: Mapping[str, Any]) -> None:
    row.calls += usage.get("calls", 0)
    row.tokens += usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
    cost = usage.get("cost_usd", 0)
    row.priced = row.priced and cost is not None
    row.cost_usd += cost or 0.0
    row.estimated = row.estimated or bool(usage.get("estimated"))


def _failing(number: int, failed: int) -> str:
    if not number:
        return ""
    return f"{number:,}, {failed:,} failed" if failed else f"{number:,}"
