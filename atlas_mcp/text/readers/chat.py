"""Archives of chat, known by what they hold: JSON Lines of our own, exports of Slack and of WhatsApp."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.messages import Message, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.text.readers.document import Document

__all__ = ["CHAT", "read_chat"]

CHAT = "text/x-chat"
"""The media type of an archive of chat."""
LINE = '{"at": "2023-05-08T13:56", "by": "Caroline", "text": "Hello."}'
LONGEST_FIRST = 100_000


def read_chat(text: str, name: str) -> Document | None:
    """The messages of a chat, one after the other; None where `text` is no chat.

    JSON Lines: an object a line with `by` and `text`, and if known `at` (ISO 8601) and `session`. A first line
    that has `at`, `by` and `text`, or no keys but these four, makes it a chat.

    :raises UnreadableDocument: it begins as a chat in JSON Lines, and a later line is no message.
    """
    title = PurePath(name).stem
    if _is_lines(text):
        return told(_lines(text, name), title, CHAT)
    return None


def _is_lines(text: str) -> bool:
    first = text.lstrip("\ufeff \t\r\n")[:LONGEST_FIRST].partition("\n")[0]
    message = _object(first) if first.startswith("{") else None
    if message is None or not all(isinstance(message.get(key), str) for key in ("by", "text")):
        return False
    return isinstance(message.get("at"), str) or message.keys() <= {"by", "text", "at", "session"}


def _lines(text: str, name: str) -> Iterator[Message]:
    # Not splitlines(): a message may hold other line separators than these.
    for number, line in enumerate(text.lstrip("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        message = _object(line)
        if message is None:
            raise _no_message(name, number, "it is no JSON object")
        by, words, at = message.get("by"), message.get("text"), message.get("at")
        if not isinstance(by, str) or not isinstance(words, str):
            raise _no_message(name, number, "`by` and `text` must be there, as texts")
        session = message.get("session", "")
        if not isinstance(session, str | int | None):
            raise _no_message(name, number, "`session` must be a text or a number")
        if at is not None and (not isinstance(at, str) or (at := _iso(at)) is None):
            raise _no_message(name, number, "`at` must be a time in ISO 8601")
        shown = "" if session is None else _line(str(session))
        yield Message(_line(by), _sound(words), at, shown)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _iso(said: str) -> str | None:
    """A time as it was said, in one spelling; None where it is none."""
    try:
        return datetime.fromisoformat(said.strip()).isoformat()
    except ValueError:
        return None


def _line(text: str) -> str:
    return " ".join(_sound(text).split())


def _sound(text: str) -> str:
    """The text without what cannot be stored: JSON may name half of a character, and a null."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _no_message(name: str, number: int, why: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"{name} begins as a chat, but line {number} is no message: {why}.",
        remedy=f"Write a line like {LINE}",
    )
