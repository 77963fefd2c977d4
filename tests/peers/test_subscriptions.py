"""The TypeScript SDKs subscribe to runs, in the way of each era, and hear of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers.place import run_node

if TYPE_CHECKING:
    from tests.peers.place import Place

pytestmark = pytest.mark.peer

PROGRAM = Path(__file__).parent / "programs" / "subscribing.mjs"


@pytest.mark.parametrize(("sdk", "era"), [("v1", "legacy"), ("v2", "legacy"), ("v2", "modern")])
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_client_hears_of_a_run_that_it_subscribed_to(
    transport: str, sdk: str, era: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place: Place = request.getfixturevalue("http_place" if transport == "http" else "place")
    over_http = transport == "http"
    server = {"url": f"{request.getfixturevalue('address')}/mcp"} if over_http else place.stdio
    asked = {"sdk": sdk, "era": era, "server": server, **place.asked}
    done = run_node(str(PROGRAM), json.dumps(asked), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "atlas://runs" in seen["heard"]
    assert "There is no run 'r_none'" in seen["refused"]
    assert seen["standing"]["state"] == "done"
