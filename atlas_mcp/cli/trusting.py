"""`atlas-mcp trust`: a project's own teams and servers, shown to a person before any of them counts.

Servers start programs, so that what a checkout brings with it is off until somebody looked at it; it is off
again as soon as it is something else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.hidden import visible
from atlas_mcp.cli.servers_opening import agreed
from atlas_mcp.cli.terminal import Exit, leaving, stderr, stdout
from atlas_mcp.errors import AtlasError, InvalidInput

if TYPE_CHECKING:
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import Project

__all__ = ["IN_PROJECT", "name_project", "tell_untrusted", "trust"]


def _in_project(context: typer.Context, path: str | None) -> str | None:
    """What `--project` does: the command works in that project."""
    if path is not None and not context.resilient_parsing:
        name_project(Path(path))
    return path


def name_project(path: Path) -> None:
    """Let this command work in a project; leaves with an error where there is no such folder."""
    with leaving():
        if not path.expanduser().is_dir():
            raise InvalidInput(
                f"--project: {path} is no folder.", remedy="Name the folder of the project that holds .atlas."
            )
    os.environ["ATLAS_PROJECT"] = str(path)


IN_PROJECT: Any = typer.Option(
    "--project", metavar="PATH", callback=_in_project, expose_value=False,
    help="The project whose teams and servers count, once `atlas-mcp trust` has seen them.",
)  # fmt: skip
"""The option `--project` of a command that uses teams."""


def tell_untrusted() -> None:
    """Say on stderr that a named project's teams and servers are off, where they are, or that it has none."""
    from atlas_mcp.settings import Settings
    from atlas_mcp.trust import project_of

    try:
        project = project_of(Settings.load())
    except AtlasError:
        return  # the command itself tells
    if project is not None and (said := _odd(project)):
        stderr().print(f"! {said}", soft_wrap=True, markup=False, style="yellow")


def _odd(project: Project) -> str:
    """What a person should know of the project that they named; empty where it counts."""
    if project.why_off:
        return f"{visible(project.why_off)} Look at them: atlas-mcp trust {project.path}"
    if not project.path.is_dir():
        return f"ATLAS_PROJECT names {project.path}, which is no folder."
    return "" if project.known else f"{project.path} has no teams or servers of its own in .atlas."


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
    from atlas_mcp.cli.trust_view import tell_project
    from atlas_mcp.trust import distrust, trust

    project = _looked_at(settings, path)
    if project.odd or not project.known:
        trust(settings, path)  # says why it cannot be
    if project.trusted:
        stdout().print(f"{project.folder} is trusted as it is.", soft_wrap=True, markup=False)
        return Exit.DONE
    tell_project(stdout(), settings, project)
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
        if project.odd:
            said = f"cannot be trusted: {project.odd}"
        elif not project.known:
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
