"""Prompts as request bodies, lines as chunks."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp import errors
from atlas_mcp.chunks import Chunk, Citation, ReasoningDelta, Stopped, TextDelta, Usage
from atlas_mcp.messages import (
    Image,
    Intent,
    Material,
    Message,
    Passage,
    Prompt,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.wires.ndjson import LineDecoder
from atlas_mcp.providers.wires.ollama_chat import OllamaAssembly, prompt_tokens_of, request_body

SCHEMA = {
    "type": "object",
    "x-atlas-fill": "quote",
    "properties": {"items": {"type": "array", "items": [{"type": "string", "x-atlas-fill": "rank"}]}},
}
PASSAGE = Passage("p1", Source("0" * 64, "u", "Tides", "2026-01-01T00:00:00Z"), "The moon pulls.", 7)
SEARCH = ToolSpec("search", "finds", {"type": "object"})
READ = ToolSpec("read", "reads", {"type": "object"})
END: dict[str, Any] = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 5}


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(messages or (Message("user", (Text("hello"),)),), Intent.PLAN, "hello", **fields)


def assembly_for(asked: Prompt) -> OllamaAssembly:
    meter = Meter(asked)
    meter.began = True
    return OllamaAssembly(prompt=asked, body=request_body(asked, "m"), meter=meter)


def assembled(*lines: Any, asked: Prompt | None = None) -> list[Chunk]:
    assembly = assembly_for(asked or prompt())
    chunks = [chunk for line in lines for chunk in assembly.take(json.dumps(line).encode())]
    assert assembly.whole
    return [*chunks, *assembly.end()]


def said(**message: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": "", **message}, "done": False}


def called(name: str, arguments: Any, call_id: str | None = None) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}} | ({"id": call_id} if call_id else {})


def test_a_prompt_becomes_a_request_that_lets_nothing_be_cut_off_in_silence() -> None:
    assert request_body(prompt(system="Be brief."), "m") == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
        "stream": True,
        "truncate": False,
        "shift": False,
    }
    assert request_body(prompt(), "m", streaming=False)["stream"] is False


def test_limits_and_sampling_are_options_by_the_names_of_the_wire() -> None:
    sampling = {"temperature": 0.1, "top_k": 3, "seed": 7, "stop": "END", "mirostat": 2}
    options = request_body(prompt(max_output_tokens=9, sampling=sampling), "m")["options"]
    assert options == {**sampling, "stop": ["END"], "num_predict": 9}


@pytest.mark.parametrize(("effort", "think"), [("none", False), ("low", "low"), ("high", "high")])
def test_effort_is_how_the_model_is_to_think(effort: Any, think: Any) -> None:
    assert request_body(prompt(effort=effort), "m")["think"] == think
    assert "think" not in request_body(prompt(effort=effort), "m", without={"think"})
    assert "think" not in request_body(prompt(), "m")


def test_a_schema_binds_the_answer_and_is_told_as_well() -> None:
    body = request_body(prompt(schema=SCHEMA, system="Be brief."), "m")
    assert body["format"]["properties"] == {"items": {"type": "array", "items": [{"type": "string"}]}}
    system = body["messages"][0]["content"]
    assert system.startswith("Be brief.\n\nAnswer with one JSON object")
    assert '"type": "array"' in system
    assert "x-atlas" not in json.dumps(body)
    assert "x-atlas-fill" in SCHEMA
    assert "format" not in request_body(prompt(schema=SCHEMA), "m", without={"format"})


def test_while_there_are_tools_a_schema_does_not_keep_the_model_from_calling_them() -> None:
    body = request_body(prompt(schema=SCHEMA, tools=(SEARCH,)), "m")
    assert "format" not in body
    assert body["messages"][0]["content"].endswith("Before you answer you may call tools.")
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "search", "description": "finds", "parameters": {"type": "object"}},
        }
    ]


def test_a_tool_that_must_be_called_is_the_only_one_and_asked_for_in_words() -> None:
    body = request_body(prompt(tools=(SEARCH, READ), tool_choice="read"), "m")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["read"]
    assert body["messages"][0]["content"] == "Now call the tool read."
    body = request_body(prompt(tools=(SEARCH, READ), tool_choice="required"), "m")
    assert len(body["tools"]) == 2
    assert body["messages"][0]["content"] == "Now call a tool."


def test_a_conversation_with_tools_keeps_calls_results_and_thoughts_together() -> None:
    thought = Reasoning("hm", maker="ollama:m")
    foreign = Reasoning("I am another", "seal", "anthropic:other")
    body = request_body(
        prompt(
            Message("user", (Text("Find."),)),
            Message(
                "assistant",
                (
                    foreign,
                    thought,
                    Text("I look."),
                    ToolCall("c1", "search", {"q": "é"}),
                    ToolCall("c2", "read", {}),
                ),
            ),
            Message("tool", (ToolResult("c1", "one"), ToolResult("c2", "two"), Text("Go on."))),
            Message("tool", (ToolResult("gone", "three"),)),
        ),
        "m",
    )
    _user, assistant, first, second, go_on, orphan = body["messages"]
    assert assistant == {
        "role": "assistant",
        "content": "I look.",
        "thinking": "hm",
        "tool_calls": [
            {"id": "c1", "function": {"name": "search", "arguments": {"q": "é"}}},
            {"id": "c2", "function": {"name": "read", "arguments": {}}},
        ],
    }
    assert (first["role"], first["tool_name"], first["tool_call_id"]) == ("tool", "search", "c1")
    assert "\none\n" in first["content"]
    assert second["tool_name"] == "read"
    assert go_on == {"role": "user", "content": "Go on."}
    assert (orphan["tool_call_id"], "tool_name" in orphan) == ("gone", False)


def test_pictures_go_beside_the_words_they_belong_to() -> None:
    seen = Message("user", (Text("What is it?"), Image("image/png", "aGk=")))
    body = request_body(prompt(seen, Message("user", (Image("image/png", "eW8="),))), "m")
    assert body["messages"] == [
        {"role": "user", "content": "What is it?", "images": ["aGk="]},
        {"role": "user", "content": "", "images": ["eW8="]},
    ]


def test_material_is_fenced_and_citing_is_asked_for() -> None:
    body = request_body(prompt(Message("user", (Text("Quote."), Material((PASSAGE,))))), "m")
    assert "in square brackets" in body["messages"][0]["content"]
    assert "\nThe moon pulls.\n</source>" in body["messages"][1]["content"]


def test_all_that_is_sent_counts_as_prompt() -> None:
    bare = prompt_tokens_of(request_body(prompt(), "m"))
    assert 0 < bare < 10
    calls = Message(
        "assistant", (Reasoning("t" * 800, maker="ollama:m"), ToolCall("c", "search", {"q": "q" * 800}))
    )
    for more, least in (
        (prompt(system="s" * 800), 100),
        (prompt(tools=(ToolSpec("search", "d" * 800, {}),)), 100),
        (prompt(schema={"description": "d" * 800}), 100),
        (prompt(calls), 200),
        (prompt(Message("user", (Image("image/png", "aGk="),))), 1000),
    ):
        assert prompt_tokens_of(request_body(more, "m")) >= bare + least


def test_text_reasoning_and_measured_usage_become_chunks() -> None:
    assert assembled(said(thinking="hm"), said(content="Hi"), said(content=" you"), END) == [
        ReasoningDelta("hm"),
        TextDelta("Hi"),
        TextDelta(" you"),
        Usage(9, 5, cost_usd=None, calls=1),
        Stopped("end", "ollama", "m"),
    ]


def test_what_the_last_line_says_still_counts() -> None:
    assert assembled(said(content="a") | END)[0] == TextDelta("a")


def test_tool_calls_are_handed_out_at_the_end_and_numbered_where_they_have_no_id() -> None:
    asked = prompt(Message("assistant", (ToolCall("call_1", "search", {}),)))
    calls = [called("search", {"q": "x"}, "c1"), called("read", {})]
    chunks = assembled(said(tool_calls=calls), said(tool_calls=[called("read", None)]), END, asked=asked)
    assert chunks[:3] == [
        ToolCall("c1", "search", {"q": "x"}),
        ToolCall("call_3", "read", {}),
        ToolCall("call_4", "read", {}),
    ]
    assert isinstance(chunks[-1], Stopped)
    assert chunks[-1].reason == "tool_calls"


@pytest.mark.parametrize("call", [called("search", [1]), called("search", '{"q"'), called("", {})])
def test_a_call_that_is_none_is_a_malformed_response(call: Any) -> None:
    with pytest.raises(errors.MalformedResponse, match="call of the tool"):
        assembled(said(tool_calls=[call]), END)


@pytest.mark.parametrize(
    ("told", "reason"),
    [("stop", "end"), ("length", "length"), (None, "end"), ("something new", "end")],
)
def test_the_reason_to_stop_is_mapped(told: str | None, reason: str) -> None:
    stopped = assembled(said(content="x"), {**END, "done_reason": told})[-1]
    assert isinstance(stopped, Stopped)
    assert stopped.reason == reason


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_loading_a_model_is_no_answer(reason: str) -> None:
    with pytest.raises(errors.MalformedResponse, match="said nothing"):
        assembled({**said(), "done": True, "done_reason": reason})


@pytest.mark.parametrize("count", [None, 0, "many"])
def test_a_prompt_that_the_server_did_not_count_is_estimated_and_never_nothing(count: Any) -> None:
    asked = prompt(Message("user", (Text("x" * 800),)))
    usage = assembled(said(content="y" * 20), END | {"prompt_eval_count": count}, asked=asked)[-2]
    assert isinstance(usage, Usage)
    assert usage.estimated
    assert usage.input_tokens >= 100
    assert usage.output_tokens == 5


@pytest.mark.parametrize("count", [None, 0])
def test_an_answer_that_the_server_did_not_count_is_estimated(count: Any) -> None:
    usage = assembled(said(content="y" * 41), END | {"eval_count": count})[-2]
    assert usage == Usage(9, 11, cost_usd=None, estimated=True, calls=1)


def test_an_answer_of_nothing_takes_nothing() -> None:
    assert assembled(END | {"eval_count": None})[-2] == Usage(9, 0, cost_usd=None, calls=1)


def test_thinking_ahead_of_a_given_form_is_counted_even_if_the_server_leaves_it_out() -> None:
    thought = [said(thinking="w") for _ in range(20)]
    form = prompt(schema=SCHEMA)
    left_out = assembled(*thought, said(content="{}"), END | {"eval_count": 3}, asked=form)[-2]
    assert left_out == Usage(9, 21, cost_usd=None, estimated=True, calls=1)
    counted = assembled(*thought, said(content="{}"), END | {"eval_count": 24}, asked=form)[-2]
    assert counted == Usage(9, 24, cost_usd=None, calls=1)
    at_once = assembled(said(thinking="w" * 200, content="{}") | END | {"eval_count": 3}, asked=form)[-2]
    assert at_once == Usage(9, 51, cost_usd=None, estimated=True, calls=1)


def test_markers_in_the_text_are_citations() -> None:
    asked = prompt(Message("user", (Material((PASSAGE,)),)))
    chunks = assembled(said(content="It pulls [p"), said(content="1]."), END, asked=asked)
    assert chunks[1:3] == [TextDelta("1]."), Citation("p1", 7, 22, "")]


def test_an_answer_in_one_piece_is_the_same_answer() -> None:
    whole = said(content="Hi", thinking="hm", tool_calls=[called("read", {}, "c")]) | END
    assert assembly_for(prompt()).plain(whole) == assembled(whole)
    with pytest.raises(errors.MalformedResponse, match="done"):
        assembly_for(prompt()).plain(said(content="Hi"))


@pytest.mark.parametrize(
    "line",
    [
        b"{broken",
        b"[]",
        b'"text"',
        b'{"message": 5}',
        b'{"message": {"content": 5}}',
        b'{"message": {"thinking": ["hm"]}}',
        b'{"message": {"tool_calls": 5}}',
        b'{"message": {"tool_calls": [{}]}}',
        b'{"message": {"tool_calls": [{"function": null}]}}',
    ],
)
def test_what_does_not_have_the_protocols_form_is_malformed(line: bytes) -> None:
    assembly = assembly_for(prompt())
    with pytest.raises(errors.MalformedResponse):
        assembly.take(line)


@pytest.mark.parametrize(
    ("words", "leaf"),
    [
        ("an error was encountered while running the model", errors.ServerFailed),
        (
            "input length (9 tokens) exceeds the model's maximum context length (8 tokens)",
            errors.ContextTooLong,
        ),
        ("this model does not support image input", errors.Unsupported),
    ],
)
def test_an_error_within_the_stream_is_typed_by_its_words(
    words: str, leaf: type[errors.ProviderError]
) -> None:
    assembly = assembly_for(prompt())
    with pytest.raises(leaf, match=r"in its stream"):
        assembly.take(json.dumps({"error": words}).encode())


def one_of_three(which: int, text: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return (({"content": text}, {"thinking": text}, {"tool_calls": [called("search", arguments)]}))[which]


messages = st.builds(
    one_of_three,
    st.integers(0, 2),
    st.text(max_size=6),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.integers(), max_size=2),
)
answers = st.lists(messages, max_size=8)
noise = st.sampled_from(
    [b"\n", b"\r\n", b"{}\n", b'{"status":"pulling"}\n', b'{"message":null}\n', b'{"done":false,"x":[{}]}\n']
)


def decoded(*pieces: bytes) -> list[Chunk]:
    asked = prompt(tools=(SEARCH, READ))
    assembly, decoder = assembly_for(asked), LineDecoder()
    chunks = [chunk for piece in pieces for line in decoder.feed(piece) for chunk in assembly.take(line)]
    return [*chunks, *assembly.end()]


def written(answer: list[dict[str, Any]], **more: Any) -> list[bytes]:
    lines = [said(**message) | more for message in answer] + [END | more]
    return [json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines]


@given(answers, st.lists(st.integers(0, 900), max_size=12))
def test_law_any_split_of_the_bytes_gives_the_same_chunks(answer: list[Any], cuts: list[int]) -> None:
    stream = b"".join(written(answer))
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(bounds)]
    assert decoded(*pieces) == decoded(stream)
    assert decoded(*(bytes([byte]) for byte in stream)) == decoded(stream)


@given(answers, st.lists(noise, max_size=9))
def test_law_unknown_fields_and_lines_change_nothing(answer: list[Any], between: list[bytes]) -> None:
    plain = decoded(*written(answer))
    odd = written(answer, mood={"of": ["the", "day"]}, logprobs=[1])
    mixed = [line for pair in zip(between, odd, strict=False) for line in pair] + odd[len(between) :]
    assert decoded(*mixed) == plain
