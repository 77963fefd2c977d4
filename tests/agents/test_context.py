"""Working memory: what gives way when a conversation does not fit, in which order, and what never does."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.agents.condensing import best_passages, best_sentences, condensed, narrowed
from atlas_mcp.agents.context import UNKNOWN_WINDOW, Fitted, Room, fitted, room_for
from atlas_mcp.messages import (
    Draft,
    Finding,
    Intent,
    Location,
    Material,
    Message,
    Passage,
    Prompt,
    Source,
    TaskType,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.known.tokens import tokens_of, tokens_of_prompt
from atlas_mcp.providers.provider import ProviderInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Source("ab", "file:///t", "T", "2026-01-01")
SEARCH = ToolSpec("search", "Searches.", {"type": "object"})
TIDES = "The Moon pulls the sea, and so the tides rise twice a day. "
OTHER = "Bakers rise early and sell their bread before noon. "


def passage(name: str, text: str = TIDES, start: int = 0) -> Passage:
    return Passage(name, SOURCE, text, start)


def finding(name: str, text: str = TIDES) -> Finding:
    return Finding(name, text, "s1", "T", Location(0, len(text)), "web")


def called(name: str, text: str, *passages: Passage) -> list[Message]:
    """A turn: a call of a tool and what it gave."""
    call = ToolCall(name, "search", {"query": f"tides {name}"})
    return [Message("assistant", (call,)), Message("tool", (ToolResult(name, text, passages),))]


def talk(*messages: Message, material: Material | None = None, **more: Any) -> Prompt:
    first = Message("user", (Text("Why are there tides?"), *([material] if material else [])))
    return Prompt((first, *messages), Intent.GATHER, "Why are there tides?", tools=(SEARCH,), **more)


def parts(prompt: Prompt, kind: type[Any]) -> list[Any]:
    return [part for message in prompt.messages for part in message.parts if isinstance(part, kind)]


def words(prompt: Prompt) -> str:
    return prompt.messages[0].text


def test_what_fits_is_not_touched_and_not_even_counted() -> None:
    prompt = talk(*called("c1", TIDES))
    assert fitted(prompt, 10_000) == Fitted(prompt)
    near = tokens_of_prompt(prompt)
    assert fitted(prompt, near) == Fitted(prompt, near, near)
    assert not fitted(prompt, near).changed


def test_a_long_result_of_an_earlier_turn_is_condensed_to_what_bears_on_the_task() -> None:
    long = OTHER * 100 + TIDES + OTHER * 100
    prompt = talk(*called("c1", long), *called("c2", "Nothing more."))
    made = fitted(prompt, 1_000)
    first, last = parts(made.prompt, ToolResult)
    assert TIDES.strip() in first.text
    assert f"(condensed from {len(long):,} to " in first.text
    assert "call search again for the whole)" in first.text
    assert last.text == "Nothing more."
    assert made.condensed == ("c1",)
    assert made.before > 1_000 >= made.after == tokens_of_prompt(made.prompt)
    assert made.seconds > 0


def test_a_passage_shown_twice_stands_once_with_its_text_as_it_was() -> None:
    shown = [passage(f"p{n}", TIDES * 8) for n in range(4)]
    prompt = talk(*called("c1", "4 found.", *shown), *called("c2", "4 found.", *shown))
    made = fitted(prompt, tokens_of_prompt(prompt) - 200)
    first, last = parts(made.prompt, ToolResult)
    assert (first.passages, last.passages) == ((), tuple(shown))
    assert "(shown elsewhere: p0, p1, p2, p3)" in first.text
    assert (made.left_out, made.condensed) == ((), ())


def test_earlier_turns_become_a_line_each_between_fences_and_name_what_they_showed() -> None:
    turns = [called(f"c{n}", OTHER * 30, passage(f"p{n}", OTHER * 30)) for n in range(8)]
    prompt = talk(*(message for turn in turns for message in turn))
    made = fitted(prompt, 1_500)
    assert made.fits
    assert len(parts(made.prompt, ToolCall)) < 8
    said = words(made.prompt)
    assert said.startswith("Why are there tides?")
    assert 'you called search with {"query": "tides c0"}; it showed p0; it said:' in said
    assert said.index("<result") < said.index("you called search") < said.index("</result>")
    assert "p0" in made.left_out
    assert "Left out for lack of room: p0" in said


def test_material_gives_way_from_the_least_relevant_on_and_is_named() -> None:
    material = Material(
        (passage("p1", OTHER * 20), passage("p2", TIDES * 20), passage("p3", OTHER * 20)),
        (finding("f1"),),
        (Draft("d1", "work", TIDES),),
    )
    prompt = talk(material=material)
    made = fitted(prompt, tokens_of_prompt(prompt) - 300)
    assert [each.id for each in made.prompt.passages] == ["p2"]
    assert made.prompt.passages[0] == material.passages[1]
    assert (made.prompt.findings, made.prompt.drafts) == (material.findings, material.drafts)
    assert made.left_out == ("p1", "p3")
    assert "Left out for lack of room: p1, p3." in words(made.prompt)


def test_the_last_results_are_shortened_before_all_material_goes() -> None:
    material = Material((passage("p1", TIDES * 20),))
    found = [passage(f"q{n}", OTHER * 20) for n in range(20)]
    made = fitted(talk(*called("c1", "20 found.", *found), material=material), 1_500)
    assert made.fits
    assert "p1" in [each.id for each in made.prompt.passages]
    assert len(made.prompt.passages) > 2
    assert made.condensed == ("c1",)
    (result,) = parts(made.prompt, ToolResult)
    assert "left out: q" in result.text


def test_where_no_tool_can_be_called_none_is_recommended() -> None:
    prompt = replace(talk(*called("c1", OTHER * 300), *called("c2", "x")), tools=())
    made = fitted(prompt, 1_000)
    assert "condensed from" in parts(made.prompt, ToolResult)[0].text
    assert "call search again" not in parts(made.prompt, ToolResult)[0].text


def test_what_cannot_be_left_out_is_kept_even_if_it_does_not_fit() -> None:
    prompt = replace(talk(), messages=(Message("user", (Text(TIDES * 100),)),))
    made = fitted(prompt, 200)
    assert (made.fits, made.changed) == (False, False)
    assert made.prompt == prompt


def test_the_same_conversation_is_always_fitted_alike() -> None:
    turns = [called(f"c{n}", OTHER * 30, passage(f"p{n}")) for n in range(8)]
    prompt = talk(*(message for turn in turns for message in turn))
    assert fitted(prompt, 900).prompt == fitted(prompt, 900).prompt


def test_a_small_prompt_costs_microseconds() -> None:
    prompt = talk(*called("c1", TIDES * 20, passage("p1", TIDES * 20)), schema={"type": "object"})
    best = min(_timed(prompt) for _ in range(50))
    assert best < 0.001


def _timed(prompt: Prompt) -> float:
    since = perf_counter()
    fitted(prompt, 20_000)
    return perf_counter() - since


# Law -------------------------------------------------------------------------------------------------------

texts = st.lists(st.sampled_from([TIDES, OTHER, "月が海を引く。", '{"a": [1, 2]}', "🌊"]), max_size=40).map(
    "".join
)
passages = st.lists(st.tuples(st.integers(0, 30), texts), max_size=4).map(
    lambda drawn: tuple(passage(f"p{n}", text) for n, text in drawn)
)


@st.composite
def conversations(draw: st.DrawFn) -> Prompt:
    messages: list[Message] = []
    for turn in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            count = draw(st.integers(1, 3))
            calls = [ToolCall(f"c{turn}.{n}", "search", {"query": draw(texts)[:80]}) for n in range(count)]
            messages.append(Message("assistant", (Text(draw(texts)[:200]), *calls)))
            messages += [
                Message("tool", (ToolResult(call.id, draw(texts), draw(passages)),)) for call in calls
            ]
        else:
            messages.append(Message("assistant", (Text(draw(texts)),)))
            messages.append(Message("user", (Text("Your answer does not fit."),)))
    material = Material(draw(passages), tuple(finding(f"f{n}", draw(texts)) for n in range(3)))
    return talk(*messages, material=material, system=draw(texts), schema={"type": "object"})


@settings(max_examples=80, deadline=None)
@given(conversations(), st.integers(1, 8_000))
def test_a_fitted_prompt_stays_within_its_share_and_keeps_what_counts(prompt: Prompt, tokens: int) -> None:
    made = fitted(prompt, tokens)
    after = tokens_of_prompt(made.prompt)
    assert made.fits == (after <= tokens)
    assert after <= max(tokens, tokens_of_prompt(prompt))
    # The task, the shape and the last turn stay.
    assert made.prompt.messages[0].parts[0] == prompt.messages[0].parts[0]
    assert (made.prompt.schema, made.prompt.system) == (prompt.schema, prompt.system)
    assert _without_results(_last_turn(made.prompt)) == _without_results(_last_turn(prompt))
    # Every call keeps its result, in order.
    calls = [call.id for call in parts(made.prompt, ToolCall)]
    assert calls == [result.call_id for result in parts(made.prompt, ToolResult)]
    # What is shown is verbatim; what is not is named, to who reads the prompt and to the journal.
    given_texts = [each.text for each in _every_passage(prompt)]
    assert all(any(each.text in text for text in given_texts) for each in made.prompt.passages)
    here = {each.id for each in (*made.prompt.passages, *made.prompt.findings)}
    gone = {each.id for each in (*prompt.passages, *prompt.findings)} - here
    assert set(made.left_out) == gone
    assert all(name in words(made.prompt) for name in made.left_out[:40])


def _last_turn(prompt: Prompt) -> Sequence[Message]:
    begins = [n for n, message in enumerate(prompt.messages) if message.role == "assistant"]
    return prompt.messages[begins[-1] :] if begins else ()


def _without_results(turn: Sequence[Message]) -> list[Any]:
    return [
        part.call_id if isinstance(part, ToolResult) else part for message in turn for part in message.parts
    ]


def _every_passage(prompt: Prompt) -> list[Passage]:
    return [each for part in (*parts(prompt, Material), *parts(prompt, ToolResult)) for each in part.passages]


# Pieces ----------------------------------------------------------------------------------------------------


def test_the_best_sentences_are_whole_in_their_order_and_gaps_are_shown() -> None:
    text = f"First the Moon. {OTHER}{OTHER}Then the tides of the Moon."
    assert best_sentences(text, "Moon tides", 14) == "First the Moon. … Then the tides of the Moon."
    assert best_sentences(text, "Moon", 1) == ""
    assert best_sentences("One. Two. Three.", "nothing", 100) == "One. Two. Three."


def test_a_passage_is_narrowed_to_a_stretch_that_can_be_quoted_where_it_stands() -> None:
    whole = passage("p1", OTHER * 10 + TIDES + OTHER * 10, start=1_000)
    part = narrowed(whole, "Moon tides", 40)
    assert part is not None
    assert TIDES.strip() in part.text
    assert whole.text[part.start - 1_000 :].startswith(part.text)
    assert (part.id, tokens_of(part.text) <= 40) == ("p1", True)
    assert narrowed(whole, "Moon", 1) is None
    assert narrowed(replace(whole, text=""), "Moon", 100) is None


def test_the_best_passages_keep_their_order_and_the_others_are_named() -> None:
    every = [passage("p1", OTHER), passage("p2", TIDES), passage("p3", TIDES)]
    kept, left_out = best_passages(every, "Moon", 70)
    assert ([each.id for each in kept], left_out) == (["p2", "p3"], ("p1",))
    kept, left_out = best_passages([passage("p1", TIDES * 50)], "Moon", 60)
    assert (len(kept), left_out) == (1, ())
    assert len(kept[0].text) < len(TIDES * 50)


def test_a_failed_result_stays_one_that_failed() -> None:
    result = condensed(ToolResult("c1", OTHER * 100, error=True), "tides", 80, "search")
    assert result.error
    assert result.call_id == "c1"


# Room ------------------------------------------------------------------------------------------------------


def info(window: int | None = None, output: int | None = None, *, model: bool = True) -> ProviderInfo:
    capabilities = Capabilities(window=window, output=output)
    return ProviderInfo("test:x", "test", "x", language_model=model, capabilities=capabilities)


def test_the_room_goes_by_window_answer_priority_and_kind_of_task() -> None:
    kind = TaskType.ANALYSIS
    assert room_for(info(8_000), kind, "high", 2_000) == Room(5_400, 6_000)
    shares = [room_for(info(8_000), kind, priority, 2_000) for priority in ("low", "normal", "high")]
    assert [room and room.tokens for room in shares] == [3_000, 4_500, 5_400]
    writing, classifying = (
        room_for(info(8_000), each) for each in (TaskType.WRITING, TaskType.CLASSIFICATION)
    )
    assert writing is not None
    assert classifying is not None
    assert writing.most < classifying.most


def test_an_answer_never_takes_more_than_half_of_the_window() -> None:
    assert room_for(info(8_000), TaskType.WRITING, "high", 90_000) == Room(3_600, 4_000)


def test_a_window_nobody_knows_is_taken_to_be_small_and_who_is_no_model_has_none() -> None:
    room = room_for(info(), TaskType.WRITING)
    assert room is not None
    assert room.most < UNKNOWN_WINDOW
    assert room_for(info(model=False), TaskType.WRITING) is None
    assert room_for(info(8_000, model=False), TaskType.WRITING) is not None


@pytest.mark.parametrize("window", [1, 7, 500])
def test_even_the_smallest_window_leaves_room(window: int) -> None:
    room = room_for(info(window), TaskType.WRITING)
    assert room is not None
    assert 0 <= room.tokens <= room.most <= window
