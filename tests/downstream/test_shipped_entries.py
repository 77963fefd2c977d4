"""The servers that ship: their files load, and what they say of the real servers is so."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from atlas_mcp.catalogue import shipped
from atlas_mcp.downstream.entry import VARIABLE, Entry, Shape, load_entry
from atlas_mcp.downstream.filing import Part, written
from atlas_mcp.downstream.launch import Launch, Places, ready
from atlas_mcp.downstream.results import documents
from tests.downstream.third_party.places import INSTALLED, KEY, PYTHON, SERVERS, behind, here
from tests.downstream.third_party.reading import READ_DOCX, READ_XLSX
from tests.downstream.third_party.stand_in import standing_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from mcp_types import CallToolResult

FILES = {path.stem: path for path in sorted(shipped("servers").glob("*.toml"))}
ENTRIES = {name: load_entry(path) for name, path in FILES.items()}
NEWER = re.compile(r"@\d[\w.]*$|==\d[\w.]*$")
"""How an argument names the version of a package."""


@pytest.mark.parametrize("name", ENTRIES)
def test_a_shipped_server_says_what_it_is_and_which_version(name: str) -> None:
    entry = ENTRIES[name]
    assert FILES[name].read_text("utf-8").startswith("# ")
    assert entry.title
    assert entry.homepage.startswith("https://")
    assert entry.read_only is not None
    if entry.command in {"npx", "uvx"}:
        assert any(NEWER.search(arg) for arg in entry.args), "a new version is a decision"


@pytest.mark.parametrize("name", ENTRIES)
def test_what_needs_no_key_is_off_until_a_person_turns_it_on(name: str) -> None:
    entry = ENTRIES[name]
    secrets = [each for each in entry.needs if each.endswith(("KEY", "TOKEN"))]
    assert entry.enabled == (bool(secrets) and name != "github-local")


@pytest.mark.parametrize("name", ENTRIES)
def test_a_shipped_server_holds_no_value_of_a_variable(name: str) -> None:
    headers = ENTRIES[name].headers
    assert all(VARIABLE.search(value) for key, value in headers.items() if key == "Authorization")
    assert not re.search(r"(ghp_|tvly-|fc-|sk-)\w", FILES[name].read_text("utf-8"))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_file_of_one_line_turns_it_on(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.toml").write_text("enabled = true\n", "utf-8")
    assert load_entry(tmp_path / f"{name}.toml", FILES[name]) == ENTRIES[name].model_copy(
        update={"enabled": True}
    )


def test_the_readme_shows_an_entry_with_every_key(tmp_path: Path) -> None:
    text = (shipped("servers") / "README.md").read_text("utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    (tmp_path / "tides.toml").write_text(example, "utf-8")
    entry = load_entry(tmp_path / "tides.toml")
    named = {"url", "transport", "headers", "name"}
    assert entry.model_fields_set | named == Entry.model_fields.keys()
    tables = [entry.limits, entry.search, entry.fetch, entry.files["pdf"]]
    assert all(table and table.model_fields_set == type(table).model_fields.keys() for table in tables)
    told = entry.results["find"].model_fields_set | entry.results["read"].model_fields_set | {"lines"}
    assert told == Shape.model_fields.keys()
    assert all(f"{key} = " in example for key in named - {"name"})


def test_the_readme_names_every_server_that_ships() -> None:
    text = (shipped("servers") / "README.md").read_text("utf-8")
    assert [name for name in ENTRIES if f"`{name}`" not in text] == []


def test_githubs_own_tools_are_named_the_same_wherever_its_server_runs() -> None:
    remote, local = ENTRIES["github"], ENTRIES["github-local"]
    assert remote.tools == local.tools == tuple(remote.headers["X-MCP-Tools"].split(","))
    assert ",".join(local.tools) in local.args
    assert remote.results == local.results


# Beside the real servers -----------------------------------------------------------------------------------

installed = pytest.mark.downstream


@pytest.fixture(scope="session")
def _installed() -> None:
    assert all(path.exists() for path in INSTALLED), "The servers are not installed; run `make downstream`."


@pytest.fixture
def places(tmp_path: Path, _installed: None, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Folders, and a key for every service that wants one."""
    for entry in ENTRIES.values():
        for name in entry.needs:
            monkeypatch.setenv(name, KEY)
    roots = tmp_path / "documents"
    roots.mkdir()
    (roots / "tides.md").write_text("# Tides\n\nThe moon raises them.\n", "utf-8")
    subprocess.run(["git", "init", "--quiet", str(roots)], check=True)
    monkeypatch.setenv("GIT_REPOSITORY", str(roots))
    return Places((roots,), tmp_path / "output", tmp_path / "data")


@asynccontextmanager
async def opened(entry: Entry, places: Places) -> AsyncGenerator[Client]:
    launch = ready(entry, places)
    assert isinstance(launch, Launch)
    program = StdioServerParameters(
        command=launch.command, args=list(launch.args), env=dict(launch.env), cwd=launch.cwd
    )
    async with Client(stdio_client(program), mode="auto", read_timeout_seconds=90) as client:
        yield client


def seen(entry: Entry, tool: Any, *, whole: bool = False) -> int:
    """How much of a model's window a tool takes, in bytes: its name, description and arguments."""
    schema = tool.input_schema if whole else entry.narrowed(tool.name, tool.input_schema)
    return len(json.dumps([tool.name, tool.description, schema], ensure_ascii=False).encode())


@cache
def told_sizes() -> dict[str, tuple[str, str, str]]:
    """The table of servers/README.md: tools, kB of all tools, kB of those that are given."""
    text = (shipped("servers") / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| (\d+ of \d+) \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    return {name: (tools, before, after) for name, tools, before, after in rows}


@installed
@pytest.mark.parametrize("name", SERVERS)
async def test_what_a_file_says_of_a_servers_tools_is_so(name: str, places: Places) -> None:
    entry = here(ENTRIES[name])
    async with opened(entry, places) as client:
        tools = (await client.list_tools()).tools
    given = {tool.name: tool for tool in tools if any(fnmatchcase(tool.name, each) for each in entry.tools)}
    assert set(entry.tools) == given.keys()
    for pattern in entry.read_only or ():
        assert any(fnmatchcase(tool, pattern) for tool in given), f"{pattern} is no tool's name"
    for tool, arguments in entry.arguments.items():
        schema = given[tool].input_schema
        assert set(arguments) <= schema["properties"].keys(), tool
        assert set(schema.get("required", ())) <= set(arguments), tool
    for tool in given.values():
        hints = tool.annotations
        claimed = any(fnmatchcase(tool.name, each) for each in entry.read_only or ())
        if hints and hints.read_only_hint is False and tool.name != "firecrawl_scrape":
            assert not claimed, f"{tool.name} says of itself that it does more than read"
    before = sum(seen(entry, tool, whole=True) for tool in tools)
    after = sum(seen(entry, tool) for tool in given.values())
    sizes = (f"{len(given)} of {len(tools)}", f"{before / 1000:.1f}", f"{after / 1000:.1f}")
    assert told_sizes()[name] == sizes
    assert after < 16_000


# What their results are ------------------------------------------------------------------------------------


def said(result: CallToolResult) -> str:
    assert not result.is_error, result.content
    return "\n\n".join(getattr(block, "text", "") for block in result.content)


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return value


ALMANAC = "https://almanac.example/springs-and-neaps"
QUERY = "spring tides at Sternhaven: mean range"
SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "tavily": ("tavily_search", {"query": QUERY}),
    "firecrawl": ("firecrawl_search", {"query": QUERY, "sources": ["web"]}),
    "exa": ("web_search_exa", {"query": QUERY}),
    "brave": ("brave_web_search", {"query": QUERY, "text_decorations": False, "result_filter": ["web"]}),
    "brave news": ("brave_news_search", {"query": QUERY}),
    "brave context": ("brave_llm_context", {"query": QUERY}),
}


@installed
@pytest.mark.parametrize("case", SEARCHES)
async def test_the_sources_of_a_search_are_found_in_its_result(case: str, places: Places) -> None:
    name = case.split(maxsplit=1)[0]
    tool, arguments = SEARCHES[case]
    with standing_in() as stand_in:
        entry = behind(ENTRIES[name], stand_in.address)
        async with opened(entry, places) as client:
            result = await client.call_tool(tool, arguments)
    found = documents(entry, tool, arguments, said(result), result.structured_content)
    assert len(found) >= 4  # a page that is there twice counts once
    assert all(document.uri.startswith("https://") for document in found)
    best = next(document for document in found if document.uri == ALMANAC)
    assert best.title == "Springs and neaps"
    assert "quarters of the moon" in best.text


PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "tavily": ("tavily_extract", {"urls": [ALMANAC, "https://board.example/thread/77"]}),
    "exa": ("web_fetch_exa", {"urls": [ALMANAC, "https://gone.example/", "https://board.example/thread/77"]}),
    "firecrawl": ("firecrawl_scrape", {"url": ALMANAC, "onlyMainContent": True}),
    "fetch": ("fetch", {"url": ALMANAC.replace("https", "http"), "max_length": 200_000}),
}


@installed
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_that_is_read_is_one_source_and_forges_no_other(name: str, places: Places) -> None:
    tool, arguments = PAGES[name]
    with standing_in() as stand_in:
        entry = behind(ENTRIES[name], stand_in.address)
        async with opened(entry, places) as client:
            result = await client.call_tool(tool, arguments)
    found = documents(entry, tool, arguments, said(result), result.structured_content)
    assert found[0].uri.endswith("//almanac.example/springs-and-neaps")
    assert found[0].text.rstrip().endswith("the mean neap range is 2.4 metres.")
    assert [document.uri for document in found[1:]] == arguments.get("urls", [])[-1:]
    if found[1:]:
        assert found[1].text.rstrip().endswith("Content: There is no tide.")


@installed
async def test_a_page_without_a_word_is_no_source(places: Places) -> None:
    with standing_in() as stand_in:
        entry = behind(ENTRIES["fetch"], stand_in.address)
        async with opened(entry, places) as client:
            given = {"url": "http://sternhaven.example/notices"}
            result = await client.call_tool("fetch", given)
    assert documents(entry, "fetch", given, said(result), result.structured_content) == ()


REFUSING = {"tavily": 401, "exa": 401, "brave": 422, "firecrawl": 401}


@installed
@pytest.mark.parametrize("name", REFUSING)
@pytest.mark.parametrize("status", [0, 429])
async def test_a_wrong_key_or_too_many_requests_are_errors_that_hold_no_key(
    name: str, status: int, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not status:
        monkeypatch.setenv(ENTRIES[name].needs[0], "wrong-key-of-somebody")
    tool, arguments = SEARCHES[name]
    with standing_in() as stand_in:
        stand_in.failures.extend([status] * 5 if status else [])
        async with opened(behind(ENTRIES[name], stand_in.address), places) as client:
            result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert "key-of-somebody" not in str(result.content)
    assert KEY not in str(result.content)


# Documents -------------------------------------------------------------------------------------------------

DOCUMENT = [
    Part("heading", "Findings", 1),
    Part("paragraph", "Spring tides come after new moon."),
    Part("heading", "Ranges", 2),
    Part("item", "Sternhaven has the largest."),
    Part("item", "It grows."),
    Part("table", rows=(("Harbour", "Spring m"), ("Sternhaven", "5.2"), ("Lee", "unknown"))),
]


async def made(name: str, kind: str, places: Places) -> Path:
    entry = here(ENTRIES[name])
    file = places.output / f"findings.{kind}"
    calls = written(entry.files[kind], DOCUMENT, file=str(file), title="Tides of Sternhaven")
    async with opened(entry, places) as client:
        for tool, arguments in calls:
            answer = said(await client.call_tool(tool, arguments))
            assert re.search(entry.files[kind].worked, answer, re.MULTILINE), answer
    return file


def read_back(script: str, file: Path) -> dict[str, Any]:
    done = subprocess.run([PYTHON, "-c", script, file], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@installed
async def test_a_word_document_has_its_title_headings_paragraphs_items_and_table(places: Places) -> None:
    assert read_back(READ_DOCX, await made("word", "docx", places)) == {
        "title": "Tides of Sternhaven",
        "paragraphs": [
            ["Title", "Tides of Sternhaven"],
            ["Heading 1", "Findings"],
            ["Normal", "Spring tides come after new moon."],
            ["Heading 2", "Ranges"],
            ["List Bullet", "Sternhaven has the largest."],
            ["List Bullet", "It grows."],
        ],
        "tables": [[["Harbour", "Spring m"], ["Sternhaven", "5.2"], ["Lee", "unknown"]]],
    }


@installed
async def test_an_excel_workbook_has_its_title_and_a_sheet_for_each_table(places: Places) -> None:
    book = read_back(READ_XLSX, await made("excel", "xlsx", places))
    assert book["title"] == "Tides of Sternhaven"
    assert book["sheets"]["Ranges"] == [["Harbour", "Spring m"], ["Sternhaven", 5.2], ["Lee", "unknown"]]
    assert all(book["bold"])


@installed
async def test_a_call_of_the_word_server_that_fails_says_so_in_words_that_do_not_pass(places: Places) -> None:
    entry = here(ENTRIES["word"])
    failing = [
        ("add_heading", {"filename": "gone.docx", "text": "A", "level": 1}),
        ("create_document", {"filename": str(places.output / "gone" / "a.docx")}),
    ]
    async with opened(entry, places) as client:
        for tool, arguments in failing:
            answer = said(await client.call_tool(tool, arguments))
            assert not re.search(entry.files["docx"].worked, answer, re.MULTILINE), answer
