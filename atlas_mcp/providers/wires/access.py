"""How a vendor's server is reached: its key and its address, checked before the first prompt."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from atlas_mcp.errors import InvalidConfiguration, MissingExtra
from atlas_mcp.providers.capabilities import Capabilities
from atlas_mcp.providers.wires.aiohttp import translated
from atlas_mcp.providers.wires.errors import redacted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["Access", "address_of", "key_of", "keyless", "known_of"]


@dataclass(frozen=True, slots=True)
class Access:
    """A key, an address where it is not the vendor's own, and whether aiohttp carries the requests.

    `apart` says that nothing of it came from the vendor's variables in the environment; so nothing else that
    an SDK finds there (an organisation, a project, headers of a gateway) may go along either.

    Raises on making:
        MissingExtra: aiohttp is not installed.
    """

    key: SecretStr
    base_url: str | None = None
    aiohttp: bool = False
    apart: bool = False

    def __post_init__(self) -> None:
        if self.aiohttp and find_spec("aiohttp") is None:
            raise MissingExtra(
                "The transport aiohttp is not installed.",
                remedy="In the checkout of ATLAS: uv tool install '.[fast]'; or set transport to httpx.",
            )

    def reaching(self) -> AbstractContextManager[None]:
        """A request is made in here, and fails alike whichever transport carries it."""
        return translated() if self.aiohttp else nullcontext()

    @property
    def shown(self) -> str:
        """The address as anybody may see it, without name, password and query; empty for the vendor's."""
        if self.base_url is None:
            return ""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def known_of(
    model: str, capabilities: Capabilities | None, declared: Callable[[str], Capabilities] | None
) -> Capabilities:
    """What a model can do: as it was given, else as it is declared, else unknown."""
    if capabilities is not None:
        return capabilities
    return declared(model) if declared is not None and model else Capabilities()


def key_of(vendor: str, variable: str, given: SecretStr | str | None, *, place: str = "") -> SecretStr:
    """The key that is given, at a `place` in the settings if it is there, else that of the environment.

    Raises:
        InvalidConfiguration: it could not stand in a header.
    """
    text = given.get_secret_value() if isinstance(given, SecretStr) else given
    text = (os.environ.get(variable, "") if text is None else text).strip()
    if not (text.isascii() and text.isprintable()):
        raise InvalidConfiguration(
            f"The key for {place or vendor} has characters that no key has.",
            remedy=f"Copy it anew into the variable that {place} key_env names."
            if place
            else f"Copy {variable} anew.",
        )
    return SecretStr(text)


def keyless(vendor: str, place: str, key_variable: str, address_variable: str) -> InvalidConfiguration:
    """What to say of a provider that has neither key nor address, be it at a `place` in the settings."""
    if not place:
        return InvalidConfiguration(
            f"There is no key for {vendor}.",
            remedy=f"Set {key_variable}, or {address_variable} for a server of your own.",
        )
    return InvalidConfiguration(
        f"{place} has neither key_env nor base_url; the key in {key_variable} is not used for it.",
        remedy=f'Write key_env = "{key_variable}", or another variable that holds its key,'
        " or base_url for a server of your own.",
    )


def address_of(variable: str, given: str | None, *, example: str, place: str = "") -> str:
    """The address that is given, at a `place` in the settings, else that of the environment; empty for none.

    Raises:
        InvalidConfiguration: it is no HTTP address.
    """
    address = (os.environ.get(variable, "") if given is None else given).strip()
    if address and not _is_address(address):
        raise InvalidConfiguration(
            f"{f'{place} base_url' if place else variable} is {redacted(address)!r}, which is no address.",
            remedy=f"Write for example {example}.",
        )
    return address


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        there = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        return there and url.isprintable() and " " not in url
    except ValueError:
        return False
