"""How a tracking server is asked over HTTP: by aiohttp where it is installed, else by httpx.

A run is told in a dozen and a half small requests, and by httpx they are most of what telling costs; aiohttp
takes a third of it. Behind a proxy it is httpx, since aiohttp reads the environment anew for each request.
Neither follows a redirect.
"""

from __future__ import annotations

import asyncio
import json as json_module
import os
from base64 import b64encode
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

__all__ = ["Access", "Answer", "Asking", "access_to", "by_aiohttp", "by_httpx", "open_asking"]

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: its status, the type of its body, and that body."""

    status: int
    kind: str
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Asking(Protocol):
    """One server that may be asked."""

    async def __call__(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, json: Any = None,
        content: bytes | None = None, headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """What the server answers, whatever its status; the body is `json`, or `content` as it is.

        Raises:
            TimeoutError: it did not answer in time.
            ConnectionError: it cannot be reached; says why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """Where a server is, without a slash at its end, and what it wants to see first.

    A request may take `seconds`; `trusting` takes any certificate.
    """

    address: str
    seconds: float
    authorization: str = ""
    trusting: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What stands above every request."""
        return {"authorization": self.authorization} if self.authorization else {}

    async def trust(self) -> ssl.SSLContext | bool:
        """Whose certificates are taken: nobody's have to be seen where there is no TLS, or any will do."""
        if self.trusting or not self.address.startswith("https:"):
            return False
        import httpx

        return await asyncio.to_thread(httpx.create_ssl_context)


def access_to(address: str, *, seconds: float, mlflow: bool) -> Access:
    """How a server is reached, with the name and password in its address, which are left out there.

    With `mlflow` a name and password in MLflow's own variables go before those, and its token after them.

    Source: https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth
    """
    address = address.rstrip("/")
    known = ""
    scheme, found, rest = address.partition("://")
    if "@" in (host := rest.partition("/")[0]) and found:
        who, _, host = host.rpartition("@")
        name, _, password = who.partition(":")
        known = _basic(unquote(name), unquote(password))
        address = f"{scheme}://{host}{rest[len(who) + 1 + len(host) :]}"
    if not mlflow:
        return Access(address, seconds, known)
    named = os.environ
    name, password = named.get("MLFLOW_TRACKING_USERNAME"), named.get("MLFLOW_TRACKING_PASSWORD")
    if name and password:
        known = _basic(name, password)
    elif not known and (token := named.get("MLFLOW_TRACKING_TOKEN")):
        known = f"Bearer {token}"
    trusting = named.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"1", "true"}
    return Access(address, seconds, known, trusting)


def _basic(name: str, password: str) -> str:
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


@asynccontextmanager
async def open_asking(access: Access) -> AsyncGenerator[Asking]:
    """A server that may be asked until the exit."""
    opened = by_aiohttp if find_spec("aiohttp") and not _proxied(access.address) else by_httpx
    async with opened(access) as asking:
        yield asking


def _proxied(address: str) -> bool:
    """Whether the environment, or the system, names a proxy for an address."""
    try:
        parts = urlsplit(address)
    except ValueError:  # which whoever asks says of it
        return False
    proxies = getproxies()
    return bool(proxies.get(parts.scheme) or proxies.get("all")) and not proxy_bypass(parts.hostname or "")


@asynccontextmanager
async def by_httpx(access: Access) -> AsyncGenerator[Asking]:
    """Ask by httpx."""
    import httpx

    async with httpx.AsyncClient(
        timeout=access.seconds, headers=access.headers, verify=await access.trust()
    ) as client:  # fmt: skip

        async def ask(method: str, path: str, **request: Any) -> Answer:
            try:
                response = await client.request(method, access.address + path, **request)
            except httpx.TimeoutException:
                raise TimeoutError from None
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                raise ConnectionError(str(error) or type(error).__name__) from None
            return Answer(response.status_code, response.headers.get("content-type", ""), response.content)

        yield ask


@asynccontextmanager
async def by_aiohttp(access: Access) -> AsyncGenerator[Asking]:
    """Ask by aiohttp."""
    import aiohttp
    from aiohttp.http_exceptions import HttpProcessingError

    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=access.seconds), headers=access.headers,
        connector=aiohttp.TCPConnector(ssl=await access.trust()), cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:  # fmt: skip

        async def ask(
            method: str, path: str, *, params: Mapping[str, str] | None = None, json: Any = None,
            content: bytes | None = None, headers: Mapping[str, str] | None = None,
        ) -> Answer:  # fmt: skip
            if json is not None:
                content, headers = json_module.dumps(json).encode(), {**_JSON, **(headers or {})}
            try:
                async with session.request(
                    method, access.address + path, params=params, data=content, headers=headers,
                    allow_redirects=False,
                ) as response:  # fmt: skip
                    return Answer(
                        response.status, response.headers.get("content-type", ""), await response.read()
                    )
            except TimeoutError:
                raise TimeoutError from None
            except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
                raise ConnectionError(str(error) or type(error).__name__) from None

        yield ask
