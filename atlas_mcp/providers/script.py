"""A script: what a scripted provider says to which prompt. One TOML format for tests, cases and scenarios.

```toml
[[reply]]                              # the first reply that fits a prompt is its answer
when = { agent = "web", intent = "gather", contains = "tides", nth = 2 }   # all optional
json = { findings = [], gaps = ["tides"] }
tokens = 20                            # in so many pieces (default: one for every 4 characters)
seconds = 0.5                          # over so much time (default: none)
usd = 0.002                            # for so much money (default: none)
first_token = 0.2                      # after so much time before the first of it (default: none)
reasoning = "The moon comes to mind."  # thought before it is said (default: nothing)

[[reply]]
tool = { name = "search", arguments = { query = "tides" } }

[[reply]]
fail = "overloaded"                    # the code of any leaf of ProviderError
after = 12                             # after so many pieces of `say` or `json` (default: before the first)
times = 1                              # so often for the same prompt, then the next reply that fits
```

A reply says one thing: `say` (text), `json` (a table, or a string of JSON where null is needed), `tool` (one
table or several), or `fail`. `contains` looks in `about`, in what the person said, in drafts and in what
tools gave.

`nth` is the turn within the conversation of the prompt: 1 while the conversation holds no answer of the
model, 2 when it holds one. It is read from the prompt alone, so a run that goes on in another process gets
the same replies. Only `times` is counted by the process.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from atlas_mcp import errors
from atlas_mcp.errors import InvalidConfiguration, ProviderError
from atlas_mcp.messages import Intent, Text, ToolResult

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.messages import Prompt

__all__ = ["FAILURES", "Script", "ScriptedReply", "ScriptedTool", "When", "turn_of"]

_STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

_KEYS = (
    "A reply has when, say, json, tool, fail, after, times, retry_after, tokens, seconds, usd, first_token, "
    "reasoning; its when has agent, intent, contains, nth."
)

FAILURES: dict[str, type[ProviderError]] = {
    leaf.code: leaf for leaf in ProviderError.__subclasses__() if leaf is not errors.Cancelled
}
"""What a script can make a provider fail with, by code; cancelling is the reader's, not the provider's."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _known_failure(value: str) -> str:
    if value not in FAILURES:
        raise ValueError(f"no failure is called {value!r}; there are {', '.join(sorted(FAILURES))}")
    return value


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


Failure: TypeAlias = Annotated[str, BeforeValidator(_known_failure)]


class When(BaseModel):
    """Which prompts a reply is for; what is left out fits every prompt."""

    model_config = _STRICT

    agent: str | None = None
    intent: Intent | None = None
    contains: str | None = None
    nth: int | None = Field(default=None, ge=1)

    def fits(self, prompt: Prompt) -> bool:
        """Whether a prompt is meant."""
        return (
            self.agent in {None, prompt.agent}
            and self.intent in {None, prompt.intent}
            and self.nth in {None, turn_of(prompt)}
            and (self.contains is None or any(self.contains in text for text in _texts(prompt)))
        )


class ScriptedTool(BaseModel):
    """A tool call to make."""

    model_config = _STRICT

    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class ScriptedReply(BaseModel):
    """One `[[reply]]`: when it is meant, what it says or how it fails, in how many pieces and how slowly."""

    model_config = _STRICT

    when: When = When()
    say: str | None = None
    json_: Annotated[JsonValue, BeforeValidator(_parsed)] = Field(default=None, alias="json")
    tool: Annotated[tuple[ScriptedTool, ...], BeforeValidator(_listed)] = ()
    fail: Failure | None = None
    after: int = Field(default=0, ge=0)
    times: int | None = Field(default=None, ge=1)
    retry_after: float | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=0.0, ge=0)
    usd: float = Field(default=0.0, ge=0)
    first_token: float = Field(default=0.0, ge=0)
    reasoning: str = ""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = [name for name in ("say", "json", "tool") if self._has(name)]
        if len(said) > 1:
            raise ValueError(f"it says several things at once ({', '.join(said)}); keep one")
        if not said and self.fail is None:
            raise ValueError("it says nothing; give one of say, json, tool, fail")
        if self.fail is None and {"after", "times", "retry_after"} & self.model_fields_set:
            raise ValueError("after, times and retry_after belong to fail")
        if self.fail is not None and "tool" in said:
            raise ValueError("a finished tool call ends a stream, so it cannot fail after one")
        return self

    def _has(self, name: str) -> bool:
        return bool({name, f"{name}_"} & self.model_fields_set)

    @property
    def text(self) -> str | None:
        """What is said, as text; None where nothing is."""
        if self._has("json"):
            return json.dumps(self.json_, ensure_ascii=False)
        return self.say


@dataclass(frozen=True, slots=True)
class Script:
    """The replies of one script, in order; `name` is how errors and answers call it."""

    name: str
    replies: tuple[ScriptedReply, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The script in a file.

        Raises:
            InvalidConfiguration: the file cannot be read, or it is wrong somewhere, named by reply and key.
        """
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfiguration(
                f"The script {path} cannot be read: {error}.", remedy="Write scripted:PATH of a TOML file."
            ) from error
        return cls.parse(text, name=str(path))

    @classmethod
    def parse(cls, text: str, *, name: str = "script") -> Self:
        """The script in a text.

        Raises:
            InvalidConfiguration: something in it is wrong, named by reply and key.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidConfiguration(f"{name} is not TOML: {error}.") from error
        return cls.from_table(table, name=name)

    @classmethod
    def from_table(cls, table: dict[str, Any], *, name: str = "script") -> Self:
        """The script in a table that holds nothing but `reply`, for formats that hold more.

        Raises:
            InvalidConfiguration: something in it is wrong, named by reply and key.
        """
        if unknown := sorted(table.keys() - {"reply"}):
            raise InvalidConfiguration(
                f"{name}: {unknown[0]!r} is no key of a script.", remedy="Write [[reply]]."
            )
        listed = table.get("reply", [])
        if not isinstance(listed, list):
            raise InvalidConfiguration(
                f"{name}: reply is not a list.", remedy="Write [[reply]], in two brackets."
            )
        replies = cast("list[Any]", listed)
        return cls(name, tuple(_reply(entry, number, name) for number, entry in enumerate(replies, start=1)))


def _reply(entry: Any, number: int, name: str) -> ScriptedReply:
    try:
        return ScriptedReply.model_validate(entry)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(step) for step in problem["loc"])
        said = problem["msg"].removeprefix("Value error, ")
        unknown = problem["type"] == "extra_forbidden"
        raise InvalidConfiguration(
            f"{name}: reply {number}: "
            + (f"{key} is no key." if unknown else f"{key}: {said}.".lstrip(": ")),
            remedy=_KEYS if unknown else "",
        ) from error


def turn_of(prompt: Prompt) -> int:
    """Which answer of the conversation is asked for, from 1."""
    return 1 + sum(message.role == "assistant" for message in prompt.messages)


def _texts(prompt: Prompt) -> list[str]:
    """What a reply's `contains` looks in."""
    said = [
        part.text
        for message in prompt.messages
        if message.role != "assistant"
        for part in message.parts
        if isinstance(part, Text | ToolResult)
    ]
    return [prompt.about, *said, *(draft.text for draft in prompt.drafts)]
