"""Vectors where they can be had: what is down, or refuses us, is done without, and words alone decide."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from atlas_mcp.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.text.embedding import Embedder
    from atlas_mcp.text.ranking import FloatArray

__all__ = ["vector_of", "vectors_of"]

_logger = logging.getLogger(__name__)


async def vectors_of(embedder: Embedder | None, texts: Sequence[str]) -> FloatArray | None:
    """The vectors of texts, a row each; None without an embedder, or where its server gives none now."""
    if embedder is None or not texts:
        return None
    try:
        return await embedder.embed(texts)
    except ProviderError as error:
        _logger.warning("no vectors of %d texts, words alone decide: %s", len(texts), error.message)
        return None


async def vector_of(embedder: Embedder | None, text: str) -> FloatArray | None:
    """The vector of one text; None as `vectors_of` says."""
    vectors = await vectors_of(embedder, [text])
    return None if vectors is None else vectors[0]
