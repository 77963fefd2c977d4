"""How judges are chosen and asked, and how their answers are taken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.messages import Finding, Location
from atlas_mcp.providers.provider import ProviderInfo
from atlas_mcp.quality.judging import (
    check_judgements,
    choose_judges,
    judge_material,
    judge_schema,
    judge_text,
    judgements,
)
from atlas_mcp.quality.rubric import Criterion
from atlas_mcp.shapes import misfits

WORK = "The range is 16 metres [f1]. It is a very, very high range."
CRITERIA = (
    Criterion("names the range", "Does it name the range?", 2),
    Criterion("padding", "Is there padding?", -1),
)
OPENAI = ProviderInfo("openai:big", "openai", "big")
SECOND = ProviderInfo("openai:small", "openai", "small")
CLAUDE = ProviderInfo("anthropic:one", "anthropic", "one")
LOCAL = ProviderInfo("ollama:tiny", "ollama", "tiny")
NO_MODEL = ProviderInfo("extractive:1", "extractive", "1", language_model=False)

NOBODY: set[str] = set()
NONE: list[ProviderInfo] = []


def said(name: str, met: str, evidence: str | None = None) -> dict[str, Any]:
    return {"name": name, "evidence": evidence, "rationale": "Because.", "met": met}


GOOD = {"criteria": [said("names the range", "yes", "The range is 16 metres [f1]."), said("padding", "no")]}


@pytest.mark.parametrize(
    ("writers", "available", "number", "judges", "note"),
    [
        ({"openai"}, [OPENAI, CLAUDE], 1, ("anthropic:one",), ""),
        ({"openai"}, [OPENAI, SECOND, CLAUDE, LOCAL], 2, ("anthropic:one", "ollama:tiny"), ""),
        (NOBODY, [OPENAI, SECOND, CLAUDE], 2, ("openai:big", "anthropic:one"), ""),
        ({"openai"}, [OPENAI], 1, ("openai:big",), "every judge is of the writer's own family"),
        (
            {"openai"},
            [OPENAI, CLAUDE],
            2,
            ("anthropic:one", "openai:big"),
            "openai:big is of the writer's own",
        ),
        ({"openai"}, [CLAUDE], 3, ("anthropic:one",), "1 of 3 judges"),
        ({"extractive"}, [NO_MODEL], 1, (), "no language model is configured"),
        (NOBODY, NONE, 1, (), "no language model is configured"),
    ],
)
def test_judges_are_of_another_family_than_the_writer_where_there_is_one(
    writers: set[str], available: list[ProviderInfo], number: int, judges: tuple[str, ...], note: str
) -> None:
    bench = choose_judges(writers, available, number)
    assert bench.judges == judges
    assert note in bench.note
    assert bool(bench.note) == bool(note)


@given(
    st.sets(st.sampled_from(["openai", "anthropic", "ollama"])),
    st.lists(st.sampled_from([OPENAI, SECOND, CLAUDE, LOCAL, NO_MODEL])),
    st.integers(0, 5),
)
def test_nobody_judges_twice_and_nobody_of_the_family_while_another_is_free(
    writers: set[str], available: list[ProviderInfo], number: int
) -> None:
    judges = choose_judges(writers, available, number).judges
    assert len(set(judges)) == len(judges) <= number
    vendors = {each.name: each.vendor for each in available if each.language_model}
    akin = [vendors[name] in writers for name in judges]
    assert akin == sorted(akin)
    free = [name for name, vendor in vendors.items() if vendor not in writers and name not in judges]
    assert not (any(akin) and free)


def test_a_judge_has_to_give_evidence_and_reason_before_the_verdict() -> None:
    schema = judge_schema(CRITERIA)
    item = schema["properties"]["criteria"]["items"]
    assert list(item["properties"]) == item["required"] == ["name", "evidence", "rationale", "met"]
    assert misfits(schema, GOOD) == []
    assert misfits(schema, {"criteria": GOOD["criteria"][:1]})
    assert misfits(schema, {"criteria": [said("names the range", "yes"), said("beauty", "no")]})
    assert misfits(schema, {"criteria": [said("names the range", "7"), said("padding", "no")]})


def test_a_judge_is_told_the_criteria_and_the_task_and_nothing_of_the_work_or_its_writer() -> None:
    text = judge_text(CRITERIA, task="Say how high\nthe tide is.", cites=True)
    assert "- names the range: Does it name the range?\n" in text
    assert "- padding: Is there padding? (negative points)" in text
    assert '"Say how high the tide is."' in text
    assert "[f2]" in text
    assert "16 metres" not in text
    assert "[f2]" not in judge_text(CRITERIA)
    assert judge_text([Criterion("It is short", "It is short")]).endswith("\n- It is short")


def test_the_work_goes_as_material_with_the_findings_that_it_cites_and_no_others() -> None:
    findings = [Finding(name, "A quote.", "s1", "T", Location(0, 8), "w") for name in ("f1", "f11", "f2")]
    material = judge_material(f"{WORK} And more [f3, f11].", findings)
    assert [each.id for each in material.findings] == ["f1", "f11"]
    assert [(each.kind, each.by) for each in material.drafts] == [("work", "")]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([said("names the range", "yes")], "$.criteria does not answer 'padding'."),
        (
            [said("names the range", "yes"), said("names the range", "no"), said("padding", "no")],
            "$.criteria[1] answers 'names the range' again",
        ),
        (
            [said("names the range", "yes", "The range is 17 metres."), said("padding", "no")],
            "$.criteria[0].evidence is not verbatim in the work: 'The range is 17 metres.'",
        ),
        ([said("names the range", "yes"), said("padding", "partly")], "shows no sentence for it"),
    ],
)
def test_a_judge_whose_answer_cannot_be_used_is_told_why(answers: list[dict[str, Any]], problem: str) -> None:
    (told,) = check_judgements(CRITERIA, {"criteria": answers}, WORK)
    assert problem in told


def test_an_answer_that_can_be_used_becomes_judgements() -> None:
    assert check_judgements(CRITERIA, GOOD, WORK) == []
    first, second = judgements(GOOD, "anthropic:one", WORK)
    assert (first.criterion, first.met, first.judge) == ("names the range", 1.0, "anthropic:one")
    assert first.evidence == "The range is 16 metres [f1]."
    assert (second.met, second.evidence) == (0.0, "")


def test_evidence_that_is_not_in_the_work_is_shown_to_nobody() -> None:
    answer = {"criteria": [said("padding", "yes", "Never written."), said("padding", "no")]}
    (kept,) = judgements(answer, "a:b", WORK)
    assert (kept.met, kept.evidence) == (1.0, "")
