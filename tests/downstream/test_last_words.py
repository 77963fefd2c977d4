"""Which of a program's words on stderr say why it ended, and what of them may be shown."""

from __future__ import annotations

import pytest

from atlas_mcp.downstream.stdio import STDERR_BYTES, Pipe

NPM = """\
npm error code E404
npm error 404 Not Found - GET https://registry.npmjs.org/no-such-server
npm error A complete log of this run can be found in: /home/me/.npm/_logs/x.log
"""
UV = """\
error: Failed to fetch: `https://pypi.org/simple/office-word-mcp-server/`
  Caused by: client error (Connect)
hint: Consider enabling use of system TLS certificates with the `--system-certs` command-line flag
"""
PYTHON = """\
Traceback (most recent call last):
  File "/srv/server.py", line 1, in <module>
    raise ValueError("error")
ImportError: cannot import name 'FastMCP' from 'mcp.server'
"""
KEY = "sk-proj-abcdefghijklmnopqrstuv"
PLAIN = "Starting.\nListening.\n\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (NPM, "npm error code E404"),
        (UV, "error: Failed to fetch: `https://pypi.org/simple/office-word-mcp-server/`"),
        (PYTHON, "ImportError: cannot import name 'FastMCP' from 'mcp.server'"),
        (PLAIN, "Listening."),
        ("", ""),
    ],
)
def test_the_line_with_the_error_is_told_and_not_where_more_is_said(said: str, told: str) -> None:
    pipe = Pipe()
    pipe.hear(said.encode())
    assert pipe.last_words == told


def test_a_line_is_whole_or_is_not_told() -> None:
    pipe = Pipe()
    pipe.hear(b"error: the key is abcdefgh\n" + b"\n" * (STDERR_BYTES - 10) + b"error: cut off")
    assert pipe.last_words == ""
    pipe.hear(b" no more\n" + b"x" * 5_000 + b"\n")
    assert pipe.last_words == "error: cut off no more"


def test_lines_are_shown_as_they_stand_without_secrets_blank_ones_and_control_characters() -> None:
    pipe = Pipe()
    pipe.hear(f"\x1b[31mTraceback:\x1b[0m\n\n  the key is {KEY[:9]}\x1b[0m{KEY[9:]}\r\n".encode())
    assert pipe.heard == ["Traceback:", "  the key is [secret]"]


def test_a_key_of_many_lines_is_not_shown_though_its_beginning_is_lost() -> None:
    lines = ["c2VjcmV0IG9mIHNvbWVib2R5" for _ in range(3)]
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", "Bye.", ""])
    whole, cut = Pipe(), Pipe()
    whole.hear(b"Hello.\n" + key.encode())
    assert whole.heard == ["Hello.", "[secret]", "Bye."]
    cut.hear(key.encode() + b"x" * (STDERR_BYTES - len(key) + 40) + b"\n")
    assert cut.heard == ["Bye."]
