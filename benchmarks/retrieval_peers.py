"""What ATLAS' search is measured beside: Chroma with MiniLM, BM25, and both fused with neighbours in view.

Each takes texts in reading order and queries, as words or as vectors, and gives the places of the best.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from atlas_mcp.text.words import word_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.text.ranking import FloatArray

__all__ = ["MOST", "bm25", "chroma", "cosine", "fused"]

MOST = 50
SMALL = word_set("""
    a an the is are was were be been do does did has have had what when where who whom which why how
    to of in on at for with and or not from by about as it its this that these those i you he she
    they we his her their my your our me him them us if so than then there here will would can could
    should may might s t
""")
NEIGHBOUR = 0.35
SMOOTH = 0.25
WEIGHED = "SELECT rowid, -bm25(row, 1, :near, :near) FROM row WHERE row MATCH :match"


def cosine(vectors: FloatArray, queries: FloatArray) -> list[list[int]]:
    """The nearest by exact cosine."""
    return [np.argsort(-row)[:MOST].tolist() for row in queries @ vectors.T]


def chroma(vectors: FloatArray, queries: FloatArray) -> list[list[int]] | None:
    """The nearest by Chroma's own index, as it is set by default; None where Chroma is not installed."""
    try:
        import chromadb
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        client = chromadb.PersistentClient(folder)
        kept = client.create_collection(
            "turns", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        kept.add(ids=[str(place) for place in range(len(vectors))], embeddings=list(vectors))
        found = kept.query(query_embeddings=list(queries), n_results=min(MOST, len(vectors)), include=[])
        return [[int(place) for place in row] for row in found["ids"]]


def bm25(texts: Sequence[str], queries: Sequence[str]) -> list[list[int]]:
    """SQLite's BM25 over stemmed words, small words left out."""
    scores = _scores([(text, "", "") for text in texts], queries)
    best = [np.argsort(-row, kind="stable")[:MOST].tolist() for row in scores]
    return [[place for place in places if row[place]] for places, row in zip(best, scores, strict=True)]


def fused(
    texts: Sequence[str], bare: Sequence[str], queries: Sequence[str], vectors: FloatArray, asked: FloatArray
) -> list[list[int]]:
    """Half BM25 that sees the neighbours' words (`bare`) too, half cosines of vectors mixed with theirs."""
    around = ["", *bare, ""]
    lexical = _scores(list(zip(texts, around, around[2:], strict=False)), queries)
    mixed = vectors.copy()
    mixed[1:] += SMOOTH * vectors[:-1]
    mixed[:-1] += SMOOTH * vectors[1:]
    dense = asked @ (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).T
    low, high = dense.min(1, keepdims=True), dense.max(1, keepdims=True)
    most = np.maximum(lexical.max(1, keepdims=True), 1e-9)
    both = 0.5 * (dense - low) / np.maximum(high - low, 1e-9) + 0.5 * lexical / most
    return [np.argsort(-row, kind="stable")[:MOST].tolist() for row in both]


def _scores(rows: Sequence[tuple[str, str, str]], queries: Sequence[str]) -> FloatArray:
    """BM25 of each row (text, text before, text behind) for each query."""
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE row USING fts5 (body, before, behind, tokenize = 'porter')")
    index.executemany(
        "INSERT INTO row (rowid, body, before, behind) VALUES (?, ?, ?, ?)",
        ((place, *row) for place, row in enumerate(rows)),
    )
    scores = np.zeros((len(queries), len(rows)), np.float32)
    for number, query in enumerate(queries):
        every = re.findall(r"\w+", query.lower())
        match = " OR ".join(f'"{word}"' for word in [word for word in every if word not in SMALL] or every)
        for place, score in index.execute(WEIGHED, {"match": match, "near": NEIGHBOUR}):
            scores[number, place] = score
    index.close()
    return scores
