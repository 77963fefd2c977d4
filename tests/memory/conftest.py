"""What the tests of memory share: a folder of documents, places where Chroma is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.memory.chroma_places import chroma_folder, chroma_place, chroma_server

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["chroma_folder", "chroma_place", "chroma_server"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "rivers.md").write_text(
        "# Rivers\n\nThe Danube ends in the Black Sea.\n\n## Length\n\nIt is long.\n"
    )
    (folder / "deep" / "cats.txt").write_text("Cats sleep for most of the day. They hunt at night.")
    (folder / "deep" / "tool.py").write_text("def rotate(key):\n    return key[::-1]\n")
    return folder
