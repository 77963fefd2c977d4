"""What GitHub's REST API answers about an invented repository, at api.github.com and at an enterprise's own.

The shapes are those of https://docs.github.com/en/rest, as far as GitHub's MCP server reads them.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.downstream.third_party.wires import Asked

__all__ = ["ENTERPRISE", "FILE", "ISSUES", "REPOSITORY", "github"]

ENTERPRISE = "github.example"
"""The host of a GitHub of one's own, whose API is below /api/v3."""

FILE = '"""Tide tables."""\n\nRANGE_METRES = {"Sternhaven": (5.2, 2.4)}\n'
PATH = "tides/tables.py"
NAME = "sternhaven/tides"
REPOSITORY = f"https://github.com/{NAME}"
COMMIT = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
BLOB = "9c3a1f0b57875f334f61aebed695e2e4193db5e1"
PILOT = {"login": "pilot", "id": 1, "html_url": "https://github.com/pilot"}
WHEN = "2026-02-03T10:30:00Z"


def _issue(number: int, title: str, body: str) -> dict[str, Any]:
    return {
        "number": number,
        "html_url": f"{REPOSITORY}/issues/{number}",
        "repository_url": f"https://api.github.com/repos/{NAME}",
        "title": title,
        "body": body,
        "state": "open",
        "created_at": "2026-02-01T09:00:00Z",
        "updated_at": WHEN,
        "user": PILOT,
        "author_association": "OWNER",
        "labels": [],
        "comments": 0,
    }


ISSUES = [
    _issue(
        7, "Spring range is wrong by 20 cm", "The almanac says 5.2 metres, the harbour master 5.4 metres."
    ),
    _issue(9, "Neap tides are missing in March", "The table for March 2026 has no neap tides."),
]
PULL = {
    **_issue(8, "Correct the spring range", "Sets the mean spring range to 5.4 metres."),
    "html_url": f"{REPOSITORY}/pull/8",
    "pull_request": {"html_url": f"{REPOSITORY}/pull/8"},
    "head": {"ref": "range", "sha": COMMIT, "repo": {"full_name": NAME}},
    "base": {"ref": "main", "sha": COMMIT, "repo": {"full_name": NAME}},
    "merged": False,
}
COMMENTS = [
    {
        "id": 70 + number,
        "html_url": f"{REPOSITORY}/issues/7#issuecomment-{70 + number}",
        "body": said,
        "user": PILOT,
        "author_association": "OWNER",
        "created_at": WHEN,
        "updated_at": WHEN,
    }
    for number, said in enumerate(("The staff was read in feet.", "It is 5.4 metres by the new gauge."))
]
ABOUT = {
    "id": 1,
    "name": "tides",
    "full_name": NAME,
    "private": False,
    "html_url": REPOSITORY,
    "description": "Tide tables of Sternhaven, and how they are computed.",
    "default_branch": "main",
    "owner": PILOT,
    "language": "Python",
    "stargazers_count": 12,
    "updated_at": WHEN,
}
CODE = {
    "name": "tables.py",
    "path": PATH,
    "sha": BLOB,
    "html_url": f"{REPOSITORY}/blob/main/{PATH}",
    "repository": ABOUT,
}
CONTENTS = {
    **CODE,
    "type": "file",
    "encoding": "base64",
    "size": len(FILE),
    "content": base64.b64encode(FILE.encode()).decode(),
    "url": f"https://api.github.com/repos/{NAME}/contents/{PATH}",
    "git_url": f"https://api.github.com/repos/{NAME}/git/blobs/{BLOB}",
    "download_url": f"https://raw.githubusercontent.com/{NAME}/main/{PATH}",
    "_links": {"self": "https://api.github.com", "git": None, "html": None},
}
TREE = {
    "sha": COMMIT,
    "truncated": False,
    "tree": [
        {"path": "tides", "mode": "040000", "type": "tree", "sha": COMMIT},
        {"path": PATH, "mode": "100644", "type": "blob", "sha": BLOB, "size": len(FILE)},
    ],
}
SIGNED = {"name": "Pilot", "email": "pilot@sternhaven.example", "date": WHEN}
COMMITS = [
    {
        "sha": COMMIT,
        "html_url": f"{REPOSITORY}/commit/{COMMIT}",
        "commit": {"message": "Measure the range anew", "author": SIGNED, "committer": SIGNED},
        "author": PILOT,
        "committer": PILOT,
    }
]
RELEASE = {
    "id": 3,
    "tag_name": "v2.1",
    "name": "Tables for 2026",
    "body": "The tables for 2026 use the tide gauge at the east mole.",
    "html_url": f"{REPOSITORY}/releases/tag/v2.1",
    "published_at": WHEN,
    "author": PILOT,
}


def github(asked: Asked) -> Any:
    """The answer to a request; None where there is nothing at its address."""
    path = asked.path.removeprefix("/api/v3") if asked.host == ENTERPRISE else asked.path
    if path.startswith("/search/"):
        return _searched(path.removeprefix("/search/"), asked.query.get("q", ""))
    about = f"/repos/{NAME}"
    return ANSWERS.get(path.removeprefix(about).strip("/")) if path.startswith(about) else None


def _searched(kind: str, query: str) -> Any:
    items = {"code": [CODE], "repositories": [ABOUT], "issues": [PULL] if "is:pr" in query else ISSUES}.get(
        kind
    )
    return items and {"total_count": len(items), "incomplete_results": False, "items": items}


ANSWERS = {
    "": ABOUT,
    f"contents/{PATH}": CONTENTS,
    "git/ref/heads/main": {"ref": "refs/heads/main", "object": {"sha": COMMIT, "type": "commit"}},
    "git/trees/main": TREE,
    "commits": COMMITS,
    "releases/latest": RELEASE,
    "pulls/8": PULL,
    "issues/7": ISSUES[0],
    "issues/9": ISSUES[1],
    "issues/7/comments": COMMENTS,
}
"""What a GET below the repository's address answers."""
