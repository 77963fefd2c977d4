"""The terminal is steered by rich alone, never by what others wrote."""

from __future__ import annotations

from io import StringIO

from rich.live import Live
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from atlas_mcp.cli.console import PlainConsole

EVIL = "sea \x1b]0;mine\x07\x9b31m salt"


def printed(*shown: object) -> str:
    file = StringIO()
    PlainConsole(file=file, force_terminal=True, width=80).print(*shown)
    return file.getvalue()


def test_escape_sequences_within_texts_are_not_printed() -> None:
    table = Table.grid()
    table.add_row(Text(EVIL))
    for shown in (EVIL, Text(EVIL), Markdown(EVIL), table):
        out = printed(shown)
        assert "mine" in out
        assert "\x1b]" not in out
        assert "\x9b" not in out


def test_colours_lines_and_tabs_stay() -> None:
    out = printed(Text("one\ntwo", style="red"))
    assert "\x1b[31mone" in out
    assert out.count("\n") == 2


def test_a_picture_that_moves_still_moves() -> None:
    file = StringIO()
    with Live(console=PlainConsole(file=file, force_terminal=True), auto_refresh=False) as live:
        live.update(Text("a\nb"), refresh=True)
        live.update(Text("c\nd"), refresh=True)
    assert "\x1b[1A" in file.getvalue()
