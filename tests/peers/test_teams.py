"""Each of the five teams, asked by both clients: of documents without a model, and by a script of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, validate

from atlas_mcp.evaluation.trial import compared
from tests.peers.asking_teams import DOCUMENTED, SCRIPTED, Asking, both_clients, case_of, script_of
from tests.peers.clients import Inspector
from tests.peers.place import Place, configured, over_http

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.peers.asking_teams import Told

pytestmark = [
    pytest.mark.peer,
    pytest.mark.parametrize("client", ["inspector", "claude"]),
    pytest.mark.parametrize("team", list(SCRIPTED)),
]


@pytest.fixture(scope="module")
def schemas(address: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """By tool, the schema of its output as a client is told it."""
    inspector = Inspector([f"{address}/mcp"], "modern", tmp_path_factory.mktemp("listing"))
    tools = inspector.ask("tools/list")["tools"]
    return {tool["name"]: tool["outputSchema"] for tool in tools}


@pytest.fixture(scope="module")
def documented(
    address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Mapping[str, Told]]]:
    """All teams at one server, in the newer era."""
    servers = configured(tmp_path_factory.mktemp("documented"), atlas=over_http(address))
    with both_clients([Asking("atlas", *each) for each in DOCUMENTED.items()], servers, "modern") as told:
        yield told


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Mapping[str, Told]]]:
    """A server for each team, in the older era; its script is the model."""
    folder = tmp_path_factory.mktemp("scripted")
    asking = [Asking(team, team, case_of(team)) for team in SCRIPTED]
    with ExitStack() as stack:
        # A client's own start of five servers at once may take longer than Claude Code waits for them.
        at = {
            team: stack.enter_context(Place.make(folder / team, script_of(team)).over_http())
            for team in SCRIPTED
        }
        servers = configured(folder, **{team: over_http(address) for team, address in at.items()})
        yield stack.enter_context(both_clients(asking, servers, "legacy"))


def test_a_team_gives_what_its_schema_says_of_documents_alone(
    team: str,
    client: str,
    documented: Mapping[str, Mapping[str, Told]],
    schemas: Mapping[str, dict[str, Any]],
) -> None:
    told = documented[client][team]()
    validate(told, schemas[team], Draft202012Validator)
    assert (told["state"], told["partial"]) == ("done", False)
    assert compared(DOCUMENTED[team].expect, told["output"]) == []
    assert told["output"]["made_with"]["language_model"] is False


def test_a_team_gives_what_its_case_expects_of_its_script(
    team: str,
    client: str,
    scripted: Mapping[str, Mapping[str, Told]],
    schemas: Mapping[str, dict[str, Any]],
) -> None:
    told = scripted[client][team]()
    validate(told, schemas[team], Draft202012Validator)
    assert (told["state"], told["partial"]) == ("done", False)
    assert compared(case_of(team).expect, told["output"]) == []
    assert told["output"]["made_with"]["providers"] == ["scripted"]
