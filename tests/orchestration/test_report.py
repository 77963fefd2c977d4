"""The report: Markdown that reads well, within its limit, with the answer first and the sources last."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.orchestration.report import LONGEST, Unread, written
from atlas_mcp.orchestration.team import load_teams

RESEARCH = load_teams(Catalogue())["research"]
ASKED = {"question": "Why are there tides?"}


def repeated(text: str, times: int) -> str:
    return text * times


LONG = st.builds(repeated, st.text(max_size=30), st.integers(0, 300))


def finding(name: str, quote: str, **location: Any) -> dict[str, Any]:
    place = {"start": 0, "end": 9, **location}
    return {"id": name, "quote": quote, "source_id": "s1", "location": place, "worker": "documents"}


def output(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "answer": "The Moon pulls the sea [f1].",
        "claims": [{"text": "The Moon makes tides.", "finding_ids": ["f1"]}],
        "findings": [finding("f1", "The Moon  pulls\nthe sea.", heading="Moon", page=4)],
        "sources": [
            {
                "id": "s1",
                "uri": "file:///t.md",
                "title": "Tides",
                "retrieved_at": "2026-01-02T03:04:05",
                "sha256": "ab",
            }
        ],
        "disagreements": [],
        "open_questions": [],
        "unsupported": [],
        "confidence": 0.875,
        "made_with": {"providers": ["openai"], "models": ["m"], "language_model": True},
        "run_id": "r_1",
    }
    return {**whole, **changes}


def report(*, partial: bool = False, **changes: Any) -> str:
    return written(RESEARCH, ASKED, output(**changes), partial=partial)


def test_the_question_the_answer_the_findings_and_the_sources_come_in_this_order() -> None:
    text = report()
    parts = [
        "# Why are there tides?",
        "The Moon pulls the sea [f1].",
        "## Findings",
        "1. **The Moon makes tides.** [f1]",
        "> “The Moon pulls the sea.”",
        "> — [f1] *Tides* (s1), Moon, page 4",
        "## Sources",
        "- **s1** Tides: `file:///t.md`, 2026-01-02",
        "Confidence 0.88. Made by the research team with m (openai). Run `r_1`.",
    ]
    assert sorted(parts, key=text.index) == parts


def test_a_claim_that_is_its_quote_is_shown_once() -> None:
    text = report(claims=[{"text": "The Moon pulls the sea!", "finding_ids": ["f1"]}])
    assert text.count("pulls the sea") == 2
    assert "**The Moon pulls" not in text


def test_a_quote_that_two_claims_cite_is_shown_with_the_first() -> None:
    claims = [{"text": text, "finding_ids": ["f1"]} for text in ("The Moon makes tides.", "The sea moves.")]
    text = report(claims=claims)
    assert text.count("“The Moon pulls the sea.”") == 1
    assert "2. **The sea moves.** [f1]" in text


def test_what_is_open_contradictory_or_unsupported_has_its_section() -> None:
    text = report(
        open_questions=["When?"],
        disagreements=[{"text": None, "finding_ids": ["f1", "f2"]}],
        unsupported=[{"text": "It rains.", "reason": "it cites no finding"}],
    )
    assert "## Open questions\n\n- When?" in text
    assert "- These may contradict one another: [f1, f2]" in text
    assert "## Not supported\n\n- It rains. (it cites no finding)" in text


def test_empty_sections_are_left_out() -> None:
    text = report(claims=[], findings=[], answer="")
    assert not {"## Findings", "## Sources", "## Open questions", "## Not supported"} & set(text.splitlines())
    assert "\n\n\n" not in text


def test_a_partial_result_says_so_at_the_top() -> None:
    assert report(partial=True).split("\n\n")[1].startswith("> **Partial.**")
    assert "Partial" not in report()


def part(name: str, share: float | None, *reasons: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "applies": share is not None, "share": share, "reasons": list(reasons)}


def test_what_was_measured_is_shown_with_its_faults_and_what_does_not_apply() -> None:
    fault = {"where": "claim 1", "quote": "It has 9.", "reason": "its quotes do not have 9"}
    parts = [part("lexical_support", 0.75), part("numbers", 0, fault), part("completeness", None)]
    text = report(measures={"score": 3.26, "parts": parts, "blind_spots": []})
    assert "## Measured: 3.3 of 5\n" in text
    assert "which do not tell what is true: words in their quotes 75%, numbers in their quotes 0%." in text
    assert "- claim 1: “It has 9.”: its quotes do not have 9\n- Not applicable: assignments answered." in text


def test_without_a_score_nothing_is_said_of_measures() -> None:
    assert "Measured" not in report(measures={"score": None, "parts": [], "blind_spots": []})


def test_a_note_on_how_it_was_made_is_shown() -> None:
    made = {"providers": ["p"], "models": ["m"], "language_model": False, "note": "No model wrote this."}
    assert "No model wrote this." in report(made_with=made)


def test_a_long_question_does_not_become_the_whole_report() -> None:
    text = written(RESEARCH, {"question": "why " * 5000}, output(), partial=False)
    assert len(text.split("\n")[0]) < 300
    assert "## Sources" in text


def test_of_a_long_report_the_middle_is_left_out() -> None:
    unsupported = [{"text": f"Claim {number} " + "x" * 200, "reason": "none"} for number in range(300)]
    text = report(unsupported=unsupported)
    assert len(text.encode()) <= LONGEST
    assert "*(shortened" in text
    assert "Claim 0 " in text
    assert text.endswith("Run `r_1`.\n")
    assert "## Sources" in text


@settings(deadline=None)
@given(
    answer=LONG,
    question=st.text(min_size=1, max_size=2000),
    claims=st.lists(st.fixed_dictionaries({"text": LONG, "finding_ids": st.just(["f1", "f2"])}), max_size=12),
    quote=LONG,
    title=LONG,
    sources=st.integers(1, 200),
    partial=st.booleans(),
)
def test_a_report_of_anything_stays_within_its_limit(  # noqa: PLR0917 - Hypothesis names them
    answer: str,
    question: str,
    claims: list[dict[str, Any]],
    quote: str,
    title: str,
    sources: int,
    partial: bool,
) -> None:
    many = [{**output()["sources"][0], "id": f"s{n}", "title": title} for n in range(1, sources + 1)]
    found = [{**finding(f"f{n}", quote), "source_id": f"s{n}"} for n in range(1, sources + 1)]
    whole = output(answer=answer, claims=claims, findings=found, sources=many)
    text = written(RESEARCH, {"question": question}, whole, partial=partial)
    assert len(text.encode()) <= LONGEST
    assert text.startswith("# ")
    assert text.endswith("\n")


@pytest.mark.parametrize("name", ["claims", "disagreements", "open_questions", "confidence", "answer"])
def test_a_team_may_do_without_a_part(name: str) -> None:
    whole = output()
    del whole[name]
    assert written(RESEARCH, ASKED, whole, partial=False).startswith("# Why are there tides?")


def test_a_quote_does_not_steer_the_terminal_that_shows_it() -> None:
    shown = report(findings=[finding("f1", "Tides \x1b]0;mine\x07 and \x9b31m more.")])
    assert "Tides \N{REPLACEMENT CHARACTER}]0;mine" in shown
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)


def test_documents_that_could_not_be_read_are_told() -> None:
    unread = Unread(2, ("a|`b`.pdf", "c.doc"), "r_7")
    said = "2 documents could not be read: `a|'b'.pdf`, `c.doc`. Why: `atlas-mcp runs show r_7`."
    assert said in written(RESEARCH, ASKED, output(), partial=False, unread=unread)
    said = "1,000 documents could not be read: `a`, `b`, `c` and 997 more."
    unread = Unread(1000, ("a", "b", "c"))
    assert said in written(RESEARCH, ASKED, output(), partial=False, unread=unread)
    assert "could not be read" not in report()


def test_a_quote_loads_nothing_when_the_report_is_shown() -> None:
    shown = report(
        findings=[finding("f1", 'See ![x](http://a.example/x.png) <img src="http://a.example"> now.')]
    )
    assert "](http://a.example/x.png)" in shown
    assert " ![" not in shown
    assert " <img" not in shown
