"""Whatever becomes of us, no server outlives us, and nothing that a server started."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Generator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="On Windows a job does what a leash does.")

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


def alive(numbers: Collection[int]) -> set[int]:
    """Those of some processes that live; one that has ended and is not yet counted out does not."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listed.stdout.splitlines())
    return {int(number) for number, standing in rows if not standing.startswith("Z")} & {*numbers}


def left(numbers: Collection[int]) -> set[int]:
    """Those that still live when one has waited long enough."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (there := alive(numbers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return there


@contextmanager
def at_work(folder: Path) -> Generator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A process with two servers beneath it, and the numbers of all that it started."""
    command = [sys.executable, "-m", "tests.downstream.leash_worker", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_nothing_lives_on_when_we_are_killed(tmp_path: Path) -> None:
    with at_work(tmp_path) as (process, numbers):
        assert numbers.keys() == {"stubborn", "parent", "child", "leash"}
        assert alive(numbers.values()) == {*numbers.values()}
        process.kill()
        assert left(numbers.values()) == set()


def test_nothing_lives_on_when_we_leave_in_order(tmp_path: Path) -> None:
    with at_work(tmp_path) as (process, numbers):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert left(numbers.values()) == set()
