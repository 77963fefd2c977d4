"""Schemas that nothing can fit: each contradiction by its place, and none where there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.orchestration.contradictions import contradictions
from tests.orchestration.folders import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

NODE = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/$defs/node"}}}
ROW = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/row"}}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"minimum": 2, "maximum": 1}, "minimum 2 is more than maximum 1"),
        ({"minLength": 9, "maxLength": 8}, "minLength 9 is more than maxLength 8"),
        ({"minProperties": 2, "maxProperties": 1}, "minProperties 2"),
        ({"exclusiveMinimum": 1, "maximum": 1}, "exclusiveMinimum 1 leaves nothing below maximum 1"),
        ({"enum": []}, "enum has no entry"),
        ({"type": "string", "enum": [1, 2]}, "no entry of enum is of type string"),
        ({"type": "string", "const": 1}, "const 1 is not of type string"),
        ({"required": ["b"], "additionalProperties": False}, "required asks for 'b'"),
        ({"required": ["b"], "properties": {"b": False}}, "required asks for 'b', which properties forbids"),
        ({"items": False, "minItems": 1}, "minItems 1 is more than items allows"),
    ],
)
def test_a_contradiction_is_named_wherever_it_stands(shape: dict[str, Any], said: str) -> None:
    for place, whole in (
        ("properties.a", {"properties": {"a": shape}}),
        ("properties.a.items", {"properties": {"a": {"items": shape}}}),
        ("$defs.a.anyOf[1]", {"$defs": {"a": {"anyOf": [{"type": "null"}, shape]}}}),
    ):
        found = list(contradictions(whole))
        assert [where for where, _ in found] == [place]
        assert said in found[0][1]


@pytest.mark.parametrize("shape", [{"node": NODE}, {"row": ROW}])
def test_what_must_hold_itself_never_ends(shape: dict[str, Any]) -> None:
    name = next(iter(shape))
    whole = {"$defs": shape, "properties": {"a": {"$ref": f"#/$defs/{name}"}}, "required": ["a"]}
    assert list(contradictions(whole)) == [
        ("the whole", f"#/$defs/{name} asks for itself again, without end")
    ]


@pytest.mark.parametrize(
    "node",
    [
        {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}},
        {"type": "array", "items": {"$ref": "#/$defs/node"}},
        {"type": "object", "required": ["next"], "properties": {"next": {"anyOf": [
            {"$ref": "#/$defs/node"}, {"type": "null"}]}}},
    ],
)  # fmt: skip
def test_what_may_hold_itself_is_no_contradiction(node: dict[str, Any]) -> None:
    assert (
        list(contradictions({"$defs": {"node": node}, "properties": {"a": {"$ref": "#/$defs/node"}}})) == []
    )


@pytest.mark.parametrize("folder", sorted(file.parent for file in shipped("teams").glob("*/team.toml")))
def test_shipped_schemas_can_be_fitted(folder: Path) -> None:
    assert list(contradictions(json.loads((folder / "output.schema.json").read_text("utf-8")))) == []
    assert list(contradictions(SCHEMA)) == []
