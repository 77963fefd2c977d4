"""What is written so that a person or a filter does not read it, and a model does: read in plain letters."""

from __future__ import annotations

import base64
import binascii
import html
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decoded", "undisguised"]

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){24,}+|(?:\\x[0-9a-fA-F]{2}){12,}+|(?:[0-9a-fA-F]{2} ){24,}+")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}|[\w.~+-]){24,}+")
_UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4}){8,}+")
_LONGEST = 100_000
"""Characters of one encoded run that are read."""

_ALIKE = str.maketrans(
    "аеорсухіјѕԁһӏкмнтвɡαοερνικτυσηѐёїßıɪʀɴᴇᴏ",
    "aeopcyxijsdhlkmhtbgaoepviktuonneibiirneo"[: len("аеорсухіјѕԁһӏкмнтвɡαοερνικτυσηѐёїßıɪʀɴᴇᴏ")],
)
_FIGURES = str.maketrans("013457@$!", "oieastasi")
_PILED = re.compile("[\u0300-\u036f]+")
_MIXED = re.compile(
    r"[a-z][\u0370-\u052f\u0250-\u02af\u1d00-\u1d7f]|[\u0370-\u052f\u0250-\u02af\u1d00-\u1d7f][a-z]"
)
_FIGURED = re.compile(r"[a-z][013457@$!]{1,2}[a-z]{1,12}[013457@$!]?")
_APART = re.compile(r"(?<![^\W_])(?:[^\W_][ .*_|·-]{1,3}){7,}+[^\W_]?")
_WIDE = re.compile(r"  +|[|·]")
_NARROW = re.compile(r"(?<=[^\W_])[ .*_|·-](?=[^\W_](?![^\W_]))")
_TIED = re.compile(r"(?<![a-z])[a-z]++(?:(?:-|\+|_|%20|\*{1,3}|`)[a-z]++){2,}+")
_TIE = re.compile(r"(?:-|\+|_|%20|\*{1,3}|`)")
_REACH = 200
"""Characters on both sides of a disguised word that are read with it."""


def decoded(text: str) -> Iterator[str]:
    """What is encoded in a text, as far as it reads as text: base64, hex, percent, escapes of characters."""
    for found in _BASE64.finditer(text):
        yield from _read(_of_letters(found[0][:_LONGEST]))
    for found in _HEX.finditer(text):
        digits = found[0][:_LONGEST].replace("\\x", "").replace(" ", "")
        yield from _read(bytes.fromhex(digits[: len(digits) // 2 * 2]))
    if "%" in text:
        for found in _PERCENT.finditer(text):
            if found[0].count("%") >= _LEAST_ESCAPES:
                yield unquote(found[0][:_LONGEST].replace("+", " "))
    if "\\u" in text:
        for found in _UNICODE.finditer(text):
            yield "".join(chr(int(each, 16)) for each in found[0][:_LONGEST].split("\\u")[1:])
    if "&#" in text:
        yield html.unescape(text)


_LEAST_ESCAPES = 3


def undisguised(view: str) -> Iterator[str]:
    """Parts of a text in small letters again, where it is in letters that look alike, in figures or apart."""
    if not view.isascii():
        yield from (_PILED.sub("", part) for part in _parts(view, _PILED))
        yield from (part.translate(_ALIKE) for part in _parts(view, _MIXED))
    yield from (part.translate(_FIGURES) for part in _parts(view, _FIGURED))
    for part in _parts(view, _APART):
        yield _APART.sub(lambda found: _NARROW.sub("", _WIDE.sub("  ", found[0])) + " ", part)
    for part in _parts(view, _TIED):
        yield _TIED.sub(lambda found: _TIE.sub(" ", found[0]), part)


def _parts(view: str, pattern: re.Pattern[str]) -> Iterator[str]:
    """What lies around the matches of a pattern; what overlaps is one part."""
    start = end = 0
    for match in pattern.finditer(view):
        if match.start() - _REACH > end:
            if end:
                yield view[start:end]
            start = match.start() - _REACH
        end = match.end() + _REACH
    if end:
        yield view[start:end]


def _of_letters(run: str) -> bytes:
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain[: len(plain) // 4 * 4 or None], validate=True)
    except binascii.Error:
        return b""


def _read(data: bytes) -> Iterator[str]:
    """Bytes as text, where most of them are letters; what is cut at its end still counts."""
    text = data.decode("utf-8", "ignore")
    letters = sum(each.isalpha() or each == " " for each in text)
    if len(text) >= 0.9 * len(data) / 3 and letters >= 0.8 * len(text) > 0:
        yield text
