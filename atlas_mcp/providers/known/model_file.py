"""Reads a file of what is known of models, entry by entry; every mistake is named by file, entry and key."""

from __future__ import annotations

import re
import tomllib
from fnmatch import translate
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.mistakes import in_words
from atlas_mcp.providers.capabilities import Capability, Strength
from atlas_mcp.providers.known.model_card import DeclaredPrice, ModelEntry

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_models"]

_EXAMPLE = '["openai:gpt-6*"]'
_WILD = re.compile(r"\[[^]]*\]|[*?]")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Price(_Table):
    """`price`, in dollars a million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    local: bool = False


def _capability(value: object) -> object:
    if value == Capability.PREFILL:
        raise ValueError("write prefill = true or false beside strengths")
    if value not in set(Capability):
        raise ValueError(f"no such capability; there are {', '.join(sorted(set(Capability) - {'prefill'}))}")
    return value


def _strength(value: object) -> object:
    named = Strength.__members__.get(value.upper()) if isinstance(value, str) else None
    if named is None:
        raise ValueError(f"write {', '.join(each.name.lower() for each in Strength)}")
    return named


def _form_of_price(value: object) -> str:
    return "word" if isinstance(value, str) else "rates"


_Strengths = dict[
    Annotated[Capability, BeforeValidator(_capability)], Annotated[Strength, BeforeValidator(_strength)]
]
_PriceOrWord = Annotated[
    Annotated[_Price, Tag("rates")] | Annotated[Literal["unknown"], Tag("word")],
    Discriminator(_form_of_price),
]


class _Entry(_Table):
    window: int | None = Field(default=None, gt=0)
    output: int | None = Field(default=None, gt=0)
    sampling: frozenset[str] | None = None
    prefill: bool | None = None
    strengths: _Strengths = {}
    price: _PriceOrWord | None = None


def read_models(file: Path) -> tuple[tuple[ModelEntry, ...], tuple[InvalidConfiguration, ...]]:
    """The sound entries of a file, the least specific first, and what is wrong with the others.

    A file that is not there has none.
    """
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        problem = InvalidConfiguration(
            f"{file} cannot be read: {error.strerror}.", remedy="Mend its permissions, or move it away."
        )
        return (), (problem,)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = InvalidConfiguration(
            f"{file}: {error}.", remedy=f"Correct that line; an entry begins with {_EXAMPLE}, in quotes."
        )
        return (), (problem,)
    entries: list[tuple[int, ModelEntry]] = []
    problems: list[InvalidConfiguration] = []
    for name, table in tables.items():
        try:
            entries.append((len(_WILD.sub("", name)), _entry(name, table, file)))
        except InvalidConfiguration as problem:
            problems.append(problem)
    entries.sort(key=itemgetter(0))
    return tuple(entry for _, entry in entries), tuple(problems)


def _entry(name: str, table: Any, file: Path) -> ModelEntry:
    """One entry of a file.

    Raises:
        InvalidConfiguration: it is wrong; names file, entry and key, and says what to write.
    """
    if not isinstance(table, dict) or ":" not in name:
        raise InvalidConfiguration(
            f"{file}: {name!r} is no entry.",
            remedy=f"Write vendor:model in quotes, such as {_EXAMPLE}, and below it what is known.",
        )
    try:
        said = _Entry.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = [str(part) for part in first["loc"] if part not in {"[key]", "rates", "word"}]
        what = in_words(first["msg"])
        raise InvalidConfiguration(
            f'{file}: ["{name}"] {".".join(place)}: {what}.', remedy=_remedy(place[0])
        ) from None
    price = DeclaredPrice(**said.price.model_dump()) if isinstance(said.price, _Price) else said.price
    return ModelEntry(
        re.compile(translate(name.lower())),
        said.strengths,
        said.prefill,
        said.window,
        said.output,
        said.sampling,
        price,
    )


_FORMS = {
    "window": "Write a number of tokens, such as window = 128_000.",
    "output": "Write a number of tokens, such as output = 16_000.",
    "sampling": 'Write a list of names, such as sampling = ["temperature"], or [] for none.',
    "prefill": "Write prefill = true or false.",
    "strengths": 'Write for example strengths = { tools = "strong", vision = "none" }.',
    "price": 'Write dollars a million tokens, such as price = { input = 2, output = 10 }, or "unknown".',
}


def _remedy(key: str) -> str:
    return _FORMS.get(key, f"Known keys: {', '.join(_FORMS)}.")
