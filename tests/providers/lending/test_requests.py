"""Request bodies as prompts: what is kept, what is refused, and that writing them again says the same."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import InvalidField
from atlas_mcp.messages import Image, Message, Prompt, TaskType, Text, ToolCall, ToolResult, ToolSpec
from atlas_mcp.providers.lending.requests import ChatRequest, read_request
from atlas_mcp.providers.wires.chat_completions import request_body
from atlas_mcp.providers.wires.fence import render_parts

HELLO = [{"role": "user", "content": "hello"}]
PNG = base64.b64encode(b"\x89PNG").decode()
SEARCH: Any = {"type": "function", "function": {"name": "search", "description": "finds", "parameters": {}}}


def read(**body: Any) -> ChatRequest:
    return read_request(json.dumps({"model": "gpt", "messages": HELLO, **body}).encode(), agent="tester")


def prompt_of(**body: Any) -> Prompt:
    return read(**body).prompt


def wrong(**body: Any) -> InvalidField:
    with pytest.raises(InvalidField) as caught:
        read(**body)
    return caught.value


def test_the_least_request_is_a_prompt_asked_by_whoever_has_the_key() -> None:
    request = read()
    assert (request.streaming, request.reports, request.one_call) == (False, False, False)
    assert request.prompt.messages == (Message("user", (Text("hello"),)),)
    assert (request.prompt.agent, request.prompt.about) == ("tester", "hello")
    assert request.prompt.kind_of_task is TaskType.CONVERSATION


def test_system_and_developer_messages_become_the_system_text_wherever_they_stand() -> None:
    prompt = prompt_of(
        messages=[
            {"role": "system", "content": "Be brief."},
            *HELLO,
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        ]
    )
    assert prompt.system == "Be brief.\n\nBe kind."
    assert len(prompt.messages) == 1


def test_instructions_alone_are_what_is_asked() -> None:
    prompt = prompt_of(messages=[{"role": "system", "content": "Write a haiku."}])
    assert (prompt.system, prompt.messages) == ("", (Message("user", (Text("Write a haiku."),)),))


def test_a_conversation_with_tools_and_pictures_is_kept_part_by_part() -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}
    called = {"name": "search", "arguments": '{"q": "é"}'}
    prompt = prompt_of(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": called},
                {"id": "c2", "type": "function", "function": {"name": "read", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "A cat."},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "Two"}]},
            {"role": "assistant", "content": "A cat.", "refusal": None},
        ],
        tools=[SEARCH],
    )  # fmt: skip
    assert prompt.messages == (
        Message("user", (Text("What is this?"), Image("image/png", PNG))),
        Message("assistant", (ToolCall("c1", "search", {"q": "é"}), ToolCall("c2", "read", {}))),
        Message("tool", (ToolResult("c1", "A cat."),)),
        Message("tool", (ToolResult("c2", "Two"),)),
        Message("assistant", (Text("A cat."),)),
    )
    assert prompt.tools == (ToolSpec("search", "finds", {}),)


@pytest.mark.parametrize(
    ("wish", "names", "choice"),
    [
        (None, ["search", "auto"], "auto"),
        ("auto", ["search", "auto"], "auto"),
        ("none", [], "auto"),
        ("required", ["search", "auto"], "required"),
        ({"type": "function", "function": {"name": "search"}}, ["search", "auto"], "search"),
        # A tool whose name is also a wish is the only one, and must be called.
        ({"type": "function", "function": {"name": "auto"}}, ["auto"], "required"),
    ],
)
def test_a_choice_of_tools_says_which_there_are_and_which_must_be_called(
    wish: Any, names: list[str], choice: str
) -> None:
    there: Any = [SEARCH, {"type": "function", "function": {"name": "auto"}}]
    prompt = prompt_of(tools=there, tool_choice=wish)
    assert ([tool.name for tool in prompt.tools], prompt.tool_choice) == (names, choice)


def test_a_form_is_a_schema_and_any_json_object_the_widest_one() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": True}}
    assert prompt_of(response_format=form).schema == schema
    assert prompt_of(response_format={"type": "json_object"}).schema == {"type": "object"}
    assert prompt_of(response_format={"type": "text"}).schema is None


def test_limits_effort_and_sampling_are_kept_and_null_is_not_there() -> None:
    prompt = prompt_of(
        max_tokens=9, max_completion_tokens=7, reasoning_effort="minimal", temperature=0, stop="END",
        seed=3, top_p=None, tools=None, user="me", store=True, metadata={"a": "b"},
    )  # fmt: skip
    assert (prompt.max_output_tokens, prompt.effort) == (7, "low")
    assert prompt.sampling == {"temperature": 0, "stop": ["END"], "seed": 3}


def test_streaming_its_usage_and_one_call_at_a_time_are_the_wires_affair() -> None:
    request = read(
        stream=True, stream_options={"include_usage": True}, parallel_tool_calls=False, tools=[SEARCH]
    )
    assert (request.streaming, request.reports, request.one_call) == (True, True, True)


SOUND = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
ELSEWHERE = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/cat.png"}}
CALL: Any = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "[1]"}}
ENDLESS = {**CALL, "function": {"name": "search", "arguments": '{"most": 1e999}'}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*HELLO, {"role": "user", "content": 3}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": [SOUND]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [ELSEWHERE]}]}, "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "system", "content": [ELSEWHERE]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [ENDLESS]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice.function.name"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
        ({"functions": []}, "functions"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(body: dict[str, Any], field: str) -> None:
    error = wrong(**body)
    assert error.field == field
    assert error.message.startswith(field)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"null", b'{"temperature": NaN}'])
def test_what_is_no_json_object_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(InvalidField, match="JSON"):
        read_request(data)


# The law ----------------------------------------------------------------------------------------------------

Made = st.SearchStrategy[Any]
words = st.text("ab é\n漢", max_size=8)
names = st.sampled_from(["search", "read", "x"])
ids = st.integers(0, 99).map("c{}".format)


def made(**fields: Made | str) -> Made:
    """Objects whose fields are made, or always the same."""
    return st.fixed_dictionaries(
        {name: st.just(value) if isinstance(value, str) else value for name, value in fields.items()}
    )


def url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


objects = st.dictionaries(
    st.text("ab", min_size=1, max_size=2), st.integers() | words | st.none(), max_size=2
)
pictures = made(type="image_url", image_url=made(url=st.binary(min_size=1, max_size=5).map(url)))
calls = made(id=ids, type="function", function=made(name=names, arguments=objects.map(json.dumps)))
turns = st.one_of(
    made(role=st.sampled_from(["system", "user"]), content=words),
    made(role="user", content=st.lists(made(type="text", text=words) | pictures, max_size=3)),
    made(role="assistant", content=words | st.none(), tool_calls=st.lists(calls, max_size=2)),
    made(role="tool", tool_call_id=ids, content=words),
)
tools = made(type="function", function=made(name=names, parameters=objects))
bodies = st.fixed_dictionaries(
    {"messages": st.lists(turns, min_size=1, max_size=6)},
    optional={
        "tools": st.lists(tools, min_size=1, max_size=2),
        "response_format": made(type="json_schema", json_schema=made(name="it", schema=objects)),
        "max_tokens": st.integers(1, 10**6),
        "reasoning_effort": st.sampled_from(["none", "low", "medium", "high"]),
        "temperature": st.floats(0, 2),
        "stop": st.lists(words, max_size=2),
        "tool_choice": st.just("none"),
    },
)


def essence(prompt: Prompt) -> list[Any]:
    """What matters of a prompt, however its texts are cut; what a tool gave is fenced on its way."""
    said = [
        (
            message.role,
            render_parts(part for part in message.parts if isinstance(part, Text)),
            [part for part in message.parts if isinstance(part, Image | ToolCall)],
            [part.call_id for part in message.parts if isinstance(part, ToolResult)],
        )
        for message in prompt.messages
    ]
    return [
        said, prompt.system, prompt.tools, prompt.tool_choice, prompt.schema, prompt.max_output_tokens,
        prompt.sampling, prompt.effort, prompt.task,
    ]  # fmt: skip


@given(bodies)
def test_a_body_that_is_read_and_written_again_says_the_same(body: dict[str, Any]) -> None:
    prompt = prompt_of(**body)
    written = request_body(prompt, "gpt", streaming=False)
    again = read_request(json.dumps(written).encode()).prompt
    assert essence(again) == essence(prompt)
    given = [turn["content"] for turn in body["messages"] if turn["role"] == "tool"]
    kept = [part.text for message in again.messages for part in message.parts if isinstance(part, ToolResult)]
    assert all(text in fenced for text, fenced in zip(given, kept, strict=True))
