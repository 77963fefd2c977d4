"""What a model is saying now, as a person would read it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.orchestration.voice import TAIL, Voice

QUOTE = "Spring tides come at new moon and at full moon."


def heard(*pieces: str) -> Voice:
    voice = Voice()
    for piece in pieces:
        voice.hear(piece)
    return voice


def test_plain_text_is_heard_as_it_is() -> None:
    assert heard("The moon ", "pulls.").tail == "The moon pulls."


def test_of_an_answer_in_json_the_texts_are_heard_not_its_keys_and_ids() -> None:
    said = json.dumps(
        {"findings": [{"passage": "p12", "quote": QUOTE}], "gaps": ["Who publishes it, and when?"]}
    )
    assert heard(said).tail == f"{QUOTE} Who publishes it, and when?"


def test_a_text_is_heard_while_it_is_being_said() -> None:
    assert heard('{"answer": "Spring tides co').tail == "Spring tides co"


def test_nothing_readable_is_silence() -> None:
    assert heard('{"findings": [{"passa').tail == ""


@given(st.lists(st.text(min_size=30, max_size=60), max_size=4), st.integers(1, 7))
def test_how_the_text_is_cut_into_pieces_does_not_matter(texts: list[str], size: int) -> None:
    said = json.dumps({"texts": texts, "more": {"a": 1, "b": None}})
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    assert heard(*pieces).tail == heard(said).tail
    assert len(heard(said).tail) <= TAIL
    assert heard(said).characters == len(said)
