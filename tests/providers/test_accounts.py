"""Further accounts and servers of a person's own: what is sent there, who is said to answer, what is told."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from atlas_mcp.errors import InvalidConfiguration, ModelNotFound
from atlas_mcp.messages import Message, Reasoning, ToolCall, ToolResult
from atlas_mcp.providers import ollama, openai
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.registry import Registry
from atlas_mcp.settings import ProviderSettings
from tests.fakes.model_server import FakeModels, Turn
from tests.providers.asking import KEY, prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.model_server import Exchange

Vendor = Literal["openai", "anthropic", "ollama"]

SECRETS = {
    "ANTHROPIC_API_KEY": "sk-ant-SECRET",
    "ANTHROPIC_AUTH_TOKEN": "SECRET",
    "ANTHROPIC_CUSTOM_HEADERS": "x-gateway: SECRET\nauthorization: Bearer SECRET",
    "OLLAMA_API_KEY": "SECRET",
    "OPENAI_ADMIN_KEY": "sk-admin-SECRET",
    "OPENAI_API_KEY": "sk-SECRET",
    "OPENAI_CUSTOM_HEADERS": "x-gateway: SECRET\nauthorization: Bearer SECRET",
    "OPENAI_ORG_ID": "org-SECRET",
    "OPENAI_PROJECT_ID": "proj-SECRET",
}
each_vendor = pytest.mark.parametrize("vendor", ["openai", "anthropic", "ollama"])


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def address(server: FakeModels, vendor: Vendor) -> str:
    return server.url if vendor == "openai" else server.root


def secret_headers(exchanges: list[Exchange]) -> Iterator[str]:
    for exchange in exchanges:
        yield from (name for name, value in exchange.headers.items() if "SECRET" in value)


@each_vendor
@pytest.mark.usefixtures("secrets")
async def test_nothing_of_the_vendors_variables_goes_to_a_server_of_ones_own(vendor: Vendor) -> None:
    async with FakeModels(tokens=4) as server:
        own = {"mine": ProviderSettings(vendor=vendor, base_url=address(server, vendor))}
        async with aclosing(Registry(providers=own)) as registry:
            provider = registry.open("mine:fake-model")
            assert (await provider.check()).answers
            await complete(provider, prompt())
    assert len(server.exchanges) > 1
    assert set(secret_headers(server.exchanges)) == set()


@each_vendor
@pytest.mark.usefixtures("secrets")
async def test_a_key_that_is_named_for_a_server_goes_there_alone(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    async with FakeModels(tokens=4) as server:
        reached = ProviderSettings(vendor=vendor, base_url=address(server, vendor), key_env="MY_KEY")
        async with aclosing(Registry(providers={"mine": reached})) as registry:
            await complete(registry.open("mine:fake-model"), prompt())
    sent = server.exchanges[-1].headers
    assert sent["authorization"] == f"Bearer {KEY}"
    assert set(secret_headers(server.exchanges)) == set()


@pytest.mark.usefixtures("secrets")
async def test_an_address_of_the_environment_gets_what_the_environment_has_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-gateway: SECRET")
    async with FakeModels(tokens=4) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.root)
        monkeypatch.setenv("OLLAMA_HOST", server.root)
        async with aclosing(Registry()) as registry:
            for vendor in ("openai", "anthropic", "ollama"):
                await complete(registry.open(f"{vendor}:fake-model"), prompt())
    assert set(secret_headers(server.exchanges)) == {
        "authorization", "openai-organization", "openai-project", "x-gateway",
    }  # fmt: skip


@each_vendor
async def test_an_answer_says_by_which_account_it_was_given(vendor: Vendor) -> None:
    async with FakeModels(tokens=4) as server:
        own = {"work": ProviderSettings(vendor=vendor, base_url=address(server, vendor))}
        async with aclosing(Registry(providers=own)) as registry:
            server.turns.append(Turn(text="So.", reasoning="Hm."))
            reply = await complete(registry.open("work:fake-model"), prompt())
    assert reply.stopped.provider == "work"
    makers = {part.maker for part in reply.message.parts if isinstance(part, Reasoning)}
    assert makers == {f"work:{reply.stopped.model}"}


@pytest.mark.parametrize(("vendor", "api"), [("openai", "responses"), ("anthropic", "auto")])
@pytest.mark.parametrize(("maker", "sent"), [("work", True), ("home", False), ("openai", False)])
async def test_sealed_reasoning_goes_back_to_the_account_that_sealed_it_and_to_no_other(
    vendor: Vendor, api: Literal["auto", "responses"], maker: str, sent: bool
) -> None:
    seal = json.dumps({"id": "rs_1", "encrypted_content": "SEALED"})
    thought = Reasoning("Hm.", seal, f"{maker}:fake-model")
    said = Message("assistant", (thought, ToolCall("c1", "look", {})))
    heard = Message("tool", (ToolResult("c1", "nothing"),))
    asked = replace(prompt(), messages=(*prompt().messages, said, heard))
    async with FakeModels(tokens=4) as server:
        own = {"work": ProviderSettings(vendor=vendor, base_url=address(server, vendor), api=api)}
        async with aclosing(Registry(providers=own)) as registry:
            await complete(registry.open("work:fake-model"), asked)
    assert ("SEALED" in str(server.requests[-1])) is sent


@pytest.mark.parametrize(
    "says", ["Invalid model name passed in model=m. Call `/v1/models`.", "The model `m/x-1` does not exist"]
)
async def test_a_server_that_refuses_a_model_by_its_words_leaves_the_answer_to_a_peer(says: str) -> None:
    refusal = Turn(status=400, body={"error": {"message": says, "type": "None", "code": "400"}})
    async with FakeModels(tokens=4, respond=lambda _: refusal) as lacking, FakeModels(tokens=4) as server:
        without = openai.open_provider("m", base_url=lacking.url, api_key=KEY)
        peer = openai.open_provider("fake-model", base_url=server.url, api_key=KEY)
        with pytest.raises(ModelNotFound):
            await complete(without, prompt())
        group = ProviderGroup([without, peer])
        assert (await complete(group, prompt())).stopped.model == "fake-model"
        await group.aclose()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (ProviderSettings(), r"^\[provider.work\] has neither key_env nor base_url.*Write key_env = "),
        (ProviderSettings(vendor="anthropic"), r"^\[provider.work\] has neither.*ANTHROPIC_API_KEY"),
        (ProviderSettings(key_env="BAD"), r"^The key for \[provider.work\] .*\[provider.work\] key_env"),
        (ProviderSettings(key_env="BLANK"), r"^\[provider.work\]: BLANK is empty"),
        (ProviderSettings(base_url="localhost:8080/v1"), r"^\[provider.work\] base_url is 'localhost"),
        (ProviderSettings(base_url="http://exa mple/v1"), r"^\[provider.work\] base_url is 'http://exa "),
        (ProviderSettings(base_url="http://a\tb/v1"), r"^\[provider.work\] base_url"),
        (ProviderSettings(vendor="ollama", base_url="ftp://x"), r"^\[provider.work\] base_url is 'ftp://x'"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("secrets")
def test_what_is_wrong_with_an_account_is_told_by_its_place_in_the_settings(
    own: ProviderSettings, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAD", "sk-gööd")
    monkeypatch.setenv("BLANK", " ")
    with pytest.raises(InvalidConfiguration, match=said) as caught:
        Registry(providers={"work": own}).open("work:m")
    assert "OPENAI_BASE_URL" not in str(caught.value)
    assert caught.value.remedy


async def test_a_server_of_ones_own_that_is_down_is_told_by_its_place_too() -> None:
    own = {"mine": ProviderSettings(vendor="ollama", base_url="http://127.0.0.1:9")}
    async with aclosing(Registry(providers=own)) as registry:
        health = await registry.open("mine:m").check()
    assert "[provider.mine] base_url" in health.remedy
    assert "OLLAMA_HOST" not in health.remedy


def test_without_settings_the_variables_are_named() -> None:
    with pytest.raises(InvalidConfiguration, match=r"OPENAI_BASE_URL is 'nowhere'"):
        openai.open_provider("m", api_key=KEY, base_url="nowhere")
    with pytest.raises(InvalidConfiguration, match=r"OLLAMA_HOST is 'ftp://x'"):
        ollama.open_provider("m", base_url="ftp://x")
