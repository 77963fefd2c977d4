"""Servers that do not start, do not answer, do not leave, or leave too early."""

# ruff: noqa: ARG002 - a behaviour answers alike, whatever it is asked

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any, ClassVar

from wire import SECRET, Json, Server, Tool, result, tool

__all__ = ["LIVES"]

LONGEST = 120.0
"""Seconds after which what does not leave leaves all the same."""


class HangStart(Server):
    def hear(self, message: Json) -> None:
        """Answer nothing."""


class HangCall(Server):
    def call(self, name: str, arguments: Json, number: Any) -> Any:
        return None


class HangClose(Server):
    def started(self) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)

    def ended(self) -> None:
        time.sleep(LONGEST)


class SlowStart(Server):
    def started(self) -> None:
        time.sleep(float(os.environ.get("SECONDS", "1")))


class DiesAtStart(Server):
    def started(self) -> None:
        sys.stderr.write(f"Cannot log in with {SECRET}: the key has expired.\n")
        sys.stderr.flush()
        os._exit(3)


class DiesInCall(Server):
    tools: ClassVar[list[Tool]] = [tool("echo", "Says what it is told.", text="string"), tool("die", "Ends.")]

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        if name == "die":
            sys.stderr.write("Segmentation fault, so to speak.\n")
            sys.stderr.flush()
            os._exit(1)
        return super().call(name, arguments, number)


class DiesAfter(Server):
    def answered(self) -> None:
        os._exit(0)


class Child(Server):
    """Its child holds the same stdout, and would live on for two minutes."""

    tools: ClassVar[list[Tool]] = [tool("child", "Says the process number of its child.")]
    number = 0

    def started(self) -> None:
        script = f"import time; time.sleep({LONGEST})"
        self.number = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.DEVNULL).pid

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        return result(str(self.number))


LIVES: dict[str, type[Server]] = {
    "fine": Server,
    "hang-start": HangStart,
    "hang-call": HangCall,
    "hang-close": HangClose,
    "slow-start": SlowStart,
    "dies-at-start": DiesAtStart,
    "dies-in-call": DiesInCall,
    "dies-after": DiesAfter,
    "child": Child,
}
