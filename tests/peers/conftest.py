"""What the peers' tests share: places where ATLAS works, one ATLAS that serves them over HTTP, and aimock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.asking_teams import READ
from tests.peers.mocking import Mock, mocking
from tests.peers.place import NODE, PACKAGES, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def peers_are_installed() -> None:
    assert all(each.exists() for each in (NODE, PACKAGES)), "The peers are not installed; run `make peers`."


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.make(tmp_path / "place")


@pytest.fixture(scope="session")
def http_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.make(tmp_path_factory.mktemp("served") / "place", read=READ)


@pytest.fixture(scope="session")
def address(http_place: Place) -> Iterator[str]:
    """Where ATLAS serves `http_place`: `/mcp` and `/sse`."""
    with http_place.over_http("--sse") as address:
        yield address


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """aimock, at an address where every vendor's wire is spoken."""
    with mocking(tmp_path_factory.mktemp("aimock")) as mock:
        yield mock
