"""Secrets never reach what is written or shown."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp import redaction
from atlas_mcp.redaction import hide, is_secret, redacted


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


@pytest.mark.parametrize(
    "name",
    [
        "ACME_AUTH",
        "ACME_COOKIE",
        "ACME_SECRET_2",
        "ACME_PAT",
        "ACME_LOGIN",
        "ACME_SESSION",
        "PGPASSWORD",
        "acmeApiKey",
    ],
)
def test_a_variable_that_is_called_like_a_secret_holds_one(name: str) -> None:
    assert is_secret(name, "bob:horse-staple-42")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XDG_SESSION_PATH", "/org/freedesktop/login1"), ("DESKTOP_SESSION", "plasma5-wayland"),
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1000/bus"), ("SSH_AUTH_SOCK", "/run/agent"),
        ("ACME_SESSION", "ubuntu-wayland"), ("ACME_REGION", "bob:horse-staple-42"),
        ("TLS_KEY", sys.executable), ("GIT_LOGIN", "ada@library.example"),
        ("SIGN_PUBLIC_KEY_FILE", "horse-staple-4242"),
    ],
)  # fmt: skip
def test_what_a_variable_holds_that_is_no_secret_stays_readable(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("bob:horse-staple-42", True), ("horse-staple-4242", True), ("postgres://ada:secret@tides/db", True),
        ("https://hooks.example/?k=1234", True), ("/home/ada/tides", False), ("eu-central-1", False),
        ("library.example", False), ("https://tides.example/mcp", False), ("ada@library.example", False),
        ("C:\\Users\\ada", False), ("20261024", False), ("Bay of Fundy", False),
    ],
)  # fmt: skip
def test_what_a_server_needs_is_a_secret_unless_it_is_plainly_none(value: str, secret: bool) -> None:
    assert is_secret("ACME_PLACE", value, needed=True) == secret


def test_what_is_hidden_later_is_hidden_from_then_on() -> None:
    assert redacted("it said: tin-whistle-77") == "it said: tin-whistle-77"
    hide("tin-whistle-77")
    assert redacted(["it said: tin-whistle-77"]) == ["it said: [secret]"]


def test_what_is_short_or_stands_for_a_secret_that_is_not_set_is_no_secret() -> None:
    for value in ("horse-7", "password", "Changeme"):
        hide(value)
        assert redacted(f"the {value} is missing") == f"the {value} is missing"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text("abc xyz."), st.lists))
def test_what_holds_no_secret_stays_as_it_is(value: object) -> None:
    assert redacted(value) == value
