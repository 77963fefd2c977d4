"""How well ATLAS finds what was said or written, beside plainer ways, in one run. `make bench-memory`.

Conversations come from LoCoMo (the file that LOCOMO names), pages from the folder that PAGES names; neither
is part of ATLAS, and what is not there is left out and said so. Everything goes the way of the product: files
are ingested, and questions are asked of `Search`, with no language model.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas_mcp.memory.documents.arms import Arms
from atlas_mcp.memory.documents.search import Search
from atlas_mcp.memory.memory import open_memory
from atlas_mcp.text.embedding import find_embedder
from benchmarks import retrieval_peers as peers
from benchmarks.environments import ROOT, tell
from benchmarks.retrieval_measures import Asked, bootstrap, recall, reciprocal, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.ranking import FloatArray
    from benchmarks.retrieval_measures import Ranking

__all__ = ["main"]

LOCOMO = Path(os.environ.get("LOCOMO") or ROOT / "../shared/corpus/locomo/dev.json")
PAGES = Path(os.environ.get("PAGES") or ROOT / "../shared/corpus/mcp")
QUESTIONS = ROOT / "benchmarks" / "data" / "mcp_questions.toml"
KINDS = {4: "single-hop", 1: "multi-hop", 2: "temporal", 3: "open-domain"}
"""The classes of questions that have an answer; the fifth has none."""
FOUND = 20
BEST_PEER = "words and meaning fused, neighbours in view"
OURS = "ATLAS"
FACTORS = (0.0, 0.5, 1.5)
"""What each arm's weight is multiplied by, to see how much hangs on it."""


class Remembering:
    """An embedder that embeds no text twice."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, FloatArray] = {}
        self.name, self.dimensions = embedder.name, embedder.dimensions

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        """As the embedder does."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(
                zip(new, await self._embedder.embed(new, on_progress=on_progress), strict=True)
            )
        return np.stack([self._known[text] for text in texts])


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that was said in a conversation."""

    id: str
    by: str
    text: str
    at: str
    session: int


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation with its questions."""

    name: str
    turns: list[Turn]
    asked: list[Asked] = field(default_factory=list[Asked])


def talks(path: Path) -> list[Talk]:
    """The conversations of a LoCoMo file, with the questions whose evidence is named."""
    found: list[Talk] = []
    for sample in json.loads(path.read_text("utf-8")):
        said: dict[str, Any] = sample["conversation"]
        sessions = sorted(int(key[8:]) for key in said if re.fullmatch(r"session_\d+", key))
        talk = Talk(sample["sample_id"], [])
        for number in sessions:
            at = datetime.strptime(said[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y")  # noqa: DTZ007 - the file knows no zone
            for turn in said[f"session_{number}"]:
                shown = f" [shares image: {turn['blip_caption']}]" if turn.get("blip_caption") else ""
                talk.turns.append(
                    Turn(turn["dia_id"], turn["speaker"], turn["text"] + shown, at.isoformat(), number)
                )
        ids = {turn.id for turn in talk.turns}
        for each in sample["qa"]:
            named = re.findall(r"D(\d+):(\d+)", " ".join(map(str, each.get("evidence", []))))
            evidence = ids & {f"D{int(session)}:{int(turn)}" for session, turn in named}
            if evidence and each["category"] in KINDS:
                kind = KINDS[each["category"]]
                talk.asked.append(Asked(each["question"], frozenset(evidence), kind, talk.name))
        found.append(talk)
    return found


async def ingest(memory: Memory, talk: Talk, folder: Path) -> dict[str, list[int]]:
    """Take a conversation in as an archive of chat; gives the snapshot and where in it each turn begins."""
    path = folder / f"{talk.name}.jsonl"
    lines = [
        json.dumps({"at": turn.at, "by": turn.by, "session": turn.session, "text": turn.text})
        for turn in talk.turns
    ]
    path.write_text("\n".join(lines), "utf-8")
    done = await memory.ingest([path], scope=talk.name)
    if done.skipped:
        sys.exit(f"{done.skipped[0]}")
    (known,) = await memory.documents(talk.name)
    text = await memory.snapshot(known.sha256)
    starts, at = list[int](), 0
    for turn in talk.turns:
        at = text.index(f"{turn.by}: {turn.text.strip()}"[:60], at)
        starts.append(at)
        at += 1
    return {known.sha256: starts}


async def ask_ours(
    memory: Memory, talk: Talk, starts: Sequence[int], embedder: Embedder, arms: Arms
) -> list[Ranking]:
    """What the product's search finds for each question of a conversation, as turns."""
    search = Search(memory.database, embedder, arms=arms)
    found: list[Ranking] = []
    for question in talk.asked:
        passages = await search.search(question.text, scope=talk.name, k=FOUND)
        places = [int(np.searchsorted(starts, passage.start, "right")) - 1 for passage in passages]
        found.append(list(dict.fromkeys(talk.turns[place].id for place in places)))
    return found


async def ask_peers(talk: Talk, embedder: Embedder) -> dict[str, list[Ranking]]:
    """What each other system finds."""
    bare = [turn.text for turn in talk.turns]
    texts = [f"{turn.by}: {turn.text}" for turn in talk.turns]
    queries = [question.text for question in talk.asked]
    vectors, asked = await embedder.embed(texts), await embedder.embed(queries)
    found = ask_plain(texts, bare, queries, vectors, asked)
    return {name: [[talk.turns[place].id for place in row] for row in rows] for name, rows in found.items()}


def ask_plain(
    texts: Sequence[str], bare: Sequence[str], queries: Sequence[str], vectors: FloatArray, asked: FloatArray
) -> dict[str, list[list[int]]]:
    """The places that each other system finds, by its name."""
    near = peers.chroma(vectors, asked)
    by_meaning = "exact cosine of MiniLM (no Chroma here)" if near is None else "Chroma with MiniLM"
    return {
        by_meaning: peers.cosine(vectors, asked) if near is None else near,
        "BM25": peers.bm25(texts, queries),
        BEST_PEER: peers.fused(texts, bare, queries, vectors, asked),
    }


def variants() -> dict[str, Arms]:
    """The arms as they are, and with each counting for nothing, half, and half as much again."""
    usual = Arms()
    return {OURS: usual} | {
        f"{arm.name} x {factor:g}": replace(usual, **{arm.name: factor * getattr(usual, arm.name)})
        for factor in FACTORS
        for arm in fields(Arms)
        if not (factor and arm.name == "nearby")
    }


async def conversations(embedder: Embedder) -> None:
    """Measure on conversations and print the tables."""
    every = talks(LOCOMO)
    asked = [question for talk in every for question in talk.asked]
    found: dict[str, list[Ranking]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with open_memory(Path(folder), embedder) as memory:
            for talk in every:
                tell(f"asking of {talk.name}")
                ((_, starts),) = (await ingest(memory, talk, Path(folder))).items()
                for name, rankings in (await ask_peers(talk, embedder)).items():
                    found.setdefault(name, []).extend(rankings)
                for name, arms in variants().items():
                    found.setdefault(name, []).extend(await ask_ours(memory, talk, starts, embedder, arms))
    tell("")
    count = (
        f"{len(every)} conversations, {sum(len(talk.turns) for talk in every)} turns, {len(asked)} questions"
    )
    main_ones = [name for name in found if " x " not in name]
    sys.stdout.write(f"LoCoMo, {count}; share of the turns that hold the evidence\n\n")
    sys.stdout.write(f"{_by_class(asked, found, main_ones)}\n\n{_sure(asked, found)}\n\n")
    sys.stdout.write(f"{_without(asked, found)}\n\n{_left_out(asked, found)}\n\n")


def _by_class(asked: Sequence[Asked], found: dict[str, list[Ranking]], names: Sequence[str]) -> str:
    kinds = np.array([question.kind for question in asked])
    rows: list[list[str]] = []
    for name in names:
        five, ten, first = (
            recall(asked, found[name], 5),
            recall(asked, found[name], 10),
            reciprocal(asked, found[name]),
        )
        cells = [f"{100 * five.mean():.1f}", f"{100 * ten.mean():.1f}", f"{first.mean():.3f}"]
        for kind in KINDS.values():
            own = kinds == kind
            cells.append(f"{100 * five[own].mean():.1f}/{100 * ten[own].mean():.1f}/{first[own].mean():.2f}")
        rows.append([name, *cells])
    return table(["", "R@5", "R@10", "MRR", *(f"{kind} (R@5/R@10/MRR)" for kind in KINDS.values())], rows)


def _sure(asked: Sequence[Asked], found: dict[str, list[Ranking]]) -> str:
    """How sure it is that ours finds more than the best other one."""
    groups = [question.about for question in asked]
    rows: list[list[str]] = []
    measures = {"R@5": partial(recall, asked, k=5), "R@10": partial(recall, asked, k=10)}
    for label, measure in {**measures, "MRR": partial(reciprocal, asked)}.items():
        mean, low, high = bootstrap(measure(found=found[OURS]), measure(found=found[BEST_PEER]), groups)
        rows.append([label, f"{100 * mean:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}"])
    for kind in KINDS.values():
        own = np.array([question.kind == kind for question in asked])
        mine, theirs = (recall(asked, found[name], 10)[own] for name in (OURS, BEST_PEER))
        of = [group for group, is_own in zip(groups, own, strict=True) if is_own]
        mean, low, high = bootstrap(mine, theirs, of)
        rows.append([f"R@10, {kind}", f"{100 * mean:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}"])
    head = [f"{OURS} less {BEST_PEER}", "difference in points", "95 % by paired bootstrap"]
    return table(head, rows)


def _without(asked: Sequence[Asked], found: dict[str, list[Ranking]]) -> str:
    """What each arm adds: how much is lost without it."""
    kinds = np.array([question.kind for question in asked])
    whole = recall(asked, found[OURS], 10)
    rows: list[list[str]] = []
    for name in (OURS, *(name for name in found if name.endswith(" x 0"))):
        ten = recall(asked, found[name], 10)
        by_kind = [f"{100 * ten[kinds == kind].mean():.1f}" for kind in KINDS.values()]
        label = name if name == OURS else f"without {name.removesuffix(' x 0')}"
        rows.append([label, f"{100 * ten.mean():.1f}", f"{100 * (ten - whole).mean():+.1f}", *by_kind])
    return table(["R@10", "all", "change", *KINDS.values()], rows)


def _left_out(asked: Sequence[Asked], found: dict[str, list[Ranking]]) -> str:
    """What comes of weights that are chosen on all conversations but the one they are then measured on."""
    groups = np.array([question.about for question in asked])
    tens = {name: recall(asked, found[name], 10) for name in found if name == OURS or " x " in name}
    theirs = recall(asked, found[BEST_PEER], 10)
    rows: list[list[str]] = []
    chosen = np.empty(len(asked))
    for group in dict.fromkeys(groups.tolist()):
        own = groups == group
        best = max(tens, key=lambda name: tens[name][~own].mean())
        chosen[own] = tens[best][own]
        shown = [tens[best][own], tens[OURS][own], theirs[own]]
        rows.append([group, best, *(f"{100 * each.mean():.1f}" for each in shown)])
    rows.append(["all", "", *(f"{100 * each.mean():.1f}" for each in (chosen, tens[OURS], theirs))])
    head = ["left out", "chosen on the others", "R@10 of that", f"R@10 of {OURS}", "of the best other"]
    return table(head, rows)


async def pages(embedder: Embedder) -> None:
    """Measure on pages and print the table."""
    listed = tomllib.loads(QUESTIONS.read_text("utf-8"))["question"]
    asked = [Asked(each["ask"], frozenset([each["page"]]), "page", "pages") for each in listed]
    with tempfile.TemporaryDirectory() as folder:
        async with open_memory(Path(folder), embedder) as memory:
            tell("reading pages")
            await memory.ingest([PAGES], scope="pages")
            rows = await memory.database.read(
                lambda connection: connection.execute(
                    "SELECT uri, title, heading, passage.text FROM passage"
                    " JOIN document ON document.id = document_id ORDER BY passage.id"
                ).fetchall()
            )
            names = [row["uri"].rsplit("/", 1)[1] for row in rows]
            texts = ["\n".join(filter(None, (row["title"], row["heading"], row["text"]))) for row in rows]
            queries = [question.text for question in asked]
            vectors, wanted = await embedder.embed(texts), await embedder.embed(queries)
            plain = ask_plain(texts, [row["text"] for row in rows], queries, vectors, wanted)
            found = {
                name: [list(dict.fromkeys(names[place] for place in row)) for row in found_rows]
                for name, found_rows in plain.items()
            }
            tell("asking of pages")
            for question in asked:
                passages = await memory.search(question.text, scope="pages", k=FOUND)
                hit = [passage.source.uri.rsplit("/", 1)[1] for passage in passages]
                found.setdefault(OURS, []).append(list(dict.fromkeys(hit)))
    tell("")
    body = [
        [name, *(f"{100 * recall(asked, found[name], k).mean():.0f}" for k in (1, 3, 5)),
         f"{reciprocal(asked, found[name]).mean():.3f}"]
        for name in found
    ]  # fmt: skip
    size = f"{len(set(names))} pages in {len(rows)} passages, {len(asked)} questions"
    sys.stdout.write(
        f"{size}; share of the right pages\n\n{table(['', 'first', 'first 3', 'first 5', 'MRR'], body)}\n"
    )


def main() -> None:
    """Measure on what is there."""
    embedder = find_embedder()
    if embedder is None:
        sys.exit("The embedding weights are not installed; `atlas-mcp setup embeddings` installs them.")
    kept = Remembering(embedder)
    for what, path, measure in (("Conversations", LOCOMO, conversations), ("Pages", PAGES, pages)):
        if path.exists():
            asyncio.run(measure(kept))
        else:
            sys.stdout.write(f"{what} are left out: {path} is not there.\n")


if __name__ == "__main__":
    main()
