"""A stand-in for the open web and for the services that search it: one HTTP server on this machine.

`http://127.0.0.1:PORT/api.tavily.com/search` answers as https://api.tavily.com/search would, and
`/almanac.example/…` as that page would; as a proxy it serves the pages at their own addresses.
`python -m tests.downstream.third_party.stand_in` serves until it is stopped.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.downstream.third_party.invented_web import page_at
from tests.downstream.third_party.places import KEY
from tests.downstream.third_party.wires import SERVICES, WORDS, Asked, Reply, answer

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["StandIn", "standing_in"]

RETRY_AFTER_SECONDS = 1
PATIENCE_SECONDS = 60.0


class StandIn:
    """What was asked of the stand-in, and how it is made to fail."""

    def __init__(self, address: str) -> None:
        self.address = address
        """Where it is, without a stroke at the end."""
        self.asked: list[Asked] = []
        """Every request to a service, in order; pages are not counted."""
        self.failures: deque[int] = deque()
        """Statuses that the next requests to services get in place of an answer: 401, 429, 500."""
        self.open = threading.Event()
        """Cleared, services give no answer until it is set again."""
        self.open.set()
        self.strays: list[str] = []
        """Hosts that were asked for and are none of the services or pages."""

    def answer(self, asked: Asked) -> Reply | None:
        """What a service answers; None where no service has that host."""
        service = SERVICES.get(asked.host)
        if service is None:
            return None
        self.asked.append(asked)
        self.open.wait(PATIENCE_SECONDS)
        if not self.failures:
            return answer(service, asked, KEY)
        status = self.failures.popleft()
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 429 else {}
        return Reply(status, service.refuses(status, WORDS[status]), headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stand_in: StandIn


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the standard library
        """Say nothing."""

    def _serve(self) -> None:
        whole = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        # As a proxy it is asked for whole addresses, otherwise for a path that begins with the host.
        host, _, path = (
            (parts.netloc, "", parts.path.removeprefix("/"))
            if parts.scheme
            else parts.path.removeprefix("/").partition("/")
        )
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        key = self.headers.get("x-api-key") or self.headers.get("X-Subscription-Token") or bearer
        body: Any = json.loads(whole) if whole.startswith(b"{") else {}
        asked = Asked(host, self.command, f"/{path}", dict(parse_qsl(parts.query)), body, key)
        if reply := self.server.stand_in.answer(asked):
            self._say(reply.status, "application/json", json.dumps(reply.said), **reply.headers)
        elif page := page_at(f"https://{host}/{path}"):
            self._say(200, "text/html; charset=utf-8", page.html)
        else:
            if not host.endswith(".example"):
                self.server.stand_in.strays.append(host)
            self._say(404, "text/plain; charset=utf-8", "There is no such page.")

    def _say(self, status: int, kind: str, text: str, **headers: str) -> None:
        said = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(said)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)


@contextmanager
def standing_in() -> Generator[StandIn]:
    """A stand-in that serves until the block ends."""
    with _Server(("127.0.0.1", 0), _Conversation) as server:
        server.stand_in = StandIn(f"http://127.0.0.1:{server.server_address[1]}")
        serving = threading.Thread(target=server.serve_forever, name="stand-in", daemon=True)
        serving.start()
        try:
            yield server.stand_in
        finally:
            server.stand_in.open.set()
            server.shutdown()
            serving.join()


if __name__ == "__main__":
    with standing_in() as stand_in:
        print(stand_in.address, flush=True)  # noqa: T201 - a program
        threading.Event().wait()
