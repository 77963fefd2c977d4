"""An agent's system prompt: its persona, then its memory as Letta compiles it.

It holds no time of the day, so that it is the same from one call to the next until memory changes: prompt
caches hit, and a turn that is taken up again asks what it asked before.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from atlas_mcp.agents.embedded import archive, blocks, threads

if TYPE_CHECKING:
    import sqlite3

    from atlas_mcp.agents.embedded.agents import Kept
    from atlas_mcp.agents.runtime import Block

__all__ = ["compile_system"]

_OURS = re.compile(
    r"<(?=\s*/?\s*(?:memory_blocks|memory_metadata|description|metadata|value)\b)", re.IGNORECASE
)
"""What begins one of our tags: memory that has read the world must not close them."""

_USE = """\
You have a memory that outlasts this conversation. Its blocks stand below; change them with memory_insert, \
memory_replace and memory_rethink when you learn something that will matter later, and keep each within its \
limit of characters. Blocks that say read_only cannot be changed. What was said earlier is found with \
conversation_search."""
_ARCHIVE = (
    "What is too long for a block goes into your archive, with archival_memory_insert and "
    "archival_memory_search."
)


def compile_system(connection: sqlite3.Connection, agent: Kept, thread: str) -> str:
    """The system text of an agent's next prompt in a thread."""
    own = blocks.read_blocks(connection, agent.id)
    changed = blocks.changed_at(connection, agent.id)
    hidden = threads.summarised(connection, agent.id, thread)
    metadata = [
        "<memory_metadata>",
        f"- AGENT_ID: {agent.id}",
        f"- CONVERSATION_ID: {thread}",
        f"- {hidden} messages of this conversation are in recall memory alone (conversation_search)",
    ]
    if own:
        at = datetime.fromtimestamp(changed, UTC).isoformat(" ", "seconds")
        metadata.insert(3, f"- Memory blocks were last modified: {at}")
    if agent.archival:
        metadata.append(
            f"- {archive.archived(connection, agent.id)} passages are stored in archival memory"
            " (find them with archival_memory_search)"
        )
    use = f"{_USE} {_ARCHIVE}" if agent.archival else _USE
    parts = [agent.system, use, _compiled(own), "\n".join([*metadata, "</memory_metadata>"])]
    return "\n\n".join(part for part in parts if part)


def _compiled(own: list[Block]) -> str:
    if not own:
        return ""
    return "\n".join(["<memory_blocks>", *(_block(block) for block in own), "</memory_blocks>"])


def _block(block: Block) -> str:
    metadata = [f"- chars_current={len(block.value)}", f"- chars_limit={block.limit}"]
    if block.read_only:
        metadata.insert(0, "- read_only=true")
    return "\n".join([
        f"<{block.label}>",
        "<description>", _OURS.sub("&lt;", block.description), "</description>",
        "<metadata>", *metadata, "</metadata>",
        "<value>", _OURS.sub("&lt;", block.value), "</value>",
        f"</{block.label}>",
    ])  # fmt: skip
