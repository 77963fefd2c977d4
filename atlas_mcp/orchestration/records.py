"""What the store of runs tells whoever sends them on: ids, how they stand, what calls were asked and gave.

Each is read within the reader's own transaction. What calls were asked and gave is a copy without secrets,
made by the process that made the call: whoever tells of it may not know what is secret there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from atlas_mcp.messages import Image, Material, Reasoning, Text, ToolCall, ToolResult
from atlas_mcp.observe.tracking.source import RunFacts
from atlas_mcp.orchestration.leavings import talkative
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    import sqlite3

    from atlas_mcp.chunks import Reply
    from atlas_mcp.messages import Message, Prompt
    from atlas_mcp.observe.tracking.spans import Asked

__all__ = ["RunRecords", "told_of_model", "told_of_tool"]

_BELOW = """
WITH RECURSIVE part (run_id) AS (
    SELECT run_id FROM run WHERE parent_run_id = ?
    UNION SELECT run.run_id FROM run JOIN part ON run.parent_run_id = part.run_id
) SELECT run_id FROM part
"""

LONGEST = 20_000
"""Characters of a prompt that are kept for whoever looks at the call later, its beginning and its end."""


class RunRecords:
    """The tables `run` and `ledger`, read on a given connection."""

    def roots(self, connection: sqlite3.Connection, after: str) -> list[str]:
        """Runs that work for no other and whose ids come after `after`, in order."""
        rows = connection.execute(
            "SELECT run_id FROM run WHERE parent_run_id IS NULL AND run_id > ? ORDER BY run_id", (after,)
        )
        return [row["run_id"] for row in rows]

    def facts(self, connection: sqlite3.Connection, run_id: str) -> RunFacts | None:
        """A run as it stands; None where it was forgotten."""
        row = connection.execute("SELECT * FROM run WHERE run_id = ?", (run_id,)).fetchone()
        return None if row is None else RunFacts(
            run_id, row["parent_run_id"] or "", row["user"], row["team"], row["team_version"], row["state"],
            bool(row["partial"]), row["created_at"], row["updated_at"],
        )  # fmt: skip

    def said(self, connection: sqlite3.Connection, asked: Asked) -> tuple[Any, Any]:
        """What went into a call and came out of it, where that is kept."""
        if asked.kind == "output":
            row = connection.execute("SELECT output FROM run WHERE run_id = ?", (asked.run_id,)).fetchone()
            return None, json.loads(row["output"]) if row is not None and row["output"] else None
        # A step that is asked anew has calls of the same number; the last one until then is meant.
        row = connection.execute(
            "SELECT asked FROM ledger WHERE run_id = ? AND path = ? AND kind = ? AND at <= ?"
            " ORDER BY position = ? DESC, at DESC LIMIT 1",
            (asked.run_id, asked.path, asked.kind, asked.by, asked.number),
        ).fetchone()
        if row is None or not row["asked"]:
            return None, None
        told = json.loads(row["asked"])
        return told.get("went_in"), told.get("came_out")

    def below(self, connection: sqlite3.Connection, run_id: str) -> list[str]:
        """The runs that work for a run, and those that work for them."""
        return [row["run_id"] for row in connection.execute(_BELOW, (run_id,))]

    def talkative(self, connection: sqlite3.Connection) -> list[str]:
        """Runs that have ended and of which what was said to them is still kept."""
        return talkative(connection)


def told_of_model(prompt: Prompt, reply: Reply) -> str:
    """A call of a model as JSON for whoever looks at it later, secrets of this process taken out.

    `went_in` is the prompt as chat messages, long ones with both their ends, `came_out` the answer.
    """
    messages: list[dict[str, Any]] = [{"role": "system", "content": prompt.system}] if prompt.system else []
    messages += [_message(each) for each in prompt.messages]
    room = LONGEST // max(1, len(messages))
    for message in messages:
        # Before it is cut: of a secret that is cut nobody knows that it is one.
        message["content"] = _cut(redacted(message["content"]), room)
    went_in = {"messages": messages, "tools": [tool.name for tool in prompt.tools]}
    came_out = {"choices": [{"message": redacted(_message(reply.message))}]}
    return json.dumps({"went_in": went_in, "came_out": came_out}, ensure_ascii=False)


def told_of_tool(result: ToolResult) -> str:
    """What a tool gave as JSON for whoever looks at it later: its text, and what may be quoted of it."""
    passages = [
        {"title": each.source.title, "uri": each.source.uri, "text": each.text} for each in result.passages
    ]
    gave = {"text": result.text, "passages": passages} if passages else result.text
    return json.dumps({"came_out": redacted(gave)}, ensure_ascii=False)


def _message(message: Message) -> dict[str, Any]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case Text() | ToolResult():
                texts.append(part.text)
            case Material():
                texts += [f"[{each.id}] {each.text}" for each in part.passages]
                texts += [f"[{each.id}] {each.quote}" for each in part.findings]
                texts += [f"[{each.id}] {each.text}" for each in part.drafts]
            case ToolCall():
                calls.append(_call(part.id, part.name, part.arguments))
            case Image():
                texts.append(f"[a picture, {part.media_type}]")
            case Reasoning():
                pass
    told: dict[str, Any] = {"role": message.role, "content": "\n\n".join(texts)}
    return {**told, "tool_calls": calls} if calls else told


def _call(identity: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    said = json.dumps(arguments, ensure_ascii=False)
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": said}}


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters …]\n{text[-half:]}"
