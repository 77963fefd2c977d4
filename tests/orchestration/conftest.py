"""A research team at work on a scripted provider and a folder of two short documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from atlas_mcp.app import Atlas, open_atlas
from atlas_mcp.settings import MemorySettings, ModelSettings, RunSettings, Settings

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from atlas_mcp.providers.provider import Provider

TIDES = """# Tides

The moon raises two tides a day.
Spring tides come at new moon and at full moon, when sun and moon pull together.
Neap tides come at the quarters. The Bay of Fundy has a range of 16 metres.
"""
HARBOURS = """# Harbours

A harbour master must publish the tide table every month.
Ships with a draught above 9 metres wait for high water.
"""


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "tides.md").write_text(TIDES, "utf-8")
    (folder / "harbours.md").write_text(HARBOURS, "utf-8")
    return folder


class OpenAtlas(Protocol):
    def __call__(
        self, script: str = "", *, provider: Provider | None = None, resume: bool = False, at_once: int = 8
    ) -> AbstractAsyncContextManager[Atlas]: ...


@pytest.fixture
def atlas_with(home: Path, documents: Path) -> OpenAtlas:
    """Opens an Atlas whose provider says what a script tells it to."""

    def opened(
        script: str = "", *, provider: Provider | None = None, resume: bool = False, at_once: int = 8
    ) -> AbstractAsyncContextManager[Atlas]:
        home.mkdir(exist_ok=True)
        path = home / "script.toml"
        path.write_text(script, "utf-8")
        settings = Settings(
            home=home,
            models=ModelSettings(default=f"scripted:{path}"),
            memory=MemorySettings(embeddings=False),
            runs=RunSettings(at_once=at_once),
        )
        return open_atlas(settings, roots=[documents], provider=provider, resume=resume)

    return opened
