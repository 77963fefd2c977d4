"""The models of a simulated world as providers, and its prices as a group learns of them."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from atlas_mcp import errors
from atlas_mcp.chunks import Stopped, TextDelta, Usage
from atlas_mcp.providers.capabilities import Capabilities, Capability
from atlas_mcp.providers.known.prices import Listing, Prices
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms
from benchmarks.simulated_world import FAILURES, KINDS, LENGTHS, WAITS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt
    from benchmarks.simulated_world import Nature, World

__all__ = ["Books", "KnownPrices", "SimulatedModel"]

_ERRORS = {"refused": errors.Overloaded, "silent": errors.ProviderTimeout, "broken": errors.StreamBroken}
_KINDS = {kind.task: kind for kind in KINDS}


class Books:
    """What became of each request in truth, whatever anybody knows of it, by its number."""

    def __init__(self) -> None:
        self.dollars: defaultdict[int, float] = defaultdict(float)
        self.quality: dict[int, float] = {}
        self.tries: Counter[tuple[int, str]] = Counter()


class KnownPrices(Prices):
    """The world's prices, as far as they are known now."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._loop = asyncio.get_running_loop()

    async def ready(self, vendor: str = "", model: str = "") -> None:
        """They always are."""

    def listing(self, vendor: str, model: str, address: str = "") -> Listing:  # noqa: ARG002 - as of `Prices`
        """What is known of a model now."""
        return Listing(self._world.known_price(model, self._loop.time()))


class SimulatedModel:
    """A model of a world; `prompt.about` is the number of the request."""

    def __init__(self, world: World, nature: Nature, books: Books) -> None:
        self.nature = nature
        self._world = world
        self._books = books
        self._at_once = 0
        strengths = {Capability(task): strength for task, strength in nature.declared.items()}
        self.info = ProviderInfo(
            f"simulated:{nature.name}", "simulated", nature.name, capabilities=Capabilities(strengths)
        )

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:  # noqa: ARG002 - as of `Provider`
        """An answer, or a failure."""
        meter = Meter(prompt)
        return Stream(self._counted(prompt, meter), meter=meter)

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _counted(self, prompt: Prompt, meter: Meter) -> AsyncGenerator[Chunk, None]:
        self._at_once += 1
        try:
            async for chunk in self._chunks(prompt, meter):
                yield chunk
        finally:
            self._at_once -= 1

    async def _chunks(self, prompt: Prompt, meter: Meter) -> AsyncGenerator[Chunk, None]:
        world, nature, books = self._world, self.nature, self._books
        number, kind, at = int(prompt.about), _KINDS[prompt.kind_of_task], asyncio.get_running_loop().time()
        books.tries[number, nature.name] += 1
        chance = world.chance(number, nature.name, books.tries[number, nature.name])
        fails = chance.random() < world.fails(nature, at)
        way = chance.choices(list(FAILURES), [share for share, _ in FAILURES.values()])[0]
        slowness = world.slowness(nature, at) * (1.0 + nature.crowded * (self._at_once - 1))
        first_token = nature.first_token * slowness * chance.lognormvariate(0.0, WAITS)
        tokens = round(kind.answer_tokens * nature.verbose * chance.lognormvariate(0.0, LENGTHS))
        quality = world.quality(nature, at, kind.task) + chance.gauss(0.0, 0.4)
        if fails and way != "broken":
            await asyncio.sleep(FAILURES[way][1])
            raise _ERRORS[way](f"{nature.name} failed.", remedy="Wait.")
        await asyncio.sleep(first_token)
        meter.began = True
        yield TextDelta(meter.hear("It is so: "))
        tokens = tokens // 3 if fails else tokens
        await asyncio.sleep(tokens / nature.speed * slowness)
        yield TextDelta(meter.hear("word" * tokens))
        usage = meter.report(Usage(kind.prompt_tokens, tokens, cost_usd=None, calls=1))
        books.dollars[number] += world.price(nature, at).cost(usage)
        yield usage
        if fails:
            raise _ERRORS[way](f"{nature.name} broke off.", remedy="Wait.")
        books.quality[number] = min(5.0, max(0.0, quality))
        yield Stopped("end", nature.name, nature.name)
