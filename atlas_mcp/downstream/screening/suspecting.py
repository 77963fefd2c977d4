r"""What a downstream server says is data, never an instruction: it is cleaned, cut, and looked through.

`cleaned` takes out what nobody sees, `capped` what is too much. `suspicions` names what reads like an
injection: it is a notice for people and for policy, not a wall. A text that gives orders in words of its own
passes, and an article on such attacks that quotes them does not. What keeps orders from being followed is
that results are fenced as data and that a role which reads the open web has no tool with effects.

What is looked for, in eighteen languages for the plainest orders and otherwise in English: to set
instructions aside; another role; a message that poses as the system's, or the marks by which models are
given one; our own fences, closed or opened; orders that address a model; to hide something from the user; to
call a tool; to send secrets or what was said somewhere; to tell the instructions; an image whose address
takes along what was said. The same is looked for in what a text hides (see `invisible`), in base64, hex,
percent and HTML escapes, in letters of other alphabets that look alike, and in letters set apart. A tool's
description has further ones: tags that give orders, files with secrets, and orders about other tools.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from atlas_mcp.downstream.screening.disguises import decoded, undisguised
from atlas_mcp.downstream.screening.invisible import cleaned, hidden
from atlas_mcp.downstream.screening.marks import marked
from atlas_mcp.downstream.screening.phrases import ENGLISH, Phrase
from atlas_mcp.downstream.screening.poison import OF_TOOLS
from atlas_mcp.downstream.screening.tongues import foreign

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Suspicion", "capped", "cleaned", "concealed", "suspicions"]

MOST = 20
"""Suspicions of one text; the rest would say no more."""
QUOTE = 300
"""Characters of a quote at most."""
_AROUND = 60


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What reads like an injection: `name` says what it does, `quote` is the place, in what it says to read.

    The name goes on from "it", as in "asks to set instructions aside".
    """

    name: str
    quote: str


def suspicions(text: str, *, description: bool = False) -> tuple[Suspicion, ...]:
    """What in a text reads like an order to a model, each name once, twenty at most.

    Give it the raw text, so that what `cleaned` takes out is looked at, too. With `description` it is a
    tool's, in which other tools, files with secrets and tags of its own have no place.
    """
    found = {each.name: each for each in concealed(text)}
    plain = cleaned(text)
    for name, quote in _seen(plain, description=description):
        found.setdefault(name, Suspicion(name, quote))
        if len(found) >= MOST:
            break
    return tuple(found.values())


def concealed(text: str) -> tuple[Suspicion, ...]:
    """The words that a text hides in what `cleaned` takes out of it."""
    return tuple(Suspicion(f"hides words in {each.how}", each.words[:QUOTE]) for each in hidden(text))


def capped(text: str, characters: int) -> tuple[str, bool]:
    """At most so many characters of a text, and whether something was left out, as its last line says then.

    It is cut at the end of a line or sentence where one is near. Below a hundred characters there is no room
    for that line.
    """
    if len(text) <= characters:
        return text, False
    room = characters - len(_left_out(len(text)))
    if characters < _LEAST_TOLD:
        return text[: max(0, characters)], True
    start = text[:room]
    ends = [each.end() for each in _END.finditer(start, room - room // 4)]
    kept = start[: ends[-1]] if ends else start
    if lines := kept.rfind("\n", room - room // 4) + 1:
        kept = kept[:lines]
    kept = kept.rstrip()
    return kept + _left_out(len(text) - len(kept)), True


_LEAST_TOLD = 100
_END = re.compile(r"[.!?…。\uff01\uff1f](?=[\s\"'”\u2019)])|\n")


def _left_out(characters: int) -> str:
    return f"\n[{characters:,} more characters are left out.]"


# What is looked through: the text as it reads, and what is written in it in another way --------------------


def _seen(plain: str, *, description: bool) -> Iterator[tuple[str, str]]:
    yield from (
        (name, _quoted(plain, start, end)) for name, start, end in marked(plain, description=description)
    )
    view = _view(plain)
    yield from _said(view, description=description)
    for other in undisguised(view):
        yield from _said(other, description=description)
    for inner in decoded(plain):
        for name, quote in _said(_view(cleaned(inner)), description=description):
            yield f"hides in an encoding that it {name}", quote


def _view(plain: str) -> str:
    """A text for looking through: in one form of its letters, small, escapes of JSON as spaces."""
    text = plain if plain.isascii() else unicodedata.normalize("NFKC", plain)
    return _ESCAPED.sub("  ", text.lower()) if "\\" in text else text.lower()


_ESCAPED = re.compile(r"\\[nrt]")


@cache
def _phrases() -> tuple[dict[str, list[Phrase]], re.Pattern[str]]:
    """The turns of phrase by the words they begin with, and those of these words that stand within others."""
    begun: dict[str, list[Phrase]] = {}
    for phrase in (*ENGLISH, *OF_TOOLS, *foreign()):
        for word in phrase.words:
            begun.setdefault(word, []).append(phrase)
    within = sorted(filter(_RUNS_ON.search, begun), key=len, reverse=True)
    return begun, re.compile("|".join(map(re.escape, within)))


_WORD = re.compile(r"[^\W_]+(?:['\u2019\u200c-][^\W_]+)*")
_RUNS_ON = re.compile("[\u0900-\u097f\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts that set no spaces between words, join endings to them, or write vowels as marks."""


def _said(view: str, *, description: bool) -> Iterator[tuple[str, str]]:
    begun, within = _phrases()
    names: set[str] = set()
    for words in (_WORD, within) if _RUNS_ON.search(view) else (_WORD,):
        for start in words.finditer(view):
            for phrase in begun.get(start[0], ()):
                if phrase.name in names or (phrase.description and not description):
                    continue
                if match := phrase.pattern.match(view, start.end()):
                    names.add(phrase.name)
                    yield phrase.name, _quoted(view, start.start(), match.end())


def _quoted(text: str, start: int, end: int) -> str:
    """A place with a few words around it, on one line."""
    before = text.rfind(" ", max(0, start - _AROUND), max(0, start - _AROUND // 2)) + 1
    return " ".join(text[before or max(0, start - _AROUND) : end + _AROUND].split())[:QUOTE]
