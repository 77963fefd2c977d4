"""The rules of the house, each kept by a test; a new file, team or name is covered without a new one."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import atlas_mcp
from atlas_mcp.app import open_atlas
from atlas_mcp.catalogue import Catalogue
from atlas_mcp.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "atlas_mcp"
MODULES = sorted(PACKAGE.rglob("*.py"))
OURS = sorted(
    path
    for name in ("atlas_mcp", "tests", "tools", "examples", "benchmarks")
    for path in (ROOT / name).rglob("*.py")
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file names in its imports, at its top or inside a function."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


# Sizes -----------------------------------------------------------------------------------------------------


def test_no_file_has_more_than_400_lines_and_the_median_less_than_150() -> None:
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in OURS}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
    assert statistics.median(lines for name, lines in lengths.items() if name.startswith("atlas_mcp")) < 150


def test_no_function_has_more_than_60_lines() -> None:
    long = {
        f"{shown(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in OURS
        for node in ast.walk(tree(path))
        if isinstance(node, Function) and node.end_lineno and node.end_lineno - node.lineno >= 60
    }
    assert long == {}


# Who imports whom ------------------------------------------------------------------------------------------


def test_each_floor_imports_only_from_below_it() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


ANYWHERE_NAMED = (
    "anthropic",
    "openai",
    "ollama",
    "chromadb",
    "neo4j",
    "letta_client",
    "mlflow",
    "nemoguardrails",
)
ROOMS = {
    "langgraph": "orchestration/graph.py",
    "aiosqlite": "orchestration/graph.py",
    "fastmcp": "surface/*.py downstream/connection.py",
    "mcp": "surface/*.py downstream/connection.py downstream/*_streams.py downstream/stdio.py"
    " providers/sampling.py",
    "typer": "cli/*.py",
    "rich": "cli/*.py",
    "onnxruntime": "text/minilm.py text/embedding.py",
    "tokenizers": "text/minilm.py text/embedding.py",
    "pypdf": "text/readers/*.py",
    "selectolax": "text/readers/*.py",
}
"""Where alone a library may be imported, below the package."""


@pytest.mark.parametrize("vendor", ANYWHERE_NAMED)
def test_a_vendor_is_imported_only_in_a_file_or_room_that_bears_its_name(vendor: str) -> None:
    name = vendor.removesuffix("_client").removesuffix("db")
    guests = [path for path in MODULES if any(module.split(".")[0] == vendor for module in imports(path))]
    assert [shown(path) for path in guests if name not in path.stem and name != path.parent.name] == []


@pytest.mark.parametrize(("library", "rooms"), ROOMS.items())
def test_a_library_stays_in_its_rooms(library: str, rooms: str) -> None:
    guests = {path for path in MODULES if any(module.split(".")[0] == library for module in imports(path))}
    allowed = {path for room in rooms.split() for path in PACKAGE.glob(room)}
    assert [shown(path) for path in sorted(guests - allowed)] == []


HEAVY = frozenset(
    "anthropic chromadb fastmcp langgraph letta_client mcp mlflow neo4j numpy ollama onnxruntime openai "
    "pypdf selectolax tokenizers".split()
)


def test_asking_for_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, json; sys.argv = ['atlas-mcp', '--help']\n"
        "from atlas_mcp.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stderr.splitlines()[-1])).isdisjoint(HEAVY)


# Words -----------------------------------------------------------------------------------------------------

EMPTY_WORDS = {"manager", "handler", "helper", "util", "utils", "common", "base"}


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_nothing_is_called_by_a_word_that_says_nothing() -> None:
    named = [shown(path) for path in MODULES if words(path.stem) & EMPTY_WORDS]
    named += [
        f"{shown(path)}:{node.name}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, Function | ast.ClassDef) and words(node.name) & EMPTY_WORDS
    ]
    assert named == []


def test_no_code_waits_to_be_written() -> None:
    markers = re.compile(
        r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "raise NotImplemented" + "Error")) + r")\b"
    )
    assert [shown(path) for path in OURS if markers.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_says_what_it_is_for_and_documents_what_it_offers(path: Path) -> None:
    assert ast.get_docstring(tree(path)), "a module opens by saying what it is for"
    body = [node for node in tree(path).body if isinstance(node, Function | ast.ClassDef)]
    if not body:
        return
    offered = declared(path)
    assert offered is not None, "a module names what it offers in __all__"
    undocumented = [
        node.name
        for owner in body
        if owner.name in offered
        for node in (owner, *public_methods(owner))
        if not ast.get_docstring(node)
    ]
    assert undocumented == []


def declared(path: Path) -> set[str] | None:
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets
        ):
            return set(ast.literal_eval(node.value))
    return None


def public_methods(owner: ast.AST) -> Iterator[Function]:
    if isinstance(owner, ast.ClassDef):
        yield from (n for n in owner.body if isinstance(n, Function) and not n.name.startswith("_"))


PUBLIC = (
    "Atlas AtlasError Budget Event Kind Limit Note Policy Prompt Provider ProviderGroup ProviderInfo "
    "Registry Run RunRow RunState Script ScriptedProvider Settings Stream Team Terms chunks complete "
    "configured_vendors errors events messages open_atlas"
).split()


def test_the_public_names_are_these_and_each_can_be_had() -> None:
    assert sorted(atlas_mcp.__all__) == PUBLIC
    assert all(getattr(atlas_mcp, name) is not None for name in PUBLIC)


# What no file may do ---------------------------------------------------------------------------------------


def is_broad(handler: ast.ExceptHandler) -> bool:
    caught = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
        if handler.type
        else {"Exception"}
    )
    passes_on = isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None
    return bool(caught & {"Exception", "BaseException"}) and not passes_on


def test_errors_nobody_thought_of_are_caught_in_three_places_at_most() -> None:
    broad = [
        f"{shown(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    ]
    assert len(broad) <= 3, broad


POSIX_MODULES = frozenset("crypt curses fcntl grp posix pty pwd readline resource syslog termios tty".split())
POSIX_CALLS = {
    "os": frozenset(
        "chown fork forkpty getegid geteuid getgid getpgid getpgrp getsid getuid initgroups kill killpg "
        "lchown mkfifo nice pipe2 posix_spawn sendfile setgid setpgid setsid setuid uname wait waitid".split()
    ),
    "signal": frozenset(
        "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH "
        "alarm pause pthread_kill setitimer sigwait".split()
    ),
}


def posix_only(path: Path) -> Iterator[str]:
    yield from (module for module in imports(path) if module.split(".")[0] in POSIX_MODULES)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            if node.attr == "add_signal_handler":
                yield node.attr
            if isinstance(node.value, ast.Name) and node.attr in POSIX_CALLS.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"


POSIX_ROOM = "atlas_mcp/downstream/leash.py"
"""The one file that may call what exists on POSIX alone: it ends process groups, which Windows has not."""


def test_calls_that_exist_on_posix_alone_stand_in_one_file() -> None:
    assert [shown(path) for path in MODULES if list(posix_only(path))] == [POSIX_ROOM]


# Folders of data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["teams", "servers", "clients"])
def test_what_a_person_writes_is_data_and_its_readme_says_how_to_add_one(folder: str) -> None:
    assert [shown(path) for path in (ROOT / folder).rglob("*.py")] == []
    readme = (ROOT / folder / "README.md").read_text("utf-8").splitlines()
    assert len(readme) <= 60
    assert any(line.startswith("## To add one") for line in readme)


@pytest.mark.parametrize("name", Catalogue().entries("teams", "team.toml"))
async def test_a_shipped_team_loads_and_runs_to_its_end(name: str, home: Path, tmp_path: Path) -> None:
    script = tmp_path / "nothing.toml"
    script.write_text("", "utf-8")
    settings = Settings(home=home, models=ModelSettings(default=f"scripted:{script}"))
    async with open_atlas(settings) as atlas:
        given: dict[str, Any] = {
            field: "What is it?" for field, asked in atlas.teams[name].input.items() if asked.required
        }
        run = await atlas.start(name, documents=["# A text\n\nIt is a test.\n"], **given)
        envelope = await run.envelope(wait_seconds=30)
    assert envelope["state"] == "done", envelope


def test_locks_name_versions_and_hashes_but_no_host() -> None:
    for lock in (ROOT / "requirements").iterdir():
        text = lock.read_text("utf-8")
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text), lock.name
        pinned = re.findall(r"^[a-z0-9][^\s=]*==\S+.*\\$", text, re.MULTILINE)
        assert lock.suffix == ".in" or pinned, lock.name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    locked = set(
        re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements/run.lock").read_text("utf-8"), re.MULTILINE)
    )
    asked = {re.split(r"[<>=!~\[;]", need)[0].strip() for need in project["project"]["dependencies"]}
    assert asked <= locked, "run `make lock`"
