"""What can be quoted, how it reads, and what fills a schema."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_mcp.errors import InvalidRequest
from atlas_mcp.messages import Passage, Source
from atlas_mcp.providers.extraction.clues import acts, answers_kind, form, leans
from atlas_mcp.providers.extraction.filling import Choice, Stock, fill
from atlas_mcp.providers.extraction.plain import plain_text
from atlas_mcp.providers.extraction.questions import Kind
from atlas_mcp.providers.extraction.units import units_of_passages

SOURCE = Source("sha", "file:///x.md", "Parcels", "2026-01-01T00:00:00Z")


def quotable(text: str) -> list[str]:
    return [unit.text for unit in units_of_passages([Passage("p1", SOURCE, text, 0)])]


# Units -----------------------------------------------------------------------------------------------------


def test_a_list_is_one_unit_with_the_line_that_introduces_it() -> None:
    text = "A carrier must:\n\n- Knock at the door\n- Wait for a minute\n\nThen it may leave again."
    assert quotable(text)[0] == "A carrier must:\n\n- Knock at the door\n- Wait for a minute"


def test_an_item_that_introduces_items_takes_those_below_it_and_no_others() -> None:
    first = "A carrier may leave if:\n   - Nobody answers at all\n   - It rains very hard"
    second = "The door must be closed again"
    assert quotable(f"1. {first}\n1. {second}") == [first, second]


def test_headings_and_code_are_never_quoted() -> None:
    assert quotable("## How a parcel is sent\n\n```\nsend the parcel now please\n```\n") == []


def test_overlapping_passages_give_each_stretch_once() -> None:
    text = "A depot has one gate at least. A carrier opens it every morning."
    passages = [Passage("p1", SOURCE, text, 0), Passage("p2", SOURCE, text[31:], 31)]
    assert [unit.id for unit in units_of_passages(passages)].count("p2") == 1  # without what it leans on
    assert len({(unit.start, unit.end) for unit in units_of_passages(passages)}) == len(
        units_of_passages(passages)
    )


@pytest.mark.parametrize(
    ("sentence", "leaning"),
    [
        ("A depot has a gate.", False),
        ("It has a gate.", True),
        ("However, depots have gates.", True),
        ("Without these gates, parcels are lost.", True),
        ("A gate is heavy, and this gate is heavier.", False),
        ("Carriers MAY call it before noon.", True),
        ("Tools such as hammers are forbidden.", False),
        ("and has a gate.", True),
    ],
)
def test_a_sentence_that_needs_the_one_before_is_seen(sentence: str, leaning: bool) -> None:
    assert leans(sentence) is leaning


def test_fragments_and_questions_are_worth_less_than_sentences() -> None:
    whole = form("A depot is a building in which parcels wait.")
    assert whole == 1.0
    assert all(
        form(text) < whole for text in ("Parcels, gates", "Which parcels wait in a depot?", "It waits:")
    )


def test_a_definition_is_told_from_a_mention() -> None:
    asked = ["depot"]
    assert answers_kind(Kind.DEFINITION, "A depot is a building for parcels.", asked) == 1.0
    assert answers_kind(Kind.DEFINITION, "Carriers rest in a depot.", asked) == 0.0
    assert answers_kind(Kind.DEFINITION, "Depots are closed.", ["depot"]) == 0.0


def test_who_must_act_is_the_subject_and_not_a_word_beside_it() -> None:
    client = frozenset({"client"})
    assert acts("If the gate is shut, the client MUST wait.", client) == 1.0
    assert acts("A server that knows no such clients MUST wait.", client) < 1.0


# Plain text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("A **carrier** _must_\nuse `knock()`.", "A carrier must use knock()."),
        ("See [the rules](https://x.example/a_(b)) and [more][1].", "See the rules and more."),
        ("- One thing\n- **Another**: thing\n- A third.", "One thing; Another: thing; A third."),
        ("It must:\n\n1. Knock\n2. Wait", "It must: Knock; Wait"),
        ("Ask ([RFC 1](http://x.example)) before.", "Ask before."),
        ("Names like snake_case_name and 2 * 3 * 4 stay.", "Names like snake_case_name and 2 * 3 * 4 stay."),
        ("**Use `a_b` now**&mdash;always.", "Use a_b now\u2014always."),
        ("| Roots | gone | use tools |", "Roots; gone; use tools"),
    ],
)
def test_markdown_is_read_as_plain_text(markdown: str, plain: str) -> None:
    assert plain_text(markdown) == plain


# Filling ---------------------------------------------------------------------------------------------------

STOCK = Stock((Choice("f2", "Best of all. And more."), Choice("f1", "Second.")), {"findings": 2, "words": 6})


def field(shape: dict[str, Any], known: dict[str, Any] | None = None) -> Any:
    schema = {
        "type": "object",
        "required": ["x"],
        "properties": {"x": shape},
        "$defs": {"id": {"type": "string"}},
    }
    return fill(schema, known or {}, STOCK)["x"]


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ({"type": "string", "x-atlas-fill": "quote"}, "Best of all. And more."),
        ({"type": "string", "x-atlas-fill": "quote", "maxLength": 14}, "Best of all."),
        ({"type": "string", "x-atlas-fill": "select", "enum": ["f1", "f9"]}, "f1"),
        ({"type": ["string", "null"]}, None),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ({"type": "string"}, ""),
        ({"const": 2}, 2),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "x-atlas-fill": "rank", "items": {"$ref": "#/$defs/id"}}, ["f2", "f1"]),
        (
            {
                "type": "array",
                "maxItems": 1,
                "items": {
                    "type": "object",
                    "required": ["id", "place"],
                    "properties": {
                        "id": {"type": "string", "x-atlas-fill": "select"},
                        "place": {"type": "integer", "x-atlas-fill": "rank"},
                        "why": {"type": "string"},
                    },
                },
            },
            [{"id": "f2", "place": 1}],
        ),
    ],
)
def test_a_field_is_filled_by_its_mark_or_left_as_empty_as_it_may_be(
    shape: dict[str, Any], value: Any
) -> None:
    assert field(shape) == value


def test_what_is_known_comes_first_and_is_cut_to_size() -> None:
    assert field({"type": "string", "x-atlas-fill": "quote"}, {"x": "known"}) == "known"
    assert field({"type": "array", "maxItems": 1, "items": {"type": "string"}}, {"x": ["a", "b"]}) == ["a"]
    assert field({"type": "string", "maxLength": 9}, {"x": "known words"}) == "known"


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "boolean"},
        {"type": "number"},
        {"type": "string", "minLength": 1},
        {"type": "string", "enum": ["pass", "fail"]},
        {"type": "integer", "x-atlas-fill": "count"},
        {"type": "object", "required": ["y"], "properties": {"y": {"type": "boolean"}}},
    ],
)
def test_what_cannot_be_filled_honestly_is_refused(shape: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"cannot give \$\.x"):
        field(shape)


def test_a_count_is_of_what_the_field_is_named_after() -> None:
    schema = {"type": "object", "properties": {"words": {"type": "integer", "x-atlas-fill": "count"}}}
    assert fill(schema, {}, STOCK) == {"words": 6}
