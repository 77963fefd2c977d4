"""What a call takes while it streams, and what is learned from what providers report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.chunks import Usage
from atlas_mcp.providers.known.tokens import tokens_of_prompt
from atlas_mcp.providers.meter import Calibration, Meter
from tests.providers.asking import prompt

if TYPE_CHECKING:
    from atlas_mcp.messages import Prompt

LONG = prompt("a question that is long enough to teach something. " * 30)


def metered(said: list[str], calibration: Calibration | None = None, asked: Prompt = LONG) -> Meter:
    meter = Meter(asked, calibration)
    meter.began = True
    for piece in said:
        assert meter.hear(piece) == piece
    return meter


def learn(calibration: Calibration, said: list[str], usage: Usage, asked: Prompt = LONG) -> None:
    metered(said, calibration, asked).report(usage)


def test_nothing_is_taken_before_the_provider_accepted_the_call() -> None:
    assert Meter(LONG).usage() == Usage()


def test_an_answer_that_broke_is_estimated_and_says_so() -> None:
    meter = metered(["word "] * 20)
    usage = meter.usage()
    assert usage.estimated
    assert usage.calls == 1
    assert usage.cost_usd is None
    assert usage.input_tokens == tokens_of_prompt(LONG)
    assert usage.output_tokens == meter.answer_tokens == 25  # a hundred characters


def test_pieces_count_at_least_as_a_token_each() -> None:
    assert metered(["a"] * 20).answer_tokens == 20


def test_who_watches_is_told_of_pieces_that_give_no_chunk_and_of_no_others() -> None:
    class Watcher:
        def __init__(self) -> None:
            self.counted: list[int] = []

        def told(self) -> None:
            self.counted.append(meter.pieces)

    watcher, meter = Watcher(), metered(["word "])
    meter.watch(watcher.told)
    assert meter.overhear('{"q": ') == '{"q": '
    meter.hear("word ")
    meter.overhear('"x"}')
    assert watcher.counted == [2, 4]
    del watcher
    meter.overhear("nobody watches any more")
    assert meter.pieces == 5


def test_what_the_provider_reports_takes_the_place_of_estimates() -> None:
    meter = metered(["word "] * 20)
    reported = Usage(400, 31, 100, calls=1)
    assert meter.report(reported) == reported
    assert meter.usage() == reported


def test_what_a_server_did_not_count_is_estimated_and_says_so() -> None:
    meter = metered(["word "] * 20)
    asked = tokens_of_prompt(LONG)
    assert meter.report_counts(Usage(0, 0, calls=1)) == Usage(asked, 25, estimated=True, calls=1)
    assert meter.report_counts(Usage(0, 31, calls=1)) == Usage(asked, 31, estimated=True, calls=1)
    assert meter.usage() == Usage(asked, 31, estimated=True, calls=1)


def test_an_answer_of_nothing_takes_nothing() -> None:
    reported = Usage(400, 0, calls=1)
    assert metered([]).report_counts(reported) == reported


def test_a_prompt_that_is_told_to_take_nothing_is_estimated() -> None:
    meter = metered(["word "] * 20)
    meter.told_of_prompt(Usage(0, calls=1))
    assert meter.prompt_tokens == meter.usage().input_tokens == tokens_of_prompt(LONG)


def test_what_is_told_of_the_prompt_stands_while_the_answer_is_estimated() -> None:
    meter = metered(["word "] * 20)
    meter.told_of_prompt(Usage(900, cached_tokens=700, cache_write_tokens=50, calls=1))
    assert meter.prompt_tokens == 900
    usage = meter.usage()
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens) == (900, 700, 50)
    assert usage.output_tokens == 25
    assert usage.estimated


def test_later_estimates_are_corrected_by_earlier_reports() -> None:
    calibration = Calibration()
    estimated = tokens_of_prompt(LONG)
    for _ in range(3):
        learn(calibration, ["words words "] * 10, Usage(estimated * 2, 60, calls=1))
    meter = metered(["words words "] * 5, calibration)
    assert meter.prompt_tokens == estimated * 2
    assert meter.answer_tokens == 30


def test_what_changes_is_followed() -> None:
    calibration = Calibration()
    for tokens in [20] * 50 + [60] * 100:
        learn(calibration, ["words words "] * 10, Usage(100, tokens, calls=1))
    assert metered(["words words "] * 10, calibration).answer_tokens == pytest.approx(60, abs=2)


def test_a_report_that_is_an_estimate_teaches_nothing() -> None:
    calibration = Calibration()
    learn(calibration, ["words words "] * 10, Usage(9_999, 9_999, estimated=True, calls=1))
    assert (calibration.prompt, calibration.piece) == (1.0, 1.0)


def test_short_answers_and_short_prompts_teach_nothing() -> None:
    calibration = Calibration()
    learn(calibration, ["no"] * 2, Usage(30, 500, calls=1), prompt("hello"))
    assert (calibration.prompt, calibration.piece) == (1.0, 1.0)


@pytest.mark.parametrize("pieces", [["word "] * 80, ["word "] * 400])
def test_reasoning_that_was_not_streamed_is_not_taken_for_what_was(pieces: list[str]) -> None:
    # Eighty pieces of five characters are about the 100 tokens that are no reasoning, 400 all the 500.
    calibration = Calibration()
    learn(calibration, pieces, Usage(100, 500, reasoning_tokens=400, calls=1))
    assert calibration.character == pytest.approx(0.25)


def test_pieces_without_a_character_teach_nothing() -> None:
    calibration = Calibration()
    learn(calibration, [""] * 20, Usage(100, 20, calls=1))
    assert calibration.piece == 1.0
