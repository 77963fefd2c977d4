"""What the README and the examples show works as shown."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pytest
from pydantic import BaseModel
from typer.main import get_command

from atlas_mcp.cli.program import program
from atlas_mcp.orchestration.team_file import TeamFile
from atlas_mcp.providers.strategies import STRATEGIES
from atlas_mcp.settings import GroupSettings, ProviderSettings, Settings
from tests.fakes.model_server import FakeModels

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(
    *command: str | Path, home: Path, cwd: str | Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ATLAS_HOME": str(home), "PYTHONUTF8": "1", **more}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def command_lines() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if "atlas-mcp" in line]


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_of_the_readme_is_one_the_program_knows(line: str) -> None:
    words = shlex.split(line[line.index("atlas-mcp ") :])[1:]
    command: Any = get_command(program)
    while words and (deeper := getattr(command, "commands", {}).get(words[0])):
        command, words = deeper, words[1:]
    # Parsing without invoking: an unknown option or a missing argument is an error here.
    command.make_context("atlas-mcp", words, resilient_parsing=False)


def test_the_entry_for_claude_desktop_is_json_that_starts_the_program_by_its_whole_path() -> None:
    entry = json.loads(blocks("json")[0])["mcpServers"]["atlas"]
    program = PurePosixPath(entry["command"])
    assert (program.is_absolute(), program.name, entry["args"]) == (True, "atlas-mcp", ["serve"])


def test_nothing_sends_anybody_to_the_package_index_for_atlas_which_is_somebody_elses_there() -> None:
    # An extra that is added where ATLAS is installed is added to that one.
    index = re.compile(r"(?:uvx|pipx run|\binstall(?: -\S+)*) ['\"]?atlas-mcp\b(?!\[)")
    sources = [*(ROOT / "atlas_mcp").rglob("*.py"), *(ROOT / "tools").rglob("*.*"), *PAGES]
    told = {
        file.relative_to(ROOT).as_posix()
        for file in sources
        if file.suffix in {".py", ".md", ".toml"}
        and any(index.search(line) for line in file.read_text("utf-8").lower().splitlines())
    }
    assert told == set()


def test_the_settings_of_the_readme_and_of_the_handbook_are_accepted(home: Path) -> None:
    handbook = "".join((ROOT / "docs/handbook" / name).read_text("utf-8") for name in PAGES_OF_SETTINGS)
    shown = [block for block in [*blocks("toml"), *blocks("toml", handbook)] if "[models]" in block]
    assert len(shown) >= 4
    for block in shown:
        (home / "config").mkdir(parents=True, exist_ok=True)
        (home / "config" / "atlas.toml").write_text(block, "utf-8")
        assert Settings.load().models.default == tomllib.loads(block)["models"]["default"]


PAGES_OF_SETTINGS = ("06-configuration.md", "08-providers.md")
CONFIGURATION = (ROOT / "docs/handbook/06-configuration.md").read_text("utf-8")


def as_told(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case None | "":
            return "none"
        case tuple():
            return ", ".join(map(str, cast("tuple[object, ...]", default))) or "empty"
        case float() | int():
            return f"{default:g}"
        case _:
            return str(default)


def test_the_handbook_names_every_setting_and_its_default() -> None:
    told = re.findall(r"^\| `\[(\w+)\] (\w+)` \| (\S+) ", CONFIGURATION, re.MULTILINE)
    known = {
        (table, key, as_told(field.default))
        for table, kind in Settings.model_fields.items()
        if isinstance(kind.default, BaseModel)
        for key, field in type(kind.default).model_fields.items()
    }
    assert set(told) == known


@pytest.mark.parametrize(("table", "kind"), [("group", GroupSettings), ("provider", ProviderSettings)])
def test_the_handbook_names_every_key_of_a_group_and_of_a_provider_and_its_default(
    table: str, kind: type[BaseModel]
) -> None:
    page = (ROOT / "docs/handbook/08-providers.md").read_text("utf-8")
    rows = page.partition(f"| key of `[{table}.NAME]` |")[2].partition("\n\n")[0]
    told: dict[str, str] = {}
    for names, default in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*)\|", rows, re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"\w+", names), default.strip())
    assert told == {
        name: "" if field.is_required() else as_told(field.default)
        for name, field in kind.model_fields.items()
    }


def test_the_handbook_names_every_strategy() -> None:
    page = (ROOT / "docs/handbook/08-providers.md").read_text("utf-8")
    told = re.findall(r"^\| `(\w+)` \|", page.partition("| strategy |")[2].partition("\n\n")[0], re.MULTILINE)
    assert set(told) == set(STRATEGIES)


def test_the_handbook_names_every_key_of_a_team() -> None:
    table = CONFIGURATION.partition("## The keys of a team")[2].partition("An agent's file")[0]
    told = re.findall(r"^\| `\[?(\w+)(?:\.NAME)?\]?` +\|", table, re.MULTILINE)
    assert sorted(told) == sorted(TeamFile.model_fields)


def test_the_python_of_the_readme_prints_a_brief(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text(blocks("python")[0], "utf-8")
    done = run(script, home=home)
    assert done.returncode == 0, done.stderr
    assert "## Findings" in done.stdout


def test_the_python_of_the_handbook_reads_ones_own_documents_and_says_why_a_run_failed(
    home: Path, tmp_path: Path
) -> None:
    (script,) = blocks("python", (ROOT / "docs/handbook/02-using-atlas.md").read_text("utf-8"))
    (tmp_path / "asking.py").write_text(script, "utf-8")
    (tmp_path / "backups.md").write_text("# Backups\n\nThe backups are made every night at two.\n", "utf-8")
    done = run("asking.py", home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The backups are made every night at two." in done.stdout
    (tmp_path / "fails.toml").write_text('[[reply]]\nfail = "authentication"\n', "utf-8")
    failing = f"scripted:{tmp_path / 'fails.toml'}"
    done = run("asking.py", home=home, cwd=tmp_path, ATLAS_MODELS__DEFAULT=failing)
    assert done.returncode == 0, done.stderr
    assert "It failed: The script says" in done.stdout


def test_the_provider_of_ones_own_in_the_handbook_answers(home: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/handbook/08-providers.md").read_text("utf-8")
    script = tmp_path / "own.py"
    script.write_text(page.partition("```python\n")[2].partition("```")[0], "utf-8")
    done = run(script, home=home)
    assert (done.returncode, done.stdout) == (0, "You asked: When is the tide high?\n"), done.stderr


SHOWN = {
    "01_research.py": ["# ", "## Findings"],
    "03_mcp_client.py": ["# ", "## Findings"],
    "04_provider_group.py": ["the water is pulled less", "2 calls"],
    "05_task_aware_providers.py": ["exceptional at code", "exceptional at writing"],
    "07_enhanced_streaming.py": ["[paused, ", "-> scripted:steady, retell]", "estimated: True", "failed: "],
    "08_multi_agent_providers.py": ["broken failed (overloaded), scripted:writer answered", "4 calls"],
}
"""What each example prints, among other things."""


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_every_example_runs_without_a_key_and_shows_what_it_is_about(example: Path, home: Path) -> None:
    done = run(example, home=home)
    assert done.returncode == 0, done.stderr
    assert [said for said in SHOWN[example.name] if said not in done.stdout] == []


async def test_the_examples_of_providers_work_with_a_real_one_when_there_is_a_key(home: Path) -> None:
    async with FakeModels(tokens=8) as server:
        with_key = {"OPENAI_API_KEY": "sk-0123456789abcdef", "OPENAI_BASE_URL": server.url}
        for name in ("04_provider_group.py", "05_task_aware_providers.py", "08_multi_agent_providers.py"):
            done = await asyncio.to_thread(run, ROOT / "examples" / name, home=home, **with_key)
            assert done.returncode == 0, done.stderr
            assert "scripted" not in done.stdout + done.stderr
    assert server.requests


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_row_of_a_table_stands_in_one_with_a_header(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        rows = table.splitlines()
        assert len(rows) > 1, rows
        assert re.fullmatch(r"(\|\s*:?-+:?\s*)+\|", rows[1]), rows[0]
