"""The JSON Schemas by which servers describe their tools' arguments: looked at, and made fit to be shown.

Anybody may have written them. `unsound` says of one that it is none, or never done with; `shown` is what a
model sees, and what its arguments are checked by: what says what is allowed, and short words on it. Regular
expressions are told as words alone, since one that was made to takes for ever; the server checks by them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from atlas_mcp.downstream.screening.invisible import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["shown", "unsound"]

Schema = dict[str, Any]

MOST_SOUND = 200_000
"""Characters of a schema, as JSON; a larger one is no use to anybody."""
MOST_SHOWN = 30_000
"""Of one as a model sees it, on every turn."""
MOST_DESCRIPTION = 200
_VALUES = {"enum": 4_000, "const": 200, "default": 200}
"""Characters of values, as JSON; longer ones are left out."""
LONGEST_NAME = 100
DEEPEST = 40
MOST_STEPS = 50_000
"""Schemas within one, each reference counted as what it leads to: so many are looked at for one value."""
ANYTHING: Schema = {"type": "object"}

_BY_NAME = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_OF_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_OF_ONE = frozenset(
    {"items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"}
)
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
"""What says something of the same value; the others say it of a value within."""
_LIMITS = frozenset({
    "type", "required", "dependentRequired", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minContains",
    "maxContains", "minProperties", "maxProperties", "$ref",
})  # fmt: skip


def unsound(schema: Schema) -> str:
    """Why arguments cannot be checked by a schema; empty where they can.

    It goes on from "its schema"; what leads back to itself in a value within is sound, as trees are.
    """
    try:
        if len(json.dumps(schema)) > MOST_SOUND:
            return f"has more than {MOST_SOUND:,} characters"
        made = _plain(schema, words=False)
        linked = _Linked(made)
        if linked.follow() > MOST_STEPS:
            return "takes too long to check by"
        return linked.problem or _no_schema(json.dumps(made))
    except RecursionError:
        return "is nested too deep"


def shown(schema: Schema) -> Schema:
    """A schema as a model sees it; any object where it says more than anybody reads."""
    try:
        for words in (True, False):
            made = _plain(schema, words=words)
            if _Linked(made).follow() <= MOST_STEPS and _size(made) <= MOST_SHOWN:
                return made
    except RecursionError:
        pass
    return ANYTHING


@lru_cache(maxsize=256)
def _no_schema(text: str) -> str:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(json.loads(text))
    except SchemaError as error:
        said = cleaned(error.message)
        return f"is none of JSON Schema: {said[:120]}"
    return ""


# What says what is allowed ---------------------------------------------------------------------------------


def _plain(schema: Any, *, words: bool) -> Any:
    """A schema with what is known of JSON Schema alone; with `words` also with what it says to a reader."""
    if not isinstance(schema, dict):
        return schema
    made: Schema = {}
    for key, value in _modern(cast("Schema", schema)).items():
        if key in _BY_NAME | _OF_MANY | _OF_ONE:
            made[key] = _within(value, named=key in _BY_NAME, words=words)
        elif key in _LIMITS:
            made[key] = _names(value) if key == "required" else value
        elif (most := _VALUES.get(key)) and (words or key != "default"):
            clean = _clean(value)
            if _size(clean) <= most:
                made[key] = clean
    if words and (told := _description(cast("Schema", schema))):
        made["description"] = told
    return made


def _within(value: Any, *, named: bool, words: bool) -> Any:
    if isinstance(value, list):
        return [_plain(each, words=words) for each in cast("list[Any]", value)]
    if named and isinstance(value, dict):
        items = cast("Schema", value).items()
        return {name: _plain(each, words=words) for name, each in items if _is_name(name)}
    return _plain(value, words=words)


def _names(value: Any) -> Any:
    return [each for each in cast("list[Any]", value) if _is_name(each)] if isinstance(value, list) else value


def _modern(schema: Schema) -> Schema:
    """A list of items, as older drafts have it, by its name of today; nothing that patterns would decide."""
    made = dict(schema)
    if isinstance(made.get("items"), list):
        made["prefixItems"] = made.pop("items")
        if "additionalItems" in made:
            made["items"] = made["additionalItems"]
    if "patternProperties" in made:
        made.pop("additionalProperties", None)
    return made


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _description(schema: Schema) -> str:
    from atlas_mcp.downstream.screening.suspecting import capped

    marks = (("description", ""), ("format", "Format: "), ("pattern", "Pattern: "))
    told = [f"{mark}{schema[key]}" for key, mark in marks if isinstance(schema.get(key), str)]
    return capped(cleaned(" ".join(told)), MOST_DESCRIPTION)[0]


def _clean(value: Any) -> Any:
    match value:
        case str():
            return cleaned(value)
        case list():
            return [_clean(each) for each in cast("list[Any]", value)]
        case dict():
            return {cleaned(key): _clean(each) for key, each in cast("Schema", value).items()}
        case _:
            return value


def _is_name(name: Any) -> bool:
    """Whether a name hides nothing, and is none that tells a story."""
    return not isinstance(name, str) or (len(name) <= LONGEST_NAME and cleaned(name) == name)


# References ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Linked:
    """Follows the references of a schema, and takes out those that lead nowhere or back."""

    root: Any
    problem: str = ""
    steps: dict[int, int] = field(default_factory=dict[int, int])
    under_way: dict[int, int] = field(default_factory=dict[int, int])
    """How deep in the value those schemas speak that are being followed."""

    def follow(self) -> int:
        """How many schemas it comes to; `problem` says what is wrong with its references, if anything is."""
        return self._visit(self.root, 0, 0)

    def _visit(self, schema: Any, depth: int, within: int) -> int:
        """How many schemas one comes to."""
        if not isinstance(schema, dict):
            return 1
        node, key = cast("Schema", schema), id(cast("object", schema))
        if key in self.steps:
            return self.steps[key]
        if depth > DEEPEST:
            raise RecursionError
        self.under_way[key] = within
        count = 1 + sum(self._visit(each, depth + 1, within + step) for each, step in _inner(node))
        if isinstance(node.get("$ref"), str):
            count += self._visit_target(node, depth, within)
        del self.under_way[key]
        self.steps[key] = min(count, MOST_STEPS + 1)
        return self.steps[key]

    def _visit_target(self, node: Schema, depth: int, within: int) -> int:
        target = _at(self.root, node["$ref"])
        if isinstance(target, dict | bool) and id(cast("object", target)) not in self.under_way:
            return self._visit(target, depth + 1, within)
        if not isinstance(target, dict):
            self.problem = "refers to what is not in it"
        elif self.under_way[id(cast("object", target))] == within:
            self.problem = "refers to itself"
        del node["$ref"]
        return 0


def _inner(node: Schema) -> Iterator[tuple[Any, int]]:
    """The schemas that stand in one and count for it, and whether each is of a value within."""
    for key, value in node.items():
        step = int(key not in _IN_PLACE)
        if key in {"properties", "dependentSchemas"} and isinstance(value, dict):
            yield from ((each, step) for each in cast("Schema", value).values())
        elif key in _OF_MANY and isinstance(value, list):
            yield from ((each, step) for each in cast("list[Any]", value))
        elif key in _OF_ONE:
            yield value, step


def _at(root: Any, reference: str) -> Any:
    """What a reference within a schema leads to; None where it leads elsewhere or nowhere."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    found = root
    for part in unquote(reference[2:]).split("/") if reference != "#" else ():
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = cast("Schema", found).get(name)
        elif isinstance(found, list) and name.isdecimal() and len(name) < len("100000"):
            found = next(iter(cast("list[Any]", found)[int(name) : int(name) + 1]), None)
        else:
            return None
    return found
