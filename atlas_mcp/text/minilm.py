"""all-MiniLM-L6-v2 on this machine: our graph, its published weights, onnxruntime, no torch and no network.

The graph beside this file holds no weights. They are read from the published `model.safetensors`, quantised
here (three of four matrices a layer, per output channel, symmetric) and handed to the runtime. This module
knows tensors and files; it does not know where a person keeps them or what the vectors are for.

Source: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0; mean pooling, unit length, 256 tokens at most.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

__all__ = [
    "DIMENSIONS",
    "GRAPH",
    "LAYERS",
    "TOKENS",
    "VOCABULARY",
    "Batch",
    "MiniLM",
    "graph_tensors",
    "read_safetensors",
]

GRAPH = Path(__file__).with_name("minilm.onnx")
DIMENSIONS = 384
LAYERS = 6
TOKENS = 256
VOCABULARY = 30_522
BATCH_TEXTS = 32
BATCH_TOKENS = 2_048

# 7 bits, not 8: x86 processors without VNNI add two products in 16 bits, which full-range weights overflow.
LARGEST = 63


class Batch(NamedTuple):
    """Texts of like length, tokenised: `where` they stand in the caller's list, ids and mask (n x tokens)."""

    where: list[int]
    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]


class MiniLM:
    """The loaded model; safe to use from several threads at once."""

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        ort: Any = import_module("onnxruntime")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = min(4, os.cpu_count() or 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        tensors = graph_tensors(read_safetensors(weights))
        values = [ort.OrtValue.ortvalue_from_numpy(tensor) for tensor in tensors.values()]
        options.add_external_initializers(list(tensors), values)
        self._session = ort.InferenceSession(str(GRAPH), options, providers=["CPUExecutionProvider"])
        self._tokenizer: Any = import_module("tokenizers").Tokenizer.from_file(str(tokenizer))
        if self._tokenizer.get_vocab_size() != VOCABULARY:
            raise ValueError(f"{tokenizer} has {self._tokenizer.get_vocab_size()} tokens, not {VOCABULARY}")
        self._tokenizer.enable_truncation(max_length=TOKENS)
        self._tokenizer.no_padding()

    def batches(self, texts: Sequence[str]) -> Iterator[Batch]:
        """The texts, tokenised and grouped by length, so that little is spent on padding."""
        tokens: list[list[int]] = [
            encoding.ids for encoding in self._tokenizer.encode_batch([_encodable(text) for text in texts])
        ]
        order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
        while order:
            taken = min(BATCH_TEXTS, len(order))
            while taken > 1 and taken * len(tokens[order[taken - 1]]) > BATCH_TOKENS:
                taken -= 1
            where, order = order[:taken], order[taken:]
            ids = np.zeros((taken, len(tokens[where[-1]])), np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(where):
                ids[row, : len(tokens[index])] = tokens[index]
                mask[row, : len(tokens[index])] = 1
            yield Batch(where, ids, mask)

    def run(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Unit vectors of one batch, n x 384."""
        return self._session.run(None, {"input_ids": batch.ids, "attention_mask": batch.mask})[0]


def _encodable(text: str) -> str:
    """The text without lone surrogates, which no tokenizer takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def read_safetensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Every float32 tensor of a safetensors file, mapped into memory and not copied."""
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (length,) = struct.unpack("<Q", memory[:8])
    header: dict[str, dict[str, Any]] = json.loads(memory[8 : 8 + length])
    tensors: dict[str, npt.NDArray[np.float32]] = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            flat = np.frombuffer(memory, np.float32, (end - start) // 4, 8 + length + start)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def graph_tensors(weights: dict[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[Any]]:
    """Published weights as the graph wants them: layers numbered, projections joined, matrices quantised."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "word": weights["embeddings.word_embeddings.weight"],
        # Every token is of type 0, so that its row is part of the position.
        "position": weights["embeddings.position_embeddings.weight"][:TOKENS]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "norm_gain": weights["embeddings.LayerNorm.weight"],
        "norm_bias": weights["embeddings.LayerNorm.bias"],
    }
    for layer in range(LAYERS):
        of = f"encoder.layer.{layer}."
        projections = [of + f"attention.self.{name}" for name in ("query", "key", "value")]
        matrices = {
            "qkv": np.concatenate([weights[f"{name}.weight"] for name in projections]),
            "out": weights[of + "attention.output.dense.weight"],
            "up": weights[of + "intermediate.dense.weight"],
        }
        for name, matrix in matrices.items():
            tensors[f"{name}{layer}"], tensors[f"{name}{layer}_scale"] = _quantised(matrix)
        tensors[f"down{layer}"] = np.ascontiguousarray(weights[of + "output.dense.weight"].T)
        tensors[f"qkv{layer}_bias"] = np.concatenate([weights[f"{name}.bias"] for name in projections])
        tensors[f"out{layer}_bias"] = weights[of + "attention.output.dense.bias"]
        tensors[f"up{layer}_bias"] = weights[of + "intermediate.dense.bias"]
        tensors[f"down{layer}_bias"] = weights[of + "output.dense.bias"]
        for name, place in (("norm1", "attention.output"), ("norm2", "output")):
            tensors[f"{name}_{layer}_gain"] = weights[of + place + ".LayerNorm.weight"]
            tensors[f"{name}_{layer}_bias"] = weights[of + place + ".LayerNorm.bias"]
    return tensors


def _quantised(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """A (outputs x inputs) matrix as int8 (inputs x outputs), and its scale for each output."""
    scale = np.maximum(np.abs(matrix).max(axis=1), np.float32(1e-12)) / np.float32(LARGEST)
    integers = np.rint(matrix / scale[:, None]).astype(np.int8)
    return np.ascontiguousarray(integers.T), scale.astype(np.float32)
