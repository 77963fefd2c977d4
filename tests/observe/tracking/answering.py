"""A small HTTP server that answers each path as it is told to, and keeps what it was sent."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["Answering", "answering"]


class Answering:
    """Where it listens, and what came: method and path with its body."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.came: list[tuple[str, bytes]] = []


@contextmanager
def answering(
    answers: Mapping[str, tuple[int, str, str]], otherwise: tuple[int, str, str] = (404, "text/plain", "no")
) -> Generator[Answering]:
    """A server whose `answers` are status, type and body by the beginning of a path."""
    told: Answering

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            told.came.append((f"{self.command} {self.path}", self.rfile.read(length)))
            found = [value for path, value in answers.items() if self.path.startswith(path)]
            status, kind, body = found[0] if found else otherwise
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the method
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told = Answering(f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield told
        server.shutdown()
        serving.join()
