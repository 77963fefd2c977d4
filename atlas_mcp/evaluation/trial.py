"""Tries a team's cases, each in a data folder that is thrown away, without a model and without a network."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from atlas_mcp.app import open_atlas
from atlas_mcp.errors import AtlasError
from atlas_mcp.orchestration.asking import QuestionKind
from atlas_mcp.orchestration.team import CASES
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.providers.scripted import ScriptedProvider
from atlas_mcp.settings import MemorySettings, Settings

if TYPE_CHECKING:
    from atlas_mcp.evaluation.case import Case, Expectation
    from atlas_mcp.orchestration.store import RunRow
    from atlas_mcp.orchestration.team import Team

__all__ = ["Verdict", "compared", "try_case"]

LONGEST_SECONDS = 120.0
"""How long a case may take."""

_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a case: in words, all that is not as it should be; nothing means that it passed."""

    case: str
    problems: tuple[str, ...]
    seconds: float


async def try_case(team: Team, case: Case) -> Verdict:
    """Let the team do what a case asks, and compare."""
    since = perf_counter()
    with TemporaryDirectory(prefix="atlas-case-", ignore_cleanup_errors=True) as home:
        try:
            problems = await _tried(team, case, Path(home))
        except AtlasError as error:
            problems = (f"it could not begin: {error}",)
    return Verdict(case.name, tuple(problems), round(perf_counter() - since, 3))


async def _tried(team: Team, case: Case, home: Path) -> tuple[str, ...]:
    settings = Settings(home=home, memory=MemorySettings(embeddings=False))
    there = settings.config / "teams" / team.name
    await asyncio.to_thread(
        shutil.copytree, team.folder, there, ignore=shutil.ignore_patterns(CASES, ".*", "__pycache__")
    )
    provider = ExtractiveProvider() if case.script is None else ScriptedProvider(case.script)
    try:
        async with open_atlas(settings, roots=[team.folder], provider=provider) as atlas:
            run = await atlas.start(team.name, documents=case.documents, **case.input)
            await run.envelope(wait_seconds=LONGEST_SECONDS)
            while asked := await atlas.questions(run.id):
                # Nobody is there to be asked: a plan is approved, and what cannot go on is given up.
                answer = "approve" if asked[0].kind is QuestionKind.APPROVE_PLAN else "give_up"
                await atlas.answer(run.id, {"decision": answer}, question_id=asked[0].id)
                await run.envelope(wait_seconds=LONGEST_SECONDS)
            row = await atlas.get(run.id)
    finally:
        await provider.aclose()
    return tuple(_judged(case.expect, row))


def _judged(expect: Expectation, row: RunRow) -> list[str]:
    if not row.final:
        return [f"the run was still {row.state} after {LONGEST_SECONDS:.0f} s"]
    if row.error is not None:
        code = str(row.error["code"])
        if code == expect.error:
            return []
        remedy = row.error.get("remedy") or ""
        return [f"the run failed ({code}): {row.error['message']} {remedy}".strip()]
    if expect.error is not None:
        return [f"error: the run is {row.state}; it should fail with {expect.error}"]
    problems: list[str] = []
    if expect.partial is not None and row.partial is not expect.partial:
        problems.append(f"partial: is {str(row.partial).lower()}")
    return problems + compared(expect, row.output or {})


def compared(expect: Expectation, output: dict[str, Any]) -> list[str]:
    """In words, all of a team's output that is not as its case expects; nothing where it is."""
    problems = [f"{name}: is empty" for name in expect.fields if output.get(name) in (None, "", [], {})]
    for name, texts in expect.contains.items():
        said = _plain(output.get(name))
        problems += [
            f"{name}: does not contain {text!r}; it is {_shown(output.get(name))}"
            for text in texts
            if _plain(text) not in said
        ]
    for name, texts in expect.lacks.items():
        said = _plain(output.get(name))
        problems += [f"{name}: contains {text!r}" for text in texts if _plain(text) in said]
    for name, least in expect.at_least.items():
        if (there := _size(output.get(name))) < least:
            problems.append(f"{name}: {there:g}, should be at least {least:g}")
    for name, most in expect.at_most.items():
        if (there := _size(output.get(name))) > most:
            problems.append(f"{name}: {there:g}, should be at most {most:g}: {_shown(output.get(name))}")
    return problems


def _size(value: object) -> float:
    """A number as it is; else how many entries there are, or whether there is anything."""
    if isinstance(value, int | float):
        return value
    return len(value) if isinstance(value, list | dict) else float(value is not None)  # pyright: ignore[reportUnknownArgumentType]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> str:
    return " ".join(_text(value).split()).casefold()


def _shown(value: object) -> str:
    text = " ".join(_text(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
