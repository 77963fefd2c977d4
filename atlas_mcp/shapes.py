"""Whether a JSON value fits a JSON Schema (2020-12), and in words what does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

__all__ = ["foreign_misfits", "misfits", "unmarked"]

MOST = 8


def misfits(schema: Mapping[str, Any], value: object) -> list[str]:
    """What does not fit, each with its place (`$.claims[0].text: …`); empty when all fits; eight at most."""
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # A registry of our own: without one, a schema that refers to an address would be fetched.
    validator = Draft202012Validator(dict(schema), registry=Registry())
    errors = cast("Iterator[ValidationError]", validator.iter_errors(cast("Any", value)))  # pyright: ignore[reportUnknownMemberType]
    found = sorted(errors, key=lambda error: error.json_path)
    return [f"{error.json_path}: {error.message[:300]}" for error in found[:MOST]]


def foreign_misfits(schema: Mapping[str, Any], value: object) -> list[str] | None:
    """The same by a schema that anybody may have written; None where nothing can be checked by it."""
    from jsonschema.exceptions import UnknownType
    from referencing.exceptions import Unresolvable

    try:
        return misfits(schema, value)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None
    except (re.error, UnknownType, Unresolvable):
        return None


def unmarked(schema: Any) -> Any:
    """A JSON Schema without our own marks (`x-atlas-…`), as those outside see it."""
    match schema:
        case dict():
            items = cast("dict[str, Any]", schema).items()
            return {key: unmarked(value) for key, value in items if not key.startswith("x-atlas-")}
        case list():
            return [unmarked(value) for value in cast("list[Any]", schema)]
        case _:
            return schema
