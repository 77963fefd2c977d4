"""Archives of chat, known by what they hold: JSON Lines of our own, exports of Slack and of WhatsApp."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.media import CHAT
from atlas_mcp.text.readers.messages import Message, line, sound, told, written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.text.readers.document import Document

__all__ = ["read_chat"]

EXAMPLE = '{"at": "2023-05-08T13:56", "by": "Caroline", "text": "Hello."}'
KEYS = frozenset(["at", "by", "session", "text"])
DAY = len("2023-05-08")


def read_chat(text: str, name: str) -> Document | None:
    """The messages of a chat, one after the other; None where `text` is no chat.

    JSON Lines: an object a line with `by` and `text`, and if known `at` (ISO 8601) and `session`. A first
    line that has `at`, `by` and `text`, or nothing but these four, makes it a chat.

    :raises UnreadableDocument: it begins as a chat in JSON Lines, and a later line is no message.
    """
    from atlas_mcp.text.readers.slack import slack_messages
    from atlas_mcp.text.readers.whatsapp import whatsapp_messages

    path = PurePath(name)
    if _is_lines(text):
        return told(_lines(text, name), path.stem, CHAT)
    if messages := slack_messages(text):
        # A day's file lies in a folder that bears its channel's name.
        return told(messages, " ".join(filter(None, (path.parent.name, path.stem))), CHAT)
    if messages := whatsapp_messages(text):
        return told(messages, path.stem, CHAT)
    return None


def _is_lines(text: str) -> bool:
    first = text.lstrip("\ufeff \t\r\n").partition("\n")[0]
    message = _object(first) if first.startswith("{") else None
    if message is None or not all(isinstance(message.get(key), str) for key in ("by", "text")):
        return False
    return isinstance(message.get("at"), str) or message.keys() <= KEYS


def _lines(text: str, name: str) -> Iterator[Message]:
    # Not splitlines(): a message may hold what that takes for the end of a line.
    for number, each in enumerate(text.lstrip("\ufeff").split("\n"), start=1):
        if not each.strip():
            continue
        message = _object(each)
        if message is None:
            raise _no_message(name, number, "it is no JSON object")
        by, words, at, session = (message.get(key) for key in ("by", "text", "at", "session"))
        if not isinstance(by, str) or not isinstance(words, str):
            raise _no_message(name, number, "`by` and `text` must be there, as texts")
        if not isinstance(session, str | int | None):
            raise _no_message(name, number, "`session` must be a text or a number")
        if at is not None and (not isinstance(at, str) or (at := _iso(at)) is None):
            raise _no_message(name, number, "`at` must be a time in ISO 8601")
        yield Message(line(by), sound(words), at, _session(session))


def _object(text: str) -> dict[str, Any] | None:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _session(said: str | int | None) -> str:
    name = "" if said is None else line(str(said))
    return f"Session {name}" if name.isdecimal() else name


def _iso(said: str) -> str | None:
    """A day or time as it was said, in one spelling; None where it is none."""
    said = said.strip()
    try:
        if len(said) == DAY:
            return date.fromisoformat(said).isoformat()
        return written(datetime.fromisoformat(said))
    except ValueError:
        return None


def _no_message(name: str, number: int, why: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"{name} begins as a chat, but line {number} is no message: {why}.",
        remedy=f"Write a line like {EXAMPLE}",
    )
