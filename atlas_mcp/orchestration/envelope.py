"""The one shape in which every tool gives a run: where it stands, what came of it, what to call next.

It stays under 20 KB, since clients cut or hide longer results; what is left out is counted and stands whole
at the run's resources.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.shapes import unmarked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.orchestration.asking import Question
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["LARGEST", "LONGEST_REPORT", "envelope", "envelope_schema"]

LARGEST = 20_000
"""Bytes of the whole envelope as JSON."""

LONGEST_REPORT = 8_000
"""Bytes of the report inside it."""

_ROOM = LARGEST - 500  # what is left is for `truncated`
_LONGEST_TEXT = 500


def envelope_schema(output: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of an envelope around an output of that schema, marks for providers left out."""
    shape: dict[str, Any] = unmarked(output)
    definitions = shape.pop("$defs", None)
    shape.pop("$schema", None)
    # An output that is cut still fits: lists keep an entry, texts 500 characters; failing that it is null.
    schema: dict[str, Any] = {
        "type": "object",
        "required": ["run_id", "state", "partial", "output", "usage", "report_uri"],
        "properties": {
            "run_id": {"type": "string"},
            "state": {"type": "string", "description": "done, failed and cancelled are final."},
            "partial": {"type": "boolean"},
            "output": {"anyOf": [shape, {"type": "null"}]},
            "error": {"type": "object", "description": "Why the run failed."},
            "question": {
                "type": "object",
                "description": "What a person is asked: {id, text, schema, kind}.",
            },
            "questions": {"type": "array", "description": "All of them, where there are several."},
            "next": {"type": "string", "description": "What to call next."},
            "usage": {"type": "object"},
            "report_uri": {"type": "string"},
            "truncated": {
                "type": "object",
                "description": "How much of a field stands only in the run's resources: entries of a list, "
                "characters of a text.",
            },
        },
    }
    return schema | ({"$defs": definitions} if definitions else {})


def envelope(row: RunRow, questions: Sequence[Question] = ()) -> dict[str, Any]:
    """A run as its envelope; `questions` are those that wait for a person, oldest first."""
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
        made["next"] = _next(row, questions)
        _add_questions(made, questions)
    return _fitted(made)


def _add_questions(made: dict[str, Any], questions: Sequence[Question]) -> None:
    """Show what is asked: the oldest question and, of several, as many as fit."""
    room = _ROOM - _size(made)
    shown = [_shown(question, room // (len(questions) + 1)) for question in questions]
    if shown:
        made["question"] = shown[0]
    if len(shown) > 1:
        made["questions"] = shown
        while _size(made) > _ROOM and len(made["questions"]) > 1:
            made["questions"] = made["questions"][:-1]
            made["truncated"] = {"questions": len(shown) - len(made["questions"])}


def _shown(question: Question, room: int) -> dict[str, Any]:
    """A question with what it is about, as far as that fits."""
    shown = question.to_dict()
    if _size(shown) > room and "data" in shown:
        shown["data"] = _short(shown["data"])
    if _size(shown) > room:
        shown.pop("data", None)
    if _size(shown) > room:
        shown["text"] = _short(shown["text"])
    return shown


def _next(row: RunRow, questions: Sequence[Question]) -> str:
    if questions and row.state.value in {"waiting", "queued", "running"}:
        which = f', question_id="{questions[0].id}"' if len(questions) > 1 else ""
        return (
            f'A person is asked. run_answer(run_id="{row.run_id}", answer={{…}}{which}) hands in what they'
            " say, as the question's schema shapes it; do not answer in their place."
        )
    match row.state.value:
        case "paused":
            return f'run_control(run_id="{row.run_id}", action="resume") lets it go on.'
        case "interrupted":
            return f'run_control(run_id="{row.run_id}", action="resume") takes it up where it was.'
        case _:
            return f'The team is at work. run_result(run_id="{row.run_id}") waits for the result.'


def _fitted(made: dict[str, Any]) -> dict[str, Any]:
    """The envelope, cut as little as needed: report, reasons, ends of the longest lists, long texts, all."""
    if "error" in made:
        made = {**made, "error": _short(made["error"])}
    if made["output"] is None:
        return made
    output = dict(made["output"])
    truncated: dict[str, int] = {}
    _cut_report(output, made["report_uri"], truncated)
    if _size({**made, "output": output}) > _ROOM:
        _cut_reasons(output, truncated)
    _cut_lists(output, _size({**made, "output": output}) - _ROOM, truncated)
    if _size({**made, "output": output}) > _ROOM:
        _cut_texts(output, truncated)
    if _size({**made, "output": output}) > _ROOM:
        return {**made, "output": None, "truncated": {"output": 1}}
    return {**made, "output": output} | ({"truncated": truncated} if truncated else {})


def _cut_report(output: dict[str, Any], uri: str, truncated: dict[str, int]) -> None:
    report = output.get("report")
    if isinstance(report, str) and len(report.encode()) > LONGEST_REPORT:
        kept = report.encode()[: LONGEST_REPORT - 120].decode(errors="ignore").rsplit("\n", 1)[0]
        output["report"] = f"{kept}\n\n*(goes on at {uri})*\n"
        truncated["report"] = len(report) - len(kept)


def _cut_reasons(output: dict[str, Any], truncated: dict[str, int]) -> None:
    """Leave of what the librarian measured the figures; the run's events have the reasons."""
    match output.get("measures"):
        case {"parts": [*parts]} as measures:
            pass
        case _:
            return
    kept: list[Any] = []
    dropped = 0
    for part in parts:
        match part:
            case {"reasons": [_, *_]}:
                dropped += len(part["reasons"])
                kept.append({**part, "reasons": []})
            case _:
                kept.append(part)
    if dropped:
        output["measures"] = {**measures, "parts": kept}
        truncated["measures"] = dropped


def _cut_lists(output: dict[str, Any], excess: int, truncated: dict[str, int]) -> None:
    """Drop the last entries of the longest lists; each keeps its first."""
    lists = {key: cast("list[Any]", value) for key, value in output.items() if isinstance(value, list)}
    sizes = {key: [_size(entry) + 2 for entry in entries] for key, entries in lists.items()}
    totals = {key: sum(entries) for key, entries in sizes.items() if len(entries) > 1}
    while excess > 0 and totals:
        longest = max(totals, key=totals.__getitem__)
        dropped = sizes[longest].pop()
        excess -= dropped
        totals[longest] -= dropped
        truncated[longest] = truncated.get(longest, 0) + 1
        if len(sizes[longest]) == 1:
            del totals[longest]
    for key, entries in lists.items():
        output[key] = entries[: len(sizes[key])]


def _cut_texts(output: dict[str, Any], truncated: dict[str, int]) -> None:
    for key, value in output.items():
        output[key] = _short(value)
        if output[key] != value:
            truncated[key] = truncated.get(key, 0) + _size(value) - _size(output[key])


def _short(value: Any) -> Any:
    """A JSON value whose texts are at most `_LONGEST_TEXT` characters."""
    match value:
        case str() if len(value) > _LONGEST_TEXT:
            return f"{value[: _LONGEST_TEXT - 1]}…"
        case dict():
            return {key: _short(inner) for key, inner in cast("dict[str, Any]", value).items()}
        case list():
            return [_short(inner) for inner in cast("list[Any]", value)]
        case _:
            return value


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
