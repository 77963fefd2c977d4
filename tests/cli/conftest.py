"""The program in this process, over a folder of two short documents and a scripted provider."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Protocol

import pytest
from typer.testing import CliRunner, Result

from atlas_mcp.cli.program import program

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SCRIPT = '''
[[reply]]
when = { intent = "plan" }
json = """{"assignments": [
  {"id": "a1", "worker": "documents", "goal": "How many tides a day?", "after": []}]}"""

[[reply]]
when = { intent = "gather" }
json = """{"findings": [{"passage": "p1", "quote": "The moon raises two tides a day."}], "gaps": []}"""

[[reply]]
when = { intent = "compose" }
json = """{"answer": "The moon raises two tides a day [f1].",
  "claims": [{"text": "The moon raises two tides a day.", "finding_ids": ["f1"]}],
  "disagreements": [], "open_questions": [], "confidence": 0.9}"""
'''


class Program(Protocol):
    def __call__(self, *words: str | Path) -> Result: ...


@pytest.fixture
def interruptible() -> Generator[None]:
    """Programs that the test starts hear of Ctrl-C.

    Tests in the background of a shell ignore it, and would hand that down.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "tides.md").write_text("# Tides\n\nThe moon raises two tides a day.\n", "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    return folder


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script of the provider that answers, unless a command names another."""
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT, "utf-8")
    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", f"scripted:{path}")
    monkeypatch.setenv("ATLAS_MEMORY__EMBEDDINGS", "false")
    return path


@pytest.fixture
def atlas_mcp(home: Path, script: Path) -> Generator[Program]:
    """Runs one command line and gives what it printed and its exit code."""
    root = logging.getLogger()
    before = [*root.handlers]

    def call(*words: str | Path) -> Result:
        return CliRunner().invoke(program, [str(word) for word in words])

    yield call
    for one in [*root.handlers]:
        if one not in before:
            root.removeHandler(one)
            one.close()
    for one in before:
        if one not in root.handlers:
            root.addHandler(one)
