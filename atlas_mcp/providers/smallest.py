"""The smallest instance of a JSON Schema, for whoever must answer in form and has nothing to say.

Strings say "scripted", so that nobody takes the instance for an answer. It covers what schemas of answers
use (types, enum, const, references, alternatives, required, lengths, bounds, common formats); for a pattern
it tries a few short strings.
"""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias, cast

from atlas_mcp.errors import InvalidConfiguration

__all__ = ["smallest"]

JsonObject: TypeAlias = dict[str, Any]

_WORD = "scripted"
_DEEPEST = 40
_FORMATS = {
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "date-time": "2000-01-01T00:00:00Z",
    "email": "scripted@example.com",
    "uri": "scripted:",
    "uuid": "00000000-0000-0000-0000-000000000000",
}
_PATTERN_TRIES = (_WORD, "", "a", "A", "0", "a1", "f1", "s1", "00", "2000-01-01", "Scripted.")
_HINTS = (
    ("object", {"properties", "required", "additionalProperties", "minProperties"}),
    ("array", {"items", "prefixItems", "minItems"}),
    ("string", {"minLength", "maxLength", "pattern", "format"}),
    ("number", {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
)


def smallest(schema: JsonObject) -> Any:
    """The smallest instance of `schema`: null where it may be, else only what is required.

    Items of one list differ where they can: enums take turns, strings are numbered.

    Raises:
        InvalidConfiguration: the schema allows nothing, never ends, or asks for a pattern that is not met.
    """
    return _instance(schema, schema, 0, 0)


def _instance(schema: Any, root: JsonObject, number: int, depth: int) -> Any:
    """An instance of `schema`, the `number`-th of its list."""
    if schema is False or depth > _DEEPEST:
        raise _impossible()
    if schema is True or not schema:
        return None
    fields = _resolved(schema, root, depth)
    if "const" in fields:
        return fields["const"]
    if choices := fields.get("enum"):
        return None if None in choices else choices[number % len(choices)]
    if alternatives := fields.get("anyOf") or fields.get("oneOf"):
        return _alternative(fields, alternatives, root, number, depth)
    return _of_kind(_kind(fields), fields, root, number, depth)


def _impossible() -> InvalidConfiguration:
    return InvalidConfiguration(
        "The schema has no instance that is finite.", remedy="Script the answer, or mend the schema."
    )


def _of_kind(kind: str, fields: JsonObject, root: JsonObject, number: int, depth: int) -> Any:
    match kind:
        case "object":
            return _object(fields, root, number, depth)
        case "array":
            return _array(fields, root, depth)
        case "string":
            return _string(fields, number)
        case "integer" | "number":
            return _number(fields, number, whole=kind == "integer")
        case _:
            return False if kind == "boolean" else None


def _resolved(schema: JsonObject, root: JsonObject, depth: int) -> JsonObject:
    """The schema with its reference followed and its `allOf` laid over it."""
    fields = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
    parts: list[JsonObject] = list(schema.get("allOf", []))
    if "$ref" in schema:
        parts.insert(0, _target(schema["$ref"], root))
    for part in parts:
        if depth > _DEEPEST:
            raise _impossible()
        under = _resolved(part, root, depth + 1)
        properties = {**under.get("properties", {}), **fields.get("properties", {})}
        required = [*under.get("required", []), *fields.get("required", [])]
        fields = {**under, **fields}
        if properties:
            fields["properties"] = properties
        if required:
            fields["required"] = list(dict.fromkeys(required))
    return fields


def _target(reference: str, root: JsonObject) -> JsonObject:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            raise InvalidConfiguration(f"The schema refers to {reference!r}, which it does not hold.")
        found = cast("JsonObject", found)[name]
    return cast("JsonObject", found)


def _alternative(
    fields: JsonObject, alternatives: list[Any], root: JsonObject, number: int, depth: int
) -> Any:
    rest = {key: value for key, value in fields.items() if key not in {"anyOf", "oneOf"}}
    ordered = sorted(alternatives, key=lambda one: not (isinstance(one, dict) and one.get("type") == "null"))  # pyright: ignore[reportUnknownMemberType]
    for one in ordered:
        merged = one if isinstance(one, bool) else {"allOf": [rest, one]}
        try:
            return _instance(merged, root, number, depth + 1)
        except InvalidConfiguration:
            if one is ordered[-1]:
                raise
    return None


def _kind(fields: JsonObject) -> str:
    kinds = fields.get("type")
    if isinstance(kinds, str):
        return kinds
    if kinds:
        return "null" if "null" in kinds else str(kinds[0])
    return next((kind for kind, hints in _HINTS if hints & fields.keys()), "null")


def _object(fields: JsonObject, root: JsonObject, number: int, depth: int) -> JsonObject:
    properties: JsonObject = fields.get("properties", {})
    names = list(dict.fromkeys(fields.get("required", [])))
    optional = [name for name in properties if name not in names]
    names += optional[: max(0, fields.get("minProperties", 0) - len(names))]
    others = fields.get("additionalProperties", True)
    return {name: _instance(properties.get(name, others), root, number, depth + 1) for name in names}


def _array(fields: JsonObject, root: JsonObject, depth: int) -> list[Any]:
    first: list[Any] = fields.get("prefixItems", [])
    items = fields.get("items", True)
    return [
        _instance(first[number] if number < len(first) else items, root, number, depth + 1)
        for number in range(fields.get("minItems", 0))
    ]


def _string(fields: JsonObject, number: int) -> str:
    if (pattern := fields.get("pattern")) is not None:
        found = next((text for text in _PATTERN_TRIES if re.search(pattern, text)), None)
        if found is None:
            raise InvalidConfiguration(
                f"No simple string fits the schema's pattern {pattern!r}.", remedy="Script the answer."
            )
        return found
    if (form := fields.get("format")) in _FORMATS:
        return _FORMATS[form]
    ending = f" {number + 1}" if number else ""
    least, most = fields.get("minLength", 0), fields.get("maxLength", math.inf)
    word = _WORD * max(1, -(-(least - len(ending)) // len(_WORD)))
    word = word[: max(len(_WORD), least - len(ending))]
    return word + ending if len(word + ending) <= most else (word[: most - len(ending)] + ending)[: int(most)]


def _number(fields: JsonObject, number: int, *, whole: bool) -> float:
    """0 where it is within bounds, else what is next to a bound; never beyond one."""
    step = fields.get("multipleOf", 1 if whole else 0)
    low, high = fields.get("minimum", -math.inf), fields.get("maximum", math.inf)
    above, below = fields.get("exclusiveMinimum", -math.inf), fields.get("exclusiveMaximum", math.inf)

    def fits(value: float) -> bool:
        return low <= value <= high and above < value < below

    floor, ceiling = max(low, above), min(high, below)
    tries: list[float] = [0, floor, ceiling]
    if math.isfinite(floor):
        tries += [(math.floor(floor / step) + more) * step for more in (0, 1, 2)] if step else [floor + 1]
    if math.isfinite(ceiling):
        tries += [(math.ceil(ceiling / step) - less) * step for less in (0, 1, 2)] if step else [ceiling - 1]
    if math.isfinite(floor) and math.isfinite(ceiling):
        tries.append((floor + ceiling) / 2)
    if step:
        tries = [value for value in tries if math.isfinite(value) and value % step == 0]
    found = next((value for value in tries if math.isfinite(value) and fits(value)), None)
    if found is None:
        raise InvalidConfiguration("The schema's bounds leave no number.", remedy="Mend the schema.")
    other = found + number * (step or 1)
    value = other if fits(other) else found
    return int(value) if whole else value
