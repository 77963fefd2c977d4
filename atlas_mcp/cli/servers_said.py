"""What a downstream tool said, as an agent of a run gets it: what is left out for it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.results import documents
from atlas_mcp.downstream.screening.suspecting import capped, cleaned, suspicions
from atlas_mcp.memory.moments import now
from atlas_mcp.messages import Passage, Source
from atlas_mcp.orchestration.outside import EACH, HITS, _passages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.results import Document
    from atlas_mcp.downstream.said import Said
    from atlas_mcp.downstream.screening.suspecting import Suspicion

__all__ = ["Seen", "as_agents_see"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A result as an agent reads it: its text, and what reads like an order in it or was left out of it.

    `sources` are the documents in it, which a brief can cite; without one there are no passages.
    """

    text: str
    sources: tuple[Document, ...]
    left_out: tuple[Suspicion, ...]
    kept: tuple[Suspicion, ...]


def as_agents_see(entry: Entry, tool: str, given: Mapping[str, Any], said: Said, *, keep: bool) -> Seen:
    """What an agent reads of a result; `keep` is whether what reads like an order stays in it."""
    found = () if said.error else documents(entry, tool, given, said.text, said.structured)
    if not found:
        text, _ = capped(cleaned(said.text), entry.limits.characters)
        return Seen(text, (), (), suspicions(said.text))
    query = " ".join(str(value) for value in given.values() if isinstance(value, str))
    passages: list[Passage] = []
    hidden: list[Suspicion] = []
    suspected: list[Suspicion] = []
    for document in found:
        hidden += document.hidden
        shown, why = _of_document(document, query, HITS if len(found) == 1 else EACH, keep=keep)
        passages += shown
        suspected += why
    best = sorted(passages, key=lambda passage: -passage.score)[:HITS]
    text = "\n\n".join(f"{each.source.title}  {each.source.uri}\n{each.text}" for each in best)
    return Seen(text, found, _once([*hidden, *(() if keep else suspected)]), _once(suspected if keep else ()))


def _of_document(
    document: Document, query: str, most: int, *, keep: bool
) -> tuple[list[Passage], list[Suspicion]]:
    """The passages of a document that an agent reads, and what in it reads like an order."""
    suspected = [*suspicions(document.title)]
    title = document.uri if suspected and not keep else document.title
    source = Source("", document.uri, title, now())
    shown: list[Passage] = []
    for passage in _passages(document.text, source, query, most, ""):
        why = suspicions(f"{passage.heading or ''}\n{passage.text}")
        suspected += why
        if keep or not why:
            shown.append(passage)
    return shown, suspected


def _once(suspected: Sequence[Suspicion]) -> tuple[Suspicion, ...]:
    return tuple(dict.fromkeys(suspected))
