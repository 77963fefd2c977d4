"""`providers serve`: a command gets an address and a key; its exit code and what it took are told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx2
import pytest

from atlas_mcp.cli.terminal import Exit
from atlas_mcp.providers.registry import configured_vendors

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from conftest import Program

ASKS = """
from openai import OpenAI
client = OpenAI()
for _ in range({times}):
    answer = client.chat.completions.create(model="gpt", messages=[{{"role": "user", "content": "Tides?"}}])
print(answer.choices[0].message.content)
raise SystemExit(7)
"""

IN_ORDER = "lambda *_: (print('in order', flush=True), sys.exit(0))"
WAITS = "import time\nprint('ready', flush=True)\ntime.sleep(60)"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script of the provider that answers."""
    path = tmp_path / "script.toml"
    path.write_text('[[reply]]\nsay = "The moon raises two tides a day."\n', "utf-8")
    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", f"scripted:{path}")
    return path


def test_a_command_asks_there_and_its_exit_code_is_passed_on(
    atlas_mcp: Program, capfd: pytest.CaptureFixture[str]
) -> None:
    done = atlas_mcp("providers", "serve", "--", sys.executable, "-c", ASKS.format(times=2))
    assert done.exit_code == 7
    assert capfd.readouterr().out == "The moon raises two tides a day.\n"
    assert re.search(r"2 requests: 2 calls, \d+ tokens, 0 fallbacks", done.stderr)


def test_a_command_finds_no_key_of_a_vendor(
    atlas_mcp: Program, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_PROVIDER", '{"mine": {"base_url": "http://127.0.0.1:9/v1", "key_env": "MINE"}}')
    for name in ("ANTHROPIC_API_KEY", "MINE", "OLLAMA_API_KEY", "OPENAI_API_KEY", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "SECRET")
    shows = "import os; print([name for name, value in os.environ.items() if 'SECRET' in value])"
    assert atlas_mcp("providers", "serve", "--", sys.executable, "-c", shows).exit_code == 0
    assert capfd.readouterr().out == "[]\n"


def test_a_budget_holds_for_all_that_the_command_asks(
    atlas_mcp: Program, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["providers", "serve", "--budget-tokens", "75", "--", sys.executable, "-c", ASKS.format(times=5)]
    done = atlas_mcp(*words)
    assert done.exit_code == 1
    told = capfd.readouterr().err
    assert "Of the command's limit of 75 tokens, 10 are taken; what is left has no room" in told
    assert "Raise --budget-usd or --budget-tokens." in told
    assert re.search(r"[2-5] requests: [12] calls?, ", done.stderr)


def test_what_may_be_spent_in_a_day_holds_here_too(
    atlas_mcp: Program, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_BUDGET__DAY_TOKENS", "10")
    done = atlas_mcp("providers", "serve", "--", sys.executable, "-c", ASKS.format(times=1))
    assert done.exit_code == 1
    told = capfd.readouterr().err
    assert "Of the day's limit of 10 tokens, 0 are taken; what is left has no room" in told
    assert "Raise day_usd or day_tokens under [budget] in atlas.toml" in told


def test_a_command_that_is_not_there_is_told_in_a_sentence(atlas_mcp: Program) -> None:
    done = atlas_mcp("providers", "serve", "--", "no-such-program")
    assert done.exit_code == Exit.USAGE
    assert "no-such-program cannot be run" in done.stderr
    assert "asked" not in done.stderr


def test_without_a_model_there_is_nothing_to_serve(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATLAS_MODELS__DEFAULT")
    assert configured_vendors() == ()
    done = atlas_mcp("providers", "serve")
    assert done.exit_code == Exit.USAGE
    assert "--provider" in done.stderr


@contextmanager
def started(*words: str) -> Generator[subprocess.Popen[str]]:
    """The program in a session of its own, of which nobody outlives the test."""
    command = [sys.executable, "-m", "atlas_mcp", "providers", "serve", *words]
    out = subprocess.PIPE
    # Tests in the background of a shell ignore Ctrl-C, which the program would inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    serving = subprocess.Popen(command, stdout=out, stderr=out, text=True, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    with serving:
        try:
            yield serving
        finally:
            with suppress(ProcessLookupError):
                os.killpg(serving.pid, signal.SIGKILL)


def line(serving: subprocess.Popen[str]) -> str:
    assert serving.stdout is not None
    return serving.stdout.readline().strip()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches no other process there")
def test_without_a_command_it_serves_until_interrupted(script: Path, home: Path) -> None:
    with started() as serving:
        told = dict(line(serving).split("=", 1) for _ in range(2))
        headers = {"authorization": f"Bearer {told['OPENAI_API_KEY']}"}
        models = httpx2.get(f"{told['OPENAI_BASE_URL']}/models", headers=headers).json()
        serving.send_signal(signal.SIGINT)
        _, remarks = serving.communicate(timeout=20)
    assert models["data"][0]["id"] == f"scripted:{script.name}"
    assert serving.returncode == Exit.INTERRUPTED
    assert "Nothing was asked." in remarks
    logs = "".join(path.read_text("utf-8") for path in (home / "logs").iterdir())
    assert told["OPENAI_API_KEY"] not in remarks + logs


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches no other process there")
def test_an_interrupted_command_may_set_things_in_order(script: Path) -> None:
    patient = f"import signal, sys\nsignal.signal(signal.SIGINT, {IN_ORDER})\n{WAITS}"
    with started("--", sys.executable, "-c", patient) as serving:
        assert line(serving) == "ready"
        os.killpg(serving.pid, signal.SIGINT)
        said, remarks = serving.communicate(timeout=20)
    assert said == "in order\n"
    assert serving.returncode == Exit.INTERRUPTED
    assert "Nothing was asked." in remarks


@pytest.mark.skipif(sys.platform == "win32", reason="nobody is asked to end there")
def test_who_is_asked_to_end_asks_the_command(script: Path) -> None:
    with started("--", sys.executable, "-c", WAITS) as serving:
        assert line(serving) == "ready"
        serving.terminate()
        _, remarks = serving.communicate(timeout=20)
    assert serving.returncode == 128 + signal.SIGTERM
    assert "Nothing was asked." in remarks
