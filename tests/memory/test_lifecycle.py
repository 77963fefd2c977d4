"""Memories are forgotten with a receipt, exported, imported."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import InvalidInput
from atlas_mcp.learning import Evidence, Learning, LearningKind
from atlas_mcp.memory.documents.knowledge import Inline
from atlas_mcp.memory.lifecycle import Line, read_lines, uri_of
from atlas_mcp.memory.memory import Memory, open_memory
from atlas_mcp.memory.quoting import quoted_scope
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.memory.scope import Scope
from atlas_mcp.surface.memory_receipts import receipt_text
from tests.memory.word_embedder import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

ANNA, BOB = Scope("anna"), Scope("bob")


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncGenerator[Memory]:
    async with open_memory(tmp_path, WordEmbedder()) as memory:
        yield memory


async def keep(memory: Memory, text: str, *sources: str, scope: Scope = ANNA) -> str:
    evidence = tuple(Evidence("quote", "x", source) for source in sources)
    (added,) = await memory.remember([Learning(LearningKind.FACT, text, evidence)], scope=scope)
    return added.id


async def test_a_receipt_names_what_went_and_what_rests_on_it(memory: Memory) -> None:
    first = await keep(memory, "The Danube is long.")
    second = await keep(memory, "Long rivers carry ships.", uri_of(first))
    third = await keep(memory, "Ships need pilots.", uri_of(second))
    receipt = await memory.forget_memories([first, "m_none"], scope=ANNA)
    assert receipt.memories == (first,)
    assert receipt.derived == (second, third)
    assert receipt.unknown == ("m_none",)
    assert not receipt.derived_forgotten
    assert len(await memory.memories(ANNA)) == 2


async def test_a_receipt_names_what_forgetting_does_not_reach(memory: Memory) -> None:
    wish = Learning(LearningKind.PREFERENCE, "Write briefly.", run_id="r_1")
    (added,) = await memory.remember([wish], scope=ANNA)
    fact = await keep(memory, "The Danube is long.")
    await memory.record.begin_feed("neo4j")
    receipt = await memory.forget_memories([added.id], scope=ANNA)
    assert (receipt.runs, receipt.reminded, receipt.indexes) == (("r_1",), True, {"neo4j": "pending"})
    text = receipt_text(receipt, dry_run=False)
    assert "still says it: r_1" in text
    assert "neo4j: not reached" in text
    assert "until their next task" in text
    receipt = await memory.forget_memories([fact], scope=ANNA)
    assert (receipt.runs, receipt.reminded) == ((), False)


async def test_an_index_that_is_not_in_use_and_has_heard_all_is_done(memory: Memory) -> None:
    await memory.record.begin_feed("neo4j")
    first, second = await keep(memory, "The Danube is long."), await keep(memory, "The Rhine is long.")
    await memory.forget_memories([first], scope=ANNA)
    for change in await memory.record.pending("neo4j") or ():
        await memory.record.fed("neo4j", change.number)
    assert (await memory.forget_memories(["m_none"], scope=ANNA)).indexes == {"neo4j": "done"}
    await memory.record.begin_feed("neo4j.filling")
    assert (await memory.forget_memories(["m_none"], scope=ANNA)).indexes == {"neo4j": "pending"}
    await memory.record.end_feed("neo4j.filling")
    assert (await memory.forget_memories([second], scope=ANNA)).indexes == {"neo4j": "pending"}


async def test_an_index_that_was_left_too_far_behind_still_holds_what_is_forgotten(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atlas_mcp.memory.record.outbox.MOST_WAITING", 8)
    monkeypatch.setattr("atlas_mcp.memory.record.outbox.LOOK", 4)
    await memory.record.begin_feed("neo4j")
    ids = [await keep(memory, f"River {number} is long.") for number in range(20)]
    assert await memory.record.pending("neo4j") is None
    assert (await memory.forget_memories(ids, scope=ANNA)).indexes == {"neo4j": "pending"}


async def test_a_forgetting_that_is_cut_off_leaves_nothing_that_cannot_be_found_again(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "note:rivers"
    await memory.ingest([Inline("The Danube is long.", uri=uri)], scope=ANNA.own)
    first = await keep(memory, "The Danube is long.", uri)
    quoted = await memory.keep_computed(
        "The Danube is long: quoted.", scope=quoted_scope("anna"), uri=uri_of(first)
    )
    removing = memory.record.remove

    async def cut_off(*asked: Any) -> Any:
        await removing(*asked)
        raise asyncio.CancelledError

    monkeypatch.setattr(memory.record, "remove", cut_off)
    with pytest.raises(asyncio.CancelledError):
        await memory.forget_document(uri, scope=ANNA, derived=True)
    with pytest.raises(InvalidInput, match="no snapshot"):
        await memory.snapshot(quoted)
    assert await memory.memories(ANNA) == []
    monkeypatch.setattr(memory.record, "remove", removing)
    assert await memory.has_read(uri, scope=ANNA.own)
    assert (await memory.forget_document(uri, scope=ANNA, derived=True)).document == uri


async def test_what_is_quoted_while_it_is_forgotten_is_not_kept(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await keep(memory, "The Danube is long.")
    removing = memory.record.remove
    quoted: list[str] = []

    async def quoting(*asked: Any) -> Any:
        quoted.append(await memory.keep_computed("Long.", scope=quoted_scope("anna"), uri=uri_of(first)))
        return await removing(*asked)

    monkeypatch.setattr(memory.record, "remove", quoting)
    assert (await memory.forget_memories([first], scope=ANNA)).snapshots == 1
    with pytest.raises(InvalidInput, match="no snapshot"):
        await memory.snapshot(quoted[0])


async def test_a_damaged_store_that_was_moved_aside_goes_when_something_is_forgotten(
    memory: Memory, tmp_path: Path
) -> None:
    aside = tmp_path / "chroma.broken-20260101T000000"
    aside.mkdir()
    (aside / "chroma.sqlite3").write_bytes(b"vectors")
    first = await keep(memory, "The Danube is long.")
    await memory.forget_memories(["m_none"], scope=ANNA)
    assert aside.is_dir()
    await memory.forget_memories([first], scope=ANNA)
    assert not aside.exists()


async def test_what_was_derived_goes_along_if_asked(memory: Memory) -> None:
    first = await keep(memory, "The Danube is long.")
    second = await keep(memory, "Long rivers carry ships.", uri_of(first))
    await keep(memory, "Ships are loud.")
    receipt = await memory.forget_memories([first], scope=ANNA, derived=True)
    assert receipt.derived == (second,)
    assert receipt.derived_forgotten
    assert [each.text for each in await memory.memories(ANNA)] == ["Ships are loud."]


async def test_a_document_is_forgotten_with_what_was_learned_from_it(memory: Memory) -> None:
    await memory.ingest([Inline("Rivers are long.", uri="note:rivers")], scope=ANNA.own)
    learned = await keep(memory, "Rivers are long.", "note:rivers")
    kept = await memory.forget_document("note:rivers", scope=BOB, derived=True)
    assert (kept.document, kept.derived) == ("", ())
    receipt = await memory.forget_document("note:rivers", scope=ANNA, derived=True)
    assert (receipt.document, receipt.derived) == ("note:rivers", (learned,))
    assert await memory.memories(ANNA) == []
    assert await memory.search("rivers", scope=ANNA.own) == []


async def test_another_user_forgets_nothing(memory: Memory) -> None:
    first = await keep(memory, "The Danube is long.")
    receipt = await memory.forget_memories([first], scope=BOB)
    assert (receipt.memories, receipt.unknown) == ((), (first,))
    assert len(await memory.memories(ANNA)) == 1


async def test_an_export_taken_in_elsewhere_is_the_same_memory(memory: Memory, tmp_path: Path) -> None:
    old = await keep(memory, "The limit is 45 s.", "file:///a.md")
    await memory.remember(
        [Learning(LearningKind.FACT, "The limit is 60 s.", score=4.4)], scope=ANNA, closes={0: [old]}
    )
    lines = [json.dumps(line) async for line in memory.export(ANNA)]
    async with open_memory(tmp_path / "other", None) as other:
        done = await other.import_memories(lines, scope=BOB)
        assert (len(done.added), done.known, done.skipped) == (2, 0, [])
        closed, held = await other.memories(BOB, Filters(closed=True))
        assert (closed.superseded_by, held.score, held.origin) == (held.id, 4.4, "import")
        again = await other.import_memories(lines, scope=BOB)
        assert (again.added, again.known) == ([], 2)
        assert len(await other.memories(BOB, Filters(closed=True))) == 2
    back = await memory.import_memories(lines, scope=ANNA)
    assert (back.added, back.known) == ([], 2)


async def test_what_names_another_names_it_as_it_is_called_here(memory: Memory, tmp_path: Path) -> None:
    old = await keep(memory, "The limit is 45 s.")
    rests = await keep(memory, "Calls may hang for 45 s.", uri_of(old), "file:///a.md")
    others = [Learning(LearningKind.FACT, f"River {number} is long.") for number in range(100)]
    await memory.remember(others, scope=ANNA)
    await memory.remember([Learning(LearningKind.FACT, "The limit is 60 s.")], scope=ANNA, closes={0: [old]})
    lines = [json.dumps(line) async for line in memory.export(ANNA)]
    async with open_memory(tmp_path / "other", None) as other:
        for _ in range(2):
            await other.import_memories(lines, scope=BOB)
            found = await other.memories(BOB, Filters(closed=True), most=200)
            here = {each.text: each for each in found}
            closed, new = here["The limit is 45 s."], here["The limit is 60 s."]
            assert (closed.superseded_by, new.closed_at) == (new.id, None)
            sources = [each.source for each in here["Calls may hang for 45 s."].evidence]
            assert sources == [uri_of(closed.id), "file:///a.md"]
            resting = await other.record.resting_on([uri_of(closed.id)], BOB)
            assert resting == [here["Calls may hang for 45 s."].id]
            assert await other.record.resting_on([uri_of(old)], BOB) == []
    await memory.import_memories(lines, scope=ANNA)
    (stored,) = await memory.get_memories([rests], scope=ANNA)
    assert [each.source for each in stored.evidence] == [uri_of(old), "file:///a.md"]


async def held_again(memory: Memory) -> list[str]:
    """The lines of an export in which what was superseded holds again."""
    kiel = await keep(memory, "The office is in Kiel.")
    said = [Learning(LearningKind.FACT, f"The office is in {place}.") for place in ("Bonn", "Kiel")]
    (bonn,) = await memory.remember(said[:1], scope=ANNA, closes={0: [kiel]})
    await memory.remember(said[1:], scope=ANNA, closes={0: [bonn.id]})
    return [json.dumps(line) async for line in memory.export(ANNA)]


async def superseded(memory: Memory) -> list[tuple[str, str | None]]:
    """The texts of all memories, each with that of the memory that superseded it."""
    found = await memory.memories(BOB, Filters(closed=True))
    of = {each.id: each.text for each in found}
    assert sum(each.closed_at is None for each in found) == 1
    return [(each.text, of.get(each.superseded_by or "", each.superseded_by)) for each in found]


HISTORY = [
    ("The office is in Kiel.", "The office is in Bonn."),
    ("The office is in Bonn.", "The office is in Kiel."),
    ("The office is in Kiel.", None),
]


async def test_what_holds_again_keeps_its_history(memory: Memory, tmp_path: Path) -> None:
    lines = await held_again(memory)
    async with open_memory(tmp_path / "other", None) as other:
        done = await other.import_memories(lines, scope=BOB)
        assert (len(done.added), done.known) == (3, 0)
        assert await superseded(other) == HISTORY
        again = await other.import_memories(lines, scope=BOB)
        assert (again.added, again.known) == ([], 3)
        assert await superseded(other) == HISTORY


async def test_what_says_only_when_it_was_closed_is_closed_though_the_import_was_cut_off(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = '{"text": "The office is in Kiel.", "valid_from": "2020-01-01", "closed_at": "2021-01-01"}'

    async def cut_off(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(memory.record, "close", cut_off)
        with pytest.raises(asyncio.CancelledError):
            await memory.import_memories([line], scope=ANNA)
    await memory.import_memories([line], scope=ANNA)
    (stored,) = await memory.memories(ANNA, Filters(closed=True))
    assert stored.closed_at
    assert str(stored.valid_to).startswith("2021-01-01")


@pytest.mark.parametrize("step", ["close", "rename"])
@pytest.mark.parametrize("most", [1, 64])
async def test_an_import_that_was_cut_off_is_made_whole_by_the_next(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, most: int
) -> None:
    monkeypatch.setattr("atlas_mcp.memory.memory.PORTION", most)
    lines = await held_again(memory)

    async def cut_off(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    async with open_memory(tmp_path / "other", None) as other:
        with monkeypatch.context() as patched:
            patched.setattr(other.record, step, cut_off)
            with pytest.raises(asyncio.CancelledError):
                await other.import_memories(lines, scope=BOB)
        await other.import_memories(lines, scope=BOB)
        assert await superseded(other) == HISTORY


async def test_lines_without_an_id_are_superseded_by_nobody(memory: Memory) -> None:
    lines = [
        '{"text": "Backups run nightly."}',
        '{"text": "The office is in Kiel.", "valid_from": "2020-01-01", "closed_at": "2021-01-01"}',
        '{"text": "Bonn.", "valid_from": "2021-01-01", "valid_to": "2022-01-01", "closed_at": "2022-01-01"}',
    ]
    for _ in range(2):
        await memory.import_memories(lines, scope=ANNA)
        found = await memory.memories(ANNA, Filters(closed=True))
        assert [each.superseded_by for each in found] == [None] * 3
        assert [each.closed_at is None for each in found] == [True, False, False]


@pytest.mark.parametrize("team", ["", "Research", "a b", "x" * 65, "../x", "a\n"])
async def test_a_team_that_cannot_be_one_is_refused(memory: Memory, team: str) -> None:
    done = await memory.import_memories([json.dumps({"text": "One.", "team": team})], scope=ANNA)
    ((_, reason),) = done.skipped
    assert "is no name of a team" in reason
    done = await memory.import_memories(['{"text": "One.", "team": "my-team_2"}'], scope=ANNA)
    assert len(done.added) == 1


async def test_a_line_that_is_none_is_named_and_the_rest_taken_in(memory: Memory) -> None:
    lines = [
        '{"text": "One."}', "", "no json", "[]", '{"v": 9, "text": "x"}', '{"text": ""}',
        '{"text": "x", "kind": "rumour"}', '{"text": "x", "valid_from": "soon"}', '{"text": "Two."}',
    ]  # fmt: skip
    done = await memory.import_memories(lines, scope=ANNA)
    assert [number for number, _ in done.skipped] == [3, 4, 5, 6, 7, 8]
    assert "version 9" in done.skipped[2][1]
    assert [each.text for each in await memory.memories(ANNA)] == ["One.", "Two."]


async def test_what_ended_is_taken_in_once(memory: Memory) -> None:
    line = '{"text": "The port was closed.", "valid_from": "2020-01-01", "valid_to": "2021-01-01"}'
    first = await memory.import_memories([line], scope=ANNA)
    again = await memory.import_memories([line], scope=ANNA)
    assert (len(first.added), again.added, again.known) == (1, [], 1)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000, '{"text": "x \\ud800"}', '{"text": "x", "run_id": {}}', '{"text": "x", "team": 5}',
        '{"text": "x", "superseded_by": ["m_1"], "closed_at": "2026-01-01"}',
        '{"text": "x", "evidence": [{"kind": "quote", "source": {}}]}',
        '{"text": "x", "score": 1' + "0" * 5_000 + "}",
        '{"text": "x", "evidence": [{"kind": "rating", "score": "high"}]}', '{"text": "x", "shared": true}',
        '{"text": "x", "valid_from": "2026-01-01", "valid_to": "2020-01-01"}',
    ],
)  # fmt: skip
async def test_a_line_that_could_not_be_stored_holds_up_no_other(memory: Memory, line: str) -> None:
    done = await memory.import_memories(['{"text": "One."}', line, '{"text": "Two."}'], scope=ANNA)
    assert [number for number, _ in done.skipped] == [2]
    assert [each.text for each in await memory.memories(ANNA)] == ["One.", "Two."]


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()))
KEYS = st.sampled_from(["v", "id", "kind", "text", "score", "evidence", "valid_from", "closed_at", "team",
                        "run_id", "superseded_by", "shared"])  # fmt: skip


@given(st.one_of(st.text(), st.dictionaries(KEYS, VALUES).map(json.dumps)))
def test_any_line_is_read_or_refused(line: str) -> None:
    assert all(isinstance(said, str | Line) for _, said in read_lines([line]))
