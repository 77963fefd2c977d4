"""`atlas-mcp mlflow` where it cannot start, and what doctor says of where runs are told of."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.cli import mlflow
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.errors import MissingExtra
from tests.observe.tracking.answering import answering

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program


SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Server(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Server.asked += 1
        ready = self.path == "/health" and Server.asked > 3
        self.send_response(200 if ready else 503)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Server).serve_forever()
"""
"""A program that is asked three times before it says that it is there."""


def programs(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("#!/bin/sh\necho broken >&2; exit 3\n", "utf-8")
        (folder / name).chmod(0o700)
    return folder


def test_mlflow_is_taken_from_the_path_or_by_way_of_uvx_or_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(MissingExtra, match="MLflow is not installed"):
        mlflow.program()
    both = programs(tmp_path / "both", "mlflow", "uvx")
    monkeypatch.setenv("PATH", str(both))
    assert mlflow.program() == [str(both / "mlflow")]
    fetched = programs(tmp_path / "fetched", "uvx")
    monkeypatch.setenv("PATH", str(fetched))
    assert mlflow.program() == [str(fetched / "uvx"), "--from", "mlflow>=3.17,<4", "mlflow"]


def test_a_port_in_use_is_told_with_what_to_set(
    atlas_mcp: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs(tmp_path / "bin", "mlflow")))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = atlas_mcp("mlflow", "--port", str(port))
    assert done.exit_code == Exit.USAGE
    assert f"Port {port} is in use" in done.stderr
    assert f"MLFLOW_TRACKING_URI=http://127.0.0.1:{port}" in " ".join(done.stderr.split())


def test_a_server_that_ends_at_once_is_told_with_its_exit_code_and_its_log(
    atlas_mcp: Program, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs(tmp_path / "bin", "mlflow")))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = atlas_mcp("mlflow", "--port", str(port))
    assert done.exit_code == Exit.FAILED
    assert "The first start takes a minute: MLflow makes its database." in done.stderr
    assert "did not start (exit code 3)" in done.stderr
    assert (home / "mlflow" / "server.log").read_text("utf-8") == "broken\n"


def test_what_a_start_waits_for_is_said_before_it_is_waited_for(tmp_path: Path) -> None:
    fetching = ["/usr/bin/uvx", "--from", mlflow.RANGE, "mlflow"]
    assert "MLflow makes its database" in mlflow._awaited(["/usr/bin/mlflow"], tmp_path)
    assert "uvx fetches MLflow, which then makes its database" in mlflow._awaited(fetching, tmp_path)
    (tmp_path / "mlflow.db").touch()
    for command in (["/usr/bin/mlflow"], fetching):
        assert mlflow._awaited(command, tmp_path) == " It may take a minute until MLflow is loaded."


def test_while_a_server_starts_its_last_words_are_shown_with_the_time_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "server.log"
    log.write_text("one\n2026/01/01 23:45:19 INFO alembic: Running upgrade [bold]\n", "utf-8")
    with mlflow._waiting(log) as look:
        look()
    assert capsys.readouterr().err == "", "it did not take long"
    monkeypatch.setattr(mlflow, "SAY_SECONDS", 0.0)
    with mlflow._waiting(log) as look:
        look()
    said = capsys.readouterr().err
    assert said == "MLflow still starts after 0:00 … INFO alembic: Running upgrade [bold]\n"
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "30")
    with mlflow._waiting(log) as look:
        log.write_text("2026/01/01 23:45:20 INFO Application startup complete.\n", "utf-8")
        look()
    assert "0:00 INFO Application…" in capsys.readouterr().err, "one line, which is shortened"


@pytest.mark.skipif(os.name == "nt", reason="a program and a signal as POSIX has them")
@pytest.mark.usefixtures("interruptible")
def test_where_it_tells_of_runs_is_seen_by_whoever_looks_without_naming_it(
    atlas_mcp: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = programs(tmp_path / "bin", "mlflow")
    (folder / "mlflow").write_text(f"#!{sys.executable}\n{SERVER}", "utf-8")
    monkeypatch.setenv("PATH", str(folder))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "atlas_mcp", "mlflow", "--port", address.rpartition(":")[2]]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as telling:
        assert telling.stderr
        try:
            while f"{address} shows your runs" not in telling.stderr.readline():
                assert telling.poll() is None
            end = time.monotonic() + 30
            while not (told := json.loads(atlas_mcp("top", "--json").stdout))["told"]:
                assert time.monotonic() < end, "nobody says where runs are told of"
        finally:
            telling.send_signal(signal.SIGINT)
            _, said = telling.communicate(timeout=60)
    assert telling.returncode == Exit.DONE, said
    (process,) = told["processes"]
    assert (process["pid"], "system/places" in process["figures"]) == (telling.pid, False)
    (where,) = told["told"]
    assert (where["address"], where["pid"]) == (address, telling.pid)
    assert json.loads(atlas_mcp("top", "--json").stdout)["told"] == [], "it was told nothing, and is gone"


def check(atlas_mcp: Program, name: str) -> tuple[str, str]:
    checks = json.loads(atlas_mcp("doctor", "--json").stdout)
    (found,) = [each for each in checks["checks"] if each["name"] == name]
    return found["health"], found["says"]


def test_doctor_says_where_runs_are_told_of(atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    health, says = check(atlas_mcp, "Tracking")
    assert (health, "atlas-mcp mlflow" in says) == ("ok", True)
    with answering({"/version": (200, "text/html", "3.17.2")}) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert check(atlas_mcp, "MLflow") == ("ok", f"{server.url}, version 3.17.2")
    health, says = check(atlas_mcp, "MLflow")
    assert health == "broken"
    assert "cannot be reached" in says
    with answering({"/": (200, "text/html", "<html>Sign in</html>")}) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert "is no MLflow" in check(atlas_mcp, "MLflow")[1]
    with answering({"/version": (200, "text/html", "2.22.0")}) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert check(atlas_mcp, "MLflow")[1].endswith("is version 2.22.0, too old")
    with answering({"/": (401, "text/plain", "no")}) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        assert "does not let us in" in check(atlas_mcp, "MLflow")[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert "is no server's address" in check(atlas_mcp, "Tracking")[1]


def test_doctor_says_of_what_a_person_is_warned(atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(atlas_mcp, "Warnings")[1].startswith(
        "over 300 s, $5, quality under 3.5, 10% of runs failing"
    )
    monkeypatch.setenv("ATLAS_ALERTS__WEBHOOK", "https://hooks.example/T0PSECRET")
    assert check(atlas_mcp, "Warnings")[1].endswith("to the log and an address")
