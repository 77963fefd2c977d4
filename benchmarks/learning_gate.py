"""How well the gate of learnings tells what is worth remembering from what is not, on planted candidates.

Each candidate of `data/learning_candidates.toml` is put into a run of its own, which is captured beside the
same stored memories, in a scope of its own; it counts as kept if what was captured says what it says. Every
second candidate of each kind was used to tune the gate; the others were held out. Beside it, how the gate
takes true sentences of this repository's documents and falsified ones, which nobody wrote for it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import tomllib
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_mcp.events import Event, Kind
from atlas_mcp.learning import KEEP, Evidence, Learning, LearningKind
from atlas_mcp.memory.capturing.candidates import Candidate, Cited
from atlas_mcp.memory.capturing.capture import Captured, RunTold, capture
from atlas_mcp.memory.capturing.refusing import dangling, empty
from atlas_mcp.memory.capturing.scoring import of_fact
from atlas_mcp.memory.capturing.supporting import Standing, carried
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.scope import Scope
from atlas_mcp.memory.snapshots import Snapshots, text_hash
from atlas_mcp.text.embedding import find_embedder
from tests.quality.falsified import pairs, split

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["Planted", "Told", "main", "measured", "planted"]

DATA = Path(__file__).parent / "data" / "learning_candidates.toml"
MOST_REWORDED = 30
"""Percent of a sentence's words that are replaced; of one half reworded the gate keeps next to nothing."""
AT = "2026-11-28T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted candidate: `what` it is, good or of which badness, and whether it is `held` out."""

    number: int
    kind: LearningKind
    what: str
    held: bool
    given: Mapping[str, Any]

    @property
    def good(self) -> bool:
        """Whether it is worth remembering."""
        return self.what.startswith("good")


@dataclass(slots=True)
class Told:
    """What became of one candidate."""

    planted: Planted
    kept: bool
    score: float
    reason: str
    closed: list[str] = field(default_factory=list[str])
    wished: list[str] = field(default_factory=list[str])


class Remembered:
    """An embedder that embeds each text once: two hundred runs are beside the same memories."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self._embedder = embedder
        self._known: dict[str, FloatArray] = {}

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        """Vectors, as an embedder's."""
        import numpy as np

        if new := list(dict.fromkeys(text for text in texts if text not in self._known)):
            self._known |= dict(
                zip(new, await self._embedder.embed(new, on_progress=on_progress), strict=True)
            )
        return np.stack([self._known[text] for text in texts])


def planted(data: Mapping[str, Any] | None = None) -> list[Planted]:
    """The planted candidates in their order; every second of what is the same is held out."""
    told = data or tomllib.loads(DATA.read_text(encoding="utf-8"))
    seen: defaultdict[str, int] = defaultdict(int)
    made: list[Planted] = []
    for name, listed in told["candidates"].items():
        for given in listed:
            kind = LearningKind(given["kind"] if name == "run" else name)
            group = f"{name} {given['what']}"
            seen[group] += 1
            made.append(Planted(len(made), kind, given["what"], seen[group] % 2 == 0, given))
    return made


async def measured(embedder: Embedder | None, *, wanted: Callable[[Planted], bool]) -> list[Told]:
    """What became of the candidates that are wanted."""
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    async with _memory(embedder, data) as memory:
        return [await _tried(each, memory, data) for each in planted(data) if wanted(each)]


@asynccontextmanager
async def _memory(embedder: Embedder | None, data: Mapping[str, Any]) -> AsyncGenerator[Memory]:
    with tempfile.TemporaryDirectory() as folder:
        snapshots = Snapshots(Path(folder) / "sources")
        for source in data["source"].values():
            snapshots.put(source["text"])
        async with open_memory(Path(folder), embedder and Remembered(embedder)) as memory:
            yield memory


async def _tried(each: Planted, memory: Memory, data: Mapping[str, Any]) -> Told:
    scope = Scope(f"user{each.number}")
    stored = await memory.remember([_stored(given) for given in data["stored"].values()], scope=scope)
    names = {added.id: name for name, added in zip(data["stored"], stored, strict=True)}
    texts = {text_hash(source["text"]): source["text"] for source in data["source"].values()}

    async def read(sha256: str) -> str:
        return texts[sha256]

    for number in range(each.given.get("earlier", 0)):
        await capture(_run(each, data, f"r_before{number}"), memory, scope, read=read)
    phrased = each.given.get("phrased")

    async def propose(_text: str, _schema: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"learnings": [{"kind": "procedure", "text": phrased, "finding_ids": []}]}

    asking = propose if phrased else None
    captured = await capture(_run(each, data, "r_now"), memory, scope, read=read, propose=asking)
    return _told(each, captured, names)


def _told(each: Planted, captured: Captured, names: Mapping[str, str]) -> Told:
    text = _words(each.given.get("phrased") or each.given.get("text") or "")
    kept = [
        (learning, added) for learning, added in captured.kept
        if learning.kind is each.kind and (not text or text == _words(learning.text)) and added.new
    ]  # fmt: skip
    dropped = [
        one for one in captured.dropped
        if one.learning.kind is each.kind
        and (not text or text == _words(one.learning.text) or one.cause == "secret")
    ]  # fmt: skip
    closed = sorted(names[one] for _, added in kept for one in added.closed if one in names)
    return Told(
        each, bool(kept), max([one.score for one, _ in kept] + [one.score for one in dropped], default=0.0),
        "; ".join(one.reason for one in dropped) or "no candidate", closed,
        sorted(each.given.get("closes", [])),
    )  # fmt: skip


def _words(text: str) -> str:
    return " ".join(text.split()).casefold()


def _stored(given: Mapping[str, Any]) -> Learning:
    kind = LearningKind(given.get("kind", "fact"))
    if kind is LearningKind.PREFERENCE:
        return Learning(kind, given["text"], (Evidence("person", given["text"]),), given["score"])
    name, _, year = given["source"].rpartition("_")
    evidence = Evidence("quote", given["text"], f"file:///docs/{name}-{year}.md", text_hash(given["source"]))
    return Learning(kind, given["text"], (evidence,), given["score"], valid_from=f"{year}-06-01")


def _run(each: Planted, data: Mapping[str, Any], run_id: str) -> RunTold:
    given = each.given
    source = data["source"][given.get("from", "harbour")]
    output: dict[str, Any] = {
        "answer": "", "claims": [], "findings": [], "open_questions": given.get("open", []),
        "sources": [{"id": "s1", "sha256": text_hash(source["text"]), **_of(source)}],
        "made_with": {"language_model": not given.get("extractive", False)}, "measures": {"score": 4.8},
    }  # fmt: skip
    rating: dict[str, Any] | None = {"overall": 4.5, "gate": "pass"}
    question = str(given.get("question") or f"What does {source['title']} say?")
    if "text" in given:
        quote = given.get("quote") or given["text"]
        output["findings"] = [_finding(quote)] if given.get("cites", True) else []
        output["claims"] = [{"text": given["text"], "finding_ids": ["f1"] if output["findings"] else []}]
    if "findings" in given:
        output["findings"] = [_finding("Orchard encrypts pages with AES-256 in XTS mode.")] * sum(
            given["findings"]
        )
        output["findings"] = [{**one, "id": f"f{n}"} for n, one in enumerate(output["findings"], 1)]
        output["measures"] = {"score": 4.8 if sum(given["findings"]) else None}
        rating = {key: given[key] for key in ("overall", "gate") if key in given} or None
    field_name = given.get("field", "question")
    asked = {"question": question} | (
        {field_name: given["said"]} if given.get("said") and not given.get("answered") else {}
    )
    return RunTold(
        run_id, "research", question, asked, output, _events(run_id, given, question), rating,
        given.get("partial", False), AT,
    )  # fmt: skip


def _of(source: Mapping[str, Any]) -> dict[str, str]:
    return {name: source[name] for name in ("uri", "title", "retrieved_at")}


def _finding(quote: str) -> dict[str, Any]:
    return {
        "id": "f1",
        "quote": quote,
        "source_id": "s1",
        "location": {"start": 0, "end": 1},
        "worker": "documents",
    }


def _events(run_id: str, given: Mapping[str, Any], question: str) -> list[Event]:
    parent = "r_parent" if given.get("child") else None
    made: list[Event] = []

    def happened(kind: Kind, path: str, **data: Any) -> None:
        made.append(Event(run_id, len(made) + 1, AT, kind, "research", path, data, parent))

    happened(Kind.RUN_STARTED, "", team="research", provider="scripted", language_model=True)
    found = given.get("findings", [2])
    goals = [f"{question} Part {number}: what the reports say" for number in range(1, len(found) + 1)]
    plan: list[dict[str, Any]] = [
        {"id": f"a{n}", "worker": "documents", "goal": goal, "after": []} for n, goal in enumerate(goals, 1)
    ]
    happened(Kind.PLAN_MADE, "plan/1", round=1, assignments=plan, reason=None)
    if "edited" in given:
        wanted: list[dict[str, Any]] = [
            *plan,
            {"id": "a9", "worker": "documents", "goal": given["edited"], "after": []},
        ]
        answer: dict[str, Any] = {"decision": "edit", "assignments": wanted}
        happened(Kind.QUESTION_ANSWERED, "approve/1", id="approve/1", answer=answer, by="someone")
    if given.get("answered"):
        happened(Kind.QUESTION_ANSWERED, "ask/1", id="ask/1", answer={"answer": given["said"]}, by="someone")
    for number, count in enumerate(found, 1):
        path = f"work/a{number}"
        happened(Kind.WORK_STARTED, path, assignment=f"a{number}", worker="documents", goal=goals[number - 1])
        if number == 1 and "recovered" in given:
            error = {"message": "The provider timed out."}
            happened(
                Kind.RECOVERY_TRIED, path, assignment="a1", attempt=1, way=given["recovered"],
                reason="it may pass",
                error=error,
            )  # fmt: skip
        happened(
            Kind.WORK_FINISHED, path, assignment=f"a{number}", worker="documents", findings=count, drafts=0,
            dropped=0, seconds=3.0,
        )  # fmt: skip
    for number in range(1, given.get("revisions", 0) + 1):
        happened(
            Kind.REVISION_STARTED, f"revise/{number}", revision=number, score=3.0, minimum=3.5, reasons=[]
        )
    happened(Kind.RUN_FINISHED, "", state="done", partial=given.get("partial", False), seconds=41.0, usage={})
    return made


def table(told: Sequence[Told]) -> str:
    """Precision and recall of both halves, and of each kind the share that was judged rightly."""
    lines = ["half   good kept   bad kept   precision   recall   closed rightly"]
    for name, half in (("tuned", False), ("held", True)):
        mine = [each for each in told if each.planted.held is half]
        good = [each for each in mine if each.planted.good]
        kept, wrong = (
            sum(each.kept for each in good),
            sum(each.kept for each in mine if not each.planted.good),
        )
        closes = [each for each in mine if each.kept and (each.closed or each.wished)]
        right = sum(each.closed == each.wished for each in closes)
        lines.append(
            f"{name:5}  {kept:3} of {len(good):3}  {wrong:3} of {len(mine) - len(good):3}"
            f"  {kept / max(kept + wrong, 1):9.3f}  {kept / max(len(good), 1):7.3f}"
            f"   {right} of {len(closes)}"
        )
    lines.append("\nkept of each kind, tuned and held")
    kinds = dict.fromkeys(each.planted.what for each in told)
    for what in kinds:
        halves = [
            [each for each in told if each.planted.what == what and each.planted.held is half]
            for half in (False, True)
        ]
        lines.append(
            f"  {what:16} " + "   ".join(f"{sum(e.kept for e in half):2} of {len(half):2}" for half in halves)
        )
    return "\n".join(lines)


def falsified() -> str:
    """What share of true sentences the gate keeps, and of the same falsified, by how; rated 4.5, all new."""
    counted: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for pair in pairs(split()[1]):
        if pair.percent <= MOST_REWORDED and not dangling(pair.true) and not empty(pair.true):
            row = counted[pair.kind, pair.percent]
            row[0] += 1
            row[1] += _passes(pair.true, pair.quote)
            row[2] += _passes(pair.false, pair.false_quote)
    return "\n".join(
        f"  {kind:20} {percent:2}% reworded {number:4} pairs: true kept {true / number:4.0%},"
        f" false kept {false / number:4.0%}"
        for (kind, percent), (number, true, false) in sorted(counted.items())
    )


def _passes(text: str, quote: str) -> bool:
    found = carried(text, [Standing(Cited(quote, "", "", "", ""), quote, "")])
    run = RunTold("", "", "", {}, {}, (), {"overall": 4.5, "gate": "pass"}, partial=False, at=AT)
    return not found.reason and of_fact(run, Candidate(LearningKind.FACT, text), found, 0.0).total >= KEEP


def main(arguments: Sequence[str] = ()) -> None:
    """Print the figures; `--tune` shows the tuned half alone, with each that was judged wrongly."""
    tuning = "--tune" in arguments
    wrong = tuning or "--wrong" in arguments
    with_vectors = find_embedder()
    for name, embedder in (("without embeddings", None), ("with embeddings", with_vectors)):
        if name != "without embeddings" and embedder is None:
            sys.stdout.write("No embedding weights are on this machine; measured without.\n")
            continue
        told = asyncio.run(measured(embedder, wanted=lambda each: not (tuning and each.held)))
        sys.stdout.write(f"{name}\n{table(told)}\n\n")
        for each in told if wrong else ():
            if each.kept is not each.planted.good or (each.kept and each.closed != each.wished):
                given = each.planted.given
                said = given.get("text") or given.get("said") or given.get("phrased") or given.get("question")
                sys.stdout.write(
                    f"  {each.planted.what}: {str(said)[:100]!r} kept={each.kept} {each.score:.2f}"
                    f" closed={each.closed} {each.reason[:200]}\n"
                )
    if not tuning:
        sys.stdout.write(f"true and falsified sentences of documents\n{falsified()}\n")
