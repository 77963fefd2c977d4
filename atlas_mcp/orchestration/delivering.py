"""The deliver step: a finished document becomes a file, by the tools of a server that writes such files.

What goes into the file is what was checked, word for word: no model writes it again. `files` of the team's
file grants the tools, and a person approves their calls like any other.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any

from atlas_mcp.chunks import Usage
from atlas_mcp.downstream.filing import Part, parts, written
from atlas_mcp.errors import AtlasError, LeaseLost, NotConfigured, ToolFailed, ToolRefused
from atlas_mcp.events import Kind
from atlas_mcp.messages import ToolCall
from atlas_mcp.orchestration.doorkeeping import admit, file_question
from atlas_mcp.orchestration.gate import DOCUMENTS
from atlas_mcp.orchestration.outside import tool_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from atlas_mcp.downstream.entry import Recipe
    from atlas_mcp.downstream.servers import Servers
    from atlas_mcp.downstream.store import Store
    from atlas_mcp.downstream.toolbox import Tools
    from atlas_mcp.orchestration.context import RunContext
    from atlas_mcp.orchestration.state import State, Update
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.providers.budget import Hold

__all__ = ["Delivery", "delivers"]

_PATH = "deliver"


def delivers(team: Team) -> bool:
    """Whether a team's document can be wished for as a file."""
    return bool(_wish(team)) and "files" in team.output_schema["properties"]


class Delivery:
    """The deliver step of one run."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._team = context.team

    async def deliver(self, state: State) -> Update:
        """Make the file that was wished for; one that cannot be made is told, and makes the run partial.

        Where a person did not want it in the end, nothing is missing.
        """
        wished = str(self._context.row.input.get(_wish(self._team)) or "")
        output: dict[str, Any] = state.get("output", {})
        if not wished or not _document(output):
            return {}
        since, wanted = perf_counter(), True
        await self._emit(Kind.STEP_STARTED, step=_PATH, label=f"deliver: writing {wished}")
        try:
            made = await self._made(wished, output)
        except AtlasError as error:
            wanted = not isinstance(error, ToolRefused)
            made = {"name": wished, "path": None, "problem": str(error)}
        seconds = round(perf_counter() - since, 3)
        lost: dict[str, Any] = {} if made["path"] else {"lost": made["name"], "problem": made["problem"]}
        await self._emit(Kind.STEP_FINISHED, step=_PATH, seconds=seconds, files=int(not lost), **lost)
        whole = {**output, "files": [made], "report": _told(output["report"], made)}
        return {"output": whole, "undelivered": bool(lost) and wanted}

    async def _made(self, wished: str, output: Mapping[str, Any]) -> dict[str, Any]:
        if not (output.get("evidence") or output.get("evidence_chain")):
            raise ToolFailed("Nothing was found that it could rest on.", remedy="Name other documents.")
        ending = wished.rpartition(".")[2].lower()
        outside = self._context.outside
        if outside is None:
            raise NotConfigured("Nothing here writes files.", remedy="Configure a server that does.")
        servers = await outside.servers()
        server, recipe = _writer(servers, ending, self._team.files)
        path = await self._path(servers, wished)
        found = parts(_document(output))
        title = str(output.get("title") or _heading(found) or wished)
        # A file of sheets has no place for a title but its properties.
        body = found if recipe.sheet else _body(found, title)
        document = [*body, *_sources(output)]
        calls = written(recipe, document, file=path, title=title)
        card = self._team.cards[self._team.supervisor]
        granted = tuple(each for each in self._team.files if fnmatchcase(server, each.partition("/")[0]))
        writer = card.model_copy(update={"tools": (), "writes": granted, "budget": None})
        cost = sum(servers.entries[server].price(tool) or 0.0 for tool, _ in calls)
        async with _promised(path, self._context.row.run_id, servers.store):
            if outside.asks(servers.entries[server]):
                async with self._set_aside(cost):
                    pass  # a person is not asked for what cannot be paid
                await admit(self._context, file_question(_PATH, self._team.name, server, path, len(calls)))
            # They may take days, in which others spend too; no file is left half written for want of money.
            async with self._set_aside(cost) as hold:
                tools = await self._context.toolbox(writer, _PATH, hold=hold)
                await self._written(server, recipe, calls, tools)
        return {"name": path.replace("\\", "/").rpartition("/")[2], "path": path, "problem": None}

    @asynccontextmanager
    async def _set_aside(self, cost: float) -> AsyncGenerator[Hold | None]:
        """Keep money for the whole of a file from others; what an earlier walk of the step paid is paid.

        Raises:
            BudgetSpent: there is not enough; says whose limit it is.
        """
        told = await self._context.events() if cost else []
        paid = [each for each in told if each.kind is Kind.TOOL_CHARGED and each.span_id == _PATH]
        rest = cost - sum(each.data["cost_usd"] for each in paid)
        hold = self._context.limits.budget.set_aside(rest, closing=True) if rest > 0 else None
        try:
            yield hold
        finally:
            if hold is not None:
                hold.settle(Usage(cost_usd=0.0))

    async def _path(self, servers: Servers, wished: str) -> str:
        """The path that the run was promised; another one where it waited so long that it has it no more."""
        owner = self._context.row.run_id
        for number in count():
            about = wished if number == 0 else f"{wished}/{number}"
            path = await self._context.once(f"{_PATH}/path", about, lambda: servers.free_path(wished, owner))
            if await servers.store.renew_promise(path, owner):
                return path
        raise AssertionError  # there is always another path

    async def _written(
        self, server: str, recipe: Recipe, calls: Sequence[tuple[str, dict[str, Any]]], tools: Tools
    ) -> None:
        """Make every call in order.

        Raises:
            ToolFailed: one failed or was refused; what was written before it stays.
        """
        worked = re.compile(recipe.worked, re.MULTILINE) if recipe.worked else None
        for number, (tool, arguments) in enumerate(calls, start=1):
            call = ToolCall(f"{_PATH}-{number}", tool_name(f"{server}/{tool}"), arguments)
            result = await tools.call(call)
            if result.error or (worked and not worked.search(result.text)):
                raise ToolFailed(
                    f"{server}/{tool} failed at step {number} of {len(calls)}: {result.text[:300]}",
                    remedy="The document is in the run's result.",
                )

    async def _emit(self, kind: Kind, **data: Any) -> None:
        await self._context.emit(kind, self._team.name, _PATH, **data)


@asynccontextmanager
async def _promised(path: str, owner: str, store: Store) -> AsyncGenerator[None]:
    """Keep a path from others until its file is there or will not be; a run that goes on later has it."""
    try:
        yield
    except LeaseLost:
        raise
    except AtlasError:
        await store.end_promise(path, owner, made=False)
        raise
    await store.end_promise(path, owner, made=True)


def _document(output: Mapping[str, Any]) -> str:
    """The document that a team made, or took for its own from a team that worked for it."""
    return next((str(output[name]) for name in DOCUMENTS if output.get(name)), "")


def _heading(found: Sequence[Part]) -> str:
    """The heading that a document begins with, where there is one."""
    return found[0].text if found and found[0].kind == "heading" else ""


def _body(found: Sequence[Part], title: str) -> list[Part]:
    """The parts of a document, without a first heading that only repeats its title."""
    repeats = _heading(found).casefold() == title.casefold()
    return [*found[1:]] if repeats else [*found]


def _wish(team: Team) -> str:
    """The input by which a person names the file."""
    return next((name for name, field in team.input.items() if field.format == "file_name"), "")


def _writer(servers: Servers, ending: str, granted: Sequence[str]) -> tuple[str, Recipe]:
    """The first server that is granted, can be used, and writes such files.

    Raises:
        NotConfigured: there is none; says what each that would lacks.
    """
    named = [each.partition("/")[0] for each in granted]
    able = {
        name: entry for name, entry in servers.entries.items()
        if entry.files and any(fnmatchcase(name, each) for each in named)
    }  # fmt: skip
    writers = [name for name, entry in able.items() if ending in entry.files]
    for name in writers:
        if servers.why_not(name) is None:
            return name, servers.entries[name].files[ending]
    if not writers:
        known = sorted({each for entry in able.values() for each in entry.files})
        raise NotConfigured(
            f"No server writes .{ending} files.", remedy=f"Wish for one of: {', '.join(known) or 'none'}."
        )
    lacking = servers.why_not(writers[0])
    raise NotConfigured(f"No server that writes .{ending} files is ready.", remedy=str(lacking))


def _sources(output: Mapping[str, Any]) -> list[Part]:
    """The quotes that a document rests on, and where they stand, as its last section."""
    titles = {each["id"]: (each["title"], each["uri"]) for each in output.get("sources", ())}
    chain = [each for each in output.get("evidence_chain", ()) if each["cited"]]
    lines: list[Part] = []
    for each in output.get("evidence") or chain:
        title, uri = (each["title"], each["source"]) if chain else titles.get(each["source_id"], ("", ""))
        place = ", ".join(part for part in (title, uri) if part)
        lines.append(Part("item", f"[{each['id']}] “{' '.join(each['quote'].split())}” {place}".strip()))
    return [Part("heading", "Sources", 1), *lines] if lines else []


def _told(report: str, made: Mapping[str, Any]) -> str:
    line = f"Saved as {made['path']}" if made["path"] else f"{made['name']} was not made: {made['problem']}"
    return f"{report.rstrip()}\n\n{line}\n"
