"""Documents that a call names by their addresses: read a few at a time, and all of them or none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.downstream.entry import load_entry
from atlas_mcp.downstream.said import Said
from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.orchestration.naming import AT_ONCE, named_documents
from atlas_mcp.providers.budget import Budget, Limit

PAGES = [f"https://page{number}.example/" for number in range(50)]


class Library:
    """Servers of which one reads pages; `bad` ones it cannot read, and `slow` ones it is never done with."""

    def __init__(self) -> None:
        self.entries = {"fetch": load_entry(shipped("servers") / "fetch.toml")}
        self.begun: list[str] = []
        self.under_way = self.most = 0

    def why_not(self, *_: str) -> None:
        return None

    async def call(self, _: str, arguments: dict[str, Any], **__: str) -> Said:
        url = arguments["url"]
        self.begun.append(url)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            if "slow" in url:
                await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        return Said("It is gone.", error=True) if "bad" in url else Said(f"Contents of {url}:\nThe tide.")


async def named(library: Library, *documents: str) -> list[str | dict[str, Any]]:
    async def opened() -> Any:
        return library

    return await named_documents(documents, [], opened, budget=Budget(Limit()))


async def test_pages_are_read_a_few_at_a_time_and_given_in_order() -> None:
    library = Library()
    pages: list[Any] = await named(library, *PAGES, PAGES[0])
    assert [page["uri"] for page in pages] == [*PAGES, PAGES[0]]
    assert (library.most, len(library.begun)) == (AT_ONCE, len(PAGES))


async def test_where_one_page_cannot_be_read_the_others_are_not_paid_for() -> None:
    library, before = Library(), asyncio.all_tasks()
    slow = [f"https://slow{number}.example/" for number in range(50)]
    with pytest.raises(UnreadableDocument, match=r"https://bad\.example/ could not be read"):
        await named(library, "https://bad.example/", *slow)
    assert asyncio.all_tasks() == before
    assert library.under_way == 0
    assert len(library.begun) <= AT_ONCE
