"""`atlas-mcp providers show NAME`: how one provider fared lately, with all that is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from atlas_mcp.cli.terminal import Exit, give_json, perform, stdout
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["show_record"]

Facts: TypeAlias = "Mapping[str, Any]"


def show_record(
    name: Annotated[str, typer.Argument(help="A provider as `atlas-mcp providers` lists it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how one provider fared, task by task: success, failures, waits, pace, price, quality."""
    perform(_show(name, as_json=as_json))


async def _show(name: str, *, as_json: bool) -> Exit:
    from atlas_mcp.cli.opening import opened

    async with opened() as atlas:
        told = await atlas.overview()
    known = {one["name"]: one for one in told["providers"]}
    if name not in known:
        raise InvalidInput(
            f"No provider {name[:80]!r} is configured.", remedy=f"There is {', '.join(sorted(known))}."
        )
    if as_json:
        give_json(known[name])
    else:
        _tell(known[name])
    return Exit.DONE


def _tell(one: Facts) -> None:
    from rich.text import Text

    console, records = stdout(), one["records"]
    console.print(Text(one["name"], style="bold"))
    if not records:
        console.print("not used yet")
        return
    for task, record in records.items():
        console.print(Text("all tasks" if task == "all" else task))
        for line in _lines(record):
            console.print(Text(f"  {line}"), soft_wrap=True)
        if record["failures"]:
            console.print(Text(f"  {_failures(record)}", style="yellow"), soft_wrap=True)
    console.print(
        "It fades: what answers are like counts half after a day, whether there was one after six hours."
        " A task of which little is known borrows from the others.",
        style="dim", soft_wrap=True,
    )  # fmt: skip


def _lines(record: Facts) -> list[str]:
    """A record as sentences, without what nobody knows."""
    answer = [
        (record["answer_tokens"], "{:,.0f} tokens"), (record["cost_usd"], "${:.4f}"),
        (record["tokens_per_second"], "{:,.0f} tokens/s"),
    ]  # fmt: skip
    like = ", ".join(form.format(value) for value, form in answer if value is not None)
    quality = record["quality"]
    told = [
        f"{record['success']:.0%} answered of {record['calls']:.1f} tries",
        _wait("whole answer", record["seconds"], record["seconds_p95"]),
        _wait("first token", record["first_token"], record["first_token_p95"]),
        like and f"an answer: {like}",
        "" if quality is None else f"quality {quality:.1f} of 5, from {record['rated']:.1f} ratings",
    ]
    return [line for line in told if line]


def _wait(name: str, middle: float | None, slow: float | None) -> str:
    """The median of a wait, and its slow end."""
    if middle is None:
        return ""
    return f"{name} after {middle:.1f} s{'' if slow is None else f', one in twenty after {slow:.1f} s'}"


def _failures(record: Facts) -> str:
    told = ", ".join(f"{code} {count:.1f}" for code, count in record["failures"].items())
    lost = record["lost_seconds"]
    return f"failed: {told}{'' if lost is None else f'; after {lost:.1f} s each'}"
