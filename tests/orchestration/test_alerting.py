"""When a person is warned: of a run while it goes on, of a team over its last runs, and not every time."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from atlas_mcp.app import open_atlas
from atlas_mcp.chunks import Usage
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.alerting import Thresholds, Watch
from atlas_mcp.orchestration.team_file import read_wiring
from atlas_mcp.providers.script import Script
from atlas_mcp.providers.scripted import ScriptedProvider
from atlas_mcp.settings import AlertSettings, Settings
from tests.observe.tracking.answering import answering
from tests.orchestration.folders import TOML, sound
from tests.orchestration.talk import PLAN, SCRIPT, finished

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from atlas_mcp.app import Atlas
    from atlas_mcp.events import Event
    from tests.orchestration.conftest import OpenAtlas

BAD = PLAN + '[[reply]]\nfail = "content_refused"\n'


def thresholds(settings: AlertSettings | None = None) -> Thresholds:
    team: Any = SimpleNamespace(alerts=None)
    return Thresholds.of(settings or AlertSettings(), team)


async def alerts(atlas: Atlas, run_id: str) -> list[Event]:
    return [event for event in await atlas.events(run_id) if event.kind is Kind.ALERT_RAISED]


def test_a_run_warns_of_time_and_of_money_once_each() -> None:
    watch = Watch(thresholds())
    assert watch.look(299, Usage(cost_usd=4.99)) == []
    assert [each.alert for each in watch.look(301, Usage(cost_usd=5.01))] == ["slow", "cost"]
    assert watch.look(400, Usage(cost_usd=9)) == []


def test_0_never_warns_and_a_price_that_nobody_knows_is_no_cost() -> None:
    watch = Watch(thresholds(AlertSettings(seconds=0, cost_usd=0)))
    assert watch.look(10**6, Usage(cost_usd=10**6)) == []
    assert Watch(thresholds()).look(1, Usage(cost_usd=None)) == []


async def test_a_slow_run_warns_while_it_goes_on_and_tells_the_address(
    home: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SCRIPT.replace('when = { intent = "compose" }', 'when = { intent = "compose" }\nseconds = 1.0')
    with answering({"/hook": (200, "text/plain", "ok")}) as server:
        monkeypatch.setenv("ATLAS_ALERTS__SECONDS", "0.2")
        monkeypatch.setenv("ATLAS_ALERTS__WEBHOOK", f"{server.url}/hook")
        async with open_atlas(Settings.load(), roots=[documents], provider=scripted(slow)) as atlas:
            result = await finished(atlas, documents)
            (alert,) = await alerts(atlas, result["run_id"])
        ((_, body),) = server.came
    assert (alert.data["alert"], alert.data["threshold"]) == ("slow", 0.2)
    assert alert.data["measured"] < 1.0
    told = json.loads(body)
    assert (told["run_id"], told["team"], told["alert"]) == (result["run_id"], "research", "slow")
    assert "longer than 0.2 s" in told["text"]


def scripted(script: str) -> ScriptedProvider:
    return ScriptedProvider(Script.parse(script))


async def test_a_team_that_fails_too_often_is_warned_of_once_in_a_while(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(BAD) as atlas:
        raised: list[str] = []
        for number in range(7):
            result = await finished(atlas, documents, fresh=True, memory=False)
            raised += [f"{number} {each.data['alert']}" for each in await alerts(atlas, result["run_id"])]
            assert result["state"] == "failed"
    # Before the fifth run nothing can be said of many, and for an hour it is not said again.
    assert raised == ["4 errors"]


async def test_a_team_whose_work_scores_low_is_warned_of(
    home: Path, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_ALERTS__QUALITY", "5.0")
    monkeypatch.setenv("ATLAS_ALERTS__WINDOW", "1")
    found_by_one = '{ passage = "p1", quote = "A harbour master must publish the tide table every month." }'
    poor = SCRIPT.replace(found_by_one, "")
    async with open_atlas(Settings.load(), roots=[documents], provider=scripted(poor)) as atlas:
        result = await finished(atlas, documents)
        (alert,) = await alerts(atlas, result["run_id"])
    assert (alert.data["alert"], alert.data["measured"]) == ("quality", result["output"]["measures"]["score"])
    assert alert.data["measured"] < 5


def test_a_teams_own_thresholds_come_before_those_of_the_settings(tmp_path: Path) -> None:
    folder = sound(tmp_path, toml=f"{TOML}\n[alerts]\nseconds = 60\n")
    wiring = read_wiring(folder / "team.toml")
    assert wiring.alerts is not None
    team: Any = wiring
    found = Thresholds.of(AlertSettings(), team)
    assert (found.seconds, found.cost_usd) == (60, 5.0)
