"""What a run looks like, as a client reads it: the Mermaid chart and the same as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.orchestration.house import ASKED, SCRIPT, build_house

if TYPE_CHECKING:
    from pathlib import Path

    from tests.surface.caller import Served


async def test_a_run_is_drawn_as_mermaid_and_as_svg(server: Served, documents: Path, home: Path) -> None:
    build_house(home / "config")
    async with server(SCRIPT) as dial, dial() as caller:
        given = {"team": "house", "input": {"question": ASKED}, "documents": [str(documents)]}
        run_id = (await caller.call("run_team", **given))["run_id"]
        assert (await caller.read(f"atlas://runs/{run_id}/graph")).startswith("flowchart TD")
        drawn = await caller.read(f"atlas://runs/{run_id}/graph.svg")
        assert drawn.startswith("<svg ")
        assert f"<title>Run {run_id}: {ASKED}</title>" in drawn
