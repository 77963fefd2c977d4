"""Slack's export: a file of JSON for each day of a channel."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.text.readers.messages import Message, line, sound, written

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["slack_messages"]

MARK = re.compile(r"<(?P<kind>[@#!]?)(?P<target>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")
SHIFTS = frozenset(["channel_join", "channel_leave", "group_join", "group_leave"])
NAMES = ("display_name", "real_name", "name")


def slack_messages(text: str) -> list[Message]:
    """The messages of a day's file; none where `text` is no such file.

    People are called by the profiles in the file; one without a profile stays an id, as the list of people is
    another file. Who came and went is left out.
    """
    if not text.lstrip("\ufeff \t\r\n").startswith("[") or '"ts"' not in text:
        return []
    try:
        value: object = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, list):
        return []
    entries = cast("list[object]", value)
    given = [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
    if len(given) < len(entries) or not all(_is_message(entry) for entry in given):
        return []
    names = {
        entry["user"]: name
        for entry in given
        if isinstance(entry.get("user"), str) and (name := _name(entry))
    }
    return [_message(entry, names) for entry in given if entry.get("subtype") not in SHIFTS]


def _is_message(entry: dict[str, Any]) -> bool:
    return (
        isinstance(entry.get("ts"), str)
        and isinstance(entry.get("text", ""), str)
        and (entry.get("type") == "message" or isinstance(entry.get("user"), str))
    )


def _name(entry: dict[str, Any]) -> str:
    """What an entry calls its author."""
    for key in ("user_profile", "bot_profile"):
        profile = entry.get(key)
        if isinstance(profile, dict):
            known = cast("dict[str, Any]", profile)
            said = next(
                (known[name] for name in NAMES if isinstance(known.get(name), str) and known[name]), ""
            )
            if said:
                return line(said)
    username = entry.get("username")
    return line(username) if isinstance(username, str) else ""


def _message(entry: dict[str, Any], names: dict[str, str]) -> Message:
    user = entry.get("user")
    by = _name(entry) or (names.get(user, line(user)) if isinstance(user, str) else "")
    words = [entry.get("text") or next(_words(entry, "attachments", "fallback"), "")]
    words.extend(f"[file: {name}]" for name in _words(entry, "files", "name"))
    return Message(by, sound(_plain("\n".join(filter(None, words)), names)), _time(entry["ts"]))


def _words(entry: dict[str, Any], key: str, what: str) -> Iterator[str]:
    each: object
    for each in entry.get(key) or ():
        if isinstance(each, dict):
            word = cast("dict[str, Any]", each).get(what)
            if isinstance(word, str):
                yield word


def _plain(text: str, names: dict[str, str]) -> str:
    """The text without Slack's marks: `<@U1>` is a name, `<https://x.org|here>` is "here (https://x.org)"."""

    def shown(mark: re.Match[str]) -> str:
        kind, target, label = mark["kind"], mark["target"], mark["label"]
        if kind == "@":
            return f"@{names.get(target, label or target)}"
        if kind:
            return f"{'#' if kind == '#' else '@'}{label or target}"
        return f"{label} ({target})" if label and label != target else target

    return html.unescape(MARK.sub(shown, text))


def _time(ts: str) -> str | None:
    try:
        return written(datetime.fromtimestamp(int(ts.partition(".")[0]), UTC))
    except (ValueError, OverflowError, OSError):
        return None
