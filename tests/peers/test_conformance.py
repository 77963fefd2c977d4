"""The protocol's conformance suite against ATLAS, as it is and with the suite's fixtures added."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers.place import PACKAGES, PROTOCOL, Place, run_node, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.peer

SUITE = PACKAGES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
EXPECTED = Path(__file__).parent / "conformance"
SERVER = "tests.peers.conformance.server"


@pytest.fixture(scope="module")
def address_with_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = Place.make(tmp_path_factory.mktemp("conformance") / "place")
    with serving([sys.executable, "-m", SERVER], place.environment) as address:
        yield address


def run_suite(address: str, folder: Path, *options: str) -> None:
    done = run_node(
        str(SUITE),
        "server",
        "--url",
        f"{address}/mcp",
        *options,
        "-o",
        str(folder / "results"),
        folder=folder,
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("=== SUMMARY ===") :] + done.stderr


@pytest.mark.parametrize("revision", PROTOCOL.values())
def test_atlas_passes_what_a_revision_requires_of_a_server_without_fixtures(
    revision: str, address: str, tmp_path: Path
) -> None:
    expected = str(EXPECTED / "expected-of-atlas.yml")
    run_suite(address, tmp_path, "--requirements", revision, "--expected-failures", expected)


@pytest.mark.parametrize("revision", PROTOCOL.values())
def test_atlas_with_fixtures_passes_what_a_revision_requires(
    revision: str, address_with_fixtures: str, tmp_path: Path
) -> None:
    expected = str(EXPECTED / "expected-with-fixtures.yml")
    run_suite(address_with_fixtures, tmp_path, "--requirements", revision, "--expected-failures", expected)


@pytest.mark.parametrize(
    ("revision", "scenario"),
    [
        ("2025-11-25", "server-session-lifecycle"),  # written after the revision was released
        ("2026-07-28", "http-header-validation"),  # the suite's own server does not pass it yet
    ],
)
def test_atlas_passes_what_the_suite_has_but_does_not_require(
    revision: str, scenario: str, address: str, tmp_path: Path
) -> None:
    run_suite(address, tmp_path, "--scenario", scenario, "--spec-version", revision)
