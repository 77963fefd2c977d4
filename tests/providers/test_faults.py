"""Whatever goes wrong at a vendor, whoever asked sees one of our errors, what came before it, and no secret.

The whole table is `docs/provider-faults.md`; where it no longer tells what happens, a test fails. To write it
anew: `WRITE_DOCS=1 python -m pytest tests/providers/test_faults.py`.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.errors import AtlasError, ProviderError
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.terms import TERMS
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import KEY, prompt
from tests.providers.fault_page import page
from tests.providers.faults import AFTER, FAULTS, TOKENS, Fault, Seen, Way, seen
from tests.providers.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "provider-faults.md"
WAYS: tuple[Way, ...] = ("stream", "plain")
CELLS = [
    (vendor, fault, way)
    for fault in FAULTS.values()
    for vendor in VENDORS
    for way in WAYS
    if way == "stream" or not fault.streamed
]
each_vendor = pytest.mark.parametrize("vendor", VENDORS)


def everything(vendor: str) -> dict[str, Seen]:
    """What came of every fault at a vendor, by way and fault."""
    return {f"{way}: {name}": was for way in WAYS for name, was in seen(vendor, way).items()}


def behind(error: BaseException | None) -> Iterator[BaseException]:
    """Every exception that hangs on one."""
    while error is not None and (error := error.__cause__ or error.__context__) is not None:
        yield error


def shown(error: BaseException) -> str:
    """All that a log or a debugger's print could hold of an error."""
    inside = error.to_dict() if isinstance(error, AtlasError) else vars(error)
    return "\n".join((*traceback.format_exception(error), repr(error), str(inside)))


@pytest.mark.parametrize(
    ("vendor", "fault", "way"), CELLS, ids=[f"{vendor}, {way}: {fault.name}" for vendor, fault, way in CELLS]
)
def test_what_comes_of_a_fault_is_what_its_kind_says(vendor: str, fault: Fault, way: Way) -> None:
    assert seen(vendor, way)[fault.name].outcome == fault.expected(vendor, way)


@each_vendor
def test_an_error_names_who_failed_and_says_what_to_do(vendor: str) -> None:
    maker = vendor.partition(" ")[0].lower()
    for name, was in everything(vendor).items():
        if was.error is not None:
            assert was.error.remedy, name
            assert (was.error.provider, was.error.model) == (maker, "fake-model"), name


@each_vendor
def test_nothing_hangs_on_an_error_and_no_secret_is_in_it(vendor: str) -> None:
    errors = {name: was.error for name, was in everything(vendor).items() if was.error is not None}
    assert {name: [*behind(error)] for name, error in errors.items() if any(behind(error))} == {}
    assert [name for name, error in errors.items() if KEY in shown(error)] == []


@each_vendor
def test_when_to_come_back_is_known_where_the_server_says_it(vendor: str) -> None:
    waits = {name: was.error.retry_after for name, was in everything(vendor).items() if was.error}
    told = {name: seconds for name, seconds in waits.items() if seconds is not None}
    assert told == {f"{way}: 429, and it says when to come back": 7.0 for way in WAYS}


@each_vendor
def test_a_broken_answer_says_how_far_it_came_and_what_it_took(vendor: str) -> None:
    for name, was in everything(vendor).items():
        assert was.told or not was.pieces, name
        if was.error is not None:
            assert was.pieces in {0, AFTER, TOKENS}, name
            assert was.usage in {"estimated", "measured"} or not was.pieces, name


@each_vendor
def test_nothing_is_asked_again_behind_the_callers_back(vendor: str) -> None:
    asked = {name: was.requests for name, was in everything(vendor).items() if was.requests > 1}
    # Ollama is asked once more, with a larger window.
    longer = {f"{way}: the prompt is longer than the window (400)": 2 for way in WAYS}
    assert asked == (longer if vendor == "Ollama" else {})


@each_vendor
def test_after_every_fault_the_next_prompt_is_answered(vendor: str) -> None:
    assert [name for name, was in everything(vendor).items() if not was.well] == []


@each_vendor
@pytest.mark.parametrize("key", [KEY, "odd/key with+signs"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_server_that_repeats_the_key_does_not_make_us_repeat_it(
    vendor: str, key: str, streamed: bool
) -> None:
    said: Any = f"Who are you, {key}?" if vendor == "Ollama" else {"message": f"Who are you, {key}?"}
    turn = Turn(ending="error", error=said) if streamed else Turn(status=401, body={"error": said})
    async with FakeModels(tokens=TOKENS) as server:
        provider = VENDORS[vendor](server.root, key=key)
        server.turns.append(turn)
        with pytest.raises(ProviderError, match="Who are you") as caught:
            await complete(provider, prompt(), TERMS)
        await provider.aclose()
    assert key not in shown(caught.value)
    assert list(behind(caught.value)) == []


def test_the_page_tells_what_happens() -> None:
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(page(), "utf-8")
    assert PAGE.read_text("utf-8") == page()
