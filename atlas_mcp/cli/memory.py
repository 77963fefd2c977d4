"""`atlas-mcp memory`: what is remembered, found, shown, added to and forgotten."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.memory_moving import export_memories, import_memories
from atlas_mcp.cli.memory_upkeep import check_memory, rebuild_index, show_stats
from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.cli.typed import as_typed
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from atlas_mcp.app import Atlas
    from atlas_mcp.memory.lifecycle import Receipt

__all__ = ["memory"]

memory = typer.Typer(
    help="Memory: search, path, show, add, forget, export, import, check, rebuild, stats.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids of memories, such as m_01J…")]


@memory.command("search")
def search(
    query: Annotated[str, typer.Argument(help="What you want to know.")],
    *,
    k: Annotated[int, typer.Option("-k", help="So many memories at most, and so many passages.", min=1)] = 8,
    kind: Annotated[list[str] | None, typer.Option(help="Of this kind only; may be repeated.")] = None,
    at: Annotated[str, typer.Option(help="What held then, such as 2026-03-01, instead of now.")] = "",
    since: Annotated[str, typer.Option(help="Recorded from then on.")] = "",
    until: Annotated[str, typer.Option(help="Recorded before.")] = "",
    documents: Annotated[bool, typer.Option(help="Search the documents that were taken in too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Find what is remembered, and passages of documents that were taken in."""
    asked: dict[str, Any] = {
        "k": k, "kinds": kind or [], "at": at, "since": since, "until": until, "documents": documents
    }  # fmt: skip
    perform(as_typed(_search(query, asked, as_json=as_json)))


async def _search(query: str, asked: dict[str, Any], *, as_json: bool) -> Exit:
    from atlas_mcp.cli import memory_view
    from atlas_mcp.surface.memory_text import everything

    async with opened() as atlas:
        found = await atlas.memories.recall(query, **asked)
        await atlas.memories.used([each.stored.id for each in found.memories])
    if as_json:
        give_json(everything(found))
    elif found.memories or found.passages:
        memory_view.show_found(found)
    else:
        stderr().print("Nothing is remembered of that.")
    return Exit.DONE


@memory.command("path")
def path(
    start: Annotated[str, typer.Argument(metavar="FROM", help="A name that memories hold.")],
    end: Annotated[
        str, typer.Argument(metavar="TO", help="Another one; without it, what the first leads to.")
    ] = "",
    *,
    deep: Annotated[
        int | None, typer.Option(help="Through so many memories at most; default 8, and 3 from one name.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="From one name: so many memories at most.", min=1)] = 8,
    as_json: AsJson = False,
) -> None:
    """Show how two names hang together: the chain of memories between them, each holding both its names."""
    perform(as_typed(_path(start, end, {} if deep is None else {"deep": deep}, k, as_json=as_json)))


async def _path(start: str, end: str, asked: dict[str, int], k: int, *, as_json: bool) -> Exit:
    from atlas_mcp.cli import memory_view
    from atlas_mcp.surface.memory_text import everything, linked

    async with opened() as atlas:
        memories = atlas.memories
        if not end:
            found = await memories.around(start, k=k, **asked)
            await memories.used([each.stored.id for each in found.memories])
            if as_json:
                give_json({"memories": everything(found)["memories"]})
            else:
                memory_view.show_found(found)
            return Exit.DONE
        chain = await memories.chain(start, end, **asked)
        await memories.used([each.id for each in chain.memories] if chain else [])
    if as_json:
        give_json(linked(chain))
    elif chain is None:
        stderr().print(f"Nothing that is remembered links {start} to {end}.", markup=False, soft_wrap=True)
    else:
        memory_view.show_chain(chain)
    return Exit.DONE


@memory.command("show")
def show(
    ids: Ids = None,
    limit: Annotated[int, typer.Option(help="Without ids: how many of the newest.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show memories whole, with their evidence; without ids the newest in a line each."""
    perform(as_typed(_show(ids or [], limit, as_json=as_json)))


async def _show(ids: list[str], limit: int, *, as_json: bool) -> Exit:
    from atlas_mcp.cli import memory_view
    from atlas_mcp.surface.memory_text import whole

    async with opened() as atlas:
        found = await (atlas.memories.get(ids) if ids else atlas.memories.newest(most=limit))
    if as_json:
        give_json([whole(each) for each in found])
    elif not found:
        stderr().print('Nothing is remembered yet. Add something: atlas-mcp memory add "…"')
    elif ids:
        memory_view.show_whole(found)
    else:
        memory_view.show_list(found)
    return Exit.DONE


@memory.command("add")
def add(
    text: Annotated[str, typer.Argument(help="One thing to remember; - reads it from standard input.")],
    *,
    kind: Annotated[str, typer.Option(help="fact, procedure, preference or outcome.")] = "fact",
    valid_from: Annotated[
        str, typer.Option("--from", help="Since when it is so, such as 2026-03-01; default now.")
    ] = "",
    valid_to: Annotated[
        str, typer.Option("--to", help="When it ends, such as 2026-12-31; default never.")
    ] = "",
    shared: Annotated[bool, typer.Option("--shared", help="For all members of the project.")] = False,
    supersedes: Annotated[
        list[str] | None, typer.Option(help="Id of the memory whose place it takes; may be repeated.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Keep it beside others that say the same or the opposite.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remember one thing. What is remembered already is not kept twice: the answer names it."""
    given: dict[str, Any] = {
        "text": sys.stdin.read() if text == "-" else text, "kind": kind, "valid_from": valid_from,
        "valid_to": valid_to, "shared": shared, "supersedes": tuple(supersedes or ()), "anyway": anyway,
    }  # fmt: skip
    perform(as_typed(_add(given, as_json=as_json)))


async def _add(given: dict[str, Any], *, as_json: bool) -> Exit:
    from atlas_mcp.cli import memory_view
    from atlas_mcp.memory.person import Note
    from atlas_mcp.surface.memory_receipts import kept_json

    async with opened() as atlas:
        kept = await atlas.memories.remember(Note(**given, origin="person"))
    if as_json:
        give_json(kept_json(kept))
    else:
        memory_view.tell_kept(kept)
    return Exit.FAILED if kept.state == "close" else Exit.DONE


@memory.command("forget")
def forget(
    names: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of memories, or the uri or path of a document.")
    ],
    derived: Annotated[
        bool, typer.Option("--derived", help="Forget all learnings that rest on it too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete memories, or a document, from the record and every index, and say what went."""
    perform(as_typed(_forget(names, derived=derived, dry_run=dry_run, yes=yes, as_json=as_json)))


async def _forget(names: list[str], *, derived: bool, dry_run: bool, yes: bool, as_json: bool) -> Exit:
    from atlas_mcp.surface.memory_receipts import receipt_json, receipt_text

    async with opened() as atlas:
        receipt = await _forgotten(atlas, names, derived=derived, dry_run=True)
        if not dry_run:
            if not yes and not _confirmed(receipt_text(receipt, dry_run=True, derived="--derived")):
                stderr().print("Nothing was forgotten.")
                return Exit.FAILED
            receipt = await _forgotten(atlas, names, derived=derived, dry_run=False)
    if as_json:
        give_json(receipt_json(receipt, dry_run=dry_run))
    else:
        told = receipt_text(receipt, dry_run=dry_run, derived="--derived")
        stdout().print(told, soft_wrap=True, markup=False)
    return Exit.PARTIAL if receipt.unknown else Exit.DONE


async def _forgotten(atlas: Atlas, names: list[str], *, derived: bool, dry_run: bool) -> Receipt:
    documents = [name for name in names if not name.startswith("m_")]
    if not documents:
        return await atlas.memories.forget(names, derived=derived, dry_run=dry_run)
    if len(names) > 1:
        raise InvalidInput(
            "A document is forgotten by itself.", remedy="Name one document, or ids of memories alone."
        )
    uri = _uri(documents[0])
    return await atlas.memories.forget_document(uri, derived=derived, dry_run=dry_run)


def _uri(name: str) -> str:
    from pathlib import Path

    return name if ":" in name[2:] else Path(name).expanduser().resolve().as_uri()


def _confirmed(says: str) -> bool:
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Nobody is there to ask whether to forget this.",
            remedy="Add --yes, or --dry-run to see what would go.",
        )
    stderr().print(says, soft_wrap=True, markup=False)
    return typer.confirm("Forget it?", err=True)


# After those above, so that the help lists what is used the most first.
memory.command("export")(export_memories)
memory.command("import")(import_memories)
memory.command("check")(check_memory)
memory.command("rebuild")(rebuild_index)
memory.command("stats")(show_stats)
