"""A project's own data counts once a person trusts it as it is, and not a byte longer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidInput
from atlas_mcp.settings import Settings
from atlas_mcp.trust import catalogue_of, distrust, project_of, trust, trusted

if TYPE_CHECKING:
    from pathlib import Path

POSIX = pytest.mark.skipif(os.name == "nt", reason="links as POSIX has them")


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


@POSIX
@pytest.mark.parametrize("where", ["servers/s.toml", "teams/linked", "teams/mine/card.md", "clients"])
def test_a_folder_with_a_link_in_it_is_never_trusted_and_the_link_is_named(
    settings: Settings, project: Path, where: str
) -> None:
    outside = project / "conf"
    outside.mkdir()
    link = project / ".atlas" / where
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(InvalidInput, match=f"{where} is a link"):
        trust(settings, project)
    assert "lab" not in servers(settings)
    assert f"cannot be trusted: {where} is a link" in why_off(settings)


@POSIX
def test_what_a_link_leads_to_cannot_be_changed_into_what_is_run_behind_the_trust(
    settings: Settings, project: Path
) -> None:
    trust(settings, project)
    held = project / ".atlas" / "servers" / "lab.toml"
    held.rename(project / "lab.toml")
    held.symlink_to(project / "lab.toml")
    assert "lab" not in servers(settings), "its content is as it was, but need not stay so"
    held.unlink()
    (project / "lab.toml").rename(held)
    assert "lab" in servers(settings)


@POSIX
def test_a_folder_that_is_a_link_itself_is_never_trusted(settings: Settings, project: Path) -> None:
    trust(settings, project)
    (project / ".atlas").rename(project / "elsewhere")
    (project / ".atlas").symlink_to(project / "elsewhere")
    assert ".atlas is a link" in why_off(settings)
    assert "lab" not in servers(settings)


@POSIX
def test_what_is_no_plain_file_is_refused_and_never_read(settings: Settings, project: Path) -> None:
    os.mkfifo(project / ".atlas" / "servers" / "endless.toml")
    with pytest.raises(InvalidInput, match=r"servers/endless\.toml is no plain file"):
        trust(settings, project)


def test_a_damaged_record_of_trust_trusts_nobody(settings: Settings, project: Path) -> None:
    trust(settings, project)
    (settings.home / "trusted.json").write_text("{", "utf-8")
    assert "lab" not in servers(settings)
