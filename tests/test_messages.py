"""Prompts, usage and replies as plain, comparable data."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.chunks import Usage
from atlas_mcp.messages import (
    Finding,
    Intent,
    Location,
    Material,
    Message,
    Passage,
    Prompt,
    Source,
    Text,
    ToolCall,
    ToolResult,
    prompt_hash,
)

SOURCE = Source("ab", "file:///tides.md", "Tides", "2026-01-01T00:00:00+00:00")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
USAGES = st.builds(
    Usage,
    *(st.integers(0, 10_000),) * 4,
    cost_usd=st.none() | st.integers(0, 1000).map(float),
    estimated=st.booleans(),
    calls=st.integers(0, 9),
)

HASH_ELSEWHERE = """
from atlas_mcp.messages import Intent, Message, Prompt, Text, prompt_hash
print(prompt_hash(Prompt((Message("user", (Text("Why are there tides?"),)),), Intent.PLAN, "tides")))
"""


def passage(name: str, text: str = "The Moon pulls.") -> Passage:
    return Passage(name, SOURCE, text, 0)


def prompt(**fields: Any) -> Prompt:
    asked = Message("user", (Text("Why are there tides?"),))
    return replace(Prompt((asked,), Intent.PLAN, "tides"), **fields)


def backwards(value: Any) -> Any:
    """The same JSON with the keys of every object written in the opposite order."""
    if isinstance(value, dict):
        items: list[tuple[str, Any]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return {key: backwards(inner) for key, inner in reversed(items)}
    if isinstance(value, list):
        entries: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [backwards(inner) for inner in entries]
    return value


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_equal_prompts_have_equal_hashes_whatever_the_order_of_their_keys(schema: dict[str, Any]) -> None:
    assert prompt(schema=schema) == prompt(schema=backwards(schema))
    assert prompt_hash(prompt(schema=schema)) == prompt_hash(prompt(schema=backwards(schema)))


@pytest.mark.parametrize(
    "other",
    [
        {"intent": Intent.GATHER},
        {"about": "the tides"},
        {"agent": "web"},
        {"system": "Be brief."},
        {"schema": {"type": "object"}},
        {"max_output_tokens": 10},
        {"sampling": {"temperature": 0.0}},
        {"messages": (Message("assistant", (Text("Why are there tides?"),)),)},
        {"messages": (Message("user", (Text("Why are there "), Text("tides?"))),)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_prompts_that_differ_anywhere_have_different_hashes(other: dict[str, Any]) -> None:
    assert prompt_hash(prompt(**other)) != prompt_hash(prompt())


def test_another_process_computes_the_same_hash() -> None:
    said = subprocess.run([sys.executable, "-c", HASH_ELSEWHERE], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == prompt_hash(prompt())


@given(USAGES, USAGES, USAGES)
def test_usage_adds_up_in_any_order_and_an_unknown_price_stays_unknown(a: Usage, b: Usage, c: Usage) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Usage() == a
    assert ((a + b).cost_usd is None) == (a.cost_usd is None or b.cost_usd is None)


def test_a_prompt_knows_each_passage_once_in_the_order_in_which_they_came() -> None:
    given_first = Material(passages=(passage("p1"), passage("p2")))
    found = ToolResult("c1", "2 passages", passages=(passage("p2", "another text"), passage("p3")))
    asked = prompt(messages=(Message("user", (Text("?"), given_first)), Message("tool", (found,))))
    assert [each.id for each in asked.passages] == ["p1", "p2", "p3"]
    assert asked.passages[1].text == "The Moon pulls."


def test_a_prompt_knows_the_findings_of_its_material() -> None:
    finding = Finding("f1", "The Moon pulls.", "s1", "Tides", Location(0, 15), "documents")
    asked = prompt(messages=(Message("user", (Material(findings=(finding,)),)),))
    assert asked.findings == (finding,)
    assert prompt().findings == ()


def test_the_text_of_a_message_is_its_text_parts_joined() -> None:
    message = Message("assistant", (Text("The "), ToolCall("c1", "search", {}), Text("Moon")))
    assert message.text == "The Moon"
