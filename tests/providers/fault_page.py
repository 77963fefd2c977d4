"""The table of faults as a page that a person reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.providers.faults import FAULTS, TOKENS, seen
from tests.providers.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from atlas_mcp.errors import ProviderError
    from tests.providers.faults import Seen, Way

_INTRODUCTION = f"""\
# What a provider's faults come to

Whatever a vendor, its SDK or the network does, whoever asked sees one of three things: a whole answer, a
refusal by the model, or an error of our own (`atlas_mcp/errors.py`) that says who failed and what to do. No
exception of a vendor or a transport gets through, none hangs on the error that does, and no key is in it.
Nothing is asked again behind the caller's back; only Ollama is, once and with a larger window, where a prompt
did not fit.

This page is made by `tests/providers/test_faults.py`, which lets each of these faults happen, through the
official SDKs, at a server that speaks each vendor's wire, and fails when the page no longer tells what comes
of it. To write it anew, run `WRITE_DOCS=1 python -m pytest tests/providers/test_faults.py`.

*Text before* is how many of the {TOKENS} pieces of an answer were read before it broke. *Usage* is measured
where the vendor said what the call took, estimated where it no longer could, and none where it never accepted
the call. A *connection* is kept for the next call if the answer was read to its end, else closed at once.
"""
_STREAMS = """
## An answer that streams in
"""
_DIFFERENCES = """
Where vendors differ: Anthropic says why a model is done, and then, by an event of its own, that this is all;
without that one the answer was cut off. OpenAI's chat tells the usage only after the model is done. Responses
and Anthropic say at once that an answer begins, so that a slow first token is a silence in mid-answer. Ollama
reports an error in words alone, and has no sign for a refusal.
"""
_PLAIN = """
## An answer in one piece
"""
_NEXT = """
## What may be tried then

*Again* is the same provider, as long as nothing was said yet; *another* is another member of a group.
"""
_YES = {True: "yes", False: "no"}


def page() -> str:
    """All of it."""
    streams = (_STREAMS, _table("stream"), _DIFFERENCES)
    return "".join((_INTRODUCTION, *streams, _PLAIN, _table("plain"), _NEXT, _what_next()))


def _table(way: Way) -> str:
    rows = [["What happens", *VENDORS, "text before", "usage", "connection"]]
    for name in FAULTS:
        cells = {vendor: seen(vendor, way)[name] for vendor in VENDORS if name in seen(vendor, way)}
        if cells:
            outcomes = [_outcome(was) for was in cells.values()]
            usage = _alike({vendor: was.usage for vendor, was in cells.items()})
            connection = _alike({vendor: was.connection for vendor, was in cells.items()})
            before = _alike({vendor: _before(was) for vendor, was in cells.items()})
            rows.append([name, *outcomes, before, usage, connection])
    return _markdown(rows)


def _what_next() -> str:
    errors: dict[type[ProviderError], dict[str, str]] = {}
    for vendor, error in _errors():
        errors.setdefault(type(error), {}).setdefault(vendor, error.remedy)
    rows = [["Error", "again", "another", "what it says to do"]]
    for leaf, remedies in errors.items():
        rows.append([f"`{leaf.__name__}`", _YES[leaf.retryable], _YES[leaf.fall_back], _alike(remedies)])
    return _markdown(rows)


def _errors() -> Iterator[tuple[str, ProviderError]]:
    for name in FAULTS:
        for vendor in VENDORS:
            if error := seen(vendor, "stream")[name].error:
                yield vendor, error


def _outcome(was: Seen) -> str:
    if was.error is None:
        return str(was.outcome)
    wait = was.error.retry_after
    return f"`{type(was.error).__name__}`" + (f", come back in {wait:g} s" if wait is not None else "")


def _before(was: Seen) -> str:
    if was.error is None:
        return "all"
    return str(was.pieces) if was.pieces else "none"


def _alike(values: Mapping[str, str]) -> str:
    """What holds for all vendors, or for most, and for whom it is otherwise."""
    usual, _ = Counter(values.values()).most_common(1)[0]
    others = [f"{vendor}: {value}" for vendor, value in values.items() if value != usual]
    return "<br>".join((usual, *others))


def _markdown(rows: Iterable[Iterable[str]]) -> str:
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    rule = "|" + "---|" * (head.count(" | ") + 1)
    return "\n" + "\n".join((head, rule, *rest)) + "\n"
