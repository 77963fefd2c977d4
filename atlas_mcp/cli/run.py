"""`atlas-mcp run`: ask a team, watch it work, get its brief."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.terminal import Exit, give_json, give_markdown, perform, stderr, tell
from atlas_mcp.cli.trusting import IN_PROJECT, tell_untrusted
from atlas_mcp.cli.words import command
from atlas_mcp.errors import AtlasError, InvalidInput, UnknownTeam
from atlas_mcp.observe.sentences import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.app import Atlas
    from atlas_mcp.cli.live import Manner
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team

__all__ = ["abandoned", "exit_code", "follow", "give", "leave_waiting", "run"]

CALL_OFF_SECONDS = 10.0
"""How long a cancelled run may take to end before we leave it to the next process."""


def team_names(incomplete: str) -> list[str]:
    """For shell completion: teams whose name begins so."""
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import catalogue_of

    try:
        catalogue = catalogue_of(Settings.load())
    except AtlasError:
        catalogue = Catalogue()
    return [name for name in catalogue.entries("teams", "team.toml") if name.startswith(incomplete)]


def run(  # noqa: PLR0917 - each is an option that a person names
    team: Annotated[str | None, typer.Argument(help="Which team.", autocompletion=team_names)] = None,
    text: Annotated[str | None, typer.Argument(metavar="QUESTION", help="What you want of it.")] = None,
    documents: Annotated[
        list[str] | None,
        typer.Option("--documents", "-d", metavar="PATH", help="A file or folder to read; may be repeated."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", "-i", metavar="KEY=VALUE", help="Another input of the team; may be repeated."
        ),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Who answers prompts, such as openai:gpt-5.4-mini or extractive.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--budget-seconds", help="Time the run may take.")] = None,
    calls: Annotated[int | None, typer.Option("--budget-calls", help="Model calls it may make.")] = None,
    tokens: Annotated[int | None, typer.Option("--budget-tokens", help="Tokens it may use.")] = None,
    usd: Annotated[float | None, typer.Option("--budget-usd", help="Money it may cost.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew even if such a run is alive.")] = False,
    no_memory: Annotated[
        bool, typer.Option("--no-memory", help="Recall nothing of earlier runs, keep nothing of this one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole structured result.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Show progress as plain lines.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    _project: Annotated[str | None, IN_PROJECT] = None,
) -> None:
    """Ask a team and get its brief; without a team, list them.

    Progress goes to stderr, the brief to stdout. Ctrl-C cancels the run.
    """
    tell_untrusted()
    if team is None:
        from atlas_mcp.cli.teams import list_teams

        list_teams()
        return
    budget = {"seconds": seconds, "calls": calls, "tokens": tokens, "cost_usd": usd}
    manner: Manner = "quiet" if quiet else "plain" if plain else "live"
    perform(
        _ask(
            team, text, inputs or [], documents or [], provider=provider, fresh=fresh, manner=manner,
            as_json=as_json, memory=not no_memory,
            budget={name: value for name, value in budget.items() if value is not None},
        )
    )  # fmt: skip


async def _ask(
    team: str, text: str | None, inputs: Sequence[str], documents: Sequence[str], *, provider: str | None,
    budget: Mapping[str, Any], fresh: bool, memory: bool, manner: Manner, as_json: bool,
) -> Exit:  # fmt: skip
    from atlas_mcp.cli.hints import of_file, of_handbook
    from atlas_mcp.orchestration.team import pick_team

    roots = (Path.cwd(), *(Path(document) for document in documents))
    async with opened(roots=roots, provider=provider) as atlas:
        if team not in atlas.teams and re.search(r"[\s?]", team):
            raise _without_team(team, text, atlas.teams)
        asked = pick_team(atlas.teams, team)
        given = _read_inputs(asked, text, inputs)
        begun = await atlas.start(
            team, documents=documents, budget=budget, fresh=fresh, memory=memory, **given
        )
        if not begun.new:
            stderr().print(
                "The same is asked already; this is the run that is at work on it.", soft_wrap=True
            )
        elif not documents and manner != "quiet":
            _hint(await of_handbook(atlas, asked))
        code = await follow(atlas, begun.id, manner=manner, as_json=as_json, ours=True)
        if code in {Exit.DONE, Exit.PARTIAL} and manner != "quiet":
            _hint(of_file(asked, given))
        return code


def _without_team(question: str, text: str | None, teams: Mapping[str, Team]) -> UnknownTeam:
    """What is said to whoever asks and names no team, or names it behind the question."""
    team = text if text is not None and text in teams else "research"
    return UnknownTeam(
        "The team comes first, then what you want of it.",
        remedy=command(["atlas-mcp", "run", team, shortened(question)]),
    )


def _hint(said: str) -> None:
    if said:
        stderr().print(said, style="dim", markup=False, soft_wrap=True)


def _read_inputs(team: Team, text: str | None, pairs: Sequence[str]) -> dict[str, Any]:
    """The team's input: `text` is its first one, each pair `KEY=VALUE` another."""
    given: dict[str, Any] = {} if text is None else {next(iter(team.input)): text}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--input {pair!r} has no equals sign.", remedy="Write --input KEY=VALUE.")
        kind = team.input[name].type if name in team.input else "string"
        given[name] = value if kind == "string" else _read_value(name, kind, value)
    return given


def _read_value(name: str, kind: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise InvalidInput(
            f"--input {name}: {value!r} is no {kind}.", remedy=f"Write the {kind} as in JSON."
        ) from None


async def follow(atlas: Atlas, run_id: str, *, manner: Manner, as_json: bool, ours: bool) -> Exit:
    """Watch a run to its end and give what came of it; a cancelled call calls the run off if it is `ours`.

    What the run asks meanwhile is asked at the terminal; where there is none, that ends it.
    """
    from atlas_mcp.cli.asking import ask_at_terminal
    from atlas_mcp.cli.live import watch

    seen: dict[str, int] = {}
    try:
        while True:
            await watch(atlas, run_id, manner, seen=seen)
            if not await atlas.questions(run_id):
                break
            if not await ask_at_terminal(atlas, run_id):
                return await leave_waiting(atlas, run_id, as_json=as_json)
    except asyncio.CancelledError:
        told = await _call_off(atlas, run_id) if ours else "goes on without us"
        stderr().print(f"Run {run_id} {told}. Look at it: atlas-mcp runs show {run_id}", soft_wrap=True)
        return Exit.INTERRUPTED
    if not (await atlas.get(run_id)).final:
        from atlas_mcp.cli.branches import root_of

        return abandoned((await root_of(atlas, await atlas.get(run_id))).run_id)
    return await give(atlas, run_id, as_json=as_json)


async def leave_waiting(atlas: Atlas, run_id: str, *, as_json: bool = False) -> Exit:
    """Say what a run asks and which command answers it."""
    from atlas_mcp.cli.asking import show
    from atlas_mcp.cli.choices import ways_to_answer

    for question in await atlas.questions(run_id):
        show(question)
        stderr().print(ways_to_answer(run_id, question), soft_wrap=True, markup=False)
    if as_json:
        give_json(await atlas.result(run_id))
    return Exit.WAITING


def abandoned(run_id: str) -> Exit:
    """Say that nobody works on a run any more, and how to take it up."""
    stderr().print(f"Nobody works on it now. Take it up: atlas-mcp runs resume {run_id}", soft_wrap=True)
    return Exit.INTERRUPTED


async def _call_off(atlas: Atlas, run_id: str) -> str:
    if (await atlas.get(run_id)).final:
        return "had ended"
    await atlas.control(run_id, "cancel", reason="Ctrl-C")
    envelope = await atlas.result(run_id, wait_seconds=CALL_OFF_SECONDS, to_the_end=True)
    return (
        "was cancelled"
        if envelope["state"] == "cancelled"
        else f"was told to cancel and is {envelope['state']}"
    )


async def give(atlas: Atlas, run_id: str, *, as_json: bool) -> Exit:
    """Print what came of a run: the brief, or with `as_json` the envelope with the whole output."""
    row = await atlas.get(run_id)
    if as_json:
        envelope = await atlas.result(run_id)
        envelope.pop("truncated", None)
        give_json({**envelope, "output": row.output})
    elif row.output is not None:
        report = row.output.get("report")
        give_markdown(report) if isinstance(report, str) else give_json(row.output)
    if row.error:
        tell(
            row.error["code"],
            row.error["message"] or f"Run {run_id} was {row.state}.",
            row.error.get("remedy", ""),
        )
    if row.error or row.partial:
        stderr().print(f"What happened: atlas-mcp runs show {run_id}", style="dim", soft_wrap=True)
    return exit_code(row)


def exit_code(row: RunRow) -> Exit:
    """What a command that was about this run leaves with."""
    match row.state.value:
        case "done":
            return Exit.PARTIAL if row.partial else Exit.DONE
        case "waiting":
            return Exit.WAITING
        case "cancelled" | "interrupted":
            return Exit.INTERRUPTED
        case _:
            return Exit.FAILED
