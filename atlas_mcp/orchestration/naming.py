"""The documents that a call names, as a run keeps them: paths and texts checked, pages read."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from atlas_mcp.orchestration.paying import paid
from atlas_mcp.roots import is_address, readable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.providers.budget import Budget

__all__ = ["named_documents"]

AT_ONCE = 8
"""Pages that are read at a time: where one cannot be, no more than these were paid for in vain."""


async def named_documents(
    documents: Sequence[str], roots: Sequence[Path], servers: Callable[[], Awaitable[Servers]],
    *, budget: Budget,
) -> list[str | dict[str, Any]]:  # fmt: skip
    """Documents as `as_source` takes them; a page at an address becomes `{uri, title, text}`.

    What pages cost is paid out of `budget`.

    Raises:
        BudgetSpent: it cannot be paid.
        InvalidInput, OutsideRoots, UnreadableDocument: a document is not as it must be.
        NotConfigured: one is an address, and no server reads pages.
        ToolFailed: the server that does failed.
    """
    checked = readable(documents, roots)
    addresses = dict.fromkeys(each.strip() for each in checked if is_address(each))
    if not addresses:
        return list(checked)
    from atlas_mcp.downstream.fetching import fetched

    known, left = await servers(), iter(addresses)
    read: dict[str, dict[str, Any]] = {}

    async def fetch() -> None:
        for address in left:
            page = await fetched(known, address, pay=partial(paid, budget))
            read[address] = {"uri": page.uri, "title": page.title, "text": page.text}

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(addresses))):
                group.create_task(fetch())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [read[each.strip()] if is_address(each) else each for each in checked]
