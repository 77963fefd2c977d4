"""What a run asks, put to the person at the terminal: a plan as a table that they approve, edit or reject.

Nothing here waits for a key on the event loop: the run's lease is renewed while somebody thinks.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import tempfile
import threading
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from atlas_mcp.cli.choices import ask_choice, choices
from atlas_mcp.cli.terminal import stderr, tell
from atlas_mcp.errors import InvalidInput
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.asking import QuestionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from atlas_mcp.app import Atlas
    from atlas_mcp.cli.choices import Ask
    from atlas_mcp.orchestration.asking import Question

__all__ = ["answer_from", "ask", "ask_at_terminal", "show"]

Plan: TypeAlias = "list[dict[str, Any]]"

_READERS: Mapping[str, Callable[[str], Any]] = {
    "integer": int, "number": float, "boolean": lambda typed: typed.lower() in {"y", "yes", "true", "1"},
}  # fmt: skip


def answer_from(
    *, approve: bool, reject: str | None, plan: str | None, given: str | None
) -> dict[str, Any] | None:
    """The answer that options give; None where there are none.

    Raises:
        InvalidInput: there are several, or what should be JSON is not.
    """
    ways = [approve, reject is not None, plan is not None, given is not None]
    if sum(ways) > 1:
        raise InvalidInput(
            "An answer is one thing.", remedy="Give one of --approve, --reject, --plan and --json."
        )
    if approve:
        return {"decision": "approve"}
    if reject is not None:
        return {"decision": "reject", "note": reject} if reject else {"decision": "reject"}
    if plan is not None:
        try:
            text = Path(plan).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{plan} cannot be read: {error}.", remedy="Name a JSON file.") from None
        return {"decision": "edit", "assignments": _plan_in(text, plan)}
    return None if given is None else cast("dict[str, Any]", _json(given, "--json", dict))


def _json(text: str, place: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{place}: this is no JSON: {error}.", remedy="Correct it.") from None
    if not isinstance(value, kind):
        name = "an object" if kind is dict else "a list"
        raise InvalidInput(f"{place}: this must be {name}.", remedy="See: atlas-mcp runs show")
    return value


def _plan_in(text: str, place: str) -> Plan:
    """The assignments of a plan, which may stand in an object under that name."""
    value = _json(text, place, object)
    plan = cast("dict[str, Any]", value).get("assignments") if isinstance(value, dict) else value
    if not isinstance(plan, list):
        raise InvalidInput(f"{place}: this must be a list.", remedy="See: atlas-mcp runs show")
    return cast("Plan", plan)


def show(question: Question) -> None:
    """Show a question; a plan as a table."""
    from atlas_mcp.cli.hidden import marked

    console = stderr()
    console.print(marked(question.text, "bold"), soft_wrap=True)
    match question.kind:
        case QuestionKind.APPROVE_PLAN:
            _show_plan(question.data["assignments"])
        case QuestionKind.APPROVE_TOOL:
            for name, value in question.data.get("arguments", {}).items():
                told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                console.print(marked(f"  {name}: {told}"), soft_wrap=True)
        case _ if question.data:
            told = json.dumps(question.data, ensure_ascii=False, indent=2)
            console.print(marked(told), soft_wrap=True)
        case _:
            pass


def _show_plan(plan: Sequence[Mapping[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "worker", "goal", "after"):
        table.add_column(name, overflow="fold")
    for each in plan:
        after = ", ".join(each["after"])
        table.add_row(*(Text(part) for part in (each["id"], each["worker"], each["goal"], after)))
    stderr().print(table)


async def ask_at_terminal(atlas: Atlas, run_id: str, question_id: str | None = None) -> bool:
    """Ask what a run asks until it is answered; False if nobody is there to ask, or they leave it for later.

    Raises:
        InvalidInput: there is no such question.
    """
    questions = await atlas.questions(run_id)
    if question_id is not None:
        questions = [question for question in questions if question.id == question_id]
    if not questions:
        raise InvalidInput(f"Run {run_id} does not ask that now.", remedy=f"atlas-mcp runs show {run_id}")
    if not (sys.stdin.isatty() and stderr().is_terminal):
        return False
    question = questions[0]
    show(question)
    hearing = asyncio.create_task(_heard(atlas, run_id, question.id))
    try:
        return await _until_answered(atlas, run_id, question, hearing)
    finally:
        hearing.cancel()
        await asyncio.wait({hearing})


async def _heard(atlas: Atlas, run_id: str, question_id: str) -> None:
    """Wait until a question is answered, or the run ends without."""
    async with aclosing(atlas.watch(run_id)) as events:
        async for event in events:
            if event.kind is Kind.QUESTION_ANSWERED and event.data["id"] == question_id:
                return


async def _until_answered(atlas: Atlas, run_id: str, question: Question, hearing: asyncio.Task[None]) -> bool:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    while True:
        asking = asyncio.create_task(ask(question, _typed, editor))
        try:
            await asyncio.wait({asking, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                stderr().print("\nSomebody else answered it.", style="dim")
                return True
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        if (answer := asking.result()) is None:
            return False
        try:
            await atlas.answer(run_id, answer, question_id=question.id)
        except InvalidInput as error:
            tell(error.code, error.message)
        else:
            return True


async def ask(question: Question, line: Ask, editor: str | None = None) -> dict[str, Any] | None:
    """What the person answers; None if they leave it for later.

    A plan is edited in `editor`, a command, else goal by goal.
    """
    if question.kind is not QuestionKind.APPROVE_PLAN:
        return await (ask_choice if choices(question) else _ask_fields)(question, line)
    while (typed := await line("[a]pprove, [e]dit, [r]eject, or [l]ater? ")) is not None:
        match typed.strip().lower()[:1]:
            case "a" | "y":
                return {"decision": "approve"}
            case "r":
                note = (await line("Why? ") or "").strip()
                return {"decision": "reject"} | ({"note": note} if note else {})
            case "e":
                edited = await (_in_editor(question, editor) if editor else _by_lines(question, line))
                if edited is not None:
                    _show_plan(edited)
                    if (await line("Carry this out? [y/n] ") or "").strip().lower().startswith("y"):
                        return {"decision": "edit", "assignments": edited}
            case "l" | "q":
                return None
            case _:
                pass
    return None


async def _in_editor(question: Question, editor: str) -> Plan | None:
    """The plan as it was left in a person's editor; None if that is no plan."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        plan = json.dumps(question.data["assignments"], ensure_ascii=False, indent=2)
        await asyncio.to_thread(file.write_text, f"{plan}\n", "utf-8")
        try:
            process = await asyncio.create_subprocess_exec(*shlex.split(editor), str(file))
        except OSError as error:
            tell("invalid_input", f"{editor} cannot be started: {error.strerror or error}.", "Set EDITOR.")
            return None
        await process.wait()
        try:
            return _checked(_plan_in(await asyncio.to_thread(file.read_text, "utf-8"), "plan.json"), question)
        except InvalidInput as error:
            tell(error.code, error.message)
            return None


def _checked(plan: Plan, question: Question) -> Plan:
    from atlas_mcp.shapes import misfits

    if problems := misfits(question.schema, {"decision": "edit", "assignments": plan}):
        raise InvalidInput(f"This is no plan: {problems[0]}.", remedy="Edit it again.")
    return plan


async def _by_lines(question: Question, line: Ask) -> Plan | None:
    """The plan, goal by goal."""
    workers: list[str] = question.schema["properties"]["assignments"]["items"]["properties"]["worker"]["enum"]
    stderr().print("For each goal: Enter keeps it, - drops it, anything else takes its place.", style="dim")
    plan: Plan = []
    for each in question.data["assignments"]:
        typed = await line(f"{each['id']} {each['worker']}: {each['goal']}\n  > ")
        if typed is None:
            return None
        if typed.strip() != "-":
            plan.append({**each, "goal": typed.strip() or each["goal"]})
    while goal := (await line("Another goal (Enter: none): ") or "").strip():
        worker = workers[0]
        if len(workers) > 1:
            worker = (await line(f"Worker ({', '.join(workers)}) [{worker}]: ") or "").strip() or worker
        numbers = [int(each["id"][1:]) for each in (*question.data["assignments"], *plan)]
        plan.append({"id": f"a{max(numbers, default=0) + 1}", "worker": worker, "goal": goal, "after": []})
    kept = {each["id"] for each in plan}
    dropped = {each["id"] for each in question.data["assignments"]} - kept
    return [{**each, "after": [other for other in each["after"] if other not in dropped]} for each in plan]


async def _ask_fields(question: Question, line: Ask) -> dict[str, Any] | None:
    fields: dict[str, Any] = question.schema.get("properties", {})
    if not fields or any(not isinstance(field.get("type"), str) for field in fields.values()):
        return await _ask_json(line)
    answer: dict[str, Any] = {}
    for name, field in fields.items():
        if field["type"] in {"object", "array"}:
            return await _ask_json(line)
        typed = await _typed_field(name, field, line)
        if typed is None:
            return None
        if typed:
            answer[name] = typed
            with suppress(ValueError):  # What is no number is told by the schema.
                answer[name] = _READERS.get(field["type"], str)(typed)
    return answer or None


async def _typed_field(name: str, field: Mapping[str, Any], line: Ask) -> str | None:
    """What is typed for a field, asked again where it is a question back, or none of what may be chosen."""
    says = field.get("description") or field.get("title") or ""
    allowed = [str(each) for each in field.get("enum", ())]
    one_of = f", one of {', '.join(allowed)}" if allowed else ""
    prompt = f"{name}{f' ({says})' if says else ''}{one_of}: "
    while (typed := await line(prompt)) is not None:
        word = typed.strip()
        if word != "?" and (not allowed or not word or word in allowed):
            return word
        stderr().print("Type what is asked for, or Enter to leave it out.", style="yellow", markup=False)
    return None


async def _ask_json(line: Ask) -> dict[str, Any] | None:
    while typed := await line("The answer as JSON (Enter: later): "):
        try:
            return _json(typed, "the answer", dict)
        except InvalidInput as error:
            tell(error.code, error.message)
    return None


async def _typed(prompt: str) -> str | None:
    """A line from the terminal; a thread of its own waits for it, which nobody waits for when we leave."""
    loop = asyncio.get_running_loop()
    arrives: asyncio.Future[bytes] = loop.create_future()

    def deliver(line: bytes) -> None:
        if not arrives.done():
            arrives.set_result(line)

    def read() -> None:
        # Straight from the file: a thread that dies inside a buffered reader would hold its lock.
        line = os.read(sys.stdin.fileno(), 65_536)
        with suppress(RuntimeError):  # The loop is closed; nobody asks any more.
            loop.call_soon_threadsafe(deliver, line)

    stderr().print(prompt, end="", markup=False, soft_wrap=True)
    threading.Thread(target=read, daemon=True).start()
    line = await arrives
    return line.decode(sys.stdin.encoding or "utf-8", "replace").rstrip("\r\n") if line else None
