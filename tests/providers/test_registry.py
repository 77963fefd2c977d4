"""Providers and groups by name, and what is said when there is none of that name."""

from __future__ import annotations

import subprocess
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

import pytest

from atlas_mcp.errors import InvalidConfiguration, MissingExtra
from atlas_mcp.providers.capabilities import Capability, Strength
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.provider import complete
from atlas_mcp.providers.registry import Registry, configured_vendors, default_provider_name, known_vendors
from atlas_mcp.settings import GroupSettings, ProviderSettings
from tests.fakes.model_server import FakeModels
from tests.providers.mortal import asked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package that offers two vendors, one of them by a name that is taken; it takes the model alone."""
    (tmp_path / "acme_models.py").write_text(
        "from atlas_mcp.providers.scripted import Script, ScriptedProvider\n"
        "def open_provider(model):\n    return ScriptedProvider(Script(model))\n",
        "utf-8",
    )
    dist = tmp_path / "acme_models-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-models\nVersion: 1.0\n", "utf-8")
    points = "[atlas_mcp.providers]\nacme = acme_models:open_provider\nopenai = acme_models:open_provider\n"
    (dist / "entry_points.txt").write_text(points, "utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


def group(*members: Any, **more: Any) -> GroupSettings:
    return GroupSettings.model_validate({"members": members, **more})


def script(folder: Path, name: str) -> str:
    path = folder / f"{name}.toml"
    path.write_text(f'[[reply]]\nsay = "{name}"\n', "utf-8")
    return f"scripted:{path}"


def test_a_vendor_is_opened_by_its_name_and_the_model_behind_it() -> None:
    provider = Registry().open(" openai:gpt-5.4-mini ")
    assert (provider.info.vendor, provider.info.model) == ("openai", "gpt-5.4-mini")
    assert Registry().open("extractive").info.language_model is False


def test_what_is_opened_twice_is_one() -> None:
    registry = Registry()
    assert registry.open("extractive") is registry.open("extractive")


def test_what_is_declared_of_a_model_is_what_its_provider_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789")
    capabilities = Registry().open("anthropic:claude-opus-5-5").info.capabilities
    assert capabilities.strength(Capability.CODE) is Strength.EXCEPTIONAL
    assert capabilities.sampling == frozenset()


@pytest.mark.parametrize("vendor", ["anthropic", "ollama"])
@pytest.mark.parametrize(("window", "vision"), [(4_000, Strength.NONE), (300_000, Strength.STRONG)])
async def test_what_a_person_wrote_of_a_model_stands_whatever_its_server_reports(
    tmp_path: Path, vendor: Literal["anthropic", "ollama"], window: int, vision: Strength
) -> None:
    own = tmp_path / "models.toml"
    says = f'window = {window}\noutput = 50\nstrengths = {{ vision = "{vision.name.lower()}" }}'
    own.write_text(f'["mine:*"]\n{says}\n', "utf-8")
    async with FakeModels(tokens=4) as server:
        mine = {"mine": ProviderSettings(vendor=vendor, base_url=server.root)}
        async with aclosing(Registry(providers=mine, models=Models.load(own))) as registry:
            opened = registry.open("mine:fake-model")
            for _ in range(2):
                assert (await opened.check()).answers
                await complete(opened, asked())
                known = opened.info.capabilities
                assert (known.window, known.output) == (window, 50)
                assert known.strength(Capability.VISION) is vision
    if vendor == "anthropic":
        assert {request["max_tokens"] for request in server.requests} == {50}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")


@pytest.mark.parametrize("name", ["", "nobody", "nobody:model", ":model", "OpenAI"])
def test_an_unknown_vendor_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidConfiguration, match="anthropic, extractive, ollama, openai") as caught:
        Registry().open(name)
    assert name in caught.value.message
    assert "group:NAME" in caught.value.remedy


@pytest.mark.usefixtures("installed")
def test_a_third_party_adds_a_vendor_and_cannot_replace_a_shipped_one() -> None:
    assert "acme" in known_vendors()
    assert Registry().open("acme:big").info.name == "scripted:big"
    assert Registry().open("openai:m").info.name == "openai:m"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "extractive"),
        ({"OPENAI_API_KEY": ""}, "extractive"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "openai"),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic"),
        ({"OLLAMA_HOST": "127.0.0.1"}, "ollama"),
        ({"OLLAMA_HOST": "127.0.0.1", "ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, "openai"),
    ],
)
def test_who_names_nobody_gets_the_first_vendor_that_is_configured(
    environ: dict[str, str], name: str
) -> None:
    assert default_provider_name(environ) == name


def test_configured_vendors_are_those_with_a_key_or_an_address() -> None:
    assert configured_vendors({"OLLAMA_HOST": "h", "OPENAI_API_KEY": "k"}) == ("openai", "ollama")


async def test_a_group_of_the_settings_answers_as_one_and_may_hold_another(tmp_path: Path) -> None:
    inner = group(script(tmp_path, "a"), {"name": script(tmp_path, "b"), "weight": 3.0})
    registry = Registry({"inner": inner, "outer": group("group:inner", script(tmp_path, "c"))})
    outer = registry.open("group:outer")
    assert outer.info.name == "group:outer"
    assert [member.name for member in outer.members] == ["group:inner", "scripted:c.toml"]
    within = outer.members[0].provider
    assert within is registry.open("group:inner")
    assert [member.weight for member in registry.open("group:inner").members] == [1.0, 3.0]
    assert (await complete(outer, asked())).text == "a"
    assert outer.info.recipients == ("scripted",)


def test_members_of_several_groups_are_one_provider(tmp_path: Path) -> None:
    shared = script(tmp_path, "shared")
    registry = Registry({"one": group(shared), "two": group(shared)})
    first, second = (registry.open(f"group:{name}").members[0].provider for name in ("one", "two"))
    assert first is second


@pytest.mark.parametrize(
    ("groups", "name", "said"),
    [
        ({}, "group:fast", r"no group 'fast'.*Write \[group.fast\].*none"),
        ({"slow": group("extractive")}, "group:fast", "group:slow"),
        ({"a": group("group:b"), "b": group("group:a")}, "group:a", "member of itself, by way of a and b"),
        ({"a": group("extractive", "openai:m")}, "group:a", "no member among models"),
        ({"a": group("openai:m", strategy="luck")}, "group:a", r"no strategy 'luck'.*failover"),
        ({"a": group("nobody:m")}, "group:a", "No provider is called 'nobody:m'"),
    ],
)
def test_a_group_that_cannot_be_is_refused_with_what_to_write(
    groups: dict[str, GroupSettings], name: str, said: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        Registry(groups).open(name)


async def test_a_server_of_ones_own_is_reached_by_the_name_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_KEY", "local-0123456789")
    async with FakeModels(tokens=4) as server, FakeModels(tokens=4) as other:
        mine = ProviderSettings(base_url=server.url, key_env="LOCAL_KEY")
        registry = Registry(
            {"both": group("mine:qwen", "bare:qwen")},
            {"mine": mine, "bare": ProviderSettings(base_url=other.url)},
        )
        provider = registry.open("group:both")
        reply = await complete(provider, asked())
        assert [member.name for member in provider.members] == ["mine:qwen", "bare:qwen"]
        assert provider.info.recipients == (f"bare at {other.url}", f"mine at {server.url}")
        assert reply.choices[0].member == "mine:qwen"
        await complete(registry.open("bare:qwen"), asked())
        await registry.aclose()
    assert server.exchanges[-1].headers["authorization"] == "Bearer local-0123456789"
    # The key of the environment that nobody named for it goes nowhere.
    assert other.exchanges
    assert not any("sk-0123456789" in str(exchange.headers) for exchange in other.exchanges)


def test_a_key_that_is_named_and_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_KEY", raising=False)
    registry = Registry(providers={"mine": ProviderSettings(key_env="LOCAL_KEY")})
    with pytest.raises(InvalidConfiguration, match=r"\[provider.mine\]: LOCAL_KEY is empty"):
        registry.open("mine:m")


async def test_closing_a_registry_closes_what_it_opened() -> None:
    registry = Registry()
    provider = registry.open("extractive")
    await registry.aclose()
    with pytest.raises(Exception, match="closed"):
        await complete(provider, asked())


def test_aiohttp_that_is_not_installed_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(_name: str) -> None: ...

    monkeypatch.setattr("atlas_mcp.providers.wires.access.find_spec", not_there)
    with pytest.raises(MissingExtra, match=r"uv tool install '\.\[fast\]'"):
        Registry(aiohttp=True).open("openai:m")


def test_nothing_of_a_vendor_is_imported_with_the_registry() -> None:
    script = (
        "import sys; from atlas_mcp.providers.registry import Registry; Registry().open('openai:m').stream;"
        "print({'openai', 'anthropic', 'ollama', 'genai_prices', 'httpx', 'httpx2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_a_further_account_with_a_vendor_knows_the_vendors_models() -> None:
    further = {"work": ProviderSettings(vendor="anthropic", key_env="WORK_KEY")}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WORK_KEY", "of work")
        environment.setenv("ANTHROPIC_API_KEY", "my own")
        async with aclosing(Registry(providers=further)) as registry:
            mine, works = (registry.open(f"{name}:claude-opus-5") for name in ("anthropic", "work"))
            prices = registry.circumstances.prices
            await prices.ready("work", "claude-opus-5")
            assert works.info.capabilities == mine.info.capabilities
            assert prices.listing("work", "claude-opus-5") == prices.listing("anthropic", "claude-opus-5")
            assert prices.of("work", "claude-opus-5") is not None


async def test_what_a_person_says_of_one_account_is_not_said_of_the_others(tmp_path: Path) -> None:
    own = tmp_path / "models.toml"
    own.write_text('["work:*"]\nwindow = 50_000\n', "utf-8")
    models = Models.load(own, accounts={"work": "anthropic"})
    assert models.card("work", "claude-opus-5").capabilities.window == 50_000
    assert models.card("anthropic", "claude-opus-5").capabilities.window != 50_000
    assert models.card("elsewhere", "claude-opus-5").capabilities.window is None
