"""Secrets never reach what is written or shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp import redaction
from atlas_mcp.redaction import redacted


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnopqrstuv",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_" + "a" * 36,
        "xoxb-1234567890-abc",
        "tvly-abcdefghijklmnop1234",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_known_by_its_shape_wherever_it_stands(secret: str) -> None:
    value = {"error": {"message": f"wrong key {secret}, says the server"}, "list": [secret, 1, None]}
    assert secret not in str(redacted(value))
    assert redacted(value)["error"]["message"].endswith("says the server")


def test_a_secret_of_the_environment_is_known_by_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "a plain pass phrase")
    redaction._given.cache_clear()
    try:
        assert redacted("it said: a plain pass phrase!") == "it said: [secret]!"
    finally:
        redaction._given.cache_clear()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text("abc xyz."), st.lists))
def test_what_holds_no_secret_stays_as_it_is(value: object) -> None:
    assert redacted(value) == value
