"""Schemas as model servers take them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.providers.wires.schemas import closed, in_words, without_marks
from atlas_mcp.shapes import misfits

TEAMS = sorted((Path(__file__).parents[3] / "teams").glob("*/output.schema.json"))


def test_our_marks_are_taken_out_at_every_depth_and_the_schema_itself_is_not_changed() -> None:
    schema = {"x-atlas-fill": "a", "properties": {"p": {"items": [{"x-atlas-fill": "b", "type": "null"}]}}}
    assert without_marks(schema) == {"properties": {"p": {"items": [{"type": "null"}]}}}
    assert "x-atlas" in json.dumps(schema)


def test_in_words_the_schema_stands_without_our_marks() -> None:
    said = in_words({"type": "object", "x-atlas-fill": "a", "title": "Bücher"})
    assert said.startswith("Answer with one JSON object")
    assert said.endswith('{"type": "object", "title": "Bücher"}')


def test_every_object_is_closed_and_limits_are_said_in_descriptions() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Brief",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "Who."},
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "when": {"type": "string", "format": "date"},
            "how": {"type": "string", "format": "x-own"},
            "tags": {"type": "array", "minItems": 1, "maxItems": 6, "items": {"enum": ["a", "b"]}},
            "pair": {"type": "array", "minItems": 2, "items": {"type": "boolean"}},
            "note": {"type": ["string", "null"], "default": None},
        },
    }
    assert closed(schema) == {
        "title": "Brief",
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "description": "Who. (minLength: 1)"},
            "share": {"type": "number", "description": "(minimum: 0, maximum: 1)"},
            "when": {"type": "string", "format": "date"},
            "how": {"type": "string", "description": '(format: "x-own")'},
            "tags": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": ["a", "b"]},
                "description": "(maxItems: 6)",
            },
            "pair": {"type": "array", "items": {"type": "boolean"}, "description": "(minItems: 2)"},
            "note": {"type": ["string", "null"]},
        },
    }


def test_one_of_several_is_any_of_them_and_references_are_written_out() -> None:
    schema = {
        "oneOf": [{"$ref": "#/$defs/Name", "description": "Who."}, {"const": None, "type": "null"}],
        "$defs": {"Name": {"type": "string"}, "Unused": {}},
    }
    assert closed(schema) == {"anyOf": [{"type": "string", "description": "Who."}, {"const": None}]}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"description": "anything"},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "null"}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "patternProperties": {"^a": {"type": "null"}}, "additionalProperties": False},
        {"type": "array"},
        {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "null"}},
        {"type": "something"},
        {"enum": [["a"]]},
        {"const": {"a": 1}},
        {"allOf": [{"type": "null"}]},
        {"type": "object", "properties": {"a": {"type": "null"}}, "anyOf": [{"required": ["a"]}]},
        {"$ref": "https://example.org/schema"},
        {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
    ],
)
def test_what_a_closed_schema_would_distort_is_not_closed(schema: dict[str, Any]) -> None:
    assert closed(schema) is None


@pytest.mark.parametrize("path", TEAMS, ids=lambda path: path.parent.name)
def test_the_shipped_teams_can_be_asked_for_in_a_closed_schema(path: Path) -> None:
    assert closed(json.loads(path.read_text("utf-8"))) is not None


# Laws ------------------------------------------------------------------------------------------------------

LIMITS = frozenset({"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "pattern"})
Strategy = st.SearchStrategy[Any]
leaves: Strategy = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 3},
        {"type": "integer", "minimum": 0},
        {"type": ["boolean", "null"]},
        {"enum": ["a", 1, None]},
        {"const": "x"},
        {},
    ]
)
others: Strategy = st.sampled_from(
    [{}, {"additionalProperties": False}, {"additionalProperties": True}, {"required": ["a"]}]
)


@st.composite
def nested(draw: st.DrawFn, inner: Strategy) -> Any:
    match draw(st.sampled_from(["object", "array", "choice"])):
        case "object":
            properties = draw(st.dictionaries(st.sampled_from("abc"), inner, max_size=3))
            return {"type": "object", "properties": properties, **draw(others)}
        case "array":
            return {"type": "array", "items": draw(inner), "maxItems": 2}
        case _:
            return {"anyOf": draw(st.lists(inner, min_size=1, max_size=2))}


@st.composite
def collected(draw: st.DrawFn, inner: Strategy) -> Any:
    if draw(st.booleans()):
        return draw(st.lists(inner, max_size=3))
    return draw(st.dictionaries(st.sampled_from("abcd"), inner, max_size=3))


schemas: Strategy = st.recursive(leaves, nested, max_leaves=8)
scalars: Strategy = st.sampled_from([None, True, -1, 0, 1, "", "a", "x", "long"])
values: Strategy = st.recursive(scalars, collected, max_leaves=6)


def without_limits(schema: Any) -> Any:
    if isinstance(schema, dict):
        fields = cast("dict[str, Any]", schema)
        return {key: without_limits(value) for key, value in fields.items() if key not in LIMITS}
    return (
        [without_limits(item) for item in cast("list[Any]", schema)] if isinstance(schema, list) else schema
    )


@given(schemas, values)
def test_law_what_fits_the_closed_schema_fits_the_original_but_for_its_limits(
    schema: dict[str, Any], value: Any
) -> None:
    narrow = closed(schema)
    if narrow is not None and not misfits(narrow, value):
        assert misfits(without_limits(schema), value) == []


def test_the_law_is_not_empty() -> None:
    narrow = closed({"type": "object", "properties": {"a": {"type": "string", "maxLength": 1}}})
    assert narrow is not None
    assert misfits(narrow, {"a": "long"}) == []
    assert misfits(narrow, {"b": 1})
