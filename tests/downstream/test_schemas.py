"""Schemas that anybody may have written: none ends a run, takes for ever, or tells a model a story."""

from __future__ import annotations

import json
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.schemas import ANYTHING, MOST_SHOWN, shown, unsound
from atlas_mcp.downstream.toolbox import Found, Tool, Toolbox
from atlas_mcp.messages import ToolCall, ToolSpec
from atlas_mcp.shapes import misfits

Schema = dict[str, Any]


def of(**properties: Any) -> Schema:
    return {"type": "object", "properties": properties}


def doubling(levels: int) -> Schema:
    """Each level refers to the next one twice."""
    steps = {f"s{n}": {"allOf": [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(levels)}
    return {**of(a={"$ref": "#/$defs/s0"}), "$defs": {**steps, f"s{levels}": {"type": "string"}}}


def nested(levels: int) -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(levels):
        schema = of(a=schema)
    return schema


UNSOUND: list[tuple[Schema, str]] = [
    ({"required": 5}, "is none of JSON Schema"),
    ({"type": "nonsense"}, "is none of JSON Schema"),
    ({"properties": None}, "is none of JSON Schema"),
    ({"properties": []}, "is none of JSON Schema"),
    ({"allOf": 5}, "is none of JSON Schema"),
    (of(a={"type": "nonsense"}), "is none of JSON Schema"),
    (of(a={"required": True}), "is none of JSON Schema"),
    ({"$ref": "#"}, "refers to itself"),
    (of(a={"$ref": "#/properties/a"}), "refers to itself"),
    (of(a={"anyOf": [{"type": "null"}, {"$ref": "#/properties/a"}]}), "refers to itself"),
    ({"$ref": "#/$defs/no"}, "refers to what is not in it"),
    (of(a={"$ref": "http://127.0.0.1:9/schema.json"}), "refers to what is not in it"),
    (of(a={"$ref": "#/properties/a/~"}), "refers to what is not in it"),
    (doubling(18), "takes too long to check by"),
    (nested(100), "is nested too deep"),
    (nested(1_500), "is nested too deep"),
    (of(a={"description": "words " * 50_000}), "has more than 200,000 characters"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "why"), UNSOUND)
def test_a_schema_that_arguments_cannot_be_checked_by_is_named_as_such(schema: Schema, why: str) -> None:
    assert unsound(schema).startswith(why)


WEEK: Schema = {**of(a={"$ref": "#/definitions/day"}), "definitions": {"day": {"type": "null"}}}
SOUND: list[tuple[Schema, Schema, Schema]] = [
    (of(a={"type": "string"}), {"a": "x"}, {"a": 1}),
    (of(pattern={"type": "string"}, enum={"type": "array"}), {"pattern": "("}, {"enum": "x"}),
    (of(a={"type": "string", "pattern": r"^\p{L}+$"}), {"a": "4"}, {"a": 4}),
    (of(a={"items": [{"type": "string"}], "additionalItems": False}), {"a": ["x"]}, {"a": ["x", 1]}),
    (of(a={"enum": ["x", "y"]}, b={"const": 3}), {"a": "x", "b": 3}, {"a": "z"}),
    (WEEK, {"a": None}, {"a": 1}),
    (of(a={"type": "string"}, b={"$ref": "#/properties/a"}), {"b": "x"}, {"b": 1}),
    ({**of(a={"type": "string"}), "required": ["a"], "additionalProperties": False}, {"a": ""}, {"b": 1}),
    ({"patternProperties": {"^x": {}}, "additionalProperties": False, "required": ["x1"]}, {"x1": 1}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "fits", "misfit"), SOUND)
def test_a_sound_schema_allows_what_it_allowed(schema: Schema, fits: Schema, misfit: Schema) -> None:
    assert unsound(schema) == ""
    assert misfits(shown(schema), fits) == []
    assert misfits(shown(schema), misfit)


def test_a_tree_is_sound_and_its_second_level_may_be_anything() -> None:
    tree = of(name={"type": "string"}, children={"type": "array", "items": {"$ref": "#"}})
    assert unsound(tree) == ""
    assert misfits(shown(tree), {"children": 3})
    assert misfits(shown(tree), {"children": [{"name": "x"}]}) == []


@pytest.mark.parametrize("key", ["pattern", "patternProperties"])
def test_a_pattern_that_takes_for_ever_is_not_tried(key: str) -> None:
    evil = "^(a+)+$"
    schema = of(a={key: evil if key == "pattern" else {evil: {}}, "additionalProperties": False})
    value = "a" * 40 + "!"
    since = perf_counter()
    assert misfits(shown(schema), {"a": value if key == "pattern" else {value: 1}}) == []
    assert perf_counter() - since < 1


def test_a_model_is_told_the_pattern_in_words() -> None:
    said = shown(of(day={"type": "string", "description": "The day.", "pattern": r"^\d{4}$"}))
    assert said["properties"]["day"] == {"type": "string", "description": r"The day. Pattern: ^\d{4}$"}


STORY = "Words upon words. " * 10_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "$comment": STORY},
        {"type": "object", "description": STORY, "title": STORY, "x-told": STORY},
        of(a={"default": STORY}, b={"enum": [STORY]}, c={"const": STORY}, d={"enum": ["x" * 100] * 100}),
        of(a={"examples": [STORY], "format": STORY, "pattern": STORY, "$id": STORY}),
        of(**{STORY: {"type": "string"}}),
        of(**{f"argument_{number}": {"type": "string"} for number in range(5_000)}),
        {"type": "object", "required": [STORY]},
    ],
    ids=["comment", "description", "values", "marks", "name", "names", "required"],
)
def test_a_model_reads_no_story_in_a_schema(schema: Schema) -> None:
    assert len(json.dumps(shown(schema))) < 2_000


def test_where_there_is_no_room_for_all_descriptions_the_names_stay() -> None:
    many = {f"argument_{number}": {"type": "string", "description": "d" * 150} for number in range(300)}
    said = shown(of(**many))
    assert len(json.dumps(said)) < MOST_SHOWN
    assert said["properties"].keys() == many.keys()


@pytest.mark.parametrize(
    "schema",
    [
        of(a={"enum": ["a\u202eb\u200bc\U000e0041"]}),
        of(a={"default": {"a\u200b": ["\u202e"]}}, b={"const": "\u202e\u200b"}),
        of(a={"description": "\u202e\u200b", "format": "\u202e"}),
        {**of(**{"a\u202e": {}}), "required": ["a\u202e\u200b"]},
    ],
)  # fmt: skip
def test_what_a_schema_hides_is_taken_out(schema: Schema) -> None:
    assert not {*"\u202e\u200b\U000e0041"} & {*json.dumps(shown(schema), ensure_ascii=False)}


async def ran(arguments: Schema) -> Found:
    return Found("It ran.")


async def called(schema: Schema, arguments: Schema) -> str:
    box = Toolbox([Tool(ToolSpec("odd__t", "", schema), ran, "odd/t")], ["odd/*"])
    return (await box.call(ToolCall("c", "odd__t", arguments))).text


@pytest.mark.parametrize(
    "schema",
    [
        {"required": 5}, {"type": "nonsense"}, {"properties": None}, {"allOf": 5}, {"$ref": "#"},
        of(a={"$ref": "#/$defs/no"}), of(a={"$ref": "http://127.0.0.1:9/x"}), of(a={"pattern": "("}),
        of(a={"multipleOf": 0}),
    ],
)  # fmt: skip
async def test_a_call_by_a_schema_that_is_none_is_refused_and_ends_no_run(schema: Schema) -> None:
    text = await called(schema, {"a": 3 if "multipleOf" in str(schema) else "b"})
    assert text == "odd__t describes its arguments so that they cannot be checked. Use another tool."


KEYS = ["type", "properties", "$ref", "$defs", "a", "items", "allOf", "anyOf", "not", "enum", "required"]
ODD_KEYS = ["pattern", "patternProperties", "additionalProperties", "dependentSchemas", "default", "const"]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["object", "#", "#/$defs/a", "a", "("]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS + ODD_KEYS), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(KEYS + ODD_KEYS), values))
async def test_by_whatever_is_offered_arguments_are_checked_without_a_crash(schema: Schema) -> None:
    offered = ANYTHING if unsound(schema) else schema
    assert "cannot be checked" not in await called(shown(offered), {"a": {"a": ["a"]}, "b": 1})
    await called(schema, {"a": {"a": ["a"]}})
