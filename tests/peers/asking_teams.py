"""What each of the five teams is asked here, and how both clients are had to ask it, one beside the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.evaluation.case import Case, Expectation, load_case
from atlas_mcp.orchestration.team import load_team
from tests.peers.clients import Inspector, claude
from tests.peers.fake_anthropic import Call, FakeModel
from tests.peers.place import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tests.peers.fake_anthropic import Exchange

__all__ = ["DOCUMENTED", "READ", "SCRIPTED", "Asking", "Told", "both_clients", "case_of", "script_of"]

READ = _HANDBOOK, _DATA = ROOT / "docs" / "handbook", ROOT / "tests" / "data"
"""The folders that the documents lie in."""

_POLLS = 4
_GOODBYE = "All have answered."

Envelope: TypeAlias = dict[str, Any]

Told: TypeAlias = "Callable[[], Envelope]"
"""Waits for the envelope that a client was given in the end; raises what the client ran into."""


def _asked(expect: dict[str, Any], document: Path, **given: Any) -> Case:
    return Case("documented", given, (str(document),), Expectation.model_validate(expect), None)


DOCUMENTED = {
    "research": _asked(
        {"contains": {"answer": ["90 days", "[f1]"]}, "at_least": {"claims": 1, "findings": 1, "sources": 1}},
        _HANDBOOK, question="How long are finished runs kept?",
    ),
    "analysis": _asked(
        {
            "contains": {"numbers": ["115.75", "69.1667"], "framework": "comparison"},
            "at_least": {"findings": 2, "evidence": 2},
        },
        _DATA / "harbour_traffic.csv", framework="comparison",
        question="What is the mean of ships in Ostby and in Vestnes?",
    ),
    "writing": _asked(
        {"fields": ["title"], "contains": {"document": ["survives", "[f1]"]}, "at_least": {"words": 30}},
        _HANDBOOK, task="A memo on what becomes of a run whose process died.", format="memo",
    ),
    "rating": _asked(
        {"contains": {"gate": "revise", "blocked": "numbers", "revise": "30"}, "at_most": {"truth": 3.5}},
        _HANDBOOK, task="Say how long runs are kept.",
        work="Runs survive the death of their process. Finished runs are kept for 30 days and then removed.",
    ),
    "atlas": _asked(
        {"contains": {"final_output": ["90 days", "[f1]"]}, "at_least": {"evidence_chain": 1}},
        _HANDBOOK, task="How long are finished runs kept, and which setting changes that?",
    ),
}  # fmt: skip
"""By team, what is asked of documents where no model is."""

SCRIPTED = {
    "research": "cites-each-claim",
    "analysis": "weighs-and-attacks",
    "writing": "writes-sections-in-one-voice",
    "rating": "judges-by-criteria-of-ones-own",
    "atlas": "revises-on-a-rating",
}
"""By team, which of its own cases is asked where a script is the model."""


def _file(team: str) -> Path:
    return ROOT / "teams" / team / "cases" / f"{SCRIPTED[team]}.toml"


def case_of(team: str) -> Case:
    """The scripted case of a team."""
    file = _file(team)
    return load_case(file, load_team(file.parents[1]))


def script_of(team: str) -> str:
    """The replies of a team's scripted case, as they stand in its file."""
    text = _file(team).read_text("utf-8")
    return text[text.index("[[reply]]") : text.index("[expect]")]


@dataclass(frozen=True, slots=True)
class Asking:
    """A team and what it is asked, at the server that a client calls `server`."""

    server: str
    team: str
    case: Case

    @property
    def arguments(self) -> dict[str, Any]:
        # Each client has a run of its own, though both ask the same at once.
        return self.case.input | {"documents": list(self.case.documents), "fresh": True}

    def tool(self, name: str) -> str:
        """A tool of the server, as Claude Code calls it."""
        return f"mcp__{self.server}__{name}"

    def inspected(self, servers: Path, era: str) -> Envelope:
        """What the Inspector is given: by the team's tool, or by `run_result` where that takes longer."""
        inspector = Inspector(["--config", str(servers), "--server", self.server], era, servers.parent)
        told = inspector.call(self.team, self.arguments)["structuredContent"]
        for _ in range(_POLLS):
            if "next" in told:
                told = inspector.call("run_result", {"run_id": told["run_id"]})["structuredContent"]
        return told


@contextmanager
def both_clients(askings: Sequence[Asking], servers: Path, era: str) -> Generator[dict[str, dict[str, Told]]]:
    """Both clients at work beside each other: by client and team, what was told in the end.

    Each works through the teams in their order; `servers` is the configuration of both, and the Inspector
    speaks `era`.
    """
    with ThreadPoolExecutor(2) as pool:
        talk = pool.submit(_conversed, askings, servers)
        yield {
            "claude": {each.team: partial(_told_in, talk, each.team) for each in askings},
            "inspector": {each.team: pool.submit(each.inspected, servers, era).result for each in askings},
        }


def _told_in(talk: Future[dict[str, Envelope]], team: str) -> Envelope:
    return talk.result()[team]


def _conversed(askings: Sequence[Asking], servers: Path) -> dict[str, Envelope]:
    """What the model of Claude Code is told when it asks one team after the other, by team."""

    def turn(exchanges: Sequence[Exchange]) -> Call | str:
        told = _last_told(exchanges)
        for asking in askings:
            envelope = told.get(asking.team)
            if envelope is None:
                return Call(asking.tool(asking.team), asking.arguments)
            if "next" in envelope:
                return Call(asking.tool("run_result"), {"run_id": envelope["run_id"]})
        return _GOODBYE

    tools = [asking.tool(name) for asking in askings for name in (asking.team, "run_result")]
    model = FakeModel(tools[0], turn)
    said = claude(model, servers, servers.parent, tools)
    assert said == _GOODBYE, said
    return _last_told(model.exchanges)


def _last_told(exchanges: Sequence[Exchange]) -> dict[str, Envelope]:
    """By team, the last envelope of its run; a refusal in its place."""
    told: dict[str, Envelope] = {}
    asking = ""
    for exchange in exchanges:
        tool = exchange.call.tool.rpartition("__")[2]
        asking = asking if tool == "run_result" else tool
        told[asking] = {"refused": exchange.told} if exchange.is_error else exchange.structured
    return told
