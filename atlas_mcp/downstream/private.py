"""Addresses of this machine and its network, which no tool that reads the open web is given.

Programs read addresses in more ways than one is written in. So an address is given on only where all of them
read the same host in it, and that host is of the open web; names are not resolved.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.downstream.screening.invisible import cleaned
from atlas_mcp.errors import ToolRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_private", "refuse_private"]

_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*:[/\\]"
    r"|(?:https?|ftps?|wss?|file|gopher|dict|ldaps?|tftp|jar|netdoc|view-source|data|javascript|blob|about):\S"
)
"""What programs take for an address; `site:` and its like are words of searches."""
_WEB = re.compile(r"https?://([^/?#]*)")
_NAMES = frozenset({"url", "urls", "uri", "uris", "link", "links", "href"})
"""Arguments whose texts are addresses, also without a scheme."""
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))*")
_PORT = re.compile(r":\d{0,5}\Z")
_UNPLAIN = re.compile(r"[\s\\%]")
_INSIDE = (
    ".localhost", ".localdomain", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".private",
    ".home.arpa",
)  # fmt: skip
_CARRIES_IPV4 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))
"""Networks whose addresses end in one of IPv4; others that carry one are known to Python."""
_LOCAL_TRANSLATED = ipaddress.IPv6Network("64:ff9b:1::/48")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_private(url: str) -> bool:
    """Whether an address is of this machine or network, or is read as one by somebody."""
    return any(_is_private(each) for each in _readings(url))


def refuse_private(arguments: Any) -> None:
    """Refuse arguments that name an address of this machine or network, however deep it stands in them.

    Raises:
        ToolRefused: there is one, or one that is no plain http or https address.
    """
    for name, text in _texts(arguments):
        if any(_is_refused(each, named=name in _NAMES) for each in _readings(text)):
            raise ToolRefused(
                f"{cleaned(text)[:200]} is an address of this machine or its network, or no plain one.",
                remedy="Read pages of the open web alone, by addresses such as https://site.org/page.",
            )


def _is_refused(reading: str, *, named: bool) -> bool:
    if _ADDRESS.match(reading):
        return _is_private(reading)
    return named and bool(reading) and _is_private(f"http://{reading}")


def _readings(text: str) -> tuple[str, str]:
    """A text as it stands, and as those read it who know compatible letters, and a full stop as a point."""
    plain = re.sub(r"[\t\r\n]", "", cleaned(text)).strip().lower()
    return plain, unicodedata.normalize("NFKC", plain).replace("\u3002", ".").strip()


def _is_private(plain: str) -> bool:
    found = _WEB.match(plain)
    if found is None or _UNPLAIN.search(found[1]):
        return True
    host = _PORT.sub("", found[1].rpartition("@")[2])
    if host.startswith("["):
        return not host.endswith("]") or _is_inside(host[1:-1])
    return _is_inside(host.rstrip("."))


def _is_inside(host: str) -> bool:
    try:
        return not all(
            each.is_global and not each.is_multicast for each in _meant(ipaddress.ip_address(host))
        )
    except ValueError:
        # Programs read 2130706433, 0x7f.1 and 127.1 as addresses of this machine, too.
        return "." not in host or ":" in host or host.endswith(_INSIDE) or bool(_NUMBERS.fullmatch(host))


def _meant(address: Address) -> Iterator[Address]:
    """The addresses that one leads to: itself, or one of IPv4 that it carries."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.is_site_local or address in _LOCAL_TRANSLATED:
        yield ipaddress.IPv6Address("::1")
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _CARRIES_IPV4):
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    yield from [each for each in carried if each is not None] or [address]


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text, with the name of the argument that it stands in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _texts(inner, key.lower())
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _texts(inner, name)
