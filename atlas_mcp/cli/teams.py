"""`atlas-mcp teams`: which there are, what each does, whether their folders are right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.terminal import Exit, give_json, give_markdown, perform, stdout
from atlas_mcp.errors import AtlasError, UnknownTeam

if TYPE_CHECKING:
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.orchestration.team import Team

__all__ = ["list_teams", "teams"]

teams = typer.Typer(help="Teams: list, show, check.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _catalogue() -> Catalogue:
    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.settings import Settings

    return Catalogue((Settings.load().config,))


def _folder(name: str) -> Path:
    entries = _catalogue().entries("teams", "team.toml")
    if name not in entries:
        raise UnknownTeam(f"There is no team {name!r}.", remedy=f"Teams: {', '.join(entries)}.")
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
    for title in ("team", "asks for", "what it does"):
        table.add_column(title, style="bold" if title == "team" else "")
    for team in loaded.values():
        table.add_row(team.name, ", ".join(team.input), team.description)
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
        + (f" Tools: {', '.join(card.tools)}." if card.tools else "")
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
        "## Budget of a run\n\n" + ("\n".join(limits) or "- no limit"),
        f"Version `{team.version[:12]}`, from `{team.folder}`.",
    ]
    return "\n\n".join(sections) + "\n"


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

    from atlas_mcp.orchestration.team import load_team

    code = Exit.DONE
    for folder in _folders(which):
        try:
            team = load_team(folder)
        except AtlasError as error:
            code = Exit.FAILED
            stdout().print(Text.assemble(("✗ ", "red"), (folder.name, "bold"), f"  {error}"), soft_wrap=True)
        else:
            members = 1 + len(team.workers)
            stdout().print(
                Text.assemble(("✓ ", "green"), (team.name, "bold"), f"  {members} members"), soft_wrap=True
            )
    return code
