"""Sentence vectors of a provider's model: texts leave the machine, and only since a person named that model.

Texts go in batches, a few at once. A single one, which is mostly a question that somebody waits for, is asked
for once and not for long, so that words alone can answer it where the server is down. What tokens it takes
counts against no budget of a run or a day.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, cast

import numpy as np

from atlas_mcp import errors
from atlas_mcp.errors import InvalidConfiguration, ProviderError
from atlas_mcp.providers.retry import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from atlas_mcp.providers.registry import Registry
    from atlas_mcp.providers.vendor import VendorProvider
    from atlas_mcp.settings import Settings
    from atlas_mcp.text.embedding import Embedder

__all__ = [
    "LENGTHS", "ProviderEmbedder", "configured_embedder", "embedder_alone", "measured_length", "registry_of",
]  # fmt: skip

BATCH_TEXTS = 256
BATCH_CHARACTERS = 100_000
TEXT_CHARACTERS = 6_000
"""What lies past that of a text is not seen: OpenAI refuses what is longer than 8,192 tokens."""
AT_ONCE = 4
BATCH_SECONDS = 60.0
QUESTION_SECONDS = 20.0
"""How long a single text may take; a server of one's own may have to load the model first."""
REST_SECONDS = 30.0
"""How long single texts are not asked for after the server did not answer, lest each question wait anew."""
LONGEST_WAIT = 60.0

LENGTHS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1024,
    "all-minilm": 384,
    "bge-m3": 1024,
    "embeddinggemma": 768,
}
"""How long the vectors of common models are; of others it is asked once, and kept."""
_KEPT_IN = "embeddings.json"
_SILENCE = (errors.ConnectionFailed, errors.ProviderTimeout)


class ProviderEmbedder:
    """Vectors by a provider's model, as the Protocol `Embedder` says; `name` is `vendor:model`.

    Who opened the provider closes it. Of failures, those that pass are waited out as `retry` says.
    """

    portion = AT_ONCE * BATCH_TEXTS

    def __init__(self, source: VendorProvider, dimensions: int, *, retry: Retry | None = None) -> None:
        self.name = source.info.name
        self.dimensions = dimensions
        self._source = source
        self._retry = retry or Retry()
        self._chance = Random()  # noqa: S311 - waits, not secrets
        self._places = asyncio.Semaphore(AT_ONCE)
        self._rests_until = 0.0

    async def embed(
        self, texts: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, as the Protocol says.

        :raises ProviderError: the server is down, refuses, or gives no such vectors, as its class says.
        """
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        done = 0

        async def fill(start: int, batch: list[str]) -> None:
            nonlocal done
            async with self._places:
                vectors[start : start + len(batch)] = await self._asked(batch, alone=len(texts) == 1)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(texts))

        filling = [asyncio.ensure_future(fill(start, batch)) for start, batch in _batches(texts)]
        try:
            await asyncio.gather(*filling)
        finally:
            for each in filling:
                each.cancel()
        return vectors

    async def _asked(self, batch: list[str], *, alone: bool) -> npt.NDArray[np.float32]:
        """The vectors of a batch; unless it is one text `alone`, again where a failure allows that."""
        if alone and monotonic() < self._rests_until:
            raise errors.Unavailable(
                f"{self.name} did not answer a moment ago, and is left alone for {REST_SECONDS:.0f} s.",
                remedy="Run `atlas-mcp doctor` to see why.",
            )
        tries = 0
        while True:
            tries += 1
            try:
                rows = await self._source.embed(batch, seconds=QUESTION_SECONDS if alone else BATCH_SECONDS)
                break
            except ProviderError as error:
                if isinstance(error, _SILENCE):
                    self._rests_until = monotonic() + REST_SECONDS
                wait = None if alone else self._retry.wait(error, tries, self._chance)
                if wait is None or wait > LONGEST_WAIT:
                    raise
                await asyncio.sleep(wait)
        self._rests_until = 0.0
        return _unit_vectors(rows, len(batch), self.dimensions, self.name)


def _batches(texts: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The texts as they are sent, cut to size, with the place where each batch begins."""
    batches: list[tuple[int, list[str]]] = []
    room = 0
    for at, text in enumerate(texts):
        sent = text[:TEXT_CHARACTERS] or " "  # an empty text is refused
        if not batches or room < len(sent) or len(batches[-1][1]) == BATCH_TEXTS:
            batches.append((at, []))
            room = BATCH_CHARACTERS
        batches[-1][1].append(sent)
        room -= len(sent)
    return batches


def _unit_vectors(
    rows: Sequence[Sequence[float]], count: int, length: int | None, name: str
) -> npt.NDArray[np.float32]:
    """What a server gave as vectors of length 1.

    :raises MalformedResponse: they are not as many, not as long (None: of any length), or no vectors at all.
    """
    try:
        vectors: npt.NDArray[np.float64] = np.asarray(rows, np.float64)
    except (TypeError, ValueError):  # of different lengths, or no numbers
        vectors = np.asarray([], np.float64)
    if vectors.ndim != 2 or len(vectors) != count:  # noqa: PLR2004 - rows of numbers
        raise errors.MalformedResponse(
            f"{name} did not give a vector for each of {count} texts.",
            remedy="Name a model that embeds texts.",
        )
    if length is not None and vectors.shape[1] != length:
        raise errors.MalformedResponse(
            f"{name} gave vectors of {vectors.shape[1]} numbers, where its model has {length}.",
            remedy="Give that server its model back, or name the other one in [memory] embeddings.",
        )
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and norms.all()):
        raise errors.MalformedResponse(
            f"{name} gave vectors without a direction.", remedy="Name another model."
        )
    return (vectors / norms).astype(np.float32)


async def configured_embedder(settings: Settings, registry: Registry) -> Embedder | None:
    """The embedder that `[memory] embeddings` wishes for; None where there is none, and words alone find.

    :raises InvalidConfiguration: the model that it names cannot be used as it is configured, or how long its
        vectors are is not known and cannot be asked now.
    """
    from atlas_mcp.text.embedding import find_embedder

    wished = settings.memory.embeddings
    if isinstance(wished, bool):
        return await asyncio.to_thread(find_embedder, settings.home) if wished else None
    source = await asyncio.to_thread(registry.embedding, wished)
    return ProviderEmbedder(source, await _length(source, settings.home / _KEPT_IN))


@asynccontextmanager
async def embedder_alone(settings: Settings) -> AsyncGenerator[Embedder | None]:
    """The embedder that is configured, where no `Atlas` is open; raises what `configured_embedder` does."""
    registry = await asyncio.to_thread(registry_of, settings)
    try:
        yield await configured_embedder(settings, registry)
    finally:
        await registry.aclose()


def registry_of(settings: Settings) -> Registry:
    """The providers of the settings, for their vectors alone; the caller closes it."""
    from atlas_mcp.providers.registry import Registry

    return Registry(providers=settings.provider, aiohttp=settings.models.transport == "aiohttp")


async def measured_length(source: VendorProvider) -> int:
    """How long a model's vectors are, found out by embedding one word.

    :raises ProviderError: the server is down, refuses, or gives no vectors.
    """
    rows = await source.embed(["word"], seconds=QUESTION_SECONDS)
    return _unit_vectors(rows, 1, None, source.info.name).shape[1]


async def _length(source: VendorProvider, file: Path) -> int:
    """How long a model's vectors are: known, kept of an earlier time, or asked by one word."""
    name = source.info.name
    if known := LENGTHS.get(source.info.model.partition(":")[0]):
        return known
    kept = await asyncio.to_thread(_read, file)
    if name in kept:
        return kept[name]
    try:
        length = await measured_length(source)
    except ProviderError as error:
        raise InvalidConfiguration(
            f"How long the vectors of {name} are is not known yet, and cannot be asked: {error.message}",
            remedy=f"{error.remedy} Until then set [memory] embeddings = false.".lstrip(),
        ) from None
    await asyncio.to_thread(_write, file, {**kept, name: length})
    return length


def _read(file: Path) -> dict[str, int]:
    """What is kept; nothing where it cannot be read, as it can be asked again."""
    try:
        said: object = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    kept = cast("dict[str, object]", said) if isinstance(said, dict) else {}
    return {name: length for name, length in kept.items() if isinstance(length, int) and length > 0}


def _write(file: Path, kept: dict[str, int]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = file.with_suffix(".new")
    made.write_text(json.dumps(kept, indent=2), "utf-8")
    made.replace(file)
