"""Composing without a model: a brief made of quotes, each with its id."""

from __future__ import annotations

import re

import pytest

from atlas_mcp.errors import InvalidRequest
from atlas_mcp.messages import Intent, Material
from atlas_mcp.providers.extraction.plain import plain_text
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.providers.provider import complete
from tests.providers.parcels import COMPOSE_SCHEMA, PASSAGES, WordVectors, asked, brief, finding, findings


@pytest.fixture
def provider() -> ExtractiveProvider:
    return ExtractiveProvider(embedder=WordVectors())


async def test_an_answer_is_made_of_quotes_each_with_its_marker(provider: ExtractiveProvider) -> None:
    question = "How does a sender stop a parcel, and what should depots do?"
    found = await findings(provider, question)
    given = await brief(provider, question, *found)
    quotes = {finding.id: plain_text(finding.quote) for finding in found}
    said = re.findall(r"(.+?) \[(f\d+)\](?: |$)", given["answer"])
    assert "".join(f"{text} [{name}] " for text, name in said).strip() == given["answer"]
    assert all(text.rstrip(".") == quotes[name].rstrip(".") for text, name in said)


async def test_both_parts_of_a_question_are_answered(provider: ExtractiveProvider) -> None:
    given = await brief(provider, "How long does a carrier keep a parcel, and what is a depot?")
    assert "14 days" in given["answer"]
    assert "A depot is a building" in given["answer"]


async def test_claims_are_quotes_without_their_markdown(provider: ExtractiveProvider) -> None:
    given = await brief(provider, "How does a sender stop a parcel?")
    assert "A sender SHOULD send a recall notice to stop a parcel that is under way." in [
        claim["text"] for claim in given["claims"]
    ]


async def test_findings_that_say_the_same_become_one_claim_with_both_ids(
    provider: ExtractiveProvider,
) -> None:
    quote = "A carrier keeps a parcel for at most 14 days."
    given = await brief(provider, "How long is a parcel kept?", finding(1, quote), finding(2, quote, "s2"))
    assert [claim["finding_ids"] for claim in given["claims"]] == [["f1", "f2"]]


async def test_sentences_that_differ_in_a_word_of_the_question_stay_apart(
    provider: ExtractiveProvider,
) -> None:
    given = await brief(
        provider,
        "What changed about stamps and seals?",
        finding(
            1, "The stamps feature is deprecated and will be removed from the next edition of the rules."
        ),
        finding(2, "The seals feature is deprecated and will be removed from the next edition of the rules."),
    )
    assert len(given["claims"]) == 2


async def test_findings_that_differ_in_a_number_are_named_as_disagreeing(
    provider: ExtractiveProvider,
) -> None:
    given = await brief(
        provider,
        "How long is a parcel kept?",
        finding(1, "A carrier keeps a parcel for at most 14 days."),
        finding(2, "A carrier keeps a parcel for at most 30 days.", "s2"),
    )
    assert given["disagreements"] == [{"text": None, "finding_ids": ["f1", "f2"]}]


async def test_a_part_that_nothing_answers_stays_an_open_question(provider: ExtractiveProvider) -> None:
    given = await brief(provider, "What is a depot? Which tax applies to imported wine?")
    assert given["open_questions"] == ["Which tax applies to imported wine?"]


async def test_confidence_grows_with_relevance_and_never_passes_four_fifths(
    provider: ExtractiveProvider,
) -> None:
    question = "How long does a carrier keep a parcel on the shelves?"
    sure = await brief(provider, question, finding(1, "A carrier keeps a parcel on the shelves for 14 days."))
    unsure = await brief(provider, question, finding(1, "A carrier is allowed to keep the uniform."))
    assert 0 < unsure["confidence"] < sure["confidence"] <= 0.8


async def test_nothing_can_be_composed_of_nothing(provider: ExtractiveProvider) -> None:
    with pytest.raises(InvalidRequest, match="answer"):
        await complete(provider, asked("What is a depot?", Intent.COMPOSE, COMPOSE_SCHEMA))


async def test_without_a_schema_the_answer_is_plain_text(provider: ExtractiveProvider) -> None:
    reply = await complete(
        provider, asked("What is a depot?", Intent.GATHER, None, Material(passages=PASSAGES))
    )
    assert reply.text.startswith("A depot is a building in which parcels wait for their carrier.")
    assert "[p2]" in reply.text
