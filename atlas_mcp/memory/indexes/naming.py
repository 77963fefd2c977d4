"""What a record is called where several share one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filelock import FileLock
from ulid import ULID

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["record_name"]


def record_name(home: Path) -> str:
    """What tells the record of a data folder from others that use the same server; made at the first call."""
    file = home / "memory.name"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.exists():
            made = file.with_suffix(".new")
            made.write_text(str(ULID()).lower(), "ascii")
            made.replace(file)
        return file.read_text("ascii").strip()
