"""Estimates of how many tokens a text has; the counts beside the samples are the tokenizer o200k's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.messages import (
    Finding,
    Image,
    Intent,
    Location,
    Material,
    Message,
    Passage,
    Prompt,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from atlas_mcp.providers.known.tokens import IMAGE_TOKENS, tokens_of, tokens_of_prompt

if TYPE_CHECKING:
    from atlas_mcp.messages import Part

SAMPLES = {
    "english": (
        40,
        (
            "Every person who signs a contract should read it first. The price, the period of notice and the "
            "place of delivery are usually on the last page, in small print, where nobody looks for them."
        ),
    ),
    "code": (
        39,
        (
            'def mean(values: list[float]) -> float:\n    """The arithmetic mean."""\n    if not values:\n'
            '        raise ValueError("no values")\n    return sum(values) / len(values)\n'
        ),
    ),
    "json": (
        58,
        (
            '[{"id": 17, "name": "blue lamp", "price": 24.5, "tags": ["light", "home"]}, '
            '{"id": 18, "name": "red chair", "price": 119.0, "tags": []}]'
        ),
    ),
    "table": (
        60,
        (
            "2026-01-05,17,24.50,EUR\n2026-01-06,9,119.00,EUR\n2026-01-07,112,3.75,EUR\n"
            "2026-01-08,41,60.10,EUR\n"
        ),
    ),
    "german": (
        35,
        (
            "Wer einen Vertrag unterschreibt, sollte ihn vorher lesen. Der Preis, die Kündigungsfrist und "
            "der Lieferort stehen meist auf der letzten Seite im Kleingedruckten."
        ),
    ),
    "russian": (
        32,
        (
            "Каждый, кто подписывает договор, должен сначала его прочитать. "  # noqa: RUF001
            "Цена и срок поставки обычно указаны мелким шрифтом на последней странице."
        ),
    ),
    "chinese": (
        34,
        "签订合同之前应当先仔细阅读。价格、通知期限和交货地点通常用小字写在最后一页，没有人会去看。",  # noqa: RUF001
    ),
    "japanese": (
        40,
        "契約書に署名する前に、まずよく読むべきです。価格や納期はたいてい最後のページに小さな字で書かれています。",
    ),
}

SOURCE = Source("0" * 64, "file:///a.md", "A", "2026-01-01T00:00:00Z")
LONG = "a sentence of some length, which stands for a page. " * 20


@pytest.mark.parametrize(("counted", "text"), SAMPLES.values(), ids=SAMPLES)
def test_an_estimate_is_near_what_a_tokenizer_counts(counted: int, text: str) -> None:
    assert counted * 0.65 <= tokens_of(text) <= counted * 1.5


@given(st.text(alphabet=st.characters()))
def test_only_an_empty_text_has_no_tokens(text: str) -> None:
    assert (tokens_of(text) > 0) == bool(text)


@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters()))
def test_two_texts_have_together_what_they_have_apart(one: str, other: str) -> None:
    assert tokens_of(one) <= tokens_of(one + other)
    assert tokens_of(one) + tokens_of(other) - tokens_of(one + other) in {0, 1}


def test_half_a_pair_of_surrogates_can_be_counted() -> None:
    assert tokens_of("\ud83d") > 0


def prompt(*parts: Part, **fields: object) -> Prompt:
    return Prompt((Message("user", parts),), Intent.COMPOSE, "a question", **fields)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "more",
    [
        prompt(Text(LONG)),
        prompt(Reasoning(LONG)),
        prompt(ToolCall("1", "look", {"at": LONG})),
        prompt(ToolResult("1", LONG)),
        prompt(ToolResult("1", "", (Passage("p1", SOURCE, LONG, 0),))),
        prompt(Material((Passage("p1", SOURCE, LONG, 0),))),
        prompt(Material((), (Finding("f1", LONG, "s1", "A", Location(0, len(LONG)), "web"),))),
        prompt(system=LONG),
        prompt(tools=(ToolSpec("look", LONG, {"type": "object"}),)),
        prompt(tools=(ToolSpec("look", "", {"description": LONG}),)),
        prompt(schema={"description": LONG}),
    ],
)
def test_whatever_is_in_a_prompt_counts(more: Prompt) -> None:
    assert tokens_of_prompt(more) >= tokens_of_prompt(prompt()) + tokens_of(LONG)


def test_a_picture_counts_as_one() -> None:
    assert tokens_of_prompt(prompt(Image("image/png", "aGk="))) == tokens_of_prompt(prompt()) + IMAGE_TOKENS


def test_other_scripts_cost_the_same_in_json_as_in_prose() -> None:
    text = SAMPLES["chinese"][1]
    assert (
        tokens_of_prompt(prompt(ToolCall("1", "", {"a": text}))) <= tokens_of_prompt(prompt(Text(text))) + 6
    )
