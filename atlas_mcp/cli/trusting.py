"""`atlas-mcp trust`: a project's own teams and servers, shown to a person before any of them counts.

Servers start programs, so that what a checkout brings with it is off until somebody looked at it; it is off
again as soon as it is something else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.hidden import marked, visible
from atlas_mcp.cli.servers_opening import agreed
from atlas_mcp.cli.servers_view import command_line
from atlas_mcp.cli.terminal import Exit, leaving, stderr, stdout
from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.text import Text

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import Project

__all__ = ["IN_PROJECT", "tell_untrusted", "trust"]

SHOWN = 20
"""Files that are named of a folder."""


def _in_project(context: typer.Context, path: str | None) -> str | None:
    """What `--project` does: the command works in that project."""
    if path is not None and not context.resilient_parsing:
        os.environ["ATLAS_PROJECT"] = path
    return path


IN_PROJECT: Any = typer.Option(
    "--project", metavar="PATH", callback=_in_project, expose_value=False,
    help="The project whose teams and servers count, once `atlas-mcp trust` has seen them.",
)  # fmt: skip
"""The option `--project` of a command that uses teams."""


def tell_untrusted() -> None:
    """Say on stderr that a named project's teams and servers are off, where they are."""
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import project_of

    try:
        project = project_of(Settings.load())
    except AtlasError:
        return  # the command itself tells
    if project is not None and project.why_off:
        stderr().print(
            f"! {visible(project.why_off)} Look at them: atlas-mcp trust {project.path}",
            soft_wrap=True, markup=False, style="yellow",
        )  # fmt: skip


def trust(
    path: Annotated[
        Path | None, typer.Argument(help="The project; the one that is named, or this folder.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the projects that were trusted.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Trust it no more.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Trust it without asking.")] = False,
) -> None:
    """Show what a project's .atlas folder holds, and trust it as it is now.

    Its teams and servers count only then, and only where the project is named (--project, ATLAS_PROJECT).
    Whatever changes in it later turns them off until you have looked again.
    """
    with leaving():
        from atlas_mcp.settings import Settings

        settings = Settings.load()
        if show_list:
            _list(settings)
            return
        chosen = path or settings.project or Path()
        if remove:
            _remove(settings, chosen)
        elif code := _trust(settings, chosen, yes=yes):
            raise typer.Exit(code)


def _trust(settings: Settings, path: Path, *, yes: bool) -> Exit:
    from atlas_mcp.trust import distrust, trust

    project = _looked_at(settings, path)
    if not project.known:
        trust(settings, path)  # says that there is nothing
    if project.trusted:
        stdout().print(f"{project.folder} is trusted as it is.", soft_wrap=True, markup=False)
        return Exit.DONE
    _show(stdout(), settings, project)
    if not yes and not agreed(f"Trust {project.folder} as it is now?"):
        return Exit.FAILED
    if trust(settings, path).hash != project.hash:
        distrust(settings, path)
        raise InvalidInput(f"{project.folder} changed meanwhile; it is not trusted.", remedy="Look again.")
    stdout().print(f"Trusted: {project.folder}", soft_wrap=True, markup=False)
    named = settings.project is not None and settings.project.expanduser().resolve() == project.path
    if not named:
        todo = f"It counts where it is named: atlas-mcp run --project {project.path} …, or ATLAS_PROJECT."
        stderr().print(todo, soft_wrap=True, markup=False)
    return Exit.DONE


def _looked_at(settings: Settings, path: Path) -> Project:
    """A project as it is now."""
    from atlas_mcp.trust import project_of

    project = project_of(settings.model_copy(update={"project": path}))
    if project is None:
        raise InvalidInput("No project is named.", remedy="Name its folder: atlas-mcp trust PATH")
    return project


def _list(settings: Settings) -> None:
    from rich.table import Table
    from rich.text import Text

    from atlas_mcp.trust import trusted

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for path in trusted(settings):
        project = _looked_at(settings, path)
        said, style = ("trusted as it is", "green") if project.trusted else ("changed since: off", "yellow")
        if not project.known:
            said, style = "there is nothing in it now", "dim"
        table.add_row(Text(visible(str(path))), Text(said, style=style))
    if table.row_count:
        stdout().print(table)
    else:
        stderr().print("No project is trusted.")


def _remove(settings: Settings, path: Path) -> None:
    from atlas_mcp.trust import distrust

    if not distrust(settings, path):
        raise InvalidInput(f"{path.resolve()} was not trusted.", remedy="atlas-mcp trust --list lists them.")
    stdout().print(f"Trusted no more: {path.resolve()}", soft_wrap=True, markup=False)


def _show(console: Console, settings: Settings, project: Project) -> None:
    """What a project's folder holds: what each server would run, whole, and what takes another's place."""
    from rich.text import Text

    changed = " (changed since it was trusted)" if project.changed else ""
    console.print(Text.assemble((visible(str(project.folder)), "bold"), (changed, "yellow")), soft_wrap=True)
    for line in (*_servers(settings, project), *_teams(settings, project)):
        console.print(line, soft_wrap=True)
    clients = [each for each in project.files if each.startswith("clients/")]
    if clients:
        console.print(Text(f"clients: {visible(', '.join(clients))}"), soft_wrap=True)
    names = visible(", ".join(project.files[:SHOWN]))
    more = f" and {len(project.files) - SHOWN} more" if len(project.files) > SHOWN else ""
    said = f"{counted(len(project.files), 'file')}: {names}{more}"
    console.print(Text(said, style="dim"), soft_wrap=True)


def _servers(settings: Settings, project: Project) -> Iterator[Text]:
    from rich.text import Text

    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.downstream.entry import load_entry

    shipped = Catalogue().entries("servers", "*.toml")
    before = Catalogue((settings.config,)).entries("servers", "*.toml")
    for file in sorted((project.folder / "servers").glob("*.toml")):
        name = file.stem
        yield Text.assemble(("server ", "bold"), (visible(name), "bold"), _instead(before, name))
        try:
            entry = load_entry(file, shipped.get(name))
        except AtlasError as error:
            yield Text.assemble(("  wrong: ", "red"), marked(str(error)))
            continue
        yield from (Text.assemble((f"  {label}: ", "dim"), marked(said)) for label, said in _does(entry))


def _does(entry: Entry) -> Iterator[tuple[str, str]]:
    """What an entry does on this machine: what is started or asked, with whose variables."""
    if not entry.enabled:
        yield "off", "it is not enabled"
    if entry.local:
        yield "runs", command_line(entry)
    else:
        yield "asks", entry.url
    if entry.cwd:
        yield "in", entry.cwd
    for name, value in entry.headers.items():
        yield "sends", f"{name}: {value}"
    for name in (*entry.needs, *entry.env):
        yield "is given", f"your variable {name}{'' if os.environ.get(name) else ', which is not set now'}"
    for name, value in entry.values.items():
        yield "sets", f"{name}={value}"
    if entry.read_only is not None:
        yield "says that these only read", ", ".join(entry.read_only) or "none"
    if not entry.ask:
        yield "asks nobody", "its tools with effects are used without a person's yes"


def _teams(settings: Settings, project: Project) -> Iterator[Text]:
    from rich.text import Text

    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.orchestration.team import load_team

    before = Catalogue((settings.config,)).entries("teams", "team.toml")
    for file in sorted((project.folder / "teams").glob("*/team.toml")):
        name = file.parent.name
        yield Text.assemble(("team ", "bold"), (visible(name), "bold"), _instead(before, name))
        try:
            team = load_team(file.parent)
        except AtlasError as error:
            yield Text.assemble(("  wrong: ", "red"), marked(str(error)))
            continue
        yield Text.assemble(("  does: ", "dim"), marked(team.description))
        for card in team.cards.values():
            for label, granted in (("uses", card.tools), ("has effects by", card.writes)):
                if outside := [each for each in granted if "/" in each or each.startswith("mcp__")]:
                    yield Text.assemble((f"  {card.name} {label}: ", "dim"), marked(", ".join(outside)))


def _instead(before: dict[str, Path], name: str) -> tuple[str, str]:
    return ("  takes the place of yours or the shipped one", "yellow") if name in before else ("", "")
