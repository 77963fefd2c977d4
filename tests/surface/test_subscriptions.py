"""Who subscribes to a resource hears that it changed, in both eras, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any

import pytest
from mcp import MCPError

from atlas_mcp.app import open_atlas
from atlas_mcp.events import Kind
from atlas_mcp.surface.server import build_server
from atlas_mcp.surface.subscriptions import MOST_HELD
from tests.surface.caller import Caller
from tests.surface.conftest import MODERN, NEVER_ENDS, over_http
from tests.surface.listening import Listener, watchers, watching

if TYPE_CHECKING:
    from pathlib import Path

    from tests.surface.caller import Dial, Served
    from tests.surface.conftest import MakeSettings, Wire

QUESTION = "When do spring tides come?"
ERAS = pytest.mark.parametrize("mode", ["legacy", MODERN])


@pytest.fixture
def dialled(settings_with: MakeSettings) -> Any:
    """A server in memory, and what dials it."""

    def made(mode: str, script: str = "") -> Dial:
        server = build_server(settings_with(script))
        return lambda: Caller(server, mode)

    return made


async def test_a_subscriber_hears_of_a_run_and_of_its_report(
    served: Served, wire: Wire, documents: Path
) -> None:
    asked = {"question": QUESTION, "documents": [str(documents)], "wait_seconds": 0}
    async with (
        served() as dial, dial() as caller, Listener(dial, wire.mode) as listener,
        listener.subscribed("atlas://runs"),
    ):  # fmt: skip
        run_id = (await caller.call("research", **asked))["run_id"]
        await listener.until("atlas://runs")
        async with asyncio.timeout(30):
            while f'"run_id":"{run_id}","team":"research"' not in (
                listed := await caller.read("atlas://runs")
            ) or (json.loads(listed)[0]["state"] != "done"):
                await listener.until("atlas://runs")
        assert (await caller.read(f"atlas://runs/{run_id}/report")).startswith(f"# {QUESTION}")


async def test_each_part_of_a_run_is_told_of_when_it_changes(
    served: Served, wire: Wire, documents: Path
) -> None:
    asked = {"question": QUESTION, "documents": [str(documents)], "wait_seconds": 1}
    async with served(NEVER_ENDS) as dial, dial() as caller, Listener(dial, wire.mode) as listener:
        run_id = (await caller.call("research", **asked))["run_id"]
        run = f"atlas://runs/{run_id}"
        parts = [f"{run}{part}" for part in ("/events", "/report", "/evidence", "/graph")]
        async with listener.subscribed(run, *parts):
            await caller.call("run_control", run_id=run_id, action="pause")
            heard = await listener.until(run)
            assert not {f"{run}/report", f"{run}/evidence"} & {*heard}
            await caller.call("run_control", run_id=run_id, action="cancel")
            heard = await listener.until(f"{run}/report")
            while {run, *parts} - {*heard}:
                heard.append(await listener.heard.get())
            assert json.loads(await caller.read(run))["state"] == "cancelled"


async def test_who_subscribes_to_what_is_not_there_is_told_so(served: Served, wire: Wire) -> None:
    async with served() as dial, Listener(dial, wire.mode) as listener:
        for uri, said in (
            ("atlas://runs/r_none", "There is no run 'r_none'"),
            ("atlas://runs/r_none/report", "There is no run 'r_none'"),
            ("atlas://teams/nobody", "There is no team 'nobody'"),
            ("atlas://memory/m_none", "There is no memory 'm_none'"),
            ("atlas://elsewhere", "There is no resource 'atlas://elsewhere'"),
        ):
            with pytest.raises(MCPError, match=said):
                async with listener.subscribed(uri):
                    pass


@ERAS
async def test_a_run_of_another_user_is_as_good_as_none(
    dialled: Any, settings_with: MakeSettings, documents: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            other.setenv(name, "somebody-else")
        async with open_atlas(settings_with(), roots=[documents]) as atlas:
            run = await atlas.start("research", question=QUESTION, documents=[str(documents)])
            await atlas.result(run.id, wait_seconds=20)
    async with Listener(dialled(mode), mode) as listener:
        with pytest.raises(MCPError, match="There is no run"):
            async with listener.subscribed(f"atlas://runs/{run.id}"):
                pass


@ERAS
async def test_a_run_of_another_process_is_heard_through_its_interruption(
    dialled: Any, settings_with: MakeSettings, documents: Path, mode: str
) -> None:
    dial = dialled(mode, NEVER_ENDS)
    async with dial() as caller, Listener(dial, mode) as listener, AsyncExitStack() as subscribed:
        async with open_atlas(settings_with(NEVER_ENDS), roots=[documents]) as elsewhere:
            run = await elsewhere.start("research", question=QUESTION, documents=[str(documents)])
            async with aclosing(elsewhere.watch(run.id)) as events:
                async for event in events:
                    if event.kind is Kind.WORK_STARTED:
                        break
            await subscribed.enter_async_context(listener.subscribed(f"atlas://runs/{run.id}"))

        async def heard_to_be(state: str) -> None:
            async with asyncio.timeout(30):
                while json.loads(await caller.read(f"atlas://runs/{run.id}"))["state"] != state:
                    await listener.heard.get()

        await heard_to_be("interrupted")
        await caller.call("run_control", run_id=run.id, action="resume")
        await heard_to_be("running")
        await caller.call("run_control", run_id=run.id, action="cancel")
        await heard_to_be("cancelled")


@ERAS
async def test_what_is_remembered_is_told_to_who_subscribed_to_memory(dialled: Any, mode: str) -> None:
    dial = dialled(mode)
    found = "atlas://memory?about=backups"
    async with dial() as caller, Listener(dial, mode) as listener:
        async with listener.subscribed("atlas://memory", found):
            await caller.call("remember", text="The backups are made every night at two o'clock.")
            heard = {await listener.heard.get(), await listener.heard.get()}
        assert heard == {"atlas://memory", found}


@ERAS
async def test_nothing_is_watched_that_nobody_wants_to_hear_of(
    dialled: Any, documents: Path, mode: str
) -> None:
    dial = dialled(mode, NEVER_ENDS)
    async with dial() as caller:
        asked = {"question": QUESTION, "documents": [str(documents)], "wait_seconds": 0}
        run = f"atlas://runs/{(await caller.call('research', **asked))['run_id']}"
        session = ["tell a session"] if mode == "legacy" else []
        watched = [f"watch {run.rpartition('/')[2]}"]
        async with Listener(dial, mode) as listener:
            async with listener.subscribed(run, f"{run}/events"):
                async with listener.subscribed(run, "atlas://teams"):
                    assert watchers() == session + watched
                if mode == MODERN:
                    assert watchers() == watched
            await caller.call("run_list")
            assert watchers() == session
        async with AsyncExitStack() as never_left, Listener(dial, mode) as listener:
            if mode == "legacy":
                await listener.subscribe(run)
            else:
                await never_left.enter_async_context(listener.subscribed(run))
            assert watchers() == session + watched
        await caller.call("run_list")
        assert watchers() == []


@ERAS
async def test_a_client_whose_connection_breaks_leaves_no_watcher(
    settings_with: MakeSettings, mode: str
) -> None:
    meta: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    notifications = {"resourceSubscriptions": ["atlas://runs"]}
    params: dict[str, Any] = {"notifications": notifications, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params})
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Mcp-Method: subscriptions/listen\r\nMCP-Protocol-Version: {MODERN}\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    if mode == "legacy":
        head = "GET /sse HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    async with over_http(settings_with()) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((head + (body if mode == MODERN else "")).encode())
        if mode == MODERN:
            while b"acknowledged" not in await reader.readline():
                pass
        else:
            await _subscribe_over_sse(reader, port)
        assert "watch atlas://runs" in watchers()
        tasks = watching()
        writer.close()
        _, left = await asyncio.wait(tasks, timeout=20)
        assert left == set()


async def _subscribe_over_sse(reader: asyncio.StreamReader, port: int) -> None:
    """Say what a client of the legacy era says until it has subscribed."""
    path = await _data(reader)
    who = {"name": "a", "version": "1"}
    said: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": who}},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "resources/subscribe", "params": {"uri": "atlas://runs"}},
    ]  # fmt: skip
    for message in said:
        body = json.dumps({"jsonrpc": "2.0"} | message)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        if "id" in message:
            assert json.loads(await _data(reader))["id"] == message["id"]
        writer.close()


async def _data(reader: asyncio.StreamReader) -> str:
    while not (line := (await reader.readline()).decode().strip()).startswith("data: "):
        pass
    return line.removeprefix("data: ")


async def test_a_session_may_subscribe_to_so_many_resources_and_no_more(dialled: Any) -> None:
    async with Listener(dialled("legacy"), "legacy") as listener:
        for number in range(MOST_HELD):
            await listener.subscribe(f"atlas://memory?about={number}")
        await listener.subscribe("atlas://memory?about=0")  # known already
        with pytest.raises(MCPError, match="may subscribe to 100 resources"):
            await listener.subscribe("atlas://memory?about=more")
        assert watchers() == ["tell a session", "watch atlas://memory"]


async def test_a_stream_may_name_so_many_resources_and_no_more(dialled: Any) -> None:
    uris = [f"atlas://memory?about={number}" for number in range(MOST_HELD + 1)]
    async with Listener(dialled(MODERN), MODERN) as listener:
        with pytest.raises(MCPError, match="may subscribe to 100 resources"):
            async with listener.subscribed(*uris):
                pass
        async with listener.subscribed(*uris[1:]):
            assert watchers() == ["watch atlas://memory"]


@ERAS
async def test_resources_can_be_subscribed_to_and_no_list_is_said_to_change(dialled: Any, mode: str) -> None:
    async with dialled("auto" if mode == MODERN else mode)() as caller:
        offered = caller._client.session.server_capabilities
        assert caller._client.session.protocol_version == (MODERN if mode == MODERN else "2025-11-25")
    assert offered.resources.subscribe
    assert {each.list_changed for each in (offered.prompts, offered.resources, offered.tools)} == {False}
