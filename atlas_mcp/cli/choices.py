"""What a question leaves to be decided, as a person at a terminal reads and answers it.

A question offers its decisions in its schema, by words that programs read. Here each has a key to press and a
meaning, and yes and no are found among them.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.cli.terminal import stderr
from atlas_mcp.errors import InvalidInput
from atlas_mcp.orchestration.asking import QuestionKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeAlias

    from atlas_mcp.orchestration.asking import Question

    Ask: TypeAlias = Callable[[str], Awaitable[str | None]]
    """Shows a prompt and gives the line that was typed; None at the end of input."""

__all__ = ["Ask", "Choice", "as_offered", "ask_choice", "choices", "ways_to_answer"]

_YES = ("approve", "once", "server", "again")
_NO = ("reject", "no", "give_up")
"""Decisions that say yes and no, the narrowest first."""
_KEYS = {"once": "y", "again": "y", "approve": "y", "server": "a", "edit": "e"} | dict.fromkeys(_NO, "n")
_WORDS = {"y": ("yes",), "a": ("all", "always"), "n": ("no",)}
"""What else may be typed for a key."""
_SAYS = {"once": "this once", "again": "try again", "give_up": "give up"}
_LATER = frozenset({"l", "later", "q", "quit"})


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that a question offers: the key that is typed for it, its word, and what it means."""

    key: str
    value: str
    says: str


def choices(question: Question) -> tuple[Choice, ...]:
    """What may be decided; none where a question asks for something else, or for more than a note beside."""
    fields: dict[str, dict[str, Any]] = question.schema.get("properties") or {}
    values: list[Any] = fields.get("decision", {}).get("enum") or []
    if question.kind is QuestionKind.APPROVE_PLAN or not values or fields.keys() - {"decision", "note"}:
        return ()
    words = [str(value) for value in values]
    made: list[Choice] = []
    for word in words:
        # Where a server is let in or not, and nothing in between, that is the yes.
        key = "y" if word == "server" and "once" not in words else _KEYS.get(word, word)
        key = word if key in {each.key for each in made} else key
        made.append(Choice(key, word, _said(question, word)))
    return tuple(made)


def _said(question: Question, word: str) -> str:
    if word == "server":
        server = str(question.data.get("tool", "")).partition("/")[0]
        return f"every tool of {server or 'this server'} for the whole run"
    return _SAYS.get(word, word.replace("_", " "))


async def ask_choice(question: Question, line: Ask) -> dict[str, Any] | None:
    """What the person decides, asked until it is one of the choices; None if they leave it for later."""
    offered = choices(question)
    legend = ", ".join([*(f"{each.key} = {each.says}" for each in offered), "l = later"])
    while (typed := await line(f"{legend}\n> ")) is not None:
        word = typed.strip().lower()
        if word in _LATER:
            return None
        for each in offered:
            if word in {each.key, each.value, *_WORDS.get(each.key, ())}:
                return await _with_note(question, each, line)
        keys = ", ".join(each.key for each in offered)
        stderr().print(f"Type {keys} or l.", style="yellow", markup=False)
    return None


async def _with_note(question: Question, chosen: Choice, line: Ask) -> dict[str, Any]:
    answer = {"decision": chosen.value}
    if chosen.value in _NO and "note" in question.schema["properties"]:
        note = (await line("Why? (Enter: without a reason) ") or "").strip()
        answer |= {"note": note} if note else {}
    return answer


def as_offered(question: Question, answer: Mapping[str, Any]) -> dict[str, Any]:
    """A yes or no, given as to a plan, in the words that a question offers.

    Raises:
        InvalidInput: it offers neither, so that a yes or no is no answer.
    """
    fields: dict[str, dict[str, Any]] = question.schema.get("properties") or {}
    offered: list[str] = fields.get("decision", {}).get("enum") or []
    wished = _YES if answer["decision"] in _YES else _NO
    decision = next((each for each in wished if each in offered), None)
    if decision is None:
        raise InvalidInput(
            f"The question {question.id} asks for no yes or no.",
            remedy=f"Give --json with an object such as {_json(_example(question.schema))}",
        )
    return {key: value for key, value in answer.items() if key in fields} | {"decision": decision}


def ways_to_answer(run_id: str, question: Question) -> str:
    """The commands that answer a question, ready to be typed."""
    answer = f"atlas-mcp runs answer {run_id} --question {shlex.quote(question.id)}"
    if question.kind is QuestionKind.APPROVE_PLAN:
        return f"It waits for you: {answer} --approve (or --plan FILE, or --reject REASON)"
    if offered := choices(question):
        lines = [f"  {answer} --json {_quoted({'decision': each.value})}  # {each.says}" for each in offered]
        return "\n".join(["It waits for you. Answer by one of:", *lines])
    shape = _json(question.schema)
    return f"It waits for you: {answer} --json {_quoted(_example(question.schema))}\n  of the shape {shape}"


def _example(schema: Mapping[str, Any]) -> Any:
    """A value of a schema's shape, to be changed by whoever sends it."""
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = cast("dict[str, dict[str, Any]]", schema.get("properties") or {})
            wanted: list[str] = schema.get("required") or list(fields)
            return {name: _example(fields.get(name, {})) for name in wanted}
        case "array":
            return []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "…"


def _quoted(value: object) -> str:
    return shlex.quote(_json(value))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
