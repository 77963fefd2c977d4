"""What tokens cost: rates a model, from a well-kept table of prices or from whoever knows better.

The table is the library's genai-prices; the arithmetic is ours, since it is asked with every chunk. What
`models.toml` declares goes before the table. A price that nobody knows is None, never nothing: a server that
speaks like OpenAI at an address of its own is not OpenAI.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from atlas_mcp.providers.known.model_card import DeclaredPrice
from atlas_mcp.providers.known.models import Models

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

    from atlas_mcp.chunks import Usage

__all__ = ["Listing", "Price", "Prices"]

_MILLION = 1_000_000
_DATED_SECONDS = 60.0
"""How long a price that depends on the date or the time of day is taken to hold."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a token.

    `above` is what holds instead, for the whole call, where its prompt has more than so many tokens; in
    ascending order. Where reading from or writing to a cache has no rate of its own, it is input.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    above: tuple[tuple[int, Price], ...] = ()

    def estimate(self, prompt_tokens: int, answer_tokens: int) -> float:
        """What so many tokens cost, none of them cached."""
        rates = self._at(prompt_tokens) if self.above else self
        return prompt_tokens * rates.input + answer_tokens * rates.output

    def cost(self, usage: Usage) -> float:
        """What a call cost."""
        rates = self._at(usage.input_tokens) if self.above else self
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        cached = rates.input if rates.cached is None else rates.cached
        written = rates.input if rates.cache_write is None else rates.cache_write
        return (
            fresh * rates.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.output_tokens * rates.output
        )

    def _at(self, prompt_tokens: int) -> Price:
        """The rates for a prompt of so many tokens."""
        rates = self
        for start, price in self.above:
            if prompt_tokens <= start:
                break
            rates = price
        return rates


class Listing(NamedTuple):
    """What is known of a model: its price, its window in tokens, until when that holds if not for good."""

    price: Price | None = None
    window: int | None = None
    until: float | None = None


class Prices:
    """The prices of models, and the windows that their table knows.

    `clock` gives seconds since the epoch, since prices change by the date.
    """

    def __init__(self, models: Models | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._models = models or Models.load()
        self._clock = clock
        self._table: DataSnapshot | None = None
        self._reading = asyncio.Lock()
        self._listings: dict[tuple[str, str, str], Listing] = {}

    async def ready(self, vendor: str, model: str) -> None:
        """Have at hand what there is to know of a model.

        The table is read with the first model that needs it, once, and away from the event loop.
        """
        if self._table is None and model and self._models.card(vendor, model).price is None:
            async with self._reading:
                self._table = self._table or await asyncio.to_thread(_read_table)

    def of(self, vendor: str, model: str, address: str = "") -> Price | None:
        """The price of a model now; None where nobody knows it.

        `address` is where its server is, unless that is the vendor's own.
        """
        return self.listing(vendor, model, address).price

    def listing(self, vendor: str, model: str, address: str = "") -> Listing:
        """What is known of a model now, as far as the table was read."""
        key = (vendor, model, address)
        known = self._listings.get(key)
        if known is not None and (known.until is None or self._clock() < known.until):
            return known
        listing = self._looked_up(vendor, model, address)
        if self._table is not None:
            self._listings[key] = listing
        return listing

    def _looked_up(self, vendor: str, model: str, address: str) -> Listing:
        listing = self._listed(vendor, model, address)
        match self._models.card(vendor, model).price:
            case DeclaredPrice() as declared:
                if declared.local and not _is_here(address):
                    return listing
                return listing._replace(price=_declared(declared))
            case "unknown":
                return listing._replace(price=None)
            case None:
                return listing

    def _listed(self, vendor: str, model: str, address: str) -> Listing:
        """What the table says of a model: of the vendor of that name, or of who is at that address."""
        if self._table is None or not model:
            return Listing()
        known_as = self._models.vendor_of(vendor)
        for provider in self._table.providers:
            if re.match(provider.api_pattern, address) if address else provider.id == known_as:
                found = provider.find_model(model, all_providers=self._table.providers)
                return Listing() if found is None else self._read(found)
        return Listing()

    def _read(self, found: ModelInfo) -> Listing:
        now = self._clock()
        price = _price(found.get_prices(datetime.fromtimestamp(now, UTC)))
        dated = isinstance(found.prices, list)
        return Listing(price, found.context_window, now + _DATED_SECONDS if dated else None)


def _read_table() -> DataSnapshot:
    from genai_prices import data_snapshot

    return data_snapshot.get_snapshot()


def _price(listed: ModelPrice) -> Price | None:
    """A price of the table as ours; None where it is not of tokens in and tokens out alone."""
    if listed.requests_kcount or listed.output_reasoning_mtok:
        return None
    read, said = _steps(listed.input_mtok), _steps(listed.output_mtok)
    cached, written = _steps(listed.cache_read_mtok), _steps(listed.cache_write_mtok)
    if not (read and said):
        return None
    prices = [
        (
            start,
            Price(
                _above(start, read),
                _above(start, said),
                _above(start, cached) if cached else None,
                _above(start, written) if written else None,
            ),
        )
        for start in sorted({start for steps in (read, said, cached, written) for start, _ in steps})
    ]
    return replace(prices[0][1], above=tuple(prices[1:]))


def _steps(rate: Decimal | TieredPrices | None) -> list[tuple[int, float]]:
    """What a rate is in dollars a token, and above how long a prompt, ascending; empty if there is none."""
    from genai_prices.types import TieredPrices

    if rate is None:
        return []
    if not isinstance(rate, TieredPrices):
        return [(-1, float(rate) / _MILLION)]
    return [
        (-1, float(rate.base) / _MILLION),
        *((tier.start, float(tier.price) / _MILLION) for tier in rate.tiers),
    ]


def _above(start: int, steps: list[tuple[int, float]]) -> float:
    """What a rate is for prompts just longer than `start`."""
    return [rate for begins, rate in steps if begins <= start][-1]


def _declared(price: DeclaredPrice) -> Price:
    """A declared price as ours."""
    cached, written = price.cached, price.cache_write
    return Price(
        price.input / _MILLION,
        price.output / _MILLION,
        None if cached is None else cached / _MILLION,
        None if written is None else written / _MILLION,
    )


def _is_here(address: str) -> bool:
    """Whether an address is of this machine; a vendor whose own servers are here has none."""
    host = urlsplit(address).hostname or ""
    try:
        return not address or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
