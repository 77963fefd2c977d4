"""Agent cards: front matter and persona, and every mistake named by file and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.card import load_card
from atlas_mcp.errors import InvalidConfiguration

if TYPE_CHECKING:
    from pathlib import Path

CLAUDE_CODE = """---
name: code-reviewer
description: Expert code review specialist. Use immediately after writing code.
tools: Read, Grep, Glob
model: sonnet
color: purple
1: a key that is a number
---

You are a senior code reviewer.

---

Review like one.
"""


def write(folder: Path, text: str | bytes, name: str = "web.md") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_card_is_front_matter_and_persona(tmp_path: Path) -> None:
    card = load_card(
        write(tmp_path, "---\ndescription: Reads.\ntools: [search_*]\nmaxTurns: 3\n---\nYou read.\n")
    )
    assert (card.name, card.description, card.tools, card.max_turns) == ("web", "Reads.", ("search_*",), 3)
    assert card.persona == "You read."


def test_an_agent_file_of_claude_code_is_a_card_and_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    card = load_card(write(tmp_path, CLAUDE_CODE))
    assert (card.name, card.tools) == ("code-reviewer", ("Read", "Grep", "Glob"))
    assert card.persona.startswith("You are a senior")
    assert card.persona.endswith("Review like one.")
    assert (card.model_extra or {})["color"] == "purple"


@pytest.mark.parametrize(
    "written", [b"\xef\xbb\xbf---\ndescription: D\n---\nP\n", b"---\r\ndescription: D\r\n---\r\nP\r\n"]
)
def test_a_card_may_come_from_windows(tmp_path: Path, written: bytes) -> None:
    card = load_card(write(tmp_path, written))
    assert (card.description, card.persona) == ("D", "P")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("You read.", "does not begin with front matter"),
        ("---\ndescription: D\n", "does not begin with front matter"),
        ("---\ndescription: a: b\n---\nP\n", "line 2"),
        ("---\ntools: []\ndescription: [a\n---\nP\n", "not valid YAML"),
        ("---\ndescription: 2026-13-45\n---\nP\n", "not valid YAML"),
        (f"---\ndescription: {'[' * 5000}\n---\nP\n", "not valid YAML"),
        ("---\n- a\n- b\n---\nP\n", "no list of keys"),
        ("---\nname: web\n---\nP\n", "description"),
        ("---\ndescription: ''\n---\nP\n", "description"),
        ("---\ndescription: D\n---\n\n", "persona"),
        ("---\ndescription: D\nmaxTurns: 0\n---\nP\n", "maxTurns"),
        ("---\ndescription: D\nmax_output_tokens: many\n---\nP\n", "max_output_tokens"),
        ("---\ndescription: D\ntools: [1]\n---\nP\n", "tools"),
        ("---\ndescription: D\nsampling: hot\n---\nP\n", "sampling"),
        ("---\nname: 7\ndescription: D\n---\nP\n", "name"),
        (b"---\ndescription: \xff\n---\nP\n", "UTF-8"),
    ],
)
def test_a_mistake_in_a_card_is_named_by_file_and_key(tmp_path: Path, text: str | bytes, said: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InvalidConfiguration) as caught:
        load_card(file)
    assert str(file) in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("front", "line", "remedy"),
    [
        ("name: web\ndescription: Finds: what is there", 3, 'description: "Finds: what is there"'),
        ("description: @all tides", 2, 'description: "@all tides"'),
        ("tools: [a, b]\ndescription: 'tis new\nname: web", 3, 'description: "tis new"'),
        ('description: Says "tides": yes', 2, r'description: "Says \"tides\": yes"'),
        ("description: 2026-13-45", 2, 'description: "2026-13-45"'),
    ],
)
def test_front_matter_that_is_no_yaml_is_told_with_the_line_and_how_to_quote_it(
    tmp_path: Path, front: str, line: int, remedy: str
) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load_card(write(tmp_path, f"---\n{front}\n---\nP\n"))
    assert f"line {line}" in caught.value.message
    assert remedy in caught.value.remedy


def test_a_value_of_another_type_is_told_with_what_to_write(tmp_path: Path) -> None:
    for front, remedy in (
        ("description: yes", 'Put it in double quotes: description: "…".'),
        ("name: web", "Write a line `description: …` between the two lines `---`."),
        ("description: D\ntools: {a: b}", "Write a list: tools: [a, b]."),
    ):
        with pytest.raises(InvalidConfiguration) as caught:
            load_card(write(tmp_path, f"---\n{front}\n---\nP\n"))
        assert caught.value.remedy == remedy


def test_a_card_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    for name in ("missing.md", "folder.md"):
        with pytest.raises(InvalidConfiguration, match=name):
            load_card(tmp_path / name)
