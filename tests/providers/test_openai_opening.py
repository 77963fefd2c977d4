"""Opening OpenAI's provider: what is given, what is not, what cannot be, and which wire it chooses."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp import errors
from atlas_mcp.providers.capabilities import Capabilities, Capability, Strength
from atlas_mcp.providers.openai import DEFAULT_MODEL, ChatCompletions, Responses, open_provider
from tests.fakes.model_server import FakeModels
from tests.providers.asking import KEY, PATIENCE, Route, prompt, streamed

if TYPE_CHECKING:
    from atlas_mcp.providers.vendor import VendorProvider


def reasoning(strength: Strength) -> Capabilities:
    return Capabilities({Capability.REASONING: strength})


def dialect_of(provider: VendorProvider) -> type[Any]:
    return type(provider._dialect)


def test_what_is_not_given_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert open_provider().info.name == f"openai:{DEFAULT_MODEL}"
    assert open_provider("gpt-6-luna").info.model == "gpt-6-luna"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert open_provider().info.model == ""


def test_what_cannot_work_is_said_before_the_first_prompt() -> None:
    with pytest.raises(errors.InvalidConfiguration, match="OPENAI_API_KEY"):
        open_provider()
    with pytest.raises(errors.InvalidConfiguration, match="no address") as caught:
        open_provider(base_url="user:password@localhost:8080")
    assert caught.value.remedy


@pytest.mark.parametrize("address", ["http://[bad/v1", "http://host:99999/v1", "http://:80/v1", "ftp://host"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(errors.InvalidConfiguration, match="no address"):
        open_provider(base_url=address)


async def test_white_space_around_a_key_is_not_part_of_it(server: FakeModels, route: Route) -> None:
    provider = route.open(server.url, key=f" {KEY}\r\n")
    await streamed(provider, prompt())
    await provider.aclose()
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-\u00e9"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(errors.InvalidConfiguration, match="characters that no key has") as caught:
        open_provider(api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("strength", "dialect"),
    [(Strength.STRONG, Responses), (Strength.MODERATE, Responses), (Strength.LIMITED, ChatCompletions)],
)
def test_openais_own_models_are_asked_for_responses_where_they_reason(
    strength: Strength, dialect: type[Any]
) -> None:
    assert dialect_of(open_provider("m", api_key=KEY, capabilities=reasoning(strength))) is dialect


def test_a_model_of_which_nothing_is_known_is_asked_for_chat_completions() -> None:
    assert dialect_of(open_provider("m", api_key=KEY)) is ChatCompletions


async def test_a_server_of_ones_own_is_asked_for_chat_completions_unless_told_otherwise(
    server: FakeModels,
) -> None:
    for api in ("auto", "chat", "responses"):
        provider = open_provider(
            "m", base_url=server.url, capabilities=reasoning(Strength.STRONG), patience=PATIENCE, api=api
        )
        await streamed(provider, prompt())
        await provider.aclose()
    paths = [exchange.path for exchange in server.exchanges]
    assert paths == ["/v1/chat/completions", "/v1/chat/completions", "/v1/responses"]


async def test_without_a_model_the_first_the_server_lists_is_used(route: Route) -> None:
    async with FakeModels(tokens=5, models=("llama", "mistral")) as server:
        provider = route.open(server.url, model="", patience=PATIENCE)
        assert provider.info.name == "openai"
        assert (await streamed(provider, prompt())).stopped.model == "llama"
        await streamed(provider, prompt())
        assert provider.info.name == "openai:llama"
        assert [exchange.path for exchange in server.exchanges].count("/v1/models") == 1
        await provider.aclose()


async def test_a_server_without_models_says_what_to_do() -> None:
    async with FakeModels(models=()) as server:
        provider = open_provider(base_url=server.url, patience=PATIENCE)
        with pytest.raises(errors.ModelNotFound, match=r"has no model.*openai:MODEL"):
            await streamed(provider, prompt())
        await provider.aclose()


def test_the_aiohttp_transport_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)  # which is what it is for whoever does not have it
    with pytest.raises(errors.MissingExtra, match="aiohttp") as caught:
        open_provider("m", api_key=KEY, aiohttp=True)
    assert "uv tool install '.[fast]'" in caught.value.remedy


@pytest.mark.parametrize("aiohttp", [False, True])
def test_nothing_of_the_sdk_is_imported_before_the_first_stream(*, aiohttp: bool) -> None:
    script = (
        "import sys; from atlas_mcp.providers.openai import open_provider;"
        f"open_provider('m', api_key='k', aiohttp={aiohttp}).stream;"
        "print({'openai', 'httpx2', 'aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_another_vendor_needs_is_never_seen_half_loaded() -> None:
    # By its name in `sys.modules` the SDK takes a module for whole that another thread is still importing.
    code = (
        "import sys; from atlas_mcp.providers.openai import open_provider; from atlas_mcp.providers.terms"
        " import Patience; p = open_provider('m', api_key='k', base_url='http://127.0.0.1:9/v1');"
        " p._dialect.open_client(Patience()); sys.exit(not hasattr(sys.modules['httpx'], 'Response'))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_base_url_without_a_path_where_nothing_is_found_is_told_how_such_a_url_ends(
    server: FakeModels,
) -> None:
    bare = open_provider("m", base_url=server.url.removesuffix("/v1"), patience=PATIENCE)
    whole = open_provider("m", base_url=f"{server.url}/elsewhere", patience=PATIENCE)
    health, other = await bare.check(), await whole.check()
    await bare.aclose()
    await whole.aclose()
    assert not health.answers
    assert "A base URL of this kind usually ends in /v1." in health.remedy
    assert "/v1" not in other.remedy
