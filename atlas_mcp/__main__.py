"""Where the program begins: `atlas-mcp`, and `python -m atlas_mcp`.

A stdio server answers its client's first probe from here, before anything is imported; every other command
goes straight to the command line.
"""

from __future__ import annotations

import gc
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command in `sys.argv`."""
    if sys.argv[1:] == ["serve"]:
        _serve()
    else:
        from atlas_mcp.cli import main as command_line

        command_line()


def _serve() -> None:
    from atlas_mcp.surface.doorstep import clean_stdout, greet, tell_person

    # Ctrl-C ends a server at once, also one that waits for its client; what runs have done is on disk.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    tell_person()
    if not greet():
        return
    # What modules are made of is never garbage. Not looking for any saves a fifth of the start, and the end.
    gc.disable()
    with clean_stdout():
        from atlas_mcp.errors import AtlasError
        from atlas_mcp.surface.server import run_stdio
    gc.freeze()
    gc.enable()
    try:
        run_stdio()
    except AtlasError as error:
        print(f"atlas-mcp: {error}", file=sys.stderr)  # noqa: T201 - there is nobody else to tell it
        sys.exit(2)


if __name__ == "__main__":
    main()
