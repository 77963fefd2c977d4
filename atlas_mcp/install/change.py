"""What `install` and `--uninstall` would do to a client's file, worked out before anything is written."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from atlas_mcp.errors import InvalidConfiguration, InvalidInput, NotConfigured
from atlas_mcp.install import file
from atlas_mcp.install.entry import (
    LOCAL,
    Wish,
    arguments_of,
    is_address,
    is_as_made,
    is_broken,
    is_ours,
    keeps,
    made,
    refreshed,
    starts_alike,
)
from atlas_mcp.install.machine import is_passing
from atlas_mcp.install.text import Notation
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.install.client import Client, Scope
    from atlas_mcp.install.machine import Machine

__all__ = ["Change", "Standing", "install", "place_of", "stand", "uninstall"]

Standing: TypeAlias = Literal["absent", "installed", "elsewhere", "broken", "taken", "unreadable"]
"""How a client stands to ATLAS.

`elsewhere` is another installation of it, `broken` one that is not there, `taken` is not ATLAS, and
`unreadable` a file that cannot be read.
"""

_SECRET = re.compile(
    r"""(?P<name>["']?[\w-]*(?:key|token|secret|password|credentials?|authorization)["']?\s*[:=]\s*)"""
    r"""(?P<quote>["'])(?P<value>(?:\\.|(?!(?P=quote)).)+)(?P=quote)""",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?:Bearer )?\$\{?[\w:-]+\}?")


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after; `after` is None where the file goes, as it was made for ATLAS."""

    client: Client
    before: file.Document
    after: str | None
    scope: Scope = "user"
    loses_nothing: bool = True
    """Whether all that stands in the entry stays or is ATLAS's own, so that no copy need be kept of it."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.before.path

    @property
    def is_nothing(self) -> bool:
        """Whether the file is as it should be."""
        return self.before.text == self.after

    def apply(self) -> Path | None:
        """Write the file; gives the copy that was kept of it, if one was made.

        Raises:
            InvalidConfiguration: it cannot be written, or was changed by somebody else in between.
        """
        if self.is_nothing:
            return None
        copy = None if self.loses_nothing else file.keep_copy(self.before)
        file.write(self.before, self.after, shared=self.scope == "project")
        return copy

    def diff(self) -> list[str]:
        """The lines of a unified diff, with what looks like a secret made unreadable."""
        sides = [_told(text or "") for text in (self.before.text, self.after)]
        ends = [str(self.path), str(self.path) if self.after is not None else "removed"]
        return list(difflib.unified_diff(sides[0], sides[1], ends[0], ends[1], n=2, lineterm=""))


def install(
    client: Client, machine: Machine, name: str, wish: Wish, *, scope: Scope = "user", force: bool = False
) -> Change:
    """What writing the entry changes.

    Raises:
        NotConfigured: the client is not on this machine, or ATLAS runs from a cache; `force` goes on.
        InvalidInput: the client has no file of that scope, or takes no address from it, or an entry of that
            name is not ours; `force` overwrites it.
        InvalidConfiguration: the file cannot be read or is not valid.
    """
    path = place_of(client, machine, scope)
    if not force:
        _ask_for_lasting(machine, wish)
        if scope == "user" and not client.is_here(machine):
            raise NotConfigured(
                f"There is no sign of {client.says.title} on this machine: {path} is not there.",
                remedy="Start it once, or add --force to make the file.",
            )
    document, notation = file.read(path), Notation(client.says, path)
    there = notation.entry(document.text or "", name)
    ours = is_ours(there, _addresses(machine, wish))
    if not (there is None or ours or force):
        raise _taken(path, name)
    old = cast("dict[str, Any]", there) if ours else {}
    entry = made(client.says, machine, wish, arguments_of(client.says, old))
    if ours:
        entry = refreshed(client.says, old, entry)
    same = there == entry and document.text is not None
    after = document.text if same else notation.put(document.text or "", name, entry)
    kept = ours and keeps(old, entry) and (same or _is_plain(notation, document, name, old))
    return Change(client, document, after, scope, loses_nothing=kept)


def uninstall(
    client: Client, machine: Machine, name: str, *, scope: Scope = "user", force: bool = False
) -> Change:
    """What taking the entry out changes: where it can be, the file is again what it was before ATLAS came.

    Raises:
        InvalidInput: the client has no file of that scope, or the entry is not ours and `force` is not given.
        InvalidConfiguration: the file cannot be read or is not valid.
    """
    path = place_of(client, machine, scope)
    document = file.read(path)
    notation = Notation(client.says, path)
    entry = None if document.text is None else notation.entry(document.text, name)
    if document.text is None or entry is None:
        return Change(client, document, document.text, scope)
    ours = is_ours(entry, _addresses(machine))
    if not (ours or force):
        raise _taken(path, name)
    after = document.text
    known = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    if known:
        after = _as_before(notation, document, name, known)
    if after == document.text:
        after = notation.drop(document.text, name)
    own_work = ours and is_as_made(client.says, machine, known)
    kept = own_work and _is_plain(notation, document, name, known)
    return Change(client, document, after, scope, loses_nothing=kept)


def stand(client: Client, machine: Machine, name: str, scope: Scope) -> Standing:
    """How a client stands to ATLAS, by the entry of that name."""
    path = client.config(machine, scope)
    try:
        document = file.read(path) if path else None
        if path is None or document is None or document.text is None:
            return "absent"
        entry = Notation(client.says, path).entry(document.text, name)
    except InvalidConfiguration:
        return "unreadable"
    return "absent" if entry is None else _standing(client, machine, entry)


def _standing(client: Client, machine: Machine, entry: Any) -> Standing:
    if not is_ours(entry, _addresses(machine)):
        return "taken"
    if is_broken(entry):
        return "broken"
    started = made(client.says, machine, Wish(), arguments_of(client.says, entry))
    here = is_address(client.says, entry) or starts_alike(entry, started)
    return "installed" if here else "elsewhere"


def _addresses(machine: Machine, wish: Wish | None = None) -> tuple[str, ...]:
    """The addresses that are ATLAS's: where it serves here, and the one that is asked for."""
    asked = (wish.url,) if wish and wish.url else ()
    return (LOCAL, machine.serves, *asked)


def place_of(client: Client, machine: Machine, scope: Scope) -> Path:
    """The file of a client that is written.

    Raises:
        InvalidInput: it has none of that scope.
    """
    path = client.config(machine, scope)
    if path is None:
        raise InvalidInput(
            f"{client.says.title} has no configuration of a {scope} on this system.",
            remedy="Write --scope user."
            if scope == "project"
            else "`atlas-mcp install --print` shows the entry.",
        )
    return path


def _ask_for_lasting(machine: Machine, wish: Wish) -> None:
    if wish.url is None and is_passing(machine.prefix):
        raise NotConfigured(
            "ATLAS runs from a cache that may be emptied any day; the client would then not find it.",
            remedy="Install it for good first, in the checkout of ATLAS: `uv tool install .`, or"
            " `pipx install .`. Or add --force.",
        )


def _taken(path: Path, name: str) -> InvalidInput:
    return InvalidInput(
        f"{path} holds an entry {name!r} that does not start ATLAS.",
        remedy="Choose another name with --name, add --force if it may go, or name its address: --http URL.",
    )


def _as_before(notation: Notation, now: file.Document, name: str, entry: dict[str, Any]) -> str | None:
    """The text of before ATLAS came, where the entry is the only thing that was changed since."""
    if notation.shown(name, entry) == now.text and not file.backups(now.path):
        return None
    for path in file.backups(now.path):
        try:
            then = file.read(path)
            if (
                then.text is not None
                and then.marked == now.marked
                and notation.entry(then.text, name) is None
                and notation.put(then.text, name, entry) == now.text
            ):
                return then.text
        except InvalidConfiguration:  # a copy that is of no use is passed over
            continue
    return now.text


def _is_plain(notation: Notation, document: file.Document, name: str, entry: dict[str, Any]) -> bool:
    """Whether an entry stands in its file as ATLAS would write it, without a remark that would be lost."""
    try:
        return notation.put(document.text or "", name, entry) == document.text
    except InvalidConfiguration:
        return False


def _told(text: str) -> list[str]:
    """Lines to show, without secrets, also not those of other servers."""

    def masked(found: re.Match[str]) -> str:
        if _NAMED.fullmatch(found["value"]):
            return found[0]
        return f"{found['name']}{found['quote']}[secret]{found['quote']}"

    return [_SECRET.sub(masked, redacted(line)) for line in text.splitlines()]
