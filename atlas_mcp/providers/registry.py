"""Providers by name, as a person writes it: `openai:gpt-5.4-mini`, `extractive`, `scripted:cases/one.toml`.

What stands before the colon is a vendor, what follows is the vendor's own affair. A third party adds a
vendor by an entry point of the group `atlas_mcp.providers` that names a function
`open_provider(model: str) -> Provider`; the shipped vendors cannot be replaced. Nothing of a vendor is
imported before one of its providers is opened.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_mcp.providers.provider import Provider

__all__ = ["default_provider_name", "known_vendors", "open_provider"]

_GROUP = "atlas_mcp.providers"
_SHIPPED = {
    "extractive": "atlas_mcp.providers.extractive",
    "openai": "atlas_mcp.providers.openai",
    "scripted": "atlas_mcp.providers.scripted",
}


def default_provider_name(environ: Mapping[str, str] | None = None) -> str:
    """The provider for whoever names none: `openai` where the environment has its key or its address."""
    environ = os.environ if environ is None else environ
    return "openai" if environ.get("OPENAI_API_KEY") or environ.get("OPENAI_BASE_URL") else "extractive"


def known_vendors() -> tuple[str, ...]:
    """Every vendor that can be opened, shipped or installed, sorted."""
    return tuple(sorted({*_SHIPPED, *entry_points(group=_GROUP).names}))


def open_provider(name: str) -> Provider:
    """The provider called `name`, `vendor` or `vendor:model`; connections are opened by its first stream.

    Raises:
        InvalidConfiguration: nobody knows the vendor, or the vendor cannot be used as it is configured.
    """
    vendor, _, model = name.strip().partition(":")
    return _factory(vendor, name)(model)


def _factory(vendor: str, name: str) -> Callable[[str], Provider]:
    if vendor in _SHIPPED:
        return import_module(_SHIPPED[vendor]).open_provider
    for entry in entry_points(group=_GROUP, name=vendor):
        return entry.load()
    raise InvalidConfiguration(
        f"No provider is called {name!r}.",
        remedy=f"Write vendor:model; known vendors are {', '.join(known_vendors())}.",
    )
