"""What a server says of a model, and the context that it is run with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.wires.ollama_model import OllamaModel

LLAMA: dict[str, Any] = {
    "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
    "capabilities": ["completion", "tools"],
}


def introduced(said: dict[str, Any], known: Capabilities | None = None) -> tuple[OllamaModel, Capabilities]:
    model = OllamaModel()
    return model, model.introduce(said, known or Capabilities())


def test_what_a_model_can_do_and_its_window_are_taken_in() -> None:
    model, known = introduced(LLAMA)
    assert known.window == 131072
    assert known.has(Capability.TOOLS)
    assert known.strength(Capability.VISION) is Strength.NONE
    assert model.reasons is False
    assert introduced({"capabilities": ["thinking", "vision"]})[0].reasons is True


def test_how_well_it_does_it_stays_as_declared() -> None:
    declared = Capabilities({Capability.TOOLS: Strength.STRONG, Capability.VISION: Strength.STRONG}, output=9)
    _, known = introduced(LLAMA, declared)
    assert known.strength(Capability.TOOLS) is Strength.STRONG
    assert known.strength(Capability.VISION) is Strength.NONE
    assert known.output == 9


@pytest.mark.parametrize(("declared", "window"), [(None, 131072), (8192, 8192), (1 << 20, 131072)])
def test_the_smaller_window_counts(declared: int | None, window: int) -> None:
    model, known = introduced(LLAMA, Capabilities(window=declared))
    assert known.window == window
    assert model.context_for(1 << 20, None) == window


@pytest.mark.parametrize("window", [8192, 1 << 20])
def test_a_window_that_a_person_insists_on_counts(window: int) -> None:
    model, known = introduced(LLAMA, Capabilities().insisting(Capabilities(window=window)))
    assert known.window == window
    assert model.context_for(1 << 21, None) == window


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"model_info": None, "parameters": None, "capabilities": None},
        {"model_info": {"general.architecture": "x", "x.context_length": "long"}},
    ],
)
def test_a_server_that_says_nothing_leaves_all_as_it_was(said: dict[str, Any]) -> None:
    declared = Capabilities({Capability.TOOLS: Strength.STRONG}, window=9000)
    model, known = introduced(said, declared)
    assert known == declared
    assert model.reasons is None
    assert model.context_for(10, 10) == 4096


def test_a_context_has_room_for_the_prompt_and_its_answer() -> None:
    model, _ = introduced(LLAMA)
    assert model.context_for(100, 100) == 4096
    assert model.context_for(3000, 100) == 8192
    assert model.context_for(6000, 9000) == 32768


def test_an_answer_without_a_limit_gets_room_and_more_of_it_where_the_model_reasons() -> None:
    assert introduced(LLAMA)[0].context_for(100, None) == 8192
    assert introduced({"capabilities": ["thinking"]})[0].context_for(100, None) == 16384


def test_a_context_that_the_model_comes_with_is_not_made_smaller() -> None:
    model, _ = introduced(LLAMA | {"parameters": 'stop "<|end|>"\nnum_ctx                        16384\n'})
    assert model.context_for(100, 100) == 16384


def test_a_model_that_runs_elsewhere_has_the_context_it_has() -> None:
    model, _ = introduced(LLAMA | {"remote_host": "https://ollama.com:443"})
    assert model.context_for(100_000, None) is None


def test_a_prompt_that_did_not_fit_gets_the_next_size_up_to_the_window() -> None:
    model, _ = introduced(LLAMA, Capabilities(window=20_000))
    assert model.context_for(3000, 100) == 8192
    assert model.larger_than(8192) == 16384
    assert model.larger_than(16384) == 20_000
    assert model.larger_than(20_000) is None
    assert OllamaModel().larger_than(4096) is None


def test_a_size_that_somebody_else_chose_is_theirs() -> None:
    model, _ = introduced(LLAMA)
    assert model.larger_than(2048) is None
    assert model.larger_than(0) is None


@given(st.lists(st.tuples(st.integers(1, 300_000), st.none() | st.integers(1, 50_000)), min_size=1))
def test_law_a_context_only_grows_and_holds_what_it_must(asked: list[tuple[int, int | None]]) -> None:
    model, _ = introduced(LLAMA)
    before = 0
    for prompt, answer in asked:
        context = model.context_for(prompt, answer)
        assert context is not None
        assert context >= max(before, min(131072, prompt + (answer or 1)))
        assert context & (context - 1) == 0
        before = context
