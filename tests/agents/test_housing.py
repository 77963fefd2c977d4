"""Where agents live: as it is configured, and what is said where the Letta server is not there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.housing import letta_server, open_agents
from atlas_mcp.cli.agent_checks import agent_checks
from atlas_mcp.errors import InvalidConfiguration, RuntimeUnavailable
from atlas_mcp.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.providers.lending.endpoint import ModelEndpoint


async def never() -> ModelEndpoint:
    raise AssertionError("Nobody asks a model.")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a Letta server that is down."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("LETTA_BASE_URL", f"{url}/")
    monkeypatch.setenv("LETTA_API_KEY", "secret")
    return url


def settings(monkeypatch: pytest.MonkeyPatch, **wishes: str) -> Settings:
    for name, wish in wishes.items():
        monkeypatch.setenv(f"ATLAS_AGENTS__{name.upper()}", wish)
    return Settings.load()


@pytest.fixture(autouse=True)
def _no_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LETTA_BASE_URL", raising=False)


async def test_agents_live_in_this_process_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = settings(monkeypatch)
    assert letta_server(asked) is None
    async with open_agents(asked, never) as runtime:
        assert (await runtime.health()).ok
        assert (await runtime.health()).kind != "letta"
    (check,) = await agent_checks(asked)
    assert check.health == "ok"


async def test_an_address_is_enough_unless_the_process_is_wished_for(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert letta_server(settings(monkeypatch)) == (nowhere, "secret")
    assert letta_server(settings(monkeypatch, runtime="in_process")) is None


async def test_a_server_that_is_wished_for_and_not_named_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = settings(monkeypatch, runtime="letta")
    with pytest.raises(InvalidConfiguration, match="LETTA_BASE_URL"):
        letta_server(asked)
    (check,) = await agent_checks(asked)
    assert (check.health, "LETTA_BASE_URL" in check.says) == ("broken", True)


async def test_a_server_that_is_down_is_an_error_that_says_what_to_do(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("letta_client")
    asked = settings(monkeypatch)
    with pytest.raises(RuntimeUnavailable, match=nowhere) as told:
        async with open_agents(asked, never):
            pass
    assert "in_process" in told.value.remedy
    (check,) = await agent_checks(asked)
    assert (check.health, nowhere in check.says, "secret" in str(check)) == ("broken", True, False)


async def test_a_server_that_is_down_is_no_hindrance_where_that_is_wished_for(
    nowhere: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("letta_client")
    asked = settings(monkeypatch, on_failure="in_process")
    async with open_agents(asked, never) as runtime:
        assert (await runtime.health()).ok
    assert nowhere in caplog.text
    (check,) = await agent_checks(asked)
    assert check.health == "hint"
