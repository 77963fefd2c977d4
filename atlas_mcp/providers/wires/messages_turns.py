"""The Messages wire, what was said: a prompt's conversation as turns made of blocks.

Roles alternate, tool results stand first in a turn, and passages are documents and search results, which the
server can cite, or fenced text where it cannot. It knows no SDK and no model's limits.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from atlas_mcp.chunks import Citation
from atlas_mcp.messages import Image, Material, Reasoning, Text, ToolCall, ToolResult
from atlas_mcp.providers.wires.fence import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from atlas_mcp.messages import Message, Part, Passage, Prompt

__all__ = ["Shown", "Turns"]

JsonObject: TypeAlias = dict[str, Any]

_LONGEST_TITLE = 255


class Shown:
    """The passages that went out as documents and as search results of tools, as the server counts them."""

    def __init__(self, prompt: Prompt) -> None:
        self._documents: list[Passage] = []
        self._results: list[Passage] = []
        for message in prompt.messages:
            for part in message.parts:
                if isinstance(part, Material):
                    self._documents.extend(_with_text(part.passages))
                elif isinstance(part, ToolResult):
                    self._results.extend(_with_text(part.passages))

    def cited(self, fields: JsonObject) -> Citation | None:
        """A citation of the server's as ours; None where it is of nothing that was shown."""
        kind = fields["type"]
        if kind == "char_location" and (passage := _at(self._documents, fields["document_index"])):
            start, end = fields["start_char_index"], fields["end_char_index"]
            return Citation(passage.id, passage.start + start, passage.start + end, fields["cited_text"])
        if kind == "search_result_location" and (
            passage := _at(self._results, fields["search_result_index"])
        ):
            return Citation(passage.id, passage.start, passage.start + len(passage.text), "")
        return None


def _at(passages: list[Passage], index: int) -> Passage | None:
    return passages[index] if 0 <= index < len(passages) else None


def _with_text(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Those that have any; the server refuses an empty block."""
    return (passage for passage in passages if passage.text.strip())


class Turns:
    """Writes a conversation, one message after another.

    `maker` is the `vendor:model` that is asked: its own sealed reasoning goes back to it, if `sealed`.
    `native` says that passages are documents. `material` is the last block that shows some, `called` names
    the tools that were used.
    """

    def __init__(self, maker: str, *, native: bool, sealed: bool = True) -> None:
        self.written: list[JsonObject] = []
        self.material: JsonObject | None = None
        self.called: list[str] = []
        self._maker = _undated(maker)
        self._native = native
        self._sealed = sealed
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()
        self._results = 0

    def add(self, message: Message) -> None:
        """Write one message."""
        speaker = "assistant" if message.role == "assistant" else "user"
        last_word = max((place for place, part in enumerate(message.parts) if _is_said(part)), default=-1)
        for place, part in enumerate(message.parts):
            match part:
                case Text() if not _is_said(part):
                    continue
                # The server takes no turn that ends with reasoning.
                case Reasoning() if place > last_word or not self._may_go_back(part):
                    continue
                case _:
                    self._write(part, speaker)

    def _write(self, part: Part, speaker: str) -> None:
        match part:
            case Text():
                self._turn(speaker).append({"type": "text", "text": part.text})
            case Reasoning():
                self._turn("assistant").append(_sealed(part))
            case ToolCall():
                self._turn("assistant").append(self._call(part))
            case ToolResult():
                self._turn("user").insert(self._results, self._result(part))
                self._results += 1
            case Image():
                self._turn("user").append(_picture(part))
            case Material():
                for block in self._material(part):
                    self._turn("user").append(block)
                    self.material = block
            case _:
                assert_never(part)

    def _turn(self, role: str) -> list[JsonObject]:
        """The blocks of the turn that is being written, which is a new one if somebody else spoke last."""
        if not self.written or self.written[-1]["role"] != role:
            self.written.append({"role": role, "content": []})
            self._results = 0
        return self.written[-1]["content"]

    def _may_go_back(self, part: Reasoning) -> bool:
        return bool(part.signature) and self._sealed and _undated(part.maker) == self._maker

    def _call(self, call: ToolCall) -> JsonObject:
        if call.name not in self.called:
            self.called.append(call.name)
        wire_id = self._new_id(call.id)
        return {"type": "tool_use", "id": wire_id, "name": call.name, "input": call.arguments}

    def _result(self, result: ToolResult) -> JsonObject:
        found = _with_text(result.passages) if self._native else ()
        said = replace(result, passages=()) if self._native else result
        text: JsonObject = {"type": "text", "text": render(said)}
        return {
            "type": "tool_result",
            "tool_use_id": self._ids.get(result.call_id) or _plain(result.call_id),
            "content": [text, *(_search_result(passage) for passage in found)],
            **({"is_error": True} if result.error else {}),
        }

    def _material(self, part: Material) -> Iterator[JsonObject]:
        shown = part
        if self._native:
            yield from (_document(passage) for passage in _with_text(part.passages))
            shown = Material(findings=part.findings, drafts=part.drafts)
        if text := render(shown):
            yield {"type": "text", "text": text}

    def _new_id(self, call_id: str) -> str:
        """An id that no call had yet; some vendors count their calls anew in every answer."""
        plain = wire_id = _plain(call_id)
        number = 1
        while wire_id in self._taken:
            number += 1
            wire_id = f"{plain}_{number}"
        self._taken.add(wire_id)
        self._ids[call_id] = wire_id
        return wire_id


def _is_said(part: Part) -> bool:
    """Whether a part is something that the speaker says; blank text is nothing, and refused."""
    return isinstance(part, ToolCall) or (isinstance(part, Text) and bool(part.text.strip()))


def _plain(call_id: str) -> str:
    """An id in the letters that this wire knows."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", call_id) or "call"


def _undated(name: str) -> str:
    """A model's name without the date that servers add to it."""
    return re.sub(r"-\d{8}$", "", name)


def _sealed(part: Reasoning) -> JsonObject:
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.signature}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _picture(image: Image) -> JsonObject:
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def _document(passage: Passage) -> JsonObject:
    where = {"id": passage.id, "heading": passage.heading, "page": passage.page}
    return {
        "type": "document",
        "title": _title(passage),
        "context": "; ".join(f"{name}: {value}" for name, value in where.items() if value),
        "source": {"type": "text", "media_type": "text/plain", "data": passage.text},
        "citations": {"enabled": True},
    }


def _search_result(passage: Passage) -> JsonObject:
    return {
        "type": "search_result",
        "title": _title(passage),
        "source": passage.source.uri or passage.id,
        "content": [{"type": "text", "text": passage.text}],
        "citations": {"enabled": True},
    }


def _title(passage: Passage) -> str:
    return (passage.source.title or passage.source.uri or passage.id)[:_LONGEST_TITLE]
