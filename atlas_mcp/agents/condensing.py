"""Results of tools made shorter: their best sentences, their best passages, and a note of what was done.

What is kept is verbatim and keeps its id and place; what is left out is named. Nothing here knows windows or
shares: it is told how many tokens there is room for.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from atlas_mcp.messages import ToolCall, ToolResult
from atlas_mcp.providers.known.tokens import MESSAGE_TOKENS, tokens_of
from atlas_mcp.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.messages import Message, Passage

__all__ = [
    "LISTED", "TAG_TOKENS", "best_first", "best_passages", "best_sentences", "condensed", "listed",
    "narrowed", "retold",
]  # fmt: skip

TAG_TOKENS = 4 * MESSAGE_TOKENS
"""What stands around a passage or a finding in a prompt, as `tokens_of_prompt` counts it."""

LISTED = 40
"""Ids that a note names; of more it says how many."""

_TEXT_SHARE = 0.3
"""The share of a shortened result that its text may take where it has passages too."""
_NOTE_TOKENS = 40
"""A note without the ids that it names."""
_ID_TOKENS = 8
_LINE = 200
"""Characters of a call, of its result or of what was said that a summary repeats."""
_GAP = " … "


def listed(ids: Sequence[str]) -> str:
    """Ids in a sentence; of many the first, and how many more."""
    more = f" and {len(ids) - LISTED:,} more" if len(ids) > LISTED else ""
    return ", ".join(ids[:LISTED]) + more


def best_first(about: str, texts: Sequence[str]) -> list[int]:
    """The places of texts by how much they bear on a subject; those alike keep their order."""
    # Ranking counts with numpy, which nothing needs as long as everything fits.
    from atlas_mcp.text.ranking import lexical_scores

    scores = lexical_scores(about, texts)
    return sorted(range(len(texts)), key=lambda place: (-float(scores[place]), place))


def best_sentences(text: str, about: str, room: int) -> str:
    """As many whole sentences of a text as fit, the best, in their order; gaps are shown by an ellipsis.

    Empty where not even one fits.
    """
    every = sentences(text)
    kept: list[int] = []
    for place in best_first(about, [sentence.text for sentence in every]):
        cost = tokens_of(every[place].text) + tokens_of(_GAP)
        if cost <= room:
            kept.append(place)
            room -= cost
    pieces: list[str] = []
    for before, place in zip([-1, *sorted(kept)], sorted(kept), strict=False):
        pieces += [" " if place == before + 1 else _GAP, every[place].text]
    return "".join(pieces).strip(" ")


def narrowed(passage: Passage, about: str, room: int) -> Passage | None:
    """The best unbroken stretch of a passage that fits, verbatim, with its place in the source; None if none.

    It keeps the passage's id, since it is a part of it.
    """
    every = sentences(passage.text)
    if not every:
        return None
    best = best_first(about, [sentence.text for sentence in every])[0]
    first = last = best
    if tokens_of(every[best].text) > room:
        return None
    while True:
        # What follows a sentence says more of it than what stands before.
        wider = [(first, last + 1), (first - 1, last)]
        fits = [
            (low, high)
            for low, high in wider
            if low >= 0 and high < len(every)
            and tokens_of(passage.text[every[low].start : every[high].end]) <= room
        ]  # fmt: skip
        if not fits:
            break
        first, last = fits[0]
    start, end = every[first].start, every[last].end
    return replace(passage, text=passage.text[start:end], start=passage.start + start)


def best_passages(
    passages: Sequence[Passage], about: str, room: int
) -> tuple[tuple[Passage, ...], tuple[str, ...]]:
    """The best passages that fit, in their order, and the ids of the others.

    Where not one fits whole, the best stretch of the best one is kept.
    """
    kept: dict[int, Passage] = {}
    order = best_first(about, [passage.text for passage in passages])
    for place in order:
        cost = tokens_of(passages[place].text) + TAG_TOKENS
        if cost <= room:
            kept[place] = passages[place]
            room -= cost
    if not kept and order and (part := narrowed(passages[order[0]], about, room - TAG_TOKENS)):
        kept[order[0]] = part
    left_out = tuple(passage.id for place, passage in enumerate(passages) if place not in kept)
    return tuple(kept[place] for place in sorted(kept)), left_out


def condensed(result: ToolResult, about: str, room: int, tool: str) -> ToolResult:
    """A result in about so many tokens, with a note that says what was done and names what was left out.

    However little room there is, the note stands.
    """
    room -= _NOTE_TOKENS + _ID_TOKENS * min(len(result.passages), LISTED)
    for_text = max(0, min(tokens_of(result.text), int(room * _TEXT_SHARE) if result.passages else room))
    text = result.text
    if tokens_of(text) > for_text:
        text = best_sentences(text, about, for_text)
    kept, left_out = best_passages(result.passages, about, max(0, room - for_text))
    before = len(result.text) + sum(len(passage.text) for passage in result.passages)
    after = len(text) + sum(len(passage.text) for passage in kept)
    without = f"; left out: {listed(left_out)}" if left_out else ""
    again = f"; call {tool} again for the whole" if tool else ""
    note = f"(condensed from {before:,} to {after:,} characters{without}{again})"
    return replace(result, text=f"{text}\n{note}" if text else note, passages=kept)


def retold(turn: Sequence[Message], about: str) -> list[str]:
    """A whole turn in a line for each call and whatever was said; it names the passages that were shown."""
    results = {
        part.call_id: part for message in turn for part in message.parts if isinstance(part, ToolResult)
    }
    lines: list[str] = []
    for message in turn:
        if text := message.text.strip():
            lines.append(f"{_WHO[message.role]}: {_short(text)}")
        lines += [
            _called(part, results, about) for part in message.parts if isinstance(part, ToolCall)
        ]  # fmt: skip
    return lines


_WHO = {"user": "you were told", "assistant": "you said", "tool": "a tool said"}


def _called(call: ToolCall, results: Mapping[str, ToolResult], about: str) -> str:
    asked = f"you called {call.name} with {_short(json.dumps(call.arguments, ensure_ascii=False))}"
    result = results.get(call.id)
    if result is None:
        return asked
    if result.error:
        return f"{asked}; it failed: {_short(result.text)}"
    ids = [passage.id for passage in result.passages]
    shown = f"; it showed {listed(ids)}" if ids else ""
    best = best_sentences(result.text, about, _LINE // 4) or result.text
    return f"{asked}{shown}; it said: {_short(best)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1].rstrip()}…"
