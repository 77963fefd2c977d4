"""Whether a quote stands in a text, and where: verbatim up to Unicode NFC and white space, nothing else."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fold", "locate"]

NON_ASCII = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")


def fold(text: str) -> str:
    """The text in NFC, runs of white space as one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def locate(quote: str, text: str, near: int = 0) -> tuple[int, int] | None:
    """Where `quote` stands in `text`: offsets (start, end) into `text` as it is, or None.

    Of several places the one whose start is nearest to `near` is given. `fold(text[start:end])` equals
    `fold(quote)` whenever there is a result. A quote of white space alone is nowhere.
    """
    words = quote.split()
    if not words:
        return None
    return (
        _nearest_exact(quote.strip(), text, near)
        or _nearest(_places(words, text), near)
        or _locate_normalised(quote, text, near)
    )


def _nearest_exact(quote: str, text: str, near: int) -> tuple[int, int] | None:
    found = [at for at in (text.find(quote, near), text.rfind(quote, 0, near + len(quote))) if at != -1]
    return _nearest(((at, at + len(quote)) for at in found), near)


def _nearest(places: Iterator[tuple[int, int]], near: int) -> tuple[int, int] | None:
    return min(places, key=lambda place: abs(place[0] - near), default=None)


def _places(words: list[str], text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in re.finditer(r"\s+".join(map(re.escape, words)), text))


def _locate_normalised(quote: str, text: str, near: int) -> tuple[int, int] | None:
    normal = unicodedata.is_normalized("NFC", text)
    if normal and unicodedata.is_normalized("NFC", quote):
        return None
    wanted = fold(quote)
    composed = _Composed.of(text)
    places = (
        (composed.original(start), composed.original(end, after=True))
        for start, end in _places(wanted.split(), composed.text)
    )
    # A match that begins or ends within a composed character is not the same text.
    return _nearest(((start, end) for start, end in places if fold(text[start:end]) == wanted), near)


@dataclass(slots=True)
class _Composed:
    """A text in NFC that knows where each of its characters came from.

    `here` and `there` are the places, in the composed and the original text, from which on the two run in
    step, or (`changed`) where one composed cluster stands for another spelling of it.
    """

    text: str
    here: list[int] = field(default_factory=lambda: [0])
    there: list[int] = field(default_factory=lambda: [0])
    changed: list[bool] = field(default_factory=lambda: [False])

    @classmethod
    def of(cls, text: str) -> _Composed:
        composed = cls("")
        pieces: list[str] = []
        length = done = 0
        for start, end, cluster in _changes(text):
            pieces += (text[done:start], cluster)
            length += start - done
            composed._step(length, start, changed=True)
            length += len(cluster)
            composed._step(length, end, changed=False)
            done = end
        composed.text = "".join([*pieces, text[done:]])
        return composed

    def _step(self, here: int, there: int, *, changed: bool) -> None:
        self.here.append(here)
        self.there.append(there)
        self.changed.append(changed)

    def original(self, at: int, *, after: bool = False) -> int:
        """Where the composed character at `at` stood; with `after`, where the one before `at` ended."""
        step = bisect_right(self.here, at - after) - 1
        if self.changed[step]:
            return self.there[step + 1] if after else self.there[step]
        return self.there[step] + at - self.here[step]


def _changes(text: str) -> Iterator[tuple[int, int, str]]:
    """Clusters (a character and its combining marks) that NFC spells otherwise: start, end, new spelling."""
    for match in NON_ASCII.finditer(text):
        if unicodedata.is_normalized("NFC", match[0]):
            continue
        start = match.start()
        for at in range(match.start() + 1, match.end() + 1):
            if at < match.end() and _combines(text[at]):
                continue
            cluster = unicodedata.normalize("NFC", text[start:at])
            if cluster != text[start:at]:
                yield start, at, cluster
            start = at


def _combines(character: str) -> bool:
    """Whether a character may melt into the one before it."""
    return (
        unicodedata.combining(character) != 0
        or unicodedata.category(character).startswith("M")
        or "\u1160" <= character <= "\u11ff"  # Hangul vowels and finals
        or "\U00016d63" <= character <= "\U00016d6a"  # Kirat Rai vowel signs
    )
