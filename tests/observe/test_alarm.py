"""Where a warning goes: the log, and an address, which may be away."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from pydantic import SecretStr

from atlas_mcp.observe import alarm as alarms
from atlas_mcp.observe.alarm import Alarm
from tests.observe.tracking.answering import answering

if TYPE_CHECKING:
    import pytest

WARNING = {"text": "ATLAS, research, run r_1: it takes longer than 300 s.", "alert": "slow"}


async def test_a_warning_goes_to_the_log_and_as_json_to_the_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with answering({"/hook": (200, "text/plain", "ok")}) as server:
        alarm = Alarm(SecretStr(f"{server.url}/hook"))
        alarm.ring(WARNING)
        await alarm.close()
        ((path, body),) = server.came
    assert (path, json.loads(body)) == ("POST /hook", WARNING)
    assert WARNING["text"] in caplog.text


async def test_an_address_that_is_away_is_tried_again_and_never_told_of_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "PAUSES", (0.0, 0.0, 0.0))
    with answering({"/": (503, "text/plain", "busy")}) as server:
        alarm = Alarm(SecretStr(f"{server.url}/T0PSECRET"))
        alarm.ring(WARNING)
        await alarm.close()
        assert len(server.came) == 3
    assert "did not take a warning: status 503" in caplog.text
    assert "T0PSECRET" not in caplog.text


async def test_without_an_address_there_is_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    alarm = Alarm()
    alarm.ring(WARNING)
    await alarm.close()
    assert caplog.messages == [WARNING["text"]]
