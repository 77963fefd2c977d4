"""Snapshots of what was read: one file a text, named by the SHA-256 of its UTF-8 bytes, never changed."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from atlas_mcp.errors import InvalidInput

__all__ = ["Snapshots", "is_storable", "text_hash"]

NAME = re.compile(r"[0-9a-f]{64}")
_LONE = re.compile("[\ud800-\udfff]")


def text_hash(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_storable(text: str) -> bool:
    """Whether a text has a form in UTF-8: lone surrogates, as of bytes that are none, have none."""
    return text.isascii() or not _LONE.search(text)


class Snapshots:
    """The folder of snapshots; every method blocks for one small file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, text: str) -> str:
        """Keep a text and give its name; what is kept already and whole is left as it is."""
        name = text_hash(text)
        path = self.folder / name
        data = text.encode()
        # Of another size is what a loss of power left of it.
        if path.exists() and path.stat().st_size == len(data):
            return name
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A temporary file of this module has mode 0600, and becomes the snapshot whole or not at all.
        handle, draft = tempfile.mkstemp(dir=self.folder, prefix=f"{name[:12]}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return name

    def get(self, sha256: str) -> str:
        """The text of a snapshot, character for character.

        :raises InvalidInput: there is none of that name, or it was changed.
        """
        try:
            if NAME.fullmatch(sha256):
                data = (self.folder / sha256).read_bytes()
                if hashlib.sha256(data).hexdigest() == sha256:
                    return data.decode()
        except FileNotFoundError:
            pass
        raise InvalidInput(
            f"There is no snapshot {sha256[:80]!r}.",
            remedy="Take the sha256 of a source, or ingest it again.",
        )

    def remove(self, sha256: str) -> None:
        """Delete a snapshot, if it is there."""
        (self.folder / sha256).unlink(missing_ok=True)
