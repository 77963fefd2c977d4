"""Whether a brief is carried by what it cites."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.messages import Passage, Source
from atlas_mcp.quality.citations import judge_claims, judge_sentences, misquoted, quote_place

SOURCE = Source("ab", "file:///t", "T", "2026-01-01")
QUOTES = {
    "f1": "The Moon's gravity raises two tides a day.",
    "f2": "The Bay of Fundy has a range of 16 metres.",
    "f3": "Neap tides come at the quarters.",
}


def passages(*texts: str) -> dict[str, Passage]:
    return {f"p{n}": Passage(f"p{n}", SOURCE, text, 0) for n, text in enumerate(texts, start=1)}


def test_a_claim_in_the_words_of_its_quotes_is_supported() -> None:
    (verdict,) = judge_claims(
        [{"text": "The Moon raises two tides each day.", "finding_ids": ["f1"]}], QUOTES
    )
    assert verdict.supported


@pytest.mark.parametrize(
    ("text", "ids", "reason"),
    [
        ("The Moon raises tides.", [], "it cites no finding"),
        ("The Moon raises tides.", ["f9"], "there is no finding f9"),
        ("The Moon raises tides.", ["f1", "f9"], "there is no finding f9"),
        ("The Bay of Fundy has a range of 17 metres.", ["f2"], "a number"),
        ("Parliament elected a new speaker yesterday.", ["f1"], "share 0% of its words"),
        ("The Bay of Fundy has a range of 16 metres.", ["f1"], "a number"),
    ],
)
def test_a_claim_that_nothing_carries_is_told_why(text: str, ids: list[str], reason: str) -> None:
    (verdict,) = judge_claims([{"text": text, "finding_ids": ids}], QUOTES)
    assert not verdict.supported
    assert reason in verdict.reason


def test_markers_within_a_claim_are_not_its_words() -> None:
    (verdict,) = judge_claims([{"text": "The Moon raises two tides [f1].", "finding_ids": ["f1"]}], QUOTES)
    assert verdict.text == "The Moon raises two tides."
    assert verdict.supported


@pytest.mark.parametrize(
    "text",
    [
        "The Moon raises two tides [f1]. Neap tides come at the quarters [f3].",
        "The Moon raises two tides. [f1] Neap tides come at the quarters. [f3]",
        "The Moon raises two tides.[f1] Neap tides come at the quarters.[f3]",
        "The Moon raises two tides [f1].\n\nNeap tides come at the quarters. [f3]",
    ],
)
def test_a_marker_stands_before_or_after_the_full_stop(text: str) -> None:
    verdicts = judge_sentences(text, QUOTES)
    assert [(verdict.text, verdict.finding_ids) for verdict in verdicts] == [
        ("The Moon raises two tides.", ("f1",)),
        ("Neap tides come at the quarters.", ("f3",)),
    ]
    assert all(verdict.supported for verdict in verdicts)


@pytest.mark.parametrize("markers", ["[f1, f2]", "[f1][f2]", "[f1] [f2]", "[f1,f2]"])
def test_a_sentence_may_rest_on_several_findings(markers: str) -> None:
    for text in (f"The Moon raises the 16 metres of Fundy {markers}.", f"The Moon raises Fundy. {markers}"):
        (verdict,) = judge_sentences(text, QUOTES)
        assert verdict.finding_ids == ("f1", "f2")


def test_a_sentence_does_not_borrow_the_finding_of_the_one_before() -> None:
    verdicts = judge_sentences("The range is 16 metres. [f2] The Moon raises 16 tides. [f1]", QUOTES)
    assert [verdict.supported for verdict in verdicts] == [True, False]


def test_a_sentence_without_a_marker_rests_on_the_next_that_has_one() -> None:
    verdicts = judge_sentences("The Moon raises tides. It has gravity [f1].", QUOTES)
    assert [verdict.finding_ids for verdict in verdicts] == [("f1",), ("f1",)]


def test_sentences_after_the_last_marker_cite_nothing() -> None:
    verdicts = judge_sentences("The Moon raises two tides [f1]. Stars are far.", QUOTES)
    assert verdicts[1].reason == "it cites no finding"


@given(
    st.lists(
        st.sampled_from(
            ["The Moon raises two tides", "Neap tides come", "16", "[f1]", "[f9]", ".", " ", "\n\n"]
        )
    )
)
def test_no_marker_is_lost_and_none_is_invented(pieces: list[str]) -> None:
    text = " ".join(pieces)
    cited = {name for verdict in judge_sentences(text, QUOTES) for name in verdict.finding_ids}
    assert cited <= {name for name in ("f1", "f9") if f"[{name}]" in text}
    assert all("[f" not in verdict.text for verdict in judge_sentences(text, QUOTES))


def test_a_quote_is_found_in_the_passage_it_names_first() -> None:
    shown = passages("The Moon pulls.", "Again: The Moon pulls.")
    assert quote_place("The Moon pulls.", "p2", shown) == (shown["p2"], 7, 22)
    assert quote_place("The  Moon\npulls.", "p1", shown) == (shown["p1"], 0, 15)


def test_a_quote_that_names_the_wrong_passage_is_found_where_it_stands() -> None:
    shown = passages("Nothing here.", "The Moon pulls.")
    for named in ("p1", "p9"):
        place = quote_place("The Moon pulls.", named, shown)
        assert place is not None
        assert place[0].id == "p2"


@pytest.mark.parametrize("quote", ["The moon pulls.", "The Moon pulls!", " ", "The Moon … pulls."])
def test_a_quote_that_differs_in_a_letter_stands_nowhere(quote: str) -> None:
    assert quote_place(quote, "p1", passages("The Moon pulls.")) is None


def test_an_agent_is_told_which_of_its_quotes_are_not_verbatim() -> None:
    findings = [{"passage": "p1", "quote": "The Moon pulls."}, {"passage": "p1", "quote": "The Moon pushes."}]
    (told,) = misquoted(findings, passages("The Moon pulls."))
    assert told.startswith("$.findings[1].quote is not verbatim in any passage: 'The Moon pushes.'")
