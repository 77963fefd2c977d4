"""The commands of memory."""

from __future__ import annotations

import json
import shlex
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.cli.terminal import Exit

if TYPE_CHECKING:
    from conftest import Program

README = Path(__file__).parents[2] / "README.md"
BACKUP = "The backups are made every night at two o'clock."


@pytest.fixture
def kept(atlas_mcp: Program) -> str:
    """The id of a memory."""
    return json.loads(atlas_mcp("memory", "add", BACKUP, "--json").stdout)["id"]


def memories(atlas_mcp: Program) -> list[dict[str, Any]]:
    return json.loads(atlas_mcp("memory", "show", "--json").stdout)


def test_what_is_added_is_found_and_shown(atlas_mcp: Program, kept: str) -> None:
    found = json.loads(atlas_mcp("memory", "search", "When are backups made?", "--json").stdout)
    assert [each["id"] for each in found["memories"]] == [kept]
    assert found["memories"][0]["about"] == "told by a person today, score 5"
    shown = atlas_mcp("memory", "search", "When are backups made?").stdout
    assert BACKUP in shown
    assert "words" in shown
    whole = atlas_mcp("memory", "show", kept).stdout
    assert BACKUP in whole
    assert "holds since" in whole
    assert "recalled 2 times" in whole
    assert BACKUP[:40] in atlas_mcp("memory", "show").stdout


def test_the_path_between_two_names_is_shown(atlas_mcp: Program) -> None:
    for text in ("Anna works with Boris.", "Boris lives in Ulm."):
        atlas_mcp("memory", "add", text)
    shown = atlas_mcp("memory", "path", "anna", "Ulm")
    assert shown.exit_code == Exit.DONE, shown.output
    order = [shown.stdout.index(each) for each in ("Anna\n", "works with", "Boris\n", "lives in", "Ulm\n")]
    assert order == sorted(order)
    told = json.loads(atlas_mcp("memory", "path", "Anna", "Ulm", "--json").stdout)
    assert told["names"] == ["Anna", "Boris", "Ulm"]
    assert [each["uses"] for each in memories(atlas_mcp)] == [2, 2]
    none = atlas_mcp("memory", "path", "Anna", "Ulm", "--deep", "1")
    assert (none.exit_code, none.stdout) == (Exit.DONE, "")
    assert "Nothing that is remembered links Anna to Ulm." in none.stderr
    near = json.loads(atlas_mcp("memory", "path", "Anna", "--json").stdout)
    assert [each["why"] for each in near["memories"]] == ["names Anna", "names beside Anna"]
    assert "names beside Anna" in atlas_mcp("memory", "path", "Anna").stdout


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("add", "It is so.", "--from", "soon"), "The --from 'soon' is no date."),
        (("add", "It was.", "--from", "2026-02-01", "--to", "2026-01-01"), "Let --to come later."),
        (("search", "tea", "--at", "once"), "The --at 'once' is no date."),
        (("search", "tea", "--since", "2026-02-01", "--until", "2026-01-01"), "--until come after --since"),
        (("search", "tea", "-k", "99"), "Let -k be 1 to 50."),
        (("path", "Anna", "--deep", "9"), "Let --deep be 1 to 6."),
        (("path", "valid_from", "recall"), "No memory that holds now names 'valid_from'."),
        (("show", "m_none"), "ids with `atlas-mcp memory search`."),
        (("forget", "with recall.md", "--yes"), "Write its uri as `atlas-mcp memory search` gives it"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_that_are_typed(
    atlas_mcp: Program, typed: tuple[str, ...], says: str
) -> None:
    done = atlas_mcp("memory", *typed)
    assert done.exit_code == Exit.USAGE, done.output
    assert says in done.stderr


def test_nothing_found_is_said_and_prints_nothing(atlas_mcp: Program) -> None:
    done = atlas_mcp("memory", "search", "unicorns")
    assert (done.exit_code, done.stdout) == (Exit.DONE, "")
    assert "Nothing is remembered" in done.stderr
    assert "Nothing is remembered yet" in atlas_mcp("memory", "show").stderr


def test_documents_are_searched_along_unless_told_otherwise(atlas_mcp: Program, documents: Path) -> None:
    atlas_mcp("ingest", documents)
    found = json.loads(atlas_mcp("memory", "search", "tides", "--json").stdout)
    assert found["passages"][0]["uri"] == (documents / "tides.md").as_uri()
    without = json.loads(atlas_mcp("memory", "search", "tides", "--no-documents", "--json").stdout)
    assert without["passages"] == []


def test_what_is_close_is_not_kept_twice_and_the_way_out_is_shown(atlas_mcp: Program) -> None:
    first = json.loads(atlas_mcp("memory", "add", "The limit of uploads is 20 MB.", "--json").stdout)
    assert "Known already" in atlas_mcp("memory", "add", "The limit of uploads is 20 MB.").stdout
    close = atlas_mcp("memory", "add", "The limit of uploads is 50 MB.")
    assert close.exit_code == Exit.FAILED
    assert f"--supersedes {first['id']}" in close.stderr
    done = atlas_mcp("memory", "add", "The limit of uploads is 50 MB.", "--supersedes", first["id"])
    assert (done.exit_code, f"{first['id']} no longer holds" in done.stdout) == (Exit.DONE, True)
    assert [each["holds"] for each in memories(atlas_mcp)] == [True, False]


def test_forgetting_asks_first_and_says_what_went(
    atlas_mcp: Program, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = atlas_mcp("memory", "forget", kept)
    assert alone.exit_code == Exit.USAGE
    assert "--yes" in alone.stderr
    tried = atlas_mcp("memory", "forget", kept, "--dry-run")
    assert f"1 memory would go: {kept}." in tried.stdout
    assert len(memories(atlas_mcp)) == 1
    done = atlas_mcp("memory", "forget", kept, "m_none", "--yes", "--json")
    assert done.exit_code == Exit.PARTIAL
    receipt = json.loads(done.stdout)
    assert (receipt["forgotten"], receipt["unknown"]) == ([kept], ["m_none"])
    assert memories(atlas_mcp) == []
    again = atlas_mcp("memory", "forget", kept, "--yes")
    assert again.exit_code == Exit.USAGE
    assert f"There is no memory '{kept}'." in again.stderr


def test_a_document_is_forgotten_by_its_path(atlas_mcp: Program, documents: Path) -> None:
    atlas_mcp("ingest", documents)
    done = atlas_mcp("memory", "forget", documents / "tides.md", "--yes")
    assert (documents / "tides.md").as_uri() in done.stdout
    stats = json.loads(atlas_mcp("memory", "stats", "--json").stdout)
    assert (stats["documents"], stats["passages"]) == (0, 0)


def test_an_export_is_taken_in_again_and_what_is_no_line_of_one_is_named(
    atlas_mcp: Program, kept: str, tmp_path: Path
) -> None:
    file = tmp_path / "memories.jsonl"
    assert "1 memory exported" in atlas_mcp("memory", "export", "--output", file).stderr
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text("utf-8")
    assert atlas_mcp("memory", "export").stdout == lines
    assert json.loads(lines)["v"] == 1
    atlas_mcp("memory", "forget", kept, "--yes")
    file.write_text(f"{lines}{lines}no line\n", "utf-8")
    done = atlas_mcp("memory", "import", file)
    assert done.exit_code == Exit.PARTIAL
    assert "skipped line 3: It is no JSON" in done.stdout
    assert "1 added, 1 known, 1 skipped" in done.stdout
    assert [each["text"] for each in memories(atlas_mcp)] == [BACKUP]


def test_nothing_is_left_where_an_export_cannot_be_written(
    atlas_mcp: Program, kept: str, tmp_path: Path
) -> None:
    done = atlas_mcp("memory", "export", "--output", tmp_path / "nowhere" / "memories.jsonl")
    assert done.exit_code == Exit.USAGE
    assert "cannot be written" in done.stderr
    missing = atlas_mcp("memory", "import", tmp_path / "nowhere.jsonl")
    assert missing.exit_code == Exit.USAGE
    assert "cannot be read" in missing.stderr


def test_checking_names_each_difference_and_mending_makes_it_right(
    atlas_mcp: Program, kept: str, home: Path
) -> None:
    sound = atlas_mcp("memory", "check")
    assert (sound.exit_code, "Consistency 100 %." in sound.stdout) == (Exit.DONE, True)
    with closing(sqlite3.connect(home / "memory.db")) as connection, connection:
        connection.execute("INSERT INTO memory_text (memory_text) VALUES ('delete-all')")
    broken = atlas_mcp("memory", "check")
    assert broken.exit_code == Exit.PARTIAL
    assert f"record memory {kept}: text index" in broken.stdout
    assert "atlas-mcp memory check --mend" in broken.stdout
    told = json.loads(atlas_mcp("memory", "check", "--json").stdout)
    assert told["score"] < 1
    assert atlas_mcp("memory", "check", "--mend").exit_code == Exit.DONE
    assert json.loads(atlas_mcp("memory", "check", "--json").stdout)["score"] == 1
    assert kept in atlas_mcp("memory", "search", "backups").stdout


def test_an_index_that_is_not_configured_cannot_be_filled_anew(atlas_mcp: Program) -> None:
    done = atlas_mcp("memory", "rebuild", "chroma")
    assert done.exit_code == Exit.USAGE
    assert "Set chroma in the table [memory]" in done.stderr


def test_stats_say_how_much_is_kept_and_whose(atlas_mcp: Program, kept: str) -> None:
    atlas_mcp("memory", "add", "Anna likes tea.", "--kind", "preference")
    told = json.loads(atlas_mcp("memory", "stats", "--json").stdout)
    assert (told["memories"], told["kinds"]) == (2, {"fact": 1, "preference": 1})
    assert list(told["owners"].values()) == [2]
    assert told["bytes"]["record"] > 0
    shown = atlas_mcp("memory", "stats").stdout
    assert "1 fact, 1 preference" in shown
    assert "words alone find" in shown


BAD = [
    (["search", "x", "--at", "yesterday"], "Write it as 2026-03-01"),
    (["search", "x", "--kind", "rumour"], "Kinds are fact, procedure, preference, outcome."),
    (["search", " "], "Ask in 1 to 2,000 characters"),
    (["show", "m_none"], "There is no memory 'm_none'."),
    (["add", "The password is hunter2!"], "Leave the secret out"),
    (["add", "x " * 1500], "ingest what is longer"),
    (["add", "It is so.", "--shared"], "Set `project` in the [memory] table"),
    (["forget", "m_a", "file:///b", "--yes"], "by itself"),
]


@pytest.mark.parametrize(("words", "says"), BAD)
def test_what_cannot_be_done_is_told_with_what_to_write_instead(
    atlas_mcp: Program, words: list[str], says: str
) -> None:
    done = atlas_mcp("memory", *words)
    assert done.exit_code == Exit.USAGE
    assert says in done.stderr
    assert "hunter2" not in done.output


def test_what_the_readme_shows_of_memory_works_in_that_order(
    atlas_mcp: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    section = README.read_text("utf-8").partition("## Memory\n")[2].partition("\n## ")[0]
    lines = [line.partition("  #")[0] for line in section.splitlines() if line.startswith("atlas-mcp ")]
    assert len(lines) >= 6
    for line in lines:
        words = [memories(atlas_mcp)[0]["id"] if word.endswith("…") else word for word in shlex.split(line)]
        done = atlas_mcp(*words[1:])
        assert done.exit_code == Exit.DONE, done.output
        assert "Nothing" not in done.output
    assert (tmp_path / "memories.jsonl").is_file()


def test_stats_say_how_runs_fared_with_what_they_asked(
    atlas_mcp: Program, kept: str, documents: Path
) -> None:
    assert json.loads(atlas_mcp("memory", "stats", "--json").stdout)["recalls"] is None
    atlas_mcp("run", "research", "When are the backups made?", "--documents", documents, "--json")
    told = json.loads(atlas_mcp("memory", "stats", "--json").stdout)["recalls"]
    assert told["times"] >= told["with_hits"] >= 1
    assert 0 < told["p50_ms"] <= told["p95_ms"]
    assert "by the newest runs found something" in atlas_mcp("memory", "stats").stdout


def test_stats_say_what_each_store_did_for_the_newest_runs(atlas_mcp: Program, documents: Path) -> None:
    assert json.loads(atlas_mcp("memory", "stats", "--json").stdout)["operations"] == []
    atlas_mcp("run", "research", "How many tides a day?", "--documents", documents, "--json")
    told = json.loads(atlas_mcp("memory", "stats", "--json").stdout)["operations"]
    done = {(each["operation"], each["store"]): each for each in told}
    assert {("ingest", "documents"), ("search", "documents"), ("keep", "record")} <= done.keys()
    search = done["search", "documents"]
    assert search["count"] >= 1
    assert search["mean_ms"] == pytest.approx(1000 * search["seconds"] / search["count"], abs=1e-3)
    shown = atlas_mcp("memory", "stats").stdout
    assert "for the newest runs" in shown
    assert any(line.split()[:2] == ["search", "documents"] for line in shown.splitlines())
