"""The first probe is answered before anything heavy is imported; whatever else is sent reaches the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.surface.doorstep import ANSWER, answer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

MODERN: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
PROBE: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": MODERN}}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "1"},
    },
}
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": {"_meta": MODERN}}


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


@contextmanager
def program(home: Path, *code: str) -> Generator[subprocess.Popen[bytes]]:
    """The program on pipes; it is gone at the end."""
    arguments = [sys.executable, *(("-c", *code) if code else ("-m", "atlas_mcp", "serve"))]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"ATLAS_HOME": str(home)},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def conversation(home: Path, sent: bytes, *code: str) -> list[dict[str, Any]]:
    """What the program answers to all that is sent at once, until it has left of its own accord."""
    with program(home, *code) as process:
        told, complaint = process.communicate(sent, timeout=60)
        assert process.returncode == 0, complaint.decode()
    return [json.loads(each) for each in told.splitlines()]


def send(process: subprocess.Popen[bytes], sent: bytes) -> dict[str, Any]:
    stdin, stdout = pipes(process)
    stdin.write(sent)
    stdin.flush()
    return json.loads(stdout.readline())


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def test_the_shipped_answer_is_what_the_real_server_answers(home: Path) -> None:
    real = conversation(home, line(PROBE), "from atlas_mcp.surface.server import run_stdio; run_stdio()")
    assert real == [json.loads(answer(line(PROBE)) or b"")], "run tools/record_discover.py"


OTHERS: list[dict[str, Any]] = [
    {"jsonrpc": "1.0"},
    {"id": None},
    {"id": True},
    {"id": 1.5},
    {"method": "tools/list"},
    {"params": {}},
    {"params": {"_meta": {**MODERN, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}}},
    {"params": {"_meta": {**MODERN, "io.modelcontextprotocol/clientCapabilities": None}}},
]


@pytest.mark.parametrize("change", OTHERS, ids=str)
def test_what_is_no_plain_probe_is_left_to_the_real_server(change: dict[str, Any]) -> None:
    assert answer(line(PROBE | change)) is None


def test_a_probe_may_have_any_id_and_any_line_ending() -> None:
    for identity in (0, -7, "discover-1", "ü"):
        for ending in (b"", b"\n", b"\r\n"):
            reply = answer(json.dumps(PROBE | {"id": identity}).encode() + ending)
            assert reply is not None
            assert json.loads(reply) == {
                "jsonrpc": "2.0", "id": identity, "result": json.loads(ANSWER.read_bytes()),
            }  # fmt: skip
            assert reply.count(b"\n") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_that_is_sent_breaks_it(sent: bytes) -> None:
    assert answer(sent) is None


def test_deep_nesting_breaks_nothing() -> None:
    assert answer(b"[" * 60_000) is None


def test_a_probe_is_answered_with_nothing_heavy_imported(home: Path) -> None:
    code = (
        "import sys; sys.argv = ['atlas-mcp', 'serve']\n"
        "from atlas_mcp.surface import doorstep\n"
        "doorstep.greet(); print(sorted(sys.modules), file=sys.stderr)"
    )
    with program(home, code) as process:
        told, modules = process.communicate(line(PROBE), timeout=30)
    assert "result" in json.loads(told)
    loaded = {name.partition(".")[0] for name in json.loads(modules.replace(b"'", b'"'))}
    assert loaded & {"asyncio", "mcp", "fastmcp", "pydantic", "typer"} == set()


def test_the_handshake_loads_no_provider_no_store_and_no_model(home: Path) -> None:
    code = (
        "import atexit, json, sys; sys.argv = ['atlas-mcp', 'serve']\n"
        "from atlas_mcp.__main__ import main\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "main()"
    )
    with program(home, code) as process:
        told, modules = process.communicate(line(INITIALIZE), timeout=60)
    assert json.loads(told)["result"]["serverInfo"]["name"] == "atlas"
    loaded = {name.partition(".")[0] for name in json.loads(modules.splitlines()[-1])}
    heavy = {"chromadb", "mlflow", "neo4j", "letta_client", "anthropic", "openai", "ollama", "onnxruntime"}
    assert loaded & (heavy | {"langgraph", "numpy", "typer"}) == set()


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("following", [INITIALIZE, LIST], ids=["legacy", "modern"])
def test_after_a_probe_the_client_may_go_on_in_either_era(
    home: Path, following: dict[str, Any], ending: bytes
) -> None:
    first, second = (json.dumps(each).encode() + ending for each in (PROBE, following))
    with program(home) as process:
        assert send(process, first + second)["result"]["supportedVersions"] == ["2026-07-28"]
        told = json.loads(pipes(process)[1].readline())
        assert (told["id"], "result" in told) == (following["id"], True)


def test_a_client_that_waits_for_the_answer_to_its_probe_is_served(home: Path) -> None:
    with program(home) as process:
        assert send(process, line(PROBE))["id"] == 1
        assert send(process, line(INITIALIZE))["result"]["protocolVersion"] == "2025-06-18"
        pipes(process)[0].close()
        assert process.wait(timeout=30) == 0


def test_a_client_that_does_not_probe_is_served(home: Path) -> None:
    assert [told["id"] for told in conversation(home, line(INITIALIZE))] == [2]


def test_a_request_that_comes_in_pieces_is_one_request(home: Path) -> None:
    whole = line(
        INITIALIZE | {"params": {**INITIALIZE["params"], "clientInfo": {"name": "ü" * 9, "version": "1"}}}
    )
    cut = whole.index("ü".encode()) + 1
    with program(home) as process:
        stdin, _ = pipes(process)
        stdin.write(whole[:cut])
        stdin.flush()
        assert send(process, whole[cut:])["id"] == 2


def test_a_client_that_leaves_at_once_or_says_nonsense_ends_the_program_in_peace(home: Path) -> None:
    assert conversation(home, b"") == []
    assert [told["id"] for told in conversation(home, b"hello\n" + line(INITIALIZE))] == [2]


def test_a_huge_first_line_is_passed_on_whole(home: Path) -> None:
    huge = INITIALIZE | {"params": {**INITIALIZE["params"], "_meta": {"padding": "x" * 3_000_000}}}
    (told,) = conversation(home, line(huge))
    assert told["result"]["serverInfo"]["name"] == "atlas"


def test_settings_that_are_wrong_are_told_on_stderr(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "atlas.toml").write_text("[htttp]\nport = 1\n", "utf-8")
    with program(home) as process:
        told, complaint = process.communicate(line(INITIALIZE), timeout=60)
    assert (told, process.returncode) == (b"", 2)
    assert b"htttp" in complaint
    assert b"Traceback" not in complaint


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal to send")
def test_ctrl_c_ends_a_server_whose_client_is_still_there(home: Path) -> None:
    with program(home) as process:
        send(process, line(PROBE) + line(INITIALIZE))
        pipes(process)[1].readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == -signal.SIGINT


def test_only_the_protocol_is_written_to_stdout(home: Path) -> None:
    """Not even what is printed while modules are imported, which no server can divert once it runs."""
    loud = home / "loud"
    loud.mkdir(parents=True)
    (loud / "jsonschema.py").write_text("print('hello')\nraise ImportError", "utf-8")
    code = f"import sys; sys.path.insert(0, {str(loud)!r}); sys.argv = ['atlas-mcp', 'serve']\n"
    code += "from atlas_mcp.__main__ import main; main()"
    with program(home, code) as process:
        told, _ = process.communicate(line(PROBE), timeout=60)
    assert [json.loads(each)["id"] for each in told.splitlines()] == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals that a test can open")
@pytest.mark.parametrize("words", [("serve",), ("serve", "--project", ".")])
def test_whoever_types_it_at_a_terminal_is_told_what_it_is(home: Path, words: tuple[str, ...]) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "atlas_mcp", *words], stdin=theirs, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=os.environ | {"ATLAS_HOME": str(home)},
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            said = process.stderr.readline().decode()
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)
    assert "it speaks MCP on standard input" in said
    assert "atlas-mcp install" in said


def test_a_client_is_told_nothing_of_it(home: Path) -> None:
    with program(home) as process:
        _, said = process.communicate(line(PROBE), timeout=60)
    assert b"standard input" not in said
