"""The gate: which fields of a team's output are judged, and what stands against each sentence in them.

It knows fields by name and shape, and no team. Whatever it sets aside is shown, never hidden.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.quality.citations import Verdict, judge_claims, judge_sentences, sentence_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "ANSWERS", "DOCUMENTS", "POINTERS", "UNSUPPORTED", "faults", "pointed", "prose", "resting", "said",
    "statements_of", "supported",
]  # fmt: skip

UNSUPPORTED = "[unsupported]"
"""What follows a sentence of an answer that no finding carries."""

ANSWERS = ("answer", "summary")
"""Fields of a few sentences, each of which cites; one that nothing carries is marked where it stands."""

DOCUMENTS = ("document", "final_output")
"""Fields of Markdown to be handed on; what nothing carries is listed, and stays as it was written."""

_LISTS = {"claims": ("text", "finding_ids"), "findings": ("statement", "evidence")}
"""Lists whose items rest on findings: the key of the text, and that of the ids."""

POINTERS = ("disagreements", "contradictions")
"""Lists whose items are left out where they name a finding that is not there."""

_HEADING = re.compile(r"\A\s{0,3}#{1,6}\s|\A\s*(?:```|---|\|)|\A\s*!\[")
_ITEM = re.compile(r"\A\s*(?:[-*+]|\d{1,3}[.)]|>)\s+")


def prose(markdown: str) -> list[str]:
    """The paragraphs of a Markdown text that say something: no headings, tables, rules, code, our marks."""
    paragraphs: list[str] = []
    lines: list[str] = []
    code = False
    for line in (*markdown.replace(UNSUPPORTED, "").splitlines(), ""):
        if line.lstrip().startswith("```"):
            code = not code
        item = _ITEM.match(line)
        if code or not line.strip() or _HEADING.match(line) or item:
            if lines:
                paragraphs.append(" ".join(lines))
            lines = [line[item.end() :].strip()] if item and not code else []
        else:
            lines.append(line.strip())
    return paragraphs


def statements_of(draft: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Everything in a draft that rests on findings by name, as claims `{text, finding_ids}`."""
    return [
        {"text": each[text], "finding_ids": each[ids]}
        for name, (text, ids) in _lists(draft)
        for each in resting(draft, name)
    ]


def resting(draft: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The items of a list that rest on findings; a team may have a list of that name for something else."""
    text, ids = _LISTS.get(name, _LISTS["claims"])
    listed: Any = draft.get(name)
    items = cast("list[Any]", listed) if isinstance(listed, list) else []
    return [each for each in items if isinstance(each, dict) and {text, ids} <= each.keys()]


def pointed(item: Any) -> list[str]:
    """The findings that an item of a list of pointers names; none where it is something else."""
    named: Any = cast("dict[str, Any]", item).get("finding_ids") if isinstance(item, dict) else None
    return (
        [each for each in cast("list[Any]", named) if isinstance(each, str)]
        if isinstance(named, list)
        else []
    )


def _lists(draft: Mapping[str, Any]) -> list[tuple[str, tuple[str, str]]]:
    """The lists whose items rest on findings: the known ones, and any of a team's own whose items say so."""
    own = [
        name for name in draft
        if name not in _LISTS and name not in POINTERS and resting(draft, name)
    ]  # fmt: skip
    return [*_LISTS.items(), *((name, _LISTS["claims"]) for name in own)]


def said(draft: Mapping[str, Any]) -> str:
    """What a draft says in sentences that cite by marks: its answer, summary or document."""
    texts = [draft.get(name) or "" for name in ANSWERS]
    texts += [paragraph for name in DOCUMENTS for paragraph in prose(draft.get(name) or "")]
    return "\n\n".join(text for text in texts if text)


def faults(draft: Mapping[str, Any], quotes: Mapping[str, str]) -> list[str]:
    """What to tell a supervisor whose draft is not carried by what it cites."""
    return [
        f"{place}: {verdict.text[:160]!r}: {verdict.reason}. Say what the findings say, and cite their ids."
        for place, verdict in _verdicts(draft, quotes)
        if not verdict.supported
    ]


def _verdicts(draft: Mapping[str, Any], quotes: Mapping[str, str]) -> Iterator[tuple[str, Verdict]]:
    for name, (text, ids) in _lists(draft):
        claims = [{"text": each[text], "finding_ids": each[ids]} for each in resting(draft, name)]
        yield from ((f"$.{name}[{n}]", verdict) for n, verdict in enumerate(judge_claims(claims, quotes)))
    for name in ANSWERS:
        yield from ((f"$.{name}", verdict) for verdict in judge_sentences(draft.get(name) or "", quotes))
    for name in DOCUMENTS:
        for paragraph in prose(draft.get(name) or ""):
            for verdict in judge_sentences(paragraph, quotes):
                # A document may lead from one thing to the next in sentences that claim nothing.
                if verdict.finding_ids:
                    yield f"$.{name}", verdict


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft after the gate, and what was found against it, `{text, reason}` each."""

    draft: dict[str, Any]
    unsupported: list[dict[str, str]]


def supported(
    draft: Mapping[str, Any],
    quotes: Mapping[str, str],
    *,
    searched: bool,
    longest: Mapping[str, int] | None = None,
) -> Kept:
    """A draft without what nothing carries.

    Items of lists are left out; a sentence of an answer stays, marked; one of a document stays as it is. All
    of them are listed. With nothing `searched` an answer is the run's own and not judged. `longest` says how
    many characters an answer may have.
    """
    kept = dict(draft)
    unsupported: list[dict[str, str]] = []
    stated = carried = 0
    for name, (text, ids) in _lists(draft):
        items = resting(draft, name)
        verdicts = judge_claims([{"text": each[text], "finding_ids": each[ids]} for each in items], quotes)
        gone = [each for each, verdict in zip(items, verdicts, strict=True) if not verdict.supported]
        if gone:
            kept[name] = [each for each in draft[name] if not any(each is one for one in gone)]
        unsupported += [{"text": v.text, "reason": v.reason} for v in verdicts if not v.supported]
        stated, carried = stated + len(items), carried + len(items) - len(gone)
    for name in ANSWERS:
        if searched and draft.get(name):
            bare = [v for v in judge_sentences(draft[name], quotes) if not v.supported]
            unsupported += [{"text": v.text, "reason": f"in the {name}: {v.reason}"} for v in bare]
            most = (longest or {}).get(name, sys.maxsize)
            kept[name] = _marked(draft[name], [verdict.text for verdict in bare], most)
    for name in DOCUMENTS:
        for paragraph in prose(draft.get(name) or ""):
            bare = [v for v in judge_sentences(paragraph, quotes) if not v.supported]
            unsupported += [{"text": v.text, "reason": f"in the {name}: {v.reason}"} for v in bare]
    for name in POINTERS:
        if isinstance(draft.get(name), list):
            kept[name] = [each for each in draft[name] if all(one in quotes for one in pointed(each))]
    if isinstance(draft.get("confidence"), int | float):
        share = carried / stated if stated else float(bool(quotes))
        kept["confidence"] = round(min(1.0, draft["confidence"]) * share, 2)
    return Kept(kept, unsupported)


def _marked(answer: str, bare: Sequence[str], longest: int) -> str:
    """The answer with a mark behind each of the sentences, given in their order, that nothing carries.

    Where that would be longer than an answer may be, the mark takes the sentence's place.
    """
    at = 0
    for sentence in bare:
        if (place := sentence_place(sentence, answer, at)) is None:
            continue
        start, end = place
        fits = len(answer) + len(UNSUPPORTED) < longest
        before = f"{answer[:end]} " if fits else answer[:start]
        answer = f"{before}{UNSUPPORTED}{answer[end:]}"
        at = len(before) + len(UNSUPPORTED)
    return answer
