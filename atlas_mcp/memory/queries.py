"""An embedder that is measured, and gives the vector of a query that was asked lately without asking again.

One recall embeds the same question for each kind of memory, and the next worker often asks it once more.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING

from atlas_mcp.memory.metering import EMBEDDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_mcp.memory.metering import Meter
    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["MeteredEmbedder"]

KEPT = 256
"""Vectors of single texts that are kept."""


class MeteredEmbedder:
    """An `Embedder` over another; of a text it keeps a digest, so that no words outlive forgetting."""

    def __init__(self, embedder: Embedder, meter: Meter) -> None:
        self._embedder = embedder
        self._meter = meter
        self._known: OrderedDict[bytes, FloatArray] = OrderedDict()
        portion: int | None = getattr(embedder, "portion", None)
        if portion is not None:
            # How many texts one that is asked over the network takes at once.
            self.portion = portion

    @property
    def name(self) -> str:
        """The model's id."""
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        """The length of every vector."""
        return self._embedder.dimensions

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        """Unit vectors, as the Protocol says; those of a single text may be known."""
        with self._meter.measured("embed", EMBEDDER) as operation:
            operation.items = len(texts)
            if len(texts) != 1:
                return await self._embedder.embed(texts, on_progress=on_progress)
            key = blake2b(texts[0].encode("utf-8", "surrogatepass"), digest_size=16).digest()
            known = self._known.get(key)
            if known is None:
                known = await self._embedder.embed(texts, on_progress=on_progress)
                self._known[key] = known
                if len(self._known) > KEPT:
                    self._known.popitem(last=False)
            else:
                operation.hits = 1
                self._known.move_to_end(key)
                if on_progress is not None:
                    on_progress(1, 1)
            # A copy, since it is the caller's to change.
            return known.copy()
