"""`atlas-mcp runs`: which there were, what happened in one, how to steer or answer one from any terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.run import abandoned, exit_code, follow, give, leave_waiting
from atlas_mcp.cli.run_ids import LAST, WAITING, RunId, find_run
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.app import Atlas
    from atlas_mcp.cli.branches import Branch
    from atlas_mcp.cli.live import Manner
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["runs"]

runs = typer.Typer(
    help="Runs: list, show, watch, answer, export, pause, resume, cancel.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Plain = Annotated[bool, typer.Option("--plain", help="Show progress as plain lines.")]


@runs.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    team: Annotated[str | None, typer.Option(help="Of this team only.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="In this state only; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from atlas_mcp.cli.run_list import give_runs

    perform(give_runs(limit, team, state or [], as_json=as_json))


@runs.command("show")
def show_run(
    run_id: RunId = LAST,
    as_json: AsJson = False,
    tree: Annotated[
        bool, typer.Option("--tree", help="Steps, work, model and tool calls as a tree, with what each took.")
    ] = False,
) -> None:
    """Tell what happened in a run: plan, work, tools, usage, failures and their cause, its teams' runs."""
    perform(_show(run_id, as_json=as_json, tree=tree))


async def _show(run_id: str, *, as_json: bool, tree: bool) -> Exit:
    from atlas_mcp.cli.branches import branches_of
    from atlas_mcp.cli.learned import in_words
    from atlas_mcp.cli.run_tree import tell_tree
    from atlas_mcp.cli.story import tell_story

    if as_json and tree:
        raise InvalidInput("A run is shown in one way.", remedy="Give one of --json and --tree.")
    async with opened() as atlas:
        row = await find_run(atlas, run_id)
        events = await atlas.events(row.run_id)
        branches = await branches_of(atlas, events)
        if tree:
            await tell_tree(stdout(), atlas, row, branches)
            return Exit.DONE
        told = events if as_json else await in_words(atlas, events)
    if as_json:
        every = [asdict(event) for event in events]
        give_json({"run": asdict(row), "events": every, "children": _children(branches)})
    else:
        tell_story(stdout(), row, told, branches)
    return Exit.DONE


def _children(branches: Sequence[Branch]) -> list[dict[str, Any]]:
    from atlas_mcp.cli.run_list import run_facts

    return [
        {"assignment": each.assignment, "run": run_facts(each.row), "children": _children(each.branches)}
        for each in branches
    ]


@runs.command("watch")
def watch_run(run_id: RunId = LAST, plain: Plain = False, as_json: AsJson = False) -> None:
    """Watch a run to its end, whoever works on it, and print its brief; Ctrl-C only stops watching."""
    perform(_watch(run_id, "plain" if plain else "live", as_json=as_json))


async def _watch(run_id: str, manner: Manner, *, as_json: bool) -> Exit:
    from atlas_mcp.cli.branches import root_of
    from atlas_mcp.orchestration.store import RunState

    async with opened() as atlas:
        row = await find_run(atlas, run_id)
        if row.state is RunState.INTERRUPTED:
            return abandoned((await root_of(atlas, row)).run_id)
        return await follow(atlas, row.run_id, manner=manner, as_json=as_json, ours=False)


class Format(StrEnum):
    """What a run can be exported as."""

    JSON = "json"
    MARKDOWN = "markdown"
    MERMAID = "mermaid"
    SVG = "svg"


@runs.command("export")
def export_run(
    run_id: RunId = LAST,
    form: Annotated[Format, typer.Option("--format", "-f", help="json holds everything.")] = Format.JSON,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; stdout if left out.")
    ] = None,
) -> None:
    """Export a run: everything as JSON, its brief as Markdown, who did what as a Mermaid or SVG picture."""
    perform(_export(run_id, form, output))


async def _export(run_id: str, form: Format, output: str | None) -> Exit:
    async with opened() as atlas:
        row = await find_run(atlas, run_id)
        text = await _exported(atlas, row, form)
    if output is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return Exit.DONE
    _write(output, text)
    return Exit.DONE


def _write(output: str, text: str) -> None:
    try:
        Path(output).write_text(text, "utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{output} cannot be written: {error.strerror or error}.", remedy="Name another file with -o."
        ) from None
    stderr().print(f"Written to {output}.", soft_wrap=True)


async def _exported(atlas: Atlas, row: RunRow, form: Format) -> str:
    match form:
        case Format.JSON:
            events = [asdict(event) for event in await atlas.events(row.run_id)]
            return (
                json.dumps({"v": 1, "run": asdict(row), "events": events}, ensure_ascii=False, indent=2)
                + "\n"
            )
        case Format.MARKDOWN:
            if row.output is None:
                raise InvalidInput(
                    f"Run {row.run_id} is {row.state} and has no brief.", remedy="Export it as json."
                )
            return str(row.output.get("report", json.dumps(row.output, ensure_ascii=False, indent=2)))
        case Format.MERMAID:
            from atlas_mcp.observe.pictures.mermaid import picture

            return picture(await atlas.events(row.run_id))
        case Format.SVG:
            from atlas_mcp.observe.pictures.svg import picture_svg

            return picture_svg(await atlas.events(row.run_id))


@runs.command("pause")
def pause_run(run_id: RunId = LAST) -> None:
    """Let a run begin no new call until it is resumed."""
    perform(_steer(run_id, "pause"))


@runs.command("cancel")
def cancel_run(run_id: RunId = LAST) -> None:
    """Stop a run for good; what it did stays in its journal."""
    perform(_steer(run_id, "cancel"))


async def _steer(run_id: str, action: str) -> Exit:
    async with opened() as atlas:
        row = await find_run(atlas, run_id)
        await atlas.control(row.run_id, action, reason="asked at the command line")
        stderr().print(f"Run {row.run_id} was told to {action}.", soft_wrap=True)
    return Exit.DONE


@runs.command("resume")
def resume_run(
    run_id: RunId = LAST,
    provider: Annotated[
        str | None, typer.Option(help="Who answers prompts, where the run was begun with another provider.")
    ] = None,
    changed_team: Annotated[
        bool, typer.Option("--changed-team", help="Go on even though the team's folder changed meanwhile.")
    ] = False,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Let a paused run go on; take up an interrupted one here, from where it was, and print its brief."""
    manner: Manner = "plain" if plain else "live"
    perform(_resume(run_id, manner, provider=provider, changed_team=changed_team, as_json=as_json))


async def _resume(
    run_id: str, manner: Manner, *, provider: str | None, changed_team: bool, as_json: bool
) -> Exit:
    from atlas_mcp.cli.run_again import has_ended
    from atlas_mcp.orchestration.store import RunState

    async with opened(provider=provider) as atlas:
        row = await find_run(atlas, run_id)
        if row.final:
            told = has_ended(row, atlas.teams.get(row.team))
            if row.output is None:
                raise told
            stderr().print(f"{told.message} This is its brief:", markup=False, soft_wrap=True)
            return await give(atlas, row.run_id, as_json=as_json)
        interrupted = row.state is RunState.INTERRUPTED
        row = await atlas.control(
            row.run_id, "resume", reason="asked at the command line", changed_team=changed_team
        )
        if not interrupted and not atlas.works_on(row.run_id):
            stderr().print(f"Run {row.run_id} was told to go on.", soft_wrap=True)
            return exit_code(row) if row.final else Exit.DONE
        return await follow(atlas, row.run_id, manner=manner, as_json=as_json, ours=True)


@runs.command("answer")
def answer_run(  # noqa: PLR0917 - each is an option that a person names
    run_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="A run's id or its beginning; the newest that waits if left out."),
    ] = WAITING,
    approve: Annotated[
        bool, typer.Option("--approve", help="Say yes: to the plan, to this one call, to another try.")
    ] = False,
    reject: Annotated[
        str | None,
        typer.Option(
            "--reject", metavar="REASON", help="Say no, with this reason; no to a plan ends the run."
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option("--plan", metavar="FILE", help="Carry out the plan in this JSON file instead."),
    ] = None,
    given: Annotated[
        str | None, typer.Option("--json", metavar="ANSWER", help="The answer as JSON; for any question.")
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", metavar="ID", help="Which question, where a run asks several.")
    ] = None,
    plain: Plain = False,
) -> None:
    """Answer what a run asks; without an option, ask at the terminal.

    The run goes on where it is owned; if nobody works on it, here.
    """
    manner: Manner = "plain" if plain else "live"
    perform(_answer(run_id, manner, question, approve=approve, reject=reject, plan=plan, given=given))


async def _answer(
    run_id: str, manner: Manner, question: str | None, *, approve: bool, reject: str | None,
    plan: str | None, given: str | None,
) -> Exit:  # fmt: skip
    from atlas_mcp.cli.asking import answer_from, ask_at_terminal

    answer = answer_from(approve=approve, reject=reject, plan=plan, given=given)
    async with opened() as atlas:
        row = await find_run(atlas, run_id)
        if answer is not None and (approve or reject is not None):
            answer = await _as_asked(atlas, row, question, answer)
        if answer is not None:
            await atlas.answer(row.run_id, answer, question_id=question)
        elif not await ask_at_terminal(atlas, row.run_id, question):
            return await leave_waiting(atlas, row.run_id)
        if atlas.works_on(row.run_id):
            return await follow(atlas, row.run_id, manner=manner, as_json=False, ours=True)
        stderr().print(f"Run {row.run_id} has its answer and goes on.", soft_wrap=True)
    return Exit.DONE


async def _as_asked(
    atlas: Atlas, row: RunRow, question: str | None, answer: dict[str, Any]
) -> dict[str, Any]:
    """A yes or no in the words of the question that it is for; as it is where that is not known yet."""
    from atlas_mcp.cli.choices import as_offered

    still = await atlas.questions(row.run_id)
    named = [each for each in still if question in {None, each.id}]
    return as_offered(named[0], answer) if len(named) == 1 else answer
