"""Providers by name."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.registry import default_provider_name, known_vendors, open_provider

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "extractive"),
        ({"OPENAI_API_KEY": ""}, "extractive"),
        ({"OPENAI_API_KEY": "k"}, "openai"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "openai"),
    ],
)
def test_the_default_is_a_model_where_one_is_configured(environ: dict[str, str], name: str) -> None:
    assert default_provider_name(environ) == name


def test_a_vendor_and_its_model_are_opened_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert open_provider("openai:gpt-6-luna").info.name == "openai:gpt-6-luna"
    assert open_provider("openai").info.name == "openai:gpt-5.4-mini"
    script = tmp_path / "a:b.toml" if sys.platform != "win32" else tmp_path / "ab.toml"
    script.write_text("", "utf-8")
    assert open_provider(f"scripted:{script}").info.model == script.name


@pytest.mark.parametrize("name", ["", "nobody", "nobody:model", ":model", "OpenAI"])
def test_an_unknown_vendor_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidConfiguration, match="extractive, openai, scripted") as caught:
        open_provider(name)
    assert repr(name) in caught.value.message


def test_the_shipped_vendors_are_known_without_being_installed() -> None:
    assert {"extractive", "openai", "scripted"} <= set(known_vendors())


def test_a_third_party_adds_a_vendor_by_an_entry_point(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "acme_models.py").write_text(
        "from atlas_mcp.providers.scripted import Script, ScriptedProvider\n"
        "def open_provider(model=''):\n    return ScriptedProvider(Script(model))\n",
        "utf-8",
    )
    dist = tmp_path / "acme_models-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-models\nVersion: 1.0\n", "utf-8")
    points = "[atlas_mcp.providers]\nacme = acme_models:open_provider\nopenai = acme_models:open_provider\n"
    (dist / "entry_points.txt").write_text(points, "utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "acme" in known_vendors()
    assert open_provider("acme:big").info.model == "big"
    with pytest.raises(InvalidConfiguration, match="OPENAI_API_KEY"):
        open_provider("openai")


def test_nothing_of_a_vendor_is_imported_with_the_registry() -> None:
    script = "import sys, atlas_mcp.providers.registry; print([m for m in sys.modules if 'openai' in m])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
