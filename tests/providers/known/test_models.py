"""What is declared of models: the shipped file, a person's own, and what is said of mistakes in it."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.known import models as module
from atlas_mcp.providers.known.model_card import DeclaredPrice
from atlas_mcp.providers.known.models import Models

if TYPE_CHECKING:
    from collections.abc import Callable

SHIPPED = Path(module.__file__).with_suffix(".toml")
FLAGSHIPS = {Capability.PLANNING, Capability.REASONING, Capability.ANALYSIS, Capability.CODE}


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], Models]:
    def load(text: str) -> Models:
        file = tmp_path / "models.toml"
        file.write_text(text, "utf-8")
        return Models.load(file)

    return load


def known(models: Models, name: str) -> Capabilities:
    vendor, _, model = name.partition(":")
    return models.card(vendor, model).capabilities


# What ships ------------------------------------------------------------------------------------------------


def test_every_shipped_entry_is_sound_and_every_level_is_one() -> None:
    assert Models.load().problems == ()
    levels = {
        level
        for entry in tomllib.loads(SHIPPED.read_text("utf-8")).values()
        for level in entry.get("strengths", {}).values()
    }
    assert levels <= {strength.name.lower() for strength in Strength}


@pytest.mark.parametrize(
    ("name", "prefill", "sampling"),
    [
        ("anthropic:claude-opus-5-5", False, frozenset[str]()),
        ("anthropic:claude-haiku-5-5", False, frozenset[str]()),
        ("anthropic:claude-opus-4-8", False, frozenset[str]()),
        ("anthropic:claude-mythos-5-2", False, frozenset[str]()),
        ("anthropic:claude-haiku-4-5", True, frozenset({"temperature", "top_p", "top_k"})),
        ("anthropic:claude-haiku-4-5-20251001", True, frozenset({"temperature", "top_p", "top_k"})),
        ("openai:gpt-6.1-sol", False, None),
        ("openai:o3-2025-04-16", False, frozenset[str]()),
    ],
)
def test_prefill_and_sampling_are_what_the_makers_still_allow(
    name: str, prefill: bool, sampling: frozenset[str] | None
) -> None:
    capabilities = known(Models.load(), name)
    assert capabilities.has(Capability.PREFILL) is prefill
    assert capabilities.strength(Capability.PREFILL) is not None
    assert capabilities.sampling == sampling


def named_by(sdk: str, file: str, pattern: str) -> list[str]:
    """The models whose names stand in an SDK; importing it would take seconds."""
    spec = find_spec(sdk)
    assert spec
    assert spec.origin
    names = re.findall(
        f'"({pattern})"', Path(spec.origin).with_name("types").joinpath(file).read_text("utf-8")
    )
    assert len(names) > 5
    return names


def test_every_claude_that_the_sdk_names_is_declared() -> None:
    models = Models.load()
    for name in named_by("anthropic", "model_param.py", r"claude-[^\"]+"):
        capabilities = known(models, f"anthropic:{name}")
        assert capabilities.strength(Capability.TOOLS) is Strength.STRONG
        assert capabilities.strength(Capability.REASONING)
        assert capabilities.output or "preview" in name


def test_every_current_model_that_the_openai_sdk_names_is_declared() -> None:
    models = Models.load()
    for name in named_by("openai", "shared/chat_model.py", r"gpt-(?:5\.|6)[^\"]+"):
        capabilities = known(models, f"openai:{name}")
        assert capabilities.output == 128_000
        assert capabilities.strength(Capability.CODE)


def test_every_model_of_the_o_series_that_the_openai_sdk_names_is_known_to_reason() -> None:
    models = Models.load()
    for name in named_by("openai", "shared/chat_model.py", r"o[1-9][^\"]*"):
        capabilities = known(models, f"openai:{name}")
        least = Strength.MODERATE if "mini" in name else Strength.STRONG
        assert capabilities.strength(Capability.REASONING) is least
        assert capabilities.sampling == frozenset()
        assert capabilities.output == 100_000
    assert known(models, "openai:o3-mini").strength(Capability.VISION) is Strength.NONE
    assert known(models, "openai:o4-mini").strength(Capability.VISION) is Strength.STRONG


@pytest.mark.parametrize(
    ("flagship", "middle", "small"),
    [
        ("anthropic:claude-opus-5-5", "anthropic:claude-sonnet-5-5", "anthropic:claude-haiku-5-5"),
        ("openai:gpt-6-astra", "openai:gpt-6.1-sol", "openai:gpt-6-luna"),
        ("openai:gpt-5.5", "openai:gpt-5.4", "openai:gpt-5.4-mini"),
    ],
)
def test_what_is_hard_is_done_better_by_the_flagship_and_what_is_plain_by_all(
    flagship: str, middle: str, small: str
) -> None:
    models = Models.load()
    for capability in FLAGSHIPS:
        best, good, fair = (known(models, name).strength(capability) for name in (flagship, middle, small))
        assert (best, good, fair) == (Strength.EXCEPTIONAL, Strength.STRONG, Strength.MODERATE)
    for name in (flagship, middle, small):
        assert known(models, name).strength(Capability.EXTRACTION) is Strength.STRONG


def test_of_a_server_that_only_speaks_like_openai_nothing_is_claimed() -> None:
    assert known(Models.load(), "openai:fake-model") == Capabilities()


def test_what_runs_here_costs_nothing_and_what_runs_at_ollama_is_unknown() -> None:
    models = Models.load()
    here = models.card("ollama", "qwen3:8b").price
    assert here == DeclaredPrice(input=0, output=0, local=True)
    assert models.card("ollama", "gpt-oss:120b-cloud").price == "unknown"
    assert models.card("ollama", "glm-4.6:cloud").price == "unknown"


def test_loading_what_is_known_imports_no_table_and_no_sdk() -> None:
    script = (
        "import sys\nfrom atlas_mcp.providers.known.models import Models\n"
        "Models.load().card('openai', 'gpt-6-astra')\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"genai_prices", "openai", "anthropic", "ollama", "httpx2"}.isdisjoint(done.stdout.split())


# A person's own --------------------------------------------------------------------------------------------


def test_what_a_person_says_wins_key_by_key(own: Callable[[str], Models]) -> None:
    models = own('["openai:*"]\nwindow = 1000\nstrengths = { code = "limited" }\n')
    before, after = known(Models.load(), "openai:gpt-6-astra"), known(models, "openai:gpt-6-astra")
    assert after.window == 1000
    assert after.strength(Capability.CODE) is Strength.LIMITED
    assert after.strength(Capability.PLANNING) is before.strength(Capability.PLANNING)
    assert after.output == before.output


def test_the_more_specific_of_two_entries_wins_wherever_it_stands(own: Callable[[str], Models]) -> None:
    models = own('["x:big-*"]\nwindow = 2\n["x:*"]\nwindow = 1\n["x:big-one"]\nwindow = 3\n')
    sizes = [known(models, name).window for name in ("x:small", "x:big-two", "x:big-one")]
    assert sizes == [1, 2, 3]


def test_names_are_matched_whatever_their_case(own: Callable[[str], Models]) -> None:
    assert known(own('["openai:Qwen/Qwen3-*"]\nwindow = 9\n'), "openai:qwen/QWEN3-8b").window == 9


def test_a_person_may_give_a_price_or_take_one_back(own: Callable[[str], Models]) -> None:
    models = own(
        '["openai:mine"]\nprice = { input = 1, output = 2.5, cached = 0.1 }\n'
        '["anthropic:*"]\nprice = "unknown"\n'
    )
    assert models.card("openai", "mine").price == DeclaredPrice(input=1, output=2.5, cached=0.1)
    assert models.card("anthropic", "claude-opus-5-5").price == "unknown"
    assert models.card("openai", "gpt-6-astra").price is None


def test_what_a_server_reports_goes_under_what_a_person_says(own: Callable[[str], Models]) -> None:
    reported = Capabilities({Capability.TOOLS: Strength.NONE, Capability.VISION: Strength.STRONG}, window=7)
    models = own('["x:y"]\nwindow = 5\nstrengths = { tools = "strong" }\n')
    assert models.insisted("x", "y", reported) == Capabilities(
        {Capability.TOOLS: Strength.STRONG, Capability.VISION: Strength.STRONG}, window=5
    )
    assert models.insisted("x", "z", reported) == reported


def test_a_file_that_is_not_there_is_no_mistake(tmp_path: Path) -> None:
    assert Models.load(tmp_path / "models.toml").problems == ()


WITHIN_AN_ENTRY = {
    "an unknown key": ("widnow = 5", '["x:y"] widnow', "Known keys: window, output, sampling"),
    "a wrong number": ("window = -5", '["x:y"] window', "such as window = 128_000"),
    "a number as text": ('output = "many"', '["x:y"] output', "such as output = 16_000"),
    "no list": ('sampling = "top_p"', '["x:y"] sampling', "[] for none"),
    "no truth": ('prefill = "perhaps"', '["x:y"] prefill', "prefill = true or false"),
    "no level": ('strengths.code = "great"', "strengths.code: write none, limited", "strengths ="),
    "a number as level": ("strengths.code = 3", "strengths.code: write none", "strengths ="),
    "no capability": ('strengths.cooking = "none"', "strengths.cooking: no such", "strengths ="),
    "prefill as one": ('strengths.prefill = "none"', "strengths.prefill: write prefill =", "strengths ="),
    "half a price": ("price = { input = 1 }", "price.output: Field required", "dollars a million"),
    "a negative price": ("price = { input = -1, output = 1 }", "price.input", "dollars a million"),
    "an endless price": ("price = { input = inf, output = 1 }", "price.input", "dollars a million"),
    "a wrong rate": ("price = { input = 1, out = 1 }", "price.out", "dollars a million"),
    "a price in words": ('price = "cheap"', '["x:y"] price', '"unknown"'),
}
OF_THE_FILE = {
    "no vendor": ('["gpt-6"]\nwindow = 5', "'gpt-6' is no entry", '["openai:gpt-6*"]'),
    "no entry": ("window = 5", "'window' is no entry", '["openai:gpt-6*"]'),
    "no quotes": ("[openai:gpt-6]\nwindow = 5", "line 1", "in quotes"),
    "no TOML": ("this is prose", "line 1", "Correct that line"),
}
MISTAKES = {
    **{name: (f'["x:y"]\n{text}', said, remedy) for name, (text, said, remedy) in WITHIN_AN_ENTRY.items()},
    **OF_THE_FILE,
}


@pytest.mark.parametrize(("text", "said", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_by_file_entry_and_key_with_what_to_write(
    own: Callable[[str], Models], text: str, said: str, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        models = own(text)
    (problem,) = models.problems
    assert "models.toml" in problem.message
    assert said in problem.message
    assert remedy in problem.remedy
    assert problem.message in caplog.text


def test_a_mistake_costs_its_entry_and_nothing_else(own: Callable[[str], Models]) -> None:
    models = own('["openai:*"]\nwindow = "wide"\n["x:y"]\nwindow = 5\n')
    assert len(models.problems) == 1
    assert known(models, "x:y").window == 5
    assert known(models, "openai:gpt-6-astra") == known(Models.load(), "openai:gpt-6-astra")


def test_a_file_that_cannot_be_read_is_named_and_costs_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "models.toml"
    folder.mkdir()
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'["x:y"]\nsampling = ["\xe9"]\n')
    for file in (folder, latin):
        models = Models.load(file)
        assert str(file) in models.problems[0].message
        assert models.problems[0].remedy
        assert known(models, "openai:gpt-6-astra") == known(Models.load(), "openai:gpt-6-astra")
