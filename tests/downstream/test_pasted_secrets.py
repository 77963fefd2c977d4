"""No secret of a pasted server is stored, however it is written; what is none stays as it is."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from atlas_mcp.downstream.own import as_toml
from atlas_mcp.downstream.pasted import Pasted, take_over
from atlas_mcp.downstream.pasted_secrets import is_secret
from atlas_mcp.errors import InvalidInput

HUSH = "hunter2"


def lab(**given: Any) -> Pasted:
    return take_over("lab", given if "url" in given else {"command": "x", **given})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGPASSWORD", HUSH), ("SMTP_PWD", HUSH), ("DBPWD", HUSH), ("API_KEY_PROD", HUSH),
        ("JWT_DEV", HUSH), ("ACCESS_TOKENS", HUSH), ("CONN_STR", HUSH),
        ("STORE", f"redis://:{HUSH}@h:6379"), ("STORE", f"postgres://me:{HUSH}/x@h/db"),
        ("STORE", f"https://{HUSH}@h/x"), ("STORE", f"Server=x;Password={HUSH}"),
        ("STORE", f"Server=x;Uid=sa;Pwd={HUSH}"), ("STORE", f"host=h user=me password={HUSH}"),
        ("STORE", f"Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={HUSH}"),
        ("SETUP", f'{{"apiKey": "{HUSH}"}}'), ("SETUP", f'{{\\"api_key\\": \\"{HUSH}\\"}}'),
        ("SETUP", f"port: 80\napi_key: {HUSH}"), ("SETUP", f"npx y --api-key {HUSH}"),
        ("TELL", f"https://hooks.slack.com/services/T000/B000/{HUSH}"),
        ("TELL", f"https://discord.com/api/webhooks/123/{HUSH}"),
        ("TELL", f"https://api.telegram.org/bot123:{HUSH}/sendMessage"),
        ("TELL_WEBHOOK_URL", f"https://x.example/{HUSH}"), ("TELL", f"wss://x.example/?token={HUSH}"),
        ("SIGNED", f"-----BEGIN PRIVATE KEY-----\n{HUSH}"),
    ],
)  # fmt: skip
def test_a_secret_of_the_environment_is_needed_from_outside_and_not_stored(name: str, value: str) -> None:
    taken = lab(env={name: value})
    assert HUSH not in as_toml(taken.entry) + "".join(taken.told)
    assert taken.entry.needs == (name,)


@pytest.mark.parametrize(
    ("args", "after"),
    [
        (["--config", f'{{"apiKey":"{HUSH}"}}'], ["--config", "${LAB_CONFIG}"]),
        (["--dsn", f"Server=x;Password={HUSH}"], ["--dsn", "${LAB_DSN}"]),
        ([f"Server=x;Password={HUSH}"], ["${LAB_SECRET}"]),
        ([f"redis://:{HUSH}@h"], ["${LAB_SECRET}"]),
        ([f"--db-password-prod={HUSH}"], ["--db-password-prod=${LAB_DB_PASSWORD_PROD}"]),
        ([f"https://x.example/mcp#token={HUSH}"], ["https://x.example/mcp#token=${LAB_TOKEN}"]),
        ([f"https://hooks.slack.com/services/T0/B0/{HUSH}"], ["https://hooks.slack.com/${LAB_PATH}"]),
    ],
)
def test_a_secret_in_an_argument_becomes_a_variable(args: list[str], after: list[str]) -> None:
    taken = lab(args=args)
    assert list(taken.entry.args) == after
    assert HUSH not in as_toml(taken.entry) + "".join(taken.told)


@pytest.mark.parametrize(
    ("url", "after"),
    [
        (f"https://x.example/mcp?v=2#token={HUSH}", "https://x.example/mcp?v=2#token=${LAB_TOKEN}"),
        (f"https://x.example/mcp?code={HUSH}", "https://x.example/mcp?code=${LAB_CODE}"),
        ("https://x.example/mcp#start", "https://x.example/mcp#start"),
    ],
)
def test_a_secret_behind_an_address_becomes_a_variable(url: str, after: str) -> None:
    assert lab(url=url).entry.url == after


def test_a_key_in_what_is_told_of_a_server_is_taken_out_and_that_is_said() -> None:
    key = "sk-proj-abcdefghijklmnopqrstuv"
    taken = lab(title=f"Lab {key}", description=f"Uses {key}.")
    assert key not in as_toml(taken.entry) + "".join(taken.told)
    assert "Its description held what looks like a secret; it was taken out." in taken.told


def test_a_variable_that_is_set_before_the_program_is_refused_without_its_value() -> None:
    for command in (f"LAB_TOKEN={HUSH} npx -y lab@1", f"LAB_TOKEN={HUSH}"):
        with pytest.raises(InvalidInput, match="its variables apart in env") as told:
            lab(command=command)
        assert HUSH not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEVEL", "debug"), ("MAX_TOKENS", "4096"), ("TOKEN_FILE", "/run/token"), ("KEY_ID", "abc"),
        ("PWD", "/home/me"), ("OLDPWD", "/home/me"), ("BYPASS", "localhost"), ("PUBLIC_KEY_PROD", "abc"),
        ("USE_TOKEN_CACHE", "disk"), ("WEBHOOK_PORT", "80"), ("TELL", "http://localhost:5678/webhook"),
        ("STORE", "postgres://me@host/db"), ("STORE", "ssh://git@host/x"),
        ("STORE", "https://host:8080/@scope/x"), ("STORE", "Server=x;Database=y"),
        ("OPTIONS", "--max-old-space-size=4096"), ("IMAGE", "ghcr.io/lab/mcp-auth:v1"),
        ("PACKAGE", "mcp-server-auth==1.0"),
    ],
)  # fmt: skip
def test_a_plain_value_stays(name: str, value: str) -> None:
    entry = lab(env={name: value}).entry
    assert (entry.values, entry.needs) == ({name: value}, ())


@pytest.mark.parametrize(
    "value",
    [
        "postgres://me:${PW}@host/db", "Server=x;Password=${PW};Database=y", "password=${PW} host=x",
        "Authorization: Bearer ${PW}", '{"apiKey": "${PW}"}',
    ],
)  # fmt: skip
def test_a_text_that_names_a_variable_for_its_secret_stays(value: str) -> None:
    entry = lab(env={"STORE": value}).entry
    assert (entry.values, entry.needs) == ({"STORE": value}, ("PW",))


@pytest.mark.parametrize("piece", ["a", "://a:", "webhook", "a ", "=a", '\\"  ', "--a ", ": "])
def test_a_very_long_text_is_judged_in_time_that_grows_with_it_alone(piece: str) -> None:
    since = monotonic()
    assert not is_secret("", piece * (100_000 // len(piece)))
    assert monotonic() - since < 5
