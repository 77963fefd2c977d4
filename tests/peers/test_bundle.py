"""The bundle for desktop apps under the official tool, and started as an app starts it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from atlas_mcp.settings import Settings
from tests.peers.place import PACKAGES, QUESTION, ROOT, SPRING, TIDES, clean, run_node
from tools import draw_icon, make_bundle

pytestmark = pytest.mark.peer

MCPB = PACKAGES / "@anthropic-ai" / "mcpb" / "dist"
# The code by which Claude Desktop itself makes a command of a manifest.
FILL_IN = f"""
import {{ getMcpConfigForManifest }} from {json.dumps((MCPB / "index.js").as_uri())};
const given = JSON.parse(process.argv[1]);
console.log(JSON.stringify(await getMcpConfigForManifest({{ ...given, pathSeparator: "/" }})));
"""
PLACE = re.compile(r"\$\{user_config\.(\w+)\}")
Manifest = dict[str, Any]


def mcpb(*arguments: str | Path, folder: Path) -> str:
    """What the official tool says."""
    done = run_node(str(MCPB / "cli" / "cli.js"), *map(str, arguments), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made(path: Path) -> Path:
    make_bundle.packed(make_bundle.contents(), path)
    return path


def held(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("made") / "atlas.mcpb")


@pytest.fixture(scope="module")
def unpacked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an app unpacks it; such folders have spaces in their names."""
    folder = tmp_path_factory.mktemp("apps") / "Claude Extensions"
    folder.mkdir()
    mcpb("unpack", bundle, folder, folder=bundle.parent)
    return folder


@pytest.fixture(scope="module")
def manifest(unpacked: Path) -> Manifest:
    return json.loads((unpacked / "manifest.json").read_text("utf-8"))


@pytest.fixture
def start(unpacked: Path, manifest: Manifest, tmp_path: Path) -> Start:
    return Start(unpacked, manifest, tmp_path)


class Start:
    """The bundle as an app starts it: uv, told what the manifest says.

    The app would have had uv fetch what ATLAS needs. Here that is this checkout's, by way of an environment.
    """

    def __init__(self, unpacked: Path, manifest: Manifest, folder: Path) -> None:
        self._unpacked, self._manifest, self._folder = unpacked, manifest, folder
        self._uv = Path(sys.executable).with_name("uv")
        self._venv = folder / "venv"
        subprocess.run([self._uv, "venv", "--quiet", "--python", sys.executable, self._venv], check=True)
        places = {"base": str(self._venv), "platbase": str(self._venv)}
        checkout = sysconfig.get_path("purelib")
        added = Path(sysconfig.get_path("purelib", vars=places), "checkout.pth")
        added.write_text(f"import site; site.addsitedir({checkout!r})\n", "utf-8")

    def command(self, **filled_in: Any) -> dict[str, Any]:
        """Command, arguments and environment for what a person filled in."""
        asked = {
            "manifest": self._manifest, "extensionPath": str(self._unpacked), "systemDirs": {},
            "userConfig": filled_in,
        }  # fmt: skip
        done = run_node("--input-type=module", "-e", FILL_IN, json.dumps(asked), folder=self._folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def server(self, **filled_in: Any) -> Client[StdioTransport]:
        """A client of it."""
        command = self.command(**filled_in)
        assert command["command"] == "uv"
        environment = clean(
            self._folder / "home", UV_NO_SYNC="1", UV_OFFLINE="1", UV_PYTHON=sys.executable,
            UV_PROJECT_ENVIRONMENT=str(self._venv), ATLAS_MEMORY__EMBEDDINGS="false",
        )  # fmt: skip
        starting = StdioTransport(str(self._uv), command["args"], env=environment | command["env"])
        return Client(starting, mode="legacy")


def test_the_official_tool_finds_nothing_wrong_with_the_bundle(bundle: Path, unpacked: Path) -> None:
    assert "schema validation passes" in mcpb("validate", unpacked / "manifest.json", folder=bundle.parent)
    assert "Size:" in mcpb("info", bundle, folder=bundle.parent)


def test_the_official_tool_packs_the_same_files(bundle: Path, unpacked: Path, tmp_path: Path) -> None:
    mcpb("pack", unpacked, tmp_path / "again.mcpb", folder=tmp_path)
    assert held(tmp_path / "again.mcpb") == held(bundle)


def test_the_same_tree_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    assert made(tmp_path / "again.mcpb").read_bytes() == bundle.read_bytes()


def test_the_bundle_brings_atlas_and_names_the_versions_it_was_tested_with(unpacked: Path) -> None:
    project = tomllib.loads((unpacked / "pyproject.toml").read_text("utf-8"))
    version = make_bundle.project()["version"]
    assert project["project"]["version"] == version
    assert (unpacked / project["tool"]["uv"]["sources"]["atlas-mcp"]["path"]).is_file()
    pinned = {re.split("==", pin)[0] for pin in project["tool"]["uv"]["constraint-dependencies"]}
    locked = (ROOT / "requirements" / "run.lock").read_text("utf-8")
    assert pinned == set(re.findall(r"^([\w.-]+)==", locked, re.MULTILINE))


def test_all_that_is_asked_is_used_and_all_that_is_used_is_asked(manifest: Manifest) -> None:
    used = PLACE.findall(json.dumps(manifest["server"]))
    assert sorted(used) == sorted(manifest["user_config"])


def test_keys_are_kept_secret_and_nothing_is_required(manifest: Manifest) -> None:
    asked = manifest["user_config"]
    secret = {key for key, each in asked.items() if each.get("sensitive")}
    assert secret == {key for key in asked if key.endswith(("_key", "_token"))}
    assert not any(each["required"] for each in asked.values())
    assert not any("default" in each for each in asked.values())


async def test_the_manifest_lists_what_a_server_lists_that_was_told_nothing(
    start: Start, manifest: Manifest
) -> None:
    async with start.server() as server:
        tools, prompts = await server.list_tools(), await server.list_prompts()
        answer = server.initialize_result
    assert answer is not None
    assert answer.server_info.version == manifest["version"]
    listed = [{"name": tool.name, "description": tool.description} for tool in tools]
    assert listed == manifest["tools"]
    assert {each["name"]: each["arguments"] for each in manifest["prompts"]} == {
        prompt.name: [argument.name for argument in prompt.arguments or ()] for prompt in prompts
    }
    places = {place for each in manifest["prompts"] for place in re.findall(r"\$\{(\w+)\.", each["text"])}
    assert places == {"arguments"}


async def test_folders_that_were_filled_in_are_read_and_no_others(start: Start, tmp_path: Path) -> None:
    folders = [tmp_path / "my papers", tmp_path / "mehr, auch: übrige"]
    for folder in folders:
        folder.mkdir()
    (folders[1] / "tides.md").write_text(TIDES, "utf-8")
    (tmp_path / "secret.md").write_text(TIDES, "utf-8")
    async with start.server(folders=[str(each) for each in folders]) as server:
        told = await server.call_tool("research", {"question": QUESTION, "documents": [str(folders[1])]})
        assert SPRING in json.dumps(told.structured_content, ensure_ascii=False)
        asked = {"question": QUESTION, "documents": [str(tmp_path / "secret.md")]}
        refused = await server.call_tool("research", asked, raise_on_error=False)
    assert refused.is_error


async def test_data_are_kept_in_the_folder_that_was_filled_in(start: Start, tmp_path: Path) -> None:
    kept = tmp_path / "kept here"
    async with start.server(data_folder=str(kept), day_usd=2.5, anthropic_key="") as server:
        await server.call_tool("remember", {"text": SPRING})
    assert list(kept.iterdir())


def test_every_value_is_one_that_atlas_reads(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled_in = {"model": "extractive", "day_usd": 2.5, "data_folder": str(tmp_path), "ollama": "http://x:1"}
    environment = start.command(**filled_in)["env"]
    for name, value in environment.items():
        if not PLACE.fullmatch(value):
            monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert (settings.models.default, settings.budget.day_usd) == ("extractive", 2.5)
    assert settings.home == tmp_path
    needed = "".join(path.read_text("utf-8") for path in (ROOT / "servers").glob("*.toml"))
    vendors = "".join(path.read_text("utf-8") for path in (ROOT / "atlas_mcp" / "providers").glob("*.py"))
    others = {name for name in environment if not name.startswith("ATLAS_")}
    assert {name for name in others if f'"{name}"' not in needed + vendors} == set()


def test_the_icon_is_what_the_script_draws() -> None:
    icon = draw_icon.ICON.read_bytes()
    assert pixels(icon) == pixels(draw_icon.png(draw_icon.drawn()))


def pixels(png: bytes) -> bytes:
    start = png.index(b"IDAT")
    length = int.from_bytes(png[start - 4 : start], "big")
    return zlib.decompress(png[start + 4 : start + 4 + length])
