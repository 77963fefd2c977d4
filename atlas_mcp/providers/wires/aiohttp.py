"""The transport aiohttp, as the SDKs carry it: what it raises that they do not translate.

They turn most of it into what httpx2 raises; where a server does not speak HTTP at all, its own errors come
through, and those repeat the request with its key.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["translated"]


@contextmanager
def translated() -> Generator[None]:
    """Requests made in here fail as they would over httpx2."""
    import httpx2
    from aiohttp import ClientError
    from aiohttp.http_exceptions import HttpProcessingError

    try:
        yield
    except (ClientError, HttpProcessingError) as error:
        raise httpx2.RemoteProtocolError(str(error)) from None
