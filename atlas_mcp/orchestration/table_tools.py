"""The tools that compute: a calculator, and questions to the tables among a run's documents.

What they give is evidence like a passage of a document: each result a line, stored where a later check of
the quote looks for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_mcp.downstream.toolbox import Found, Tool
from atlas_mcp.errors import AtlasError, InvalidInput
from atlas_mcp.orchestration import table_specs as specs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from atlas_mcp.computing.calculation import Computed
    from atlas_mcp.computing.cells import Column
    from atlas_mcp.computing.table import Table
    from atlas_mcp.memory.documents.documents import KnownDocument
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.messages import Passage

__all__ = ["TableTools", "computed_scope"]

MOST_SEARCHED = 200
"""Documents that are no tables and are looked through for tables within them."""
MOST_OPENING = 6
_MOST_CATEGORIES = 12
_MOST_TOLD = 60


def computed_scope(user: str) -> str:
    """Where what was computed for a user is kept."""
    return f"computed:{user}"


class TableTools:
    """The tables among the documents of one run, and what is computed of them.

    `library` tells which documents those are: `scope`, and `documents` by id or None for all.
    """

    def __init__(self, memory: Memory, user: str, library: Callable[[], Mapping[str, Any]]) -> None:
        self._memory = memory
        self._scope = computed_scope(user)
        self._library = library
        self._tables: dict[str, Table] | None = None
        self._left: list[str] = []
        self._bare = True
        self._opening = asyncio.Lock()

    def tools(self) -> tuple[Tool, ...]:
        """The tools, in the order of their names' tuple `specs.NAMES`."""
        return (
            Tool(specs.CALCULATE, self._calculate),
            Tool(specs.LIST_TABLES, self._list),
            Tool(specs.TABLE_STATISTICS, self._statistics),
            Tool(specs.QUERY_TABLE, self._query),
            Tool(specs.TREND, self._trend),
        )

    async def opening_statistics(self, goal: str) -> tuple[Passage, ...]:
        """At most six passages with statistics that bear on a goal, the best first.

        Where none shares a word with the goal, and the documents are tables alone, the first table's.
        """
        tables = await self._at_hand()
        if not tables:
            return ()
        chosen = await asyncio.to_thread(_opening, goal, list(tables.values()), fallback=not self._bare)
        passages: list[Passage] = []
        for table, groups in chosen.items():
            passages += (await self._found("table_statistics", f"Statistics of {table}", groups)).passages
        return tuple(passages)

    async def _found(self, tool: str, title: str, groups: Sequence[tuple[str, Sequence[Computed]]]) -> Found:
        """Results as evidence, stored first."""
        from atlas_mcp.computing.calculation import sheet

        made = sheet(tool, title, groups)
        if not made.passages:
            return Found("Nothing could be computed: the rows or columns hold no values for it.")
        await self._memory.keep_computed(made.text, scope=self._scope, uri=made.passages[0].source.uri)
        count = sum(len(results) for _, results in groups)
        return Found(f"{count} result{'' if count == 1 else 's'}. Quote a line to cite it.", made.passages)

    async def _calculate(self, arguments: dict[str, Any]) -> Found:
        from atlas_mcp.computing.calculation import Computed
        from atlas_mcp.computing.expression import evaluate, names_in
        from atlas_mcp.computing.figures import settled

        expression, variables = arguments["expression"], arguments.get("variables", {})
        value = settled(await asyncio.to_thread(evaluate, expression, variables))
        used = [f"{name} = {_told(variables[name])}" for name in names_in(expression) if name in variables]
        result = Computed(expression, value, (*used, *arguments.get("inputs", ())))
        return await self._found("calculate", "Calculation", [("Calculation", [result])])

    async def _list(self, _arguments: dict[str, Any]) -> Found:
        tables = await self._at_hand()
        lines = [
            f"{table.name}: {table.rows:,} rows; "
            + ", ".join(
                f"{column.name} ({column.kind}{f', {column.unit}' if column.unit else ''})"
                for column in table.columns[:40]
            )
            + (f"; {table.note}" if table.note else "")
            for table in tables.values()
        ]
        left = [f"Not read: {reason}" for reason in self._left[:10]]
        return Found("\n".join([*lines[:_MOST_TOLD], *left]) or "There are no tables among the documents.")

    async def _statistics(self, arguments: dict[str, Any]) -> Found:
        table = await self._table(arguments["table"])
        columns = [table.column(name) for name in arguments.get("columns", ())]
        by = table.column(arguments["group_by"]) if arguments.get("group_by") else None
        groups = await asyncio.to_thread(_statistics_of, table, columns or list(table.columns)[:12], by)
        return await self._found("table_statistics", f"Statistics of {table.name}", groups)

    async def _query(self, arguments: dict[str, Any]) -> Found:
        from atlas_mcp.computing.query import Condition, Query, asked

        table = await self._table(arguments["table"])
        query = Query(
            columns=tuple(arguments.get("columns", ())),
            where=tuple(
                Condition(each["column"], each["op"], each["value"]) for each in arguments.get("where", ())
            ),
            sort=arguments.get("sort", ""),
            top=arguments.get("top", 10),
            aggregate=arguments.get("aggregate"),
            group_by=arguments.get("group_by", ""),
        )
        results = await asyncio.to_thread(asked, table, query)
        return await self._found(
            "query_table", f"Query of {table.name}", [(f"Query of {table.name}", results)]
        )

    async def _trend(self, arguments: dict[str, Any]) -> Found:
        from atlas_mcp.computing.statistics import time_column

        table = await self._table(arguments["table"])
        column = table.column(arguments["column"])
        over = table.column(arguments["over"]) if arguments.get("over") else time_column(table)
        results = await asyncio.to_thread(_trend_of, table, column, None if over is column else over)
        heading = f"Trend of {column.name} in {table.name}"
        return await self._found("trend", heading, [(heading, results)])

    async def _table(self, name: str) -> Table:
        """A table by its name, or by a part of it that no other has.

        :raises InvalidInput: there is none; names those there are.
        """
        tables = await self._at_hand()
        wanted = name.casefold().strip()
        alike = [table for key, table in tables.items() if wanted in key.casefold()]
        exact = [table for table in alike if table.name.casefold() == wanted]
        if len(found := exact or alike) == 1:
            return found[0]
        names = ", ".join(list(tables)[:20]) or "none"
        what = "is no table here" if not found else f"could be any of {len(found)} tables"
        raise InvalidInput(f"{name!r} {what}.", remedy=f"Tables: {names}.")

    async def _at_hand(self) -> dict[str, Table]:
        """The tables by name, read once; what cannot be read is noted with the reason."""
        async with self._opening:
            if self._tables is None:
                self._tables = await self._read()
        return self._tables

    async def _read(self) -> dict[str, Table]:
        from atlas_mcp.computing.table import MOST_CELLS
        from atlas_mcp.text.readers import TABLE

        library = self._library()
        wanted = library.get("documents")
        known = await self._memory.documents(library["scope"])
        known = [each for each in known if wanted is None or each.id in set(wanted)]
        files = [each for each in known if each.media_type == TABLE]
        others = [each for each in known if each.media_type != TABLE]
        self._bare = bool(others)
        tables: dict[str, Table] = {}
        cells = 0
        for document in (*files, *others[:MOST_SEARCHED]):
            try:
                found = await self._read_one(document, library["scope"], is_file=document.media_type == TABLE)
            except AtlasError as error:
                self._left.append(error.message)
                continue
            for table in found:
                cells += table.rows * len(table.columns)
                if cells > MOST_CELLS:
                    self._left.append(f"{table.name}: the tables before it have {MOST_CELLS:,} cells already")
                    continue
                name = _unlike(table.name, tables)
                tables[name] = replace(table, name=name)
        return tables

    async def _read_one(self, document: KnownDocument, scope: str, *, is_file: bool) -> list[Table]:
        """A document's tables: from its file if that is still what was read, else from the stored text."""
        from atlas_mcp.computing.tables import read_tables, tables_in

        if is_file and (data := await self._memory.original(document.uri, scope=scope)) is not None:
            return await asyncio.to_thread(read_tables, data, document.title)
        text = await self._memory.snapshot(document.sha256, scope=scope)
        bare = document.uri.startswith("text:") or document.uri.endswith((".csv", ".tsv"))
        return await asyncio.to_thread(tables_in, text, document.title, bare=bare)


def _unlike(name: str, taken: Mapping[str, Table]) -> str:
    unlike, number = name, 2
    while unlike in taken:
        unlike, number = f"{name} ({number})", number + 1
    return unlike


def _told(value: float | Sequence[float]) -> str:
    if not isinstance(value, int | float):
        shown = ", ".join(_told(each) for each in value[:10])
        return f"[{shown}{', ...' if len(value) > 10 else ''}]"  # noqa: PLR2004 - enough to know it by
    return repr(value)


def _statistics_of(
    table: Table, columns: Sequence[Column], by: Column | None
) -> list[tuple[str, list[Computed]]]:
    from atlas_mcp.computing.statistics import SHARES, described, groups

    if by is None:
        return [(f"{column.name} of {table.name}", described(table, column)) for column in columns]
    found: list[tuple[str, list[Computed]]] = [
        (f"{by.name} of {table.name}", groups(table, None, by, "count"))
    ]
    for column in columns:
        if column.kind == "number" and column is not by:
            names = ("mean",) if column.unit in SHARES else ("sum", "mean")
            results = [made for name in names for made in groups(table, column, by, name)]
            found.append((f"{column.name} by {by.name} of {table.name}", results))
    return found


def _trend_of(table: Table, column: Column, over: Column | None) -> list[Computed]:
    from atlas_mcp.computing.statistics import correlation, trend

    related = correlation(table, column, over) if over is not None else []
    return [*related, *trend(table, column, over)]


def _opening(
    goal: str, tables: Sequence[Table], *, fallback: bool
) -> dict[str, list[tuple[str, list[Computed]]]]:
    """By table, the groups of results whose words are nearest to the goal's, six at most in all."""
    from atlas_mcp.computing.calculation import write
    from atlas_mcp.text.ranking import lexical_scores

    offered = [(table.name, group) for table in tables for group in _candidates(table) if group[1]]
    texts = [f"{heading}\n" + "\n".join(map(write, results)) for _, (heading, results) in offered]
    scores = lexical_scores(goal, texts)
    order = sorted(range(len(offered)), key=lambda at: -scores[at])
    best = [at for at in order if scores[at] > 0][:MOST_OPENING]
    if not best and fallback:
        best = [at for at, (name, _) in enumerate(offered) if name == offered[0][0]][:MOST_OPENING]
    chosen: dict[str, list[tuple[str, list[Computed]]]] = {}
    for at in best:
        name, group = offered[at]
        chosen.setdefault(name, []).append(group)
    return chosen


def _candidates(table: Table) -> list[tuple[str, list[Computed]]]:
    """What could be said of a table unasked: its columns, its numbers by category, how they went."""
    from atlas_mcp.computing.statistics import time_column

    numbers = [column for column in table.columns if column.kind == "number"][:12]
    texts = [column for column in table.columns if column.kind == "text"]
    when = time_column(table)
    found = _statistics_of(table, table.columns[:20], None)
    for by in texts:
        if 1 < len(set(by.texts) - {""}) <= min(_MOST_CATEGORIES, table.rows - 1):
            found += _statistics_of(table, numbers, by)[1:]
    for column in numbers:
        if when is not None and when is not column:
            found.append((f"Trend of {column.name} in {table.name}", _trend_of(table, column, when)))
    return found
