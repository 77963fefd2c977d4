"""Text in a picture: what of it can be drawn, how wide it is at most, and where it is broken into lines.

The font is not known, so that widths are those of a wide one; in others a line is a little shorter.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["balanced", "drawable", "width", "wrapped"]

_NARROW, _SLIM, _BROAD = 0.36, 0.46, 1.0
_ASCII = (
    dict.fromkeys("ijl|!.,:;'` ", _NARROW) | dict.fromkeys('frt()[]{}/\\-"I', _SLIM)
    | dict.fromkeys("mMwW@%", _BROAD) | dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&", 0.79)
    | dict.fromkeys("+=<>~#", 0.84) | {"…": _BROAD, "—": _BROAD}
)  # fmt: skip
_USUAL, _OTHER, _SYMBOL = 0.65, 0.8, 1.3
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Signs that turn the direction of what follows, by which a text can look like another."""


def drawable(text: str) -> str:
    """A text on one line without what XML forbids and what nobody sees: controls, lone halves, turns."""
    kept = (" " if sign.isspace() else sign for sign in text if sign.isspace() or _is_drawn(sign))
    return " ".join("".join(kept).split())


def _is_drawn(sign: str) -> bool:
    return unicodedata.category(sign) not in {"Cc", "Cs", "Cn"} and sign not in _TURNING


def width(text: str, size: float) -> float:
    """How wide a text is at most, in a font of this size."""
    return size * sum(map(_width, text))


@lru_cache(maxsize=4096)
def _width(sign: str) -> float:
    if sign < "\x7f" or sign in _ASCII:
        return _ASCII.get(sign, _USUAL)
    category = unicodedata.category(sign)
    if category in {"Mn", "Me", "Cf"}:
        return 0.0
    if category == "So":
        return _SYMBOL
    broad = unicodedata.east_asian_width(sign) in {"W", "F"}
    # Some signs are whole words, such as the unit of a measure or a blessing.
    parts = unicodedata.normalize("NFKC", sign)
    return (_BROAD if broad else _OTHER) * len(parts)


def wrapped(text: str, size: float, most: float) -> list[str]:
    """A text in lines that are at most so wide, broken between words where it can be; none of no text."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width(longer, size) <= most:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, size, most)
        lines += whole
    return [*lines, line] if line else lines


def balanced(text: str, size: float, most: float) -> list[str]:
    """A text in as many lines as if `wrapped`, of about the same length: no word stands alone on the last."""
    lines = wrapped(text, size, most)
    while len(lines) > 1 and most > size:
        most -= size / 2
        narrower = wrapped(text, size, most)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _pieces(word: str, size: float, most: float) -> list[str]:
    """A word in pieces that are at most so wide, of one sign at least."""
    pieces = [""]
    for sign in word:
        if pieces[-1] and width(pieces[-1] + sign, size) > most:
            pieces.append("")
        pieces[-1] += sign
    return pieces
