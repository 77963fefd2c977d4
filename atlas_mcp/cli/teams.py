"""`atlas-mcp teams`: which there are, what each does, whether it is right and passes its cases; a new one."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.terminal import Exit, give_json, give_markdown, perform, stderr, stdout
from atlas_mcp.errors import AtlasError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.evaluation.trial import Verdict
    from atlas_mcp.orchestration.team import Team

__all__ = ["list_teams", "teams"]

teams = typer.Typer(help="Teams: list, show, new, check, test.", no_args_is_help=True)

VERSION_SHOWN = 12
"""Characters of a version that a person is shown."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _catalogue() -> Catalogue:
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import catalogue_of

    return catalogue_of(Settings.load())


def _folder(name: str) -> Path:
    from atlas_mcp.orchestration.team import unknown_team

    entries = _catalogue().entries("teams", "team.toml")
    if name not in entries:
        raise unknown_team(name, entries)
    return entries[name]


@teams.command("list")
def list_teams(as_json: AsJson = False) -> None:
    """List the teams."""
    perform(_list(as_json=as_json))


async def _list(*, as_json: bool) -> Exit:
    from rich.table import Table

    from atlas_mcp.orchestration.team import load_teams

    loaded = load_teams(_catalogue())
    if as_json:
        give_json([_facts(team) for team in loaded.values()])
        return Exit.DONE
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("team", "version", "asks for", "what it does"):
        table.add_column(title, style="bold" if title == "team" else "")
    for team in loaded.values():
        table.add_row(team.name, team.version[:VERSION_SHOWN], ", ".join(team.input), team.description)
    stdout().print(table)
    return Exit.DONE


def _facts(team: Team) -> dict[str, object]:
    return {
        "name": team.name,
        "description": team.description,
        "folder": str(team.folder),
        "version": team.version,
        "supervisor": team.supervisor,
        "workers": list(team.workers),
        "tools": {name: list(card.tools) for name, card in team.cards.items() if card.tools},
        "writes": {name: list(card.writes) for name, card in team.cards.items() if card.writes},
        "files": list(team.files),
        "input": {name: field.model_dump(exclude_defaults=True) for name, field in team.input.items()},
        "budget": team.budget.model_dump(exclude_none=True),
    }


@teams.command("show")
def show_team(name: str, as_json: AsJson = False) -> None:
    """Show a team: who is on it, what it asks for, within which limits."""
    perform(_show(name, as_json=as_json))


async def _show(name: str, *, as_json: bool) -> Exit:
    from atlas_mcp.orchestration.team import load_team

    team = load_team(_folder(name))
    give_json(_facts(team)) if as_json else give_markdown(_portrait(team))
    return Exit.DONE


def _portrait(team: Team) -> str:
    members = [
        f"- **{name}**{' (supervisor)' if name == team.supervisor else ''}: {card.description}"
        + (f" Tools: {_code(card.tools)}." if card.tools else "")
        + (f" May change things by: {_code(card.writes)}." if card.writes else "")
        for name, card in team.cards.items()
    ]
    inputs = [
        f"- `{name}` ({field.type}{'' if field.required else ', optional'}): {field.description}"
        for name, field in team.input.items()
    ]
    limits = [f"- {name}: {value:g}" for name, value in team.budget.model_dump(exclude_none=True).items()]
    sections = [
        f"# {team.title}\n\n{team.description}",
        "## Members\n\n" + "\n".join(members),
        "## Input\n\n" + "\n".join(inputs),
        *([f"Its document may be written to a file by: {_code(team.files)}."] if team.files else []),
        "## Budget of a run\n\n" + ("\n".join(limits) or "- no limit"),
        f"Version `{team.version[:VERSION_SHOWN]}`, from `{team.folder}`.",
    ]
    return "\n\n".join(sections) + "\n"


def _code(names: Sequence[str]) -> str:
    """Names as Markdown shows them, in which a star is no mark."""
    return ", ".join(f"`{name}`" for name in names)


@teams.command("check")
def check_teams(
    which: Annotated[
        str | None, typer.Argument(metavar="[NAME|PATH]", help="One team; all of them if left out.")
    ] = None,
) -> None:
    """Check the folders of teams; each mistake is named by file and key."""
    perform(_check(which))


def _folders(which: str | None) -> list[Path]:
    if which is None:
        return list(_catalogue().entries("teams", "team.toml").values())
    return [Path(which).resolve() if Path(which).is_dir() else _folder(which)]


async def _check(which: str | None) -> Exit:
    from rich.text import Text

    from atlas_mcp.cli.servers_opening import opened_servers
    from atlas_mcp.evaluation.check import check
    from atlas_mcp.settings import Settings

    code = Exit.DONE
    known = _catalogue().entries("teams", "team.toml").keys()
    async with opened_servers(Settings.load()) as opened:
        servers = dict(opened.entries)
        listed = {name: [pin.offer.name for pin in await opened.pins(name)] for name in servers}
    for folder in _folders(which):
        checked = check(folder, known, servers, listed)
        lines = [
            *(Text.assemble(("✗ ", "red"), (folder.name, "bold"), f"  {each}") for each in checked.mistakes),
            *(
                Text.assemble(("! ", "yellow"), (folder.name, "bold"), f"  {each}")
                for each in checked.remarks
            ),
        ]
        if checked.mistakes:
            code = Exit.FAILED
        elif team := checked.team:
            said = f"  {1 + len(team.workers)} members, version {team.version[:VERSION_SHOWN]}"
            lines.insert(0, Text.assemble(("✓ ", "green"), (team.name, "bold"), said))
        for line in lines:
            stdout().print(line, soft_wrap=True)
    return code


@teams.command("new")
def new_team(
    name: Annotated[str, typer.Argument(help="Small letters, digits, - and _, a letter first.")],
    description: Annotated[str, typer.Option(help="What it does; MCP clients show it to their model.")] = "",
) -> None:
    """Make a team of your own that works at once, to be changed."""
    perform(_new(name, description))


async def _new(name: str, description: str) -> Exit:
    from atlas_mcp.orchestration.new_team import new_team
    from atlas_mcp.settings import Settings

    team = new_team(_catalogue(), Settings.load().config / "teams", name, description)
    stdout().print(str(team.folder), soft_wrap=True)
    asked = next(iter(team.input))
    for line in (
        f"The team {name} is ready: a supervisor, the worker {', '.join(team.workers)}, and one case.",
        "",
        "Change team.toml (what it asks for), the .md files (who its agents are), output.schema.json",
        "(what it gives) and cases/ (what has to come of it). Then:",
        f"  atlas-mcp teams check {name}",
        f"  atlas-mcp teams test {name}",
        f'  atlas-mcp run {name} "…"    # the {asked}',
    ):
        stderr().print(line, soft_wrap=True)
    return Exit.DONE


@teams.command("test")
def try_teams(
    which: Annotated[
        str | None, typer.Argument(metavar="[NAME|PATH]", help="One team; all of them if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try the cases of teams, without a model and apart from your data; tells what is not as it should be."""
    perform(_try(which, as_json=as_json))


async def _try(which: str | None, *, as_json: bool) -> Exit:
    from atlas_mcp.evaluation.case import case_files
    from atlas_mcp.observe.log import write_logs
    from atlas_mcp.orchestration.team import load_team
    from atlas_mcp.settings import Settings

    write_logs(Settings.load().home, console=logging.CRITICAL)
    tried: list[tuple[str, Verdict]] = []
    for folder in _folders(which):
        team = load_team(folder)
        files = case_files(folder)
        if not files and which is not None:
            raise InvalidInput(
                f"The team {team.name} has no cases.",
                remedy=f"Write {folder / 'cases' / 'NAME.toml'}; `atlas-mcp teams new` makes one to copy.",
            )
        for file in files:
            verdict = await _tried(team, file)
            tried.append((team.name, verdict))
            if not as_json:
                _tell_verdict(team.name, verdict)
    failed = sum(bool(verdict.problems) for _, verdict in tried)
    if as_json:
        give_json([{"team": name, **asdict(verdict)} for name, verdict in tried])
    else:
        stderr().print(f"{len(tried)} {'case' if len(tried) == 1 else 'cases'}, {failed} failed.")
    return Exit.FAILED if failed else Exit.DONE


async def _tried(team: Team, file: Path) -> Verdict:
    """The verdict on a case; one that cannot be read has failed."""
    from atlas_mcp.evaluation.case import load_case
    from atlas_mcp.evaluation.trial import Verdict, try_case

    try:
        case = load_case(file, team)
    except AtlasError as error:
        return Verdict(file.stem, (str(error),), 0.0)
    return await try_case(team, case)


def _tell_verdict(team: str, verdict: Verdict) -> None:
    from rich.text import Text

    mark, style = ("✗ ", "red") if verdict.problems else ("✓ ", "green")
    line = Text.assemble((mark, style), (team, "bold"), f"  {verdict.case}  {verdict.seconds:.1f} s")
    stdout().print(line, soft_wrap=True)
    for problem in verdict.problems:
        stdout().print(Text(f"    {problem}"), soft_wrap=True)
