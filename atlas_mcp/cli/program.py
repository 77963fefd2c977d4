"""The program `atlas-mcp`: its commands by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas_mcp.cli.doctor import doctor
from atlas_mcp.cli.ingest import ingest
from atlas_mcp.cli.install import install
from atlas_mcp.cli.memory import memory
from atlas_mcp.cli.mlflow import mlflow
from atlas_mcp.cli.providers import providers
from atlas_mcp.cli.reflowing import reflow
from atlas_mcp.cli.run import run
from atlas_mcp.cli.runs import runs
from atlas_mcp.cli.serve import serve
from atlas_mcp.cli.servers import servers
from atlas_mcp.cli.setup import setup
from atlas_mcp.cli.teams import teams
from atlas_mcp.cli.terminal import ask_utf8
from atlas_mcp.cli.top import top
from atlas_mcp.cli.trusting import name_project, tell_untrusted, trust

__all__ = ["program", "run_program"]

program = typer.Typer(
    name="atlas-mcp",
    help="Teams of agents behind one connection: cited, checked, within budget, and alive after a crash.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
program.command("run")(run)
program.command("serve")(serve)
program.add_typer(runs, name="runs")
program.command("top")(top)
program.add_typer(teams, name="teams")
program.add_typer(providers, name="providers")
program.add_typer(servers, name="servers")
program.command("mlflow")(mlflow)
program.command("trust")(trust)
program.command("ingest")(ingest)
program.add_typer(memory, name="memory")
program.add_typer(setup, name="setup")
program.command("install")(install)
program.command("doctor")(doctor)
reflow(program)

_OF_PROJECTS = frozenset({"runs", "servers", "teams"})
"""Commands that use a project's data and have no `--project` of their own."""


def _give_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"atlas-mcp {version('atlas-mcp')}")
        raise typer.Exit


@program.callback()
def _options(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_give_version),
    ] = False,
    project: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The project whose teams and servers count, once it is trusted."),
    ] = None,
) -> None:
    if project is not None:
        name_project(Path(project))
    if context.invoked_subcommand in _OF_PROJECTS:
        tell_untrusted()


def run_program() -> None:
    """Run the command in `sys.argv` and leave the process with its exit code."""
    ask_utf8()
    program()
