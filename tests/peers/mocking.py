"""aimock, which somebody else made to stand in for the vendors' servers, with the fixtures in `aimock/`."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.peers.place import NODE, PACKAGES, clean

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Mock", "mocking"]

_PROGRAM = PACKAGES / "@copilotkit" / "aimock" / "dist" / "cli.js"
_FIXTURES = Path(__file__).parent / "aimock"


@dataclass(frozen=True, slots=True)
class Mock:
    """A mock that is running: every vendor's server at one address."""

    address: str

    def fail_once(self, status: int, message: str) -> None:
        """Have the next request refused, whatever it asks."""
        self._control("error", {"status": status, "body": {"message": message, "type": "api_error"}})

    def forget(self) -> None:
        """Begin the journal anew."""
        self._control("reset/journal", {})

    def journal(self) -> list[dict[str, Any]]:
        """The requests since then, each with its `path` and what it was answered."""
        return self._control("journal", None)

    def _control(self, what: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/__aimock/{what}", data)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return json.load(answer)


@contextmanager
def mocking(folder: Path) -> Generator[Mock]:
    """The mock, serving until the end; whatever it is asked that no fixture answers, it refuses."""
    command = [NODE, _PROGRAM, "--port", "0", "--fixtures", _FIXTURES, "--strict", "--validate-on-load"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=clean(folder / "home"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        try:
            said = ""
            while "http://" not in (line := server.stdout.readline()):
                assert line, f"aimock does not start: {said}"
                said += line
            yield Mock(line[line.index("http://") :].strip())
        finally:
            server.terminate()
