"""Trying cases: what passes passes, and what is not as it should be is told in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.evaluation.case import case_files, load_case
from atlas_mcp.evaluation.trial import Verdict, try_case
from atlas_mcp.orchestration.new_team import STARTER, new_team
from atlas_mcp.orchestration.team import load_team

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = [
    file for folder in Catalogue().entries("teams", "team.toml").values() for file in case_files(folder)
]
STARTED = (STARTER / "cases" / "quotes-the-rule.toml").read_text("utf-8")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parent.parent.name} {file.stem}")
async def test_a_shipped_team_does_what_its_case_says(file: Path) -> None:
    team = load_team(file.parent.parent)
    verdict = await try_case(team, load_case(file, team))
    assert verdict.problems == ()


def test_every_shipped_team_has_cases() -> None:
    assert {file.parent.parent.name for file in SHIPPED} == set(Catalogue().entries("teams", "team.toml"))


async def tried(tmp_path: Path, case: str) -> Verdict:
    """What comes of a case of a new team."""
    team = new_team(Catalogue((tmp_path,)), tmp_path / "teams", "tides")
    (file,) = case_files(team.folder)
    file.write_text(case, "utf-8")
    return await try_case(team, load_case(file, team))


async def test_a_new_team_passes_its_case(tmp_path: Path) -> None:
    assert (await tried(tmp_path, STARTED)).problems == ()


async def test_each_thing_that_is_not_as_it_should_be_is_told(tmp_path: Path) -> None:
    expect = """[expect]
partial = true
fields = ["unsupported"]
contains = { answer = ["  EVERY\\nmonth", "every year"] }
lacks = { claims = "Harbour" }
at_least = { claims = 2 }
at_most = { sources = 0 }
"""
    verdict = await tried(tmp_path, STARTED[: STARTED.index("[expect]")] + expect)
    told = [problem.partition(" [{")[0] for problem in verdict.problems]
    assert [problem[:61] for problem in told] == [
        "partial: is false",
        "unsupported: is empty",
        "answer: does not contain 'every year'; it is The tide table m",
        "claims: contains 'Harbour'",
        "claims: 1, should be at least 2",
        "sources: 1, should be at most 0:",
    ]


FAILING = """
input = { question = "Why?" }
documents = ["Tides.\\n"]
[[reply]]
fail = "authentication"
"""


async def test_a_run_that_fails_is_told_unless_the_case_says_so(tmp_path: Path) -> None:
    (problem,) = (await tried(tmp_path / "one", FAILING)).problems
    assert problem.startswith("the run failed (authentication): ")
    expected = FAILING + '[expect]\nerror = "authentication"'
    assert (await tried(tmp_path / "two", expected)).problems == ()
    passing = STARTED[: STARTED.index("[expect]")] + '[expect]\nerror = "nothing_to_show"'
    (problem,) = (await tried(tmp_path / "three", passing)).problems
    assert problem == "error: the run is done; it should fail with nothing_to_show"
