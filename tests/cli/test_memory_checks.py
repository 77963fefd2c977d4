"""What the doctor says of memory."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.cli.terminal import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Program

    Told = Callable[[], dict[str, dict[str, Any]]]


@pytest.fixture
def told(atlas_mcp: Program) -> Told:
    """What the doctor says, by name."""

    def told() -> dict[str, dict[str, Any]]:
        checks = json.loads(atlas_mcp("doctor", "--json").stdout)["checks"]
        return {check["name"]: check for check in checks}

    return told


@pytest.fixture
def nobody() -> str:
    """A port of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def no_weights(_home: Path) -> Path | None:
    return None


def test_the_doctor_counts_what_is_remembered(atlas_mcp: Program, told: Told) -> None:
    assert "Remembered" not in told()
    atlas_mcp("memory", "add", "Anna likes tea.", "--kind", "preference")
    check = told()["Remembered"]
    assert check["health"] == "ok"
    assert check["says"].startswith("1 memory, 0 documents in 0 passages")


def test_the_doctor_counts_documents_that_were_taken_in_and_not_those_that_a_run_read(
    atlas_mcp: Program, told: Told, documents: Path
) -> None:
    atlas_mcp("memory", "add", "Anna likes tea.", "--kind", "preference")
    atlas_mcp("run", "research", "When do spring tides come?", "--documents", documents)
    assert told()["Remembered"]["says"].count("0 documents in 0 passages") == 1
    atlas_mcp("ingest", documents / "tides.md")
    assert "1 document in " in told()["Remembered"]["says"]


def test_the_doctor_says_what_embeddings_would_add(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "switched off" in told()["Embeddings"]["says"]
    monkeypatch.setenv("ATLAS_MEMORY__EMBEDDINGS", "true")
    monkeypatch.setattr("atlas_mcp.text.weights.weights_path", no_weights)
    check = told()["Embeddings"]
    assert "by words, not yet by meaning" in check["says"]
    assert check["todo"] == "atlas-mcp setup embeddings"


def test_indexes_that_nobody_asked_for_are_nothing_to_mend(told: Told) -> None:
    for name in ("Chroma", "Neo4j"):
        check = told()[name]
        assert (check["health"], check["todo"]) == ("ok", "")
        assert "not configured" in check["says"]


@pytest.mark.parametrize("address", ["http://127.0.0.1:PORT", "nonsense"])
def test_a_chroma_that_cannot_be_reached_is_named_with_what_to_do(
    told: Told, monkeypatch: pytest.MonkeyPatch, nobody: str, address: str
) -> None:
    monkeypatch.setenv("ATLAS_MEMORY__CHROMA", address.replace("PORT", nobody))
    check = told()["Chroma"]
    assert check["health"] == "broken"
    assert check["todo"]


def test_a_neo4j_that_cannot_be_reached_is_named_with_what_to_do(
    told: Told, monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    monkeypatch.setenv("ATLAS_MEMORY__NEO4J", f"bolt://127.0.0.1:{nobody}")
    check = told()["Neo4j"]
    assert check["health"] == "broken"
    assert nobody in check["says"]
    assert check["todo"]


def test_an_embedded_index_is_filled_and_the_doctor_says_how_far_it_is(
    atlas_mcp: Program, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas_mcp("memory", "add", "Anna likes tea.", "--kind", "preference")
    monkeypatch.setenv("ATLAS_MEMORY__CHROMA", "embedded")
    check = told()["Chroma"]
    assert (check["health"], check["todo"]) == ("hint", "atlas-mcp memory rebuild chroma")
    done = atlas_mcp("memory", "rebuild", "chroma")
    assert (done.exit_code, "filled anew from 1 memory" in done.stdout) == (Exit.DONE, True), done.output
    assert told()["Chroma"]["health"] == "ok"
    sound = json.loads(atlas_mcp("memory", "check", "--json").stdout)
    assert sound["stores"]["chroma"]["score"] == 1
    stats = json.loads(atlas_mcp("memory", "stats", "--json").stdout)
    assert stats["behind"] == {"chroma": 0}
