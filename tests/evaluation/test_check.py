"""Checking a team's folder: every mistake at once, and remarks on what only limits the team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.evaluation.check import check
from atlas_mcp.memory.scope import Scope
from atlas_mcp.orchestration.desk import TOOLS, Desk
from atlas_mcp.orchestration.recall_tool import RecallTool
from tests.orchestration.folders import CARD, TOML, sound

if TYPE_CHECKING:
    from pathlib import Path


def with_tools(folder: Path, tools: str) -> Path:
    (folder / "reader.md").write_text(CARD.replace("---\n", f"---\ntools: {tools}\n", 1), "utf-8")
    return folder


def test_every_mistake_is_named_at_once_and_once(tmp_path: Path) -> None:
    folder = with_tools(sound(tmp_path, toml=TOML.replace("workers =", "rounds = 3\nworkers =")), "[serach]")
    (folder / "lead.md").write_text("---\ndescription: a: b\n---\nP\n", "utf-8")
    (folder / "output.schema.json").write_text('{"type": "object"}', "utf-8")
    said = [mistake.message for mistake in check(folder).mistakes]
    assert [(str(folder / name) in one) for name, one in zip(
        ("lead.md", "reader.md", "output.schema.json"), said, strict=True
    )] == [True, True, True]  # fmt: skip


def test_wiring_that_cannot_be_read_does_not_hide_what_is_wrong_with_the_schema(tmp_path: Path) -> None:
    folder = sound(tmp_path, toml="nonsense")
    (folder / "output.schema.json").unlink()
    assert len(check(folder).mistakes) == 2


def test_every_mistake_of_a_file_is_named_at_once_with_its_line_and_what_was_meant(tmp_path: Path) -> None:
    toml = TOML.replace("workers =", "roundz = 3\nmax_paralel = 2\nworkers =")
    folder = sound(tmp_path, toml=f"{toml}\n[budget]\nsecond = 5\ncalls = 0\n\n[alertz]\n")
    file = folder / "team.toml"
    said = [str(mistake) for mistake in check(folder).mistakes]
    assert sorted(said) == sorted(
        f"{file}: {each}"
        for each in (
            "roundz: there is no such key (line 3). Did you mean rounds?",
            "max_paralel: there is no such key (line 4). Did you mean max_parallel?",
            "budget.second: there is no such key (line 22). Did you mean seconds?",
            "budget.calls: Input should be greater than 0 (line 23). Write a number above 0.",
            "alertz: there is no such key (line 25). Did you mean alerts?",
        )
    )


def test_a_wrong_key_does_not_hide_what_is_wrong_in_the_other_files(tmp_path: Path) -> None:
    toml = TOML.replace("workers =", "roundz = 3\nworkers =").replace(
        '["reader"]', '["reader", "scout", "pilot"]'
    )
    folder = with_tools(sound(tmp_path, toml=toml), "[serach]")
    for name, text in (
        ("cases/first.toml", 'input = { question = "Why?" }\n[expect]\ncontians = { answer = "tide" }\n'),
        ("prompts/sail.md", "---\ntitel: Sail\n---\n{question}\n"),
        ("output.schema.json", '{"type": "array"}'),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    said = [str(each)[len(f"{folder}/") :].replace("\\", "/") for each in check(folder).mistakes]
    assert [each.partition(":")[0] for each in said] == [
        "team.toml", "team.toml", "team.toml", "reader.md", "output.schema.json", "cases/first.toml",
        "prompts/sail.md",
    ]  # fmt: skip
    assert "'scout': there is no such card" in said[1]
    assert "'pilot': there is no such card" in said[2]
    assert "expect.contians: there is no such key (line 3). Did you mean contains?" in said[5]
    assert "titel: there is no such key. Did you mean title?" in said[6]


def test_an_unknown_tool_is_a_mistake_with_the_tool_that_was_meant(tmp_path: Path) -> None:
    checked = check(with_tools(sound(tmp_path), "[search_document]"))
    (mistake,) = checked.mistakes
    assert "reader.md: tools: there is no tool 'search_document'" in mistake.message
    assert "Did you mean 'search_documents'?" in mistake.remedy


@pytest.mark.parametrize("granted", ["[search_documents]", "['search_*']", "['*']"])
def test_a_tool_may_be_granted_by_name_or_by_pattern(granted: str, tmp_path: Path) -> None:
    checked = check(with_tools(sound(tmp_path), granted))
    assert (checked.mistakes, checked.remarks) == ([], [])


@pytest.mark.parametrize("granted", ["[github/search_code]", "['tavily/*']", "mcp__github__search_code"])
def test_a_tool_of_a_downstream_server_is_granted_as_server_and_tool(granted: str, tmp_path: Path) -> None:
    checked = check(with_tools(sound(tmp_path), granted))
    assert (checked.mistakes, checked.remarks) == ([], [])


@pytest.mark.parametrize(
    ("granted", "wrong"),
    [
        ("[github/serch_code]", "tools: there is no tool 'github/serch_code'"),
        ("[search_documents]\nwrites: [github/delete]", "writes: there is no tool 'github/delete'"),
        ("[github/search_*, tavily/anything]", ""),
        ("[mcp__github__search_code]\nwrites: ['github/*']", ""),
    ],
)
def test_a_tool_that_a_server_did_not_list_is_a_mistake_where_its_tools_are_known(
    granted: str, wrong: str, tmp_path: Path
) -> None:
    folder = with_tools(sound(tmp_path), granted)
    listed = {"github": ["search_code", "create_issue"]}
    mistakes = check(folder, listed=listed).mistakes
    assert [wrong in each.message for each in mistakes] == ([True] if wrong else [])
    assert all("atlas-mcp servers show github" in each.remedy for each in mistakes)
    assert check(folder).mistakes == []


def test_a_grant_for_a_server_that_is_not_there_is_worth_a_remark(tmp_path: Path) -> None:
    checked = check(with_tools(sound(tmp_path), "[search_documents, tavilly/*]"))
    assert checked.mistakes == []
    (remark,) = checked.remarks
    assert "'tavilly/*' is of no server there is. Did you mean tavily/…?" in remark


def test_who_reads_the_open_web_is_not_to_write(tmp_path: Path) -> None:
    checked = check(with_tools(sound(tmp_path), "[tavily/*]\nwrites: [word/*]"))
    (remark,) = checked.remarks
    assert "gets no tool with effects" in remark


def test_an_agent_file_of_claude_code_is_no_mistake_but_worth_a_remark(tmp_path: Path) -> None:
    checked = check(with_tools(sound(tmp_path), "Read, Bash(git *)"))
    assert checked.mistakes == []
    assert checked.team is not None
    assert len(checked.remarks) == 3
    assert "'Read' is a tool of Claude Code" in checked.remarks[0]
    assert "tools: [search_documents]" in checked.remarks[-1]


def test_a_case_that_cannot_be_tried_is_a_mistake(tmp_path: Path) -> None:
    folder = with_tools(sound(tmp_path), "[search_documents]")
    (folder / "cases").mkdir()
    (folder / "cases" / "first.toml").write_text("input = { question = 'Why?' }\n[expect]\nfeilds = []\n")
    (mistake,) = check(folder).mistakes
    assert str(folder / "cases" / "first.toml") in mistake.message
    assert "feilds" in mistake.message


def test_the_tools_that_a_card_may_grant_are_those_that_a_run_offers() -> None:
    nowhere = cast("Any", None)
    remembered = RecallTool(nowhere, Scope("ada"), "2026-01-01T00:00:00.000000+00:00")
    desk = Desk(nowhere, "ada", (), remembered=remembered)
    assert tuple(tool.spec.name for tool in desk.tools()) == TOOLS


def test_nothing_is_wrong_with_the_shipped_teams() -> None:
    for folder in Catalogue().entries("teams", "team.toml").values():
        checked = check(folder)
        assert (checked.mistakes, checked.remarks) == ([], [])
