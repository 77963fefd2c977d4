"""What every side of the benchmark of teams is given, and what it gives: one run, to be made many times."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["DELEGATE", "MODEL", "QUESTION", "WORKERS", "Said", "Team", "Teamwork", "teamwork"]

MODEL = "fake-model"
QUESTION = "How do teams, runs and the journal work together, and what survives a crash?"
DELEGATE = "researcher"
"""A tool with this in its name is a worker: the fake model calls each of them once."""
WORKERS = (f"{DELEGATE}_1", f"{DELEGATE}_2", f"{DELEGATE}_3")

Team: TypeAlias = AbstractAsyncContextManager[Callable[[], Awaitable[str]]]
"""A team that is ready; calling it makes a run and gives the answer."""


@dataclass(frozen=True)
class Said:
    """What one member is told: as the system, and as the user."""

    system: str
    user: str


@dataclass(frozen=True)
class Teamwork:
    """The five calls of a run: where they go and what they say; `bodies` are the requests of ATLAS."""

    url: str
    documents: str
    bodies: list[dict[str, Any]]

    @property
    def plan(self) -> Said:
        """What the supervisor is told first."""
        return _said(self.bodies[0])

    @property
    def work(self) -> list[Said]:
        """What the workers are told, documents and all."""
        return [_said(body) for body in self.bodies[1:-1]]

    @property
    def compose(self) -> Said:
        """What the supervisor is told at last."""
        return _said(self.bodies[-1])


def _said(body: dict[str, Any]) -> Said:
    system, user = (message["content"] for message in body["messages"])
    return Said(system, user)


def teamwork(url: str, documents: str, bodies: str) -> Teamwork:
    """The work whose requests were recorded in the file `bodies`, over the folder `documents`."""
    return Teamwork(url, documents, json.loads(Path(bodies).read_text("utf-8")))
