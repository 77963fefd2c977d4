"""Our errors as a chat-completions server tells them: a status, a body, and when to come again.

It is the inverse of `wires.errors.classify`: where the wire has a word for a leaf, reading it back gives the
same leaf. It knows no connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

from atlas_mcp import errors
from atlas_mcp.errors import AtlasError, InvalidField, InvalidInput, ProviderError, Unavailable

__all__ = ["Refusal", "refusal", "told"]


class _Words(NamedTuple):
    status: int
    type: str
    code: str


_REQUEST = "invalid_request_error"
_SERVER = "server_error"

_WORDS: dict[type[AtlasError], _Words] = {
    errors.Authentication: _Words(401, "authentication_error", "invalid_api_key"),
    errors.PermissionDenied: _Words(403, "permission_error", "permission_denied"),
    errors.ModelNotFound: _Words(404, _REQUEST, "model_not_found"),
    errors.InvalidRequest: _Words(400, _REQUEST, "invalid_request"),
    errors.Unsupported: _Words(400, _REQUEST, "unsupported"),
    errors.ContextTooLong: _Words(400, _REQUEST, "context_length_exceeded"),
    errors.ContentRefused: _Words(400, _REQUEST, "content_filter"),
    errors.QuotaExceeded: _Words(429, "insufficient_quota", "insufficient_quota"),
    errors.BudgetSpent: _Words(429, "insufficient_quota", "insufficient_quota"),
    errors.RateLimited: _Words(429, "rate_limit_error", "rate_limit_exceeded"),
    errors.Overloaded: _Words(503, _SERVER, "server_is_overloaded"),
    errors.PoolExhausted: _Words(503, _SERVER, "server_is_overloaded"),
    errors.Unavailable: _Words(503, "overloaded_error", "unavailable"),
    errors.ServerFailed: _Words(502, _SERVER, "server_error"),
    errors.ConnectionFailed: _Words(502, _SERVER, "connection_failed"),
    errors.StreamBroken: _Words(502, _SERVER, "stream_broken"),
    errors.MalformedResponse: _Words(502, _SERVER, "malformed_response"),
    errors.ProviderTimeout: _Words(504, _SERVER, "timeout"),
    errors.Stalled: _Words(504, _SERVER, "timeout"),
    errors.Cancelled: _Words(403, "permission_error", "cancelled"),
}
_NO_KEY = 401
_OURS = _Words(500, _SERVER, "server_error")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as a response: `body` is what stands under `error`."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict[str, str])


def told(error: AtlasError) -> Refusal:
    """An error as a response.

    Where every member of a group met the same, that is what is told: a client that is told of its context's
    length can shorten it. Whoever asked has had its retries here, so clients are told to try again only where
    it is known when.
    """
    words = _words(error)
    body = {
        "message": str(error),
        "type": words.type,
        "param": error.field or None if isinstance(error, InvalidField) else None,
        "code": words.code,
    }
    wait = error.retry_after if isinstance(error, ProviderError) else None
    if wait is None:
        return Refusal(words.status, body, {"x-should-retry": "false"})
    when = {"retry-after": str(ceil(wait)), "retry-after-ms": str(ceil(wait * 1000))}
    return Refusal(words.status, body, {"x-should-retry": "true", **when})


def refusal(status: int, message: str, **headers: str) -> Refusal:
    """Why a request is refused before anybody is asked."""
    code = "invalid_api_key" if status == _NO_KEY else "invalid_request"
    body = {"message": message, "type": _REQUEST, "param": None, "code": code}
    return Refusal(status, body, {"x-should-retry": "false", **headers})


def _words(error: AtlasError) -> _Words:
    if isinstance(error, Unavailable):
        met = {type(failure) for failure in error.failures}
        return _WORDS[met.pop() if len(met) == 1 else Unavailable]
    if isinstance(error, InvalidInput):
        return _Words(400, _REQUEST, error.code)
    return _WORDS.get(type(error), _OURS)
