"""What does not fit a JSON Schema, said in words."""

from __future__ import annotations

from typing import Any

import pytest
from referencing.exceptions import Unresolvable

from atlas_mcp.shapes import MOST, misfits

CLAIMS: dict[str, Any] = {
    "type": "object",
    "required": ["claims"],
    "properties": {"claims": {"type": "array", "items": {"$ref": "#/$defs/claim"}}},
    "$defs": {"claim": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}},
}


def test_what_fits_has_no_misfits() -> None:
    assert misfits(CLAIMS, {"claims": [{"text": "The Moon pulls."}]}) == []


def test_each_misfit_is_said_with_its_place() -> None:
    assert misfits(CLAIMS, {"claims": [{"text": 3}, {}]}) == [
        "$.claims[0].text: 3 is not of type 'string'",
        "$.claims[1]: 'text' is a required property",
    ]


def test_the_root_has_a_place_too() -> None:
    assert misfits(CLAIMS, []) == ["$: [] is not of type 'object'"]


def test_many_misfits_are_told_in_part_and_briefly() -> None:
    found = misfits(CLAIMS, {"claims": ["long " * 500] * 50})
    assert len(found) == MOST
    assert max(map(len, found)) < 400


def test_a_schema_that_refers_to_an_address_is_never_fetched() -> None:
    with pytest.raises(Unresolvable):
        misfits({"$ref": "http://127.0.0.1:9/schema.json"}, {})
