"""`runs show --tree` and the picture that `runs export` draws."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from atlas_mcp.cli.run_tree import draw, tree_of
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.events import Kind
from atlas_mcp.orchestration.store import RunState
from tests.cli.told import ROW, Told
from tests.orchestration.house import ASKED, SCRIPT, build_house
from tests.orchestration.talk import SPRING, TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

    from atlas_mcp.cli.twigs import Twig

QUESTION = "How many tides a day?"
BUSY = {"code": "overloaded", "message": "Busy."}


def tree(told: Told, state: str = "done", runs: dict[str, Twig] | None = None, **more: Any) -> Twig:
    row = replace(ROW, run_id=told.run_id, state=RunState(state), **more)
    return tree_of(row, told.events, runs or {})


def shown(twig: Twig) -> list[str]:
    """The tree's lines as printed, without the guides before them."""
    console = Console(width=300)
    with console.capture() as capture:
        console.print(draw(twig))
    return [line.lstrip("│├└─ ") for line in capture.get().splitlines()]


def test_each_line_says_what_it_took_and_a_member_s_is_that_of_its_calls() -> None:
    told = Told()(Kind.STEP_STARTED, "research", "plan", step="plan", label="plan: …").plan(a1="Moon?")
    told(Kind.STEP_FINISHED, "research", "plan", step="plan", seconds=0.05, assignments=1)
    told.begin("a1")(
        Kind.TOOL_STARTED, "web#a1", "work/a1", tool="tavily__search", arguments={"query": "moon"}
    )
    told(Kind.TOOL_CHARGED, "web#a1", "work/a1", tool="tavily__search", cost_usd=0.008)
    told(Kind.TOOL_FINISHED, "web#a1", "work/a1", tool="tavily__search", seconds=0.25, passages=4, error=None)
    told.asks("work/a1").asks("work/a1", 2)
    told(Kind.WORK_FINISHED, "web#a1", "work/a1", assignment="a1", findings=2, seconds=5.25)
    told(Kind.RUN_FINISHED, "research", "", state="done", partial=False, seconds=9.0)
    usage = {"input_tokens": 180, "output_tokens": 20, "cost_usd": 0.028, "calls": 2}
    assert shown(tree(told, usage=usage)) == [
        "✓ research  r_1  done  9.0 s, 2 calls, 200 tokens, $0.0280",
        "✓ plan  1 assignment  50 ms",
        "✓ a1 web  Moon?  → 2 findings  5.2 s, 2 calls, 200 tokens, $0.0280",
        "✓ tool tavily/search  query=moon  → 4 passages  0.2 s, $0.0080",
        "✓ model openai:gpt-5.4  gather  2.0 s, 100 tokens, $0.0100",
        "✓ model openai:gpt-5.4  gather  2.0 s, 100 tokens, $0.0100",
    ]


def test_what_failed_says_its_code_and_message_and_what_was_tried_instead() -> None:
    told = Told().plan(a1="Moon?", a2="Sun?").begin("a1").asks("work/a1", error=BUSY)
    tried = {"assignment": "a1", "attempt": 1, "way": "other_member", "reason": "…", "error": BUSY}
    told(Kind.RECOVERY_TRIED, "web#a1", "work/a1", **tried)
    told.asks("work/a1~2", error=BUSY)
    told(Kind.WORK_FAILED, "web#a1", "work/a1", assignment="a1", worker="web", error=BUSY)
    told(
        Kind.MEMORY_FAILED, "research", "learn", step="learn", error={"code": "no_memory", "message": "Gone."}
    )
    error = {"code": "nothing_to_show", "message": "Nobody\nfound.", "remedy": ""}
    assert shown(tree(told, "failed", error=error)) == [
        "✗ research  r_1  failed  nothing_to_show: Nobody found.  8.0 s, 2 calls, 200 tokens, $0.0200",
        "✗ a1 web  Moon?  failed  overloaded: Busy.  6.0 s, 2 calls, 200 tokens, $0.0200",
        "✗ model openai:gpt-5.4  gather  failed  overloaded: Busy.  1.0 s, 100 tokens, $0.0100",
        "✗ attempt 2  by another model, after overloaded: Busy.  failed  3.0 s, 1 call, 100 tokens, $0.0100",
        "✗ model openai:gpt-5.4  gather  failed  overloaded: Busy.  1.0 s, 100 tokens, $0.0100",
        "· a2 web  Sun?  not begun",
        "✗ memory  failed  no_memory: Gone.",
    ]


def test_what_was_paid_before_a_crash_is_marked_and_not_counted_again() -> None:
    told = Told().plan(a1="Moon?").begin("a1").asks("work/a1")
    told(Kind.MODEL_STARTED, "web#a1", "work/a1", provider="openai:gpt-5.4", call=2, intent="gather")
    told(Kind.RUN_RESUMED, "research", "", team="research", provider="openai:gpt-5.4", language_model=True)
    told.begin("a1").asks("work/a1", replayed=True, seconds=0.0).asks("work/a1", 2)
    told(Kind.WORK_FINISHED, "web#a1", "work/a1", assignment="a1", findings=1, seconds=3.0, partial=True)
    assert shown(tree(told, partial=True))[1:] == [
        "✂ a1 web  Moon?  cut off  1 call, 100 tokens, $0.0100",
        "✓ model openai:gpt-5.4  gather  2.0 s, 100 tokens, $0.0100",
        "✂ model openai:gpt-5.4  gather  cut off",
        "• taken up again  with openai:gpt-5.4",
        "◐ a1 web  Moon?  → 1 finding, partial  3.0 s, 1 call, 100 tokens, $0.0100",
        "↻ model openai:gpt-5.4  gather  replayed  0.0 s, 100 tokens, $0.0100",
        "✓ model openai:gpt-5.4  gather  2.0 s, 100 tokens, $0.0100",
    ]


def test_a_run_that_goes_on_shows_what_is_under_way_and_one_that_failed_where_it_did() -> None:
    told = Told()(Kind.STEP_STARTED, "research", "compose", step="compose", label="compose: …")
    told(Kind.MODEL_STARTED, "supervisor", "compose", provider="ollama:qwen3", call=1, intent="compose")
    assert shown(tree(told, "running")) == [
        "… research  r_1  running  1.0 s",
        "… compose  under way",
        "… model ollama:qwen3  compose, asked by supervisor  under way",
    ]
    failed = shown(tree(told, "failed", error={"code": "budget_spent", "message": "No seconds are left."}))
    assert [line[0] for line in failed] == ["✗", "✗", "✂"]


def test_a_price_that_is_not_known_is_said_to_be_unknown_all_the_way_up() -> None:
    told = Told().plan(a1="Moon?").begin("a1")
    told.asks("work/a1", usage={"input_tokens": 5, "output_tokens": 5, "cost_usd": None, "calls": 1})
    told.asks("work/a1", 2)
    assert "2 calls, 110 tokens, price unknown" in shown(tree(told, "running"))[1]


def test_a_team_s_run_stands_under_the_work_that_it_does_and_a_forgotten_one_is_named() -> None:
    ended = Told("r_2")(Kind.RUN_FINISHED, "tides", "", state="done", partial=True, seconds=2.0)
    child = tree(ended, team="tides", partial=True)
    told = Told().plan(a1="Moon?", a2="Sun?")
    for name, run in (("a1", "r_2"), ("a2", "r_3")):
        told.begin(name)(Kind.CHILD_STARTED, "x", f"work/{name}", assignment=name, team="tides", run=run)
    assert shown(tree(told, "running", {"r_2": child}))[1:] == [
        "… a1 web  Moon?  under way",
        "◐ tides  r_2  done, partial  2.0 s",
        "… a2 web  Sun?  under way",
        "• tides  r_3, forgotten",
    ]


def test_a_run_of_teams_is_shown_as_one_tree_with_the_calls_of_each(
    atlas_mcp: Program, documents: Path, script: Path, home: Path
) -> None:
    build_house(home / "config")
    script.write_text(SCRIPT, "utf-8")
    (documents / "tides.md").write_text(f"# Tides\n\n{SPRING}\n{TABLE}\n", "utf-8")
    assert atlas_mcp("run", "house", ASKED, "-d", documents, "-q").exit_code == Exit.DONE
    told = json.loads(atlas_mcp("runs", "show", "--json").stdout)
    tree = atlas_mcp("runs", "show", "--tree").stdout
    in_order = [
        f"✓ house  {told['run']['run_id']}  done",
        "├── ✓ plan  2 assignments",
        "├── ✓ a1 team:tides  When do spring tides come?",
        f"│   └── ✓ tides  {told['children'][0]['run']['run_id']}  done",
        "│       ├── ✓ a1 reader  When do they come?  → 1 finding",
        "│       │   ├── ✓ tool search documents  query=When do they come?",
        f"│   └── ✓ tides  {told['children'][1]['run']['run_id']}  done",
        "\n├── ✓ compose",
    ]
    places = [tree.index(said) for said in in_order]
    assert places == sorted(places)


def test_a_run_is_shown_as_a_tree_or_as_json_and_not_as_both(atlas_mcp: Program) -> None:
    assert atlas_mcp("runs", "show", "--tree", "--json").exit_code == Exit.USAGE


def test_a_run_can_be_exported_as_a_picture_that_a_browser_shows(
    atlas_mcp: Program, documents: Path, tmp_path: Path
) -> None:
    atlas_mcp("run", "research", QUESTION, "-d", documents, "-q")
    file = tmp_path / "picture.svg"
    assert atlas_mcp("runs", "export", "-f", "svg", "-o", file).exit_code == Exit.DONE
    drawn = ET.parse(file).getroot()  # noqa: S314 - we wrote it
    assert drawn.tag.endswith("}svg")
    assert (drawn[0].text or "").endswith(QUESTION)
