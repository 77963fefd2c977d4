"""`atlas-mcp ingest`: documents that every later run may read without naming them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from atlas_mcp.memory.knowledge import Ingested, OnProgress

__all__ = ["ingest"]

CHANGES = ("added", "updated", "unchanged", "removed")
"""What an ingestion did to documents, as `Ingested` calls it."""


def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take in files and folders: text, Markdown, HTML, PDF, tables, code.

    What did not change since last time is left alone; what vanished from a folder is forgotten.
    """
    perform(_ingest(paths, as_json=as_json))


async def _ingest(paths: Sequence[str], *, as_json: bool) -> Exit:
    async with opened(roots=[Path(path) for path in paths]) as atlas:
        with _progress() as on_progress:
            done = await atlas.ingest(paths, on_progress=on_progress)
        kept = len(await (await atlas.memory()).documents(f"user:{atlas.user}"))
    if as_json:
        skipped = [{"uri": uri, "reason": reason} for uri, reason in done.skipped]
        give_json({name: getattr(done, name) for name in CHANGES} | {"skipped": skipped, "documents": kept})
    else:
        _tell(done, kept)
    return Exit.DONE if done.document_ids else Exit.FAILED


@contextmanager
def _progress() -> Generator[OnProgress | None]:
    console = stderr()
    if not console.is_terminal:
        yield None
        return
    with console.status("reading") as status:
        yield lambda progress: status.update(str(progress))


def _tell(done: Ingested, kept: int) -> None:
    from rich.text import Text

    console = stdout()
    for uri, reason in done.skipped:
        console.print(Text.assemble(("skipped ", "yellow"), uri, (f"  {reason}", "dim")), soft_wrap=True)
    counts = {name: len(getattr(done, name)) for name in CHANGES}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to take in"
    console.print(f"{told}, {len(done.skipped)} skipped; {counted(kept, 'document')} can be searched.")
