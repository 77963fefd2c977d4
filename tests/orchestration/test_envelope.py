"""The one shape in which a run is given: small enough for every client, always as it promises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.errors import InvalidOutput
from atlas_mcp.orchestration.asking import Question
from atlas_mcp.orchestration.envelope import LARGEST, LONGEST_REPORT, envelope, envelope_schema
from atlas_mcp.orchestration.store import RunRow, RunState
from atlas_mcp.orchestration.team import load_teams
from atlas_mcp.providers.smallest import smallest
from atlas_mcp.quality.measured import BLIND_SPOTS
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Mapping

TEAMS = load_teams(Catalogue())
RESEARCH = TEAMS["research"].output_schema


def repeated(text: str, times: int) -> str:
    return text * times


def cut_to(most: int) -> st.SearchStrategy[str]:
    def cut(text: str) -> str:
        return text[:most]

    return LONG.map(cut)


LONG = st.builds(repeated, st.text(min_size=1, max_size=40), st.integers(1, 1200))
SHORT = st.text(min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | LONG,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(SHORT, inner, max_size=6),
    max_leaves=40,
)
IDS = st.integers(1, 400).map(lambda number: f"f{number}")


def listed(most: int, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists of alike entries, long ones too, without drawing each entry."""
    entry = st.fixed_dictionaries(fields)

    def many(one: dict[str, Any], times: int) -> list[dict[str, Any]]:
        return [one] * times

    return st.builds(many, entry, st.integers(0, most))


MEASURES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "score": st.none() | st.floats(0, 5),
        "parts": listed(
            8, name=SHORT, applies=st.booleans(), share=st.none() | st.floats(0, 1), of=IDS.map(len),
            faults=st.integers(0, 40),
            reasons=listed(3, where=SHORT, quote=cut_to(160), reason=cut_to(200)),
        ),
        "blind_spots": st.just(list(BLIND_SPOTS)),
    }
)  # fmt: skip
BRIEFS = st.fixed_dictionaries(
    {
        "answer": cut_to(2000),
        "claims": listed(12, text=cut_to(800), finding_ids=st.lists(IDS, min_size=1, max_size=6)),
        "disagreements": listed(6, text=st.none(), finding_ids=st.lists(IDS, min_size=2, max_size=6)),
        "open_questions": st.lists(cut_to(400), max_size=8),
        "confidence": st.floats(0, 1),
        "findings": listed(
            400,
            id=IDS,
            quote=LONG,
            source_id=st.just("s1"),
            location=st.just({"start": 0, "end": 9}),
            worker=SHORT,
        ),
        "sources": listed(100, id=SHORT, uri=LONG, title=LONG, retrieved_at=SHORT, sha256=SHORT),
        "unsupported": listed(100, text=LONG, reason=SHORT),
        "measures": MEASURES,
        "made_with": st.just({"providers": ["p"], "models": ["m"], "language_model": True}),
        "report": LONG,
        "run_id": st.just("r_1"),
    }
)


def row(state: RunState = RunState.DONE, **fields: Any) -> RunRow:
    stored: dict[str, Any] = {
        "run_id": "r_01", "user": "ada", "team": "research", "team_version": "v1", "input": {}, "options": {},
        "state": state, "partial": False, "created_at": "", "updated_at": "", "usage": {"calls": 2},
    }  # fmt: skip
    return RunRow(**{**stored, **fields})


def size(made: Mapping[str, Any]) -> int:
    return len(json.dumps(made, ensure_ascii=False).encode())


@settings(deadline=None, max_examples=80)
@given(BRIEFS)
def test_a_brief_of_any_size_makes_an_envelope_that_is_small_and_fits_its_schema(
    brief: dict[str, Any],
) -> None:
    made = envelope(row(output=brief))
    assert size(made) <= LARGEST
    assert misfits(envelope_schema(RESEARCH), made) == []
    assert made["output"] is not None
    assert len(made["output"]["report"].encode()) <= LONGEST_REPORT


@settings(deadline=None, max_examples=80)
@given(st.dictionaries(SHORT, JSON, max_size=8))
def test_an_output_of_any_shape_makes_an_envelope_that_is_small(output: dict[str, Any]) -> None:
    made = envelope(row(output=output))
    assert size(made) <= LARGEST
    if "truncated" not in made:
        assert made["output"] == output
    elif made["output"] is not None:
        assert made["truncated"].keys() <= output.keys()
        assert all(made["output"][key] == output[key] for key in output.keys() - made["truncated"].keys())


@given(LONG, st.lists(LONG, max_size=8))
def test_an_error_of_any_length_makes_an_envelope_that_is_small(text: str, problems: list[str]) -> None:
    error = InvalidOutput(text, problems=tuple(problems), remedy=text).to_dict()
    made = envelope(row(RunState.FAILED, error=error))
    assert size(made) <= LARGEST
    assert made["error"]["code"] == "invalid_output"


def test_what_fits_is_given_whole() -> None:
    output: dict[str, Any] = {"answer": "The Moon.", "claims": []}
    assert envelope(row(output=output)) == {
        "run_id": "r_01",
        "state": "done",
        "partial": False,
        "output": output,
        "usage": {"calls": 2},
        "report_uri": "atlas://runs/r_01/report",
    }


def test_reasons_of_measures_are_left_out_before_anything_else_but_the_report() -> None:
    parts = [{"name": "numbers", "share": 0.5, "reasons": [{"quote": "q" * 1000}] * 2}, {"name": "negation"}]
    output: dict[str, Any] = {
        "measures": {"score": 2.0, "parts": parts}, "claims": [{"text": "x" * 9000}] * 2,
    }  # fmt: skip
    made = envelope(row(output=output))
    assert made["truncated"] == {"measures": 2}
    assert made["output"]["measures"]["parts"] == [{**parts[0], "reasons": []}, parts[1]]
    assert made["output"]["claims"] == output["claims"]


def test_a_long_report_goes_on_where_the_envelope_says() -> None:
    report = "# Tides\n\n" + "The Moon pulls.\n" * 2000
    made = envelope(row(output={"report": report}))
    kept = made["output"]["report"]
    assert kept.endswith("*(goes on at atlas://runs/r_01/report)*\n")
    whole = kept[: kept.index("\n\n*(goes on")]
    assert report.startswith(whole)
    assert made["truncated"] == {"report": len(report) - len(whole)}


def test_the_ends_of_the_longest_lists_are_left_out_and_counted() -> None:
    output: dict[str, list[str]] = {
        "claims": ["short"] * 10,
        "findings": [f"{number} " + "x" * 500 for number in range(100)],
    }
    made = envelope(row(output=output))
    kept = len(made["output"]["findings"])
    assert made["output"]["findings"] == output["findings"][:kept]
    assert made["output"]["claims"] == output["claims"]
    assert made["truncated"] == {"findings": 100 - kept}
    assert size(made) > LARGEST * 0.9


def test_the_stored_output_is_not_touched() -> None:
    output = {"report": "x" * 30_000, "findings": ["y" * 500] * 100}
    envelope(row(output=output))
    assert (len(output["report"]), len(output["findings"])) == (30_000, 100)


@pytest.mark.parametrize("state", list(RunState))
def test_a_run_that_has_not_ended_says_what_to_call_next(state: RunState) -> None:
    made = envelope(row(state))
    assert ("next" in made) == (not row(state).final)
    assert "r_01" in made.get("next", "r_01")
    assert made["output"] is None


def test_a_paused_run_is_let_go_on_by_resuming_it() -> None:
    assert 'action="resume"' in envelope(row(RunState.PAUSED))["next"]
    assert "run_result" in envelope(row(RunState.RUNNING))["next"]


def question(identity: str, *, about: int = 0) -> Question:
    schema = {"type": "object", "properties": {"place": {"type": "string"}}}
    return Question(identity, "Which harbour?", schema, data={"places": ["x" * 60] * about} if about else {})


def test_a_run_that_asks_shows_the_question_and_how_to_answer_it() -> None:
    made = envelope(row(RunState.WAITING), [question("work/a1")])
    assert made["question"] == question("work/a1").to_dict()
    assert 'run_answer(run_id="r_01' in made["next"]
    assert "questions" not in made
    assert misfits(envelope_schema({"type": "object"}), made) == []


def test_of_several_questions_each_is_shown_and_answered_by_its_id() -> None:
    made = envelope(row(RunState.WAITING), [question("work/a1"), question("work/a2")])
    assert [each["id"] for each in made["questions"]] == ["work/a1", "work/a2"]
    assert 'question_id="work/a1"' in made["next"]


@pytest.mark.parametrize("number", [1, 2, 200])
def test_questions_about_a_great_deal_keep_the_envelope_small(number: int) -> None:
    made = envelope(row(RunState.WAITING), [question(f"work/a{n}", about=500) for n in range(number)])
    assert len(json.dumps(made).encode()) <= LARGEST
    assert made["question"]["schema"]


def test_a_paused_run_that_asks_is_resumed_and_one_that_has_ended_asks_nothing() -> None:
    assert 'action="resume"' in envelope(row(RunState.PAUSED), [question("work/a1")])["next"]
    assert "question" not in envelope(row(RunState.CANCELLED), [question("work/a1")])


@pytest.mark.parametrize("name", TEAMS)
def test_every_shipped_teams_envelope_has_a_sound_schema_without_marks_for_providers(name: str) -> None:
    schema = envelope_schema(TEAMS[name].output_schema)
    Draft202012Validator.check_schema(schema)
    assert "x-atlas-" not in json.dumps(schema)
    made = envelope(row(output=smallest(TEAMS[name].output_schema)))
    assert misfits(schema, made) == []
    assert misfits(schema, envelope(row(RunState.RUNNING))) == []


def test_definitions_of_an_output_still_resolve_within_the_envelope() -> None:
    claim = {"type": "object", "required": ["text"]}
    shape = {
        "type": "object",
        "properties": {"claims": {"type": "array", "items": {"$ref": "#/$defs/claim"}}},
        "$defs": {"claim": claim},
    }
    schema = envelope_schema(shape)
    assert misfits(schema, envelope(row(output={"claims": [{"text": "x"}]}))) == []
    assert misfits(schema, envelope(row(output={"claims": [{}]})))
    assert "$defs" in shape
