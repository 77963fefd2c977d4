"""Whatever way a server says what went wrong, it is the same leaf."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from atlas_mcp import errors
from atlas_mcp.providers.wires.errors import classify, error_in_stream, redacted, remedy_for, retry_after


@pytest.mark.parametrize(
    ("status", "codes", "message", "leaf"),
    [
        (400, (), "bad field", errors.InvalidRequest),
        (400, ("context_length_exceeded",), "", errors.ContextTooLong),
        (400, ("invalid_request_error",), "maximum context length is 8192 tokens", errors.ContextTooLong),
        (400, ("content_policy_violation",), "", errors.ContentRefused),
        (401, ("invalid_api_key", "invalid_request_error"), "", errors.Authentication),
        (402, (), "", errors.QuotaExceeded),
        (403, (), "", errors.PermissionDenied),
        (404, ("invalid_request_error",), "", errors.ModelNotFound),
        (400, ("model_not_found",), "", errors.ModelNotFound),
        (408, (), "", errors.ProviderTimeout),
        (413, (), "", errors.ContextTooLong),
        (418, (), "", errors.InvalidRequest),
        (422, (), "", errors.InvalidRequest),
        (429, (), "", errors.RateLimited),
        (429, ("insufficient_quota",), "", errors.QuotaExceeded),
        (500, (), "", errors.ServerFailed),
        (503, (), "", errors.Overloaded),
        (529, (), "", errors.Overloaded),
        (599, (), "", errors.ServerFailed),
        (400, ("invalid_request_error",), "Your credit balance is too low.", errors.QuotaExceeded),
        (400, ("invalid_request_error",), "You have reached your usage limits.", errors.QuotaExceeded),
        (429, ("enforced_spend_limit_reached", "rate_limit_error"), "", errors.QuotaExceeded),
        (402, ("billing_error",), "", errors.QuotaExceeded),
        (404, ("not_found_error",), "", errors.ModelNotFound),
        (413, ("request_too_large",), "", errors.ContextTooLong),
        (400, (), "input length and `max_tokens` exceed context limit: 9 + 9 > 12", errors.ContextTooLong),
        (504, ("timeout_error",), "", errors.ProviderTimeout),
        (400, (), "This model does not support assistant message prefill.", errors.Unsupported),
        (400, (), "This model does not support image input.", errors.Unsupported),
        (400, (), "Images are not supported for this model.", errors.Unsupported),
        (400, (), "registry.ollama.ai/library/gemma does not support tools", errors.Unsupported),
        (400, (), '"gemma" does not support thinking', errors.Unsupported),
        (400, (), "the request exceeds the available context size", errors.ContextTooLong),
        (400, ("400",), "Invalid model name passed in model=m", errors.ModelNotFound),
        (400, (), "The model `org/m-1.5:free` does not exist.", errors.ModelNotFound),
        (400, (), 'model "m" not found, try pulling it first', errors.ModelNotFound),
        (400, (), "The parameter `think` of this model does not exist", errors.InvalidRequest),
        (400, (), "Invalid model parameters: top_k is unknown", errors.InvalidRequest),
        (403, ("organization_on_hold", "permission_error"), "", errors.PermissionDenied),
        (None, (), "something", errors.ServerFailed),
        (None, ("invalid_request_error",), "", errors.InvalidRequest),
    ],
)
def test_status_code_and_words_name_a_leaf(
    status: int | None, codes: tuple[str, ...], message: str, leaf: type[errors.ProviderError]
) -> None:
    assert classify(status, codes, message) is leaf


@pytest.mark.parametrize(
    ("error", "leaf", "status"),
    [
        ("it broke", errors.ServerFailed, None),
        ({"message": "busy", "type": "overloaded_error"}, errors.Overloaded, None),
        (
            {"type": "rate_limit_error", "details": {"error_code": "contract_spend_limit_reached"}},
            errors.QuotaExceeded,
            None,
        ),
        ({"message": "bad gateway", "code": 502}, errors.ServerFailed, 502),
        ({"message": "slow", "code": "429"}, errors.RateLimited, 429),
        ({}, errors.ServerFailed, None),
    ],
)
def test_an_error_in_a_stream_is_read_by_its_code(
    error: Any, leaf: type[errors.ProviderError], status: int | None
) -> None:
    failure = error_in_stream(error)
    assert type(failure) is leaf
    assert failure.status == status
    assert failure.remedy == remedy_for(leaf)


def test_how_long_to_wait_is_read_from_either_header_and_either_form() -> None:
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    wait = retry_after({"retry-after": soon})
    assert wait is not None
    assert 55 < wait <= 60
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "later"}) is None
    assert retry_after({}) is None


def test_secrets_are_taken_out_and_length_is_bounded() -> None:
    text = redacted(
        "key sk-abcdef123456, mine-secret\nBearer xyz http://user:pass@host/v1", "mine-secret", ""
    )
    assert text == "key [secret], [secret] Bearer [secret] http://[secret]@host/v1"
    assert len(redacted("x" * 9999)) == 501


def test_a_key_that_is_no_secret_does_not_garble_the_message() -> None:
    assert redacted("the index is next", "x") == "the index is next"
