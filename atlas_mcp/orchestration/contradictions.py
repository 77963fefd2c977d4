"""What makes a JSON Schema impossible to fit: bounds that cross, wishes that exclude one another, no end.

It finds what people write by mistake, each by its place; it does not prove that a schema can be fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["contradictions"]

Schema: TypeAlias = "dict[str, Any]"

_BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)
_OPEN_BOUNDS = (
    ("exclusiveMinimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "maximum"),
    ("minimum", "exclusiveMaximum"),
)
_OF_SCHEMAS = ("properties", "$defs", "patternProperties")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "contains")


def contradictions(schema: Schema) -> Iterator[tuple[str, str]]:
    """Each contradiction in a well-formed schema: its place (`properties.a.items`), and what it is."""
    for place, part in _parts(schema, ""):
        for said in (*_crossing(part), *_choosing(part), *_demanding(part)):
            yield place or "the whole", said
        if endless := _endless(part, schema, ()):
            yield place or "the whole", f"{endless} asks for itself again, without end"
            return


def _parts(schema: object, place: str) -> Iterator[tuple[str, Schema]]:
    """The schema and every schema in it."""
    if not isinstance(schema, dict):
        return
    part = cast("Schema", schema)
    yield place, part
    below = f"{place}." if place else ""
    for key in _OF_SCHEMAS:
        for name, shape in part.get(key, {}).items():
            yield from _parts(shape, f"{below}{key}.{name}")
    for key in _LISTS_OF_SCHEMAS:
        for number, shape in enumerate(part.get(key, [])):
            yield from _parts(shape, f"{below}{key}[{number}]")
    for key in _SCHEMAS:
        yield from _parts(part.get(key), f"{below}{key}")


def _crossing(part: Schema) -> Iterator[str]:
    for low, high in _BOUNDS:
        if low in part and high in part and part[low] > part[high]:
            yield f"{low} {part[low]} is more than {high} {part[high]}"
    for low, high in _OPEN_BOUNDS:
        if low in part and high in part and part[low] >= part[high]:
            yield f"{low} {part[low]} leaves nothing below {high} {part[high]}"


def _choosing(part: Schema) -> Iterator[str]:
    if part.get("enum") == []:
        yield "enum has no entry"
    if "type" not in part:
        return
    kind = {"type": part["type"]}
    if part.get("enum") and all(misfits(kind, each) for each in part["enum"]):
        yield f"no entry of enum is of type {part['type']}"
    if "const" in part and misfits(kind, part["const"]):
        yield f"const {part['const']!r} is not of type {part['type']}"


def _demanding(part: Schema) -> Iterator[str]:
    if part.get("additionalProperties") is False and not part.get("patternProperties"):
        for name in part.get("required", []):
            if name not in part.get("properties", {}):
                yield f"required asks for {name!r}, which additionalProperties forbids"
    for name in part.get("required", []):
        if part.get("properties", {}).get(name) is False:
            yield f"required asks for {name!r}, which properties forbids"
    if part.get("items") is False and part.get("minItems", 0) > len(part.get("prefixItems", [])):
        yield f"minItems {part['minItems']} is more than items allows"


def _endless(part: object, schema: Schema, taken: tuple[str, ...]) -> str:
    """The reference by which a schema has to hold itself; empty where it need not."""
    if not isinstance(part, dict):
        return ""
    shape = cast("Schema", part)
    reference = shape.get("$ref")
    if isinstance(reference, str):
        if reference in taken:
            return reference
        if found := _endless(_target(reference, schema), schema, (*taken, reference)):
            return found
    needed = [shape.get("properties", {}).get(name) for name in shape.get("required", [])]
    if shape.get("minItems", 0) > len(shape.get("prefixItems", [])):
        needed.append(shape.get("items"))
    return next(
        filter(None, (_endless(each, schema, taken) for each in (*needed, *shape.get("allOf", [])))), ""
    )


def _target(reference: str, schema: Schema) -> object:
    found: Any = schema
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found
