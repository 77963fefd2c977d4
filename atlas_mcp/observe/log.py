"""Where log lines go: stderr, and a rotating file in the data folder; never stdout, which is the client's."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["log_file", "write_logs"]

LARGEST = 2_000_000
"""Bytes of one log file."""

KEPT = 3
"""Older log files that are kept."""


def log_file(home: Path) -> Path:
    """The file that log lines are written to."""
    return home / "logs" / "atlas.log"


def write_logs(home: Path, *, console: int = logging.WARNING) -> None:
    """Write what is logged from now on: INFO and above to the file, `console` and above to stderr.

    A folder that cannot be written to costs the file alone.
    """
    shape = logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setLevel(console)
    with suppress(OSError):
        log_file(home).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(_SharedFile(log_file(home), maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8"))
    root = logging.getLogger()
    for handler in [*root.handlers]:
        root.removeHandler(handler)
        if isinstance(handler, _SharedFile):
            handler.close()
    for handler in handlers:
        handler.setFormatter(shape)
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    for loud in ("httpx", "httpx2", "mcp", "uvicorn.access"):
        logging.getLogger(loud).setLevel(logging.WARNING)


class _SharedFile(RotatingFileHandler):
    """A rotating file that several processes write to.

    On Windows a file that another process has open cannot be renamed; then it grows until one can.
    """

    def doRollover(self) -> None:  # noqa: N802 - the standard library's name
        try:
            super().doRollover()
        except OSError:
            self.stream = self._open()
