"""The extractive provider: what it selects, what it leaves empty, and that it never writes a word itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from atlas_mcp.errors import Cancelled, InvalidRequest, Unavailable
from atlas_mcp.messages import (
    Finding,
    Intent,
    Location,
    Material,
    Message,
    Passage,
    Prompt,
    Source,
    Stopped,
    Text,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from atlas_mcp.orchestration.prompts import GATHER_SCHEMA
from atlas_mcp.providers.extraction.plain import plain_text
from atlas_mcp.providers.extractive import ExtractiveProvider, open_provider
from atlas_mcp.providers.provider import complete
from atlas_mcp.shapes import misfits
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

CANCELLATION = """\
A sender **SHOULD** send a `recall` notice to stop a parcel that is under way. The notice names the parcel.

Depots that receive a recall notice **SHOULD**:

- Stop handling the parcel
- Free the shelf it stood on
- Not send a receipt for it

However, this does not apply to parcels that were handed over already."""
DELIVERY = """\
A depot is a building in which parcels wait for their carrier. It has at least one gate.

Carriers **MUST NOT** open a parcel. A carrier keeps it for at most 14 days, because shelves are scarce."""
OTHER = "The canteen opens at noon. Soup is served on Fridays."


def passage(name: str, text: str, title: str) -> Passage:
    return Passage(
        name, Source(f"sha-{title}", f"file:///{title}.md", title, "2026-01-01T00:00:00Z"), text, 0
    )


PASSAGES = (
    passage("p1", CANCELLATION, "Recall"),
    passage("p2", DELIVERY, "Depots"),
    passage("p3", OTHER, "House"),
)
RESEARCH = json.loads((Path(__file__).parents[2] / "teams/research/output.schema.json").read_text("utf-8"))
COMPOSE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["answer", "claims", "disagreements", "open_questions", "confidence"],
    "additionalProperties": False,
    "properties": {
        name: shape for name, shape in RESEARCH["properties"].items() if not shape.get("x-atlas-computed")
    },
}
PLAN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["assignments", "reason"],
    "properties": {
        "assignments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 4,
            "items": {
                "type": "object",
                "required": ["id", "worker", "goal", "after"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string"},
                    "worker": {"type": "string", "enum": ["documents", "sceptic"]},
                    "goal": {"type": "string", "minLength": 1},
                    "after": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "reason": {"type": ["string", "null"]},
    },
}
SEARCH = ToolSpec(
    "search_documents",
    "Finds passages.",
    {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)


class WordVectors:
    """An embedder that places a text by its stems, so that texts which share words are near each other."""

    name = "words"
    dimensions = 64

    async def embed(
        self,
        texts: Sequence[str],
        *,
        on_progress: Callable[[int, int], None] | None = None,  # noqa: ARG002  it is done at once
    ) -> npt.NDArray[np.float32]:
        rows = np.full((len(texts), self.dimensions), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for stem in stems(text):
                row[sum(stem.encode()) % self.dimensions] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def provider() -> ExtractiveProvider:
    return ExtractiveProvider(embedder=WordVectors())


def asked(
    about: str,
    intent: Intent,
    schema: dict[str, Any] | None,
    *parts: Any,
    said: str = "Do it.",
    **fields: Any,
) -> Prompt:
    return Prompt((Message("user", (Text(said), *parts)),), intent, about, schema=schema, **fields)


def gathering(about: str, *passages: Passage, **fields: Any) -> Prompt:
    return asked(about, Intent.GATHER, GATHER_SCHEMA, Material(passages=passages or PASSAGES), **fields)


async def answer(provider: ExtractiveProvider, prompt: Prompt) -> Any:
    reply = await complete(provider, prompt)
    value = json.loads(reply.text)
    assert prompt.schema is not None
    assert misfits(prompt.schema, value) == []
    return value


async def findings(provider: ExtractiveProvider, about: str) -> tuple[Finding, ...]:
    shown = {each.id: each for each in PASSAGES}
    found = (await answer(provider, gathering(about)))["findings"]
    return tuple(
        Finding(
            f"f{number}",
            given["quote"],
            shown[given["passage"]].source.sha256,
            shown[given["passage"]].source.title,
            Location(
                start := shown[given["passage"]].text.index(given["quote"]), start + len(given["quote"])
            ),
            "documents",
        )
        for number, given in enumerate(found, start=1)
    )


async def brief(provider: ExtractiveProvider, about: str, *found: Finding) -> Any:
    material = Material(findings=found or await findings(provider, about))
    return await answer(provider, asked(about, Intent.COMPOSE, COMPOSE_SCHEMA, material))


# Gathering -------------------------------------------------------------------------------------------------


async def test_every_quote_is_a_slice_of_the_passage_it_names(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("What should depots do with a recalled parcel?"))
    shown = {each.id: each.text for each in PASSAGES}
    assert given["findings"]
    assert all(finding["quote"] in shown[finding["passage"]] for finding in given["findings"])


async def test_a_line_that_introduces_a_list_is_quoted_with_its_items(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("What should depots do that receive a recall notice?"))
    best = given["findings"][0]["quote"]
    assert best.startswith("Depots that receive")
    assert best.endswith("- Not send a receipt for it")


async def test_a_sentence_that_leans_on_the_one_before_comes_with_it(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("How many gates has a depot?"))
    quotes = [finding["quote"] for finding in given["findings"]]
    assert (
        "A depot is a building in which parcels wait for their carrier. It has at least one gate." in quotes
    )
    assert "It has at least one gate." not in quotes


async def test_what_no_passage_speaks_of_is_a_gap_and_no_finding(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("Which language does the moon speak?"))
    assert given["findings"] == []
    assert given["gaps"] == ["Which language does the moon speak?"]


async def test_few_good_findings_are_given_rather_than_many_weak_ones(provider: ExtractiveProvider) -> None:
    given = await answer(provider, gathering("May a carrier open a parcel?"))
    quotes = " ".join(finding["quote"] for finding in given["findings"])
    assert "MUST NOT" in quotes
    assert "Soup" not in quotes


async def test_an_answer_in_a_question_with_two_parts_says_which_part_it_is_about(
    provider: ExtractiveProvider,
) -> None:
    question = "What is a depot, and how does a sender stop a parcel?"
    given = await answer(provider, gathering(question))
    assert {finding["about"] for finding in given["findings"]} == {
        "What is a depot?",
        "How does a sender stop a parcel?",
    }


async def test_missing_words_are_searched_for_once_and_then_done_without(
    provider: ExtractiveProvider,
) -> None:
    prompt = gathering("Which customs duties apply to parcels?", PASSAGES[2], tools=(SEARCH,))
    reply = await complete(provider, prompt)
    (call,) = reply.calls
    assert call.name == "search_documents"
    assert call.arguments == {"query": "customs duties apply parcels"}
    assert reply.stopped.reason == "tool_calls"
    told = Message("tool", (ToolResult(call.id, "nothing"),))
    again = await complete(
        provider,
        Prompt(
            (*prompt.messages, reply.message, told),
            Intent.GATHER,
            prompt.about,
            tools=(SEARCH,),
            schema=GATHER_SCHEMA,
        ),
    )
    assert again.calls == ()
    assert json.loads(again.text)["findings"] == []


async def test_passages_that_a_tool_found_are_quoted_like_any_other(provider: ExtractiveProvider) -> None:
    call = ToolCall("c1", "search_documents", {"query": "carrier"})
    messages = (
        Message("user", (Text("Do it."),)),
        Message("assistant", (call,)),
        Message("tool", (ToolResult("c1", "1 passage", (PASSAGES[1],)),)),
    )
    prompt = Prompt(
        messages, Intent.GATHER, "May a carrier open a parcel?", tools=(SEARCH,), schema=GATHER_SCHEMA
    )
    assert (await answer(provider, prompt))["findings"][0]["passage"] == "p2"


async def test_a_tool_that_wants_more_than_a_query_is_not_called(provider: ExtractiveProvider) -> None:
    wants = {
        "type": "object",
        "properties": {"query": {"type": "string"}, "folder": {"type": "string"}},
        "required": ["query", "folder"],
    }
    prompt = gathering("Which customs duties apply?", PASSAGES[2], tools=(ToolSpec("search", "", wants),))
    assert (await complete(provider, prompt)).calls == ()


# Composing -------------------------------------------------------------------------------------------------


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


def finding(number: int, quote: str, source: str = "s1") -> Finding:
    start = number * 1_000
    return Finding(f"f{number}", quote, source, source, Location(start, start + len(quote)), "documents")


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


# Planning and other shapes ---------------------------------------------------------------------------------


async def test_a_simple_question_goes_whole_to_every_worker(provider: ExtractiveProvider) -> None:
    given = await answer(provider, asked("What is a depot?", Intent.PLAN, PLAN_SCHEMA))
    assert [(each["id"], each["worker"], each["goal"]) for each in given["assignments"]] == [
        ("a1", "documents", "What is a depot?"),
        ("a2", "sceptic", "What is a depot?"),
    ]
    assert given["reason"] is None


async def test_goals_that_were_tried_give_way_to_narrower_ones(provider: ExtractiveProvider) -> None:
    said = "Plan again.\nAlready tried:\n- What is a depot in the parcel network?"
    prompt = asked("What is a depot in the parcel network?", Intent.PLAN, PLAN_SCHEMA, said=said)
    goals = [each["goal"] for each in (await answer(provider, prompt))["assignments"]]
    assert goals == ["depot parcel network"] * 2 + ["parcel network"] * 2


async def test_a_judgement_that_only_a_model_could_give_is_refused_with_a_way_out(
    provider: ExtractiveProvider,
) -> None:
    schema = {
        "type": "object",
        "required": ["score"],
        "properties": {"score": {"type": "number", "minimum": 0, "maximum": 5}},
    }
    prompt = asked("Is this good?", Intent.RATE, schema, Material(passages=PASSAGES))
    with pytest.raises(InvalidRequest, match=r"cannot give \$\.score.*OPENAI_API_KEY"):
        await complete(provider, prompt)


async def test_any_schema_is_filled_by_its_marks(provider: ExtractiveProvider) -> None:
    schema = {
        "type": "object",
        "required": ["best", "verdict", "sources", "ids", "evidence"],
        "properties": {
            "best": {"type": "string", "x-atlas-fill": "quote"},
            "verdict": {"type": ["string", "null"], "x-atlas-fill": "none"},
            "sources": {"type": "integer", "x-atlas-fill": "count"},
            "ids": {"type": "array", "x-atlas-fill": "rank", "items": {"type": "string", "pattern": "^p"}},
            "evidence": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["from", "text"],
                    "properties": {
                        "from": {"type": "string", "x-atlas-fill": "select"},
                        "text": {"type": "string", "x-atlas-fill": "quote"},
                    },
                },
            },
        },
    }
    prompt = asked("What is a depot?", Intent.REVIEW, schema, Material(passages=PASSAGES))
    given = await answer(provider, prompt)
    assert given["best"].startswith("A depot is a building")
    assert given["verdict"] is None
    assert given["sources"] == 3
    assert given["ids"][0] == given["evidence"][0]["from"] == "p2"


# The stream ------------------------------------------------------------------------------------------------


async def test_the_answer_comes_in_pieces_then_usage_then_the_end(provider: ExtractiveProvider) -> None:
    chunks = [chunk async for chunk in provider.stream(gathering("What should depots do?"))]
    *texts, usage, stopped = chunks
    assert len(texts) > 2
    assert all(isinstance(chunk, TextDelta) for chunk in texts)
    assert usage == Usage(cost_usd=0.0, estimated=False, calls=1)
    assert stopped == Stopped("end", "extractive", "sentences", language_model=False)


async def test_the_same_prompt_is_answered_the_same_way(provider: ExtractiveProvider) -> None:
    prompt = gathering("What should depots do with a recalled parcel?")
    assert await complete(provider, prompt) == await complete(provider, prompt)


async def test_a_stream_can_be_cancelled_between_two_pieces(provider: ExtractiveProvider) -> None:
    async with provider.stream(gathering("What should depots do?")) as stream:
        await anext(stream)
        stream.control.cancel("enough")
        with pytest.raises(Cancelled):
            await anext(stream)


async def test_a_closed_provider_answers_no_more(provider: ExtractiveProvider) -> None:
    await provider.aclose()
    with pytest.raises(Unavailable):
        await complete(provider, gathering("What is a depot?"))


async def test_it_says_that_no_language_model_wrote_anything_and_works_without_weights() -> None:
    provider = open_provider()
    assert provider.info.name == "extractive:sentences"
    assert not provider.info.language_model
    assert "No language model" in provider.info.note
    reply = await complete(provider, gathering("What is a depot?"))
    assert "A depot is a building" in reply.text
