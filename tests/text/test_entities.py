"""Names are found by how they are written, in any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.text.entities import Entity, akin, entities, key_of


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Caroline moved from Sweden four years ago.", ["Caroline", "Sweden"]),
        ("The Bank of England raised rates.", ["Bank of England"]),
        ("Dr. Smith left New York.", ["Dr. Smith", "New York"]),
        ("We read Lord of the Rings in Vienna.", ["Lord of the Rings", "Vienna"]),
        ("Gina lost her job at Door Dash.", ["Gina", "Door Dash"]),
        ("Hey Mel! Good to see you!", ["Mel"]),
        ("It is Jean-Luc's idea.", ["Jean-Luc"]),
        ("NASA likes GitHub.", ["NASA", "GitHub"]),
        ("Анна живёт здесь.", ["Анна"]),
        ("スターバックスで会う", ["スターバックス"]),
        ("Prefers tea. Always run it. Appreciate your help. It was on Monday in May.", []),
        ("What did you do? I'd say NOT this.", []),
    ],
)
def test_names_are_what_is_written_as_names(text: str, names: list[str]) -> None:
    assert [entity.name for entity in entities(text)] == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('She loves "Charlotte\'s Web".', Entity("title", "charlotte's web", "Charlotte's Web")),
        ("東京の「鬼滅の刃」です", Entity("title", "鬼滅の刃", "鬼滅の刃")),
        ("set sync_threshold to 5", Entity("code", "sync_threshold", "sync_threshold")),
        ("run `make check` first", Entity("code", "make check", "make check")),
        ("see docs/README.md", Entity("code", "docs/readme.md", "docs/README.md")),
        ("since v1.2.3", Entity("code", "v1.2.3", "v1.2.3")),
        ("see https://example.org/a.", Entity("address", "https://example.org/a", "https://example.org/a")),
        ("mail ann@example.org now", Entity("address", "ann@example.org", "ann@example.org")),
    ],
)
def test_titles_code_and_addresses_are_told_apart(text: str, expected: Entity) -> None:
    assert entities(text) == [expected]


def test_what_somebody_said_is_no_title() -> None:
    assert entities('he said "we will go there now"') == []


def test_spellings_of_a_name_share_a_key_and_the_first_is_kept() -> None:
    assert {key_of(name) for name in ("The Bank", "bank", "Bank's", "the  bank")} == {"bank"}
    assert entities("Ask Dr. Smith, since SMITH knows.") == [Entity("name", "smith", "Dr. Smith")]


def test_a_short_name_may_mean_a_longer_one() -> None:
    assert akin("mel", "melanie")
    assert akin("caroline smith", "smith")
    assert not akin("me", "melanie")
    assert not akin("anna", "melanie")


@given(st.text(max_size=200))
def test_any_text_gives_each_key_once_as_it_is_written(text: str) -> None:
    found = entities(text)
    assert len({entity.key for entity in found}) == len(found)
    for entity in found:
        assert entity.key == key_of(entity.name)
        assert entity.name in text
