"""Laws of the Messages wire: whatever comes in between and wherever it is cut, an answer is the same."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.messages import ToolCall
from atlas_mcp.providers.wires.sse import EventDecoder
from tests.providers.claude_says import (
    Events,
    assembled,
    assembly_for,
    begin,
    char_location,
    delta,
    end,
    start,
    stop,
    text,
    tool,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
arguments = st.dictionaries(words, words | st.integers() | st.lists(st.booleans(), max_size=2), max_size=3)


@st.composite
def blocks(draw: st.DrawFn, index: int) -> Events:
    match draw(st.sampled_from(["text", "thinking", "redacted", "tool", "cited"])):
        case "text":
            return text(index, *draw(st.lists(words, max_size=3)))
        case "thinking":
            said = [
                delta(index, "thinking_delta", thinking=piece) for piece in draw(st.lists(words, max_size=3))
            ]
            seal = delta(index, "signature_delta", signature=draw(words))
            return [begin(index, "thinking", thinking="", signature=""), *said, seal, stop(index)]
        case "redacted":
            return [begin(index, "redacted_thinking", data=draw(words)), stop(index)]
        case "tool":
            said = json.dumps(draw(arguments))
            cut = draw(st.integers(0, len(said)))
            return tool(index, f"t{index}", "search", said[:cut], said[cut:])
        case _:
            cited = delta(index, "citations_delta", citation=char_location(0, 0, 3, "The"))
            return [*text(index, draw(words))[:-1], cited, stop(index)]


@st.composite
def answers(draw: st.DrawFn) -> Events:
    said = [event for index in range(draw(st.integers(0, 4))) for event in draw(blocks(index))]
    return [start(), *said, *end(draw(st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal"])))]


unknown = st.sampled_from(
    [
        {"type": "ping"},
        {"type": "weather_report", "sky": "clear", "index": 0},
        begin(90, "hologram", light="blue"),
        delta(90, "light_delta", light="er"),
        delta(90, "input_json_delta", partial_json="{"),
        stop(90),
        delta(0, "mood_delta", mood="good"),
        {"type": "message_delta", "delta": {"stop_reason": None, "stop_sequence": None}, "usage": None},
    ]
)


@given(answers(), st.lists(st.integers(0, 400), max_size=12))
def test_law_any_split_of_the_bytes_gives_the_same_chunks(events: Events, cuts: list[int]) -> None:
    stream = b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)
    bounds = [0, *sorted(min(cut * 7, len(stream)) for cut in cuts), len(stream)]
    decoder, assembly = EventDecoder(), assembly_for()
    chunks = [
        chunk
        for first, last in pairwise(bounds)
        for event in decoder.feed(stream[first:last])
        for chunk in assembly.take(event)
    ]
    assert [*chunks, *assembly.end()] == assembled(*events)


@given(answers(), st.lists(st.tuples(st.integers(0, 30), unknown), max_size=8))
def test_law_unknown_events_in_between_change_nothing(
    events: Events, others: list[tuple[int, dict[str, Any]]]
) -> None:
    mixed = list(events)
    for place, event in others:
        mixed.insert(min(place, len(mixed)), event)
    assert assembled(*mixed) == assembled(*events)


@given(given=arguments, cuts=st.lists(st.integers(0, 60), max_size=6))
def test_law_arguments_in_any_pieces_are_the_same_call(given: dict[str, Any], cuts: list[int]) -> None:
    said = json.dumps(given)
    bounds = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
    pieces = [said[first:last] for first, last in pairwise(bounds)]
    assert assembled(start(), *tool(0, "t", "search", *pieces), *end("tool_use"))[0] == ToolCall(
        "t", "search", given
    )
