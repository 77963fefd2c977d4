"""`runs show`: whoever was not there can say what went wrong, why, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.cli.branches import Branch
from atlas_mcp.cli.console import PlainConsole
from atlas_mcp.cli.story import tell_story
from atlas_mcp.events import Kind
from tests.cli.told import BUSY, ROW, Told, after, fails, step, story, works

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

SPENT = {"code": "budget_spent", "message": "No seconds are left.", "remedy": "Give it more."}
LOST = {"code": "nothing_to_show", "message": "No worker succeeded: The model is busy.", "remedy": ""}


# How it ended ----------------------------------------------------------------------------------------------


def test_a_run_that_went_well_says_nothing_of_trouble() -> None:
    told = works(Told().plan(a1="Moon?").begin("a1").asks("work/a1"), "a1")
    lines = story(told)
    assert "On the way" not in "".join(lines)
    assert "✗" not in "".join(lines)
    assert lines[0].startswith("r_1  done  research")


def test_a_failure_names_the_step_the_cause_and_what_to_do_before_anything_else() -> None:
    told = step(Told(), "plan")
    error = {"code": "authentication", "message": "The key is refused.", "remedy": "Set the key."}
    told(Kind.MODEL_STARTED, "supervisor", "plan/1", provider="openai:gpt", call=1, intent="plan")
    told(Kind.MODEL_FAILED, "supervisor", "plan/1", provider="openai:gpt", call=1, usage={}, error=error)
    lines = story(told, "failed", error=error)
    assert lines[1:4] == [
        "✗ It failed in the step plan: The key is refused. (authentication)",
        "→ Set the key.",
        "  What led there is marked ✗ below.",
    ]
    assert "        ✗ openai:gpt failed: The key is refused. (authentication)" in lines
    assert lines[-2:] == ["authentication: The key is refused.", "→ Set the key."]


def test_a_failure_that_no_event_tells_of_marks_the_step_in_which_it_came() -> None:
    lines = story(step(Told(), "plan"), "failed", error={"code": "runtime_unavailable", "message": "Gone."})
    assert "✗  0.0 s  plan: …" in lines


def test_when_all_fail_alike_it_is_said_once_and_who_was_asked() -> None:
    told = fails(fails(Told().plan(a1="Moon?", a2="Sun?"), "a1"), "a2")
    told(Kind.ESCALATED, "research", "review", level="person", reason="overloaded (2)", failures=2)
    told(Kind.QUESTION_ASKED, "research", "e/1", id="e/1", kind="escalation", text="Again?", schema={})
    answer = {"decision": "give_up", "note": "not today"}
    told(Kind.QUESTION_ANSWERED, "person", "e/1", id="e/1", answer=answer, by="ada")
    lines = story(told, "failed", error=LOST)
    head = " ".join(line.strip() for line in lines[1:4])
    assert "all 2 assignments failed, each with overloaded. The model is busy." in head
    assert "A person was asked and said: give up, not today." in head
    assert "atlas-mcp providers --ping" in head
    assert [line.strip() for line in after(lines, "a2 web")][:2] == [
        "a2 web: Sun?", "✗ failed like a1: overloaded  3.0 s",
    ]  # fmt: skip
    assert "✗ 11.0 s  ada answered after 1.0 s: give_up, not today" in lines


def test_where_a_team_failed_the_head_names_its_own_run() -> None:
    told = Told().plan(a1="Moon?").begin("a1")
    told(Kind.CHILD_STARTED, "research", "work/a1", assignment="a1", team="tides", run="r_2")
    told(Kind.WORK_FAILED, "web#a1", "work/a1", assignment="a1", worker="web", error=BUSY)
    head = " ".join(line.strip() for line in story(told, "failed", error=LOST)[1:5])
    assert "the only assignment failed, with overloaded" in head
    assert "The team's own run says more: atlas-mcp runs show r_2" in head


def test_a_partial_run_says_which_limit_and_what_it_cost() -> None:
    told = works(Told().plan(a1="Moon?", a2="Sun?").begin("a1").asks("work/a1"), "a1")
    fails(told, "a2", SPENT)
    ended: dict[str, Any] = {"state": "done", "partial": True, "seconds": 9.0, "usage": {}, "error": None}
    told(Kind.RUN_FINISHED, "research", "", **ended, limit="run's limit of 4 seconds")
    lines = story(told, partial=True)
    assert " ".join(line.strip() for line in lines[1:4]) == (
        "◐ It is partial: the run's limit of 4 seconds was reached; 1 of 2 assignments (a2) failed, with"
        " budget_spent. → Give it more."
    )
    assert lines[-1].endswith("done, partial: the run's limit of 4 seconds was reached")


def test_a_run_that_waits_says_for_what_and_how_to_answer() -> None:
    told = Told()(Kind.QUESTION_ASKED, "research", "q", id="q", kind="question", text="Which sea?", schema={})
    lines = story(told, "waiting")
    assert lines[1:3] == ["? It waits for a person: Which sea?", "→ Answer: atlas-mcp runs answer r_1"]
    assert lines[-1] == "Answer it: atlas-mcp runs answer r_1"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("interrupted", "✂ It was interrupted in the step plan: the server is closing."),
        ("paused", "… It is paused in the step plan."),
        ("running", "… It is at the step plan."),
    ],
)
def test_a_run_that_did_not_end_says_where_it_stands(state: str, said: str) -> None:
    told = step(Told(), "plan")(Kind.RUN_INTERRUPTED, "research", "", reason="the server is closing")
    assert story(told, state)[1] == said


# What happened ---------------------------------------------------------------------------------------------


def test_a_decision_is_told_with_what_else_might_have_been_decided_and_how_sure_it_was() -> None:
    told = Told()(
        Kind.PLAN_MADE, "research", "plan/1", round=1, reason="one source is enough",
        assignments=[{"id": "a1", "worker": "web", "goal": "Moon?", "after": []},
                     {"id": "a2", "worker": "web", "goal": "Sun?", "after": ["a1"]}],
    )  # fmt: skip
    told.begin("a1")
    told(
        Kind.TASK_DETECTED, "web#a1", "work/a1", task="analysis", complexity="simple", confidence=0.75,
        reason="its goal compares",
    )  # fmt: skip
    choice = {
        "group": "main",
        "member": "openai:gpt",
        "reason": "the cheapest",
        "task": "analysis",
        "call": 1,
    }
    for _ in range(2):
        told(Kind.MODEL_CHOSEN, "web#a1", "work/a1", **choice, others=["ollama:qwen3"])
    lines = [line.strip() for line in after(story(told, "running"), "because")]
    assert lines[:4] == [
        "because one source is enough",
        "a1 web: Moon?",
        "takes it as simple analysis (its goal compares, confidence 0.75)",
        "asks openai:gpt of main (the cheapest; next would be ollama:qwen3)",
    ]
    assert [line for line in lines if line.startswith("asks")] == [lines[3]]
    assert "a2 web, after a1: Sun?" in lines


def test_a_tool_s_call_and_what_came_of_it_are_one_line() -> None:
    told = Told().plan(a1="Moon?").begin("a1")
    called = {"tool": "web__search", "arguments": {"query": "moon"}}
    done = {"tool": "web__search", "seconds": 0.25, "passages": 2}
    told(Kind.TOOL_STARTED, "web#a1", "work/a1", **called)
    told(Kind.TOOL_FINISHED, "web#a1", "work/a1", **done, error=None)
    told(Kind.TOOL_STARTED, "web#a1", "work/a1", **called)
    told(Kind.TOOL_REFUSED, "web#a1", "work/a1", **called, reason="It may not.")
    told(Kind.TOOL_FINISHED, "web#a1", "work/a1", **done, error="It may not. Others are: none.")
    told(Kind.TOOL_STARTED, "web#a1", "work/a1", **called)
    told(Kind.SERVER_NOTED, "web", "work/a1", server="web", what="failed", text="web failed: it ended.")
    told(Kind.TOOL_FINISHED, "web#a1", "work/a1", **done, error="web failed: it ended.")
    told(Kind.TOOL_STARTED, "web#a1", "work/a1", **called)
    told(Kind.TOOL_CHARGED, "web#a1", "work/a1", tool="web__search", cost_usd=0.008)
    told(Kind.TOOL_FINISHED, "web#a1", "work/a1", **done, error=None)
    lines = story(works(told, "a1"))
    assert [line.strip() for line in after(lines, "web/search")][:5] == [
        'web/search query="moon" → 2 passages  0.2 s',
        'web/search query="moon" → refused: It may not.  0.2 s',
        'web/search query="moon" → web failed: it ended.  0.2 s',
        'web/search query="moon" → 2 passages, $0.0080  0.2 s',
        "→ 1 finding  2.0 s",
    ]
    assert lines[1] == "• On the way: the server web failed; 1 refused tool call."


def test_what_repeats_is_told_once_with_how_often() -> None:
    told = Told().plan(a1="Moon?").begin("a1")
    for _ in range(30):
        told(Kind.TOOL_STARTED, "web#a1", "work/a1", tool="look", arguments={})
        told(Kind.TOOL_FINISHED, "web#a1", "work/a1", tool="look", seconds=0.1, passages=0, error=None)
        told.asks("work/a1")
    for number in range(40):
        told(Kind.DOCUMENT_SKIPPED, "research", "recall", uri=f"{number}.png", reason="no text")
    lines = story(told, "running")
    assert len(lines) < 25
    assert "… the same 29 times more" in "".join(lines)
    assert "… and 37 more skipped" in "".join(lines)


def test_what_a_crash_cut_off_and_what_was_replayed_is_told_and_not_told_twice() -> None:
    told = Told().plan(a1="Moon?").begin("a1").asks("work/a1")
    told(Kind.RUN_RESUMED, "research", "", team="research", provider="openai:gpt", language_model=True)
    works(told.begin("a1").asks("work/a1", replayed=True).asks("work/a1", 2), "a1")
    lines = story(told)
    assert lines[1] == "• On the way: its process died and it was taken up again."
    assert [line.strip() for line in after(lines, "a1 web")][1:5] == [
        "gpt-5.4 answered, 100 tokens, $0.0100  2.0 s",
        "✂ cut off at 3.0 s; taken up again at 5.0 s, 1 model call replayed from the ledger and",
        "not paid again",
        "gpt-5.4 answered, 100 tokens, $0.0100  2.0 s",
    ]
    assert "the process before had died, nothing was written for 1.0 s" in " ".join(lines)


def test_a_plan_that_a_person_was_asked_about_is_told_before_the_question_and_its_work_after() -> None:
    told = Told().plan(a1="Moon?")
    told(Kind.QUESTION_ASKED, "research", "q", id="q", kind="approve_plan", text="May it?", schema={})
    told(Kind.QUESTION_ANSWERED, "person", "q", id="q", answer={"decision": "approve"}, by="ada")
    lines = [line.strip() for line in story(works(told.begin("a1"), "a1"))]
    assert [line for line in lines if line.startswith("a1") or " s  a" in line] == [
        "a1 web: Moon?",
        "1.0 s  asks a person: May it?",
        "2.0 s  ada answered after 1.0 s: approve",
        "a1 web: Moon?",
    ]


def test_warnings_are_told_at_their_time_and_at_the_head() -> None:
    alert = {"alert": "slow", "measured": 4.2, "threshold": 3, "text": "it takes longer than 3 s"}
    lines = story(Told()(Kind.ALERT_RAISED, "research", "", **alert))
    assert lines[1] == "• On the way: a warning: it takes longer than 3 s."
    assert "   0.0 s  warning: it takes longer than 3 s" in lines


def test_a_table_closes_the_story_with_what_each_member_took() -> None:
    told = Told()(Kind.MODEL_STARTED, "supervisor", "plan/1", provider="o:g", call=1, intent="plan")
    usage = {"input_tokens": 900, "output_tokens": 100, "cost_usd": None, "calls": 1}
    done = {"provider": "o:g", "model": "g", "call": 1, "usage": usage, "seconds": 1.5, "stopped": "end"}
    told(Kind.MODEL_FINISHED, "supervisor", "plan/1", **done).plan(a1="Moon?", a2="Sun?")
    works(told.begin("a1").asks("work/a1"), "a1")
    lines = story(fails(told, "a2"))
    assert after(lines, "who  ") == [
        "who         work         calls        tokens          money   time",
        "supervisor               1             1,000  price unknown  1.5 s",
        "web         2, 1 failed  2, 1 failed     200        $0.0200  5.0 s",
    ]


def test_teams_that_worked_for_the_run_stand_in_its_table() -> None:
    told = Told().plan(a1="Moon?").begin("a1").asks("work/a1")
    usage = {"calls": 3, "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.5}
    branch = Branch(replace(ROW, run_id="r_2", team="tides", usage=usage), "a1")
    console = PlainConsole(width=100, highlight=False, emoji=False)
    with console.capture() as capture:
        tell_story(console, ROW, told.events, [branch])
    assert "team tides  1     3          15  $0.5000" in capture.get()


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_line_is_longer_than_the_terminal_and_no_word_is_cut(width: int) -> None:
    told = Told().plan(a1="When do the spring tides of the northern sea come this year? " * 3)
    fails(told, "a1", {**BUSY, "message": "Nobody answered, though everybody was asked. " * 20})
    lines = story(told, "failed", width, error=LOST, input={"question": "What of the tides? " * 90})
    assert max(map(len, lines)) <= width
    words = {word.strip("“”…,:().→✗") for line in lines for word in line.split()}
    assert words >= {"everybody", "northern", "succeeded"}
    assert not words & {"everybod", "norther", "answere", "tide"}


# As the program shows it -----------------------------------------------------------------------------------


def test_a_run_whose_workers_all_fail_is_told_from_its_head_to_its_remedy(
    atlas_mcp: Program, documents: Path, script: Path
) -> None:
    failing = '[[reply]]\nwhen = { intent = "gather" }\nfail = "authentication"\n'
    script.write_text(failing + script.read_text("utf-8"), "utf-8")
    atlas_mcp("run", "research", "How many tides a day?", "-d", documents, "-q")
    shown = atlas_mcp("runs", "show").stdout
    in_order = [
        "  failed  research",
        "✗ Nobody's work succeeded: ",
        "→ ",
        "plan: breaking the question down",
        "a1 documents: How many tides a day?",
        "✗ scripted:script.toml failed: ",
        "✗ failed: authentication",
        "told of 2 failures",
        "failed: nothing_to_show",
        "nothing_to_show: No worker succeeded",
    ]
    places = [shown.find(said) for said in in_order]
    assert -1 not in places, shown
    assert places == sorted(places)


def test_a_file_that_could_not_be_made_makes_a_run_partial_and_says_what_to_type(
    atlas_mcp: Program, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", "extractive")
    wish = ["-i", "file=tides.docx", "-d", documents, "-q"]
    done = atlas_mcp("run", "writing", "A note on the tides of a day", *wish)
    assert done.exit_code == 3
    assert "two tides a day" in done.stdout
    shown = " ".join(atlas_mcp("runs", "show").stdout.split())
    assert "It is partial: tides.docx was not made. No server that writes .docx files is ready" in shown
    assert "atlas-mcp servers enable word" in shown
    assert "✗ tides.docx was not made: " in shown
    tree = atlas_mcp("runs", "show", "--tree").stdout
    assert "◐ deliver" in tree
    assert "tides.docx was not made: No server" in tree


def test_a_file_that_was_made_after_the_run_was_taken_up_again_is_not_missed() -> None:
    told = step(Told(), "deliver")
    lost = {"step": "deliver", "seconds": 1.0, "files": 0, "lost": "a.docx", "problem": "word went away."}
    told(Kind.STEP_FINISHED, "research", "deliver", **lost)
    told(Kind.STEP_FINISHED, "research", "deliver", **lost)
    assert story(told, partial=True)[1].count("a.docx was not made") == 1
    told(Kind.STEP_FINISHED, "research", "deliver", step="deliver", seconds=1.0, files=1)
    assert "a.docx was not made" not in story(told, partial=True)[1]
