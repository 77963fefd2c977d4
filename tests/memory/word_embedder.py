"""An embedder without weights: texts that share words lie close."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt


class WordEmbedder:
    """Vectors of hashed words: texts that share words lie close. It may be told when to stop."""

    def __init__(self, name: str = "words", stop_after: int | None = None) -> None:
        self.name = name
        self.dimensions = 64
        self.embedded = 0
        self.stop_after = stop_after

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        if self.stop_after is not None and self.embedded >= self.stop_after:
            raise asyncio.CancelledError
        self.embedded += len(texts)
        if on_progress is not None:
            on_progress(len(texts), len(texts))
        vectors = np.full((len(texts), self.dimensions), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for stem in stems(text):
                vectors[row, zlib.crc32(stem.encode()) % self.dimensions] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
