"""What a person's environment says of the way to every server, proxies and certificates, where it is wrong.

The HTTP libraries read it when they are opened, and fail with whatever they happen to meet. It is read here
again only to say which variable it was and what to write instead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.providers.wires.errors import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unreachable"]

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("http", "https", "all")
_SOCKS = frozenset({"socks5", "socks5h"})
_KINDS = frozenset({"http", "https", *_SOCKS})
_EXAMPLES = "http://127.0.0.1:3128 or socks5://127.0.0.1:1080"


def unreachable(error: Exception) -> InvalidConfiguration:
    """Why no client could be opened, by the variable that is to blame where one is known to be."""
    if isinstance(error, OSError):
        for name in _CERTIFICATES:
            if path := os.environ.get(name):
                reason = error.strerror or str(error)
                return InvalidConfiguration(
                    f"No certificates can be read from {name}, which is {path!r}: {redacted(reason)}.",
                    remedy=f"Set {name} to where certificates in PEM form are, or unset it.",
                )
    for name, proxy in _proxies():
        if remedy := _wrong(proxy, lacks_package=isinstance(error, ImportError)):
            return InvalidConfiguration(
                f"{name} is {redacted(proxy)!r}, a proxy that cannot be used.",
                remedy=f"{remedy}, or unset {name}.",
            )
    return InvalidConfiguration(
        f"No connection can be prepared: {type(error).__name__} {redacted(str(error))}.",
        remedy="Check the base URL, the proxies (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) and the certificates"
        " (SSL_CERT_FILE, SSL_CERT_DIR).",
    )


def _proxies() -> Iterator[tuple[str, str]]:
    """The proxies there are, by the names of the variables that set them, as a person wrote these."""
    there = getproxies()
    for kind in _PROXIES:
        if proxy := there.get(kind):
            upper = f"{kind.upper()}_PROXY"
            yield (upper if upper in os.environ else f"{kind}_proxy", proxy)


def _wrong(proxy: str, *, lacks_package: bool) -> str:
    """What to do about a proxy; nothing where it can be used."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return f"Write for example {_EXAMPLES}"
    if parts.scheme in _SOCKS and lacks_package:
        return "Install what it needs (pip install socksio), write a proxy of HTTP"
    return "" if whole and parts.scheme in _KINDS else f"Write for example {_EXAMPLES}"
