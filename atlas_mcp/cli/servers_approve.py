"""`atlas-mcp servers approve`: what a server changed of its tools, shown to a person who lets them in."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher, unified_diff
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_mcp.cli.hidden import marked, visible
from atlas_mcp.cli.servers_opening import agreed, opened_servers, server_names
from atlas_mcp.cli.terminal import Exit, give_json, perform, stderr, stdout
from atlas_mcp.errors import InvalidInput
from atlas_mcp.observe.sentences import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

    from atlas_mcp.downstream.said import Offer
    from atlas_mcp.downstream.store import Pin

__all__ = ["approve_tools", "by_words", "tell_pin"]

MOST_SHOWN = 20_000
"""Characters of a description or a schema that are shown."""
_WORDS = re.compile(r"\s+|[^\s]+")


def approve_tools(
    name: Annotated[str, typer.Argument(help="Which server.", autocompletion=server_names)],
    tools: Annotated[
        list[str] | None, typer.Argument(metavar="[TOOL…]", help="Which of its tools; all that wait.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Let them in without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what changed of a server's tools, hidden characters too, and let them in.

    Ends with exit code 1 where nothing waits, or you say no.
    """
    perform(_approve(name, tools or [], yes=yes, as_json=as_json))


async def _approve(name: str, tools: Sequence[str], *, yes: bool, as_json: bool) -> Exit:
    from atlas_mcp.settings import Settings

    async with opened_servers(Settings.load()) as opened:
        title = opened.entry(name).shown_title
        pins = await opened.pins(name)
        waiting = _chosen(name, pins, tools)
        if not waiting:
            told = f"Nothing of {title} waits for approval."
            if not pins:
                told = f"{title} was never listed, so that nothing waits: atlas-mcp servers test {name}"
            stderr().print(told, soft_wrap=True, markup=False)
            if as_json:
                give_json({"approved": [], "waiting": []})
            return Exit.FAILED
        if not as_json:
            for pin in waiting:
                tell_pin(stdout(), pin)
        elif not yes:
            give_json({"approved": [], "waiting": [_facts(pin) for pin in waiting]})
            return Exit.WAITING
        if not yes and not agreed(f"Let {'it' if len(waiting) == 1 else 'them'} be used as shown?"):
            return Exit.FAILED
        done = await opened.approve(name, {pin.offer.name: pin.latest.hash for pin in waiting})
    if as_json:
        give_json({"approved": done, "waiting": []})
    else:
        stdout().print(f"On: {', '.join(visible(each) for each in done)}", soft_wrap=True, markup=False)
    return Exit.DONE


def _chosen(name: str, pins: Sequence[Pin], tools: Sequence[str]) -> list[Pin]:
    """The tools that wait, or those of them that are named.

    Raises:
        InvalidInput: one that is named is not there.
    """
    from atlas_mcp.downstream.store import Standing

    known = {pin.offer.name for pin in pins}
    if unknown := [each for each in tools if each not in known]:
        names = ", ".join(sorted(known)) or "none"
        raise InvalidInput(f"{name} has no tool {unknown[0][:80]!r} for us.", remedy=f"There are {names}.")
    waiting = [pin for pin in pins if pin.standing is not Standing.ON]
    return [pin for pin in waiting if not tools or pin.offer.name in tools]


def _facts(pin: Pin) -> dict[str, Any]:
    from atlas_mcp.downstream.store import Standing

    was = pin.offer if pin.pending is not None and pin.standing is Standing.CHANGED else None
    return {
        "tool": pin.offer.name,
        "standing": pin.standing.value,
        "why": visible(pin.reason),
        "was": _offer_facts(was) if was else None,
        "is": _offer_facts(pin.latest),
    }


def _offer_facts(offer: Offer) -> dict[str, Any]:
    return {
        "title": visible(offer.title),
        "description": visible(offer.description),
        "parameters": offer.parameters,
        "only_reads": offer.reads,
    }


def tell_pin(console: Console, pin: Pin) -> None:
    """Show a tool that is off: what changed of it, or all of it where nothing of it was approved."""
    from rich.text import Text

    from atlas_mcp.downstream.screening.invisible import hidden
    from atlas_mcp.downstream.store import Standing

    name = f"{visible(pin.server)}/{visible(pin.offer.name)}"
    console.print(
        Text.assemble("\n", (name, "bold"), ("  off: ", "yellow"), marked(pin.reason)), soft_wrap=True
    )
    is_now = pin.latest
    was = pin.offer if pin.pending is not None and pin.standing is Standing.CHANGED else None
    for label, before, after in (
        ("title", was.title if was else "", is_now.title),
        ("description", was.description if was else "", is_now.description),
        ("only reads, it says", _word(was) if was else "", _word(is_now)),
    ):
        if was is None and after:
            console.print(Text.assemble((f"  {label}: ", "dim"), marked(_cut(after))), soft_wrap=True)
        elif before != after:
            console.print(Text.assemble((f"  {label}: ", "dim"), by_words(before, after)), soft_wrap=True)
    for line in _schema(was, is_now):
        console.print(Text.assemble("  ", line), soft_wrap=True)
    for each in hidden(is_now.description):
        said = f"  hidden by {each.how}: {each.words!r}"
        console.print(marked(said, "bold red"), soft_wrap=True)


def _word(offer: Offer) -> str:
    return "yes" if offer.reads else "no"


def _cut(text: str) -> str:
    left = len(text) - MOST_SHOWN
    return text if left <= 0 else f"{text[:MOST_SHOWN]} … and {counted(left, 'character')} more"


def by_words(before: str, after: str) -> Text:
    """Two texts as one, with what went and what came."""
    from rich.text import Text

    old, new = _WORDS.findall(_cut(before)), _WORDS.findall(_cut(after))
    told = Text()
    for what, first, last, begin, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[first:last]), "".join(new[begin:end])
        if what == "equal":
            told.append_text(marked(gone))
            continue
        if gone:
            told.append_text(marked(f"[-{gone}-]", "red"))
        if come:
            told.append_text(marked(f"{{+{come}+}}", "green"))
    return told


def _schema(was: Offer | None, is_now: Offer) -> list[Text]:
    """The arguments that a tool takes: line by line what went and what came, or all of them."""
    after = _lines(is_now.parameters)
    if was is None:
        return [marked(f"  {line}", "dim") for line in after]
    before = _lines(was.parameters)
    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = list(unified_diff(before, after, "arguments, approved", "arguments, now", lineterm="", n=2))
    return [marked(line, styles.get(line[:1], "")) for line in lines]


def _lines(parameters: dict[str, Any]) -> list[str]:
    text = json.dumps(parameters, ensure_ascii=False, indent=2, sort_keys=True)
    return _cut(text).splitlines()
