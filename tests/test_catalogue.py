"""Where data folders are found, and which of two with the same name wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_mcp.catalogue import Catalogue, shipped


def team(folder: Path, name: str) -> Path:
    made = folder / "teams" / name
    made.mkdir(parents=True)
    (made / "team.toml").touch()
    return made


def test_the_shipped_teams_are_found_without_any_folder() -> None:
    assert Catalogue().entries("teams", "team.toml")["research"] == shipped("teams") / "research"


def test_a_later_folder_wins_by_name_and_adds_its_own(tmp_path: Path) -> None:
    mine, ours = tmp_path / "mine", tmp_path / "ours"
    team(mine, "research")
    own = team(mine, "own")
    winner = team(ours, "research")
    found = Catalogue((mine, ours)).entries("teams", "team.toml")
    assert (found["research"], found["own"]) == (winner, own)


def test_entries_are_sorted_by_name(tmp_path: Path) -> None:
    for name in ("zeta", "alpha", "middle"):
        team(tmp_path, name)
    found = list(Catalogue((tmp_path,)).entries("teams", "team.toml"))
    assert found == sorted(found)


def test_a_folder_without_the_marker_and_a_hidden_one_are_no_entries(tmp_path: Path) -> None:
    (tmp_path / "teams" / "notes").mkdir(parents=True)
    team(tmp_path, ".backup")
    assert not {"notes", ".backup"} & Catalogue((tmp_path,)).entries("teams", "team.toml").keys()


def test_files_are_found_by_a_pattern_and_called_by_their_stem(tmp_path: Path) -> None:
    (tmp_path / "teams").mkdir()
    for name in ("tavily.toml", ".hidden.toml", "notes.md"):
        (tmp_path / "teams" / name).touch()
    assert Catalogue((tmp_path,)).entries("teams", "*.toml") == {"tavily": tmp_path / "teams" / "tavily.toml"}


def test_a_folder_that_does_not_exist_adds_nothing() -> None:
    assert Catalogue((Path("nowhere"),)).entries("teams", "team.toml") == Catalogue().entries(
        "teams", "team.toml"
    )


def test_a_damaged_installation_says_so() -> None:
    with pytest.raises(FileNotFoundError, match="install ATLAS anew"):
        shipped("no-such-kind")
