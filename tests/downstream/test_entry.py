"""A server's file: what it may say, and how each mistake in it is named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.downstream.entry import NAME, Entry, Shape, _merged, checked_entry, load_entry
from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = 'description = "Tides."\ncommand = "uvx"\nargs = ["tides==1.2"]\n'
REMOTE = 'description = "Tides."\nurl = "https://tides.example/mcp"\n'


def write(folder: Path, text: str, name: str = "tides") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_of_three_lines_is_a_server_with_plain_limits(tmp_path: Path) -> None:
    entry = load_entry(write(tmp_path, LOCAL))
    assert (entry.name, entry.shown_title, entry.local, entry.enabled) == ("tides", "tides", True, True)
    assert entry.tools == ("*",)
    assert entry.read_only is None
    assert entry.cost_usd == {}
    assert (entry.limits.seconds, entry.limits.at_once) == (60.0, 4)


MISTAKES = {
    "a key that does not exist": (LOCAL + "tool = []\n", "tool: there is no such key"),
    "a key that does not exist in a table": (
        LOCAL + "[limits]\nsecond = 3\n", "limits.second: there is no such key",
    ),
    "a command and a url": (LOCAL + 'url = "https://tides.example"\n', "either command (with args) or url"),
    "neither a command nor a url": ('description = "Tides."\n', "either command (with args) or url"),
    "no description": ('command = "uvx"\n', "description: Field required"),
    "another scheme": (REMOTE.replace("https", "ftp"), "url begins with https:// or http://"),
    "headers of a command": (LOCAL + 'headers = {A = "b"}\n', "headers are for a server with a url"),
    "a variable that is not named": (
        REMOTE + 'headers = {Authorization = "Bearer ${TIDES_KEY}"}\n',
        "name TIDES_KEY under needs or env too",
    ),
    "a variable that is not named, in the folder": (LOCAL + 'cwd = "${TIDES}"\n', "name TIDES under needs"),
    "a variable that is no name": (LOCAL + 'needs = ["TIDES KEY"]\n', "needs.0: "),
    "a place that stands for nothing": (
        LOCAL.replace("tides==1.2", "{home}"),
        "{home} stands for nothing; there are {roots}, {output} and {data}",
    ),
    "a name of its own": (LOCAL + 'name = "sea"\n', "name: the file's own name is it"),
    "a limit of nothing": (LOCAL + "[limits]\nseconds = 0\n", "limits.seconds: "),
    "a cost below nothing": (LOCAL + 'cost_usd = {"*" = -1}\n', "cost_usd.*: "),
    "a cost that is no number": (LOCAL + 'cost_usd = {"*" = nan}\n', "cost_usd.*: "),
    "a cost without end": (LOCAL + 'cost_usd = {"*" = inf}\n', "cost_usd.*: "),
    "a cost in words": (LOCAL + 'cost_usd = {"*" = "free"}\n', "cost_usd.*: "),
    "a search by a tool that is not ours": (
        LOCAL + 'tools = ["b"]\n[search]\ntool = "a"\n', "a is not among tools",
    ),
    "a search by an argument that may not be given": (
        LOCAL + 'arguments = {a = ["words"]}\n[search]\ntool = "a"\n',
        "a is called with query, which is not among its arguments",
    ),
    "a shape for a tool that is not ours": (LOCAL + 'tools = ["b"]\n[results.a]\n', "a is not among tools"),
    "a shape of two kinds": (
        LOCAL + "[results.a]\nitems = ['b']\nlines = true\n",
        "results.a: write one of items, lines and pattern",
    ),
    "a pattern that is none": (LOCAL + "[results.a]\npattern = '(?P<uri>'\n", "is no regular expression"),
    "a pattern with other groups": (
        LOCAL + "[results.a]\npattern = '(?P<uri>.)(?P<url>.)'\n", "pattern has a group 'url'",
    ),
    "a pattern without groups": (LOCAL + "[results.a]\npattern = 'URL: .*'\n", "none of the groups"),
    "a recipe that makes nothing": (LOCAL + "[files.docx]\nparagraph = []\n", "files.docx.create: "),
    "a recipe with a word that stands for nothing": (
        LOCAL + "[files.docx]\ncreate = [{tool = 'a', arguments = {b = [{c = '{name}'}]}}]\n",
        "files.docx: {name} stands for nothing",
    ),
    "a recipe of no calls": (LOCAL + "[files.docx]\ncreate = [{call = 'a'}]\n", "each call is {tool = "),
    "no TOML": ("description = Tides\n", "line 1"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_by_file_and_key(mistake: str, tmp_path: Path) -> None:
    text, named = MISTAKES[mistake]
    path = write(tmp_path, text)
    with pytest.raises(InvalidConfiguration) as raised:
        load_entry(path)
    assert str(path) in str(raised.value)
    assert named in str(raised.value)
    assert raised.value.remedy


def test_all_mistakes_are_named_at_once_with_the_keys_that_may_be_meant(tmp_path: Path) -> None:
    text = "comand = 'x'\nargs = 'y'\nzzz = 1\n[limits]\nsecods = 1\n[search]\ntol = 'z'\n"
    path = write(tmp_path, f"{text}[results.a]\nitem = 1\n")
    with pytest.raises(InvalidConfiguration) as raised:
        load_entry(path)
    said = raised.value.message
    assert said.startswith(f"{path}: ")
    for key, near in (
        ("comand", "command"), ("limits.secods", "seconds"), ("search.tol", "tool"),
        ("results.a.item", "items"),
    ):  # fmt: skip
        assert f"{key}: there is no such key; did you mean {near}?" in said
    assert "zzz: there is no such key." in said
    assert "args: Input should be a list." in said
    assert said.endswith("description: Field required. search.tool: Field required.")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"gone\.toml cannot be read"):
        load_entry(tmp_path / "gone.toml")


def test_a_value_that_does_not_fit_is_not_repeated(tmp_path: Path) -> None:
    path = write(tmp_path, LOCAL + 'needs = ["sk-live-of-somebody"]\n')
    with pytest.raises(InvalidConfiguration) as raised:
        load_entry(path)
    assert "sk-live" not in str(raised.value)


@given(name=st.text(max_size=40))
def test_a_name_is_small_letters_digits_and_strokes_and_nothing_else(name: str) -> None:
    tables: dict[str, Any] = {"description": "Tides.", "command": "uvx"}
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", name, re.ASCII):
        assert checked_entry(name, tables, "there").name == name
    else:
        with pytest.raises(InvalidConfiguration, match="is no name"):
            checked_entry(name, tables, "there")


@given(name=st.from_regex(NAME, fullmatch=True))
def test_a_name_never_holds_the_stroke_between_server_and_tool(name: str) -> None:
    assert "/" not in name


# Files over files ------------------------------------------------------------------------------------------

SHIPPED = (
    LOCAL
    + 'enabled = false\ntools = ["high", "low"]\n[limits]\nseconds = 5\nat_once = 2\n[values]\nA = "1"\n'
)


def test_a_file_of_one_line_turns_a_shipped_server_on(tmp_path: Path) -> None:
    below = write(tmp_path / "shipped", SHIPPED)
    entry = load_entry(write(tmp_path / "mine", "enabled = true\n"), below)
    assert entry == load_entry(below).model_copy(update={"enabled": True})


def test_a_file_over_another_changes_keys_within_tables_and_replaces_lists(tmp_path: Path) -> None:
    below = write(tmp_path / "shipped", SHIPPED)
    above = 'tools = ["low"]\n[limits]\nseconds = 9\n[values]\nB = "2"\n'
    entry = load_entry(write(tmp_path / "mine", above), below)
    assert entry.tools == ("low",)
    assert (entry.limits.seconds, entry.limits.at_once) == (9, 2)
    assert entry.values == {"A": "1", "B": "2"}
    assert entry.args == ("tides==1.2",)


def test_a_file_with_a_command_or_url_is_another_server(tmp_path: Path) -> None:
    below = write(tmp_path / "shipped", SHIPPED)
    entry = load_entry(write(tmp_path / "mine", REMOTE), below)
    assert not entry.local
    assert entry.tools == ("*",)
    assert entry.enabled


def test_a_mistake_over_a_shipped_server_is_named_by_the_persons_file(tmp_path: Path) -> None:
    below = write(tmp_path / "shipped", SHIPPED)
    mine = write(tmp_path / "mine", "[limits]\nseconds = -1\n")
    with pytest.raises(InvalidConfiguration, match=re.escape(f"{mine}: limits.seconds")):
        load_entry(mine, below)


def tables(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from("abc"), inner)


TABLES: st.SearchStrategy[dict[str, Any]] = tables(st.recursive(st.integers(), tables, max_leaves=6))


@given(below=TABLES, above=TABLES)
def test_what_is_laid_over_wins_and_what_it_leaves_out_stays(
    below: dict[str, Any], above: dict[str, Any]
) -> None:
    merged = _merged(below, above)
    assert merged.keys() == below.keys() | above.keys()
    assert _merged(merged, above) == merged
    assert _merged(below, {}) == below
    plain = {key: value for key, value in above.items() if key not in below or isinstance(value, int)}
    assert {key: merged[key] for key in plain} == plain


# What an entry is ------------------------------------------------------------------------------------------


def local(**more: Any) -> Entry:
    return checked_entry("tides", {"description": "Tides.", "command": "uvx", **more}, "there")


def test_another_version_is_another_server_and_another_limit_is_not() -> None:
    entry = local(args=["tides==1.2"])
    assert entry.identity != local(args=["tides==1.3"]).identity
    assert entry.identity != local(args=["tides==1.2"], values={"A": "1"}).identity
    assert entry.identity == local(args=["tides==1.2"], limits={"seconds": 3}, enabled=False).identity


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"url": {"type": "string"}, "buy": {"$ref": "#/$defs/Buy"}},
    "required": ["url", "buy"],
    "$defs": {"Buy": {"type": "object"}},
}


def test_another_account_or_folder_is_another_server_and_its_hash_says_nothing_of_it() -> None:
    def remote(**more: Any) -> Entry:
        return Entry(name="x", description="d", url="https://h.example", needs=("T1", "T2"), **more)

    known = [
        remote(), remote(headers={"Authorization": "Bearer ${T1}"}),
        remote(headers={"Authorization": "Bearer ${T2}"}), local(cwd="/a"), local(cwd="/b"), local(),
    ]  # fmt: skip
    assert len({each.identity for each in known}) == len(known)
    assert all(len(each.identity) == 64 for each in known)


def test_an_agent_sees_and_gives_the_named_arguments_of_a_tool_alone() -> None:
    narrowed = local(arguments={"read": ["url"]}).narrowed("read", SCHEMA)
    assert narrowed == {
        "type": "object",
        "properties": {"url": {"type": "string"}},
        "required": ["url"],
        "additionalProperties": False,
    }
    assert local(arguments={"read": ["url", "buy"]}).narrowed("read", SCHEMA)["$defs"] == SCHEMA["$defs"]
    assert local().narrowed("read", SCHEMA) is SCHEMA


def test_a_pattern_reads_sources_out_of_prose() -> None:
    shape = Shape(pattern=r"^Title: (?P<title>.*)\nURL: (?P<uri>\S+)\n(?P<text>[\s\S]*?)(?=\n\nTitle: |\Z)")
    said = (
        "Found:\n\nTitle: A\nURL: https://a.example\nOne.\n\nTwo.\n\nTitle: B\nURL: https://b.example\nThree."
    )
    assert [match.groupdict() for match in shape.expression.finditer(said)] == [
        {"title": "A", "uri": "https://a.example", "text": "One.\n\nTwo."},
        {"title": "B", "uri": "https://b.example", "text": "Three."},
    ]
