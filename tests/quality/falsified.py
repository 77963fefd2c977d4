"""Sentences that are true of their source, and falsifications of them, made by a seeded chance.

The sources are texts of this repository: the handbook, the decisions, README and CONTRIBUTING. Half of the
documents are for finding limits, the other half for measuring; no document is in both.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.support import NEGATION, numbers
from atlas_mcp.text.words import content_words, stem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FALSE", "REWORDED", "Pair", "auc", "pairs", "split"]

ROOT = Path(__file__).resolve().parents[2]
REWORDED: Final = (0, 30, 50, 70)
"""Percent of a sentence's content words that are replaced by others."""

FALSE: Final = (
    "wrong source", "invented half", "number invented", "number from beside", "negation added",
    "negation taken away",
)  # fmt: skip

_WORDS = 6
_AUXILIARY = re.compile(r"\b(?:is|are|was|were|can|will|would|must|may|should|could)\b(?! not\b|n't)")
_NOT = re.compile(r" not\b|(?<=can)not\b")
_NUMBER = re.compile(r"(?<![\w.,/-])(\d+)((?:[.,]\d+)*)(?![\w/-]|[.,]\d)")


@dataclass(frozen=True, slots=True)
class Pair:
    """What is true of `quote` and what is not, told alike: both reworded by `percent`."""

    kind: str
    percent: int
    quote: str
    true: str
    false: str
    false_quote: str


@dataclass(frozen=True, slots=True)
class _Told:
    document: str
    text: str
    quote: str
    beside: str


def split() -> tuple[list[Path], list[Path]]:
    """The documents for finding limits, and those for measuring: every other one by name."""
    documents = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
    return documents[::2], documents[1::2]


def pairs(documents: list[Path], seed: int = 7) -> Iterator[Pair]:
    """Every sentence beside each falsification of it that can be made; the same on every machine."""
    chance = random.Random(seed)  # noqa: S311
    told = [each for document in documents for each in _sentences(document)]
    for each in told:
        other = chance.choice([one for one in told if one.document != each.document])
        words = _foreign(
            [one for one in told if one.document not in (each.document, other.document)], each, other
        )
        for percent in REWORDED:
            for kind, false, false_quote in _falsified(each, other, chance):
                yield Pair(
                    kind, percent, each.quote,
                    _reworded(each.text, percent, words, chance),
                    _reworded(false, percent, words, chance, kept=_changed(each.text, false)),
                    false_quote,
                )  # fmt: skip


def auc(good: list[float], bad: list[float]) -> float:
    """How often a good one is above a bad one, ties counting half."""
    wins = sum((g > b) + (g == b) / 2 for g in good for b in bad)
    return wins / (len(good) * len(bad))


def _sentences(document: Path) -> Iterator[_Told]:
    """Prose sentences of enough words, each with the three in a row that a worker would quote it from."""
    text = document.read_text("utf-8")
    found = [each for each in sentences(text) if each.kind in ("prose", "item")]
    for at in range(1, len(found) - 1):
        sentence = " ".join(found[at].text.split())
        if len(content_words(sentence)) >= _WORDS:
            beside = f"{found[at - 1].text} {found[at + 1].text}"
            quote = text[found[at - 1].start : found[at + 1].end]
            yield _Told(document.name, sentence, quote, beside)


def _falsified(told: _Told, other: _Told, chance: random.Random) -> Iterator[tuple[str, str, str]]:
    yield "wrong source", told.text, other.quote
    ours, theirs = told.text.split(), other.text.split()
    yield "invented half", " ".join([*ours[: len(ours) // 2], *theirs[len(theirs) // 2 :]]), told.quote
    if found := list(_NUMBER.finditer(told.text)):
        place = chance.choice(found)
        invented = f"{int(place[1]) + chance.randint(1, 9) * 10 + 7}{place[2]}"
        if numbers(invented).isdisjoint(numbers(told.quote)):
            yield "number invented", _put(told.text, place, invented), told.quote
        if beside := sorted(numbers(told.beside) - numbers(told.text)):
            yield "number from beside", _put(told.text, place, chance.choice(beside)), told.quote
    if not NEGATION.search(told.text) and (place := _AUXILIARY.search(told.text)):
        yield "negation added", _put(told.text, place, f"{place[0]} not"), told.quote
    if place := _NOT.search(told.text):
        yield "negation taken away", _put(told.text, place, ""), told.quote


def _put(text: str, place: re.Match[str], instead: str) -> str:
    return f"{text[: place.start()]}{instead}{text[place.end() :]}"


def _changed(true: str, false: str) -> set[str]:
    """Words of a falsification that rewording must not take away again."""
    return set(false.split()) - set(true.split())


def _foreign(told: list[_Told], *pair: _Told) -> list[str]:
    """Words to reword with: of third documents, and with no stem of what is compared."""
    held = {stem(word) for each in pair for word in content_words(f"{each.text} {each.quote}")}
    words = {word for each in told for word in content_words(each.text) if word.isalpha()}
    return sorted(word for word in words if stem(word) not in held and not NEGATION.search(word))


def _reworded(
    text: str, percent: int, foreign: list[str], chance: random.Random, kept: set[str] | None = None
) -> str:
    """The sentence with so many of its content words replaced; numbers and negations stay."""
    words = text.split()
    open_places = [
        at for at, word in enumerate(words)
        if content_words(word) and not any(letter.isdigit() for letter in word)
        and not NEGATION.search(word) and word not in (kept or ())
    ]  # fmt: skip
    for at in chance.sample(open_places, round(len(open_places) * percent / 100)):
        end = words[at][-1] if words[at][-1] in ".,;:" else ""
        words[at] = chance.choice(foreign) + end
    return " ".join(words)
