"""What a person sees who takes documents in."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.cli.bars import lasting, passing, telling
from atlas_mcp.cli.console import PlainConsole
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.memory.documents.knowledge import Progress
from atlas_mcp.text.readers.kinds import SUFFIXES
from tests.text.readers import samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Program


@pytest.fixture
def clock() -> Iterator[float]:
    """Seconds that pass one by one, as they are asked for."""
    return map(float, range(10_000))


def heard(console: PlainConsole, clock: Iterator[float], steps: list[Progress]) -> str:
    with telling(console, clock=lambda: next(clock)) as on_progress:
        for step in steps:
            on_progress(step)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


READING = [Progress("reading", at, 20, f"file:///notes/day%20{at}.md") for at in range(1, 21)]
EMBEDDING = [Progress("embedding", at * 32, 3_200) for at in range(1, 21)]


def test_a_terminal_shows_what_is_read_and_how_long_embedding_takes(clock: Iterator[float]) -> None:
    console = PlainConsole(file=io.StringIO(), force_terminal=True, width=100)
    shown = heard(console, clock, [*READING[:5], *EMBEDDING])
    assert "embedding" in shown
    assert "640/3200" in shown
    assert "passages/s, " in shown
    shown = heard(PlainConsole(file=io.StringIO(), force_terminal=True, width=100), clock, READING[:5])
    assert "day 5.md" in shown
    assert "5/20" in shown


def test_lines_move_a_bar_as_they_are_taken_in_on_a_terminal_alone() -> None:
    lines = ["ä\n", "b\n", "\udcff\n", "c\n"]
    for terminal, size in ((True, 9), (True, None), (False, 9)):
        console = PlainConsole(file=io.StringIO(), force_terminal=terminal, width=100)
        with passing(console, "import", lines, size) as told:
            assert list(told) == lines
        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue()
        assert ("import" in shown, "100%" in shown) == (terminal, terminal and size is not None)


def test_elsewhere_a_line_is_said_every_ten_seconds(clock: Iterator[float]) -> None:
    shown = heard(PlainConsole(file=io.StringIO(), width=100), clock, READING + EMBEDDING).splitlines()
    assert 2 <= len(shown) < 12
    assert shown[0].startswith("reading ")
    assert ": day " in shown[0]
    assert shown[-1].startswith("embedding ")
    assert "passages/s" in shown[-1]


def test_a_name_cannot_steer_the_terminal_nor_colour_it(clock: Iterator[float]) -> None:
    steps = [Progress("reading", 1, 2, "file:///a/%1b]0;owned%07[red]x.md")] * 40
    shown = heard(PlainConsole(file=io.StringIO(), width=100), clock, steps)
    assert "[red]x.md" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "0 s"), (59.4, "59 s"), (250, "4 min 10 s"), (7_500, "2 h 5 min")]
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_the_help_names_every_format(atlas_mcp: Program) -> None:
    said = atlas_mcp("ingest", "--help").stdout.split()
    words = {word.strip("(),:│.") for word in said}
    named = [suffix for kind, suffixes in SUFFIXES.items() if kind != "code" for suffix in suffixes.split()]
    # .xls is known, so that it can be refused with what to do.
    assert [suffix for suffix in named if suffix not in words and suffix != "xls"] == []


def test_a_folder_with_one_of_each_is_taken_in_and_what_is_not_read_is_named(
    atlas_mcp: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    for name, data in {
        "a.docx": samples.word("<w:p><w:r><w:t>The crane is new.</w:t></w:r></w:p>"),
        "a.odt": samples.open_text("<text:p>Words.</text:p>"),
        "a.epub": samples.book("<p>It begins.</p>"),
        "a.eml": samples.MAIL,
        "a.mbox": samples.MBOX,
        "chat.jsonl": samples.CHAT.encode(),
        "chat.txt": samples.TELEPHONE.encode(),
        "old.doc": samples.old_office("WordDocument"),
        "locked.docx": samples.old_office("EncryptedPackage"),
        "empty.docx": b"",
    }.items():
        (folder / name).write_bytes(data)
    told = atlas_mcp("ingest", folder)
    assert told.exit_code == Exit.DONE
    assert "7 added, 3 skipped; 7 documents can be searched." in told.stdout
    assert f"skipped {folder / 'old.doc'} is a Word file of before 2007. Open it in" in told.stdout
    assert told.stdout.count("old.doc") == 1
    again = json.loads(atlas_mcp("ingest", folder, "--json").stdout)
    assert (len(again["unchanged"]), len(again["skipped"])) == (7, 3)


def test_of_many_that_are_skipped_the_first_are_named(atlas_mcp: Program, documents: Path) -> None:
    for number in range(60):
        (documents / f"{number}.bin").write_bytes(b"\0\1")
    told = atlas_mcp("ingest", documents).stdout
    assert "skipped 11 more; --json names them all" in told
    assert "1 added, 61 skipped" in told


def test_an_address_that_no_server_reads_is_refused_with_what_to_type(atlas_mcp: Program) -> None:
    told = atlas_mcp("ingest", "https://example.org/page")
    assert told.exit_code != Exit.DONE
    assert "atlas-mcp servers enable fetch" in " ".join(told.stderr.split())
