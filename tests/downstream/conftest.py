"""What tests of third-party servers share: a stand-in for the web that they would reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.downstream.third_party.places import INSTALLED
from tests.downstream.third_party.stand_in import standing_in

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.downstream.third_party.stand_in import StandIn


@pytest.fixture(scope="module")
def web() -> Generator[StandIn]:
    """The stand-in of a module, whose servers are installed."""
    assert all(path.exists() for path in INSTALLED), "The servers are not installed; run `make downstream`."
    with standing_in() as stand_in:
        yield stand_in
