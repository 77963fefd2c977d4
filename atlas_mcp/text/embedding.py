"""Sentence vectors: the noun `Embedder`, and the one that works on this machine when its weights are there.

Importing this module loads no runtime and no weights; the first call of `embed` does, in a worker thread.
It does not know what the vectors are for or where they are kept.
"""

from __future__ import annotations

import asyncio
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

from atlas_mcp.errors import MissingExtra
from atlas_mcp.text.weights import install_weights, tokenizer_path, verify_weights, weights_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from atlas_mcp.text.minilm import Batch, MiniLM

    FloatArray: TypeAlias = npt.NDArray[np.float32]

__all__ = ["Embedder", "LocalEmbedder", "find_embedder", "install_weights", "weights_path"]


class Embedder(Protocol):
    """Turns texts into vectors; `name` is recorded with them, as two models' vectors cannot be compared."""

    @property
    def name(self) -> str:
        """The model's id."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of every vector."""
        ...

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        """Unit vectors of `texts`, in their order, `len(texts)` x `dimensions`, float32.

        `on_progress` is told how many of how many are done, as they are done.
        """
        ...


class LocalEmbedder:
    """all-MiniLM-L6-v2 by onnxruntime in worker threads; what lies past 256 tokens of a text is not seen."""

    name = "all-MiniLM-L6-v2"
    dimensions = 384

    def __init__(self, home: Path | None, weights: Path) -> None:
        self._home = home
        self._weights = weights
        self._model: MiniLM | None = None
        self._loading = threading.Lock()

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        """Unit vectors, as the Protocol says; cancelling takes effect between batches.

        :raises InvalidConfiguration: the weights are not the published ones.
        :raises MissingExtra: onnxruntime or tokenizers cannot be loaded on this machine.
        """
        model, batches = await asyncio.to_thread(self._prepare, list(texts))
        import numpy as np

        vectors = np.empty((len(texts), self.dimensions), np.float32)
        done = 0
        for batch in batches:
            vectors[batch.where] = await asyncio.to_thread(model.run, batch)
            done += len(batch.where)
            if on_progress is not None:
                on_progress(done, len(texts))
        return vectors

    def _prepare(self, texts: list[str]) -> tuple[MiniLM, list[Batch]]:
        with self._loading:
            if self._model is None:
                verify_weights(self._weights, self._home)
                self._model = _load(self._weights)
        return self._model, list(self._model.batches(texts))


def _load(weights: Path) -> MiniLM:
    try:
        from atlas_mcp.text.minilm import MiniLM

        return MiniLM(weights, tokenizer_path(weights))
    except ImportError as error:
        raise MissingExtra(
            f"The embedding runtime cannot be loaded on this machine: {error}.",
            remedy="Install ATLAS anew, or set `embeddings = false` in the [memory] table of atlas.toml.",
        ) from error


def find_embedder(home: Path | None = None) -> Embedder | None:
    """The embedder of this machine, or None where there are no weights; cheap, as nothing is loaded.

    `home` is the data folder, by default the one `ATLAS_HOME` names.
    """
    weights = weights_path(home)
    return None if weights is None else _shared(home, weights)


@lru_cache(maxsize=1)
def _shared(home: Path | None, weights: Path) -> LocalEmbedder:
    """One model for all in the process who ask for the same."""
    return LocalEmbedder(home, weights)
