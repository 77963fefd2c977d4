"""Where log lines go: stderr, and a rotating file in the data folder; never stdout, which is the client's."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from atlas_mcp.redaction import redacted

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

    Secrets are taken out, the file is its user's alone, and a folder that cannot be written to costs the file
    alone.
    """
    shape = _Redacting("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setLevel(console)
    with suppress(OSError):
        # Each by itself: the mode that is given counts for the last folder of a path alone.
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file(home).parent.mkdir(mode=0o700, exist_ok=True)
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


class _Redacting(logging.Formatter):
    """Lines, tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class _SharedFile(RotatingFileHandler):
    """A rotating file that several processes write to.

    On Windows a file that another process has open cannot be renamed; then it grows until one can.
    """

    def doRollover(self) -> None:  # noqa: N802 - the standard library's name
        try:
            super().doRollover()
        except OSError:
            self.stream = self._open()
