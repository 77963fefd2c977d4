"""A small MCP server over raw lines of JSON-RPC, whose parts a behaviour replaces.

It knows nothing but the standard library, so that it can say what no library lets one say. Each call has a
thread of its own; when stdin closes the process ends at once, whatever its threads do.
"""

# ruff: noqa: ARG002 - a behaviour answers alike, whatever it is asked

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, ClassVar, cast

__all__ = ["SECRET", "Json", "Server", "Tool", "result", "tool"]

Json = dict[str, Any]
Tool = dict[str, Any]
PROTOCOL = "2025-06-18"
SECRET = "sk-misbehaving-0123456789abcdefghij"  # noqa: S105 - it opens nothing
"""What looks like a key and is none."""


def tool(name: str, description: str, *, reads: bool | None = None, **properties: str) -> Tool:
    """A tool as it is listed; each property is the type of an argument, all of which are required."""
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    made: Tool = {"name": name, "description": description, "inputSchema": schema}
    return made if reads is None else {**made, "annotations": {"readOnlyHint": reads}}


def result(text: str, *, error: bool = False, structured: Any = None) -> Json:
    """The result of a call."""
    said: Json = {"content": [{"type": "text", "text": text}], "isError": error}
    return said if structured is None else {**said, "structuredContent": structured}


class Server:
    """Behaves well: a behaviour is a subclass that replaces what it does otherwise."""

    tools: ClassVar[list[Tool]] = [
        tool("echo", "Says what it is told.", text="string"),
        tool("read_page", "Reads a page.", reads=True, url="string"),
        tool("write_note", "Writes a note down.", text="string"),
        tool("slow", "Answers after so many seconds.", reads=True, seconds="number"),
        tool("fails", "Fails, and says so."),
    ]

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._asked: dict[str, Json] = {}
        self._heard = threading.Condition()
        self._cancelled: dict[Any, threading.Event] = {}
        self.capabilities: Json = {}

    # What a behaviour replaces ---------------------------------------------------------------------------

    def started(self) -> None:
        """Before the first line is read."""

    def greeting(self, params: Json) -> Json:
        """The answer to `initialize`."""
        self.capabilities = params.get("capabilities", {})
        return {
            "protocolVersion": PROTOCOL,
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "misbehaving", "version": "1.0"},
        }

    def greeted(self) -> None:
        """After the client said that it is initialised."""

    def listing(self, params: Json) -> Any:
        return {"tools": self.tools}

    def call(self, name: str, arguments: Json, number: Any) -> Any:
        """The result of a call; None gives no answer."""
        match name:
            case "echo":
                return result(str(arguments["text"]))
            case "read_page":
                page = {"url": arguments["url"], "title": "A page", "text": f"What {arguments['url']} says."}
                return result(json.dumps(page), structured=page)
            case "write_note":
                return result("It is written down.")
            case "slow":
                gone = self._cancelled.setdefault(number, threading.Event())
                return None if gone.wait(float(arguments["seconds"])) else result("At last.")
            case "fails":
                return result("It failed.", error=True)
            case _:
                return result(f"There is no tool {name}.", error=True)

    def ended(self) -> None:
        """When stdin closed."""
        os._exit(0)

    # Lines -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Answer until stdin closes."""
        self.started()
        for line in sys.stdin.buffer:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                self.hear(cast("Json", message))
        self.ended()

    def hear(self, message: Json) -> None:
        number: Any = message.get("id")
        params: Json = message.get("params") or {}
        match message.get("method"):
            case None:
                with self._heard:
                    self._asked[str(number)] = message
                    self._heard.notify_all()
            case "initialize":
                self.answer(number, self.greeting(params))
            case "notifications/initialized":
                self.greeted()
            case "notifications/cancelled":
                self._cancelled.setdefault(params.get("requestId"), threading.Event()).set()
            case "tools/list":
                self.answer(number, self.listing(params))
            case "tools/call":
                threading.Thread(target=self._called, args=(number, params), daemon=True).start()
            case "ping":
                self.answer(number, {})
            case method if number is not None:
                self.say({"id": number, "error": {"code": -32601, "message": f"no method {method}"}})
            case _:
                pass

    def _called(self, number: Any, params: Json) -> None:
        said = self.call(params["name"], params.get("arguments") or {}, number)
        if said is not None:
            self.answer(number, said)
            self.answered()

    def answered(self) -> None:
        """After a call was answered."""

    def answer(self, number: Any, said: Any) -> None:
        self.say({"id": number, "result": said})

    def tell(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self.say({"method": method, "params": params})

    def ask(self, method: str, params: Json, seconds: float = 30.0) -> Json:
        """Ask the client something, and wait for its answer; empty where it gives none."""
        number = f"ask-{len(self._asked)}"
        self.say({"id": number, "method": method, "params": params})
        with self._heard:
            self._heard.wait_for(lambda: number in self._asked, seconds)
            return self._asked.get(number, {})

    def say(self, message: Json) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        try:
            with self._writing:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
        except OSError:
            os._exit(0)
