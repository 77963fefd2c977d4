"""Providers by name, as a person writes it: `openai:gpt-5.4-mini`, `group:fast`, `extractive`.

What stands before the colon is a vendor, what follows is the vendor's own affair; `group` is a group of the
settings. A third party adds a vendor by an entry point of the group `atlas_mcp.providers` that names a
function `open_provider(model: str) -> Provider`; the shipped vendors cannot be replaced. Nothing of a vendor
is imported before one of its providers is opened.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.budget import Limit
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.roster import Circumstances
from atlas_mcp.providers.sampling_sessions import SamplingSessions
from atlas_mcp.providers.strategies import strategy_named
from atlas_mcp.providers.terms import LOADING_SECONDS, Patience, Policy, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.providers.capabilities import Capabilities
    from atlas_mcp.providers.provider import Provider
    from atlas_mcp.providers.vendor import VendorProvider
    from atlas_mcp.settings import GroupSettings, ProviderSettings

__all__ = [
    "Registry",
    "accounts_among",
    "configured_vendors",
    "default_provider_name",
    "key_variables",
    "known_vendors",
    "ways_to_configure",
]

_GROUP = "atlas_mcp.providers"
_SHIPPED = {
    name: f"atlas_mcp.providers.{name}"
    for name in ("anthropic", "extractive", "ollama", "openai", "sampling", "scripted")
}
_CONFIGURED_BY = {
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "ollama": ("OLLAMA_HOST",),
}
"""The variables that say that a vendor is to be used, in the order in which vendors are taken."""


_KEYS = frozenset({
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS", "OLLAMA_API_KEY",
    "OPENAI_ADMIN_KEY", "OPENAI_API_KEY", "OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID",
})  # fmt: skip
"""The variables in which the vendors' SDKs look for keys, and for what they send along with one."""


def default_provider_name(environ: Mapping[str, str] | None = None) -> str:
    """The provider for whoever names none: the first vendor that the environment configures."""
    environ = os.environ if environ is None else environ
    return next((vendor for vendor in configured_vendors(environ)), "extractive")


def configured_vendors(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The vendors of language models for which the environment has a key or an address."""
    environ = os.environ if environ is None else environ
    return tuple(
        vendor for vendor, names in _CONFIGURED_BY.items() if any(environ.get(name) for name in names)
    )


def key_variables(providers: Mapping[str, ProviderSettings]) -> frozenset[str]:
    """The variables of the environment that may hold a vendor's key, or that of one of `providers`."""
    return _KEYS | {own.key_env for own in providers.values() if own.key_env}


def ways_to_configure() -> Mapping[str, tuple[str, ...]]:
    """Vendors of language models, and the variables of the environment of which one is enough."""
    return _CONFIGURED_BY


def known_vendors() -> tuple[str, ...]:
    """Every vendor that can be opened, shipped or installed, sorted."""
    from importlib.metadata import entry_points

    return tuple(sorted({*_SHIPPED, *entry_points(group=_GROUP).names}))


class Registry:
    """Opens providers by name, each once, so that groups share connections and what is known of members.

    `groups` and `providers` are those of the settings; `sampling` is told of the clients that lend their
    models.
    """

    def __init__(
        self,
        groups: Mapping[str, GroupSettings] | None = None,
        providers: Mapping[str, ProviderSettings] | None = None,
        *,
        models: Models | None = None,
        circumstances: Circumstances | None = None,
        aiohttp: bool = False,
    ) -> None:
        self.groups = groups or {}
        self.providers = providers or {}
        self.models = models or Models.load(accounts=accounts_among(self.providers))
        self.circumstances = circumstances or Circumstances(Reliability(), Prices(self.models))
        self.sampling = SamplingSessions()
        self._aiohttp = aiohttp
        self._leaves: dict[str, Provider] = {}
        self._opened: dict[str, ProviderGroup] = {}

    def open(self, name: str) -> ProviderGroup:
        """The provider called `name`: `vendor`, `vendor:model` or `group:NAME`.

        Connections are opened by its first stream.

        Raises:
            InvalidConfiguration: nobody knows the vendor or group, or it cannot be used as it is configured.
            MissingExtra: it needs an optional dependency that is not installed.
        """
        return self._open(name.strip(), ())

    def _open(self, name: str, within: tuple[str, ...]) -> ProviderGroup:
        if name not in self._opened:
            vendor, _, model = name.partition(":")
            if vendor == "group":
                self._opened[name] = self._group(model, within)
            else:
                leaf = self._leaf(name)
                self._opened[name] = ProviderGroup.alone(leaf, circumstances=self.circumstances)
        return self._opened[name]

    def _leaf(self, name: str) -> Provider:
        if name not in self._leaves:
            called, _, model = name.partition(":")
            own = self.providers.get(called)
            factory = self._factory(own.vendor if own else called, name)
            offered: dict[str, Any] = {
                "declared": partial(self._declared, called), "capabilities": None, "called": called,
                "aiohttp": self._aiohttp, "sessions": self.sampling,
            }  # fmt: skip
            if own is not None:
                offered |= _reached(f"[provider.{called}]", own)
            self._leaves[name] = factory(model, **_wished(factory, offered))
        return self._leaves[name]

    def embedding(self, name: str) -> VendorProvider:
        """The provider whose model gives vectors of texts, `vendor:model`; connected by its first request.

        Raises:
            InvalidConfiguration: there is none of that name that does, or it cannot be used as configured.
            MissingExtra: it needs an optional dependency that is not installed.
        """
        from atlas_mcp.providers.vendor import VendorProvider

        vendor, _, model = name.strip().partition(":")
        leaf = self._leaf(name.strip()) if vendor != "group" and model else None
        if isinstance(leaf, VendorProvider) and leaf.embeds:
            return leaf
        raise InvalidConfiguration(
            f"[memory] embeddings is {name!r}, which is no model that embeds texts.",
            remedy="Write true, false, or a model such as openai:text-embedding-3-small,"
            " ollama:nomic-embed-text, or NAME:model of a [provider.NAME].",
        )

    def _declared(self, vendor: str, model: str) -> Capabilities:
        return self.models.card(vendor, model).capabilities

    def _factory(self, vendor: str, name: str) -> Callable[..., Provider]:
        if vendor in _SHIPPED:
            return import_module(_SHIPPED[vendor]).open_provider
        from importlib.metadata import entry_points

        for entry in entry_points(group=_GROUP, name=vendor):
            return entry.load()
        known = ", ".join([*known_vendors(), *self.providers])
        raise InvalidConfiguration(
            f"No provider is called {name!r}.",
            remedy=f"Write vendor:model or group:NAME; known vendors are {known}.",
        )

    def _group(self, name: str, within: tuple[str, ...]) -> ProviderGroup:
        wished = self.groups.get(name)
        if wished is None:
            there = ", ".join(f"group:{each}" for each in self.groups) or "none"
            raise InvalidConfiguration(
                f"There is no group {name!r}.", remedy=f"Write [group.{name}] in atlas.toml. Groups: {there}."
            )
        if name in within:
            raise InvalidConfiguration(
                f"[group.{name}] is a member of itself, by way of {' and '.join(within)}.",
                remedy="Take it out of one of them.",
            )
        members: list[tuple[Provider, float]] = []
        for member in wished.members:
            named = member.name.strip()
            nested = named.startswith("group:")
            provider = self._open(named, (*within, name)) if nested else self._leaf(named)
            members.append((provider, member.weight))
        return ProviderGroup(
            members, strategy_named(wished.strategy), name=name, policy=policy_of(wished),
            circumstances=self.circumstances,
        )  # fmt: skip

    async def aclose(self) -> None:
        """Close every provider that was opened."""
        leaves, self._leaves, self._opened = list(self._leaves.values()), {}, {}
        await asyncio.gather(*(leaf.aclose() for leaf in leaves))


def accounts_among(providers: Mapping[str, ProviderSettings]) -> dict[str, str]:
    """The vendor by the name of each further account with it."""
    return {name: own.account_with for name, own in providers.items() if own.account_with}


def policy_of(wished: GroupSettings) -> Policy:
    """A group's settings as the policy of its calls."""
    limited = wished.call_tokens is not None or wished.call_usd is not None
    return Policy(
        ways=tuple(Way(way) for way in wished.mid_stream),
        refusals=wished.refusals,
        crawl=wished.crawl,
        hold=wished.hold,
        first_token=wished.first_token,
        idle=wished.idle,
        total=wished.total,
        wait=wished.wait,
        attempts=wished.attempts,
        call=Limit(wished.call_tokens, wished.call_usd) if limited else None,
    )


def _reached(place: str, own: ProviderSettings) -> dict[str, Any]:
    """How a provider of a person's own, at a place in the settings, is reached.

    A key of the environment that nobody named stays here.

    Raises:
        InvalidConfiguration: the variable that should hold its key is empty.
    """
    key = os.environ.get(own.key_env, "").strip() if own.key_env else ""
    if own.key_env and not key:
        raise InvalidConfiguration(
            f"{place}: {own.key_env} is empty.", remedy=f"Set {own.key_env} to the key, or leave key_env out."
        )
    usual = Patience(first_token=LOADING_SECONDS) if own.vendor == "ollama" else Patience()
    return {
        "api_key": key, "base_url": own.base_url or "", "api": own.api, "place": place,
        "patience": replace(
            usual, first_token=own.first_token or usual.first_token, idle=own.idle or usual.idle
        ),
    }  # fmt: skip


def _wished(factory: Callable[..., Provider], offered: dict[str, Any]) -> dict[str, Any]:
    """What of the offered a factory takes; a third party's may take the model alone."""
    taken = inspect.signature(factory).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values()):
        return offered
    return {name: value for name, value in offered.items() if name in taken}
