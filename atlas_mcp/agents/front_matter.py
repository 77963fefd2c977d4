"""Markdown files that begin with front matter, as cards and skills do: YAML keys between two lines `---`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_front_matter"]

_FRONT = re.compile(r"\A---[ \t]*\r?\n(?P<front>.*?)\r?\n---[ \t]*\r?\n(?P<body>.*)\Z", re.DOTALL)

_PAIR = re.compile(r"\A(?P<key>[A-Za-z_][\w-]*):[ \t]+(?P<value>\S.*?)[ \t]*\Z")
_SEVERAL_LINES = frozenset("[{|>")
"""What a value begins with that may go on in the next line."""


def read_front_matter(path: Path, what: str, body: str) -> tuple[dict[str, Any], str]:
    """The keys of a file and the text below them; `what` it is, and its `body` is, as errors call them.

    Raises:
        InvalidConfiguration: the file cannot be read, has no front matter, or that is not YAML.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise InvalidConfiguration(
            f"{path}: there is no such {what}.", remedy=f"Write {path.name}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            f"{path}: the {what} cannot be read: {error}.", remedy=f"A {what} is a UTF-8 text file."
        ) from None
    match = _FRONT.match(text)
    if not match:
        raise InvalidConfiguration(
            f"{path}: the {what} does not begin with front matter.",
            remedy=f"Begin with a line `---`, keys such as `description: …`, a line `---`, then the {body}.",
        )
    return _read_front(path, match["front"]), match["body"].strip()


def _read_front(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        front: object = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A ValueError is a date that no calendar has; the last, brackets in brackets without end.
        mark = getattr(getattr(error, "problem_mark", None), "line", -1)
        line, key, value = _culprit(text) or (mark, "", "")
        example = f", such as {key}: {json.dumps(value, ensure_ascii=False)}" if key else ""
        raise InvalidConfiguration(
            f"{path}, line {line + 2}: {key + ': ' if key else ''}the front matter is not valid YAML.",
            remedy="Put values that contain `: ` or begin with a special character in double quotes"
            f"{example}.",
        ) from None
    if not isinstance(front, dict):
        raise InvalidConfiguration(
            f"{path}: the front matter is no list of keys.", remedy="Write `key: value`."
        )
    return {str(key): value for key, value in cast("dict[object, Any]", front).items()}


def _culprit(text: str) -> tuple[int, str, str] | None:
    """The first line of front matter that is no YAML by itself: its number from 0, its key and its value."""
    import yaml

    for number, line in enumerate(text.splitlines()):
        if not (found := _PAIR.match(line)) or found["value"][0] in _SEVERAL_LINES:
            continue
        try:
            yaml.safe_load(line)
        except (yaml.YAMLError, ValueError, RecursionError):
            return number, found["key"], found["value"].strip("\"'")
    return None
