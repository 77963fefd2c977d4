"""`memory export` and `memory import`: memories as JSON Lines, each an object that says its version."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.bars import passing
from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from atlas_mcp.memory.lifecycle import Imported

__all__ = ["export_memories", "import_memories"]


def export_memories(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; default is standard output.")
    ] = None,
) -> None:
    """Write every memory as a line of JSON, superseded ones too."""
    perform(_export(output))


async def _export(output: Path | None) -> Exit:
    from atlas_mcp.surface.memory_text import numbered

    count = 0
    async with opened() as atlas:
        with _written(output) as stream:
            async for line in atlas.memories.export():
                stream.write(f"{json.dumps(line, ensure_ascii=False)}\n")
                count += 1
    if output is not None:
        stderr().print(f"{numbered(count)} exported to {output}", soft_wrap=True, markup=False)
    return Exit.DONE


def import_memories(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `export` wrote; - is standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take in what `export` wrote; what is known stays, what cannot be read is named and left out."""
    perform(_import(file, as_json=as_json))


async def _import(file: str, *, as_json: bool) -> Exit:
    async with opened() as atlas:
        with _read(file) as (lines, size), passing(stderr(), "import", lines, size) as told:
            done = await atlas.memories.import_lines(told)
    if as_json:
        skipped = [{"line": number, "reason": reason} for number, reason in done.skipped]
        give_json({"added": done.added, "known": done.known, "skipped": skipped})
    else:
        _tell(done)
    if not done.skipped:
        return Exit.DONE
    return Exit.PARTIAL if done.added or done.known else Exit.FAILED


def _tell(done: Imported) -> None:
    from rich.text import Text

    console = stdout()
    for number, reason in done.skipped:
        console.print(Text.assemble(("skipped ", "yellow"), f"line {number}: {reason}"), soft_wrap=True)
    console.print(f"{len(done.added):,} added, {done.known:,} known, {len(done.skipped):,} skipped")


@contextmanager
def _written(output: Path | None) -> Generator[IO[str]]:
    """A stream to write to; a file appears whole or not at all, and only its owner may read it."""
    if output is None:
        yield sys.stdout
        return
    draft = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123 - of a descriptor
            yield stream
        draft.replace(output)
    except OSError as error:
        raise InvalidInput(
            f"{output} cannot be written: {error.strerror or error}.", remedy="Name another file."
        ) from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _read(file: str) -> Generator[tuple[Iterable[str], int | None]]:
    """The lines of a file and its size in bytes; that of standard input nobody knows."""
    if file == "-":
        yield sys.stdin, None
        return
    try:
        with Path(file).expanduser().open(encoding="utf-8-sig") as stream:
            yield stream, os.fstat(stream.fileno()).st_size
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is no UTF-8.", remedy="Name a file that `memory export` wrote.") from None
    except OSError as error:
        raise InvalidInput(
            f"{file} cannot be read: {error.strerror or error}.",
            remedy="Name a file that `memory export` wrote, or - for standard input.",
        ) from None
