"""What a server offers and says, in our own types: the SDK's stay where the connection is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.schemas import unsound

if TYPE_CHECKING:
    from mcp_types import CallToolResult, Tool

__all__ = ["Offer", "Said", "offer_of", "said_of"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool as a server describes it; `reads` is its own word on whether it only reads."""

    name: str
    description: str
    parameters: dict[str, Any]
    title: str = ""
    reads: bool = False

    @property
    def hash(self) -> str:
        """What is pinned: everything that a model or a person would see of it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The offer as JSON, its keys in order."""
        told = [self.name, self.title, self.description, self.parameters, self.reads]
        return json.dumps(told, sort_keys=True, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Offer:
        """An offer as it was kept."""
        name, title, description, parameters, reads = json.loads(text)
        return cls(name, description, parameters, title, reads)


@dataclass(frozen=True, slots=True)
class Said:
    """What a tool said: its texts joined, structured content where there is some, `error` where it failed.

    `cost_usd` is what the call cost; None where that is not known.
    """

    text: str
    structured: Any = None
    error: bool = False
    cost_usd: float | None = None

    @property
    def size(self) -> int:
        """Characters of its text."""
        return len(self.text)


def offer_of(tool: Tool) -> tuple[Offer, str]:
    """A tool of the SDK as an offer, and what is wrong with its schema; by such a one it takes any object."""
    schema = {"type": "object", **(tool.input_schema or {})}
    if wrong := unsound(schema):
        schema = {"type": "object"}
    hints = tool.annotations
    reads = bool(hints and hints.read_only_hint)
    title = tool.title or (hints.title if hints and hints.title else "")
    return Offer(tool.name, tool.description or "", schema, title, reads), wrong


def said_of(result: CallToolResult) -> Said:
    """A result of the SDK; what is no text is named, since a model is not shown it."""
    parts: list[str] = []
    for block in result.content:
        match block.type:
            case "text":
                parts.append(block.text)
            case "resource":
                inner = block.resource
                text = getattr(inner, "text", None)
                parts.append(
                    text if text is not None else f"[file {inner.uri}, {inner.mime_type or 'binary'}]"
                )
            case "resource_link":
                parts.append(f"[{block.name}: {block.uri}]")
            case _:
                kind = getattr(block, "mime_type", "") or block.type
                parts.append(f"[{kind}, {len(getattr(block, 'data', '')) * 3 // 4:,} bytes, not shown]")
    text = "\n\n".join(parts)
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    return Said(text, result.structured_content, bool(result.is_error))
