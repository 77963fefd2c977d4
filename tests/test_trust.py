"""A project's own data counts once a person trusts it as it is, and not a byte longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput
from atlas_mcp.settings import Settings
from atlas_mcp.trust import catalogue_of, distrust, project_of, trust, trusted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / ".atlas" / "servers"
    folder.mkdir(parents=True)
    (folder / "lab.toml").write_text('description = "A lab."\ncommand = "lab"\n', "utf-8")
    return tmp_path / "project"


@pytest.fixture
def settings(home: Path, project: Path) -> Settings:
    return Settings(home=home, project=project)


def servers(settings: Settings) -> set[str]:
    return set(catalogue_of(settings).entries("servers", "*.toml"))


def why_off(settings: Settings) -> str:
    project = project_of(settings)
    assert project is not None
    return project.why_off


def test_a_project_counts_only_while_it_is_as_it_was_trusted(settings: Settings, project: Path) -> None:
    file = project / ".atlas" / "servers" / "lab.toml"
    before = file.read_text("utf-8")
    assert "lab" not in servers(settings)
    assert "is not trusted" in why_off(settings)
    assert trust(settings, project).trusted
    assert "lab" in servers(settings)
    assert why_off(settings) == ""
    file.write_text(before + "# more\n", "utf-8")
    assert "lab" not in servers(settings)
    assert "changed since it was trusted" in why_off(settings)
    file.write_text(before, "utf-8")
    assert "lab" in servers(settings)


@pytest.mark.parametrize("where", ["servers/new.toml", "teams/mine/team.toml", "clients/mine.toml"])
def test_a_file_more_of_any_kind_is_another_project(settings: Settings, project: Path, where: str) -> None:
    trust(settings, project)
    file = project / ".atlas" / where
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("", "utf-8")
    assert "changed" in why_off(settings)


def test_what_is_no_data_of_ours_does_not_matter(settings: Settings, project: Path) -> None:
    trust(settings, project)
    (project / ".atlas" / "notes.txt").write_text("…", "utf-8")
    (project / "main.py").write_text("…", "utf-8")
    assert why_off(settings) == ""


def test_a_project_that_is_trusted_counts_only_where_it_is_named(settings: Settings, project: Path) -> None:
    trust(settings, project)
    assert "lab" not in servers(Settings(home=settings.home))


def test_trusted_projects_are_listed_and_can_be_trusted_no_more(settings: Settings, project: Path) -> None:
    assert trusted(settings) == []
    trust(settings, project)
    assert trusted(settings) == [project]
    assert distrust(settings, project)
    assert not distrust(settings, project)
    assert trusted(settings) == []
    assert "is not trusted" in why_off(settings)


def test_a_folder_with_nothing_in_it_is_not_trusted(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no teams"):
        trust(settings, tmp_path)


def test_a_damaged_record_of_trust_trusts_nobody(settings: Settings, project: Path) -> None:
    trust(settings, project)
    (settings.home / "trusted.json").write_text("{", "utf-8")
    assert "lab" not in servers(settings)
