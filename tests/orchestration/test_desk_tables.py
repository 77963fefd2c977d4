"""What a worker computes at its desk is evidence that a later check finds verbatim."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.computing.calculation import Computed, is_computed, read
from atlas_mcp.downstream.toolbox import Toolbox
from atlas_mcp.errors import InvalidInput
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.messages import ToolCall, ToolResult
from atlas_mcp.orchestration.desk import TABLES, TOOLS, Desk
from atlas_mcp.text.verbatim import locate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

DATA = Path(__file__).parent.parent / "data"


async def unheard(_label: str, _done: int, _total: int) -> None:
    pass


@asynccontextmanager
async def opened(home: Path, *documents: object, user: str = "ada") -> AsyncGenerator[Desk]:
    async with open_memory(home, None) as memory:
        yield await desk_of(memory, *documents, user=user)


async def desk_of(memory: Memory, *documents: object, user: str = "ada") -> Desk:
    desk = Desk(memory, user, [str(document) for document in documents])
    await desk.open_documents(unheard)
    return desk


async def use(desk: Desk, name: str, **arguments: Any) -> ToolResult:
    return await Toolbox(desk.tools(), ["*"]).call(ToolCall("c1", name, arguments))


async def results(desk: Desk, name: str, **arguments: Any) -> list[Computed]:
    given = await use(desk, name, **arguments)
    assert not given.error, given.text
    return [made for passage in given.passages for made in read(passage.text)]


def test_the_tools_that_compute_may_be_granted_by_name() -> None:
    assert {"calculate", "list_tables", "table_statistics", "query_table", "trend"} == TABLES
    assert set(TOOLS) > TABLES


async def test_a_calculation_is_evidence_found_verbatim_in_what_is_stored(home: Path) -> None:
    async with opened(home) as desk:
        given = await use(
            desk, "calculate", expression="percent_change(old, new)", variables={"old": 80, "new": 100.4},
            inputs=["p12", "p14"],
        )  # fmt: skip
        (passage,) = given.passages
        assert is_computed(passage.source)
        (made,) = read(passage.text)
        assert made.value == 25.5
        assert made.inputs == ("old = 80", "new = 100.4", "p12", "p14")
        stored = await desk.snapshot(passage.source.sha256)
        assert stored[passage.start : passage.start + len(passage.text)] == passage.text
        assert locate("percent_change(old, new) = 25.5", stored)


async def test_what_one_user_computed_no_other_reads(home: Path) -> None:
    async with open_memory(home, None) as memory:
        mine, other = await desk_of(memory), await desk_of(memory, user="eve")
        given = await use(mine, "calculate", expression="1 + 1")
        with pytest.raises(InvalidInput, match="no snapshot"):
            await other.snapshot(given.passages[0].source.sha256)
        await memory.forget(given.passages[0].source.uri, scope="computed:ada")
        with pytest.raises(InvalidInput):
            await mine.snapshot(given.passages[0].source.sha256)


@pytest.mark.parametrize(
    ("name", "arguments", "what"),
    [
        ("calculate", {"expression": "9**9**9"}, "more than 1,000 digits"),
        ("calculate", {"expression": "__import__('os')"}, "does not belong here"),
        ("calculate", {"expression": "1", "variables": {"a": "b"}}, "variables"),
        ("table_statistics", {"table": "nothing.csv"}, "Tables: harbour_traffic.csv"),
        ("table_statistics", {"table": "harbour_traffic.csv", "columns": ["Shps"]}, "Did you mean 'Ships'?"),
        ("query_table", {"table": "harbour_traffic.csv", "where": [{"column": "Ships"}]}, "where"),
        ("trend", {"table": "harbour_traffic.csv", "column": "Harbour"}, "column of texts"),
    ],
)
async def test_a_wrong_call_is_a_result_that_says_what_to_write(
    name: str, arguments: dict[str, Any], what: str, home: Path
) -> None:
    async with opened(home, DATA / "harbour_traffic.csv") as desk:
        given = await use(desk, name, **arguments)
        assert given.error
        assert what in given.text


async def test_tables_of_every_kind_are_at_hand(home: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# Ranges\n\n| Port | Range |\n|---|---|\n| Fundy | 16 |\n| Brest | 7 |\n", "utf-8")
    files = [DATA / "harbour_traffic.csv", DATA / "harbour_budget.xlsx", DATA / "niederschlag.csv"]
    async with opened(home, *files, notes, "a,b\nx,1\ny,2\n") as desk:
        told = (await use(desk, "list_tables")).text.splitlines()
    assert [line.partition(": ")[0] for line in told][:1] == ["harbour_budget.xlsx"]
    assert "harbour_traffic.csv: 48 rows; Month (date), Harbour (text), Ships (number)" in told[2]
    assert "Share spent (number, %)" in told[0]
    assert any(line.startswith("Ranges: Ranges: 2 rows") for line in told)
    assert len(told) == 6


async def test_statistics_queries_and_trends_give_lines_to_quote(home: Path) -> None:
    async with opened(home, DATA) as desk:
        by = await results(
            desk, "table_statistics", table="harbour_traffic.csv", columns=["Ships"], group_by="Harbour"
        )
        assert [made.expression for made in by][2:4] == [
            "sum(Ships) of harbour_traffic.csv where Harbour is Ostby",
            "sum(Ships) of harbour_traffic.csv where Harbour is Vestnes",
        ]
        top = await results(desk, "query_table", table="plan", sort="-Spent", top=1, columns=["Spent"])
        assert top[1].value == 208_300
        assert top[1].expression == "Spent of Office Salaries 2024-12-20 in harbour_budget.xlsx: Plan"
        grown = await results(desk, "trend", table="Staff", column="Staff")
        assert any(made.expression.startswith("cagr(Staff) from 2021 to 2024") for made in grown)


async def test_rows_of_a_table_are_found_by_search_and_quoted(home: Path) -> None:
    async with opened(home, DATA / "niederschlag.csv") as desk:
        given = await use(desk, "search_documents", query="Bergau 2016 Niederschlag")
        quote = "Jahr: 2016; Station: Bergau; Niederschlag mm: 1123; Sonne h: 1526"
        assert any(quote in passage.text for passage in given.passages)


async def test_a_file_that_is_gone_or_changed_is_computed_from_what_was_read(
    home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "long.csv"
    rows = "name,n\n" + "".join(f"r{n},{n}\n" for n in range(1_500))
    file.write_text(rows, "utf-8")
    async with opened(home, file) as desk:
        whole = await results(desk, "table_statistics", table="long.csv", columns=["n"])
        assert (whole[0].value, whole[0].inputs) == (1_500, ("1,500 rows",))
    for left in ("name,n\nsecret,1\nother,2\n", None):
        file.write_text(rows, "utf-8")
        async with opened(home, file) as desk:
            file.unlink() if left is None else file.write_text(left, "utf-8")
            part = await results(desk, "table_statistics", table="long.csv", columns=["n"])
            assert part[0].value == 1_000
            assert part[0].inputs[-1] == "only the first 1,000 of 1,500 rows are known"


async def test_a_path_that_now_leads_elsewhere_gives_nothing_that_was_not_read(
    home: Path, tmp_path: Path
) -> None:
    outside, file = tmp_path / "outside.csv", tmp_path / "in.csv"
    outside.write_text("name,n\nsecret,1\nsecret,2\n", "utf-8")
    file.write_text("name,n\na,10\nb,20\n", "utf-8")
    async with opened(home, file) as desk:
        file.unlink()
        file.symlink_to(outside)
        made = await results(desk, "query_table", table="in.csv")
        assert [each.value for each in made] == [2, 10, 20]


async def test_what_cannot_be_read_as_a_table_is_told(home: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    (tmp_path / "docs" / "ok.csv").write_text("name,n\na,10\nb,20\n", "utf-8")
    async with open_memory(home, None) as memory:
        counted = await (desk := Desk(memory, "ada", [str(tmp_path / "docs")])).open_documents(unheard)
        assert "Save it as .xlsx or CSV" in counted.skipped[0][1]
        assert (await use(desk, "list_tables")).text.startswith("ok.csv: 2 rows")


async def test_a_worker_begins_with_the_statistics_that_bear_on_its_goal(home: Path) -> None:
    async with opened(home, DATA) as desk:
        passages = await desk.opening_statistics("How did the delay differ between the harbours?")
        assert 1 <= len(passages) <= 6
        assert "Delay (h)" in passages[0].text
        for passage in passages:
            assert passage.text in await desk.snapshot(passage.source.sha256)
            assert read(passage.text)
        assert len({passage.id for passage in passages}) == len(passages)


async def test_tables_alone_are_described_whatever_the_goal_and_texts_alone_give_nothing(home: Path) -> None:
    async with opened(home, DATA / "harbour_traffic.csv") as desk:
        assert 1 <= len(await desk.opening_statistics("What is there to say?")) <= 6
    async with opened(home, DATA, "# Text\n\nNothing to count.\n") as desk:
        assert await desk.opening_statistics("What is there to say?") == ()
    async with opened(home, "# Text\n\nNothing to count.\n") as desk:
        assert await desk.opening_statistics("How many ships?") == ()
