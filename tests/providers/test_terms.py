"""How long an answer may take: in pieces until the first, in one piece until all of it is said."""

from __future__ import annotations

import asyncio

import pytest

from atlas_mcp.errors import ProviderTimeout
from atlas_mcp.providers.provider import AT_ONCE, complete
from atlas_mcp.providers.terms import TERMS, Patience, Policy, Terms
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import prompt
from tests.providers.vendors import VENDORS

LATE = 0.4
each_vendor = pytest.mark.parametrize("vendor", VENDORS)


def test_an_answer_in_one_piece_has_the_time_of_a_whole_one() -> None:
    assert AT_ONCE.patience(Patience()).first_token == 600
    assert AT_ONCE.patience(Patience(first_token=900)).first_token == 900
    assert Terms(Policy(first_token=5, idle=7), streaming=False).patience(Patience()) == Patience(
        first_token=600, idle=7
    )
    assert TERMS.patience(Patience(first_token=9)).first_token == 9


@each_vendor
async def test_an_answer_in_one_piece_may_take_longer_than_a_first_token(vendor: str) -> None:
    async with FakeModels(tokens=4, respond=lambda _: Turn(first_token=LATE)) as server:
        provider = VENDORS[vendor](server.root, patience=Patience(first_token=LATE / 4, idle=LATE / 4))
        assert (await complete(provider, prompt(), AT_ONCE)).text
        assert server.requests[-1]["stream"] is False
        await provider.aclose()


@each_vendor
async def test_an_answer_in_one_piece_has_an_end_too(vendor: str) -> None:
    async with FakeModels(tokens=4, respond=lambda _: Turn(first_token=60)) as server:
        hasty = VENDORS[vendor](server.root, patience=Patience(first_token=0.1, whole=0.2))
        with pytest.raises(ProviderTimeout, match=r"within 0\.2 seconds"):
            await complete(hasty, prompt(), AT_ONCE)
        patient = VENDORS[vendor](server.root)
        await patient.warm()
        deadline = asyncio.get_running_loop().time() + 0.2
        with pytest.raises(ProviderTimeout, match="time limit of the call"):
            await complete(patient, prompt(), Terms(deadline=deadline, streaming=False))
        await hasty.aclose()
        await patient.aclose()
