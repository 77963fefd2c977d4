"""`memory check`, `memory rebuild` and `memory stats`: whether what is kept is sound, and how much it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.bars import counting
from atlas_mcp.cli.opening import opened
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.table import Table

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Event
    from atlas_mcp.memory.indexes.consistency import Consistency

__all__ = ["check_memory", "rebuild_index", "show_stats"]

RUNS = 50
"""Newest runs of which `memory stats` counts what they had memory do."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def check_memory(
    mend: Annotated[bool, typer.Option("--mend", help="Make right what can be made right.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look whether the record and its indexes agree, and name every difference."""
    perform(_check(mend=mend, as_json=as_json))


async def _check(*, mend: bool, as_json: bool) -> Exit:
    async with opened() as atlas:
        with counting(stderr()) as told:
            found = await (await atlas.memory()).check(mend=mend, on_progress=told)
    if as_json:
        give_json(found.to_dict())
    else:
        _tell(found, mend=mend)
    return Exit.DONE if found.score == 1 else Exit.PARTIAL


def _tell(found: Consistency, *, mend: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("store", "score", "items", "differences", "not heard yet"):
        table.add_column(title, justify="left" if title == "store" else "right")
    for name, store in found.stores.items():
        style = "green" if store.score == 1 else "red"
        counts = (f"{count:,}" for count in (store.items, len(store.differences), store.waiting))
        table.add_row(name, Text(_percent(store.score), style=style), *counts)
    console = stdout()
    console.print(table)
    for name, store in found.stores.items():
        for each in store.differences:
            console.print(Text.assemble((f"{name} ", "red"), str(each)), soft_wrap=True)
    if found.mended:
        console.print(f"{found.mended:,} mended")
    if found.score < 1:
        todo = "What is left needs `atlas-mcp memory rebuild NAME`, or a backup." if mend else (
            "Mend it: atlas-mcp memory check --mend"
        )  # fmt: skip
        console.print(f"Consistency {_percent(found.score)}. {todo}", style="red")
    else:
        console.print(f"Consistency {_percent(found.score)}.", style="green")


def _percent(score: float) -> str:
    """A score in hundredths, which is 100 only where nothing is wrong."""
    return "100 %" if score == 1 else f"{min(100 * score, 99.99):.2f} %"


def rebuild_index(
    index: Annotated[str, typer.Argument(metavar="INDEX", help="chroma or neo4j.")],
    as_json: AsJson = False,
) -> None:
    """Empty an index and fill it anew from the record."""
    perform(_rebuild(index, as_json=as_json))


async def _rebuild(index: str, *, as_json: bool) -> Exit:
    from atlas_mcp.surface.memory_text import numbered

    async with opened() as atlas:
        with counting(stderr()) as told:
            count = await (await atlas.memory()).rebuild(
                index, on_progress=lambda done, of: told(index, done, of)
            )
    if as_json:
        give_json({"index": index, "memories": count})
    else:
        stdout().print(f"{index} was filled anew from {numbered(count)}.")
    return Exit.DONE


def show_stats(as_json: AsJson = False) -> None:
    """Show how much is kept, of which kinds and whose, and how far the indexes are."""
    perform(_stats(as_json=as_json))


async def _stats(*, as_json: bool) -> Exit:
    async with opened() as atlas:
        told = await _counted(atlas)
    if as_json:
        give_json(told)
    else:
        _tabulate(told)
    return Exit.DONE


async def _counted(atlas: Atlas) -> dict[str, Any]:
    memory = await atlas.memory()
    whole, counts, home = await memory.stats(), await memory.record.counts(), atlas.settings.home
    names = [index.name for index in memory.indexes]
    events = await _of_the_newest_runs(atlas)
    return {
        "memories": counts["memories"], "superseded": counts["closed"], "kinds": counts["kinds"],
        "owners": counts["owners"], "names": counts["names"], "embedded": counts["vectors"],
        "documents": whole.documents, "ingested": (await atlas.memories.inventory()).documents,
        "passages": whole.passages, "passages_embedded": whole.vectors,
        "model": whole.model,
        "bytes": {
            "record": whole.size, "snapshots": _size(home / "sources"), "chroma": _size(home / "chroma"),
        },
        "behind": {name: counts["behind"].get(name, counts["memories"]) for name in names},
        "recalls": _recalls(events), "operations": _operations(events),
    }  # fmt: skip


async def _of_the_newest_runs(atlas: Atlas) -> list[Event]:
    """What the newest runs tell, whichever processes worked on them."""
    told: list[Event] = []
    for row in await atlas.list(limit=RUNS):
        told += await atlas.events(row.run_id)
    return told


def _operations(events: Sequence[Event]) -> list[dict[str, Any]]:
    """What each store did for the newest runs: how often, on how much, and how long it took on average."""
    from atlas_mcp.memory.metering import Tally, Took

    tally = Tally()
    for event in events:
        if event.kind is Kind.MEMORY_MEASURED:
            for each in event.data["operations"]:
                took = {key: each[key] for key in ("count", "seconds", "items", "hits", "errors")}
                tally.add(each["operation"], each["store"], Took(**took))
    return [
        {**each, "mean_ms": round(1000 * each["seconds"] / each["count"], 3)} for each in tally.take()
    ]  # fmt: skip


def _recalls(events: Sequence[Event]) -> dict[str, Any] | None:
    """How the newest runs fared with what they asked memory; None where none asked."""
    told = [event.data for event in events if event.kind is Kind.MEMORY_RECALLED]
    if not told:
        return None
    taken = sorted(1000 * each["seconds"] for each in told)
    return {
        "times": len(told), "with_hits": sum(bool(each["items"]) for each in told),
        "p50_ms": round(taken[len(taken) // 2], 1), "p95_ms": round(taken[int(0.95 * len(taken))], 1),
    }  # fmt: skip


def _tabulate(told: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    superseded = f", {told['superseded']:,} superseded" if told["superseded"] else ""
    counts = sorted(told["kinds"].items(), key=lambda each: (-each[1], each[0]))
    kinds = ", ".join(counted(count, kind) for kind, count in counts) or "none yet"
    owners = ", ".join(
        f"{count:,} of {owner.replace(':', ' ', 1)}" for owner, count in told["owners"].items()
    )
    size = ", ".join(f"{name} {_bytes(bytes_)}" for name, bytes_ in told["bytes"].items() if bytes_)
    ingested = (
        f"; {told['ingested']:,} of them ingested by you"
        if told["ingested"] < told["documents"] else ""
    )  # fmt: skip
    embedded = told["embedded"] + told["passages_embedded"]
    of = told["memories"] + told["passages"]
    rows = {
        "memories": f"{told['memories']:,}{superseded}",
        "kinds": kinds,
        "whose": owners or "nobody's",
        "names": f"{told['names']:,} in memories",
        "documents": f"{told['documents']:,} in {counted(told['passages'], 'passage')}{ingested}",
        "vectors": f"{embedded:,} of {of:,}, by {told['model']}" if embedded else "none; words alone find",
        "size": size,
    }
    rows |= {
        name: "has heard everything" if not behind else f"has not heard {behind:,} changes yet"
        for name, behind in told["behind"].items()
    }
    if recalls := told["recalls"]:
        rows["recalls"] = (
            f"{recalls['with_hits']:,} of {recalls['times']:,} by the newest runs found something;"
            f" half of them within {recalls['p50_ms']:,.0f} ms, one in twenty took over"
            f" {recalls['p95_ms']:,.0f} ms"
        )
    for name, says in rows.items():
        table.add_row(name, says)
    stdout().print(table)
    if operations := told["operations"]:
        stdout().print(_took(operations))


def _took(operations: Sequence[Mapping[str, Any]]) -> Table:
    """What each store did for the newest runs, in a line each."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), title="\nfor the newest runs", title_justify="left")
    titles = ("operation", "store", "times", "items", "at hand", "failed", "mean")
    for place, title in enumerate(titles):
        table.add_column(title, justify="left" if place < 2 else "right")  # noqa: PLR2004 - two names
    for each in operations:
        counts = (f"{each[key]:,}" for key in ("count", "items", "hits", "errors"))
        table.add_row(each["operation"], each["store"], *counts, f"{each['mean_ms']:,.1f} ms")
    return table


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.0f} kB"  # noqa: PLR2004 - 0.1 MB


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
