"""What a card says of its agent's memory, and every mistake in it named by file and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.card import load_card
from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.agents.card import Card


def card(folder: Path, *front: str) -> Card:
    file = folder / "web.md"
    file.write_text("\n".join(["---", "description: Reads.", *front, "---", "You read.", ""]), "utf-8")
    return load_card(file)


def test_a_card_without_the_key_has_no_memory(tmp_path: Path) -> None:
    assert not card(tmp_path).resident
    assert card(tmp_path, "memory:").memory == {}


def test_blocks_stand_in_the_order_in_which_they_are_written(tmp_path: Path) -> None:
    made = card(
        tmp_path,
        "memory:",
        "  style: {value: Plain words., read_only: true, shared: true}",
        "  notes: {description: What was learned., limit: 500}",
    )
    assert made.resident
    assert list(made.memory) == ["style", "notes"]
    style, notes = made.memory.values()
    assert (style.value, style.read_only, style.shared, style.limit) == ("Plain words.", True, True, 4_000)
    assert (notes.description, notes.limit, notes.shared) == ("What was learned.", 500, False)


@pytest.mark.parametrize("written", ["memory: [notes, people]", "memory: notes, people"])
def test_a_list_of_labels_is_enough(tmp_path: Path, written: str) -> None:
    made = card(tmp_path, written)
    assert list(made.memory) == ["notes", "people"]
    assert all(block.description for block in made.memory.values())


@pytest.mark.parametrize("scope", ["user", "project", "local"])
def test_a_scope_of_claude_code_is_one_block_of_notes(tmp_path: Path, scope: str) -> None:
    assert list(card(tmp_path, f"memory: {scope}").memory) == ["notes"]


def test_a_recalled_block_needs_no_value(tmp_path: Path) -> None:
    (wishes,) = card(tmp_path, "memory:", "  wishes: {recalled: true, limit: 500}").memory.values()
    assert (wishes.recalled, wishes.value, wishes.limit) == (True, "", 500)


def test_an_archive_may_be_recalled(tmp_path: Path) -> None:
    made = card(tmp_path, "archive: recalled")
    assert made.resident
    assert made.archive == "recalled"
    with pytest.raises(InvalidConfiguration, match="archive: Input should be False, True or 'recalled'"):
        card(tmp_path, "archive: sometimes")


def test_an_archive_alone_is_memory_too(tmp_path: Path) -> None:
    assert card(tmp_path, "archive: true").resident


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("memory: 3", "memory: write a list of labels"),
        ("memory: [notes, notes]", "memory: 'notes' is named twice"),
        ("memory: [two words]", "memory: 'two words' cannot be a label"),
        ("memory: {1: {}}", "memory: 1 cannot be a label"),
        ("memory: {notes: {size: 3}}", "memory.notes.size: there is no such key"),
        ("memory: {notes: {limit: 0}}", "memory.notes.limit: Input should be greater than or equal to 1"),
        ("memory: {notes: {limit: 2, value: abc}}", "memory.notes: its value has 3 characters"),
        ("memory: {notes: {read_only: true}}", "memory.notes: it is read_only and says nothing"),
        ("memory: {notes: {recalled: true, value: a}}", "memory.notes: it is recalled"),
        ("memory: {notes: {recalled: true, shared: true}}", "memory.notes: it is recalled"),
        ("memory: {notes: 3}", "memory.notes: Input should be a table"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        card(tmp_path, written)
    assert f"web.md: {said}" in caught.value.message
    assert "read_only" in caught.value.remedy
