"""A JSON Schema as model servers take it: without our own marks, closed for constrained answers, or in words.

It knows no vendor. Schemas go in and out, and one that comes in is never changed.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias, cast

__all__ = ["closed", "in_words", "without_marks"]

JsonObject: TypeAlias = dict[str, Any]

_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_TWISTED = frozenset({"allOf", "not", "if", "patternProperties", "prefixItems", "$dynamicRef"})
"""What shapes a value in ways that a closed schema cannot say."""

_NO_LIMITS = frozenset({"$schema", "$id", "$comment", "$defs", "definitions", "default", "examples"})


def without_marks(schema: Any) -> Any:
    """The schema without our own `x-atlas-…` marks, which servers that validate schemas refuse."""
    if isinstance(schema, dict):
        fields = cast("JsonObject", schema)
        return {key: without_marks(value) for key, value in fields.items() if not key.startswith("x-atlas")}
    if isinstance(schema, list):
        return [without_marks(item) for item in cast("list[Any]", schema)]
    return schema


def in_words(schema: JsonObject) -> str:
    """The wish for an answer of that shape, for a model whose server cannot enforce one."""
    text = json.dumps(without_marks(schema), ensure_ascii=False)
    return f"Answer with one JSON object that fits this JSON Schema, and with nothing else:\n{text}"


def closed(schema: JsonObject) -> JsonObject | None:
    """The schema in the part of the language that constrained decoding knows; None if that would distort it.

    Every object has the properties that are named and no others. Limits that cannot be enforced (lengths,
    ranges, patterns) stand in the descriptions, as a wish; but for those, what fits it fits the original.
    What cannot be closed: objects with keys of any name, values of any type, a schema that contains itself.
    """
    try:
        return _Closing(without_marks(schema)).close()
    except _Open:
        return None


class _Open(Exception):
    """A part of a schema cannot be said in a closed one."""


class _Closing:
    """Closes one schema; what it refers to stands where it is referred to."""

    def __init__(self, whole: JsonObject) -> None:
        self._whole = whole
        self._definitions: JsonObject = {
            f"#/{where}/{name}": part
            for where in ("$defs", "definitions")
            for name, part in whole.get(where, {}).items()
        }

    def close(self) -> JsonObject:
        return self._closed(self._whole, ())

    def _closed(self, schema: Any, within: tuple[str, ...]) -> JsonObject:
        if not isinstance(schema, dict):
            raise _Open
        left = dict(cast("JsonObject", schema))
        if not _TWISTED.isdisjoint(left):
            raise _Open
        if name := left.pop("$ref", ""):
            if name in within or name not in self._definitions:
                raise _Open
            return self._closed({**self._definitions[name], **left}, (*within, name))
        if "anyOf" in left or "oneOf" in left:
            kept = self._choice(left, within)
        elif "enum" in left or "const" in left:
            kept = _constants(left)
        else:
            kept = self._typed(left, within)
        return kept | _described(left)

    def _choice(self, left: JsonObject, within: tuple[str, ...]) -> JsonObject:
        if not left.keys().isdisjoint({"type", "properties", "required", "items", "enum", "const"}):
            raise _Open
        choices: list[Any] = left.pop("anyOf", []) + left.pop("oneOf", [])
        return {"anyOf": [self._closed(choice, within) for choice in choices]}

    def _typed(self, left: JsonObject, within: tuple[str, ...]) -> JsonObject:
        kind: Any = left.pop("type", None) or ("object" if "properties" in left else "array")
        kinds = cast("list[Any]", kind) if isinstance(kind, list) else [kind]
        if not _TYPES.issuperset(kinds):
            raise _Open
        kept: JsonObject = {"type": kind}
        if "object" in kinds:
            properties: JsonObject = left.pop("properties", {})
            others = left.pop("additionalProperties", None)
            unnamed = set(left.get("required", ())).difference(properties)
            if isinstance(others, dict) or unnamed or (not properties and others is not False):
                raise _Open
            kept["properties"] = {name: self._closed(part, within) for name, part in properties.items()}
            kept["additionalProperties"] = False
            if "required" in left:
                kept["required"] = left.pop("required")
        if "array" in kinds:
            kept["items"] = self._closed(left.pop("items", None), within)
            if left.get("minItems") in {0, 1}:
                kept["minItems"] = left.pop("minItems")
        if left.get("format") in _FORMATS:
            kept["format"] = left.pop("format")
        return kept


def _constants(left: JsonObject) -> JsonObject:
    left.pop("type", None)
    kept = {key: left.pop(key) for key in ("enum", "const") if key in left}
    if any(isinstance(value, dict | list) for value in (*kept.get("enum", ()), kept.get("const"))):
        raise _Open
    return kept


def _described(left: JsonObject) -> JsonObject:
    """Title and description, and with them in words whatever is left and limits the value."""
    told = {key: left.pop(key) for key in ("title", "description") if key in left}
    limits = {key: value for key, value in left.items() if key not in _NO_LIMITS}
    if limits:
        said = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in limits.items())
        told["description"] = f"{told.get('description', '')} ({said})".strip()
    return told
