"""The one shape in which every tool gives a run: where it stands, what came of it, what to call next.

It stays under 20 KB, since clients cut or hide longer results; what is left out is counted and stands whole
at the run's resources.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["LARGEST", "LONGEST_REPORT", "envelope", "envelope_schema"]

LARGEST = 20_000
"""Bytes of the whole envelope as JSON."""

LONGEST_REPORT = 8_000
"""Bytes of the report inside it."""


def envelope_schema(output: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an envelope around an output of that schema, marks for providers left out."""
    shape = _plain(output)
    definitions = shape.pop("$defs", None)
    shape.pop("$schema", None)
    # A truncated output lacks nothing but items of its arrays, so its own schema holds.
    schema: dict[str, Any] = {
        "type": "object",
        "required": ["run_id", "state", "partial", "output", "usage", "report_uri"],
        "properties": {
            "run_id": {"type": "string"},
            "state": {"type": "string", "description": "done, failed and cancelled are final."},
            "partial": {"type": "boolean"},
            "output": {"anyOf": [shape, {"type": "null"}]},
            "error": {"type": "object", "description": "Why the run failed."},
            "question": {"type": "object"},
            "next": {"type": "string", "description": "What to call next."},
            "usage": {"type": "object"},
            "report_uri": {"type": "string"},
            "truncated": {
                "type": "object",
                "description": "How many entries of a field stand only in the full report.",
            },
        },
    }
    return schema | ({"$defs": definitions} if definitions else {})


def _plain(schema: Any) -> Any:
    match schema:
        case dict():
            items = cast("dict[str, Any]", schema).items()
            return {key: _plain(value) for key, value in items if not key.startswith("x-atlas-")}
        case list():
            return [_plain(value) for value in cast("list[Any]", schema)]
        case _:
            return schema


def envelope(row: RunRow) -> dict[str, Any]:
    """A run as its envelope."""
    base = f"atlas://runs/{row.run_id}"
    made: dict[str, Any] = {
        "run_id": row.run_id,
        "state": row.state.value,
        "partial": row.partial,
        "output": row.output,
        "usage": row.usage,
        "report_uri": f"{base}/report",
    }
    if row.error:
        made["error"] = row.error
    if not row.final:
        made["next"] = _next(row)
    return _fitted(made)


def _next(row: RunRow) -> str:
    match row.state.value:
        case "paused":
            return f'run_control(run_id="{row.run_id}", action="resume") lets it go on.'
        case "interrupted":
            return f'run_control(run_id="{row.run_id}", action="resume") takes it up where it was.'
        case _:
            return f'The team is at work. run_result(run_id="{row.run_id}") waits for the result.'


def _fitted(made: dict[str, Any]) -> dict[str, Any]:
    """The envelope with its report, then the ends of its longest lists, cut until it fits."""
    if not made["output"]:
        return made
    output: dict[str, Any] = dict(made["output"])
    made = {**made, "output": output}
    truncated: dict[str, int] = {}
    report = str(output.get("report", ""))
    if len(report.encode()) > LONGEST_REPORT:
        kept = report.encode()[: LONGEST_REPORT - 80].decode(errors="ignore").rsplit("\n", 1)[0]
        output["report"] = f"{kept}\n\n*(goes on at {made['report_uri']})*\n"
        truncated["report"] = len(report) - len(kept)
    while _size({**made, "truncated": truncated}) > LARGEST:
        lists = [key for key, value in output.items() if isinstance(value, list) and value]
        if not lists:
            break
        longest = max(lists, key=lambda key: _size(output[key]))
        output[longest] = output[longest][:-1]
        truncated[longest] = truncated.get(longest, 0) + 1
    return {**made, "truncated": truncated} if truncated else made


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
