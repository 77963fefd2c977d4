"""Which blocks of a result in prose are its sources, where a page may hold what looks like another block.

Whoever wrote a page writes part of the result: after a blank line it may go on with a title and an address of
somebody else. What is known is what was asked for. Where that was one page, all is its text; where it was
several, no other counts; and a search gives no more blocks than it was asked for. What a page forges among
fewer than that looks like all others, and is taken for one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.downstream.addresses import address, made, page

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping, Sequence

    from atlas_mcp.downstream.entry import Entry, Shape

__all__ = ["Block", "asked_pages", "blocks"]


@dataclass(frozen=True, slots=True)
class Block:
    """What a pattern found for one source; `posing` is the start of what posed as another beside it."""

    groups: dict[str, str | None]
    posing: str = ""


def asked_pages(entry: Entry, tool: str, arguments: Mapping[str, Any]) -> frozenset[str] | None:
    """The pages that a call asks for by their addresses; None where it asks for none."""
    names = {"url", "urls"}
    if entry.fetch is not None and entry.fetch.tool == tool:
        names.add(entry.fetch.url)
    given = [arguments[name] for name in sorted(names & arguments.keys())]
    if not given:
        return None
    words = [
        str(word)
        for value in given
        for word in (cast("list[Any]", value) if isinstance(value, list) else [value])
    ]
    # Services take an address without its scheme, too.
    return frozenset(page(address(word) or address(f"https://{word}")) for word in words)


def blocks(
    shape: Shape, text: str, arguments: Mapping[str, Any], asked: frozenset[str] | None
) -> Iterator[Block]:
    """The blocks of a text that are sources, in order."""
    found = [*shape.expression.finditer(text)]
    if asked is not None and "uri" in shape.expression.groupindex:
        yield from _of_pages(found, [_page_of(shape, match) for match in found], asked)
        return
    most = _most(shape, arguments)
    if most is None or len(found) <= most:
        yield from (Block(match.groupdict()) for match in found)
    elif most == 1:
        yield _whole(found)
    else:
        # One of them is forged, and nobody can say which: not the first, since before it nobody writes.
        yield Block(found[0].groupdict(), " ".join(found[most][0][:300].split()))


def _of_pages(found: Sequence[re.Match[str]], pages: Sequence[str], asked: frozenset[str]) -> Iterator[Block]:
    """The blocks of the pages that were asked for."""
    known = [at for at, each in enumerate(pages) if each in asked]
    if len(asked) == 1 and known:
        yield _whole(found[known[0] :])
    elif len(asked) > 1:
        # What is there twice was written by one of the others at least once.
        yield from (Block(found[at].groupdict()) for at in known if pages.count(pages[at]) == 1)


def _whole(found: Sequence[re.Match[str]]) -> Block:
    """The first of several blocks, with the others as its text."""
    groups = found[0].groupdict()
    if len(found) > 1 and groups.get("text") is not None:
        groups["text"] = found[0].string[found[0].start("text") : found[-1].end()]
    return Block(groups)


def _page_of(shape: Shape, match: re.Match[str]) -> str:
    return page(made(match["uri"] or "", shape.prefix, {}))


def _most(shape: Shape, arguments: Mapping[str, Any]) -> int | None:
    try:
        return max(1, int(arguments[shape.number]))
    except (KeyError, TypeError, ValueError):
        return shape.most
