from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.pictures.lettering import drawable, width, wrapped
from atlas_mcp.observe.pictures.svg import picture_svg

Told: TypeAlias = "tuple[Kind, str, dict[str, Any]]"

SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"name": 13.5, "plain": 13.0, "aside": 11.0, "outcome": 12.5}


def story(*told: Told) -> list[Event]:
    return [
        Event("r_1", seq, "2026-01-01T00:00:00+00:00", kind, actor, "", data)
        for seq, (kind, actor, data) in enumerate(told, start=1)
    ]


def parsed(events: list[Event]) -> ET.Element:
    return ET.fromstring(picture_svg(events).encode())  # noqa: S314 - we wrote it


def said(drawn: ET.Element) -> list[tuple[str, list[str]]]:
    """Each node's classes and its lines, in order."""
    return [
        (group.get("class", ""), [text.text or "" for text in group.iter(f"{SVG}text")])
        for group in drawn.iter(f"{SVG}g")
    ]


def asked(question: str) -> Told:
    return Kind.RUN_QUEUED, "atlas", {"team": "atlas", "input": {"task": question}}


def planned(*assignments: tuple[str, str, list[str]], goal: str = "Moon.", number: int = 1) -> Told:
    made = [
        {"id": name, "worker": worker, "goal": goal, "after": after} for name, worker, after in assignments
    ]
    return Kind.PLAN_MADE, "atlas", {"round": number, "assignments": made}


FAILED = (
    Kind.WORK_FAILED,
    "web#a2",
    {"assignment": "a2", "error": {"code": "overloaded", "message": "Busy."}},
)
FINISHED: Told = (Kind.RUN_FINISHED, "atlas", {"state": "done", "partial": True, "limit": "8 calls"})


def whole_run() -> list[Event]:
    return story(
        asked("Why tides?"),
        (Kind.DOCUMENTS_READ, "atlas", {"label": "", "done": 2, "total": 2}),
        planned(("a1", "team:research", []), ("a2", "web", []), ("a3", "documents", ["a1"])),
        (Kind.CHILD_STARTED, "atlas", {"assignment": "a1", "team": "research", "run": "r_2"}),
        (Kind.WORK_FINISHED, "team:research#a1", {"assignment": "a1", "findings": 3, "partial": True}),
        FAILED,
        (Kind.STEP_STARTED, "atlas", {"step": "compose", "label": "compose: …"}),
        (Kind.CHECK_FINISHED, "atlas", {"claims": 3, "quotes": 4, "unsupported": 0}),
        (Kind.VERSION_KEPT, "atlas", {"revision": 0, "score": 4.2, "gate": "pass", "better": True}),
        FINISHED,
    )


def test_it_says_what_the_mermaid_chart_says_each_in_its_shape_and_colour() -> None:
    assert said(parsed(whole_run())) == [
        ("end", ["Why tides?"]),
        ("documents", ["2 documents"]),
        ("step", ["plan, round 1"]),
        ("team partial", ["research a1", "Moon.", "run r_2", "3 findings, partial"]),
        ("work failed", ["web a2", "Moon.", "failed: Busy."]),
        ("work", ["documents a3", "Moon.", "not begun"]),
        ("step", ["compose"]),
        ("step", ["check: 3 claims,", "4 quotes verified"]),
        ("decision kept", ["version 1", "4.2 of 5, good enough", "kept"]),
        ("end partial", ["done, partial", "8 calls reached"]),
    ]


def test_it_bears_the_run_and_its_question_as_a_title_and_needs_nothing_but_itself() -> None:
    text = picture_svg(whole_run())
    drawn = ET.fromstring(text)  # noqa: S314 - we wrote it
    assert drawn[0].tag == f"{SVG}title"
    assert drawn[0].text == "Run r_1: Why tides?"
    assert {each.tag.removeprefix(SVG) for each in drawn.iter()} <= {
        "svg", "title", "style", "rect", "path", "g", "text"
    }  # fmt: skip
    assert text.count("http") == 1
    assert not re.search(r"href|url\(|@import|\son\w+=", text)
    assert picture_svg(whole_run()) == text


def test_its_colours_are_others_where_it_is_dark() -> None:
    light, _, dark = picture_svg(whole_run()).partition("@media (prefers-color-scheme:dark)")
    colours = re.compile(r"\.atlas-run \.ground\{fill:(#\w+)\}")
    assert colours.findall(light) != colours.findall(dark)


def test_what_goes_on_from_an_earlier_round_is_dotted() -> None:
    drawn = parsed(
        story(
            asked("Why?"),
            planned(("a1", "web", [])),
            (Kind.REVIEW_MADE, "atlas", {"round": 1, "enough": False, "reason": "", "gaps": 0}),
            planned(("a2", "web", ["a1"]), number=2),
        )
    )
    lines = [path.get("class") for path in drawn.iter(f"{SVG}path")]
    assert lines.count("edge earlier") == 1
    assert lines.count("edge") == 6


def test_a_run_of_which_nothing_is_known_is_a_picture_too() -> None:
    assert said(parsed([]))[-1] == ("end", ["not finished"])


anything = st.text(st.characters(exclude_categories=()), max_size=200)
names = st.sampled_from(["a1", "a2", "a3", "a4", "a5"]) | anything
assignments = st.lists(
    st.tuples(names, anything, st.lists(names, max_size=3)), max_size=6, unique_by=lambda each: each[0]
)


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    """Runs in which people and models wrote whatever they liked, in any order of what can happen."""
    text = draw(anything)
    error = {"code": draw(anything), "message": draw(anything)}
    told: list[Told] = [
        asked(text),
        planned(*draw(assignments), goal=draw(anything)),
        (Kind.CHILD_STARTED, "atlas", {"assignment": draw(names), "team": text, "run": text}),
        (Kind.WORK_FAILED, f"x#{draw(names)}", {"assignment": draw(names), "error": error}),
        (Kind.TOOL_STARTED, f"x#{draw(names)}", {"tool": text}),
        (Kind.SERVER_NOTED, "", {"server": text, "what": "failed", "text": text}),
        (Kind.RECOVERY_TRIED, "", {"assignment": draw(names), "attempt": 1, "way": text, "error": error}),
        (Kind.ESCALATED, "", {"level": text, "reason": text, "failures": 1}),
        (Kind.REVIEW_MADE, "", {"round": 1, "enough": False, "reason": text, "gaps": 2}),
        (Kind.QUESTION_ANSWERED, "", {"answer": {"decision": text, "note": text}}),
        (Kind.REVISION_STARTED, "", {"revision": 1, "score": 1.0, "minimum": 3.5, "reasons": [text, text]}),
        planned(*draw(assignments), goal=text, number=2),
        (Kind.VERSION_KEPT, "", {"revision": 0, "score": None, "gate": text, "better": True}),
        (Kind.RUN_FINISHED, "", {"state": draw(st.sampled_from(["done", "failed"])), "partial": False}),
    ]
    chosen = draw(st.lists(st.sampled_from(told), max_size=len(told)))
    return [replace(event, span_id="work/a1") for event in story(*chosen)]


@given(journals())
def test_whatever_people_and_models_write_it_is_well_formed_and_no_line_leaves_its_box(
    events: list[Event],
) -> None:
    drawn = parsed(events)
    for group in drawn.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        if box is None:
            continue
        left, top = float(box.get("x", 0)), float(box.get("y", 0))
        right, bottom = left + float(box.get("width", 0)), top + float(box.get("height", 0))
        for text in group.iter(f"{SVG}text"):
            long = width(text.text or "", SIZES[text.get("class", "")])
            x, y = float(text.get("x", 0)), float(text.get("y", 0))
            begins = x - long / 2 if text.get("text-anchor") else x
            assert left < begins
            assert begins + long < right
            assert top < y < bottom


@given(anything, st.floats(20, 300))
def test_a_text_is_broken_into_lines_that_fit_and_nothing_of_it_is_lost(text: str, most: float) -> None:
    shown = drawable(text)
    lines = wrapped(shown, 13, most)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")
    assert all(width(line, 13) <= most or len(line) == 1 for line in lines)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x1b[31m", "ab[31m"),
        ("a\ud800b\uffff", "ab"),
        ("one\n\ttwo", "one two"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("父 👨\u200d👩\u200d👧 é", "父 👨\u200d👩\u200d👧 é"),
    ],
)
def test_what_cannot_be_drawn_or_turns_a_text_around_is_left_out(text: str, shown: str) -> None:
    assert drawable(text) == shown
