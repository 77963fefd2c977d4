"""Memories on the terminal: hits with their reasons, one memory whole, many in a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from atlas_mcp.cli.terminal import stderr, stdout
from atlas_mcp.memory.moments import now
from atlas_mcp.memory.preparing import age, told_of
from atlas_mcp.observe.sentences import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.memory.connections import Chain
    from atlas_mcp.memory.person import Found, Kept
    from atlas_mcp.memory.record.record import Stored

__all__ = ["show_chain", "show_found", "show_list", "show_whole", "tell_kept"]

LINE = 90


def show_found(found: Found) -> None:
    """Memories, then passages, each with why it was found, how old it is and what it rests on."""
    console, at = stdout(), now()
    for each in found.memories:
        stored = each.stored
        head = Text.assemble((stored.kind.value, "bold"), f"  {stored.id}", (f"  {each.why}", "dim"))
        console.print(head, soft_wrap=True)
        _print_text(stored.text)
        console.print(Text(f"  {told_of(stored, at)}", style="dim"), soft_wrap=True)
    for passage in found.passages:
        where = f", page {passage.page}" if passage.page else ""
        head = Text.assemble(
            ("passage", "bold"), f"  {passage.source.uri}{where}", (f"  {passage.why}", "dim")
        )
        console.print(head, soft_wrap=True)
        _print_text(passage.text)


def show_chain(chain: Chain) -> None:
    """Each name, and under it the memory that holds it and the next one."""
    console, at = stdout(), now()
    for name, stored in zip(chain.names, chain.memories, strict=False):
        console.print(Text(name, style="bold"), soft_wrap=True)
        console.print(Text.assemble("  ", (stored.kind.value, "bold"), f"  {stored.id}"), soft_wrap=True)
        _print_text(stored.text)
        console.print(Text(f"  {told_of(stored, at)}", style="dim"), soft_wrap=True)
    console.print(Text(chain.names[-1], style="bold"), soft_wrap=True)


def _print_text(text: str) -> None:
    """A text on as many lines as it takes, all of them indented."""
    from rich.padding import Padding

    stdout().print(Padding(Text(" ".join(text.split())), (0, 0, 0, 2), expand=False))


def show_whole(found: Sequence[Stored]) -> None:
    """Each with everything that is known of it."""
    console, at = stdout(), now()
    for number, stored in enumerate(found):
        if number:
            console.print()
        console.print(Text.assemble((stored.kind.value, "bold"), f"  {stored.id}"))
        console.print(Text(stored.text))
        until = stored.valid_to[:10] if stored.valid_to else ""
        holds = f"holds since {stored.valid_from[:10]}{f' until {until}' if until else ''}"
        if stored.superseded_by:
            holds += f", superseded by {stored.superseded_by}"
        times = "once" if stored.uses == 1 else f"{stored.uses:,} times"
        used = f"recalled {times}, last {stored.used_at[:10]}" if stored.used_at else "never recalled"
        whose = f"of the {stored.owner.replace(':', ' ', 1)}"
        team = f", of the team {stored.team}" if stored.team else ""
        for line in (told_of(stored, at), holds, f"{whose}{team}; {used}"):
            console.print(Text(f"  {line}", style="dim"), soft_wrap=True)
        for each in stored.evidence:
            if not (each.text or each.source or each.score is not None):
                continue  # that a person said it stands above
            words = f" “{shortened(each.text, 200)}”" if each.text else ""
            score = f" {each.score:g}" if each.score is not None else ""
            source = f" {each.source}" if each.source else ""
            console.print(Text(f"  {each.kind}{score}{words}{source}"), soft_wrap=True)


def show_list(found: Sequence[Stored]) -> None:
    """A line each, the newest first."""
    from rich.table import Table

    table, at = Table(box=None, padding=(0, 2, 0, 0)), now()
    for title in ("id", "kind", "when", ""):
        table.add_column(title, overflow="fold")
    for stored in found:
        text = Text(shortened(stored.text, LINE), style="" if stored.closed_at is None else "strike dim")
        when = age(stored, at) if stored.closed_at is None else f"{age(stored, at)}, superseded"
        table.add_row(stored.id, stored.kind.value, when, text)
    stdout().print(table)


def tell_kept(kept: Kept) -> None:
    """What became of a note."""
    if kept.state != "close":
        said = "Remembered" if kept.state == "new" else "Known already"
        closed = f"; {', '.join(kept.superseded)} no longer holds" if kept.superseded else ""
        stdout().print(Text(f"{said} as {kept.id}{closed}."), soft_wrap=True)
        return
    console = stderr()
    console.print("Not kept, as it is close to what is remembered:")
    for each in kept.relatives:
        says = "the same" if each.how == "same" else "otherwise"
        line = Text(f"  {each.stored.id} says {says} ({each.reason}): {each.stored.text}")
        console.print(line, soft_wrap=True)
    first = kept.relatives[0].stored.id
    console.print(f"Add --supersedes {first} to take its place, or --anyway to keep both.", soft_wrap=True)
