"""A page at an address, read by the first server that can: for documents that a person names by one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.private import refuse_private
from atlas_mcp.downstream.results import documents
from atlas_mcp.errors import BudgetSpent, NotConfigured, ToolFailed, UnreadableDocument

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from atlas_mcp.downstream.entry import Entry
    from atlas_mcp.downstream.payment import Payment
    from atlas_mcp.downstream.results import Document
    from atlas_mcp.downstream.said import Said
    from atlas_mcp.downstream.servers import Servers

    Pays = Callable[[float], AbstractAsyncContextManager[Payment]]

__all__ = ["fetched"]


async def fetched(servers: Servers, url: str, *, pay: Pays | None = None) -> Document:
    """The page at an address, as a document; one of any other address is not taken for it.

    `pay` gives the payment of a call at its price.

    Raises:
        BudgetSpent: those that gave it cost more than `pay` can pay.
        NotConfigured: no server that reads pages can be used; says what would be needed.
        ToolRefused: it is an address of this machine or its network.
        UnreadableDocument: none of them gave a text; says what the last one said.
    """
    refuse_private(url)
    able = [entry for entry in servers.entries.values() if entry.fetch is not None]
    # One on this machine asks nobody else.
    ready = sorted(
        (each for each in able if servers.why_not(each.name) is None), key=lambda each: not each.local
    )
    if not ready:
        names = ", ".join(entry.name for entry in able) or "none"
        raise NotConfigured(
            f"{url[:200]} is an address, and no server that reads pages is ready.",
            remedy=f"Turn one on ({names}): atlas-mcp servers enable fetch. Or give the page's text.",
        )
    why, spent = "", None
    for entry in ready:
        if (how := entry.fetch) is None:
            continue
        arguments = {**how.arguments, how.url: [url] if how.many else url}
        try:
            price = entry.price(how.tool)
            said = await servers.call(
                f"{entry.name}/{how.tool}", arguments, agent="ingest",
                pay=partial(pay, price) if pay and price else None,
            )  # fmt: skip
        except BudgetSpent as error:
            spent = error  # another may cost less
            continue
        except (NotConfigured, ToolFailed) as error:
            why = str(error)
            continue
        found = () if said.error else await _read(entry, how.tool, arguments, said)
        if found:
            return max(found, key=lambda each: len(each.text))
        why = f"{entry.shown_title} gave no text: {' '.join(said.text.split())[:200]}"
        if not said.error and (others := await _read(entry, how.tool, {}, said)):
            why = f"{entry.shown_title} gave another page for it: {others[0].uri[:200]}"
    if spent is not None:
        raise spent
    raise UnreadableDocument(f"{url[:200]} could not be read. {why}", remedy="Check the address.")


async def _read(entry: Entry, tool: str, arguments: dict[str, Any], said: Said) -> tuple[Document, ...]:
    return await asyncio.to_thread(documents, entry, tool, arguments, said.text, said.structured)
