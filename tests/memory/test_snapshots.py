"""Snapshots are what was read, character for character, or they are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput
from atlas_mcp.memory.snapshots import Snapshots

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Tides.\r\nThe se\u0301a is salt.\n"


def test_a_text_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path / "sources")
    assert kept.get(kept.put(TEXT)) == TEXT


def test_one_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path)
    name = kept.put(TEXT)
    (tmp_path / name).write_bytes(b"")
    assert kept.get(kept.put(TEXT)) == TEXT
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("changed", [TEXT.replace("salt", "tart").encode(), b"", b"\xff"])
def test_one_that_was_changed_is_none(tmp_path: Path, changed: bytes) -> None:
    kept = Snapshots(tmp_path)
    name = kept.put(TEXT)
    (tmp_path / name).write_bytes(changed)
    with pytest.raises(InvalidInput, match="no snapshot"):
        kept.get(name)


@pytest.mark.parametrize("name", ["0" * 64, "../memory.db", "", "0" * 63 + "/"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="no snapshot"):
        Snapshots(tmp_path).get(name)
