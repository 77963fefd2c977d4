"""Names in a text, found without a model: people, places and works by how they are written, code, addresses.

English capitals are read best. Other scripts with capitals work alike; Chinese, Japanese and Korean give what
stands in quotation marks or in katakana. What a name stands for, and whether two names mean the same, it does
not know; `akin` says whether one may be short for another.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from atlas_mcp.text.words import STOP_WORDS, word_set

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entity", "Label", "akin", "entities", "key_of"]

Label: TypeAlias = Literal["name", "title", "code", "address"]


@dataclass(frozen=True, slots=True)
class Entity:
    """A name: what kind it is, the `key` that all its spellings share, and how it was written first.

    `name` is a person, place, organisation or thing; `title` stands in quotation marks; `code` is an
    identifier, a file or a version; `address` a link or e-mail address.
    """

    label: Label
    key: str
    name: str


def entities(text: str) -> list[Entity]:
    """The names that `text` holds, in its order, each key once; dates and plain numbers are none.

    A capital at the start of a sentence is taken for a name unless the word is a usual one, or stands in
    small letters elsewhere in the text.
    """
    found: list[tuple[int, Entity]] = []
    left = text
    for label, pattern in _WRITTEN:
        for match in pattern.finditer(left):
            said = next(filter(None, match.groups()), match[0])
            said = said.rstrip(".,;:!?'")
            if _is_said(label, said) and (key := key_of(said)):
                found.append((match.start(), Entity(label, key, said)))
                left = left[: match.start()] + "\0" * len(match[0]) + left[match.end() :]
    found.extend((at, Entity("name", key_of(name), name)) for at, name in _names(left))
    once: dict[str, Entity] = {}
    for _, entity in sorted(found, key=lambda each: each[0]):
        once.setdefault(entity.key, entity)
    return list(once.values())


def key_of(name: str) -> str:
    """What all spellings of a name share: small letters, one space, no article, "Dr." or possessive."""
    plain = unicodedata.normalize("NFKC", name).replace("\u2019", "'").casefold()
    plain = " ".join(plain.split()).removesuffix("'s").removesuffix("'").removeprefix("the ")
    first, _, rest = plain.partition(" ")
    return rest if rest and first.rstrip(".") in _TITLES else plain


def akin(one: str, other: str) -> bool:
    """Whether a key may be short for another: one of its words, or how one of them begins."""
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    words = long.split()
    return short in words or (
        len(short) >= SHORTEST_NICKNAME and any(word.startswith(short) for word in words)
    )


SHORTEST_NICKNAME = 3
LONGEST_TITLE = 80

_LETTER = r"[^\W\d_]"
_ADDRESS = re.compile(r"https?://[^\s<>\"'()\[\]]+|\bwww\.[^\s<>\"'()\[\]]+|\b[\w.+-]+@[\w-]+\.[\w.-]*\w")
_TICKED = re.compile(r"`([^`\n]{2,80})`")
# A straight double quotation mark, curly ones, and those of Chinese, Japanese, French and German.
_QUOTED = re.compile(
    '["\u201c\u201e]([^"\u201c\u201d\u201e\\n]{2,80})["\u201d\u201c]'
    "|[\u300c\u300e\u300a\u00ab]\\s?([^\u300d\u300f\u300b\u00bb\\n]{2,80}?)\\s?[\u300d\u300f\u300b\u00bb]"
)
_CODE = re.compile(
    r"(?<![\w/])(?:"
    r"[A-Za-z]\w*_\w+(?:\(\))?"  # snake_case
    r"|[a-z]+(?:[A-Z][a-z0-9]+)+"  # camelCase
    r"|--[a-z][\w-]+"  # --option
    r"|[\w./~-]*/[\w.-]+\.[a-z]\w{0,4}|[\w-]+\.(?:py|md|toml|json|jsonl|yaml|yml|ts|js|rs|go|c|h|db|txt|pdf|csv|sh)"
    r"|v?\d+\.\d+(?:\.\d+)+(?:[-.]?(?:rc|a|b|dev)\d*)?"  # a version
    r"|[A-Z]+-\d+"  # a ticket
    r")(?!\w)"
)
_KATAKANA = re.compile(r"[\u30a1-\u30fa\u30fc]{3,}")
_WRITTEN: tuple[tuple[Label, re.Pattern[str]], ...] = (
    ("address", _ADDRESS),
    ("code", _TICKED),
    ("title", _QUOTED),
    ("code", _CODE),
    ("name", _KATAKANA),
)

_TOKEN = re.compile(rf"{_LETTER}[\w&]*(?:[-.]{_LETTER}\w*)*(?:['\u2019]{_LETTER}+)*|\d[\w.,]*|[^\w\s]")
_SMALL_LINKS = word_set("of de del della der den des di da du la le van von bin al y & for")
_TITLES = word_set("mr mrs ms dr prof sir st")
_CALENDAR = word_set("""
    january february march april may june july august september october november december monday tuesday
    wednesday thursday friday saturday sunday mon tue tues wed thu thurs fri sat sun jan feb mar apr jun
    jul aug sep sept oct nov dec today tomorrow yesterday tonight spring summer autumn winter
""")
# Usual words that begin sentences of notes and of talk; what ends like a form of a verb or an adverb is left
# out by its ending.
_USUAL = word_set("""
    absolutely actually add agent agents ah aha alright although always amazing among answer answers
    anytime anyway anyways apparently appreciate ask asks avoid aw awesome aww awww bad based because
    believe besides best bet better beware big both bro btw bummer but bye call came can't cannot card
    catch change check cheers choose clearly client close come congrats congratulations consider cool
    could crazy create customer customers cute data dear definitely delete despite did didn't do does
    doesn't don't dude due each easy else enjoy enough ensure error errors even ever every everybody
    everyone everything exactly example except fact fair false fantastic feel feels figure file files
    find fine first five follow for four frame from funny gave get give gives glad go goes gonna good
    gosh gotcha gotta great guess guys ha hah haha half happy hard hates have haven't he'll he's hello
    help here's hey hi hmm hope how'd how's however huge i i'd i'll i'm i've idea if imagine imho
    important in indeed input instead interesting isn't it'd it'll it's join keep keeps kind knew know
    knows last later leave lemme less let let's like likely likes lives lol long look looks lots love
    lovely loves luckily made main make man many maybe mean means meanwhile meet meeting mention model
    most move much my nah need needs neither never new next nice no nobody none nope nor not note
    nothing now null obviously of often oh ok okay old omg once one oops open otherwise ouch our ours
    output overrides part pass people perfect perhaps permalink plan please plus possible prefer prefers
    pretty probably put query quick read ready really recently remember remove report request result
    right rock run runs sad said same save say second section see seem seems send server seven several
    she'll she's should show sign simple sit six small so some someone something sometimes somewhere
    soon sorry sounds start stay step still stop store such super sure sweet tab take takes talk task
    team teams tell ten test thank thanks that'd that'll that's the their them then there's these they'd
    they'll they're they've thing things think third this those thought three time to too took total
    totally tough true truly try turn two type ugh um unless unlike until update upon use user users
    uses usually verify very wait wanna want wants warning was wasn't watch way we'd we'll we're we've
    welcome well went were weren't what's whatever when's where's wherever whether which whichever while
    who's whoa why will win wish within without woah won't wonder wonderful woo woohoo work works would
    wouldn't wow write wrote y'all yay yea yeah year years yep yes yet you'd you'll you're you've yum
    yup zero
""")
_VERBAL = (
    "ing",
    "ed",
    "ly",
    "ness",
    "tion",
    "tions",
    "ment",
    "ments",
    "ful",
    "less",
    "n't",
    "'ll",
    "'ve",
    "'re",
)
_CONTRACTED = frozenset(word for word in _USUAL if "'" in word)
# What follows a verb that opens a sentence, and seldom a name that does.
_AFTER_A_VERB = word_set("""
    a about all an any at every for her his in it its me my no of on our out so some that the their them
    these this those to up us you your
""")
_OPENING = word_set("New Great Old Big Saint North South East West Upper Lower Little")
_STARTS_AFTER = frozenset('.!?:;\u2026\u2022*>|-\n\u2014"\u201c(')


def _is_said(label: Label, said: str) -> bool:
    """Whether what stands in quotation marks may be a title, and is no sentence that somebody spoke."""
    if label != "title":
        return bool(said)
    if not said.isascii():
        return True
    words = said.split()
    telling = [word for word in words if word.lower() not in STOP_WORDS]
    capitals = sum(word[:1].isupper() or word[:1].isdigit() for word in telling)
    return bool(telling) and capitals * 2 > len(telling)


def _names(text: str) -> Iterator[tuple[int, str]]:
    """Runs of capitalised words, with the small words that join them ("Bank of England")."""
    small = {match[0] for match in _TOKEN.finditer(text) if match[0].islower()}
    run: list[re.Match[str]] = []
    links = 0  # how many small words stand at the end of the run
    begins, last = True, 0
    for token in _TOKEN.finditer(text):
        word, gap = token[0], text[last : token.start()]
        goes_on = bool(run) and gap == " " and not run[-1][0].endswith(("'s", "\u2019s"))
        begins = begins or "\n" in gap or "\0" in gap
        name = _is_name(token, small, begins=begins and not goes_on)
        if goes_on and not name and (word in _SMALL_LINKS or (links and word == "the")):
            run.append(token)
            links += 1
        elif not (run and word == "." and run[-1][0].lower() in _TITLES):
            if not (goes_on and name):
                yield from _whole(text, run[: len(run) - links])
                run = []
            run += [token] if name else []
            links = 0
        begins = word in _STARTS_AFTER and not (word == "." and run)
        last = token.end()
    yield from _whole(text, run[: len(run) - links])


def _whole(text: str, run: list[re.Match[str]]) -> Iterator[tuple[int, str]]:
    """The run as one name, unless it is a title alone."""
    if run:
        name = (
            text[run[0].start() : run[-1].end()].removesuffix("'s").removesuffix("\u2019s").rstrip("'\u2019")
        )
        if len(name) > 1 and name.lower() not in _TITLES:
            yield run[0].start(), name


def _is_name(token: re.Match[str], small: set[str], *, begins: bool) -> bool:
    """Whether a word is written as a name; at the start of a sentence a capital says little."""
    word, after = token[0], token.string[token.end() : token.end() + 40]
    if not word[0].isupper() or len(word) == 1:
        return False
    folded = word.replace("\u2019", "'").casefold()
    bare = folded.removesuffix("'s")
    if word in _OPENING and after[:1] == " " and after[1:2].isupper():
        return True  # "New York"
    if bare in _CALENDAR or bare in STOP_WORDS or folded in _CONTRACTED:
        return False
    if word.isupper():
        return bare not in small and folded not in _USUAL
    if not begins or any(letter.isupper() for letter in word[1:]) or bare != folded:
        return True
    following = after.lstrip(" ").partition(" ")[0].casefold()
    usual = folded in _USUAL or bare in small or bare.endswith(_VERBAL)
    return not usual and not following.startswith("!") and following not in _AFTER_A_VERB
