"""From what workers gave to numbered findings: the same on every replay, and nothing that is not verbatim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.messages import Passage, Source
from atlas_mcp.orchestration.evidence import (
    empty_draft,
    gathered,
    not_in_snapshot,
    numbered,
    plainly_marked,
)
from atlas_mcp.orchestration.team import load_teams
from atlas_mcp.shapes import misfits
from tests.orchestration.folders import team_of

if TYPE_CHECKING:
    import random
    from pathlib import Path

TEAMS = load_teams(Catalogue())
SNAPSHOT = "# Tides\n\nThe Moon  pulls.\nThe sea follows. The Moon pulls."


def source(name: str = "ab") -> Source:
    return Source(name, f"file:///{name}.md", name, "2026-01-01")


def passage(name: str = "p1", start: int = 0, end: int | None = None) -> Passage:
    return Passage(name, source(), SNAPSHOT[start:end], start, page=3, heading="Tides")


def finding(quote: str, of: str = "ab", start: int = 0) -> dict[str, Any]:
    return {
        "quote": quote,
        "source": {"sha256": of, "uri": f"file:///{of}.md", "title": of, "retrieved_at": "2026-01-01"},
        "location": {"start": start, "end": start + len(quote), "page": None, "heading": None},
        "about": "",
    }


def result(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"ok": True, "worker": "documents", "findings": list(findings), "gaps": [], "dropped": [], **more}


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["The Moon pulls.", "The  Moon pulls.", "It rains."]), st.sampled_from("ab")
            )
        ),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_numbers_follow_the_plan_whatever_the_order_in_which_workers_came_back(
    given_findings: list[list[tuple[str, str]]], shuffle: random.Random
) -> None:
    assignments = [{"id": f"a{number}"} for number in range(len(given_findings))]
    results = {
        f"a{number}": result(*(finding(quote, of) for quote, of in each), gaps=[f"gap {number}"])
        for number, each in enumerate(given_findings)
    }
    arrived = list(results.items())
    shuffle.shuffle(arrived)
    found = numbered(assignments, dict(arrived))
    assert found == numbered(assignments, results)
    assert [each.id for each in found.findings] == [f"f{n}" for n in range(1, len(found.findings) + 1)]
    assert list(found.sources) == [f"s{n}" for n in range(1, len(found.sources) + 1)]
    assert {each.source_id for each in found.findings} == set(found.sources)


def test_the_same_words_of_the_same_source_count_once() -> None:
    results = {
        "a1": result(
            finding("The Moon pulls."), finding("The  Moon\npulls."), finding("The Moon pulls.", "cd")
        )
    }
    found = numbered([{"id": "a1"}], results)
    assert [(each.id, each.source_id) for each in found.findings] == [("f1", "s1"), ("f2", "s2")]


def test_what_failed_or_has_not_come_back_adds_nothing() -> None:
    results: dict[str, dict[str, Any]] = {
        "a1": {"ok": False, "worker": "web", "error": {}},
        "a2": result(finding("It rains."), gaps=["When?"]),
    }
    found = numbered([{"id": "a1"}, {"id": "a2"}, {"id": "a3"}], results)
    assert [each.quote for each in found.findings] == ["It rains."]
    assert found.gaps == ("When?",)


def test_a_quote_is_given_as_it_stands_in_its_source_with_its_place_there() -> None:
    shown = passage(start=9)
    given_back = gathered(
        {"findings": [{"passage": "p1", "quote": "The Moon pulls. The sea"}], "gaps": []}, [shown]
    )
    (found,) = given_back["findings"]
    start, end = found["location"]["start"], found["location"]["end"]
    assert SNAPSHOT[start:end] == found["quote"] == "The Moon  pulls.\nThe sea"
    assert (found["location"]["page"], found["location"]["heading"]) == (3, "Tides")


def test_a_quote_that_is_not_verbatim_is_dropped_and_remembered() -> None:
    value = {"findings": [{"passage": "p1", "quote": "The Moon pushes."}], "gaps": ["Why?"]}
    assert gathered(value, [passage()]) == {"findings": [], "gaps": ["Why?"], "dropped": ["The Moon pushes."]}


def test_a_finding_is_looked_for_in_its_stored_source() -> None:
    value = {
        "findings": [{"passage": "p1", "quote": quote} for quote in ("The Moon pulls.", "The sea follows.")],
        "gaps": [],
    }
    found = numbered([{"id": "a1"}], {"a1": result(*gathered(value, [passage(start=9)])["findings"])})
    assert not_in_snapshot(found, {"ab": SNAPSHOT}) == []
    moved = "\n" * 30 + SNAPSHOT
    assert [each.id for each in not_in_snapshot(found, {"ab": moved})] == ["f1", "f2"]
    changed = SNAPSHOT.replace("sea", "sky")
    assert [each.id for each in not_in_snapshot(found, {"ab": changed})] == ["f2"]


@pytest.mark.parametrize("name", TEAMS)
def test_with_nothing_found_every_shipped_team_says_so_in_its_own_shape(name: str) -> None:
    draft = empty_draft(TEAMS[name], "Why are there tides?")
    assert misfits(TEAMS[name].composed_schema, draft) == []


def test_with_nothing_found_the_question_stays_open() -> None:
    draft = empty_draft(TEAMS["research"], "Why are there tides?")
    assert draft["open_questions"] == ["Why are there tides?"]
    assert draft["answer"] == "The documents do not answer this question."
    assert (draft["claims"], draft["confidence"]) == ([], 0)


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "integer", "minimum": 3},
        {"type": "boolean"},
        {"enum": ["pass", "fail"]},
        {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/b"}}},
        {"type": "array", "minItems": 2, "items": {"type": "string"}},
        {"type": ["string", "null"]},
        {"type": "string", "maxLength": 5},
        {"$ref": "#/$defs/b"},
    ],
    ids=str,
)
def test_an_empty_draft_fits_whatever_a_team_wishes_for(shape: dict[str, Any], tmp_path: Path) -> None:
    definitions = {"b": {"type": "object", "required": ["c"], "properties": {"c": {"const": 1}}}}
    team = team_of(tmp_path, {"answer": {"type": "string"}, "more": shape}, **{"$defs": definitions})
    assert misfits(team.composed_schema, empty_draft(team, "Why?")) == []


@pytest.mark.parametrize("written", ["[f1; f12]", "[f1 and f12]", "(f1, f12)", "[ f1,f12 ]", "[f1, and f12]"])
def test_marks_are_read_however_they_are_written(written: str) -> None:
    assert plainly_marked({"a": [f"The Moon pulls {written}."]}) == {"a": ["The Moon pulls [f1, f12]."]}


def test_what_is_no_mark_stays_as_it_is() -> None:
    text = "See (f1a), [g1], f1, and page (f)."
    assert plainly_marked(text) == text
