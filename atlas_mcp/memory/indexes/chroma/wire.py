"""How ATLAS and the process that keeps an embedded Chroma talk: frames on a loopback connection.

A frame is a JSON object and some bytes. Both sides show that they know the key in the door file, which only
its owner can read, before anything else is said. Nothing here knows Chroma.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

__all__ = ["VERSION", "BadDoor", "Door", "Frame", "greet", "read_frame", "welcome", "write_frame"]

VERSION = 1
"""Of what is said; a process of another version of ATLAS is not spoken to."""

_SIZES = struct.Struct(">II")
_MOST_BYTES = 1 << 30


class BadDoor(ConnectionError):
    """Whoever listens there is not the process that wrote the door file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What was said: a JSON object, and bytes beside it."""

    said: dict[str, Any]
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Door:
    """Where the process that keeps a folder listens, and the key to it."""

    port: int
    key: str
    pid: int
    v: int = VERSION

    @classmethod
    def file(cls, folder: Path) -> Path:
        """Where a folder's door is written."""
        return folder.with_name(f"{folder.name}.door")

    @classmethod
    def read(cls, folder: Path) -> Door | None:
        """The door of a folder; None where nobody has opened it."""
        try:
            return cls(**json.loads(cls.file(folder).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Let others come in; only the owner of the file can read it."""
        file = self.file(folder)
        made = file.with_name(f"{file.name}.{self.pid}")
        made.unlink(missing_ok=True)
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(asdict(self), out)
        made.replace(file)

    def remove(self, folder: Path) -> None:
        """Take the door away, unless it is somebody else's by now."""
        if Door.read(folder) == self:
            self.file(folder).unlink(missing_ok=True)


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """The next frame.

    :raises asyncio.IncompleteReadError: the other side is gone.
    """
    said, data = _SIZES.unpack(await reader.readexactly(_SIZES.size))
    if said > _MOST_BYTES or data > _MOST_BYTES:
        raise BadDoor("It does not speak our language.")
    return Frame(json.loads(await reader.readexactly(said)), await reader.readexactly(data))


def write_frame(writer: asyncio.StreamWriter, frame: Frame) -> None:
    """Say something; what is written is sent as fast as the other side reads."""
    said = json.dumps(frame.said).encode()
    writer.write(_SIZES.pack(len(said), len(frame.data)) + said)
    writer.write(frame.data)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, door: Door) -> None:
    """Come in: make sure that the other side knows the key, and show that we do.

    :raises BadDoor: it does not.
    """
    ours = secrets.token_hex(16)
    write_frame(writer, Frame({"nonce": ours}))
    said = (await read_frame(reader)).said
    if not hmac.compare_digest(str(said.get("proof")), _proof(door.key, f"keeper {ours}")):
        raise BadDoor("It does not know the key.")
    write_frame(writer, Frame({"proof": _proof(door.key, f"guest {said.get('nonce')}")}))


async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> bool:
    """Let somebody in who knows the key; False if they do not."""
    theirs = (await read_frame(reader)).said.get("nonce")
    ours = secrets.token_hex(16)
    write_frame(writer, Frame({"nonce": ours, "proof": _proof(key, f"keeper {theirs}")}))
    proof = (await read_frame(reader)).said.get("proof")
    return hmac.compare_digest(str(proof), _proof(key, f"guest {ours}"))


def _proof(key: str, words: str) -> str:
    return hmac.new(key.encode(), words.encode(), hashlib.sha256).hexdigest()
