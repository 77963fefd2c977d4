"""Which of a program's words on stderr say why it ended."""

from __future__ import annotations

import pytest

from atlas_mcp.downstream.stdio import Pipe

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
    pipe.stderr.extend(said.splitlines())
    assert pipe.last_words == told
