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

__all__ = ["Access", "address_of", "key_of", "known_of"]


@dataclass(frozen=True, slots=True)
class Access:
    """A key, an address where it is not the vendor's own, and whether aiohttp carries the requests.

    Raises on making:
        MissingExtra: aiohttp is not installed.
    """

    key: SecretStr
    base_url: str | None = None
    aiohttp: bool = False

    def __post_init__(self) -> None:
        if self.aiohttp and find_spec("aiohttp") is None:
            raise MissingExtra(
                "The transport aiohttp is not installed.",
                remedy="pip install 'atlas-mcp[fast]', or set [models] transport = \"httpx\".",
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


def key_of(vendor: str, variable: str, given: SecretStr | str | None) -> SecretStr:
    """The key that is given, else that of the environment, without white space around it.

    Raises:
        InvalidConfiguration: it could not stand in a header.
    """
    text = given.get_secret_value() if isinstance(given, SecretStr) else given
    text = (os.environ.get(variable, "") if text is None else text).strip()
    if not (text.isascii() and text.isprintable()):
        raise InvalidConfiguration(
            f"The key for {vendor} has characters that no key has.", remedy=f"Copy {variable} anew."
        )
    return SecretStr(text)


def address_of(variable: str, given: str | None, *, example: str) -> str:
    """The address that is given, else that of the environment; empty where there is none.

    Raises:
        InvalidConfiguration: it is no HTTP address.
    """
    address = (os.environ.get(variable, "") if given is None else given).strip()
    if address and not _is_address(address):
        raise InvalidConfiguration(
            f"{variable} is {redacted(address)!r}, which is no address.",
            remedy=f"Write for example {example}.",
        )
    return address


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
