"""An answer that fits a JSON Schema, from what is known and the marks `x-atlas-fill` on its fields.

What is known comes first. A field that is not known is filled by its mark from ranked choices; prose nobody
found is null or empty, and what is required and can be neither is said to be impossible. This module knows
schemas; it does not know how choices are ranked or what a schema is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Choice", "Stock", "fill"]

Schema: TypeAlias = dict[str, Any]

_NOTHING: Any = object()
_DEEPEST = 24
_LIST_SIZE = 5
_REMEDY = (
    "Configure a model that can: set OPENAI_API_KEY, or OPENAI_BASE_URL for a model of your own, "
    "or mark the field with x-atlas-fill, or let it be null."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that may be selected: its `id`, its best sentence word for word, its relevance from 0 to 1."""

    id: str
    quote: str
    score: float


@dataclass(frozen=True, slots=True)
class Stock:
    """What unknown fields are filled from: `choices`, best first, and `counts` by what was counted."""

    choices: tuple[Choice, ...]
    counts: Mapping[str, int]


def fill(schema: Schema, known: object, stock: Stock) -> Any:
    """A JSON value for `schema`.

    :raises InvalidRequest: a required field can be filled neither from what is known nor by its mark.
    """
    value = _Filling(schema, stock).value(schema, known, "answer", None)
    if value is _NOTHING:
        raise _impossible("answer")
    problems = _problems(schema, value)
    if problems:
        raise _impossible(problems[0])
    return value


def _impossible(where: str) -> InvalidRequest:
    return InvalidRequest(
        f"The extractive provider only selects and cites sentences; it cannot give: {where}.",
        provider="extractive",
        model="sentences",
        remedy=_REMEDY,
    )


def _problems(schema: Schema, value: object) -> list[str]:
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(value)
    return [f"{'.'.join(map(str, error.absolute_path)) or 'answer'} ({error.message})" for error in errors]


class _Filling:
    """One walk over one schema."""

    def __init__(self, root: Schema, stock: Stock) -> None:
        self._root = root
        self._stock = stock

    def value(self, schema: Schema, known: object, name: str, chosen: Choice | None, depth: int = 0) -> Any:
        """The value of one field, `_NOTHING` where there is no honest one."""
        schema = self._resolved(schema)
        if depth > _DEEPEST:
            return _NOTHING
        if "const" in schema:
            return schema["const"]
        if branches := schema.get("anyOf") or schema.get("oneOf"):
            return self._branch(schema, branches, known, name, chosen, depth)
        if isinstance(known, dict) and "properties" in schema:
            return self._object(schema, known, name, chosen, depth)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(known, list) and isinstance(schema.get("items"), dict):
            return self._listed(schema, known, name, chosen, depth)  # pyright: ignore[reportUnknownArgumentType]
        if known is not _NOTHING:
            return known
        return self._found(schema, name, chosen, depth)

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                break
            target: Any = self._root
            for step in reference[2:].split("/"):
                target = target.get(step.replace("~1", "/").replace("~0", "~"), {})
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        return schema

    def _branch(
        self, schema: Schema, branches: Sequence[Schema], known: object, name: str, chosen: Choice | None, depth: int
    ) -> Any:
        rest = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
        empty = _NOTHING
        for branch in branches:
            whole = {**rest, **self._resolved(branch)}
            value = self.value(whole, known, name, chosen, depth + 1)
            if value is None or value == "":
                empty = None if value is None or empty is None else value
            elif value is not _NOTHING and not _problems({**self._defs, **whole}, value):
                return value
        return empty

    @property
    def _defs(self) -> Schema:
        return {key: self._root[key] for key in ("$defs", "definitions") if key in self._root}

    def _object(
        self, schema: Schema, known: dict[str, Any], name: str, chosen: Choice | None, depth: int
    ) -> Any:
        required = set(schema.get("required", ()))
        filled: dict[str, Any] = {}
        for key, field in schema.get("properties", {}).items():
            if key not in known and key not in required and "x-atlas-fill" not in self._resolved(field):
                continue
            value = self.value(field, known.get(key, _NOTHING), key, chosen, depth + 1)
            if value is not _NOTHING:
                filled[key] = value
            elif key in required:
                raise _impossible(f"{name}.{key}")
        return filled

    def _listed(self, schema: Schema, known: list[Any], name: str, chosen: Choice | None, depth: int) -> list[Any]:
        kept = known[: schema.get("maxItems", len(known))]
        return [self.value(schema["items"], item, name, chosen, depth + 1) for item in kept]

    def _found(self, schema: Schema, name: str, chosen: Choice | None, depth: int) -> Any:
        """An unknown field: by its mark, else as empty as it may be."""
        kind = schema.get("type")
        kinds = set(kind) if isinstance(kind, list) else {kind}  # pyright: ignore[reportUnknownArgumentType]
        value = self._marked(schema, kinds, name, chosen, depth)
        if value is not _NOTHING:
            return value
        if "null" in kinds or None in schema.get("enum", ()):
            return None
        if "object" in kinds or "properties" in schema:
            return self._object(schema, {}, name, chosen, depth)
        if "array" in kinds and not schema.get("minItems"):
            return []
        if "string" in kinds and not schema.get("minLength") and not {"enum", "pattern", "format"} & set(schema):
            return ""
        return _NOTHING

    def _marked(self, schema: Schema, kinds: set[Any], name: str, chosen: Choice | None, depth: int) -> Any:
        mark = schema.get("x-atlas-fill")
        best = chosen or next(iter(self._stock.choices), None)
        if "array" in kinds and isinstance(items := schema.get("items"), dict):
            return self._ranked(schema, items, name, mark, depth)  # pyright: ignore[reportUnknownArgumentType]
        if mark == "count" and kinds & {"integer", "number"}:
            return self._counted(name)
        if best is None:
            return _NOTHING
        if mark == "quote" and "string" in kinds:
            longest = schema.get("maxLength", len(best.quote))
            return best.quote if len(best.quote) <= longest else _NOTHING
        if mark == "select" and "string" in kinds:
            offered = [each.id for each in ((chosen,) if chosen else self._stock.choices)]
            allowed = schema.get("enum", offered)
            return next((each for each in offered if each in allowed), _NOTHING)
        if mark == "rank" and kinds & {"integer", "number"}:
            return self._stock.choices.index(best) + 1 if best in self._stock.choices else _NOTHING
        return _NOTHING

    def _ranked(self, schema: Schema, items: Schema, name: str, mark: object, depth: int) -> Any:
        """One item for each choice, best first, when the list or something in its items is marked."""
        items = self._resolved(items)
        marked = mark in {"quote", "select", "rank"}
        if not marked and not _holds_mark(items):
            return _NOTHING
        if marked and "x-atlas-fill" not in items:
            items = {**items, "x-atlas-fill": "quote" if mark == "quote" else "select"}
        listed: list[Any] = []
        for choice in self._stock.choices[: schema.get("maxItems", _LIST_SIZE)]:
            value = self.value(items, _NOTHING, name, choice, depth + 1)
            if value is not _NOTHING and value not in listed:
                listed.append(value)
        return listed

    def _counted(self, name: str) -> int:
        for what, count in self._stock.counts.items():
            if what.rstrip("s") in name.lower():
                return count
        return next(iter(self._stock.counts.values()), 0)


def _holds_mark(schema: Schema) -> bool:
    fields: dict[str, Any] = schema.get("properties", {})
    marks = {"quote", "select", "rank"}
    return schema.get("x-atlas-fill") in marks or any(
        isinstance(field, dict) and field.get("x-atlas-fill") in marks for field in fields.values()
    )
