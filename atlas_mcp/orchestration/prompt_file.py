"""The prompts of a team, `prompts/<name>.md`: front matter, and below it what a person says to their model.

`team.md` is the team's own prompt; every other file is a common job that the team does. A `{name}` stands for
what was given under that name, and a line that names what was not given is left out; `{{name}}` is written as
`{name}`. What was given is put in as it is, and nothing in it is looked at again.

Prompts change no run, so they are no part of a team's version.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from atlas_mcp.agents.front_matter import read_front_matter
from atlas_mcp.errors import InvalidConfiguration, InvalidInput
from atlas_mcp.mistakes import together, wrong_keys
from atlas_mcp.orchestration.team import PROMPTS, TEAM_NAME
from atlas_mcp.orchestration.team_file import LONGEST_INPUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from atlas_mcp.orchestration.team import Team

__all__ = [
    "DOCUMENTS", "OWN", "Front", "PromptArgument", "TeamPrompt", "load_prompt", "prompt_files", "read_prompt",
]  # fmt: skip

OWN = "team"
"""The name of the file that is the team's own prompt."""

DOCUMENTS = "documents"
"""The argument that every prompt has after its own."""

TEXTS = Path(__file__).parent / "prompt_texts"
"""What is said where a team says nothing of its own."""

LONGEST_DOCUMENTS = 20_000
"""Characters that name documents."""

_RESERVED = ("call", "team", DOCUMENTS)
_PLACE = re.compile(r"\{\{(?P<literal>[a-z_]\w*)\}\}|\{(?P<name>[a-z_]\w*)\}")

Suggested = tuple[str, ...] | Literal["documents", "rubrics"]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PromptArgument(_Keys):
    """One argument of a prompt; a text, `longest` characters of it at most."""

    description: str = Field(min_length=1)
    required: bool = True
    longest: int = Field(default=LONGEST_INPUT, ge=1, le=400_000)


class Front(_Keys):
    """The front matter of a prompt."""

    title: str = ""
    description: str = ""
    arguments: dict[str, PromptArgument] | None = Field(default=None, min_length=1)
    input: dict[str, str] = {}
    suggest: dict[str, Suggested] = {}


@dataclass(frozen=True, slots=True)
class TeamPrompt:
    """A prompt that has a team called; `name` is its file's, and `input` how the team's input is made of it.

    `suggest` is what an argument may be: some texts, `documents`, or the `rubrics` of the team.
    """

    team: Team
    name: str
    title: str
    description: str
    arguments: dict[str, PromptArgument]
    input: dict[str, str]
    suggest: dict[str, Suggested]
    body: str

    def told(self, given: Mapping[str, str], *, tool: bool) -> str:
        """What is said to the model; `tool` says that the team has a tool of its own.

        What is blank counts as not given.

        Raises:
            InvalidInput: an argument is unknown, missing or too long, or the team cannot be asked so.
        """
        values = self._checked(given)
        asked = {
            name: self.team.input[name].read(text)
            for name, template in self.input.items()
            if (text := filled(template, values).strip())
        }
        self.team.check_input(asked)
        named = {DOCUMENTS: listed} if (listed := _listed(values.get(DOCUMENTS, ""))) else {}
        arguments = asked | named if tool else {"team": self.team.name, "input": asked} | named
        call = filled(
            (TEXTS / "call.md").read_text("utf-8").strip(),
            {
                "tool": self.team.name if tool else "run_team",
                "arguments": json.dumps(arguments, ensure_ascii=False, indent=2),
            },
        )
        return filled(self.body, {**values, "call": call, "team": self.team.name})

    def _checked(self, given: Mapping[str, str]) -> dict[str, str]:
        if unknown := sorted(given.keys() - self.arguments.keys()):
            raise InvalidInput(
                f"There is no argument {unknown[0][:80]!r}.",
                remedy=f"There are: {', '.join(self.arguments)}.",
            )
        values = {name: text for name, text in given.items() if text.strip()}
        for name, argument in self.arguments.items():
            remedy = f"{name}: {argument.description}"
            if name not in values and argument.required:
                raise InvalidInput(f"{name!r} is missing.", remedy=remedy)
            if (length := len(values.get(name, ""))) > argument.longest:
                raise InvalidInput(
                    f"{name!r} has {length:,} characters; {argument.longest:,} is the most.", remedy=remedy
                )
        return values


def prompt_files(team: Team) -> list[Path]:
    """The files of a team's prompts, its own first; where it has none, what stands for it comes first."""
    files = sorted((team.folder / PROMPTS).glob("*.md"))
    own = [file for file in files if file.stem == OWN]
    return [*(own or [TEXTS / f"{OWN}.md"]), *(file for file in files if file.stem != OWN)]


def load_prompt(file: Path, team: Team) -> TeamPrompt:
    """Read one prompt of a team.

    Raises:
        InvalidConfiguration: the file cannot be read or something in it is wrong; names file and key.
    """
    front, body = read_prompt(file)
    arguments = front.arguments or {
        name: PromptArgument(
            description=field.description,
            required=field.required and field.default is None,
            longest=field.longest,
        )
        for name, field in team.input.items()
    }
    passed = {name: f"{{{name}}}" for name in arguments if name in team.input} | front.input
    prompt = TeamPrompt(
        team=team,
        name=file.stem,
        title=front.title or (team.title if file.stem == OWN else file.stem.replace("_", " ").capitalize()),
        description=front.description or team.description,
        arguments={**arguments, DOCUMENTS: _documents()},
        input=passed,
        suggest=front.suggest,
        body=body,
    )
    _check(file, prompt, front)
    return prompt


def read_prompt(file: Path) -> tuple[Front, str]:
    """What the file of a prompt says, whichever team it is of: its front matter, and the text below.

    Raises:
        InvalidConfiguration: the file cannot be read or something in it is wrong; names file and each key.
    """
    keys, body = read_front_matter(file, "prompt", "text")
    try:
        return Front.model_validate(keys), body
    except ValidationError as error:
        remedy = f"A prompt has {', '.join(Front.model_fields)}; an argument of it has"
        remedy = f"{remedy} {', '.join(PromptArgument.model_fields)}."
        raise together(wrong_keys(error, file, Front, lambda _: remedy)) from None


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with values in their places; lines that name a value that is not there are left out."""
    lines: list[str] = []
    blank = True  # what is left out leaves no gap
    for line in template.splitlines():
        names = _names(line)
        if not names <= values.keys() or (blank and not line.strip()):
            continue
        blank = not line.strip()
        lines.append(
            _PLACE.sub(
                lambda place: f"{{{place['literal']}}}" if place["literal"] else values[place["name"]], line
            )
        )
    return "\n".join(lines[:-1] if blank else lines)


def _names(*templates: str) -> set[str]:
    return {place["name"] for text in templates for place in _PLACE.finditer(text) if place["name"]}


def _documents() -> PromptArgument:
    return PromptArgument(
        description="Paths of files or folders to work from, separated by commas, or a JSON list.",
        required=False,
        longest=LONGEST_DOCUMENTS,
    )


def _listed(named: str) -> list[str]:
    """Documents as a person names them: a JSON list, else separated by commas or lines."""
    try:
        match json.loads(named):
            case [*parts]:
                return [str(part) for part in parts]
            case _:
                pass
    except ValueError:
        pass
    return [part.strip() for part in re.split(r"[,\n]", named) if part.strip()]


def _check(file: Path, prompt: TeamPrompt, front: Front) -> None:
    """Refuse a prompt that no argument could make whole.

    Raises:
        InvalidConfiguration: names file and key.
    """
    _check_names(file, prompt, front)
    team, arguments = prompt.team, prompt.arguments
    if not prompt.body:
        raise _wrong(
            file, "text", "there is nothing to say.", "Write what is said to the model below the keys."
        )
    known = {*arguments, "call", "team"}
    texts = {"text": (prompt.body, known)}
    texts |= {f"input.{name}": (template, {*arguments}) for name, template in front.input.items()}
    for key, (template, names) in texts.items():
        if unknown := sorted(_names(template) - names):
            raise _wrong(
                file, key, f"{{{unknown[0]}}} is no argument.",
                f"{_there(names)} Where the text itself is meant, write {{{{{unknown[0]}}}}}.",
            )  # fmt: skip
    for name, field in team.input.items():
        if field.required and field.default is None and name not in prompt.input:
            raise _wrong(
                file, "input", f"nothing says what {name!r} of {team.name} is.",
                f"Add it to input, such as {name}: '{{{next(iter(arguments))}}}'.",
            )  # fmt: skip
    if unused := sorted({*arguments} - {DOCUMENTS} - _names(prompt.body, *prompt.input.values())):
        raise _wrong(
            file, f"arguments.{unused[0]}", "it is used nowhere.",
            f"Write {{{unused[0]}}} in input or in the text, or take it out.",
        )  # fmt: skip


def _check_names(file: Path, prompt: TeamPrompt, front: Front) -> None:
    """Refuse names of what is not there, and names that no argument can have."""
    if not TEAM_NAME.match(file.stem):
        raise _wrong(file, "name", "a prompt is named with small letters, digits, - and _.", "Rename it.")
    for name in front.arguments or ():
        if name in _RESERVED or not re.fullmatch(r"[a-z_]\w*", name):
            raise _wrong(
                file, f"arguments.{name}", "no argument can be called so.",
                f"Use small letters, digits and _; {', '.join(_RESERVED)} are taken.",
            )  # fmt: skip
    for name in front.input:
        if name not in prompt.team.input:
            raise _wrong(
                file, f"input.{name}", f"{prompt.team.name} has no such input.", _there(prompt.team.input)
            )
    for name in front.suggest:
        if name not in prompt.arguments:
            raise _wrong(file, f"suggest.{name}", "there is no such argument.", _there(prompt.arguments))


def _there(arguments: Iterable[str]) -> str:
    return f"There are: {', '.join(sorted(arguments))}."


def _wrong(file: Path, key: str, said: str, remedy: str) -> InvalidConfiguration:
    return InvalidConfiguration(f"{file}: {key}: {said}", remedy=remedy)
