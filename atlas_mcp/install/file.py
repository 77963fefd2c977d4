"""A client's configuration file on disk: read as it is, written in one step, with a copy kept."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Document", "backups", "keep_copy", "read", "write"]

_COPY = ".before-atlas-"


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text, with its line endings as they are; `text` is None where there is no file."""

    path: Path
    text: str | None = None
    marked: bool = False
    """Whether the file begins with a byte order mark, which is no part of its text."""

    def encoded(self, text: str) -> bytes:
        """A text as it would stand in this file."""
        return (codecs.BOM_UTF8 if self.marked else b"") + text.encode("utf-8")


def read(path: Path) -> Document:
    """Read a file.

    Raises:
        InvalidConfiguration: it cannot be read, or it is not UTF-8.
    """
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        return Document(path)
    except OSError as error:
        raise InvalidConfiguration(
            f"{path} cannot be read: {error.strerror}.", remedy="Mend its permissions; it was left as it is."
        ) from None
    marked = held.startswith(codecs.BOM_UTF8)
    try:
        return Document(path, held[len(codecs.BOM_UTF8) if marked else 0 :].decode("utf-8"), marked)
    except UnicodeDecodeError as error:
        raise InvalidConfiguration(
            f"{path} is not UTF-8 (byte {error.start}).", remedy="Save it as UTF-8; it was left as it is."
        ) from None


def write(before: Document, text: str | None, *, shared: bool = False) -> None:
    """Put a text in the place of what was read; None removes the file. Links and permissions stay.

    A new file can be read by its owner alone, unless it is `shared`, as files of projects are.

    Raises:
        InvalidConfiguration: the file may not be written, or somebody else changed it since it was read.
    """
    path = before.path
    with _told(path):
        if read(path) != before:
            raise InvalidConfiguration(
                f"{path} was changed by another program just now.", remedy="Try again; nothing was written."
            )
        target = path.resolve()
        mode = stat.S_IMODE(target.stat().st_mode) if before.text is not None else None
        if mode is not None and not mode & stat.S_IWRITE:
            raise InvalidConfiguration(
                f"{path} is read-only.", remedy="Make it writable, then try again; it was left as it is."
            )
        if text is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, before.encoded(text), 0o644 if mode is None and shared else mode)


def keep_copy(document: Document) -> Path | None:
    """Copy a file beside itself; None where there is none, or where it was copied as it is before.

    Raises:
        InvalidConfiguration: nothing may be written there.
    """
    path = document.path
    if document.text is None:
        return None
    held = document.encoded(document.text)
    if any(copy.read_bytes() == held for copy in backups(path)):
        return None
    with _told(path):
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        copy = path.with_name(f"{path.name}{_COPY}{stamp}")
        number = 1
        while copy.exists():
            number += 1
            copy = path.with_name(f"{path.name}{_COPY}{stamp}-{number}")
        _replace(copy, held, stat.S_IMODE(path.stat().st_mode))
    return copy


def backups(path: Path) -> list[Path]:
    """The copies of a file, newest first."""
    if not path.parent.is_dir():
        return []
    copies = [each for each in path.parent.iterdir() if each.name.startswith(path.name + _COPY)]
    return sorted((each for each in copies if each.is_file()), key=lambda each: each.name, reverse=True)


def _replace(target: Path, held: bytes, mode: int | None) -> None:
    """Write a file in one step: whoever reads it sees what was there, or what is there now."""
    # Only the owner may read it until it has the permissions of what it replaces.
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(held)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidConfiguration(
            f"{path} cannot be written: {error.strerror}.",
            remedy="Mend the permissions of the file and its folder; nothing was changed.",
        ) from None
