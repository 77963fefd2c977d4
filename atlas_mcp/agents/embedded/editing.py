"""The tools by which an agent works on its own memory, named and called as Letta's.

They run inside the transaction that keeps the model's answer, so that an edit is never made twice and never
lost. What cannot be done is a result that says what to do instead; it does not end the turn.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from atlas_mcp.agents.embedded import archive, blocks, threads
from atlas_mcp.agents.standing import MEMORY_TAG
from atlas_mcp.errors import InvalidInput
from atlas_mcp.messages import ToolCall, ToolResult, ToolSpec
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from atlas_mcp.agents.embedded.agents import Kept
    from atlas_mcp.agents.runtime import Block

__all__ = ["Own", "own_tools", "run_own"]

_LONGEST = 2_000
"""Characters of one message or passage that a search shows."""
_MOST = 10


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _spec(name: str, description: str, required: list[str], **properties: dict[str, Any]) -> ToolSpec:
    return ToolSpec(name, description, {"type": "object", "properties": properties, "required": required})


_LABEL = _text("Label of the memory block.")
_TAGS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_COUNT: dict[str, Any] = {"type": ["integer", "null"], "minimum": 1, "maximum": 50}
_DATE: dict[str, Any] = {"type": ["string", "null"], "description": "ISO 8601, such as 2026-05-01."}

_INSERT = _spec(
    "memory_insert",
    "Insert text into a memory block, as lines of their own.",
    ["label", "new_string"],
    label=_LABEL,
    new_string=_text("The text to insert."),
    insert_line={
        "type": "integer",
        "minimum": -1,
        "description": "After which line to insert it: 0 for the beginning, -1 (default) for the end.",
    },
)
_REPLACE = _spec(
    "memory_replace",
    "Replace text in a memory block by other text; an empty new_string deletes it.",
    ["label", "old_string", "new_string"],
    label=_LABEL,
    old_string=_text("The text to replace, exactly as it stands in the block; it must stand there once."),
    new_string=_text("The text to put in its place."),
)
_RETHINK = _spec(
    "memory_rethink",
    "Write a memory block anew, from beginning to end.",
    ["label", "new_memory"],
    label=_LABEL,
    new_memory=_text("All that the block is to say from now on."),
)
_CONVERSATION = _spec(
    "conversation_search",
    "Search all that was said before, in this conversation and in others, summarised or not.",
    [],
    query={"type": ["string", "null"], "description": "Words to look for; without any, the last messages."},
    roles={
        "type": ["array", "null"],
        "items": {"enum": ["user", "assistant", "tool"]},
        "description": "Only messages of these.",
    },
    limit={**_COUNT, "description": f"At most so many messages (default {_MOST})."},
    start_date=_DATE,
    end_date=_DATE,
)
_ARCHIVE_INSERT = _spec(
    "archival_memory_insert",
    "Put a passage into your archive, to be found later by its words.",
    ["content"],
    content=_text("The passage; it should make sense by itself."),
    tags={**_TAGS, "description": "What it is about, to find it by."},
)
_ARCHIVE_SEARCH = _spec(
    "archival_memory_search",
    "Search the passages of your archive.",
    ["query"],
    query=_text("Words to look for."),
    tags={
        "type": ["array", "null"],
        "items": {"type": "string"},
        "description": "Only those with all these.",
    },
    top_k={**_COUNT, "description": f"At most so many passages (default {_MOST})."},
)


@dataclass(frozen=True, slots=True)
class Own:
    """Whose memory is worked on, and in which turn of which thread."""

    agent: Kept
    thread: str
    turn: str


def own_tools(agent: Kept, memory: list[Block]) -> tuple[ToolSpec, ...]:
    """The tools of an agent with those blocks: none to edit with where nothing may be edited."""
    edits = (_INSERT, _REPLACE, _RETHINK) if any(not block.read_only for block in memory) else ()
    return (*edits, _CONVERSATION, *((_ARCHIVE_INSERT, _ARCHIVE_SEARCH) if agent.archival else ()))


def run_own(
    connection: sqlite3.Connection, own: Own, call: ToolCall, offered: tuple[ToolSpec, ...]
) -> ToolResult:
    """What a call of one's own gives; one that cannot be done is a result with `error`."""
    try:
        said = _run(connection, own, call, offered)
    except InvalidInput as error:
        return ToolResult(call.id, _packed("Failed", str(error)), error=True)
    return ToolResult(call.id, _packed("OK", said))


def _run(connection: sqlite3.Connection, own: Own, call: ToolCall, offered: tuple[ToolSpec, ...]) -> str:
    spec = next((tool for tool in offered if tool.name == call.name), None)
    if spec is None or call.name not in _TOOLS:
        names = ", ".join(tool.name for tool in offered) or "none"
        raise InvalidInput(f"There is no tool {call.name!r} for you.", remedy=f"Your tools: {names}.")
    if problems := misfits(spec.parameters, call.arguments):
        raise InvalidInput(f"{call.name}: {problems[0]}.", remedy="Correct the arguments and call again.")
    return _TOOLS[call.name](connection, own, call.arguments)


def _packed(status: str, message: str) -> str:
    at = datetime.now(UTC).isoformat(" ", "seconds")
    return json.dumps({"status": status, "message": message, "time": at}, ensure_ascii=False)


# Blocks -----------------------------------------------------------------------------------------------------


def _editable(connection: sqlite3.Connection, own: Own, label: str) -> Block:
    block = blocks.find_block(connection, own.agent.id, label)
    if block.read_only:
        raise InvalidInput(
            f"Block {label!r} is read-only.", remedy="Keep what you learned in another block, or leave it."
        )
    return block


def _written(connection: sqlite3.Connection, own: Own, label: str, value: str) -> str:
    block = blocks.set_value(connection, own.agent.id, label, value)
    return f"The block {label!r} now has {len(block.value):,} of {block.limit:,} characters."


def _insert(connection: sqlite3.Connection, own: Own, given: dict[str, Any]) -> str:
    block = _editable(connection, own, given["label"])
    lines = block.value.split("\n") if block.value else []
    line = given.get("insert_line", -1)
    if line > len(lines):
        raise InvalidInput(
            f"Block {block.label!r} has no line {line}; it has {len(lines)}.",
            remedy="Give a lower insert_line, or -1 for the end.",
        )
    place = len(lines) if line < 0 else line
    lines[place:place] = given["new_string"].split("\n")
    return _written(connection, own, block.label, "\n".join(lines))


def _replace(connection: sqlite3.Connection, own: Own, given: dict[str, Any]) -> str:
    block = _editable(connection, own, given["label"])
    old = given["old_string"]
    count = block.value.count(old) if old else 0
    if count != 1:
        found = "does not stand" if count == 0 else f"stands {count} times"
        raise InvalidInput(
            f"{old[:200]!r} {found} in block {block.label!r}.",
            remedy="Give old_string exactly as it stands there, and long enough to stand there once.",
        )
    return _written(connection, own, block.label, block.value.replace(old, given["new_string"]))


def _rethink(connection: sqlite3.Connection, own: Own, given: dict[str, Any]) -> str:
    block = _editable(connection, own, given["label"])
    return _written(connection, own, block.label, given["new_memory"])


# What was said, and what was archived -----------------------------------------------------------------------


def _search_conversation(connection: sqlite3.Connection, own: Own, given: dict[str, Any]) -> str:
    found = threads.search_conversation(
        connection,
        own.agent.id,
        given.get("query") or "",
        but=(own.thread, own.turn),
        roles=given.get("roles") or (),
        since=_moment(given.get("start_date"), "start_date"),
        until=_moment(given.get("end_date"), "end_date", end=True),
        most=given.get("limit") or _MOST,
    )
    return _listed(
        {
            "at": None if one.at is None else one.at.isoformat(" ", "seconds"),
            "role": one.role,
            "conversation": "this one" if thread == own.thread else thread,
            "content": _shortened(one.text),
        }
        for thread, one in found
    )


def _archive(connection: sqlite3.Connection, own: Own, given: dict[str, Any]) -> str:
    tags: list[str] = given.get("tags") or []
    if taken := [tag for tag in tags if tag.startswith(MEMORY_TAG)]:
        raise InvalidInput(
            f"The tag {taken[0]!r} is for what comes from memory.", remedy="Give it other tags, or none."
        )
    kept = archive.keep_passage(connection, own.agent.id, given["content"], tags)
    return f"It is kept as {kept.id}."


def _search_archive(connection: sqlite3.Connection, own: Own, given: dict[str, Any]) -> str:
    most = given.get("top_k") or _MOST
    found = archive.search_passages(connection, own.agent.id, given["query"], given.get("tags") or (), most)
    return _listed(
        {
            "at": None if one.at is None else one.at.isoformat(" ", "seconds"),
            "content": _shortened(one.text),
            "tags": list(one.tags),
        }
        for one in found
    )


def _listed(found: Any) -> str:
    entries = list(found)
    if not entries:
        return "Nothing was found. Try other words, or fewer conditions."
    return json.dumps(entries, ensure_ascii=False)


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… ({len(text) - _LONGEST:,} more characters)"


def _moment(date: str | None, name: str, *, end: bool = False) -> float | None:
    """Seconds since the epoch; a day without a time ends with its last second."""
    if not date:
        return None
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise InvalidInput(
            f"{name}: {date!r} is no date.", remedy="Write it as 2026-05-01 or 2026-05-01T12:30."
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment + timedelta(days=1) if end and len(date) <= len("2026-05-01") else moment).timestamp()


_TOOLS: dict[str, Callable[[sqlite3.Connection, Own, dict[str, Any]], str]] = {
    _INSERT.name: _insert,
    _REPLACE.name: _replace,
    _RETHINK.name: _rethink,
    _CONVERSATION.name: _search_conversation,
    _ARCHIVE_INSERT.name: _archive,
    _ARCHIVE_SEARCH.name: _search_archive,
}
