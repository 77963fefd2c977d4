"""The program `atlas-mcp`: its commands by name."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas_mcp.cli.doctor import doctor
from atlas_mcp.cli.ingest import ingest
from atlas_mcp.cli.memory import memory
from atlas_mcp.cli.providers import providers
from atlas_mcp.cli.run import run
from atlas_mcp.cli.runs import runs
from atlas_mcp.cli.serve import serve
from atlas_mcp.cli.setup import setup
from atlas_mcp.cli.teams import teams
from atlas_mcp.cli.terminal import ask_utf8

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
program.add_typer(teams, name="teams")
program.add_typer(providers, name="providers")
program.command("ingest")(ingest)
program.add_typer(memory, name="memory")
program.add_typer(setup, name="setup")
program.command("doctor")(doctor)


def _give_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"atlas-mcp {version('atlas-mcp')}")
        raise typer.Exit


@program.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_give_version),
    ] = False,
) -> None: ...


def run_program() -> None:
    """Run the command in `sys.argv` and leave the process with its exit code."""
    ask_utf8()
    program()
