r"""One case of a team: what it is asked, what its agents say, and what has to come of it.

A file `cases/<name>.toml` in the team's folder:

```toml
input = { question = "How often is the tide table published?" }   # as the team takes it
documents = ["tides.md", "A text,\nin the place of a path."]      # paths lie beside the case

[[reply]]                                # as in any script; without one, the extractive provider answers
when = { agent = "reader" }
json = { findings = [], gaps = [] }

[expect]                                 # of the team's output; each key is optional
fields = ["answer"]                      # are there, and not empty
contains = { answer = "every month" }    # text, or a list of texts; case and white space do not count
lacks = { answer = "every year" }
at_least = { claims = 1 }                # entries of a list, or a number
at_most = { unsupported = 0 }
partial = false
error = "nothing_to_show"                # the run fails so; without this key it has to succeed
```

A case without documents is answered from the handbook.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from atlas_mcp.errors import AtlasError, InvalidConfiguration, InvalidInput
from atlas_mcp.mistakes import there_is, together, wrong_keys
from atlas_mcp.orchestration.team import CASES
from atlas_mcp.providers.script import Script
from atlas_mcp.roots import readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from atlas_mcp.orchestration.team import Team

__all__ = ["Case", "CaseFile", "Expectation", "case_files", "load_case", "read_case"]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_Text = Annotated[str, Field(min_length=1)]
_Texts = Annotated[tuple[_Text, ...], BeforeValidator(_several), Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expectation(_Table):
    """`[expect]`: what has to come of a case; what is left out may be anything."""

    fields: tuple[str, ...] = ()
    contains: dict[str, _Texts] = {}
    lacks: dict[str, _Texts] = {}
    at_least: dict[str, float] = {}
    at_most: dict[str, float] = {}
    partial: bool | None = None
    error: str | None = None

    @property
    def named(self) -> Iterator[tuple[str, str]]:
        """Every field of the output that is spoken of, with the key that does."""
        yield from (("fields", name) for name in self.fields)
        for key in ("contains", "lacks", "at_least", "at_most"):
            yield from ((key, name) for name in getattr(self, key))


class CaseFile(_Table):
    """A case as it is written, but for its script."""

    input: dict[str, Any] = Field(min_length=1)
    documents: tuple[_Text, ...] = ()
    expect: Expectation = Expectation()


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a team; `script` is None where the extractive provider answers."""

    name: str
    input: dict[str, Any]
    documents: tuple[str, ...]
    expect: Expectation
    script: Script | None


def case_files(folder: Path) -> list[Path]:
    """The cases of a team's folder, by name."""
    return sorted((folder / CASES).glob("*.toml"))


def load_case(file: Path, team: Team) -> Case:
    """Read a case of a team.

    Raises:
        InvalidConfiguration: something in it is missing or wrong; names file and key.
    """
    case, script = read_case(file)
    if mistakes := list(_misfits(case, file, team)):
        raise together(mistakes)
    return Case(file.stem, case.input, _documents(case, file, team), case.expect, script)


def read_case(file: Path) -> tuple[CaseFile, Script | None]:
    """What a case says, whichever team it is of, and its script.

    Raises:
        InvalidConfiguration: something in it is missing or wrong; names file and each key.
    """
    try:
        text = file.read_text("utf-8-sig")
        table = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            f"{file}: {error}.", remedy="Correct the line; TOML quotes text."
        ) from None
    replies = {"reply": table.pop("reply")} if "reply" in table else None
    script = Script.from_table(replies, name=str(file)) if replies else None
    try:
        return CaseFile.model_validate(table), script
    except ValidationError as error:
        remedy = (
            "A case has input, documents, [[reply]] and [expect]; [expect] has "
            f"{', '.join(Expectation.model_fields)}."
        )
        raise together(wrong_keys(error, file, CaseFile, lambda _: remedy, text=text)) from None


def _misfits(case: CaseFile, file: Path, team: Team) -> Iterator[InvalidConfiguration]:
    """What a case asks or expects that its team does not know."""
    try:
        team.check_input(case.input)
    except InvalidInput as error:
        yield InvalidConfiguration(f"{file}: input: {error.message}", remedy=error.remedy)
    known = team.output_schema["properties"]
    for key, name in case.expect.named:
        if name not in known:
            yield InvalidConfiguration(
                f"{file}: expect.{key}: the output has no field {name!r}.",
                remedy=there_is(name, {each: each for each in known}),
            )


def _documents(case: CaseFile, file: Path, team: Team) -> tuple[str, ...]:
    """Texts as they are, paths from the case's folder."""
    named = [document if "\n" in document else str(file.parent / document) for document in case.documents]
    try:
        return tuple(readable(named, [team.folder]))
    except AtlasError as error:
        raise InvalidConfiguration(
            f"{file}: documents: {error.message}",
            remedy="Put the file beside the case; a text in the place of a path needs a line break in it.",
        ) from None
