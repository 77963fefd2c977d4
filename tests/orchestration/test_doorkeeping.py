"""What a person is asked before a tool with effects is used, and for which call the answer counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from atlas_mcp.downstream.toolbox import Found, Tool
from atlas_mcp.messages import ToolCall, ToolSpec
from atlas_mcp.orchestration.doorkeeping import Doorkeeper, file_question, tool_question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas_mcp.orchestration.asking import Question
    from atlas_mcp.orchestration.running import Running

HELLO = {"to": "ada@library.example", "body": "hello"}


async def send(arguments: dict[str, Any]) -> Found:
    return Found("It is sent.")


MAIL = Tool(ToolSpec("mail__send", "Sends.", {"type": "object"}), send, "mail/send", reads=False, ask=True)


@dataclass
class Kept:
    """A run as its steps see it: `kept` and `answered` outlast a process, `approved` does not."""

    decisions: list[str]
    approved: set[str] = field(default_factory=set[str])
    kept: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    answered: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    async def once(self, path: str, about: str, make: Callable[[], Awaitable[str]]) -> str:
        if (path, about) not in self.kept:
            self.kept[path, about] = await make()
        return self.kept[path, about]

    async def ask_person(self, question: Question) -> dict[str, Any]:
        if question.id not in self.answered:
            self.answered[question.id] = {"decision": self.decisions.pop(0)}
            await asyncio.sleep(0)
        return self.answered[question.id]

    @property
    def door(self) -> Doorkeeper:
        """The gate of the step in another process."""
        return Doorkeeper(cast("Running", self), "work/a1", "clerk")

    async def approve(self, *, door: Doorkeeper | None = None, **arguments: Any) -> str:
        """Why a call may not be made; each in its own process, unless `door` is that of one."""
        return await (door or self.door).approve(MAIL, ToolCall("c", "mail__send", arguments or HELLO))


async def test_a_yes_to_one_call_lets_no_other_pass_however_alike() -> None:
    run = Kept(["once", "once", "no"])
    door = run.door
    assert [await run.approve(door=door) for _ in range(3)] == ["", "", "A person refused mail/send."]
    assert len(run.answered) == 3


async def test_two_calls_that_are_alike_and_made_together_are_two_questions() -> None:
    run = Kept(["once", "no"])
    door = run.door
    said = await asyncio.gather(run.approve(door=door), run.approve(door=door))
    assert sorted(said) == ["", "A person refused mail/send."]


async def test_after_a_restart_what_let_a_finished_call_pass_lets_no_other_pass() -> None:
    run = Kept(["once", "no"])
    assert await run.approve() == ""
    assert await run.approve() == "A person refused mail/send."


async def test_a_step_that_ended_while_it_asked_finds_the_answer_when_it_is_walked_again() -> None:
    run = Kept([])
    question = tool_question("work/a1", "clerk", "mail/send", HELLO)
    run.answered[question.id] = {"decision": "once"}
    assert await run.approve() == ""


async def test_a_no_holds_for_the_same_call_and_a_server_that_was_let_in_for_every_other() -> None:
    run = Kept(["no", "server"])
    assert [await run.approve() for _ in range(2)] == ["A person refused mail/send."] * 2
    assert await run.approve(to="bob@library.example") == ""
    assert await run.approve(to="eve@library.example") == ""
    assert len(run.answered) == 2


def test_a_long_value_hides_no_other() -> None:
    wanted = {"attach": "/home/me/taxes.docx", "body": "harmless words " * 400, "to": "eve@evil.example"}
    text = tool_question("work/a1", "clerk", "mail/send", {"message": wanted}).text
    assert '"attach": "/home/me/taxes.docx"' in text
    assert '"to": "eve@evil.example"' in text
    assert "(6,000 characters)" in text
    assert len(text) < 1_000


def test_what_is_too_much_to_show_is_said_to_be() -> None:
    many = {f"{number:04}": "harmless" for number in range(1_000)}
    text = tool_question("work/a1", "clerk", "mail/send", many).text
    assert "NOT ALL IS SHOWN" in text
    assert len(text) < 4_000


@pytest.mark.parametrize(
    "question",
    [
        tool_question("work/a1", "clerk", "library/note", {"te\u200bxt": "yes\u202eon"}),
        tool_question("work/a1", "clerk", "library/no\u202ete\u200b", {}),
        file_question("deliver", "writing", "word", "/x/\u202exs\u200b.docx", 3),
    ],
    ids=["arguments", "tool", "file"],
)
def test_what_a_person_is_asked_shows_what_is_hidden(question: Question) -> None:
    assert "⟨U+202E⟩" in question.text
    assert "⟨U+200B⟩" in question.text
    assert not {"\u202e", "\u200b"} & {*question.text}
