"""An answer that fits a JSON Schema, from what is known and the marks `x-atlas-fill` on its fields.

What is known comes first. A field that is not known is filled by its mark from ranked choices; prose that
nobody found is null or empty, and what may be neither is said to be impossible. This module knows schemas; it
does not know how choices are ranked, or what a schema is for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from atlas_mcp.errors import InvalidRequest
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Choice", "Stock", "fill", "impossible"]

Schema: TypeAlias = dict[str, Any]

UNKNOWN: Final[Any] = object()
"""The value of a field for which there is no honest one."""

DEEPEST = 24
LISTED = 5
CHOOSING_MARKS = frozenset({"quote", "select", "rank"})
CONSTRAINTS = frozenset({"enum", "pattern", "format"})
REMEDY = (
    "Configure a model that can (OPENAI_API_KEY, or OPENAI_BASE_URL for one of your own), "
    "or mark the field with x-atlas-fill, or let it be null."
)
_SENTENCE_END = re.compile(r"[.!?](?=\s)")


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that may be selected: its `id`, and its best stretch of text word for word."""

    id: str
    quote: str


@dataclass(frozen=True, slots=True)
class Stock:
    """What unknown fields are filled from: `choices`, best first, and `counts` by what was counted."""

    choices: tuple[Choice, ...] = ()
    counts: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class _Field:
    """One place in the answer: `known` or UNKNOWN, within an item made for `choice`, `depth` levels down."""

    schema: Schema
    place: str
    known: Any = UNKNOWN
    choice: Choice | None = None
    depth: int = 0

    @property
    def mark(self) -> str | None:
        return self.schema.get("x-atlas-fill")

    @property
    def types(self) -> frozenset[str]:
        named: str | list[str] = self.schema.get("type", [])
        return frozenset([named] if isinstance(named, str) else named)

    def inner(self, schema: Schema, place: str, known: Any = UNKNOWN) -> _Field:
        return replace(self, schema=schema, place=place, known=known, depth=self.depth + 1)


def impossible(what: str, remedy: str = REMEDY) -> InvalidRequest:
    """The error for something that selecting sentences cannot give."""
    return InvalidRequest(
        f"The extractive provider only selects and cites sentences; it cannot give {what}.",
        provider="extractive",
        model="sentences",
        remedy=remedy,
    )


def fill(schema: Schema, known: Mapping[str, Any], stock: Stock) -> Any:
    """A JSON value for `schema`: `known` where it fits in, the rest from `stock`.

    Known text that is too long is cut at the end of a sentence or word; known lists are cut to their size.

    Raises:
        InvalidRequest: a required field can be filled neither from what is known nor by its mark.
    """
    filling = _Filling(schema, stock)
    value = filling.value(_Field(schema, "$", dict(known)))
    problems = filling.lacking or ["$"] if value is UNKNOWN else misfits(schema, value)
    if problems:
        raise impossible(problems[0])
    return value


class _Filling:
    """One walk over one schema; `lacking` are the required fields it could not fill."""

    def __init__(self, root: Schema, stock: Stock) -> None:
        self._root = root
        self._stock = stock
        self.lacking: list[str] = []

    def value(self, field: _Field) -> Any:
        """The value of one field, or UNKNOWN."""
        schema = self._resolved(field.schema)
        field = replace(field, schema=schema)
        if "const" in schema or field.depth > DEEPEST:
            return schema.get("const", UNKNOWN)
        if "anyOf" in schema or "oneOf" in schema:
            return self._alternative(field)
        return self._unknown(field) if field.known is UNKNOWN else self._fitted(field)

    def _fitted(self, field: _Field) -> Any:
        """What is known, in the shape of the schema."""
        known, schema = field.known, field.schema
        if isinstance(known, dict) and "properties" in schema:
            return self._object(field, cast("dict[str, Any]", known))
        if isinstance(known, list) and "items" in schema:
            return self._list(field, cast("list[Any]", known))
        return _cut(known, schema) if isinstance(known, str) else cast("Any", known)

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(DEEPEST):
            reference = schema.get("$ref", "")
            if not reference.startswith("#/"):
                break
            target: Any = self._root
            for step in reference[2:].split("/"):
                target = target.get(step.replace("~1", "/").replace("~0", "~"), {})
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        return schema

    def _alternative(self, field: _Field) -> Any:
        """The first alternative that can be filled with something, else one that may be empty."""
        rest = {key: value for key, value in field.schema.items() if key not in {"anyOf", "oneOf"}}
        empty = UNKNOWN
        for branch in field.schema.get("anyOf") or field.schema["oneOf"]:
            value = self.value(
                replace(field, schema={**rest, **self._resolved(branch)}, depth=field.depth + 1)
            )
            if value is UNKNOWN or misfits({**self._shared, **rest, **branch}, value):
                continue
            if value not in (None, "", []):
                return value
            empty = value if empty is UNKNOWN or value is None else empty
        return empty

    @property
    def _shared(self) -> Schema:
        return {key: self._root[key] for key in ("$defs", "definitions") if key in self._root}

    def _object(self, field: _Field, known: dict[str, Any]) -> Any:
        filled: dict[str, Any] = {}
        required = field.schema.get("required", ())
        for name, schema in field.schema.get("properties", {}).items():
            value = self.value(field.inner(schema, f"{field.place}.{name}", known.get(name, UNKNOWN)))
            if name in required and value is UNKNOWN:
                self.lacking.append(f"{field.place}.{name}")
                return UNKNOWN
            if name in required or name in known or value not in (UNKNOWN, None, "", []):
                filled[name] = value
        return filled

    def _list(self, field: _Field, known: list[Any]) -> list[Any]:
        items = field.schema["items"]
        kept = known[: field.schema.get("maxItems")]
        inner = (field.inner(items, f"{field.place}[{number}]", item) for number, item in enumerate(kept))
        return [value for value in map(self.value, inner) if value is not UNKNOWN]

    def _unknown(self, field: _Field) -> Any:
        """By its mark, else as empty as the schema lets it be."""
        value = self._chosen(field)
        if value is not UNKNOWN:
            return value
        schema, types = field.schema, field.types
        if "null" in types or None in schema.get("enum", ()):
            return None
        if "object" in types or "properties" in schema:
            return self._object(field, {})
        if "array" in types and not schema.get("minItems"):
            return []
        if "string" in types and not schema.get("minLength") and not CONSTRAINTS & schema.keys():
            return ""
        return UNKNOWN

    def _chosen(self, field: _Field) -> Any:
        types = field.types
        if "array" in types and "items" in field.schema:
            return self._ranked(field)
        if field.mark == "count" and types & {"integer", "number"}:
            return self._counted(field.place)
        offered = (field.choice,) if field.choice else self._stock.choices
        if field.mark == "quote" and "string" in types:
            return next((_cut(each.quote, field.schema) for each in offered), UNKNOWN)
        if field.mark == "select" and "string" in types:
            allowed = field.schema.get("enum")
            return next((each.id for each in offered if allowed is None or each.id in allowed), UNKNOWN)
        if field.mark == "rank" and types & {"integer", "number"} and field.choice:
            return self._stock.choices.index(field.choice) + 1
        return UNKNOWN

    def _ranked(self, field: _Field) -> Any:
        """One item for each choice, best first, when the list or something in its items is marked."""
        items = self._resolved(field.schema["items"])
        if field.mark in CHOOSING_MARKS and "properties" not in items:
            items = {"x-atlas-fill": "quote" if field.mark == "quote" else "select", **items}
        if not _chooses(items):
            return UNKNOWN
        listed: list[Any] = []
        offered = (field.choice,) if field.choice else self._stock.choices
        for choice in offered[: field.schema.get("maxItems", LISTED)]:
            inner = field.inner(items, f"{field.place}[{len(listed)}]")
            value = self.value(replace(inner, choice=choice))
            if value is not UNKNOWN and value not in listed:
                listed.append(value)
        return listed

    def _counted(self, place: str) -> Any:
        """How many there are of what the field's name speaks of."""
        name = place.rpartition(".")[2].lower()
        counts = self._stock.counts or {}
        return next((count for what, count in counts.items() if what.rstrip("s") in name), UNKNOWN)


def _chooses(schema: Schema) -> bool:
    """Whether a choice decides what stands in a schema or in one of its fields."""
    fields: Mapping[str, Schema] = schema.get("properties", {})
    return any(each.get("x-atlas-fill") in CHOOSING_MARKS for each in (schema, *fields.values()))


def _cut(text: str, schema: Schema) -> str:
    """The text, or as many of its whole sentences, else words, as the schema has room for."""
    most = schema.get("maxLength", len(text))
    if len(text) <= most:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, most)]
    return text[: ends[-1]] if ends else text[: most + 1].rpartition(" ")[0] or text[:most]
