"""A real MLflow server for each file of tests, and an Atlas that tells it of its runs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.mlflow.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.mlflow.server import Tracking


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Generator[Tracking]:
    """A server with an empty database."""
    with running(tmp_path_factory.mktemp("mlflow") / "server") as started:
        yield started


@pytest.fixture
def told(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> Tracking:
    """The server, which whatever is opened in the test tells of its runs."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.url)
    return tracking


async def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds, asked in a thread; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < end, "it does not come to hold"
        await asyncio.sleep(0.1)
