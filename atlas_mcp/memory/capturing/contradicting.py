"""Whether two statements cannot both be so, and whether they say the same: from their words alone.

It is strict: both must speak of the same, by the same names and content words, before a value that differs, a
denial or an end ("no longer", "was removed") is held against one. What is said of other times does not
contradict. What it misses stays beside the other; what it finds is to be trusted. For English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from atlas_mcp.memory.capturing.quantities import CLOCKS, Quantity, Read, read, read_both
from atlas_mcp.memory.capturing.refusing import states
from atlas_mcp.text.denial import denied_otherwise
from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.support import negated
from atlas_mcp.text.words import content_words, stem, stems, word_set

__all__ = ["Conflict", "conflict", "same_figures", "same_meaning", "says_since", "wish_conflict"]

_LEAST = 2
"""Content words that two statements share before one can contradict the other."""

_SOFT = frozenset(stem(word) for word in word_set("""
    now currently today still already usually new exactly set equals equal amounts amount currently officially
    please use uses called single stays remains long large held hold holds given
"""))  # fmt: skip
"""Words that one of two statements may have more than the other."""

_OPEN = re.compile(
    r"\b(?:might|could|perhaps|possibly|for example|for instance|e\.g\.|such as|suppose|plans? to"
    r"|planned|expects?"
    r"|expected|propos(?:es?|ed|al)|probably|likely|if)\b",
    re.IGNORECASE,
)
"""What is only possible, or an example, contradicts nothing."""

_NO_LONGER = re.compile(r"\b(?:no longer|not any ?more|not any longer)\b", re.IGNORECASE)
_ENDED = re.compile(
    r"\A(?P<what>.+?)\b(?:was|were|has been|have been|is|are|got)\s+(?:now\s+)?(?P<how>removed|dropped"
    r"|withdrawn"
    r"|discontinued|retired|abolished|shut down|superseded|replaced(?= by\b))\b",
    re.IGNORECASE,
)
_THERE = frozenset(stem(word) for word in word_set("""
    support supports use uses has have provide provides offer offers available exist exists include includes
    contain contains pay pays ship ships allow allows accept accepts charge charges there part
"""))  # fmt: skip
"""Verbs by which a thing is said to be there."""

_SAID_ANYHOW = _SOFT | frozenset(stem(word) for word in word_set("""
    always never please future every all want wants prefer prefers like rather remember rule default going
    forward
    henceforth time unless otherwise
"""))  # fmt: skip
"""Words with which a wish is said, and that wish nothing."""

_CHOICES = tuple(frozenset(stem(word) for word in word_set(each)) for each in (
    """british american canadian australian english german french italian spanish portuguese dutch swedish
    polish japanese chinese korean russian language""",
    "metric imperial", "formal informal casual plain friendly", "short long brief detailed",
    "markdown html plain latex word pdf", "bullet bullets list lists prose paragraph paragraphs table tables",
    "first last", "celsius fahrenheit", "euro euros dollar dollars franc francs pound pounds swiss",
))  # fmt: skip
"""Of each of these a person wants one."""

_GENERIC = _SOFT | _THERE | frozenset(stem(word) for word in word_set("""
    put puts send sends place give gives take takes make makes keep keeps store stores need needs let lets
    permit
    enable whole big small run runs work works show shows sit sits lie lies stand stands occur occurs get
    happen
    happens most common frequent different another other specific certain within
"""))  # fmt: skip
"""Words that may stand for one another, and tell no two things apart."""

_NEGATING = frozenset({"not", "no", "never", "none", "cannot", "without", "neither", "nor"})

_HAS = re.compile(r"\b(?:has|have|there (?:is|are))\b", re.IGNORECASE)

_OPPOSED = (
    ("required", "optional"), ("mandatory", "optional"), ("enabled", "disabled"), ("allowed", "forbidden"),
    ("allowed", "prohibited"), ("permitted", "forbidden"), ("supported", "unsupported"),
    ("possible", "impossible"),
    ("public", "private"), ("stateful", "stateless"), ("synchronous", "asynchronous"), ("open", "closed"),
    ("free", "paid"), ("mutable", "immutable"), ("increased", "decreased"), ("rose", "fell"),
    ("valid", "invalid"),
    ("safe", "unsafe"), ("always", "never"), ("before", "after"),
)  # fmt: skip

_ONE_VALUE = frozenset(stem(word) for word in word_set("""
    default maximum minimum limit name version status owner maintainer author chair chairman chairwoman
    director
    head capital licence license language currency unit format address location date deadline price cost dose
    size length height width depth colour color successor predecessor founder ceo president lead leader
    main only
    primary latest current official preferred standard headquarters editor publisher region timezone encoding
    database backend transport algorithm designer architect manager inventor winner
"""))  # fmt: skip
"""What a thing has one of at a time."""

_SAYS_IS = re.compile(r"\A(?P<left>.+?)\s+(?:is|are|was|were)\s+(?P<right>.+)\Z", re.IGNORECASE | re.DOTALL)
_MADE_SO = re.compile(
    r"\A(?P<left>.+?)\s+(?:is|are|was|were)\s+(?P<how>(?:first |originally )?(?:maintained|owned|led"
    r"|chaired|written"
    r"|licensed|released|published|designed|founded|hosted|based|located|named|called|headed|developed"
    r"|built|created"
    r"|invented|directed|edited|implemented)(?: (?:by|in|under|at|on|as))?)\s+(?P<right>.+)\Z",
    re.IGNORECASE | re.DOTALL,
)
_STARTS_WITH_NUMBER = re.compile(r"\A\W*(?:(?:at|up|about|around|only|exactly)\W+(?:least|most|to)?\W*)?\d")
_MOST_VALUE = 5
_PARTICIPLE = re.compile(r"\A\w+(?:ed|ing)\b", re.IGNORECASE)
_ABOUT = 0.1
_HALF_DAY = 43_200
"""Seconds."""

_NEAR, _NEAR_UNNAMED = 0.86, 0.9
"""Cosines from which two statements say the same; the second where only one of them gives a name.

Among 200 planted statements those that say the same had 0.92 and more, those that do not 0.77 and less."""

_NEAR_WORDS, _LEAST_SHARED = 0.6, 0.3
"""Shares of all their words that say the same without vectors, and that vectors cannot do without."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """That two statements cannot both be so: `reason` says why; `changed` if the newer says that it changed.

    `since` is the date (ISO, as precise as it is said) from which on the newer is so, if it says one.
    """

    how: Literal["denied", "value", "ended"]
    reason: str
    changed: bool = False
    since: str = ""


def conflict(new: str, old: str) -> Conflict | None:
    """What two statements disagree in; None if they can both be so, as far as is seen.

    Statements of several sentences are compared sentence by sentence; a change that is said counts first.
    """
    ours, theirs = ([each.text for each in sentences(text)] for text in (new, old))
    if max(len(ours), len(theirs)) < 2:  # noqa: PLR2004 - one sentence each
        return _conflict(new, old)
    found = [said for one in ours for other in theirs if (said := _conflict(one, other))]
    return next((said for said in found if said.changed), found[0] if found else None)


def _conflict(new: str, old: str) -> Conflict | None:
    if any(_OPEN.search(each) or each.rstrip().endswith(("?", ":")) for each in (new, old)):
        return None
    now, then = read_both(_plain(new), _plain(old))
    if ended := _ended(new, old, now, then):
        return ended
    if now.scopes != then.scopes:
        return None
    since = now.since if now.since != then.since else ""
    changed = bool(since or _NO_LONGER.search(new))
    if now.named == then.named and (word := _denied(new, old, now, then)):
        return Conflict("denied", f"one denies {word!r} and the other does not", changed, since)
    said = _other_value(new, old)
    if not said and now.named == then.named:
        said = _other_quantity(now, then) or _other_date(now, then) or _opposite(now, then)
    return Conflict("value", said, changed, since) if said else None


def same_meaning(new: str, old: str, cosine: float | None = None) -> bool:
    """Whether two statements say the same: the same numbers and names, and near in meaning or in words.

    `cosine` is of their vectors, None where there is no embedder.
    """
    if _plain(new).casefold() == _plain(old).casefold():
        return True
    if not same_figures(new, old) or negated(new) != negated(old):
        return False
    now, then = read(_plain(new)), read(_plain(old))
    ours, theirs = _bag(now.plain), _bag(then.plain)
    if len(ours & theirs) < _LEAST or _opposed(ours, theirs) or _other_value(new, old):
        return False
    named = (_names_shared(now.plain, theirs), _names_shared(then.plain, ours))
    if not all(named) and not (any(named) and (cosine or 0.0) >= _NEAR_UNNAMED):
        return False
    return _near(ours, theirs, cosine)


def same_figures(new: str, old: str) -> bool:
    """Whether two statements have the same quantities, dates and numbers that are names."""
    now, then = read_both(_plain(new), _plain(old))
    return (
        _counted(now) == _counted(then)
        and now.named == then.named
        and now.scopes | now.dates == then.scopes | then.dates
    )


def _near(ours: frozenset[str], theirs: frozenset[str], cosine: float | None) -> bool:
    shared = len(ours & theirs) / len(ours | theirs)
    # A word for another word is another thing, unless both are such as could stand for many.
    here, there = ours - theirs - _GENERIC, theirs - ours - _GENERIC
    if shared >= _NEAR_WORDS and not (here and there):
        return True
    # Sentences of one pattern, of tools and of prompts: their vectors are as near as those of the same.
    if len(here) == len(there) == 1:
        return False
    return cosine is not None and cosine >= _NEAR and shared >= _LEAST_SHARED


def wish_conflict(new: str, old: str) -> Conflict | None:
    """What two wishes of a person disagree in: one forbids what the other asks, or they choose otherwise."""
    if found := conflict(new, old):
        return found
    ours, theirs = (frozenset(_bag(_plain(each)) - _SAID_ANYHOW) for each in (new, old))
    if ours and ours == theirs and negated(new) != negated(old):
        return Conflict("denied", "one forbids what the other asks", changed=True)
    now, then = ours - theirs, theirs - ours
    if ours & theirs and now and then:
        for choice in _CHOICES:
            if now <= choice and then <= choice:
                return Conflict(
                    "value", f"{' '.join(sorted(now))} against {' '.join(sorted(then))}", changed=True
                )
    return None


def says_since(text: str) -> str:
    """The date (ISO, as precise as it is said) from which on a statement says that it is so, if any."""
    return read(_plain(text)).since


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[*`]+|__", "", text).split())


def _bag(plain: str) -> frozenset[str]:
    """The stems of what a statement is about, without its words of negation."""
    asserted = re.sub(r"\bno longer\b|\bany ?more\b", " ", plain, flags=re.IGNORECASE)
    return frozenset(stems(asserted)) - _NEGATING


def _same_subject(now: Read, then: Read) -> bool:
    """Whether the words of two statements are the same, but for such as say nothing of the subject."""
    ours, theirs = _bag(now.plain), _bag(then.plain)
    if ours == theirs and ours & _ONE_VALUE:
        return True
    return len(ours & theirs) >= _LEAST and (ours ^ theirs) <= _SOFT


def _ended(new: str, old: str, now: Read, then: Read) -> Conflict | None:
    """That the newer says the end of what the older says to be there."""
    match = _ENDED.match(_plain(new))
    if match is None or negated(new) or negated(old) or _ENDED.match(_plain(old)) or then.quantities:
        return None
    what, theirs = _bag(read(match["what"]).plain), _bag(then.plain)
    rest = theirs - what
    there = rest & _THERE or _HAS.search(old)
    if len(what) < _LEAST or not what <= theirs or not there or rest - _THERE - _SOFT - _bag(now.plain):
        return None
    since = min(now.dates) if len(now.dates) == 1 else ""
    return Conflict("ended", f"it was {match['how'].lower()}", changed=True, since=since)


def _denied(new: str, old: str, now: Read, then: Read) -> str | None:
    if not _same_subject(now, then) or _counted(now) != _counted(then) or now.dates != then.dates:
        return None
    if not states(new) or not states(old):
        return None
    first, second = (_NO_LONGER.sub("not", _plain(each)) for each in (new, old))
    return denied_otherwise(first, [second]) or denied_otherwise(second, [first])


def _counted(told: Read) -> list[tuple[float, str]]:
    return sorted((each.value, each.unit) for each in told.quantities)


def _other_quantity(now: Read, then: Read) -> str:
    """The one quantity that differs, of as many; empty if there is none, or several."""
    if not _same_subject(now, then) or now.dates != then.dates:
        return ""
    ours, theirs = list(now.quantities), list(then.quantities)
    if len(ours) != len(theirs):
        return ""
    for each in now.quantities:
        same = next((other for other in theirs if (other.value, other.unit) == (each.value, each.unit)), None)
        if same is not None:
            ours.remove(each)
            theirs.remove(same)
    return f"{ours[0].said} against {theirs[0].said}" if len(ours) == 1 and _apart(ours[0], theirs[0]) else ""


def _apart(new: Quantity, old: Quantity) -> bool:
    """Whether a thing cannot be both: bounds go together, and so does what is about as much."""
    if "bound" in (new.loose, old.loose):
        return False
    if new.unit != old.unit:
        # 2 o'clock may be 14:00, and cannot be 15:00.
        return frozenset((new.unit, old.unit)) == CLOCKS and (new.value - old.value) % _HALF_DAY != 0
    near = abs(new.value - old.value) <= _ABOUT * max(new.value, old.value)
    return not ("about" in (new.loose, old.loose) and near)


def _other_date(now: Read, then: Read) -> str:
    """The date at which something happened, which differs."""
    if not _same_subject(now, then) or now.quantities or then.quantities or now.dates == then.dates:
        return ""
    if len(now.dates) != 1 or len(then.dates) != 1 or _within(*now.dates, *then.dates):
        return ""
    return f"{min(now.dates)} against {min(then.dates)}"


def _within(one: str, other: str) -> bool:
    """Whether one date says the other less precisely."""
    return one.startswith(other) or other.startswith(one)


def _opposite(now: Read, then: Read) -> str:
    """The word of one and its opposite in the other, where they differ in nothing else."""
    return "" if _counted(now) != _counted(then) else _opposed(_bag(now.plain), _bag(then.plain))


def _opposed(ours: frozenset[str], theirs: frozenset[str]) -> str:
    new, old = ours - theirs - _SOFT, theirs - ours - _SOFT
    if len(new) != 1 or len(old) != 1 or len(ours & theirs) < _LEAST:
        return ""
    pair = {*new, *old}
    return next((f"{one} against {other}" for one, other in _OPPOSED if {stem(one), stem(other)} == pair), "")


def _other_value(new: str, old: str) -> str:
    """What two statements name otherwise, of something that has one such thing at a time."""
    for pattern in (_MADE_SO, _SAYS_IS):
        first, second = pattern.match(_plain(new)), pattern.match(_plain(old))
        if first is None or second is None:
            continue
        (left, right), (subject, value) = _turned(first), _turned(second)
        if pattern is _MADE_SO and _bag(first["how"]) != _bag(second["how"]):
            continue
        ours, theirs = _bag(left), _bag(subject)
        alone = pattern is _MADE_SO or (ours & _ONE_VALUE and not _PARTICIPLE.match(right.strip()))
        if not alone or not ours or (ours ^ theirs) - _SOFT:
            continue
        now, then = _bag(right), _bag(value)
        if not now or not then or max(len(now), len(then)) > _MOST_VALUE or now <= then or then <= now:
            continue
        if _is_name(right) == _is_name(value) and not any(map(_STARTS_WITH_NUMBER.match, (right, value))):
            return f"{right.strip(' .')} against {value.strip(' .')}"
    return ""


def _turned(match: re.Match[str]) -> tuple[str, str]:
    """Subject and value; "X is the maintainer of Y" is turned round."""
    left, right = match["left"], match["right"]
    if (
        "how" not in match.groupdict()
        and re.match(r"the\b", right, re.IGNORECASE)
        and (_bag(right) & _ONE_VALUE and not _bag(left) & _ONE_VALUE)
    ):
        return right, left
    return left, right


def _is_name(text: str) -> bool:
    return bool(re.search(r"\b[A-Z]|\w\d|\w[+#/]", text))


def _names_shared(plain: str, theirs: frozenset[str]) -> bool:
    """Whether every name in a statement stands in the other too; the first word may only look like one."""
    names = re.findall(r"(?<=[\w,;:'\u2019)] )[A-Z][\w-]*|\b\w*[a-z][A-Z]\w*|\b[A-Z]{2,}\b|\b\w+\d\w*", plain)
    return all(stem(word) in theirs for name in names for word in content_words(name))
