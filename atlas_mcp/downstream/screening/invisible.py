"""What a text holds that nobody sees: taken out where it can only hide something, read where it hides words.

Taken out: control characters, escapes of terminals, marks that turn the direction of writing, spaces and
fillers without width, tags, variation selectors that vary nothing, lone surrogates, and marks piled above
thirty on one letter. What languages write with stays: joiners between letters that join (Persian, Indic
scripts, Mongolian) and within emoji, the selector after an emoji, an ideograph or a sign of mathematics, the
flags of England, Scotland and Wales, Hangul fillers in syllables. Lost are hints alone: where a Thai or Khmer
line may break, where a word may be hyphenated, and marks of direction that plain letters imply.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Hidden", "cleaned", "hidden"]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Words that were hidden in a text; `how` says by what, such as "tags"."""

    how: str
    words: str


# Escapes of terminals: CSI, then titles and links (OSC), then strings, then the short ones.
_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*+(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*+(?:\x1b\\|\x9c)"
    r"|\x1b[ -/]*+[0-~]"
)
_LINE = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_NEVER = re.compile(
    "["
    "\x00-\x08\x0e-\x1f\x7f-\x9f"
    "\u00ad\u034f\u061c\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufdd0-\ufdef\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
    "]+"
)
"""What no language needs; the other planes' last two code points are left to their fonts."""

_JOINING = (
    "\u0600-\u061b\u061d-\u08ff\u0900-\u109f\u1780-\u17b3\u17b6-\u17ff\u1810-\u18af\u1900-\u1cff"
    "\ua800-\uabff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e95f"
)
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_IDEOGRAPH = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_VARIED = _IDEOGRAPH + "\u1000-\u109f\u2200-\u22ff\u2a00-\u2aff\u3001\u3002\ua840-\ua877\uff01-\uff1f"
_JAMO = "\u1100-\u115e\u1161-\u11ff\ua960-\ua97c\ud7b0-\ud7fb"
_FLAGS = "|".join(
    "".join(chr(0xE0000 + ord(letter)) for letter in region) for region in ("gbeng", "gbsct", "gbwls")
)
_SINGLE = "\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180f\u115f\u1160"
_TAGS = "\U000e0020-\U000e007f"
_CARRIERS = _SINGLE + _TAGS
_ROW = re.compile(f"([{_SINGLE}]{{3}})[{_SINGLE}]++|([{_TAGS}]{{6}})[{_TAGS}]++")
"""More of them in a row than ever stay: taken out at once, since each alone takes its time."""
_SOMETIMES = re.compile(
    # One class first, which is looked for fast; then what is there for it to stay.
    rf"[\U0001f3f4{_CARRIERS}](?P<stays>(?<=\U0001f3f4)(?:{_FLAGS})\U000e007f|(?<=\U0001f3f4)"
    rf"|(?<=[{_JOINING}]\u200c)(?=[{_JOINING}])"
    rf"|(?<=[{_JOINING}]\u200d)(?![\u200c\u200d])"
    rf"|(?:(?<=[{_EMOJI}]\u200d)|(?<=[{_EMOJI}]\ufe0f\u200d))(?=[{_EMOJI}])"
    rf"|(?<=[{_EMOJI}][\ufe0e\ufe0f])|(?<=[#*0-9]\ufe0f)(?=\u20e3)"
    rf"|(?<=[{_VARIED}][\ufe00-\ufe02])|(?<=[{_IDEOGRAPH}][\U000e0100-\U000e010f])"
    r"|(?<=[\u1820-\u18aa][\u180b-\u180d\u180f])|(?<=[\u1820-\u18aa]\u180e)(?=[\u1820-\u18aa])"
    rf"|(?<=\u115f)(?=[\u1160{_JAMO}])|(?<=[\u115f{_JAMO}]\u1160))?"
)
"""What stays in its place and goes anywhere else."""

_MOST_MARKS = 30
"""Marks on one letter, as Unicode's stream-safe format has it; normalising more takes quadratic time."""

_CONCEALED = re.compile(r"\x1b\[(?:\d{1,4};){0,4}8m([^\x1b]{4,2000})")
_TURNED = re.compile("\u202e([^\u202c\n]{4,2000})")
_FLAG = re.compile(rf"\U0001f3f4(?:{_FLAGS})\U000e007f")
_TAG = re.compile("[\U000e0020-\U000e007e]+")
_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_SELECTORS = "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
_WIDTHLESS = re.compile(
    "[\u00ad\u034f\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0]+"
)
_WORD = re.compile(r"[^\W\d_]{3}")
_READ = 20_000
"""Characters without width that are tried as digits, in one run or together."""
_LEAST = 4
_MOST_DIGITS = 6
_MOST_SHOWN = 5


def cleaned(text: str) -> str:
    r"""`text` as a person sees it: without what hides, its lines ended by \n. Cleaning twice changes nothing.

    It takes linear time.
    """
    text = _NEVER.sub("", _LINE.sub("\n", _ESCAPE.sub("", text)))
    if text.isascii():
        return text
    text = _ROW.sub(r"\1\2", text)
    mark, pile = _marks()
    if mark.search(text[::_MOST_MARKS]):
        text = pile.sub(r"\1", text)
    return _SOMETIMES.sub(_kept, text)


def hidden(text: str) -> tuple[Hidden, ...]:
    """The words that a text hides where `cleaned` takes out what hides them, at most five."""
    found = [Hidden("a colour that is not shown", each[1]) for each in _CONCEALED.finditer(text)]
    if not text.isascii():
        found += [Hidden("writing turned round", each[1][::-1]) for each in _TURNED.finditer(text)]
        plain = _FLAG.sub("", text)
        tags = "".join(_TAG.findall(plain))
        found.append(Hidden("tags", "".join(chr(ord(each) - 0xE0000) for each in tags)))
        found += [Hidden("variation selectors", _selected(each)) for each in _SELECTOR.findall(plain)]
        found += [Hidden("characters without width", each) for each in _counted(plain)]
    said = dict.fromkeys(each for each in found if len(each.words) >= _LEAST and _WORD.search(each.words))
    return tuple(said)[:_MOST_SHOWN]


def _kept(found: re.Match[str]) -> str:
    return found[0] if found["stays"] is not None else ""


@cache
def _marks() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A mark; and so many of them in a row, and the ones above. The class is of Unicode's own table."""
    ranges: list[list[int]] = []
    for code in range(0x300, 0x1E94B):
        if unicodedata.combining(chr(code)):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    # What may go between two marks would join their rows, so it counts as part of one.
    row = f"([{marks}](?:[{_CARRIERS}]*+[{marks}]){{{_MOST_MARKS - 1}}})"
    return re.compile(f"[{marks}{_CARRIERS}]"), re.compile(f"{row}[{marks}{_CARRIERS}]++")


def _selected(run: str) -> str:
    """A run of variation selectors as the bytes that they number."""
    numbers = (_SELECTORS.index(each) for each in run)
    return _printable(bytes(numbers).decode("utf-8", "replace"))


def _counted(text: str) -> Iterator[str]:
    """Runs of characters without width, and all of them together, read as digits of letters."""
    runs = _WIDTHLESS.findall(text)
    for run in dict.fromkeys([*(run for run in runs if len(run) >= _LEAST * 7), "".join(runs)]):
        marks = sorted(set(run))
        if not 1 < len(marks) <= _MOST_DIGITS + 1 or len(run) < _LEAST * 3:
            continue
        if words := next(filter(None, _readings(run[:_READ], marks)), ""):
            yield words


def _readings(run: str, marks: list[str]) -> Iterator[str]:
    """What a run says: any of its characters as the gap between letters, or letters of one length."""
    for gap in (*marks, ""):
        digits = [mark for mark in marks if mark != gap]
        if len(digits) < 2:  # noqa: PLR2004 - digits of one kind say nothing
            continue
        for order in (digits, digits[::-1]):
            value = {mark: number for number, mark in enumerate(order)}
            if gap:
                letters = [part for part in run.split(gap) if part]
                yield _spelled(letters, value)
                continue
            for most in (256, 128, 65_536):
                length = next(n for n in range(1, 17) if len(digits) ** n >= most)
                yield _spelled([run[at : at + length] for at in range(0, len(run), length)], value)


def _spelled(letters: list[str], value: dict[str, int]) -> str:
    """Numbers as letters; nothing where they are no words."""
    said: list[str] = []
    for letter in letters:
        number = 0
        for digit in letter[:17]:
            number = number * len(value) + value[digit]
        if number > 0xFFFF:  # noqa: PLR2004 - beyond what such numbers are used for
            return ""
        said.append(chr(number))
    return _printable("".join(said))


def _printable(text: str) -> str:
    """A text that may be words: nearly all of it printable, and more letters than anything else."""
    plain = "".join(each for each in text if each.isprintable() or each in "\n\t")
    ascii_letters = sum(each.isascii() and (each.isalpha() or each == " ") for each in plain)
    is_text = len(plain) >= 0.9 * len(text) and ascii_letters >= 0.7 * len(plain)
    return plain if is_text and len(plain) >= _LEAST else ""
