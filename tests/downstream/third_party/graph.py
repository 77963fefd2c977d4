"""What Microsoft Graph answers about an invented account: two files, a letter and a meeting.

The shapes are those of https://learn.microsoft.com/en-us/graph/api/overview (v1.0), as far as the MCP server
of `servers/microsoft365.toml` asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.downstream.third_party.wires import Asked

__all__ = ["DRIVE", "LETTER", "WORKBOOK", "graph"]

DRIVE, WORKBOOK, LETTER = "drive1", "item1", "letter1"
HOME = "https://sternhaven-my.sharepoint.com/personal/pilot"
WHEN = "2026-02-03T10:30:00Z"


def _file(item: str, name: str, kind: str) -> dict[str, Any]:
    return {
        "id": item,
        "name": name,
        "webUrl": f"{HOME}/Documents/{name}",
        "size": 9_216,
        "createdDateTime": "2026-02-01T09:00:00Z",
        "lastModifiedDateTime": WHEN,
        "file": {"mimeType": kind},
        "parentReference": {"driveId": DRIVE, "path": f"/drives/{DRIVE}/root:"},
    }


FILES = [
    {
        **_file(WORKBOOK, "ranges.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        "description": "Tidal ranges of the harbours, by the gauge of 2026.",
    },
    _file("item2", "pilots.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
]
RANGE = {
    "address": "Ranges!A1:B3",
    "rowCount": 3,
    "columnCount": 2,
    "values": [["Harbour", "Spring m"], ["Sternhaven", 5.2], ["Lee", 4.1]],
    "text": [["Harbour", "Spring m"], ["Sternhaven", "5.2"], ["Lee", "4.1"]],
}
MESSAGE = {
    "id": LETTER,
    "subject": "The gauge at the east mole",
    "bodyPreview": "The mean spring range is 5.4 metres by the new gauge.",
    "body": {
        "contentType": "html",
        "content": "<html><head><style>p{}</style></head><body>"
        "<p>The mean spring range is 5.4 metres by the new gauge.</p>"
        "<p>The old staff was read in feet.</p></body></html>",
    },
    "receivedDateTime": WHEN,
    "webLink": "https://outlook.office365.com/owa/?ItemID=letter1&exvsurl=1&viewmodel=ReadMessageItem",
    "from": {"emailAddress": {"name": "Harbour master", "address": "master@sternhaven.example"}},
}
MEETING = {
    "id": "meeting1",
    "subject": "Reading of the gauge",
    "bodyPreview": "We read the gauge at the east mole at low water.",
    "start": {"dateTime": "2026-02-10T08:00:00.0000000", "timeZone": "UTC"},
    "end": {"dateTime": "2026-02-10T09:00:00.0000000", "timeZone": "UTC"},
    "webLink": "https://outlook.office365.com/owa/?itemid=meeting1&exvsurl=1&path=/calendar/item",
}

_ITEM = f"/drives/{DRIVE}/items/{WORKBOOK}"
_SHEET = f"{_ITEM}/workbook/worksheets/Ranges"
ANSWERS: dict[str, Any] = {
    "/me": {"displayName": "Pilot", "userPrincipalName": "pilot@sternhaven.example"},
    "/me/drives": {"value": [{"id": DRIVE, "driveType": "business", "name": "OneDrive", "webUrl": HOME}]},
    f"/drives/{DRIVE}/search(q='tides')": {"value": FILES},
    f"/drives/{DRIVE}/items/root/children": {"value": FILES},
    _ITEM: FILES[0],
    f"{_ITEM}/workbook/worksheets": {"value": [{"id": "{1}", "name": "Ranges", "position": 0}]},
    f"{_SHEET}/usedRange()": RANGE,
    f"{_SHEET}/range(address='A1:B3')": RANGE,
    "/me/messages": {"value": [MESSAGE]},
    f"/me/messages/{LETTER}": MESSAGE,
    "/me/calendarView": {"value": [MEETING]},
}
"""What a GET below /v1.0 answers."""


def graph(asked: Asked) -> Any:
    """The answer to a request; None where there is nothing at its address."""
    return ANSWERS.get(asked.path.removeprefix("/v1.0"))
