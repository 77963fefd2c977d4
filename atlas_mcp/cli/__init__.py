"""The command line: what a person at a terminal, or a script, sees of ATLAS.

It stands on `Atlas` alone, like every other surface. Commands import what is heavy when they run, so that
help and mistakes are answered at once.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command in `sys.argv`; an error ATLAS can name is told in one block, never as a traceback."""
    from atlas_mcp.cli.program import run_program

    run_program()
