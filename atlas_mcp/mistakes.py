"""Mistakes in settings, in words: what stands where, and what to write instead."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["explained", "in_words", "nearest", "there_is", "together", "wrong_keys"]

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
_OF_OURS = re.compile(r" or instance of \w+")


def in_words(message: str) -> str:
    """What a validator says of a mistake, as a person who wrote the file would say it."""
    said = message.removeprefix("Value error, ")
    for theirs, ours in _OURS.items():
        said = said.replace(theirs, ours)
    return _OF_OURS.sub("", said)


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that was probably meant; empty where none is near."""
    return next(iter(get_close_matches(name, list(known), n=1)), "")


def there_is(name: str, known: Mapping[str, str]) -> str:
    """What to write in place of a name that nobody knows: the one that was meant, else all there are.

    `known` says how each is written.
    """
    if meant := nearest(name, known):
        return f"Did you mean {known[meant]}?"
    return f"There {'is' if len(known) == 1 else 'are'} {', '.join(known.values())}."


def together(mistakes: Sequence[InvalidConfiguration]) -> InvalidConfiguration:
    """Several mistakes as one error, which still has each of them; one alone is itself."""
    if len(mistakes) == 1:
        return mistakes[0]
    error = InvalidConfiguration(" ".join(map(str, mistakes)), remedy="Correct each of them.")
    error.each = tuple(mistakes)
    return error


def wrong_keys(
    error: ValidationError, file: Path, table: type[BaseModel], remedy: Callable[[ErrorDetails], str], *,
    text: str = "",
) -> list[InvalidConfiguration]:  # fmt: skip
    """Every mistake in a file, by its key; `remedy` says what to write where a value is wrong.

    With the `text` of a TOML file, each says the line.
    """
    mistakes: list[InvalidConfiguration] = []
    for problem in error.errors(include_url=False):
        place = [str(part) for part in problem["loc"]]
        line = _line(text, place)
        where = f" (line {line})" if line else ""
        said, instead = in_words(problem["msg"]), ""
        if problem["type"] == "extra_forbidden":
            instead = there_is(place[-1], _keys(place[:-1], table))
            said = "there is no such key"
        mistakes.append(
            InvalidConfiguration(
                f"{file}: {'.'.join(place)}: {said}{where}.", remedy=instead or remedy(problem)
            )
        )
    return mistakes


_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_LONG_TEXT = re.compile(r'"""|\'\'\'')


def _line(text: str, place: Sequence[str]) -> int:
    """The line of a TOML file where a key stands, or what it should stand in; 0 where none is found."""
    table: list[str] = []
    best, depth, within = 0, 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not within:
            path: list[str] = []
            if header := _HEADER.match(line):
                path = table = _parts(header[1])
            elif key := _KEY.match(line):
                path = [*table, *_parts(key[1])]
            if len(path) > depth and path == [*place[: len(path)]]:
                best, depth = number, len(path)
        for mark in _LONG_TEXT.findall(line):
            within = mark if not within else "" if mark == within else within
    return best


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


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
    if not within:
        own = {"provider": "[provider.NAME]", "group": "[group.NAME]", "project": "project"}
        known = {each: own.get(each, f"[{each}]") for each in known if each != "home"}
    where = f" in [{'.'.join(within)}]" if within else ""
    said = f"There is no {f'table [{name}]' if table and not within else f'key {name}'}{where}"
    return said, there_is(name, known)


def _keys(within: list[str], table: type[BaseModel]) -> dict[str, str]:
    """The keys of a table, and how each is written."""
    kind: Any = table
    for part in within:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = _alone(kind.model_fields[part].annotation)
        else:  # a dictionary by names of a person's own, or the members of a group
            inner = next(each for each in get_args(kind) if each is not str)
            kind = _alone(getattr(inner, "__origin__", inner))
    fields: Iterable[str] = kind.model_fields
    return {name: name for name in fields}


def _alone(kind: Any) -> Any:
    """A kind without what may stand in its place: of `X | None` it is `X`."""
    if get_origin(kind) is Annotated:
        return _alone(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        return _alone(next(each for each in get_args(kind) if each is not NoneType))
    return kind


def _remedy(mistake: str) -> str:
    """What to write instead, where the validator's own words do not say it."""
    if remedy := _FURTHER_REMEDIES.get(mistake):
        return remedy
    wished = _REMEDIES.get(mistake.partition("_")[0])
    return f"Write {wished}." if wished else ""
