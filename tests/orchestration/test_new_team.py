"""A new team: it works at once, and a name that will not do is refused with one that will."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.catalogue import Catalogue, shipped
from atlas_mcp.errors import InvalidInput
from atlas_mcp.evaluation.check import check
from atlas_mcp.orchestration.new_team import new_team
from atlas_mcp.orchestration.team import load_team, load_teams

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ["Who you are", "How you think", "How you work with others", "Your limits", "What you give"]


def make(config: Path, name: str, description: str = "") -> Path:
    return new_team(Catalogue((config,)), config / "teams", name, description).folder


def test_a_new_team_is_found_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    folder = make(tmp_path, "tides")
    checked = check(folder)
    assert (checked.mistakes, checked.remarks) == ([], [])
    assert "tides" in load_teams(Catalogue((tmp_path,)))
    assert sorted(file.name for file in folder.rglob("*.*")) == [
        "output.schema.json", "quotes-the-rule.toml", "reader.md", "supervisor.md", "team.toml",
    ]  # fmt: skip


def test_its_agents_show_all_that_a_persona_has_as_those_of_shipped_teams_do(tmp_path: Path) -> None:
    teams = [load_team(make(tmp_path, "tides")), load_team(shipped("teams") / "research")]
    for card in (card for team in teams for card in team.cards.values()):
        assert re.findall(r"(?m)^# (.+)$", card.persona) == PARTS


@pytest.mark.parametrize(
    "description", ['Says "when" and \\n: {why}.', "Tíðir # 潮\x7f", " two\nlines\t", r"C:\new\1"]
)
def test_its_description_is_kept_as_it_was_given(description: str, tmp_path: Path) -> None:
    assert load_team(make(tmp_path, "tides", description)).description == " ".join(description.split())


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("Tide Team", "tide-team"),
        ("../tides", "tides"),
        ("9tides", "tides"),
        ("tídes", "t-des"),
        ("", "my-team"),
        ("潮", "my-team"),
        ("a" * 65, "a" * 64),
    ],
)
def test_a_bad_name_is_refused_with_a_good_one(name: str, better: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        make(tmp_path, name)
    assert caught.value.remedy == f"Try: atlas-mcp teams new {better}"
    assert make(tmp_path, better).is_dir()


def test_a_name_that_is_taken_is_refused_and_what_is_there_stays(tmp_path: Path) -> None:
    folder = make(tmp_path, "tides", "Mine.")
    make(tmp_path, "my-tides")
    for name, other in (("tides", "my-my-tides"), ("research", "my-research")):
        with pytest.raises(InvalidInput, match="already") as caught:
            make(tmp_path, name)
        assert other in caught.value.remedy
    (tmp_path / "teams" / "notes").mkdir()
    with pytest.raises(InvalidInput, match="is no team"):
        make(tmp_path, "notes")
    assert load_team(folder).description == "Mine."


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "teams").write_text("a file")
    with pytest.raises(InvalidInput, match="cannot be written"):
        make(tmp_path, "tides")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_it_makes_a_data_folder_that_is_its_users_alone(tmp_path: Path) -> None:
    make(tmp_path / "home" / "config", "tides")
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0
