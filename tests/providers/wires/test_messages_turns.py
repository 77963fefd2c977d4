"""Conversations as turns of the Messages wire."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.chunks import Citation
from atlas_mcp.messages import (
    Finding,
    Image,
    Intent,
    Location,
    Material,
    Message,
    Passage,
    Prompt,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from atlas_mcp.providers.wires.messages_turns import Shown, Turns

if TYPE_CHECKING:
    from atlas_mcp.messages import Part

MAKER = "anthropic:claude-haiku-4-5"
SOURCE = Source("0" * 64, "https://example.org/tides", "Tides", "2026-01-01T00:00:00Z")
FIRST = Passage("p1", SOURCE, "The moon pulls.", 10, page=3, heading="Causes")
SECOND = Passage("p2", SOURCE, "So does the sun.", 90)
BLANK = Passage("p0", SOURCE, " \n", 0)
FINDING = Finding("f1", "The moon pulls.", "s1", "Tides", Location(0, 15), "web")


def user(*parts: Part) -> Message:
    return Message("user", parts)


def assistant(*parts: Part) -> Message:
    return Message("assistant", parts)


def tool(*parts: Part) -> Message:
    return Message("tool", parts)


def written(*messages: Message, native: bool = False, sealed: bool = True) -> list[dict[str, Any]]:
    turns = Turns(MAKER, native=native, sealed=sealed)
    for message in messages:
        turns.add(message)
    return turns.written


def test_text_and_pictures_are_blocks() -> None:
    assert written(user(Text("Look."), Image("image/png", "aGk="))) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look."},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
                },
            ],
        }
    ]


def test_neighbours_of_one_role_become_one_turn_and_blank_text_none() -> None:
    turns = written(user(Text("a")), user(Text(" \n"), Text("b")), assistant(Text("")), user(Text("c")))
    assert [(turn["role"], [block["text"] for block in turn["content"]]) for turn in turns] == [
        ("user", ["a", "b", "c"])
    ]


def test_results_of_calls_side_by_side_stand_first_in_one_turn() -> None:
    turns = written(
        user(Text("Find.")),
        assistant(Text("I look."), ToolCall("c1", "search", {"q": "é"}), ToolCall("c2", "read", {})),
        tool(ToolResult("c1", "one")),
        user(Text("Go on.")),
        tool(ToolResult("c2", "two", error=True)),
    )
    _, calls, results = turns
    assert calls["content"][1:] == [
        {"type": "tool_use", "id": "c1", "name": "search", "input": {"q": "é"}},
        {"type": "tool_use", "id": "c2", "name": "read", "input": {}},
    ]
    first, second, text = results["content"]
    assert (first["type"], first["tool_use_id"], "is_error" in first) == ("tool_result", "c1", False)
    assert "\none\n" in first["content"][0]["text"]
    assert (second["tool_use_id"], second["is_error"]) == ("c2", True)
    assert text == {"type": "text", "text": "Go on."}


def test_ids_are_unique_and_in_the_letters_of_the_wire_whoever_gave_them() -> None:
    turns = written(
        user(Text("Go.")),
        assistant(ToolCall("call 1", "a", {})),
        tool(ToolResult("call 1", "one")),
        assistant(ToolCall("call 1", "b", {}), ToolCall("", "c", {})),
        tool(ToolResult("call 1", "two"), ToolResult("", "three"), ToolResult("lost/1", "four")),
    )
    ids = [block["id"] for turn in turns for block in turn["content"] if block["type"] == "tool_use"]
    results = [block for turn in turns for block in turn["content"] if block["type"] == "tool_result"]
    assert ids == ["call_1", "call_1_2", "call"]
    assert [block["tool_use_id"] for block in results] == [*ids, "lost_1"]


def test_sealed_reasoning_goes_back_to_its_maker_in_order() -> None:
    said = assistant(
        Reasoning("hm", "seal", f"{MAKER}-20251001"),
        Reasoning("[redacted]", "data==", MAKER, redacted=True),
        Reasoning("", "mute", MAKER),
        Text("So."),
        ToolCall("c1", "a", {}),
    )
    assert written(said)[0]["content"][:4] == [
        {"type": "thinking", "thinking": "hm", "signature": "seal"},
        {"type": "redacted_thinking", "data": "data=="},
        {"type": "thinking", "thinking": "", "signature": "mute"},
        {"type": "text", "text": "So."},
    ]
    assert [block["type"] for block in written(said, sealed=False)[0]["content"]] == ["text", "tool_use"]


def test_reasoning_without_a_seal_or_of_another_model_is_never_sent() -> None:
    said = assistant(
        Reasoning("open", None, MAKER),
        Reasoning("theirs", "seal", "anthropic:claude-opus-5-5"),
        Reasoning("theirs", "seal", "openai:claude-haiku-4-5"),
        Text("So."),
    )
    assert written(said)[0]["content"] == [{"type": "text", "text": "So."}]


def test_no_turn_ends_with_reasoning() -> None:
    thought = Reasoning("hm", "seal", MAKER)
    assert written(user(Text("a")), assistant(thought, Text(" ")), user(Text("b"))) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]
    assert [block["type"] for block in written(assistant(thought, Text("x"), thought))[0]["content"]] == [
        "thinking",
        "text",
    ]


def test_passages_are_documents_that_can_be_cited() -> None:
    (turn,) = written(user(Text("Q?"), Material((FIRST, BLANK), (FINDING,))), native=True)
    _, document, findings = turn["content"]
    assert document == {
        "type": "document",
        "title": "Tides",
        "context": "id: p1; heading: Causes; page: 3",
        "source": {"type": "text", "media_type": "text/plain", "data": "The moon pulls."},
        "citations": {"enabled": True},
    }
    assert '<finding id="f1"' in findings["text"]
    assert "<source id" not in findings["text"]


def test_passages_that_a_tool_found_are_search_results_beside_its_text() -> None:
    (turn,) = written(tool(ToolResult("c1", "two found", (FIRST, BLANK))), native=True)
    text, found = turn["content"][0]["content"]
    assert "two found" in text["text"]
    assert "The moon pulls." not in text["text"]
    assert found == {
        "type": "search_result",
        "title": "Tides",
        "source": "https://example.org/tides",
        "content": [{"type": "text", "text": "The moon pulls."}],
        "citations": {"enabled": True},
    }


def test_where_nothing_can_be_cited_passages_are_fenced_text() -> None:
    turns = written(
        user(Material((FIRST,))), assistant(ToolCall("c", "a", {})), tool(ToolResult("c", "x", (SECOND,)))
    )
    assert '<source id="p1"' in turns[0]["content"][0]["text"]
    assert '<source id="p2"' in turns[2]["content"][0]["content"][0]["text"]


def test_the_last_block_that_shows_material_and_the_tools_used_are_remembered() -> None:
    turns = Turns(MAKER, native=True)
    assert turns.material is None
    for message in (user(Material((FIRST, SECOND)), Text("Q?")), assistant(ToolCall("c", "a", {}))):
        turns.add(message)
    assert turns.material is turns.written[0]["content"][1]
    assert turns.called == ["a"]


def asking(passages: tuple[Passage, ...]) -> Message:
    return user(Text("Q?"), Material(passages))


def finding(passages: tuple[Passage, ...]) -> Message:
    return tool(ToolResult("c", "x", passages))


materials = st.lists(st.sampled_from([FIRST, SECOND, BLANK]), max_size=3).map(tuple)
answered = st.just(assistant(Text("A.")))
conversations = st.lists(st.builds(asking, materials) | st.builds(finding, materials) | answered, max_size=6)


@given(conversations)
def test_law_the_server_counts_what_was_shown_as_we_do(messages: list[Message]) -> None:
    blocks = [block for turn in written(*messages, native=True) for block in turn["content"]]
    sent = [block["source"]["data"] for block in blocks if block["type"] == "document"]
    found = [
        inner["content"][0]["text"]
        for block in blocks
        if block["type"] == "tool_result"
        for inner in block["content"]
        if inner["type"] == "search_result"
    ]
    shown = Shown(Prompt(tuple(messages), Intent.COMPOSE, "tides"))
    for index, text in enumerate(sent):
        cited = shown.cited(
            {
                "type": "char_location",
                "document_index": index,
                "start_char_index": 0,
                "end_char_index": len(text),
                "cited_text": text,
            }
        )
        passage = FIRST if text == FIRST.text else SECOND
        assert cited == Citation(passage.id, passage.start, passage.start + len(text), text)
    for index, text in enumerate(found):
        cited = shown.cited({"type": "search_result_location", "search_result_index": index})
        passage = FIRST if text == FIRST.text else SECOND
        assert cited == Citation(passage.id, passage.start, passage.start + len(text), "")
    assert shown.cited({"type": "search_result_location", "search_result_index": len(found)}) is None


@given(conversations)
def test_law_roles_alternate_and_no_turn_is_empty(messages: list[Message]) -> None:
    turns = written(*messages)
    assert all(turn["content"] for turn in turns)
    assert all(one["role"] != other["role"] for one, other in pairwise(turns))
