"""The smallest instance of a schema is valid, and small."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.smallest import smallest


def valid(instance: Any, schema: dict[str, Any]) -> bool:
    return Draft202012Validator(schema).is_valid(instance)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    ("schema", "instance"),
    [
        ({}, None),
        ({"type": "string"}, "scripted"),
        ({"type": "string", "minLength": 12}, "scriptedscri"),
        ({"type": "string", "maxLength": 3}, "scr"),
        ({"type": ["string", "null"]}, None),
        ({"type": ["integer", "string"]}, 0),
        ({"enum": ["web", "documents"]}, "web"),
        ({"const": 7}, 7),
        ({"type": "boolean"}, False),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 1),
        ({"type": "number", "minimum": 0.5, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "minItems": 2, "items": {"type": "string"}}, ["scripted", "scripted 2"]),
        ({"minItems": 3, "items": {"enum": ["a", "b"]}}, ["a", "b", "a"]),
        ({"type": "array", "minItems": 2, "prefixItems": [{"const": 1}], "items": {"const": 2}}, [1, 2]),
        (
            {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]},
            {"b": "scripted"},
        ),
        ({"type": "object", "minProperties": 1, "properties": {"a": {"const": 1}}}, {"a": 1}),
        ({"type": "object", "required": ["x"], "additionalProperties": {"type": "integer"}}, {"x": 0}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ({"oneOf": [{"type": "integer", "minimum": 2}, {"type": "string"}]}, 2),
        (
            {"allOf": [{"required": ["a"]}, {"properties": {"a": {"const": 1}}, "required": ["b"]}]},
            {"a": 1, "b": None},
        ),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}}, 0),
        ({"type": "string", "format": "date"}, "2000-01-01"),
        ({"type": "string", "pattern": "^f[0-9]+$"}, "f1"),
    ],
)
def test_the_smallest_instance_is_as_expected_and_valid(schema: dict[str, Any], instance: Any) -> None:
    assert smallest(schema) == instance
    assert valid(instance, schema)


def test_a_schema_that_refers_to_itself_ends_where_it_may() -> None:
    tree = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "required": ["next"],
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            }
        },
    }
    assert smallest(tree) == {"next": None}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/missing"},
        {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}},
        {"type": "string", "pattern": "^[0-9]{17}$"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "array", "minItems": 1, "items": False},
    ],
)
def test_a_schema_without_a_simple_instance_says_so(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration):
        smallest(schema)


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(-9, 9))
    bounds = {"minimum": low, "maximum": low + draw(st.integers(0, 9))}
    return {"type": draw(st.sampled_from(["integer", "number"])), **bounds}


leaves = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": ["string", "null"]}),
    st.lists(st.text(max_size=3) | st.integers(), min_size=1, max_size=3).map(
        lambda values: {"enum": values}
    ),
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(
        lambda pair: {"type": "string", "minLength": pair[0], "maxLength": sum(pair)}
    ),
    numbers(),
)


def compound(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["a", "b", "c"])
    objects = st.tuples(
        st.dictionaries(names, inner, max_size=3), st.lists(names, max_size=2, unique=True)
    ).map(lambda pair: {"type": "object", "properties": pair[0], "required": pair[1]})
    arrays = st.tuples(inner, st.integers(0, 3)).map(
        lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1]}
    )
    either = st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})
    return objects | arrays | either


@given(st.recursive(leaves, compound, max_leaves=8))
def test_law_the_smallest_instance_validates(schema: dict[str, Any]) -> None:
    assert valid(smallest(schema), schema)
