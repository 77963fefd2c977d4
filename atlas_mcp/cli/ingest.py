"""`atlas-mcp ingest`: documents that every later run may read without naming them."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.bars import lasting, telling
from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.documents.knowledge import Ingested

__all__ = ["ingest"]

CHANGES = ("added", "updated", "unchanged", "removed")
"""What an ingestion did to documents, as `Ingested` calls it."""
MOST_NAMED = 50
"""Skipped files that are named one by one."""
WORTH_TELLING = 2.0
"""Seconds from which on it is said how long it took."""


def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take in files and folders: text, Markdown, HTML, PDF, Office, tables, mail, chat, code.

    What did not change since last time is left alone; what vanished from a folder is forgotten.

    Accepted are, besides source code and configuration:

    - text: .txt .text .rst .adoc .org .log .srt .vtt, Markdown: .md .markdown .mdx .mdown .qmd

    - pages: .html .htm .xhtml, .pdf with text in it, books: .epub

    - Word: .docx .docm .dotx, PowerPoint: .pptx .pptm .ppsx .potx, OpenDocument: .odt .odp .ott .otp

    - tables: .csv .tsv .tab .xlsx .xlsm .ods

    - mail: .eml .mbox .mbx

    - chat: exports of Slack (.json) and WhatsApp (.txt); or .jsonl, a message a line, as in
    {"at": "2023-05-08T13:56", "by": "Caroline", "text": "Hello.", "session": 1}

    A file may have 20 MB; mail, Word, PowerPoint, OpenDocument and books 200 MB.

    What cannot be read is named with the reason, and does not hold up the rest.
    """
    perform(_ingest(paths, as_json=as_json))


async def _ingest(paths: Sequence[str], *, as_json: bool) -> Exit:
    start = monotonic()
    async with opened(roots=[Path(path) for path in paths]) as atlas:
        with telling(stderr()) as on_progress:
            done = await atlas.ingest(paths, on_progress=on_progress)
        kept = len(await (await atlas.memory()).documents(f"user:{atlas.user}"))
    if as_json:
        skipped = [{"uri": uri, "reason": reason} for uri, reason in done.skipped]
        changes = {name: getattr(done, name) for name in CHANGES}
        missing = {"without_vectors": done.without_vectors} if done.without_vectors else {}
        give_json({**changes, "skipped": skipped, "documents": kept, **missing})
    else:
        _tell(done, kept, monotonic() - start)
    return Exit.DONE if done.document_ids else Exit.FAILED


def _where(uri: str) -> str:
    """A document as people call it: a file by its path."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return url2pathname(urlsplit(uri).path) if uri.startswith("file:") else uri


def _tell(done: Ingested, kept: int, seconds: float) -> None:
    from rich.text import Text

    console = stdout()
    for uri, reason in done.skipped[:MOST_NAMED]:
        where = _where(uri)
        # Most reasons begin with the file they speak of.
        told = (reason,) if reason.startswith(where) else (where, (f"  {reason}", "dim"))
        console.print(Text.assemble(("skipped ", "yellow"), *told), soft_wrap=True)
    if (more := len(done.skipped) - MOST_NAMED) > 0:
        console.print(Text.assemble(("skipped ", "yellow"), f"{more:,} more; --json names them all"))
    counts = {name: len(getattr(done, name)) for name in CHANGES}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing to take in"
    took = f" It took {lasting(seconds)}." if seconds >= WORTH_TELLING else ""
    if done.without_vectors:
        console.print(Text.assemble(("by words alone ", "yellow"), done.without_vectors), soft_wrap=True)
    skipped = f"{len(done.skipped):,} skipped"
    console.print(f"{told}, {skipped}; {counted(kept, 'document')} can be searched.{took}", soft_wrap=True)
