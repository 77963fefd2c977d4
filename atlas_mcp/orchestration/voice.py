"""What a model is saying now, as a person would read it: of an answer in JSON, the texts inside."""

from __future__ import annotations

import re

__all__ = ["Voice"]

TAIL = 400
"""Characters that are kept for whoever watches."""

_ID = re.compile(r"[\w.:-]{0,24}\Z")
_ESCAPES = {"n": " ", "t": " ", "r": " "}


class Voice:
    """Listens to a stream's text: `characters` is how much was said, `tail` the readable end of it."""

    def __init__(self) -> None:
        self.characters = 0
        self._said = ""
        self._json: bool | None = None
        self._string: str | None = None
        self._ended = ""
        self._escaped = False
        self._value = False

    @property
    def tail(self) -> str:
        """The readable end of what was said so far."""
        open_text = self._string if self._string and self._value else ""
        return f"{self._said} {open_text}".strip()[-TAIL:]

    def hear(self, text: str) -> None:
        """Take in another piece."""
        self.characters += len(text)
        if self._json is None and text.strip():
            self._json = text.lstrip()[0] in "{["
        if not self._json:
            self._said = (self._said + text)[-TAIL:]
            return
        for character in text:
            if self._string is None:
                self._between(character)
            else:
                self._inside(character)

    def _between(self, character: str) -> None:
        """Outside of strings: a string that a colon follows was a key, any other was said."""
        if character.isspace():
            return
        if self._ended and character != ":" and not _ID.match(self._ended):
            self._said = f"{self._said} {self._ended}"[-TAIL:]
        self._ended = ""
        if character == '"':
            self._string = ""
        else:
            self._value = character == ":"

    def _inside(self, character: str) -> None:
        text = self._string or ""
        if self._escaped:
            self._escaped = False
            self._string = text + _ESCAPES.get(character, character)
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._ended, self._string = text, None
        else:
            self._string = text + character
