"""Teams of teams over MCP: what a person hears of the teams inside, and where their runs are found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.orchestration.house import ASKED, SCRIPT, build_house
from tests.surface.caller import Heard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.surface.caller import Served

INSIDE = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "


async def test_whoever_waits_hears_what_the_teams_inside_do_and_finds_their_runs(
    server: Served, documents: Path, home: Path
) -> None:
    build_house(home / "config")
    async with server(SCRIPT) as dial, dial() as caller:
        heard = Heard(asyncio.get_running_loop().create_future())
        arguments = {"team": "house", "input": {"question": ASKED}, "documents": [str(documents)]}
        answer = await caller.ask("run_team", arguments, heard)
        assert not answer.is_error, answer.text
        said = heard.messages
        found = [message for message in said if message.endswith("reader#a1: 1 finding")]
        assert f"tides {INSIDE}reader#a1: 1 finding" in found
        given = said.index("team:tides#a1: 1 finding, 1 text")
        assert said.index(found[0]) < given
        assert not any(message.startswith(f"tides {INSIDE}run: ") for message in said)
        assert heard.counts == sorted(heard.counts)

        whole = answer.structured["run_id"]
        assert [run["run_id"] for run in (await caller.call("run_list"))["runs"]] == [whole]
        begun = next(message for message in said if message.startswith("tides: begins as run "))
        child = begun.rpartition(" ")[2]
        assert (await caller.call("run_result", run_id=child))["state"] == "done"
        drawn = await caller.read(f"atlas://runs/{whole}/graph")
        assert f'[["tides a1<br/>When do spring tides come?<br/>run {child}<br/>1 finding, 1 text"]]' in drawn
