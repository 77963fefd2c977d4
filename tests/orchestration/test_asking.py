"""What may be asked, and what bad questions get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.errors import InvalidInput, OutsideRoots, UnknownRun, UnknownTeam, UnreadableDocument
from atlas_mcp.events import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.orchestration.conftest import OpenAtlas


async def test_a_run_without_documents_reads_the_handbook(atlas_with: OpenAtlas) -> None:
    async with atlas_with() as atlas:
        run = await atlas.start("research", question="What is a run?")
        await run.envelope(wait_seconds=30)
        events = await atlas.events(run.id)
    read = [event for event in events if event.kind is Kind.DOCUMENTS_READ]
    assert read


@pytest.mark.parametrize(
    ("team", "wishes", "error"),
    [
        ("nobody", {"question": "q"}, UnknownTeam),
        ("research", {}, InvalidInput),
        ("research", {"question": "   "}, InvalidInput),
        ("research", {"question": "x" * 20_001}, InvalidInput),
        ("research", {"question": 3}, InvalidInput),
        ("research", {"question": "q", "colour": "red"}, InvalidInput),
        ("research", {"question": "q", "documents": ["/etc/hostname"]}, OutsideRoots),
        ("research", {"question": "q", "budget": {"calls": 0}}, InvalidInput),
    ],
)
async def test_bad_input_is_refused_with_what_to_do(
    atlas_with: OpenAtlas, team: str, wishes: dict[str, Any], error: type[InvalidInput]
) -> None:
    async with atlas_with() as atlas:
        with pytest.raises(error) as caught:
            await atlas.start(team, **wishes)
        assert caught.value.remedy
        assert await atlas.list() == []


async def test_a_missing_document_is_named(atlas_with: OpenAtlas, documents: Path) -> None:
    async with atlas_with() as atlas:
        with pytest.raises(UnreadableDocument, match=r"nowhere\.md"):
            await atlas.start("research", question="q", documents=[str(documents / "nowhere.md")])


async def test_an_unknown_run_is_refused(atlas_with: OpenAtlas) -> None:
    async with atlas_with() as atlas:
        with pytest.raises(UnknownRun):
            await atlas.result("r_01ARZ3NDEKTSV4RRFFQ69G5FAV")
