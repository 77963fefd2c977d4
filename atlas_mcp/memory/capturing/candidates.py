"""What a run has that might be worth remembering: candidates with what they rest on, and no judgement yet.

Facts come from what the output states and cites; procedures and outcomes from how the run went, told by its
events; preferences only from what a person wrote or changed. Nothing is taken from a document but the quotes
that the output cites.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from atlas_mcp.learning import MOST_TEXT, Evidence, LearningKind
from atlas_mcp.memory.capturing.contradicting import says_since
from atlas_mcp.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from atlas_mcp.memory.capturing.told import Course, Done, RunTold

__all__ = [
    "WISHES", "Candidate", "Cited", "account", "citations", "earlier_wishes", "facts", "outcome",
    "preferences", "procedure", "unasked",
]  # fmt: skip

WISHES = ("format", "length", "tone", "audience", "language", "style")
"""Fields of an input by which a person says how they want it; asked for often enough, it is a preference."""

_OWN_WORDS = frozenset({*WISHES, "question", "task", "instructions"})
"""Fields in which people say what they want, beside the first, which says what the work is about. What is
given in any other may be a letter or a page that somebody else wrote."""

_NO_WORDS = frozenset(
    {"draft", "work", "document", "documents", "text", "source", "sources", "rubric", "given"}
)
"""Fields that hold what somebody else may have written, first or not."""

MOST_WORDS = 4_000
"""Characters of a field up to which it is read as a person's own words; what is longer was pasted."""

_MARKS = re.compile(r"\s*\[f\d+(?:\s*,\s*f\d+)*\]")
_ID = re.compile(r"\bf\d+\b")
_AFTER_STOP = re.compile(r"""([.!?…]+["'\u201d\u2019)]*)((?:\s*\[f\d+(?:\s*,\s*f\d+)*\])+)""")
_PARAGRAPH = re.compile(r"\n\s*\n")
_ITEM = re.compile(r"\A\s*(?:[-*+]|\d+[.)])\s+")
_UNSUPPORTED = "[unsupported]"
_PROSE = ("answer", "summary", "document", "final_output")
_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|^\s*>.*$|\u201c[^\u201d]*\u201d|\"[^\"\n]{12,}\"", re.DOTALL | re.MULTILINE
)
_STANDING = re.compile(
    r"\b(?:from now on|in (?:the )?future|going forward|henceforth|as a rule|every time|each time|by default"
    r"|unless I say otherwise)\b"
    r"|\b(?:in|for) (?:all|every|each|any)(?: of)? (?:my |our |the |your |future )*(?:reports?|answers?"
    r"|briefs?"
    r"|documents?|texts?|analys[ei]s|memos?|runs?|questions?|tables?|figures?|summar(?:y|ies))\b"
    r"|\b(?:I|we)(?:'d| would)?(?: (?:always|really|much|generally|strongly))* (?:prefer|rather|always want"
    r"|never want|hate|dislike)\b|\b(?:I|we) (?:always|never) (?:want|need|like|use|expect|read|ask)\b"
    r"|(?:^|[.!;:,]\s+|\bplease\s+|\band\s+)(?:always|never)\s+[a-z]+"
    r"|,\s*always\s*[.!]*\s*$|\bplease remember\b",
    re.IGNORECASE,
)
_MOST_GOALS, _MOST_GOAL, _MOST_QUESTION, _MOST_OPEN, _MOST_NAMED = 8, 160, 240, 4, 3


@dataclass(frozen=True, slots=True)
class Cited:
    """A quote that a statement rests on, and the source in which it should stand."""

    quote: str
    uri: str
    title: str
    sha256: str
    retrieved_at: str
    start: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that might be remembered; `said` is a person's own sentence, `asked` how often they asked it.

    `slot` names what only one memory can say at a time: the way a question is gone about, how it last went,
    how it last failed, a wish. `over` is a further slot, whose memory holds no longer once this one is kept.
    `by` is who put it into words.
    """

    kind: LearningKind
    text: str
    evidence: tuple[Evidence, ...] = ()
    cited: tuple[Cited, ...] = ()
    by: Literal["run", "person", "model"] = "run"
    said: str = ""
    standing: bool = False
    asked: int = 0
    slot: str = ""
    over: str = ""
    valid_from: str = ""
    disputed: bool = False
    notes: tuple[str, ...] = field(default=())


def citations(output: Mapping[str, Any]) -> dict[str, Cited]:
    """Every quote of an output by its finding's id; a team of teams has them in its chain of evidence."""
    sources: dict[str, Any] = {each["id"]: each for each in output.get("sources") or () if "id" in each}
    by_uri: dict[str, Any] = {each.get("uri", ""): each for each in sources.values()}
    named = [output[name] for name in ("evidence", "evidence_chain", "findings") if output.get(name)]
    quoted: list[dict[str, Any]] = named[0] if named else []
    found: dict[str, Cited] = {}
    for each in quoted:
        source = sources.get(each.get("source_id", "")) or by_uri.get(each.get("source", ""), {})
        place: dict[str, Any] = each.get("location") or {}
        if not each.get("quote") or not source.get("sha256"):
            continue
        found[each["id"]] = Cited(
            each["quote"], source.get("uri", ""), source.get("title", ""), source["sha256"],
            source.get("retrieved_at", ""), place.get("start", 0),
        )  # fmt: skip
    return found


def facts(told: RunTold) -> list[Candidate]:
    """What the output states: the items of its lists that name findings, and marked sentences of its prose.

    Prose is read only where no list says it already. A statement that cites nothing is one without evidence.
    """
    known = citations(told.output)
    disputed = {
        name
        for key in ("disagreements", "contradictions")
        for each in told.output.get(key) or ()
        for name in each.get("finding_ids", ())
    }
    stated = list(_listed(told.output)) or list(_marked(told.output))
    made: dict[str, Candidate] = {}
    for text, ids in stated:
        plain = " ".join(_MARKS.sub("", text).replace("**", "").split())
        cited = tuple(known[name] for name in dict.fromkeys(ids) if name in known)
        evidence = tuple(Evidence("quote", each.quote, each.uri, each.sha256) for each in cited)
        if plain:
            made.setdefault(plain.casefold(), Candidate(
                LearningKind.FACT, plain, evidence, cited, valid_from=says_since(plain),
                disputed=not disputed.isdisjoint(ids),
            ))  # fmt: skip
    return list(made.values())


def _listed(output: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """List items that rest on findings, `{text, finding_ids}`, or an analysis's `{statement, evidence}`."""
    for name, listed in output.items():
        if name in {"disagreements", "contradictions", "unsupported", "evidence_chain"}:
            continue
        items = cast("list[Any]", listed) if isinstance(listed, list) else []
        for each in items:
            if not isinstance(each, dict):
                continue
            item = cast("dict[str, Any]", each)
            if "text" in item and "finding_ids" in item:
                yield item["text"], list(item["finding_ids"])
            elif "statement" in item and isinstance(item.get("evidence"), list):
                yield item["statement"], list(item["evidence"])


def _marked(output: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Sentences of prose that cite findings; one without a mark rests on the next one that has it, if any."""
    for name in _PROSE:
        for paragraph in _PARAGRAPH.split(str(output.get(name) or "")):
            waiting: list[str] = []
            for sentence in sentences(_AFTER_STOP.sub(r"\2\1", paragraph)):
                if sentence.kind not in ("prose", "item") or _UNSUPPORTED in sentence.text:
                    continue
                waiting.append(_ITEM.sub("", sentence.text))
                ids = [each for marks in _MARKS.findall(sentence.text) for each in _ID.findall(marks)]
                if ids:
                    yield from ((each, ids) for each in waiting)
                    waiting.clear()


def preferences(told: RunTold, course: Course, earlier: Mapping[tuple[str, str], int]) -> list[Candidate]:
    """What a person wants beyond this run: standing words of theirs, wishes, and their changes of a plan.

    Quoted and pasted text is nobody's word, nor is anything of a run that another run started. `earlier`
    counts the runs that asked for a wish (field, value).
    """
    if not told.by_person:
        return []
    found: list[Candidate] = []
    own = {*_OWN_WORDS, next(iter(told.input), "")} - _NO_WORDS
    texts = {
        name: value for name, value in told.input.items()
        if isinstance(value, str) and name in own and len(value) <= MOST_WORDS
    }  # fmt: skip
    for text in (*texts.values(), *course.answers):
        found += _standing(text, told.uri)
    for name in WISHES:
        value = " ".join(texts.get(name, "").split())
        if value and not _STANDING.search(value):
            said = f"{name}: {value}"
            found.append(Candidate(
                LearningKind.PREFERENCE, f"Wanted {name}, unless asked otherwise: {value}.",
                (Evidence("person", said, told.uri),), by="person", said=said, slot=f"wish {name}",
                asked=1 + earlier.get((name, value.casefold()), 0),
            ))  # fmt: skip
    for worker, goal in course.added:
        found.append(_plan_change(told, f"also plan “{_cut(goal, _MOST_GOAL)}” ({worker})", goal))
    for worker, goal in course.removed:
        found.append(_plan_change(told, f"leave out “{_cut(goal, _MOST_GOAL)}” ({worker})", goal))
    return found


def _plan_change(told: RunTold, what: str, goal: str) -> Candidate:
    text = (
        f"For a question like “{_cut(told.question, _MOST_QUESTION)}”, {what}: a person changed the plan so."
    )
    return Candidate(
        LearningKind.PREFERENCE, text, (Evidence("person", goal, told.uri),), by="person", said=goal,
        standing=True,
    )  # fmt: skip


def _standing(text: str, uri: str) -> Iterator[Candidate]:
    """The sentences in which a person says what they want always."""
    own = _QUOTED.sub(lambda match: "\n" if "\n" in match[0] else " ", text)
    for sentence in sentences(own):
        said = " ".join(sentence.text.split())
        if said.endswith("?") or not _STANDING.search(said):
            continue
        yield Candidate(
            LearningKind.PREFERENCE,
            said,
            (Evidence("person", said, uri),),
            by="person",
            said=said,
            standing=True,
        )


def procedure(told: RunTold, course: Course) -> Candidate | None:
    """How the run went about its question, as advice; None where it planned nothing."""
    if not course.work:
        return None
    plan = "; ".join(map(_planned, course.work[:_MOST_GOALS]))
    asked = f"For a question like “{_cut(told.question, _MOST_QUESTION)}”"
    planned = f"the {told.team} team can plan {_count(len(course.work), 'assignment')}: {plan}."
    lines = [f"{asked}, {planned}", f"That gave {account(told, course)}."]
    if idle := [each.id for each in course.work if not each.gave and not each.failure]:
        lines.append(f"Nothing came of {', '.join(idle)}; leave it out.")
    if ways := [f"{each.id} by {way}" for each in course.work if each.ways for way in each.ways[-1:]]:
        lines.append(f"Recovered: {'; '.join(ways)}.")
    return Candidate(
        LearningKind.PROCEDURE,
        " ".join(lines)[:MOST_TEXT],
        _went(told, course, "way"),
        slot=_asked(told, "way"),
    )


def _planned(done: Done) -> str:
    best = sorted(done.searches.items(), key=lambda each: -each[1])
    queries = [query for query, _ in best if _bare(query) != _bare(done.goal)][:2]
    found = f", searching {' and '.join(f'“{_cut(each, 80)}”' for each in queries)}" if queries else ""
    return f"{done.id} {done.worker}: {_cut(done.goal, _MOST_GOAL)}{found}"


def account(told: RunTold, course: Course) -> str:
    """What the run gave and took, in figures."""
    known = citations(told.output)
    sources = dict.fromkeys(each.title or each.uri for each in known.values())
    counted = len(known) or sum(each.findings for each in course.work)
    parts = [_count(counted, "finding")]
    if sources:
        named = ", ".join(list(sources)[:_MOST_NAMED]) + (", …" if len(sources) > _MOST_NAMED else "")
        parts[0] += f" from {_count(len(sources), 'source')} ({named})"
    parts.append(f"in {_count(max(course.rounds, 1), 'round')}")
    parts.append(f"with {_count(course.revisions, 'revision')}" if course.revisions else "without revision")
    took = [f"{course.seconds:.0f} s", _count(course.calls, "model call")]
    if course.cost_usd:
        took.append(f"{course.cost_usd:.2f} USD")
    rated = _rated(told)
    return f"{' '.join(parts)} ({', '.join(took)})" + (f", {rated}" if rated else "")


def outcome(told: RunTold, course: Course) -> Candidate:
    """How a run on this question went: what it gave, its score, what stayed open, failed or was recovered."""
    partial = " in part" if told.partial else ""
    went = "failed" if told.failure else f"answered{partial}"
    asked = f"Asked “{_cut(told.question, _MOST_QUESTION)}”"
    lines = [f"{asked}, the {told.team} team {went} on {told.at[:10]} with {account(told, course)}."]
    if told.failure:
        lines.append(f"It gave nothing: {_cut(told.failure, _MOST_QUESTION)}")
    opened = [
        str(each)
        for key in ("open_questions", "limits")
        for each in told.output.get(key) or ()
        if _bare(str(each)) != _bare(told.question)
    ]
    if opened:
        lines.append(f"Left open: {'; '.join(_cut(each, _MOST_GOAL) for each in opened[:_MOST_OPEN])}.")
    if failed := [f"{each.worker} ({each.failure})" for each in course.work if each.failure]:
        lines.append(f"Failed: {'; '.join(failed)}.")
    if ways := [
        f"{each.worker} by {way}" for each in course.work if not each.failure for way in each.ways[-1:]
    ]:
        lines.append(f"Recovered: {'; '.join(ways)}.")
    wishes = tuple(
        Evidence("person", f"{name}: {' '.join(told.input[name].split())}", told.uri)
        for name in WISHES
        if isinstance(told.input.get(name), str) and told.by_person and told.input[name].strip()
    )
    # That it failed once is no reason to forget how it went well; once it goes well, the failure is past.
    last, past = ("failed", "") if told.failure else ("last", _asked(told, "failed"))
    return Candidate(
        LearningKind.OUTCOME, " ".join(lines)[:MOST_TEXT], (*_went(told, course, last), *wishes),
        slot=_asked(told, last), over=past, notes=tuple(opened),
    )  # fmt: skip


def unasked(text: str, told: RunTold) -> str:
    """What a text about a run says without its question, which is the asker's and may well be an order."""
    return text.replace(_cut(told.question, _MOST_QUESTION), "")


def _went(told: RunTold, course: Course, what: str) -> tuple[Evidence, ...]:
    """The run as evidence: its slot, by which a later run on the same question finds it, figures, rating."""
    went = (
        Evidence("run", _asked(told, what), told.uri), Evidence("run", account(told, course), told.uri),
    )  # fmt: skip
    if told.overall is None:
        return went
    return (*went, Evidence("rating", str(told.gate), told.uri, score=told.overall))


def _rated(told: RunTold) -> str:
    if told.overall is not None:
        return f"rated {told.overall:.1f} of 5 ({told.gate})"
    return f"measured {told.measured:.1f} of 5" if told.measured is not None else ""


def _asked(told: RunTold, what: str) -> str:
    return f"{what} {told.team} {_bare(told.question)}"


def _bare(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _cut(text: str, most: int) -> str:
    plain = " ".join(text.split()).rstrip(".")
    return plain if len(plain) <= most else f"{plain[: most - 1].rstrip()}…"


def earlier_wishes(evidence: Sequence[Sequence[Evidence]]) -> dict[tuple[str, str], int]:
    """How many of the outcomes with this evidence asked for each wish, by field and value."""
    counted: dict[tuple[str, str], int] = {}
    for each in evidence:
        # What several runs on one question told alike is one memory, with the evidence of each.
        for said, _ in {(one.text, one.source) for one in each if one.kind == "person"}:
            name, colon, value = said.partition(": ")
            if colon and name in WISHES:
                key = (name, value.casefold())
                counted[key] = counted.get(key, 0) + 1
    return counted
