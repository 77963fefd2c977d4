"""A machine of a person's own: a temporary home in which every client has servers already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from atlas_mcp.catalogue import Catalogue
from atlas_mcp.install.change import Change, install, uninstall
from atlas_mcp.install.client import Client, load_clients
from atlas_mcp.install.entry import Wish
from atlas_mcp.install.machine import Machine

FILES = Path(__file__).parent / "files"
CLIENTS = load_clients(Catalogue())
KEPT = {file.stem: file.read_bytes() for file in FILES.iterdir()}
"""What stands in each client's file before ATLAS comes."""


@dataclass(frozen=True)
class Desk:
    """A machine, and what is done to it."""

    machine: Machine

    def path(self, name: str) -> Path:
        path = CLIENTS[name].config(self.machine, "user")
        assert path
        return path

    def lay(self, name: str, held: bytes | None = None) -> Path:
        """Put a client's file where the client keeps it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(KEPT[name] if held is None else held)
        return path

    def install(self, name: str, wish: Wish | None = None, *, force: bool = False) -> Change:
        change = install(CLIENTS[name], self.machine, "atlas", wish or Wish(), force=force)
        change.apply()
        return change

    def uninstall(self, name: str, *, force: bool = False) -> Change:
        change = uninstall(CLIENTS[name], self.machine, "atlas", force=force)
        change.apply()
        return change

    def copies(self, name: str) -> list[Path]:
        return sorted(self.path(name).parent.glob("*.before-atlas-*"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    person, project = tmp_path / "person", tmp_path / "project"
    person.mkdir()
    project.mkdir()
    environment = {"HOME": str(person), "OPENAI_API_KEY": "sk-0123456789abcdef0123"}
    command = ("/opt/atlas/bin/atlas-mcp",)
    return Desk(Machine(person, project, environment, "linux", command, Path("/opt/atlas")))


@pytest.fixture(params=sorted(CLIENTS))
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]
