"""Mistakes in settings, in words: what stands where, and what to write instead."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast, get_args

from pydantic import BaseModel

from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import ValidationError

__all__ = ["explained", "in_words"]

_REMEDIES = {
    "bool": "true or false",
    "dict": "a table",
    "float": "a number, such as 0.5",
    "int": "a whole number, such as 3",
    "list": "a list in brackets",
    "model": "a table",
    "string": "text in quotes",
    "tuple": "a list in brackets",
}
"""What to write where something else stands, by how the validator's word for the mistake begins."""
_FURTHER_REMEDIES = {
    "literal_error": "Write one of those.",
    "missing": "Add it.",
    "string_too_short": "Do not leave it empty.",
    "too_short": 'Name at least one, such as ["openai:gpt-5.4-mini"].',
}


_OURS = {"a valid tuple": "a list", "a valid list": "a list", "a valid dictionary": "a table"}
"""What the validator calls things that a person writes otherwise."""


def in_words(message: str) -> str:
    """What a validator says of a mistake, as a person who wrote the file would say it."""
    said = message.removeprefix("Value error, ")
    for theirs, ours in _OURS.items():
        said = said.replace(theirs, ours)
    return said


def explained(error: ValidationError, file: Path, settings: type[BaseModel]) -> InvalidConfiguration:
    """Every mistake in a sentence, each with what to do about it behind it."""
    said: list[tuple[str, str]] = []
    for problem in error.errors(include_url=False):
        place = [str(part) for part in problem["loc"]]
        variable = "ATLAS_" + "__".join(place[:2]).upper()
        where = f"(in {file} or {variable})"
        if problem["type"] == "extra_forbidden":
            unknown, remedy = _unknown(place, settings, table=isinstance(problem["input"], dict))
            said.append((f"{unknown} {where}.", remedy))
        else:
            words = f"{'.'.join(place)}: {in_words(problem['msg'])}"
            said.append((f"{words} {where}.", _remedy(problem["type"])))
    if len(said) == 1:
        ((message, remedy),) = said
        return InvalidConfiguration(f"Settings are wrong: {message}", remedy=remedy)
    each = " ".join(f"{message} {remedy}".strip() for message, remedy in said)
    return InvalidConfiguration(f"Settings are wrong: {each}", remedy="Correct each of them.")


def _unknown(place: list[str], settings: type[BaseModel], *, table: bool) -> tuple[str, str]:
    """What to say of a key or table that there is none, and which may be meant."""
    *within, name = place
    known = _keys(within, settings)
    where = f" in [{'.'.join(within)}]" if within else ""
    said = f"There is no {f'table [{name}]' if table and not within else f'key {name}'}{where}"
    if meant := get_close_matches(name, known, n=1):
        return said, f"Did you mean {known[meant[0]]}?"
    return said, f"There {'is' if len(known) == 1 else 'are'} {', '.join(known.values())}."


def _keys(within: list[str], settings: type[BaseModel]) -> dict[str, str]:
    """The keys of a table, and how each is written."""
    kind: Any = settings
    for part in within:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[part].annotation
        else:  # a dictionary by names of a person's own, or the members of a group
            inner = next(each for each in get_args(kind) if each is not str)
            kind = getattr(inner, "__origin__", inner)
    fields = cast("type[BaseModel]", kind).model_fields
    if within:
        return {name: name for name in fields}
    own = {"provider": "[provider.NAME]", "group": "[group.NAME]", "project": "project"}
    return {name: own.get(name, f"[{name}]") for name in fields if name != "home"}


def _remedy(mistake: str) -> str:
    """What to write instead, where the validator's own words do not say it."""
    if remedy := _FURTHER_REMEDIES.get(mistake):
        return remedy
    wished = _REMEDIES.get(mistake.partition("_")[0])
    return f"Write {wished}." if wished else ""
