"""Makes visible what a text holds that nobody sees, for whoever is to judge what somebody else wrote."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["visible"]

_PLAIN = frozenset("\n\t ")
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks by name that are drawn as nothing."""


def visible(text: str) -> str:
    """A text with every character that is drawn as nothing, or as another space, shown as `⟨U+200B⟩`."""
    return "".join(_shown(each) for each in text)


def _shown(character: str) -> str:
    if character in _PLAIN or (character.isascii() and character.isprintable()):
        return character
    hidden = unicodedata.category(character) in _UNSEEN or _BLANK.match(character)
    return f"⟨U+{ord(character):04X}⟩" if hidden else character
