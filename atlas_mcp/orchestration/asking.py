"""What runs ask a person: questions that wait in the run's database, however long, until somebody answers.

A question is known by its id, the path of the step that asks, so that a step walked again after a restart
finds what it asked and, where it came meanwhile, the answer. An answer is checked when it is given; one that
does not fit is refused and the question stays open.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import InvalidInput
from atlas_mcp.events import Kind
from atlas_mcp.observe.journal import insert_event, now
from atlas_mcp.orchestration.prompts import plan_schema
from atlas_mcp.shapes import misfits, unmarked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from atlas_mcp.database import Database
    from atlas_mcp.observe.journal import Journal
    from atlas_mcp.orchestration.limits import Limits
    from atlas_mcp.orchestration.team import Team

__all__ = [
    "SCHEMA", "Asked", "Person", "Question", "QuestionKind", "Questions", "failure_question",
    "plan_question",
]  # fmt: skip

SCHEMA = """
CREATE TABLE question (
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    schema TEXT NOT NULL,
    data TEXT NOT NULL,
    asked_at TEXT NOT NULL,
    answer TEXT,
    answered_at TEXT,
    answered_by TEXT,
    PRIMARY KEY (run_id, id)
) WITHOUT ROWID;
"""

_MOST_NOTE = 2_000


class QuestionKind(StrEnum):
    """What a question is about."""

    APPROVE_PLAN = "approve_plan"
    APPROVE_TOOL = "approve_tool"
    QUESTION = "question"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked: `schema` is the JSON Schema of the answer, an object; `data` what it is about.

    `id` is unique in its run: the path of the step that asks.
    """

    id: str
    text: str
    schema: dict[str, Any]
    kind: QuestionKind = QuestionKind.QUESTION
    data: dict[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """The question as JSON, as envelopes show it; `data` only where there is some."""
        shown = {"id": self.id, "text": self.text, "schema": self.schema, "kind": self.kind.value}
        return shown | ({"data": self.data} if self.data else {})


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was asked, when (ISO 8601 UTC), and what was answered, if it was."""

    question: Question
    asked_at: str
    answer: dict[str, Any] | None = None
    answered_at: str | None = None
    answered_by: str | None = None


class Questions:
    """The questions of every run, and their answers."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def put(
        self, run_id: str, question: Question, *, actor: str, guard: Callable[[sqlite3.Connection], None]
    ) -> dict[str, Any] | None:
        """Ask, once; gives the answer if there is one already. A run at work is `waiting` from then on.

        Raises:
            LeaseLost: another process owns the run.
        """

        def write(connection: sqlite3.Connection) -> dict[str, Any] | None:
            guard(connection)
            there = connection.execute(
                "SELECT * FROM question WHERE run_id = ? AND id = ?", (run_id, question.id)
            ).fetchone()
            if there is None:
                connection.execute(
                    "INSERT INTO question (run_id, id, kind, text, schema, data, asked_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        run_id, question.id, question.kind, question.text, _json(question.schema),
                        _json(question.data), now(),
                    ),
                )  # fmt: skip
                told = {key: value for key, value in asdict(question).items() if key != "data"}
                insert_event(
                    connection, run_id, Kind.QUESTION_ASKED, actor=actor, span_id=question.id, data=told
                )
            elif there["answer"] is not None:
                return json.loads(there["answer"])
            connection.execute(
                "UPDATE run SET state = 'waiting', updated_at = ? WHERE run_id = ? AND state = 'running'",
                (now(), run_id),
            )
            return None

        answer = await self._database.write(write)
        self._journal.wake(run_id)
        return answer

    async def of(self, run_id: str) -> list[Asked]:
        """Every question of a run, in the order in which they were asked."""
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT * FROM question WHERE run_id = ? ORDER BY asked_at, id", (run_id,)
            ).fetchall()
        )
        return [_asked(row) for row in rows]

    async def open(self, run_id: str) -> list[Question]:
        """The questions of a run that nobody has answered, oldest first."""
        return [asked.question for asked in await self.of(run_id) if asked.answer is None]

    async def answer(
        self, run_id: str, answer: Mapping[str, Any], question_id: str | None = None, *, by: str
    ) -> Question:
        """Answer a question of a run that has not ended; without an id, the only one that is open.

        A run that has nothing else to ask is `queued` until its owner goes on with it.

        Raises:
            InvalidInput: the run asks nothing, the answer does not fit, or another answer came first.
        """
        question = _chosen(run_id, await self.of(run_id), question_id)
        if problems := _problems(question, answer):
            raise InvalidInput(
                f"The answer to {question.id} does not fit: {'; '.join(problems)}.",
                remedy=f"Send an object like its schema: {_json(question.schema)}",
            )

        def write(connection: sqlite3.Connection) -> None:
            changed = connection.execute(
                "UPDATE question SET answer = ?, answered_at = ?, answered_by = ?"
                " WHERE run_id = ? AND id = ? AND answer IS NULL",
                (_json(answer), now(), by, run_id, question.id),
            ).rowcount
            if not changed:
                raise _too_late(run_id, question.id)
            insert_event(
                connection, run_id, Kind.QUESTION_ANSWERED, actor="person", span_id=question.id,
                data={"id": question.id, "answer": dict(answer), "by": by},
            )  # fmt: skip
            connection.execute(
                "UPDATE run SET state = 'queued', updated_at = ? WHERE run_id = ? AND state = 'waiting'"
                " AND NOT EXISTS (SELECT 1 FROM question WHERE run_id = ? AND answer IS NULL)",
                (now(), run_id, run_id),
            )

        await self._database.write(write)
        self._journal.wake(run_id)
        return question


class Person:
    """The person behind a run, as its steps see them.

    `on_change` is awaited when the first question opens and after each answer: its owner rests meanwhile.
    The clocks of `limits` stand still while a question is open.
    """

    def __init__(
        self, questions: Questions, run_id: str, *, actor: str, limits: Limits,
        guard: Callable[[sqlite3.Connection], None], on_change: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._questions = questions
        self._run_id = run_id
        self._actor = actor
        self._guard = guard
        self._on_change = on_change
        self._clocks = [limits]
        self._open: dict[str, asyncio.Future[dict[str, Any]]] = {}

    @property
    def waiting(self) -> bool:
        """Whether a question is open."""
        return bool(self._open)

    def under(self, place: str, actor: str, limits: Limits) -> Part:
        """The same person as a child run at that `place` sees them: its questions are the parent's."""
        self._clocks.append(limits)
        if self.waiting:
            limits.pause()
        return Part(self, place, actor)

    async def ask(self, question: Question, *, actor: str = "") -> dict[str, Any]:
        """The answer to a question: the one that was given, else the one that will be, however late.

        Raises:
            LeaseLost: another process owns the run.
        """
        kept = await self._questions.put(
            self._run_id, question, actor=actor or self._actor, guard=self._guard
        )
        if kept is not None:
            return kept
        arrives: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if not self._open:
            for clock in self._clocks:
                clock.pause()
        self._open[question.id] = arrives
        await self._on_change()
        return await arrives

    async def look(self) -> None:
        """See whether somebody answered, and let those go on who asked."""
        if not self._open:
            return
        for asked in await self._questions.of(self._run_id):
            if asked.answer is None or (arrives := self._open.pop(asked.question.id, None)) is None:
                continue
            if not self._open:
                for clock in self._clocks:
                    clock.resume()
            await self._on_change()
            if not arrives.done():
                arrives.set_result(asked.answer)


class Part:
    """The person of a run as one of its child runs sees them."""

    def __init__(self, person: Person, place: str, actor: str) -> None:
        self._person = person
        self._place = place
        self._actor = actor

    def under(self, place: str, actor: str, limits: Limits) -> Part:
        """The same person as a child's own child sees them."""
        return self._person.under(f"{self._place}/{place}", actor, limits)

    async def ask(self, question: Question) -> dict[str, Any]:
        """The answer to a question, which the person finds at the run that they started."""
        placed = Question(
            f"{self._place}/{question.id}", question.text, question.schema, question.kind, question.data
        )
        return await self._person.ask(placed, actor=self._actor)


def failure_question(number: int, failure: Mapping[str, Any]) -> Question:
    """What a person is asked when every worker failed, `number` of them until now: again, or give up."""
    schema = {
        "type": "object",
        "required": ["decision"],
        "additionalProperties": False,
        "properties": {
            "decision": {"type": "string", "enum": ["again", "give_up"]},
            "note": {"type": "string", "maxLength": _MOST_NOTE},
        },
    }
    said = f"{failure['message']} {failure.get('remedy') or ''}".strip()
    return Question(
        f"escalation/{number}", f"No worker succeeded. {said} Mend it and try again, or give up?", schema,
        QuestionKind.ESCALATION, {"error": dict(failure)},
    )  # fmt: skip


def plan_question(team: Team, assignments: Sequence[Mapping[str, Any]], number: int) -> Question:
    """Whether the plan of round `number` may be carried out.

    The answer is `{decision: approve | edit | reject, assignments?, note?}`; an edit brings the assignments
    that are to be done instead.
    """
    plan: dict[str, Any] = unmarked(plan_schema(team)["properties"]["assignments"])
    keys = plan["items"]["properties"]
    shown = [{key: value for key, value in each.items() if key in keys} for each in assignments]
    count = f"{len(shown)} assignment{'' if len(shown) == 1 else 's'}"
    return Question(
        id=f"approve/{number}",
        text=f"May the team {team.name} carry out this plan of {count}?",
        kind=QuestionKind.APPROVE_PLAN,
        data={"round": number, "assignments": shown},
        schema={
            "type": "object",
            "required": ["decision"],
            "additionalProperties": False,
            "properties": {
                "decision": {"type": "string", "enum": ["approve", "edit", "reject"]},
                "assignments": {**plan, "description": "The whole plan as it shall be, with edit."},
                "note": {"type": "string", "maxLength": _MOST_NOTE, "description": "Why, or a wish."},
            },
            "if": {"required": ["decision"], "properties": {"decision": {"const": "edit"}}},
            "then": {"required": ["assignments"]},
        },
    )


def _problems(question: Question, answer: Mapping[str, Any]) -> list[str]:
    """What does not fit; a plan must also hang together, which a schema cannot say."""
    problems = misfits(question.schema, dict(answer))
    if problems or question.kind is not QuestionKind.APPROVE_PLAN:
        return problems
    shown = question.data.get("assignments", [])
    known = {other for each in shown for other in each.get("after", [])} - {each["id"] for each in shown}
    for number, given in enumerate(answer.get("assignments", [])):
        place = f"$.assignments[{number}]"
        if given["id"] in known:
            problems.append(f"{place}.id: {given['id']!r} stands there twice")
        for other in given["after"]:
            if other not in known:
                problems.append(f"{place}.after: {other!r} is no assignment before this one")
        known.add(given["id"])
    return problems


def _chosen(run_id: str, asked: Sequence[Asked], question_id: str | None) -> Question:
    """The question that an answer is for.

    Raises:
        InvalidInput: the run has none like that, or several and none was named.
    """
    still = [each.question for each in asked if each.answer is None]
    if question_id is not None:
        for each in asked:
            if each.question.id == question_id:
                if each.answer is not None:
                    raise _too_late(run_id, question_id)
                return each.question
        names = ", ".join(question.id for question in still) or "none"
        raise InvalidInput(
            f"Run {run_id} has no question {question_id!r}.", remedy=f"Questions that are open: {names}."
        )
    if len(still) > 1:
        raise InvalidInput(
            f"Run {run_id} asks {len(still)} questions.",
            remedy=f"Say which is answered, by question_id: {', '.join(each.id for each in still)}.",
        )
    if still:
        return still[0]
    if asked:
        raise _too_late(run_id, asked[-1].question.id)
    raise InvalidInput(
        f"Run {run_id} asks nothing.", remedy=f'See how far it is: run_result(run_id="{run_id}").'
    )


def _too_late(run_id: str, question_id: str) -> InvalidInput:
    return InvalidInput(
        f"Another answer to {question_id} came first; run {run_id} goes on with that one.",
        remedy=f'See how far it is: run_result(run_id="{run_id}").',
    )


def _asked(row: sqlite3.Row) -> Asked:
    question = Question(
        row["id"], row["text"], json.loads(row["schema"]), QuestionKind(row["kind"]), json.loads(row["data"])
    )
    answer = None if row["answer"] is None else json.loads(row["answer"])
    return Asked(question, row["asked_at"], answer, row["answered_at"], row["answered_by"])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
