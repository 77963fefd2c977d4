"""The misbehaving servers misbehave as their table says, driven over bare pipes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

FOLDER = Path(__file__).parent / "misbehaving"
SECRET = "sk-misbehaving-0123456789abcdefghij"  # noqa: S105 - it opens nothing
LONG = 30.0
SHORT = 0.3


class Peer:
    """A client of bare lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=1_000)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        with suppress(ValueError):  # closed meanwhile, by the end of a test
            for line in self.process.stdout:
                self._lines.put(line)
        self._lines.put(b"")

    def say(self, method: str, number: int | None = None, **params: Any) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self.send(message if number is None else {**message, "id": number})

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def line(self, seconds: float = LONG) -> bytes:
        return self._lines.get(timeout=seconds)

    def answer(self, number: int) -> dict[str, Any]:
        """The answer of that number; everything else is passed over."""
        while line := self.line():
            if f'"id": {number}'.encode() in line[:40]:
                return json.loads(line)
        raise EOFError

    def greet(self) -> None:
        self.say("server/discover", 0)
        assert self.answer(0)["error"]["code"] == -32601
        self.say("initialize", 1, protocolVersion="2025-06-18", capabilities={})
        assert self.answer(1)["result"]["protocolVersion"] == "2025-06-18"
        self.say("notifications/initialized")

    def tools(self, **params: Any) -> Any:
        self.say("tools/list", 2, **params)
        return self.answer(2)["result"]["tools"]

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        self.say("tools/call", 3, name=tool, arguments=arguments)
        return self.answer(3)["result"]

    def leave(self, seconds: float = LONG) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(seconds)


@contextmanager
def started(behaviour: str, **env: str) -> Generator[Peer]:
    command = [sys.executable, str(FOLDER / "server.py"), behaviour]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **env},
    ) as process:
        try:
            yield Peer(process)
        finally:
            process.kill()


@contextmanager
def greeted(behaviour: str, **env: str) -> Generator[Peer]:
    with started(behaviour, **env) as peer:
        peer.greet()
        yield peer


def test_fine_behaves_and_ends_when_it_is_left() -> None:
    with greeted("fine") as peer:
        assert [each["name"] for each in peer.tools()] == ["echo", "read_page", "write_note", "slow", "fails"]
        assert peer.call("echo", text="Hello.")["content"][0]["text"] == "Hello."
        assert peer.call("read_page", url="https://a.example")["structuredContent"]["title"] == "A page"
        assert peer.call("slow", seconds=0.01)["content"][0]["text"] == "At last."
        assert peer.call("fails")["isError"]
        peer.say("tools/call", 4, name="slow", arguments={"seconds": 60})
        assert peer.leave() == 0


def test_a_cancelled_call_of_fine_is_not_answered() -> None:
    with greeted("fine") as peer:
        peer.say("tools/call", 9, name="slow", arguments={"seconds": 60})
        peer.say("notifications/cancelled", requestId=9)
        assert peer.call("echo", text="Still here.")["content"][0]["text"] == "Still here."


LEAVES = (
    "noise nonsense hang-call flood-lines flood-line flood-notifications flood-requests huge huge-list "
    "changing asks-roots wrong-types pages-forever deep binary poisoned error-results dies-after"
).split()


@pytest.mark.parametrize("behaviour", LEAVES)
def test_whatever_it_does_it_ends_when_stdin_closes(behaviour: str) -> None:
    with greeted(behaviour) as peer:
        assert peer.leave() == 0


def test_some_hang() -> None:
    with started("hang-start") as peer:
        peer.say("initialize", 1)
        with pytest.raises(queue.Empty):
            peer.line(SHORT)
        assert peer.leave() == 0
    with greeted("hang-call") as peer:
        peer.say("tools/call", 3, name="echo", arguments={"text": "a"})
        with pytest.raises(queue.Empty):
            peer.line(SHORT)
    with greeted("hang-close") as peer:
        if sys.platform != "win32":
            peer.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            peer.leave(SHORT)
    with greeted("slow-start", SECONDS="0.2") as peer:
        assert peer.tools()


def test_some_die() -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "server.py"), "dies-at-start"],
        capture_output=True,
        check=False,
        timeout=LONG,
    )
    assert (done.returncode, done.stdout) == (3, b"")
    assert SECRET.encode() in done.stderr
    with greeted("dies-in-call") as peer:
        assert peer.call("echo", text="a")
        with pytest.raises(EOFError):
            peer.call("die")
        assert peer.process.wait(LONG) == 1
    with greeted("dies-after") as peer:
        assert peer.call("echo", text="a")
        assert peer.process.wait(LONG) == 0


def test_a_child_outlives_its_server_and_holds_its_stdout() -> None:
    with greeted("child") as peer:
        number = int(peer.call("child")["content"][0]["text"])
        assert peer.leave() == 0
        try:
            with pytest.raises(queue.Empty):
                peer.line(SHORT)
        finally:
            os.kill(number, 9)
        assert peer.line() == b""


def test_some_say_what_is_no_message() -> None:
    with started("noise") as peer:
        assert peer.line() == b"Starting the server ...\n"
        peer.greet()
        assert peer.call("echo", text="a")
    for kind in ("type", "content", "both", "version"):
        with greeted("nonsense") as peer:
            peer.say("tools/call", 3, name="nonsense", arguments={"kind": kind})
            assert peer.answer(3)
    for kind, begins in (
        ("broken", b'{"jsonrpc": "2.0", "id": \n'),
        ("array", b"[{"),
        ("number", b"42"),
        ("id", b"{"),
    ):
        with greeted("nonsense") as peer:
            peer.say("tools/call", 3, name="nonsense", arguments={"kind": kind})
            assert peer.line().startswith(begins)
    with greeted("binary") as peer:
        peer.say("tools/list", 2)
        assert peer.line().startswith(b"\x89PNG")
        peer.say("tools/call", 3, name="binary", arguments={})
        assert [line for line in (peer.line(), peer.line()) if b"\xe9 \xff\xfe" in line]


def test_some_never_end() -> None:
    with greeted("flood-lines") as peer:
        assert {peer.line() for _ in range(500)} == {b"a line that says nothing\n"}
        assert peer.call("echo", text="a")
    with greeted("flood-notifications") as peer:
        assert {json.loads(peer.line())["method"] for _ in range(500)} == {"notifications/message"}
    with greeted("flood-line") as peer:
        with pytest.raises(queue.Empty):
            peer.line(SHORT)
        peer.process.kill()
        assert len(peer.line()) > 1_000_000
    with started("flood-stderr") as peer:
        peer.greet()
    with greeted("pages-forever") as peer:
        assert [peer.tools(cursor=str(page))[0]["name"] for page in range(3)] == [
            "tool_0",
            "tool_1",
            "tool_2",
        ]


def test_some_say_too_much() -> None:
    with greeted("huge", SIZE="5") as peer:
        assert len(peer.call("huge")["content"][0]["text"]) == 5_000_000
    with greeted("huge-list") as peer:
        wide, *many = peer.tools()
        assert len(many) == 10_000
        assert len(json.dumps(wide)) > 5_000_000
    with greeted("wrong-types") as peer:
        assert isinstance(peer.tools(), dict)
    with greeted("deep") as peer:
        peer.say("tools/call", 3, name="deep", arguments={})
        assert b"[" * 5_000 in peer.line()


CHANGES: dict[str, list[str]] = {
    "changing": ["echo"], "changing-schema": ["echo"],
    "changing-add": ["echo", "other"], "changing-remove": ["other"],
}  # fmt: skip


@pytest.mark.parametrize("behaviour", CHANGES)
def test_some_change_when_a_file_is_there_and_say_so(behaviour: str, tmp_path: Path) -> None:
    change = tmp_path / "change"
    with greeted(behaviour, CHANGE=str(change)) as peer:
        before = peer.tools()
        assert [each["name"] for each in before] == ["echo"]
        change.touch()
        assert json.loads(peer.line())["method"] == "notifications/tools/list_changed"
        after = peer.tools()
        assert [each["name"] for each in after] == CHANGES[behaviour]
        assert after != before


ASKS = {
    "asks-elicitation": "elicitation/create",
    "asks-sampling": "sampling/createMessage",
    "asks-roots": "roots/list",
}  # fmt: skip


@pytest.mark.parametrize("behaviour", ASKS)
def test_some_ask_back_and_tell_what_they_got(behaviour: str) -> None:
    with greeted(behaviour) as peer:
        peer.say("tools/call", 3, name="ask", arguments={})
        asked = json.loads(peer.line())
        assert asked["method"] == ASKS[behaviour]
        error = {"code": -32601, "message": "no"}
        peer.send({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        assert json.loads(peer.answer(3)["result"]["content"][0]["text"]) == {"error": error}


def test_some_give_orders_and_some_tell_secrets() -> None:
    with greeted("poisoned") as peer:
        assert "<IMPORTANT>" in peer.tools()[0]["description"]
        assert "Ignore all previous" in peer.call("read_page", url="a")["content"][0]["text"]
    with greeted("error-results") as peer:
        failed = peer.call("echo", text="a")
        assert failed["isError"]
        assert SECRET in failed["content"][0]["text"]


def test_every_behaviour_has_its_row_in_the_table() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import server; print(*server.BEHAVIOURS); print(server.__doc__)"],
        cwd=FOLDER, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names, _, table = done.stdout.partition("\n")
    assert [name for name in names.split() if f"| `{name}`" not in table] == []
