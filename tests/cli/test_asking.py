"""What a run asks at the command line: told with the command that answers it, asked where a terminal is."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import shipped
from atlas_mcp.cli.asking import answer_from, ask, show
from atlas_mcp.cli.choices import as_offered, ways_to_answer
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.errors import InvalidInput
from atlas_mcp.orchestration.asking import Question, QuestionKind, failure_question, plan_question
from atlas_mcp.orchestration.doorkeeping import file_question, tool_question
from atlas_mcp.orchestration.team import load_team
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from conftest import Program

QUESTION = "How many tides a day?"
PLAN: list[dict[str, Any]] = [
    {"id": "a1", "worker": "documents", "goal": "tides", "after": []},
    {"id": "a2", "worker": "documents", "goal": "harbours", "after": ["a1"]},
]


def asked() -> Question:
    return plan_question(load_team(shipped("teams") / "research"), PLAN, 1)


def typing(*lines: str) -> Callable[[str], Awaitable[str | None]]:
    """A person who types these lines and then leaves."""
    rest = list(lines)

    async def line(_prompt: str) -> str | None:
        return rest.pop(0) if rest else None

    return line


@pytest.fixture
def waiting(atlas_mcp: Program, home: Path, documents: Path) -> str:
    """A run that was left waiting for its plan to be approved."""
    folder = home / "config" / "teams" / "careful"
    shutil.copytree(shipped("teams") / "research", folder)
    wiring = folder / "team.toml"
    wiring.write_text(f"approve = true\n{wiring.read_text('utf-8')}", "utf-8")
    left = atlas_mcp("run", "careful", QUESTION, "-d", documents)
    assert left.exit_code == Exit.WAITING
    (row,) = json.loads(atlas_mcp("runs", "list", "--json").stdout)
    assert f"atlas-mcp runs answer {row['run_id']}" in left.stderr
    assert "a1  documents  How many tides a day?" in left.stderr
    return row["run_id"]


def test_a_waiting_run_is_listed_and_shown_with_its_question(atlas_mcp: Program, waiting: str) -> None:
    assert "waiting" in atlas_mcp("runs", "list").stdout
    story = atlas_mcp("runs", "show", waiting).stdout
    assert "asks a person: May the team careful carry out this plan of 1 assignment?" in story
    assert f"Answer it: atlas-mcp runs answer {waiting}" in story


def test_a_run_that_is_approved_goes_on_where_it_is_answered(atlas_mcp: Program, waiting: str) -> None:
    done = atlas_mcp("runs", "answer", waiting, "--approve")
    assert done.exit_code == Exit.DONE, done.stderr
    assert done.stdout.startswith(f"# {QUESTION}")
    assert re.search(r"answered after .*: approve", atlas_mcp("runs", "show", waiting).stdout)
    late = atlas_mcp("runs", "answer", waiting, "--approve")
    assert late.exit_code == Exit.USAGE


def test_a_plan_in_a_file_takes_the_place_of_the_teams(
    atlas_mcp: Program, waiting: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"assignments": [{**PLAN[0], "goal": "the moon"}]}), "utf-8")
    assert atlas_mcp("runs", "answer", waiting, "--plan", file).exit_code == Exit.DONE
    assert "a1 documents: the moon" in atlas_mcp("runs", "show", waiting).stdout


def test_a_rejected_plan_ends_the_run(atlas_mcp: Program, waiting: str) -> None:
    ended = atlas_mcp("runs", "answer", waiting, "--reject", "too dear")
    assert ended.exit_code == Exit.FAILED
    assert "too dear" in ended.stderr


def test_an_answer_that_does_not_fit_leaves_the_run_waiting(atlas_mcp: Program, waiting: str) -> None:
    wrong = atlas_mcp("runs", "answer", waiting, "--json", '{"decision": "maybe"}')
    assert wrong.exit_code == Exit.USAGE
    assert "'maybe' is not one of" in wrong.stderr
    assert atlas_mcp("runs", "answer", waiting).exit_code == Exit.WAITING
    assert atlas_mcp("runs", "watch", waiting, "--plain").exit_code == Exit.WAITING


@pytest.mark.parametrize(
    "options", [{"approve": True, "given": "{}"}, {"given": "[1]"}, {"given": "{"}, {"plan": "nowhere.json"}]
)
def test_options_that_give_no_answer_are_refused(options: dict[str, Any]) -> None:
    wishes: dict[str, Any] = {"approve": False, "reject": None, "plan": None, "given": None, **options}
    with pytest.raises(InvalidInput) as refused:
        answer_from(**wishes)
    assert refused.value.remedy


TYPED: list[tuple[list[str], dict[str, Any] | None]] = [
    (["a"], {"decision": "approve"}),
    (["what?", "a"], {"decision": "approve"}),
    (["r", "too dear"], {"decision": "reject", "note": "too dear"}),
    (["r", ""], {"decision": "reject"}),
    (["l"], None),
    ([], None),
    (
        ["e", "-", "ships", "", "y"],
        {
            "decision": "edit",
            "assignments": [{**PLAN[1], "goal": "ships", "after": []}],
        },
    ),
    (
        ["e", "", "", "the moon", "", "", "y"],
        {
            "decision": "edit",
            "assignments": [*PLAN, {"id": "a3", "worker": "documents", "goal": "the moon", "after": []}],
        },
    ),
    (["e", "", "", "", "n", "a"], {"decision": "approve"}),
]


@pytest.mark.parametrize(("lines", "answer"), TYPED)
async def test_a_person_approves_edits_and_rejects_by_lines(
    lines: list[str], answer: dict[str, Any] | None
) -> None:
    assert await ask(asked(), typing(*lines)) == answer


async def test_a_plan_is_edited_in_the_persons_editor(tmp_path: Path) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, sys\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "file.write_text(file.read_text('utf-8').replace('tides', 'the moon'), 'utf-8')\n",
        "utf-8",
    )
    command = f'"{sys.executable}" "{editor.as_posix()}"'.replace("\\", "/")
    answer = await ask(asked(), typing("e", "y"), command)
    assert answer == {"decision": "edit", "assignments": [{**PLAN[0], "goal": "the moon"}, PLAN[1]]}


async def test_other_questions_are_asked_field_by_field_or_as_json() -> None:
    flat = {"depth": {"type": "integer"}, "place": {"type": "string", "enum": ["Fundy", "Severn"]}}
    question = Question("work/a1", "Where?", {"type": "object", "properties": flat})
    assert await ask(question, typing("12", "Fundy")) == {"depth": 12, "place": "Fundy"}
    assert await ask(question, typing("deep", "")) == {"depth": "deep"}
    nested = Question("work/a1", "Where?", {"type": "object"}, QuestionKind.ESCALATION)
    assert await ask(nested, typing("Fundy", '{"place": "Fundy"}')) == {"place": "Fundy"}


ONCE = tool_question("work/a1", "writer#a1", "word/add", {"file": "memo.docx", "text": "Hi\u200b"})
FILE = file_question("deliver", "writing", "word", "memo.docx", 3)
AGAIN = failure_question(1, {"code": "x", "message": "It broke.", "remedy": ""})
DECIDED: list[tuple[Question, list[str], dict[str, Any] | None]] = [
    (ONCE, ["y"], {"decision": "once"}),
    (ONCE, ["A"], {"decision": "server"}),
    (ONCE, ["?", "", "server"], {"decision": "server"}),
    (ONCE, ["n", "not now"], {"decision": "no", "note": "not now"}),
    (ONCE, ["no", ""], {"decision": "no"}),
    (ONCE, ["l"], None),
    (ONCE, ["what"], None),
    (FILE, ["yes"], {"decision": "server"}),
    (FILE, ["n", ""], {"decision": "no"}),
    (AGAIN, ["y"], {"decision": "again"}),
    (AGAIN, ["give_up", ""], {"decision": "give_up"}),
]


@pytest.mark.parametrize(("question", "lines", "answer"), DECIDED)
async def test_a_decision_is_one_key_and_a_question_mark_is_asked_back(
    question: Question, lines: list[str], answer: dict[str, Any] | None
) -> None:
    assert await ask(question, typing(*lines)) == answer
    assert answer is None or misfits(question.schema, answer) == []


async def test_what_each_key_means_is_said_as_the_question_offers_it() -> None:
    said: list[str] = []

    async def line(prompt: str) -> str | None:
        said.append(prompt)
        return None

    for question in (ONCE, FILE, AGAIN):
        await ask(question, line)
    server = "every tool of word for the whole run"
    assert said == [
        f"y = this once, a = {server}, n = no, l = later\n> ",
        f"y = {server}, n = no, l = later\n> ",
        "y = try again, n = give up, l = later\n> ",
    ]


def test_a_call_is_shown_whole_with_what_is_hidden_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    show(ONCE)
    shown = capsys.readouterr().err
    assert "  file: memo.docx" in shown.splitlines()
    assert "  text: Hi⟨U+200B⟩" in shown.splitlines()


@pytest.mark.parametrize(
    ("question", "yes", "no"), [(ONCE, "once", "no"), (FILE, "server", "no"), (AGAIN, "again", "give_up")]
)
def test_yes_and_no_are_given_in_the_words_that_a_question_offers(
    question: Question, yes: str, no: str
) -> None:
    assert as_offered(question, {"decision": "approve"}) == {"decision": yes}
    assert as_offered(question, {"decision": "reject", "note": "x"}) == {"decision": no, "note": "x"}


def test_where_nobody_is_there_to_ask_the_ready_commands_are_told_with_their_answers() -> None:
    first, *ways = ways_to_answer("r_1", ONCE).splitlines()
    assert first == "It waits for you. Answer by one of:"
    answers = [json.loads(shlex.split(way.partition("  # ")[0])[-1]) for way in ways]
    assert answers == [{"decision": "once"}, {"decision": "server"}, {"decision": "no"}]
    assert all(f"atlas-mcp runs answer r_1 --question {ONCE.id} --json" in way for way in ways)
    flat = {"depth": {"type": "integer", "minimum": 3}, "place": {"type": "string", "enum": ["Fundy"]}}
    other = Question("work/a1", "Where?", {"type": "object", "properties": flat})
    (command, shape) = ways_to_answer("r_1", other).splitlines()
    assert json.loads(shlex.split(command)[-1]) == {"depth": 3, "place": "Fundy"}
    assert "of the shape" in shape
    with pytest.raises(InvalidInput, match="asks for no yes or no"):
        as_offered(other, {"decision": "approve"})


async def test_a_field_is_asked_again_where_what_was_typed_is_no_answer() -> None:
    field = {"type": "string", "enum": ["Fundy", "Severn"], "description": "Which bay."}
    question = Question("work/a1", "Where?", {"type": "object", "properties": {"place": field}})
    assert await ask(question, typing("?", "Thames", "Severn")) == {"place": "Severn"}


def test_without_an_id_the_newest_run_that_waits_is_answered(
    atlas_mcp: Program, waiting: str, documents: Path
) -> None:
    assert atlas_mcp("run", "research", QUESTION, "-d", documents, "--fresh").exit_code == Exit.DONE
    assert atlas_mcp("runs", "answer", "--approve").exit_code == Exit.DONE
    assert json.loads(atlas_mcp("runs", "show", waiting, "--json").stdout)["run"]["state"] == "done"
    nobody = atlas_mcp("runs", "answer", "--approve")
    assert nobody.exit_code == Exit.USAGE
    assert "No run waits for you." in nobody.stderr
