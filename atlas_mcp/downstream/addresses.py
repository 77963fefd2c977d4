"""Addresses of sources in one form, so that the same page is one source, however it was linked to."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from atlas_mcp.downstream.screening.invisible import cleaned

__all__ = ["address", "made", "page"]

LONGEST = 8_000
_PORTS = {"http": 80, "https": 443}
_TRACKING = frozenset([
    "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "ttclid",
    "igshid", "mc_cid", "mc_eid", "_hsenc", "_hsmi",
])  # fmt: skip
_UNWRITTEN = re.compile(r"[\s<>\"`{}|^\\]")
_NO_HOST = re.compile(r"[\s<>\"`{}|^\\%#?/]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ARGUMENT = re.compile(r"\{@([^{}]+)\}")
_DRIVE = re.compile(r"/?[A-Za-z]:[\\/]")
_UNSAFE = frozenset(["javascript", "data", "vbscript", "blob", "about"])


def address(url: str) -> str:
    """An http, https or file address in one form; empty for anything else, and for what is none.

    Scheme and host are small; the default port, a name and password, the fragment, a closing slash and
    parameters that track whoever follows a link (`utm_…`, `gclid`, `fbclid` and their like) are left out. The
    rest of the path and of the query stays as it is, in its order.
    """
    url = cleaned(url).strip()
    if len(url) > LONGEST:
        return ""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    scheme, path = parts.scheme, _UNWRITTEN.sub(_quoted, parts.path)
    query = "&".join(each for each in _UNWRITTEN.sub(_quoted, parts.query).split("&") if not _tracks(each))
    query = f"?{query}" if query else ""
    if scheme == "file":
        local = url[5:7] == "//" or path.startswith("/")
        root = f"//{'' if host == 'localhost' else host}" if local else ""
        path = path.rstrip("/") or ("/" if local else "")
        return f"file:{root}{path}{query}" if path else ""
    if scheme not in _PORTS or not host or "\\" in parts.netloc or _NO_HOST.search(host):
        return ""
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[scheme]:
        shown = f"{shown}:{port}"
    return f"{scheme}://{shown}{path.rstrip('/') or '/'}{query}"


def page(url: str) -> str:
    """What names the page at an address in one form: with or without TLS, `www.` and a closing slash."""
    return unquote(url.partition("://")[2]).removeprefix("www.").rstrip("/")


def made(value: str, prefix: str, arguments: dict[str, str]) -> str:
    """The address that `value` stands for: itself, or behind `prefix`, in which `{@name}` is an argument.

    Behind a prefix of another scheme, such as `git:`, it stays as it is. Empty where it is no source.
    """
    value = cleaned(value).strip()
    if not prefix or urlsplit(value[:9]).scheme in {"http", "https", "file"}:
        return address(value)
    names = _ARGUMENT.findall(prefix)
    if not value or any(not arguments.get(name) for name in names):
        return ""
    front = _ARGUMENT.sub(lambda found: quote(arguments[found[1]], safe=""), prefix)
    scheme = front.partition(":")[0].lower()
    if scheme in _UNSAFE or not _SCHEME.match(front):
        return ""
    if scheme == "file":
        return address(_of_file(value, front))
    whole = front + quote(value.lstrip("/") if front.endswith("/") else value, safe="/~:@")
    return address(whole) if scheme in _PORTS else whole[:LONGEST]


def _of_file(value: str, front: str) -> str:
    """A path as an address; one that is relative stays so, since nobody here knows to what."""
    if _DRIVE.match(value):
        value = "/" + value.replace("\\", "/").lstrip("/")
    path = quote(value, safe="/~:@")
    if front != "file://":
        return front + path
    return f"file://{path}" if path.startswith("/") else f"file:{path}"


def _tracks(parameter: str) -> bool:
    name = unquote(parameter.partition("=")[0]).lower()
    return name.startswith("utm_") or name in _TRACKING


def _quoted(found: re.Match[str]) -> str:
    return quote(found[0])
