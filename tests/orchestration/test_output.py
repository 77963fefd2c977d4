"""From a draft and its evidence to a team's output: only what is carried is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.messages import Finding, Location, Source
from atlas_mcp.orchestration.evidence import Evidence, empty_draft
from atlas_mcp.orchestration.gate import supported
from atlas_mcp.orchestration.measuring import measured
from atlas_mcp.orchestration.output import assemble
from atlas_mcp.orchestration.store import RunRow, RunState
from atlas_mcp.orchestration.team import Team, load_teams
from atlas_mcp.providers.scripted import Script, ScriptedProvider
from atlas_mcp.shapes import misfits
from tests.orchestration.folders import team_of

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.orchestration.context import RunContext

TEAMS = load_teams(Catalogue())
MOON, FUNDY = "The Moon raises two tides a day.", "The Bay of Fundy has a range of 16 metres."


@dataclass
class Context:
    """As much of a run as an output is made from."""

    team: Team = field(default_factory=lambda: TEAMS["research"])
    provider: ScriptedProvider = field(default_factory=lambda: ScriptedProvider(Script("tides")))
    made_with: dict[str, str] = field(default_factory=dict[str, str])
    row: RunRow = field(
        default_factory=lambda: RunRow(
            "r_1",
            "ada",
            "research",
            "v1",
            {"question": "Why?"},
            {},
            RunState.RUNNING,
            partial=False,
            created_at="",
            updated_at="",
        )
    )


def finding(number: int, quote: str) -> Finding:
    return Finding(f"f{number}", quote, "s1", "Tides", Location(0, len(quote)), "documents")


FOUND = Evidence(
    (finding(1, MOON), finding(2, FUNDY)),
    {"s1": Source("ab", "file:///t.md", "Tides", "2026-01-01")},
    (),
    ("The Moon pushes.",),
)
NOTHING = Evidence((), {}, ("When?",), ())


def draft(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "answer": f"{MOON} [f1] {FUNDY} [f2]",
        "claims": [{"text": MOON, "finding_ids": ["f1"]}, {"text": FUNDY, "finding_ids": ["f2"]}],
        "disagreements": [],
        "open_questions": [],
        "confidence": 0.8,
    }
    return {**whole, **changes}


def made(
    given: dict[str, Any],
    found: Evidence = FOUND,
    lost: tuple[Finding, ...] = (),
    *,
    partial: bool = False,
    **context: Any,
) -> dict[str, Any]:
    stored = {source.sha256: f"{MOON}\n" for source in found.sources.values()}
    measures = measured(given, found, lost, stored, ())
    return assemble(
        cast("RunContext", Context(**context)), given, found, lost, measures=measures, partial=partial
    )


def reasons(output: dict[str, Any]) -> dict[str, str]:
    return {each["text"]: each["reason"] for each in output["unsupported"]}


def test_an_output_fits_its_teams_schema_and_shows_all_its_evidence() -> None:
    output = made(draft())
    assert misfits(TEAMS["research"].output_schema, output) == []
    assert [each["id"] for each in output["findings"]] == ["f1", "f2"]
    assert [each["id"] for each in output["sources"]] == ["s1"]
    assert output["claims"] == draft()["claims"]
    assert output["run_id"] == "r_1"


def test_a_claim_that_nothing_carries_is_set_aside_shown_and_lowers_the_confidence() -> None:
    invented: dict[str, Any] = {"text": "The Bay of Fundy has a range of 99 metres.", "finding_ids": ["f2"]}
    output = made(draft(claims=[draft()["claims"][0], invented]))
    assert output["claims"] == [draft()["claims"][0]]
    assert "number" in reasons(output)[invented["text"]]
    assert output["confidence"] == pytest.approx(0.4)
    assert invented["text"] in output["report"]


def test_a_sentence_of_the_answer_that_nothing_carries_is_shown() -> None:
    output = made(draft(answer=f"{MOON} [f1] Cheese is made there."))
    assert reasons(output)["Cheese is made there."] == "in the answer: it cites no finding"


@pytest.mark.parametrize(
    ("said", "marked"),
    [
        ("Cheese is made there.", "Cheese is made there. [unsupported]"),
        ("Cheese is made there [f9].", "Cheese is made there [f9]. [unsupported]"),
        ("Cheese [f1] is made there. [f9]", "Cheese [f1] is made there. [unsupported] [f9]"),
        (
            "It has 99 metres [f2]. It has 99 metres [f2].",
            "It has 99 metres [f2]. [unsupported] It has 99 metres [f2]. [unsupported]",
        ),
    ],
)
def test_a_sentence_that_nothing_carries_is_marked_where_it_stands(said: str, marked: str) -> None:
    assert made(draft(answer=f"{MOON} [f1] {said}"))["answer"] == f"{MOON} [f1] {marked}"


def test_a_mark_makes_no_answer_longer_than_it_may_be() -> None:
    bare = " ".join(f"Cheese number {number} is made there [f9]." for number in range(60))[:1995]
    output = made(draft(answer=bare))
    assert misfits(TEAMS["research"].output_schema, output) == []
    assert output["answer"].count("[unsupported]") == len(reasons(output)) - 1


def test_a_dropped_quote_is_shown() -> None:
    assert reasons(made(draft()))["The Moon pushes."] == "not verbatim in any source"


@pytest.mark.parametrize(
    "said", [["Two tables give two sums."], [{"text": "x", "finding_ids": None}], "none"]
)
def test_what_contradicts_what_may_be_said_without_findings(said: object) -> None:
    assert supported({"contradictions": said}, {}, searched=True).draft == {"contradictions": said}


def test_what_cites_a_finding_that_was_lost_is_unsupported() -> None:
    output = made(
        draft(disagreements=[{"text": None, "finding_ids": ["f1", "f2"]}]), lost=(FOUND.findings[1],)
    )
    assert [each["id"] for each in output["findings"]] == ["f1"]
    assert output["claims"] == [draft()["claims"][0]]
    assert output["disagreements"] == []
    told = [each["reason"] for each in output["unsupported"] if each["text"] == FUNDY]
    assert "not verbatim in its stored source" in told
    assert "there is no finding f2" in told


def test_an_answer_whose_every_finding_was_lost_does_not_pass_unseen() -> None:
    output = made(draft(), lost=FOUND.findings)
    assert (output["claims"], output["findings"], output["confidence"]) == ([], [], 0.0)
    told = [each["reason"] for each in output["unsupported"] if each["reason"].startswith("in the answer")]
    assert len(told) == 2


def test_with_nothing_found_the_output_says_so_and_blames_nobody() -> None:
    output = made(empty_draft(TEAMS["research"], "Why?"), NOTHING)
    assert misfits(TEAMS["research"].output_schema, output) == []
    assert (output["unsupported"], output["confidence"], output["open_questions"]) == ([], 0.0, ["Why?"])


def test_it_is_told_who_made_it() -> None:
    assert made(draft(), made_with={"m1": "openai", "m2": "ollama"})["made_with"]["models"] == ["m1", "m2"]
    alone = made(draft())["made_with"]
    assert (alone["models"], alone["language_model"]) == (["tides"], False)
    assert "scripted" in alone["providers"]


def test_what_a_team_asks_its_supervisor_for_is_not_overwritten(tmp_path: Path) -> None:
    own = [{"id": "x", "statement": "Tides matter."}]
    team = team_of(tmp_path, {"findings": {"type": "array"}, "answer": {"type": "string"}})
    assert made({"findings": own, "answer": f"{MOON} [f1]"}, team=team) == {
        "findings": own,
        "answer": f"{MOON} [f1]",
    }


def test_a_team_may_have_a_report_and_nothing_else(tmp_path: Path) -> None:
    team = team_of(
        tmp_path, {"report": {"type": "string", "x-atlas-computed": True}, "answer": {"type": "string"}}
    )
    output = made({"answer": f"{MOON} [f1]"}, team=team, partial=True)
    assert sorted(output) == ["answer", "report"]
    assert "Partial" in output["report"]
    assert "Run `r_1`" in output["report"]


def test_a_list_of_a_teams_own_is_judged_where_its_items_name_findings_and_stands_in_the_report(
    tmp_path: Path,
) -> None:
    item = {
        "type": "object",
        "required": ["text", "finding_ids", "owner"],
        "properties": {
            "text": {"type": "string"},
            "owner": {"type": "string"},
            "finding_ids": {"type": "array", "items": {"type": "string"}},
        },
    }
    computed = {"x-atlas-computed": True}
    properties = {
        "decisions": {"type": "array", "items": item},
        "unsupported": {"type": "array", **computed},
        "report": {"type": "string", **computed},
    }
    team = team_of(tmp_path, properties)
    decisions = [
        {"text": MOON, "finding_ids": ["f1"], "owner": "Ana"},
        {"text": "The Moon raises 77 tides a day.", "finding_ids": ["f1"], "owner": "Bob"},
        {"text": FUNDY, "finding_ids": ["f9"], "owner": "Eve"},
    ]
    output = made({"decisions": decisions}, team=team)
    assert [each["owner"] for each in output["decisions"]] == ["Ana"]
    assert len([each for each in output["unsupported"] if "Moon pushes" not in each["text"]]) == 2
    assert "## Decisions" in output["report"]
    assert "owner: Ana" in output["report"]
