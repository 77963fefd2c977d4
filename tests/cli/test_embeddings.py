"""Embeddings by a provider's model at the command line: set up, looked at, and gone without."""

from __future__ import annotations

import asyncio
import json
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.cli.terminal import Exit
from tests.fakes.embedding_server import LENGTH, FakeEmbeddings

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from conftest import Program


@pytest.fixture
def server(atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeEmbeddings]:
    """A server in a thread, whose model the settings name; opened after those of the program."""
    loop, running = asyncio.new_event_loop(), FakeEmbeddings(key="k-0123456789")
    thread = Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(running.__aenter__(), loop).result()
    monkeypatch.setenv("OPENAI_BASE_URL", running.url)
    monkeypatch.setenv("OPENAI_API_KEY", "k-0123456789")
    monkeypatch.setenv("ATLAS_MEMORY__EMBEDDINGS", "openai:words")
    yield running
    asyncio.run_coroutine_threadsafe(running.aclose(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def embeddings(atlas_mcp: Program) -> dict[str, Any]:
    checks = json.loads(atlas_mcp("doctor", "--json").stdout)["checks"]
    return next(check for check in checks if check["name"] == "Embeddings")


def test_setup_embeds_by_the_model_that_is_named_and_fetches_nothing(
    atlas_mcp: Program, server: FakeEmbeddings, documents: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_MEMORY__EMBEDDINGS", "false")
    assert atlas_mcp("ingest", documents).exit_code == Exit.DONE
    assert server.bodies == []
    monkeypatch.setenv("ATLAS_MEMORY__EMBEDDINGS", "openai:words")
    done = atlas_mcp("setup", "embeddings")
    assert "openai:words; embedded 1 text of what is kept" in done.stdout
    assert not (home / "models").exists()
    assert any("two tides" in text for text in server.texts)


def test_ingesting_while_the_server_is_down_says_what_is_missing(
    atlas_mcp: Program, server: FakeEmbeddings, documents: Path
) -> None:
    assert atlas_mcp("memory", "add", "Anna likes tea.", "--kind", "preference").exit_code == Exit.DONE
    server.down = True
    done = atlas_mcp("ingest", documents)
    assert done.exit_code == Exit.DONE
    assert "by words alone" in done.stdout
    found = atlas_mcp("memory", "search", "Who likes tea?")
    assert "Anna likes tea." in found.stdout


def test_the_doctor_says_whether_the_model_gives_vectors(
    atlas_mcp: Program, server: FakeEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = embeddings(atlas_mcp)
    assert (check["health"], f"{LENGTH} numbers" in check["says"]) == ("ok", True)
    assert set(server.texts) == {"word"}
    monkeypatch.setenv("OPENAI_API_KEY", "k-another-9876543210")
    check = embeddings(atlas_mcp)
    assert check["health"] == "broken"
    assert "401" in check["says"]
    assert "k-another" not in json.dumps(check)
