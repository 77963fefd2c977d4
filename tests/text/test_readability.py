"""How a text reads: syllables by rule, two formulas for English, and nothing where they do not apply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.text.readability import LONG, is_english, readability, syllables

PLAIN = (
    "The cat sat on the mat. It was warm there, and the sun came in. The cat had not been out, for it was "
    "not fond of rain. When the rain was over, it got up and went to look for a bird."
)
HARD = (
    "The organisational implementation of internationally harmonised interoperability requirements "
    "necessitates considerable administrative coordination, which was previously underestimated by the "
    "responsible authorities and their international representatives, and this has not been remedied."
)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "make the asked rules queue league don't changed house 2026 calls"),
        (
            2,
            "table over any client method statement's value isn't being layer something create added",
        ),
        (
            3,
            "area idea beautiful component video continue earlier basically lifecycle enabled requirements",
        ),
        (4, "mechanism's reality society available interpreted http"),
    ],
)
def test_syllables_are_heard_not_hyphenated(number: int, words: str) -> None:
    assert {word: syllables(word) for word in words.split()} == dict.fromkeys(words.split(), number)


@given(st.text(max_size=30))
def test_a_word_has_at_least_one_syllable_and_no_more_than_letters(word: str) -> None:
    assert 1 <= syllables(word) <= max(1, len(word))


def test_short_words_in_short_sentences_read_easily_and_long_ones_do_not() -> None:
    plain, hard = readability(PLAIN), readability(HARD)
    assert plain.ease is not None
    assert plain.ease > 90
    assert plain.grade is not None
    assert plain.grade < 4
    assert hard.ease is not None
    assert hard.ease < 0
    assert hard.grade is not None
    assert hard.grade > 20
    assert plain.note == hard.note == ""


def test_the_formulas_are_those_of_flesch_and_kincaid() -> None:
    # 30 words of one syllable in three sentences.
    text = " ".join(["The cat and the dog were not in the house."] * 3)
    read = readability(text)
    assert (read.words, read.sentences, read.per_sentence) == (30, 3, 10)
    assert read.ease == pytest.approx(206.835 - 1.015 * 10 - 84.6, abs=0.1)
    assert read.grade == pytest.approx(0.39 * 10 + 11.8 - 15.59, abs=0.1)


def test_only_prose_and_list_items_are_read() -> None:
    beside = (
        f"# A heading of no account\n\n{PLAIN}\n\n| a | table |\n|---|---|\n| x | y |\n\n```py\nx = 1\n```\n"
    )
    assert readability(beside) == readability(PLAIN)


def test_markers_addresses_and_code_are_not_words() -> None:
    marked = PLAIN.replace("mat.", "mat [f1, f2].").replace("The sun", "[The sun](https://example.org/a/b)")
    assert readability(marked) == readability(PLAIN)


def test_a_long_sentence_is_shown_with_its_length_the_longest_first() -> None:
    longer, longest = "A" + " word" * LONG + ".", "The" + " term" * (LONG + 5) + "."
    read = readability(f"{PLAIN} {longer} {longest}")
    assert [each.words for each in read.long] == [LONG + 6, LONG + 1]
    assert read.long[0].text.startswith("The term")


ELSEWHERE = {
    "German": """Die Gezeiten entstehen durch die Anziehung des Mondes und der Sonne, und der Tidenhub ist in
        der Bucht von Fundy am größten. In der Nordsee ist er kleiner, was an der Form der Küste liegt.""",
    "Spanish": """Las mareas se deben a la atracción de la Luna y del Sol, y la bahía de Fundy tiene la mayor
        amplitud del mundo. No hay otra igual, y a la vez es un lugar muy visitado por la gente.""",
    "Dutch": """Getijden ontstaan door de kracht van de maan en de zon; het verschil is in de baai van Fundy
        het grootst, of dat nu bij springtij is of niet. Er is geen plaats waar het water zo hoog was.""",
}


@pytest.mark.parametrize("text", ELSEWHERE.values(), ids=ELSEWHERE)
def test_another_language_has_no_reading_ease_and_says_so_but_sentences_have_a_length(text: str) -> None:
    read = readability(text)
    assert (read.ease, read.grade) == (None, None)
    assert "made for English" in read.note
    assert read.per_sentence
    assert not is_english(text)


def test_a_script_without_spaces_is_not_measured() -> None:
    read = readability("潮汐是由月球和太阳的引力引起的。芬迪湾的潮差最大。")
    assert (read.ease, read.per_sentence) == (None, None)
    assert "not written apart" in read.note


@pytest.mark.parametrize(
    ("text", "note"), [("", "no prose"), ("# Only this", "no prose"), ("It is so.", "30 words")]
)
def test_too_little_says_nothing(text: str, note: str) -> None:
    read = readability(text)
    assert read.ease is None
    assert note in read.note
