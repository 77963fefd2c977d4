"""`clients/NAME.toml`: where a client keeps its servers, in which format, and how an entry looks."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from atlas_mcp.errors import InvalidConfiguration, InvalidInput
from atlas_mcp.mistakes import in_words

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.catalogue import Catalogue
    from atlas_mcp.install.machine import Machine

__all__ = ["ANY", "Client", "ClientFile", "Scope", "find_client", "load_client", "load_clients"]

Scope: TypeAlias = Literal["user", "project"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Several = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""One text or several."""


class Places(_Table):
    """`[user]`: where the file lies on each system; of several, the first whose folder is there."""

    linux: Several | None = None
    macos: Several | None = None
    windows: Several | None = None


class ClientFile(_Table):
    """A client's file as it is written."""

    title: str = Field(min_length=1)
    format: Literal["json", "jsonc", "toml"]
    """`jsonc` is JSON with comments, which the client then must read, too."""
    trailing_commas: bool = True
    """Whether a client that reads comments reads a comma behind the last of an object or list, too."""
    servers: Several
    """The key under which servers stand, or the keys that lead there."""
    user: Places
    project: str | None = None
    """The file of a project, below its folder; None where the client has none."""
    found: tuple[str, ...] = ()
    """Signs that the client is on this machine: a command, or a path."""
    stdio: dict[str, Any]
    """The entry that starts ATLAS: {command}, {args}, {env} and {names} are filled in."""
    http: dict[str, Any] = {}
    """The entry that names an address, {url}; empty where the client takes none from its file."""
    token: dict[str, Any] = {}
    """What is added to `http` where a token is asked for; it names the variable and never holds the token."""
    variables: str = "none"
    """How a value names a variable of the person's, with NAME for the name.

    `all` where servers are given every variable anyway, `none` where they can be given none by name.
    """
    short_path: bool = False
    """Whether servers are started with less than the person's PATH, so that an entry must bring one."""
    then: str = Field(min_length=1)
    """What a person does afterwards."""
    then_project: str = ""
    """The same for a project's file; empty is as `then` says."""
    remote: str = ""
    """What to know of use over HTTP."""


ANY = ClientFile(
    title="An unknown client",
    format="json",
    servers=("mcpServers",),
    user=Places(),
    stdio={"command": "{command}", "args": "{args}", "env": "{env}"},
    http={"type": "http", "url": "{url}"},
    then="Start the client again.",
)
"""The entry as most clients read it, for those that have no file here."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client by its name, and what its file says."""

    name: str
    file: Path
    says: ClientFile

    def config(self, machine: Machine, scope: Scope) -> Path | None:
        """Where its servers are configured; None where it has no such file on this system."""
        if scope == "project":
            return machine.folder / self.says.project if self.says.project else None
        places: tuple[str, ...] = getattr(self.says.user, machine.system) or ()
        paths = [path for place in places if (path := machine.expanded(place))]
        return next((path for path in paths if path.parent.is_dir()), paths[0] if paths else None)

    def is_here(self, machine: Machine) -> bool:
        """Whether there is a sign of the client on this machine."""
        path = self.config(machine, "user")
        # The home folder is there anyway: a folder of the client's own says that it is, or was.
        own = path is not None and path.parent != machine.home and path.parent.is_dir()
        return own or any(map(machine.has, self.says.found)) or bool(path and path.exists())

    def after(self, scope: Scope) -> str:
        """What a person does once the entry is written."""
        return (self.says.then_project if scope == "project" else "") or self.says.then


def load_client(file: Path) -> Client:
    """Read a client's file.

    Raises:
        InvalidConfiguration: it cannot be read, or a key is unknown or wrong; says which.
    """
    try:
        says = ClientFile.model_validate(tomllib.loads(file.read_text("utf-8-sig")))
    except OSError as error:
        raise InvalidConfiguration(
            f"{file} cannot be read: {error.strerror}.", remedy="Mend its permissions, or move it away."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{file}: {error}.", remedy="Correct that line.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        known = ", ".join(ClientFile.model_fields)
        wrong = "there is no such key" if first["type"] == "extra_forbidden" else in_words(first["msg"])
        raise InvalidConfiguration(f"{file}: {key}: {wrong}.", remedy=f"The keys are {known}.") from None
    return Client(file.stem, file, says)


def load_clients(catalogue: Catalogue) -> dict[str, Client]:
    """Every client by its name.

    Raises:
        InvalidConfiguration: one of their files is wrong.
    """
    return {name: load_client(file) for name, file in catalogue.entries("clients", "*.toml").items()}


def find_client(catalogue: Catalogue, name: str) -> Client:
    """The client of that name, or of that title.

    Raises:
        InvalidInput: there is none; says which there are.
        InvalidConfiguration: its file is wrong.
    """
    files = catalogue.entries("clients", "*.toml")
    meant = name.lower().replace(" ", "-")
    if meant in files:
        return load_client(files[meant])
    close = get_close_matches(meant, files, n=1, cutoff=0.5)
    remedy = f"Did you mean {close[0]}? " if close else ""
    raise InvalidInput(
        f"There is no client {name!r}.",
        remedy=f"{remedy}Clients: {', '.join(files)}."
        " For any other, `atlas-mcp install --print` shows an entry.",
    )
