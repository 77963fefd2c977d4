"""What the MCP registry is told of ATLAS.

The registry's JSON Schema is on its own site alone, so what it demands of the keys in use is written here.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from jsonschema import Draft202012Validator
from typer.main import get_command

from atlas_mcp.cli.program import program
from tools import make_bundle

ROOT = make_bundle.ROOT
WRITTEN: dict[str, Any] = json.loads((ROOT / "server.json").read_text("utf-8"))
PACKAGE: dict[str, Any] = WRITTEN["packages"][0]
RANGE = r"^[\^~<>=]|[*]|\.x\b|^latest$"


def strict(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": required, "additionalProperties": False,
    }  # fmt: skip


TEXT = {"type": "string", "minLength": 1}
VERSION = {"type": "string", "minLength": 1, "maxLength": 255, "not": {"pattern": RANGE}}
DEMANDED = strict(
    ["$schema", "name", "description", "version", "packages"],
    **{"$schema": {"const": make_bundle.REGISTRY_SCHEMA}},
    name={"type": "string", "maxLength": 200, "pattern": r"^io\.github\.[a-zA-Z0-9-]+/[a-zA-Z0-9._-]+$"},
    title=TEXT | {"maxLength": 100},
    description=TEXT | {"maxLength": 100},
    version=VERSION,
    packages={
        "type": "array",
        "items": strict(
            ["registryType", "identifier", "version", "transport"],
            registryType={"const": "pypi"},
            identifier=TEXT,
            version=VERSION,
            runtimeHint={"const": "uvx"},
            transport=strict(["type"], type={"const": "stdio"}),
            packageArguments={
                "type": "array",
                "items": strict(["type", "value"], type={"const": "positional"}, value=TEXT),
            },
            environmentVariables={
                "type": "array",
                "items": strict(
                    ["name", "description"],
                    name={"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
                    description=TEXT,
                    format={"enum": ["string", "number", "boolean", "filepath"]},
                    isRequired={"type": "boolean"},
                    isSecret={"type": "boolean"},
                ),
            },
        ),
    },
)


def test_server_json_has_what_the_registry_demands_and_nothing_that_it_does_not_know() -> None:
    Draft202012Validator.check_schema(DEMANDED)
    validator: Any = Draft202012Validator(DEMANDED)
    assert [error.message for error in validator.iter_errors(WRITTEN)] == []


def test_server_json_is_what_make_bundle_writes() -> None:
    assert make_bundle.as_json(make_bundle.server_json()) == (ROOT / "server.json").read_bytes()


def test_its_package_is_this_one_in_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {WRITTEN["version"], PACKAGE["version"]} == {project["version"]}
    assert PACKAGE["identifier"] == project["name"]
    assert PACKAGE["identifier"] in project["scripts"], "uvx runs the command of the package's name"


def test_the_readme_that_pypi_shows_holds_its_name_once() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"<!-- mcp-name: (\S+) -->", readme) == [WRITTEN["name"]]


def test_its_arguments_are_a_command_that_the_program_knows() -> None:
    words = [argument["value"] for argument in PACKAGE["packageArguments"]]
    command: Any = get_command(program)
    assert words == ["serve"]
    command.commands[words[0]].make_context("atlas-mcp", words[1:])


def test_keys_are_secret_and_nothing_is_required() -> None:
    variables = PACKAGE["environmentVariables"]
    assert {each["name"] for each in variables if each["isSecret"]} == {
        each["name"] for each in variables if each["name"].endswith(("_KEY", "_TOKEN"))
    }
    assert not any(each["isRequired"] for each in variables)


def test_the_bundle_brings_the_wheel_that_was_built_and_asks_no_index_for_atlas() -> None:
    uv = tomllib.loads(make_bundle.pyproject("atlas_mcp-1-py3-none-any.whl"))["tool"]["uv"]
    assert uv["sources"] == {"atlas-mcp": {"path": "atlas_mcp-1-py3-none-any.whl"}}
    assert not [pin for pin in uv["constraint-dependencies"] if pin.startswith("atlas")]
