"""Servers that say what no protocol knows, or too much of what it does."""

# ruff: noqa: ARG002 - a behaviour answers alike, whatever it is asked

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, ClassVar

from wire import Json, Server, Tool, result, tool

__all__ = ["TALK"]


class Noise(Server):
    def started(self) -> None:
        self.write(b"Starting the server ...\nListening.\n\n")

    def say(self, message: Json) -> None:
        self.write(b"DEBUG about to answer\n")
        super().say(message)
        self.write(b'{"level": "info", "text": "answered"}\n')


class Nonsense(Server):
    """`nonsense(kind)` says something that is no answer to it, and nothing else."""

    tools: ClassVar[list[Tool]] = [
        tool("nonsense", "Answers wrongly.", kind="string"),
        tool("echo", "Says what it is told.", text="string"),
    ]

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        if name != "nonsense":
            return super().call(name, arguments, number)
        lines: dict[str, Any] = {
            "broken": '{"jsonrpc": "2.0", "id": ',
            "id": json.dumps({"jsonrpc": "2.0", "id": 987_654, "result": result("for nobody")}),
            "type": json.dumps({"jsonrpc": "2.0", "id": number, "result": "a text"}),
            "content": json.dumps({"jsonrpc": "2.0", "id": number, "result": {"content": "a text"}}),
            "both": json.dumps({
                "jsonrpc": "2.0", "id": number, "result": result("yes"), "error": {"code": 1, "message": ""},
            }),
            "version": json.dumps({"jsonrpc": "1.0", "id": number, "result": result("old")}),
            "array": json.dumps([{"jsonrpc": "2.0", "id": number, "result": result("in an array")}]),
            "number": "42",
        }  # fmt: skip
        self.write(lines[arguments["kind"]].encode() + b"\n")
        return None


class _Flood(Server):
    def greeted(self) -> None:
        threading.Thread(target=self._flow, daemon=True).start()

    def _flow(self) -> None:
        while True:
            self.drop()

    def drop(self) -> None:
        """Say one thing more."""


class FloodLines(_Flood):
    def drop(self) -> None:
        self.write(b"a line that says nothing\n" * 100)


class FloodLine(_Flood):
    def drop(self) -> None:
        self.write(b"a line that never ends " * 1_000)


class FloodNotifications(_Flood):
    def drop(self) -> None:
        self.tell("notifications/message", level="info", data="Still here.")


class FloodRequests(_Flood):
    def drop(self) -> None:
        self.say({"id": "more", "method": "roots/list"})


class Chatty(Server):
    """`chat()` tells of its progress 250 times at once, and asks whether anybody is there."""

    tools: ClassVar[list[Tool]] = [tool("chat", "Says much, and asks."), *Server.tools]

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        if name != "chat":
            return super().call(name, arguments, number)
        for progress in range(250):
            self.tell("notifications/progress", progressToken="chat", progress=progress)
        return result("heard" if self.ask("ping", {}, 5.0) else "unheard")


class FloodAnswers(_Flood):
    def drop(self) -> None:
        self.write(b'{"jsonrpc": "2.0", "id": "nobody\'s", "result": {}}\n' * 100)


class FloodStderr(_Flood):
    """A megabyte comes before the greeting: whoever does not read stderr waits for ever."""

    def started(self) -> None:
        sys.stderr.write("a warning\n" * 100_000)
        sys.stderr.flush()

    def drop(self) -> None:
        sys.stderr.write("a warning\n" * 100)
        sys.stderr.flush()


class OtherSessions(Server):
    """`calendar()` is refused with words that are of sessions, and of none with it."""

    tools: ClassVar[list[Tool]] = [*Server.tools, tool("calendar", "Opens a session of the calendar.")]

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        if name != "calendar":
            return super().call(name, arguments, number)
        self.say({"id": number, "error": {"code": -32000, "message": "That session is closed on Sundays."}})
        return None


class Huge(Server):
    """`huge()` gives SIZE megabytes in one line, 50 unless the environment says otherwise."""

    tools: ClassVar[list[Tool]] = [
        tool("huge", "Gives much."), tool("echo", "Says what it is told.", text="string"),
    ]  # fmt: skip

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        if name != "huge":
            return super().call(name, arguments, number)
        return result("much " * (int(float(os.environ.get("SIZE", "50")) * 1e6) // 5))


class HugeList(Server):
    def listing(self, params: Json) -> Any:
        many = {f"argument_{number}": {"type": "string"} for number in range(140_000)}
        wide: Tool = {
            "name": "wide",
            "description": "Takes much.",
            "inputSchema": {"type": "object", "properties": many},
        }
        return {"tools": [wide, *(tool(f"tool_{number}", "One of many.") for number in range(10_000))]}


class WrongTypes(Server):
    def listing(self, params: Json) -> Any:
        return {"tools": {"echo": "a tool, but not in a list"}}


class PagesForever(Server):
    def listing(self, params: Json) -> Any:
        page = int(params.get("cursor") or 0)
        return {"tools": [tool(f"tool_{page}", "One of many.")], "nextCursor": str(page + 1)}


class Deep(Server):
    tools: ClassVar[list[Tool]] = [tool("deep", "Gives lists within lists, 5,000 deep.")]

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        inner = "[" * 5_000 + "]" * 5_000
        said = f'{{"content": [{{"type": "text", "text": "deep"}}], "structuredContent": {{"a": {inner}}}}}'
        self.write(f'{{"jsonrpc": "2.0", "id": {json.dumps(number)}, "result": {said}}}\n'.encode())
        return None


class Binary(Server):
    """Bytes that are no UTF-8: alone on a line before the list, and within the text of `binary()`."""

    tools: ClassVar[list[Tool]] = [tool("binary", "Gives bytes.")]

    def listing(self, params: Json) -> Any:
        self.write(b"\x89PNG\xff\xfe\x00\xc3\x28\n")
        return super().listing(params)

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        said = b'{"content": [{"type": "text", "text": "caf\xe9 \xff\xfe"}]}'
        self.write(b'{"jsonrpc": "2.0", "id": %s, "result": %s}\n' % (json.dumps(number).encode(), said))
        return None


TALK: dict[str, type[Server]] = {
    "noise": Noise,
    "nonsense": Nonsense,
    "flood-lines": FloodLines,
    "flood-line": FloodLine,
    "flood-notifications": FloodNotifications,
    "chatty": Chatty,
    "flood-requests": FloodRequests,
    "flood-answers": FloodAnswers,
    "flood-stderr": FloodStderr,
    "other-sessions": OtherSessions,
    "huge": Huge,
    "huge-list": HugeList,
    "wrong-types": WrongTypes,
    "pages-forever": PagesForever,
    "deep": Deep,
    "binary": Binary,
}
