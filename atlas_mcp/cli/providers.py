"""`atlas-mcp providers`: who can answer prompts, how well, at what price, and how they fared lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

from atlas_mcp.cli.provider_record import show_record
from atlas_mcp.cli.serve_models import serve_models
from atlas_mcp.cli.terminal import Exit, give_json, perform, stdout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

__all__ = ["BREAKER_STATES", "lately", "providers", "spent_today"]

Facts: TypeAlias = "Mapping[str, Any]"

providers = typer.Typer(
    help="Providers: who can answer prompts, and how they fare.", invoke_without_command=True
)

providers.command("serve")(serve_models)
providers.command("show")(show_record)

BREAKER_STATES = {"closed": ("free", "dim"), "half_open": ("on trial", "yellow"), "open": ("resting", "red")}
"""What a breaker's state means to whoever asks next; whether a member answers is said by --ping alone."""


@providers.callback()
def show_providers(
    context: typer.Context,
    ping: Annotated[bool, typer.Option("--ping", help="Ask each whether it answers; costs nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who can answer prompts: abilities, prices, reliability."""
    if context.invoked_subcommand is None:
        perform(_show(ping=ping, as_json=as_json))


async def _show(*, ping: bool, as_json: bool) -> Exit:
    from atlas_mcp.cli.opening import opened

    async with opened() as atlas:
        told = await atlas.overview(ping=ping)
    if as_json:
        give_json(told)
    else:
        _tell(told)
    unwell = any(one["health"] and not one["health"]["answers"] for one in told["providers"])
    return Exit.FAILED if unwell or told["broken"] else Exit.DONE


def _tell(told: Facts) -> None:
    console = stdout()
    _tell_table(console, told)
    for group in told["groups"]:
        _tell_group(console, group, default=group["name"] == told["default"])
    for one in told["providers"]:
        _tell_records(console, one)
    for one in told["broken"]:
        console.print(f"\n✗ {one['name']}: {one['error']['message']}", style="red", markup=False)
        console.print(f"  → {one['error']['remedy']}", markup=False)
    today = told["today"]
    if today["calls"]:
        console.print(f"\nToday: {spent_today(today)}", markup=False)
    for problem in told["problems"]:
        console.print(f"\n! {problem['message']}\n  → {problem['remedy']}", style="yellow", markup=False)
    if told["could_be"]:
        could = "; ".join(f"{vendor}: {' or '.join(names)}" for vendor, names in told["could_be"].items())
        console.print(f"\nMore can be configured by the environment: {could}", style="dim", markup=False)


def spent_today(today: Facts) -> str:
    """What was spent today, each figure with its limit behind it."""
    most_tokens, most_usd, cost = today["limit_tokens"], today["limit_usd"], today["cost_usd"]
    tokens = f"{today['tokens']:,}{f' of {most_tokens:,}' if most_tokens else ''} tokens"
    of_usd = f" of ${most_usd:.2f}" if most_usd else ""
    if cost is None:
        return f"{tokens}, price unknown{f' ({of_usd.strip()})' if of_usd else ''}"
    return f"{tokens}, ${cost:.4f}{of_usd}{', some at an unknown price' if today['unpriced'] else ''}"


def _tell_table(console: Console, told: Facts) -> None:
    """A line a provider, and below it what is to be said of it: a name that is cut cannot be typed."""
    from rich.padding import Padding
    from rich.text import Text

    from atlas_mcp.cli.aligned import Column, aligned

    rows: list[tuple[str | Text, ...]] = []
    for one in told["providers"]:
        name = Text(one["name"], style="bold")
        if one["name"] == told["default"]:
            name.append("  default", style="not bold green")
        window = f"{one['window']:,}" if one["window"] else "unknown"
        rows.append((name, window, _price(one), lately(one["records"].get("all"))))
    columns = (
        Column("provider"), Column("window", dear=False), Column("in / out per M", dear=False),
        Column("lately", gives=True, parts=True),
    )  # fmt: skip
    lines = aligned(columns, rows, console.width)
    for title in lines[:1]:
        console.print(title, soft_wrap=True)
    for one, line in zip(told["providers"], lines[1:], strict=True):
        console.print(line, soft_wrap=True)
        if one["address"]:
            console.print(Text(f"  {one['address']}", style="dim"), soft_wrap=True)
        if said := _health(one):
            console.print(Padding(said, (0, 0, 0, 2)))


def _price(one: Facts) -> str:
    price = one["usd_per_million"]
    return "unknown" if price is None else f"${price['input']:g} / ${price['output']:g}"


def lately(record: Facts | None) -> str:
    """A member's record in a few words."""
    if not record:
        return "not used yet"
    parts = [f"{record['success']:.0%} of {record['calls']:.0f}"]
    if record["first_token"] is not None:
        parts.append(f"first token {record['first_token']:.1f} s")
    if record["tokens_per_second"] is not None:
        parts.append(f"{record['tokens_per_second']:.0f} tokens/s")
    if record["cost_usd"]:
        parts.append(f"${record['cost_usd']:.4f} a call")
    if record["quality"] is not None:
        parts.append(f"quality {record['quality']:.1f}")
    return ", ".join(parts)


def _health(one: Facts) -> Any:
    from rich.text import Text

    health = one["health"]
    if health is None:
        return Text(one["note"], style="dim")
    if health["answers"]:
        return Text(f"✓ {health['says']} ({health['seconds']:.2f} s)", style="green")
    said = Text(f"✗ {health['says']}", style="red")
    return said.append(f"\n→ {health['remedy']}") if health["remedy"] else said


def _tell_group(console: Console, group: Facts, *, default: bool) -> None:
    from rich.text import Text

    head = Text.assemble("\n", (group["name"], "bold"), f"  {group['strategy']}")
    console.print(head.append("  default", style="green") if default else head)
    for member in group["members"]:
        said, style = BREAKER_STATES[member["breaker"]]
        line = Text.assemble(f"  {member['name']}  ", (said, style))
        if member["weight"] != 1.0:
            line.append(f"  weight {member['weight']:g}", style="dim")
        if member["breaker"] != "closed":
            wait = f"{member['ready_in']:.0f}"
            again = "now" if wait == "0" else f"in {wait} s"
            line.append(f"  after {member['reason']}, again {again}", style=style)
        console.print(line)
    for chosen in group["choices"]:
        console.print(
            Text(f"  last: {chosen['member']} for {chosen['task']}: {chosen['reason']}", style="dim")
        )


def _tell_records(console: Console, one: Facts) -> None:
    """How a provider fared task by task, and how it failed."""
    from rich.text import Text

    tasks = {task: record for task, record in one["records"].items() if task != "all"}
    every: Facts = one["records"].get("all") or {"failures": {}}
    failures = cast("dict[str, float]", every["failures"])
    if not tasks:
        return
    console.print(Text(f"\n{one['name']}", style="bold"))
    for task, record in tasks.items():
        console.print(Text(f"  {task}: {lately(record)}"))
    if failures:
        told = ", ".join(f"{code} {count:.0f}" for code, count in failures.items())
        console.print(Text(f"  failed: {told}", style="yellow"))
