"""Markdown to plain, readable text: the marks go, the words stay.

It knows nothing of questions or ranking. What it gives is made of the characters it was given, in their
order, but for the semicolons that take the place of list bullets.
"""

from __future__ import annotations

import html
import re

__all__ = ["plain_text"]

_FOOTNOTE = re.compile(r"\[\^[^\]]*\]")
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]\[]+)\](?:\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\])")
_REFERENCE = re.compile(r"\((?:\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])(?:,\s*)?)+\)")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_BULLET = re.compile(r"\s*\n[ \t>]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+")
_FIRST_BULLET = re.compile(r"^[\s>]*(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+")
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_QUOTED = re.compile(r"\n[ \t]*>[ \t]?")
_STRONG = re.compile(r"(\*\*\*|\*\*|__)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])([^*_\n]+?(?:\n[^*_\n]+?)?)(?<=\S)\1(?![\w*])")
_CODE = re.compile(r"(`+)\s?(.+?)\s?\1", re.DOTALL)
_BARS = re.compile(r"^\s*\||\|\s*$")
_BAR = re.compile(r"\s*(?<!\\)\|\s*")
_OPEN_END = re.compile(r"[.!?:;,\u2014]$")


def _separator(text: str, match: re.Match[str]) -> str:
    """What stands for a bullet: nothing new after punctuation, else a semicolon."""
    before = re.sub(r"[\s*_`]+$", "", text[: match.start()])
    return " " if not before or _OPEN_END.search(before) else "; "


def _without_marks(text: str) -> str:
    text = _LINK.sub(r"\1", _IMAGE.sub("", _FOOTNOTE.sub("", _REFERENCE.sub("", text))))
    text = _TAG.sub("", text)
    text = _STRONG.sub(r"\2", text)
    return _EMPHASIS.sub(r"\2", text)


def plain_text(markdown: str) -> str:
    """A stretch of Markdown as one line of readable text.

    Links keep their words, emphasis and code lose their marks. A list's bullets become semicolons where the
    item before does not end in punctuation, a table's row becomes its cells with semicolons between. White
    space is folded; a code span is left as it is inside.
    """
    text = _QUOTED.sub("\n", _HEADING.sub("", _FIRST_BULLET.sub("", markdown)))
    text = _BULLET.sub(lambda match: _separator(text, match), text)
    if _BARS.match(text) and text.rstrip().endswith("|"):
        text = _BAR.sub("; ", _BARS.sub("", text))
    pieces: list[str] = []
    last = 0
    for code in _CODE.finditer(text):
        pieces += [text[last : code.start()], "\0"]
        last = code.end()
    codes = [code[2] for code in _CODE.finditer(text)]
    marked = _without_marks("".join([*pieces, text[last:]]))
    for code in codes:
        marked = marked.replace("\0", code, 1)
    folded = " ".join(html.unescape(marked).split())
    return re.sub(r" ([.,;:])", r"\1", folded)
