"""The Microsoft 365 server beside a stand-in of Graph: what its tools find, as sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.downstream.results import documents
from atlas_mcp.errors import AtlasError
from tests.downstream.places import opened
from tests.downstream.third_party.configured import entry
from tests.downstream.third_party.graph import DRIVE, HOME, LETTER, WORKBOOK
from tests.downstream.third_party.places import INSTALLED, KEY, behind
from tests.downstream.third_party.stand_in import standing_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.downstream.servers import Servers

pytestmark = pytest.mark.downstream

TOKEN = "MS365_MCP_OAUTH_TOKEN"  # noqa: S105 - its name
ITEM = {"driveId": DRIVE, "driveItemId": WORKBOOK}
SHEET = f"https://graph.microsoft.com/v1.0/drives/{DRIVE}/items/{WORKBOOK}/workbook/worksheets/Ranges"
LETTERS = "https://outlook.office365.com/owa?ItemID=letter1&exvsurl=1&viewmodel=ReadMessageItem"
SAID = "The mean spring range is 5.4 metres by the new gauge."
TABLE = "Harbour | Spring m\nSternhaven | 5.2\nLee | 4.1"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Servers]:
    assert all(path.exists() for path in INSTALLED), "The servers are not installed; run `make downstream`."
    with standing_in() as web, pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN, KEY)
        folder = tmp_path_factory.mktemp("microsoft")
        async with opened(folder, behind(entry("microsoft365"), web.address)) as servers:
            yield servers
        assert web.strays == []


CASES: dict[str, tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = {
    "files": (
        "search-onedrive-files",
        {"driveId": DRIVE, "q": "tides"},
        [
            (f"{HOME}/Documents/ranges.xlsx", "ranges.xlsx", "by the gauge of 2026."),
            (f"{HOME}/Documents/pilots.docx", "pilots.docx", "pilots.docx"),
        ],
    ),
    "a sheet": (
        "get-excel-used-range",
        {**ITEM, "workbookWorksheetId": "Ranges"},
        [(SHEET, "Ranges!A1:B3", TABLE)],
    ),
    "a range": (
        "get-excel-range",
        {**ITEM, "workbookWorksheetId": "Ranges", "address": "A1:B3"},
        [(f"{SHEET}/range/A1:B3", "Ranges!A1:B3", TABLE)],
    ),
    "mail": ("list-mail-messages", {"search": "gauge"}, [(LETTERS, "The gauge at the east mole", SAID)]),
    "a letter": (
        "get-mail-message",
        {"messageId": LETTER},
        [(LETTERS, "The gauge at the east mole", "The old staff was read in feet.")],
    ),
    "meetings": (
        "get-calendar-view",
        {"startDateTime": "2026-02-01T00:00:00Z", "endDateTime": "2026-03-01T00:00:00Z"},
        [
            (
                "https://outlook.office365.com/owa?itemid=meeting1&exvsurl=1&path=/calendar/item",
                "Reading of the gauge",
                "at low water.",
            )
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_a_tool_finds_is_a_source_at_its_own_address(case: str, servers: Servers) -> None:
    tool, arguments, expected = CASES[case]
    said = await servers.call(f"microsoft365/{tool}", arguments)
    assert not said.error, said.text
    found = documents(servers.entries["microsoft365"], tool, arguments, said.text, said.structured)
    assert [(document.uri, document.title) for document in found] == [each[:2] for each in expected]
    assert all(words in document.text for (*_, words), document in zip(expected, found, strict=True)), found
    assert not any("<p>" in document.text for document in found)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("verify-login", {}, "Pilot"),
        ("list-drives", {}, DRIVE),
        ("list-folder-files", {"driveId": DRIVE, "driveItemId": "root"}, "pilots.docx"),
        ("get-drive-item", ITEM, "ranges.xlsx"),
        ("list-excel-worksheets", ITEM, "Ranges"),
    ],
)
async def test_what_leads_to_sources_is_said(
    tool: str, arguments: dict[str, Any], words: str, servers: Servers
) -> None:
    said = await servers.call(f"microsoft365/{tool}", arguments)
    assert words in said.text
    assert not said.error


async def test_what_is_not_there_and_a_wrong_token_are_said_in_its_words(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "eyJ-of-somebody-else"
    monkeypatch.setenv(TOKEN, wrong)
    with standing_in() as web:
        async with opened(tmp_path, behind(entry("microsoft365"), web.address)) as others:
            for asked, words in (
                (servers, "nothing at this address"),
                (others, "key is missing or not valid"),
            ):
                try:
                    said = await asked.call("microsoft365/get-mail-message", {"messageId": "none"})
                    assert said.error
                    told = said.text
                except AtlasError as error:
                    told = str(error)
                assert words in told
                assert wrong not in told
