"""A person's own entries in their `config/servers`: where they lie, how they are written and switched.

What a person wrote into a file stays as it is, to the letter; a change that cannot be made so is refused.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas_mcp.downstream.entry import Entry

__all__ = ["as_toml", "keep", "own_file", "read_own", "switched"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SWITCH = re.compile(r'^([ \t]*(?:enabled|"enabled"|\'enabled\')[ \t]*=[ \t]*)(?:true|false)\b', re.MULTILINE)
_OPENING = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*")
_WIDTH = 110

_ABOUT = """\
# {title}, added by `atlas-mcp servers add`. Secrets stand in the environment, never here.
# What an agent may use is said on its card: tools = ["{name}/*"] for what only reads, writes = ["{name}/*"].
"""
_ASIDE = """
# web = true          # its results are from the open web: an agent that reads them gets no tool with effects
# read_only = ["*"]   # which tools only read, by pattern; without this its own word counts
# tools = ["*"]       # which of its tools exist for us, by pattern
"""


def own_file(config: Path, name: str) -> Path:
    """Where a person's entry of that name lies, or would."""
    return config / "servers" / f"{name}.toml"


def read_own(path: Path) -> str:
    """The text of a person's entry; empty where there is none.

    Raises:
        InvalidConfiguration: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")  # with its own ends of lines
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{path} cannot be read: {error}.", remedy="Mend the file.") from None


def keep(texts: Mapping[Path, str]) -> None:
    """Write files, each in one step, once all of them are written elsewhere; links stay links.

    Raises:
        InvalidConfiguration: one cannot be written; those before it are.
    """
    drafts: dict[Path, Path] = {}
    try:
        for named, text in texts.items():
            path = named.resolve()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
            drafts[path] = Path(draft)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:
        raise InvalidConfiguration(
            f"{error.filename or 'The folder'} cannot be written: {error.strerror or error}.",
            remedy="Make its folder writable, or set ATLAS_HOME to another one.",
        ) from None
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def switched(text: str, name: str, where: Path, *, enabled: bool) -> str:
    """The text of an entry with `enabled` set so, and nothing else changed.

    Raises:
        InvalidConfiguration: the text is no TOML, or writes the key in a way that is not understood.
    """
    word = "true" if enabled else "false"
    if not text.strip():
        other = "off" if enabled else "on"
        return (
            f"# Changes keys of the server {name} that shipped with ATLAS, which is {other} without this.\n"
            f"enabled = {word}\n"
        )
    try:
        wanted = {**tomllib.loads(text), "enabled": enabled}
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfiguration(f"{where}: {error}.", remedy="Correct that line.") from None
    for changed in _changed(text, word):
        try:
            if tomllib.loads(changed) == wanted:
                return changed
        except tomllib.TOMLDecodeError:
            continue
    raise InvalidConfiguration(
        f"{where}: enabled is not written as one line.", remedy=f"Write it yourself: enabled = {word}"
    )


def _changed(text: str, word: str) -> Iterator[str]:
    """The text with each line switched that looks like the key's; then with a line of its own."""
    for found in _SWITCH.finditer(text):
        yield f"{text[: found.end(1)]}{word}{text[found.end() :]}"
    opening = cast("re.Match[str]", _OPENING.match(text)).end()
    newline = "\r\n" if "\r\n" in text else "\n"
    yield f"{text[:opening]}enabled = {word}{newline}{text[opening:]}"


def as_toml(entry: Entry) -> str:
    """A whole file for an entry, with what a person may want to add as comments."""
    told = entry.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    title = re.sub(r"[\x00-\x1f\x7f]", " ", entry.shown_title)
    text = _ABOUT.format(title=title, name=entry.name)
    tables = ""
    for key, value in told.items():
        if isinstance(value, dict):
            pairs = cast("dict[str, Any]", value).items()
            tables += f"\n[{key}]\n" + "".join(_line(name, each) for name, each in pairs)
        else:
            text += _line(key, value)
    return text + _ASIDE + tables


def _line(key: str, value: Any) -> str:
    return f"{_key(key)} = {_value(value, len(key) + 3)}\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _value(value: Any, taken: int = 0) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        parts = [_value(each) for each in cast("list[Any]", value)]
        line = f"[{', '.join(parts)}]"
        return (
            line if len(line) + taken <= _WIDTH else "[\n" + "".join(f"  {each},\n" for each in parts) + "]"
        )
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {_value(each)}" for key, each in cast("dict[str, Any]", value).items())
        return f"{{ {', '.join(pairs)} }}"
    return json.dumps(value)


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but for one character that JSON lets stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
