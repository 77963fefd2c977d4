"""Writes `dist/atlas-mcp-<version>.mcpb`, the bundle for desktop apps, and `server.json` for the registry.

Run by `make bundle`. Both are made of `pyproject.toml` and `tools/bundle/bundle.toml`; the bundle's lists of
tools and prompts are what the server itself lists. The same tree gives the same bytes.

The bundle is of the type `uv`: the app brings uv, and uv a Python and what ATLAS needs. ATLAS itself lies in
it as a wheel, and the versions of all else are those of `requirements/run.lock`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp import MCPError

if TYPE_CHECKING:
    from mcp.types import Prompt

JsonObject = dict[str, Any]

ROOT = Path(__file__).parents[1]
SOURCE = Path(__file__).parent / "bundle"
REGISTRY_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
NAME_IN_README = re.compile(r"<!-- mcp-name: (\S+) -->")
KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG", "LC_ALL")
OF_A_FORM = ("type", "title", "description", "multiple", "sensitive", "min")
"""What the manifest says of something that is asked."""
RUN = ("run", "--no-compile-bytecode", "--directory", "${__dirname}", "start.py")
"""What uv is told at each start. Byte code is compiled when the app installs; to look for it takes 2 s."""
EPOCH = (1980, 1, 1, 0, 0, 0)


def project() -> JsonObject:
    """What `pyproject.toml` says of the package."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def about() -> JsonObject:
    """What `bundle.toml` says."""
    return tomllib.loads((SOURCE / "bundle.toml").read_text("utf-8"))


# The manifest ----------------------------------------------------------------------------------------------


async def offered() -> tuple[list[JsonObject], list[JsonObject]]:
    """The tools and prompts of a server that knows no person's settings, as a manifest lists them."""
    with tempfile.TemporaryDirectory() as home:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {"HOME": home, "USERPROFILE": home, "ATLAS_HOME": str(Path(home, "atlas"))}
        starting = StdioTransport(
            sys.executable, ["-m", "atlas_mcp", "serve"], env=environment, cwd=str(ROOT)
        )
        async with Client(starting) as server:
            tools = [
                {"name": tool.name, "description": tool.description} for tool in await server.list_tools()
            ]
            prompts = [
                {
                    "name": prompt.name,
                    "description": prompt.description,
                    "arguments": [argument.name for argument in prompt.arguments or ()],
                    "text": await text_of(server, prompt),
                }
                for prompt in await server.list_prompts()
            ]
    return tools, prompts


async def text_of(server: Client[Any], prompt: Prompt) -> str:
    """A prompt's text with the places of its arguments, but for those that take no text whatever."""
    arguments = prompt.arguments or ()
    given = {each.name: f"${{arguments.{each.name}}}" for each in arguments if each.required}
    text = await told(server, prompt.name, given)
    for name in (each.name for each in arguments if not each.required):
        with_it = given | {name: f"${{arguments.{name}}}"}
        try:
            text, given = await told(server, prompt.name, with_it), with_it
        except MCPError:  # a choice, a number or a file's name
            continue
    return text


async def told(server: Client[Any], prompt: str, given: dict[str, str]) -> str:
    """What a prompt says with these arguments."""
    messages = (await server.get_prompt(prompt, given)).messages
    return "\n\n".join(message.content.text for message in messages if message.content.type == "text")


def manifest(tools: list[JsonObject], prompts: list[JsonObject]) -> JsonObject:
    """The bundle's `manifest.json`."""
    package, ours = project(), about()
    asked: dict[str, JsonObject] = ours["asked"]
    filled = {key: f"${{user_config.{key}}}" for key in asked}
    lists = [key for key, each in asked.items() if each.get("multiple")]
    return {
        "manifest_version": "0.4",
        "name": package["name"],
        "display_name": ours["display_name"],
        "version": package["version"],
        "description": package["description"],
        "long_description": ours["long"].strip(),
        "author": {"name": ours["author"]},
        "icon": "icon.png",
        "server": {
            "type": "uv",
            "entry_point": "start.py",
            "mcp_config": {
                "command": "uv",
                "args": [*RUN, *(filled[key] for key in lists)],
                # A list is put into arguments alone, so start.py makes the variable of it.
                "env": {asked[key]["variable"]: filled[key] for key in asked if key not in lists},
            },
        },
        "tools": tools,
        # Teams of a person's own are tools and prompts as well.
        "tools_generated": True,
        "prompts": prompts,
        "prompts_generated": True,
        "keywords": package["keywords"],
        "license": package["license"],
        # No runtime is named: an app would look for a Python on the machine, and uv brings its own.
        "compatibility": {"claude_desktop": ">=1.0.0", "platforms": ours["platforms"]},
        "user_config": {
            key: {name: each[name] for name in OF_A_FORM if name in each} | {"required": False}
            for key, each in asked.items()
        },
    }  # fmt: skip


# The files -------------------------------------------------------------------------------------------------


def wheel(folder: Path) -> Path:
    """ATLAS as a wheel, from the checkout."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(  # noqa: S603 - our own tool
        [uv, "build", "--quiet", "--wheel", "--build-constraints", ROOT / "requirements" / "build.lock",
         "--out-dir", folder, ROOT],
        check=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def pins() -> list[str]:
    """What `run.lock` says of each package: its version, and on which systems."""
    lock = (ROOT / "requirements" / "run.lock").read_text("utf-8")
    older: dict[str, dict[str, str]] = about()["older"]
    found: list[str] = []
    for name, rest in re.findall(r"^([A-Za-z0-9][\w.-]*)(==[^\\\n]+)", lock, re.MULTILINE):
        version, _, marker = (part.strip() for part in rest.partition(";"))
        where = [f"({marker})"] if marker else []
        if instead := older.get(name):
            found.append(f"{name}=={instead['version']} ; {' and '.join([*where, instead['where']])}")
            where.append(f"({instead['elsewhere']})")
        found.append(f"{name}{version}" + (f" ; {' and '.join(where)}" if where else ""))
    return found


def pyproject(wheel_name: str) -> str:
    """The bundle's `pyproject.toml`: the wheel beside it, and the versions that it was tested with."""
    package = project()
    return "\n".join(
        [
            "[project]",
            'name = "atlas-mcp-bundle"',
            f"version = {json.dumps(package['version'])}",
            f"requires-python = {json.dumps(package['requires-python'])}",
            f"dependencies = [{json.dumps(package['name'])}]",
            "",
            "[tool.uv]",
            "package = false",
            "compile-bytecode = true",
            "constraint-dependencies = [",
            *(f"  {json.dumps(pin)}," for pin in pins()),
            "]",
            "",
            "[tool.uv.sources]",
            f"{package['name']} = {{ path = {json.dumps(wheel_name)} }}",
            "",
        ]
    )


def contents() -> dict[str, bytes]:
    """Every file of the bundle, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        built = wheel(Path(folder))
        files = {built.name: built.read_bytes()}
    described = manifest(*asyncio.run(offered()))
    files |= {
        "manifest.json": as_json(described),
        "pyproject.toml": pyproject(built.name).encode(),
        ".python-version": f"{about()['python']}\n".encode(),
        "start.py": (SOURCE / "start.py").read_bytes(),
        "icon.png": (SOURCE / "icon.png").read_bytes(),
    }
    return files | {name: (ROOT / name).read_bytes() for name in ("LICENSE", "NOTICE")}


def packed(files: dict[str, bytes], path: Path) -> None:
    """Write files into an archive that depends on nothing but them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)


# The registry ----------------------------------------------------------------------------------------------


def server_json() -> JsonObject:
    """What the MCP registry is told; the server's name there is the one in the README, which PyPI shows."""
    package, ours = project(), about()
    named = NAME_IN_README.search((ROOT / "README.md").read_text("utf-8"))
    if named is None:
        sys.exit(
            "README.md names no server for the registry; write <!-- mcp-name: io.github.OWNER/atlas-mcp -->."
        )
    return {
        "$schema": REGISTRY_SCHEMA,
        "name": named[1],
        "title": ours["display_name"],
        "description": ours["short"],
        "version": package["version"],
        "packages": [
            {
                "registryType": "pypi",
                "identifier": package["name"],
                "version": package["version"],
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "packageArguments": [{"type": "positional", "value": "serve"}],
                "environmentVariables": [variable(each) for each in ours["asked"].values()],
            }
        ],
    }


def variable(asked: JsonObject) -> JsonObject:
    """One variable of the environment, as the registry has it."""
    # A list is given as JSON, which is no path.
    single = {"directory": "filepath", "number": "number"}.get(asked["type"], "string")
    return {
        "name": asked["variable"],
        "description": asked.get("registry", asked["description"]),
        "format": "string" if asked.get("multiple") else single,
        "isRequired": False,
        "isSecret": asked.get("sensitive", False),
    }


def as_json(content: JsonObject) -> bytes:
    """JSON as people read it."""
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


def main() -> None:
    """Write both."""
    path = ROOT / "dist" / f"{project()['name']}-{project()['version']}.mcpb"
    (ROOT / "server.json").write_bytes(as_json(server_json()))
    packed(contents(), path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
