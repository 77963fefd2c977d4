"""What became of memories: what a new one is close to, and what was forgotten, as JSON and in words.

This module knows no protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.observe.sentences import counted
from atlas_mcp.surface.memory_text import in_code, numbered

if TYPE_CHECKING:
    from atlas_mcp.memory.lifecycle import Receipt
    from atlas_mcp.memory.person import Kept

__all__ = ["kept_json", "receipt_json", "receipt_text"]


def kept_json(kept: Kept) -> dict[str, Any]:
    """What became of a note, as JSON: its id, or the memories that it is close to."""
    if kept.state != "close":
        return {"state": kept.state, "id": kept.id, "superseded": list(kept.superseded)}
    close_to = [
        {"id": each.stored.id, "how": each.how, "reason": each.reason, "text": each.stored.text}
        for each in kept.relatives
    ]
    return {"state": kept.state, "close_to": close_to}


def receipt_json(receipt: Receipt, *, dry_run: bool) -> dict[str, Any]:
    """What was forgotten, or would be, as JSON."""
    went = [*receipt.memories, *(receipt.derived if receipt.derived_forgotten else ())]
    told: dict[str, Any] = {
        "forgotten": [] if dry_run else went, "derived": list(receipt.derived),
        "derived_forgotten": receipt.derived_forgotten and not dry_run, "indexes": dict(receipt.indexes),
        "unknown": list(receipt.unknown), "runs": list(receipt.runs), "reminded": receipt.reminded,
        "dry_run": dry_run,
    }  # fmt: skip
    if dry_run:
        told["would_go"] = went
    if receipt.document:
        told["document"] = receipt.document
    return told


def receipt_text(receipt: Receipt, *, dry_run: bool, derived: str = "derived") -> str:
    """What was forgotten, or would be, in lines that a person reads; `derived` is how one asks for more."""
    verb = "would go" if dry_run else "forgotten"
    lines: list[str] = []
    if receipt.document:
        lines.append(f"The document {in_code(receipt.document)} {verb}, with what was kept of its text.")
    if receipt.memories:
        lines.append(f"{numbered(len(receipt.memories))} {verb}: {', '.join(receipt.memories)}.")
    if receipt.derived:
        named = f"{counted(len(receipt.derived), 'learning')} that rest on it: {', '.join(receipt.derived)}"
        lines.append(
            f"{named}; {verb} too." if receipt.derived_forgotten
            else f"{named}; still there. Say {derived} to forget them too."
        )  # fmt: skip
    lines += [
        f"{name}: {'gone there too' if state == 'done' else 'not reached; it hears of it when it is back'}."
        for name, state in receipt.indexes.items()
    ]
    if receipt.runs:
        lines.append(f"What the runs handed out that learned it still says it: {', '.join(receipt.runs)}.")
    if receipt.reminded:
        lines.append("Agents with a memory of their own may still know it until their next task.")
    if receipt.unknown:
        lines.append(f"Not there: {', '.join(in_code(each) for each in receipt.unknown)}.")
    return "\n".join(lines)
