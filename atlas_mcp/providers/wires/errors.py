"""What a model server reports as an error, as a leaf of our tree.

Servers say the same thing by an HTTP status, by a code, by a type or only in words; this is the one table
that reads them. It knows no SDK: numbers and strings go in, a `ProviderError` comes out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.errors import ProviderError

__all__ = ["classify", "error_in_stream", "redacted", "remedy_for", "retry_after", "unsendable"]

_LONGEST_MESSAGE = 500
_SHORTEST_SECRET = 8

_BY_CODE: dict[str, type[ProviderError]] = {
    "insufficient_quota": errors.QuotaExceeded,
    "billing_hard_limit_reached": errors.QuotaExceeded,
    "billing_not_active": errors.QuotaExceeded,
    "billing_error": errors.QuotaExceeded,
    "enforced_spend_limit_reached": errors.QuotaExceeded,
    "contract_spend_limit_reached": errors.QuotaExceeded,
    "linked_organization_spend_limit_reached": errors.QuotaExceeded,
    "linked_organization_billing_unavailable": errors.QuotaExceeded,
    "context_length_exceeded": errors.ContextTooLong,
    "string_above_max_length": errors.ContextTooLong,
    "request_too_large": errors.ContextTooLong,
    "content_filter": errors.ContentRefused,
    "content_policy_violation": errors.ContentRefused,
    "image_content_policy_violation": errors.ContentRefused,
    "misalignment_policy_violation": errors.ContentRefused,
    "bio_policy": errors.ContentRefused,
    "invalid_prompt": errors.ContentRefused,  # one that its vendor's policy forbids
    "model_not_found": errors.ModelNotFound,
    "not_found_error": errors.ModelNotFound,
    "invalid_api_key": errors.Authentication,
    "authentication_error": errors.Authentication,
    "permission_error": errors.PermissionDenied,
    "organization_on_hold": errors.PermissionDenied,
    "data_residency_mismatch": errors.PermissionDenied,
    "rate_limit_exceeded": errors.RateLimited,
    "rate_limit_error": errors.RateLimited,
    "overloaded": errors.Overloaded,
    "overloaded_error": errors.Overloaded,
    "server_is_overloaded": errors.Overloaded,
    "slow_down": errors.Overloaded,
    "engine_overloaded": errors.Overloaded,
    "timeout": errors.ProviderTimeout,
    "timeout_error": errors.ProviderTimeout,
    "server_error": errors.ServerFailed,
    "internal_error": errors.ServerFailed,
    "api_error": errors.ServerFailed,
    "invalid_request_error": errors.InvalidRequest,
    "invalid_image": errors.InvalidRequest,
    "invalid_image_format": errors.InvalidRequest,
    "invalid_base64_image": errors.InvalidRequest,
    "image_parse_error": errors.InvalidRequest,
    "image_too_large": errors.InvalidRequest,
    "image_file_too_large": errors.InvalidRequest,
    "image_too_small": errors.InvalidRequest,
    "empty_image_file": errors.InvalidRequest,
    "unsupported_image_media_type": errors.Unsupported,
}

_BY_STATUS: dict[int, type[ProviderError]] = {
    401: errors.Authentication,
    402: errors.QuotaExceeded,
    403: errors.PermissionDenied,
    404: errors.ModelNotFound,
    408: errors.ProviderTimeout,
    409: errors.ServerFailed,
    413: errors.ContextTooLong,
    429: errors.RateLimited,
    503: errors.Overloaded,
    529: errors.Overloaded,
}

_VAGUE = frozenset({errors.InvalidRequest, errors.ServerFailed})
"""What is said of an error for want of a better word; its words or its status may know one."""

_REMEDY: dict[type[ProviderError], str] = {
    errors.Authentication: "Set the provider's key.",
    errors.PermissionDenied: "Use a key that may use this model, or another model.",
    errors.QuotaExceeded: "Top up the account, or use another provider.",
    errors.ModelNotFound: "Check the model's name and the base URL.",
    errors.Unsupported: "Use a model that can do what the message names.",
    errors.ContextTooLong: "Send less material, or use a model with a larger window.",
    errors.ContentRefused: "Ask in other words, or use another model.",
    errors.RateLimited: "Wait, or spread the calls over more providers.",
    errors.Overloaded: "Try again in a while, or use another provider.",
    errors.ServerFailed: "Try again.",
    errors.ProviderTimeout: "Try again.",
    errors.ConnectionFailed: "Check the network and the base URL.",
    errors.PoolExhausted: "Run fewer streams at once.",
    errors.StreamBroken: "Try again; what came before is not a whole answer.",
    errors.MalformedResponse: "Check that the base URL is that of a chat-completions API.",
    errors.InvalidRequest: "Change what the message names; the same request will fail again.",
}

_BY_WORDS: dict[re.Pattern[str], type[ProviderError]] = {
    re.compile(
        r"context[ _](?:length|window|size|limit)|prompt is too long|too many (?:input )?tokens"
        r"|maximum (?:prompt|input)",
        re.IGNORECASE,
    ): errors.ContextTooLong,
    re.compile(r"credit balance is too low|usage limits|spend limit", re.IGNORECASE): errors.QuotaExceeded,
    re.compile(
        r"does not support (?:tools|thinking|chat|vision|(?:image|audio|video)s?\b)"
        r"|this model does not support|not supported (?:for|by|on|with) this model"
        r"|missing data required for image",
        re.IGNORECASE,
    ): errors.Unsupported,
    re.compile(
        r"invalid model (?:name|id\b)"
        r"|\bmodel:? ['\"`]?[\w./:@+-]+['\"`]? (?:does not exist|(?:(?:is|was) )?not found)",
        re.IGNORECASE,
    ): errors.ModelNotFound,
}
_SECRET = re.compile(r"\b(?:sk|gsk|xai)-[\w*.-]{6,}|(?<=Bearer )\S+|(?<=://)[^/\s@]+(?=@)")


def classify(status: int | None, codes: tuple[str, ...] = (), message: str = "") -> type[ProviderError]:
    """The leaf for an error: its code or type first, what only its words tell next, its status last."""
    named = next((leaf for code in codes if (leaf := _BY_CODE.get(code))), None)
    if named not in {None, *_VAGUE}:
        return cast("type[ProviderError]", named)
    if status in {None, 400, 413, 422, 500}:
        said = next((leaf for words, leaf in _BY_WORDS.items() if words.search(message)), None)
        if said is not None:
            return said
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if named is not None:
        return named
    if status is None or status >= 500:  # noqa: PLR2004 - the range is the protocol's
        return errors.ServerFailed
    return errors.InvalidRequest


def error_in_stream(error: Any) -> ProviderError:
    """The error that a server reported inside its stream: an object, or only words.

    The status of such a response is 200, so it says nothing; a code that is a number is a status.
    """
    fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}
    message = str(fields.get("message") or "no reason given")
    details = fields.get("details")
    cause = cast("dict[str, Any]", details).get("error_code") if isinstance(details, dict) else None
    codes = tuple(str(code) for code in (fields.get("code"), cause, fields.get("type")) if code)
    status = int(codes[0]) if codes and re.fullmatch(r"[45]\d\d", codes[0]) else None
    leaf = classify(status, codes, message)
    return leaf(
        f"The server reported an error in its stream: {redacted(message)}",
        status=status,
        remedy=remedy_for(leaf),
    )


def unsendable(error: ValueError) -> ProviderError:
    """Why a prompt could not be written as JSON: half of a character in a text, or what is no number."""
    if isinstance(error, UnicodeEncodeError):
        half = error.object[error.start : error.start + 1]
        return errors.InvalidRequest(
            f"A text of the prompt holds half of a character ({ascii(half)[1:-1]}), which cannot be sent.",
            remedy="Leave it out, or put the whole character there.",
        )
    return errors.InvalidRequest(
        f"The prompt cannot be written as JSON: {redacted(str(error))}.",
        remedy="Use numbers that JSON has, and neither NaN nor an infinity.",
    )


def remedy_for(leaf: type[ProviderError]) -> str:
    """What to do about a leaf, where there is something general to say."""
    return _REMEDY.get(leaf, "")


def redacted(text: str, *secrets: str) -> str:
    """`text` on one line of 500 characters at most, without the secrets or whatever else looks like one.

    What is shorter than 8 characters is no secret: keys of one's own server are often "x" or "EMPTY".
    """
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    text = " ".join(_SECRET.sub("[secret]", text).split())
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or an HTTP date)."""
    milliseconds, wait = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    if re.fullmatch(r"\d+(?:\.\d+)?", milliseconds):
        return float(milliseconds) / 1000
    if re.fullmatch(r"\d+(?:\.\d+)?", wait):
        return float(wait)
    try:
        until = parsedate_to_datetime(wait)
    except (TypeError, ValueError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
