"""The examples in TypeScript work as shown, with no key."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers.place import PACKAGES, QUESTION, ROOT, run_node

if TYPE_CHECKING:
    from tests.peers.place import Place

pytestmark = pytest.mark.peer

EXAMPLES = ROOT / "examples" / "typescript"


def test_research_prints_what_is_done_and_then_the_brief(place: Place, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(PACKAGES, target_is_directory=True)
    shutil.copy2(EXAMPLES / "research.mjs", tmp_path)
    environment = place.environment
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment.pop("HOME")
    done = run_node(str(tmp_path / "research.mjs"), QUESTION, place.documents, folder=tmp_path, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"# {QUESTION}")
    assert "compose: writing from what was found" in done.stderr


def test_every_example_is_run_here() -> None:
    assert [path.name for path in EXAMPLES.glob("*.mjs")] == ["research.mjs"]
