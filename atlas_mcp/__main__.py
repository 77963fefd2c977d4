"""Where the program begins: `atlas-mcp`, and `python -m atlas_mcp`.

A stdio server answers its client's first probe from here, before anything is imported; every other command
goes straight to the command line.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command in `sys.argv`."""
    if sys.argv[1:] == ["serve"]:
        from atlas_mcp.surface.doorstep import clean_stdout, greet

        if not greet():
            return
        with clean_stdout():
            from atlas_mcp.surface.server import run_stdio
        run_stdio()
        return
    from atlas_mcp.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
