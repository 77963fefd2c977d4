"""Agent Skills of a team: described to every agent, told in full to those whose card names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.agents.card import load_card
from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.capabilities import Capability

if TYPE_CHECKING:
    from pathlib import Path

CITING = """---
name: citing
description: How to cite. Use when an answer names sources.
license: Apache-2.0
metadata: {author: somebody}
---
# Citing
Quote exactly.

## Where
At the end.
"""


def skill(team: Path, text: str = CITING, name: str = "citing") -> Path:
    file = team / "skills" / name / "SKILL.md"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def card(team: Path, *keys: str) -> Path:
    file = team / "web.md"
    file.write_text("\n".join(["---", "description: Reads.", *keys, "---", "You read."]))
    return file


def test_a_team_without_skills_says_nothing_of_them(tmp_path: Path) -> None:
    assert load_card(card(tmp_path)).abilities == ""


def test_every_agent_knows_the_descriptions_and_who_names_a_skill_its_text(tmp_path: Path) -> None:
    skill(tmp_path)
    skill(tmp_path, CITING.replace("citing", "tables"), "tables")
    without = load_card(card(tmp_path)).abilities
    assert "- citing: How to cite. Use when an answer names sources.\n- tables: " in without
    assert "Quote exactly" not in without
    named = load_card(card(tmp_path, "skills: [citing]")).abilities
    assert named.startswith(without)
    assert named.endswith("# Skill: citing\n## Citing\nQuote exactly.\n\n### Where\nAt the end.")


def test_further_files_of_a_named_skill_are_named(tmp_path: Path) -> None:
    folder = skill(tmp_path).parent
    (folder / "references").mkdir()
    (folder / "references" / "styles.md").write_text("APA")
    said = load_card(card(tmp_path, "skills: citing")).abilities
    assert said.endswith("Further files of this skill: references/styles.md")
    assert "APA" not in said


def test_a_card_from_elsewhere_goes_without_skills_that_stayed_there(tmp_path: Path) -> None:
    assert load_card(card(tmp_path, "skills: [cite]")).abilities == ""


def test_a_skill_that_is_missing_is_named_with_what_there_is(tmp_path: Path) -> None:
    skill(tmp_path)
    with pytest.raises(InvalidConfiguration, match="skills: there is no skill 'cite'") as caught:
        load_card(card(tmp_path, "skills: [cite]"))
    assert "Did you mean 'citing'?" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Quote exactly.", "does not begin with front matter"),
        (CITING.replace("name: citing\n", ""), "name"),
        (CITING.replace("name: citing", "name: Citing"), "name"),
        (CITING.replace("name: citing", "name: quoting"), "'quoting' is not the name of its folder"),
        (CITING.replace("name: citing", f"name: {'a' * 65}"), "name"),
        ("---\nname: citing\n---\nQuote.\n", "description"),
        (f"---\nname: citing\ndescription: {'d' * 1025}\n---\nQuote.\n", "description"),
        ("---\nname: citing\ndescription: D\n---\n\n", "text"),
        ("---\nname: citing\ndescription: a: b\n---\nQuote.\n", "line 3"),
    ],
)
def test_a_mistake_in_a_skill_is_named_by_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = skill(tmp_path, text)
    with pytest.raises(InvalidConfiguration) as caught:
        load_card(card(tmp_path))
    assert str(file) in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_folder_without_its_file_is_a_mistake_and_what_is_hidden_is_none(tmp_path: Path) -> None:
    (tmp_path / "skills" / ".cache").mkdir(parents=True)
    assert load_card(card(tmp_path)).abilities == ""
    (tmp_path / "skills" / "citing").mkdir()
    with pytest.raises(InvalidConfiguration, match="there is no such skill"):
        load_card(card(tmp_path))


def test_a_card_says_its_task_its_needs_and_who_is_to_answer(tmp_path: Path) -> None:
    read = load_card(
        card(tmp_path, "role: worker", "task: analysis", "needs: tools, vision", "model: fast", "group:")
    )
    assert (read.role, read.task, read.model, read.group) == ("worker", TaskType.ANALYSIS, "fast", None)
    assert read.needs == (Capability.TOOLS, Capability.VISION)


@pytest.mark.parametrize(("key", "said"), [("task: thinking", "task"), ("needs: [magic]", "needs.0")])
def test_a_kind_of_task_or_an_ability_that_is_none_is_named(tmp_path: Path, key: str, said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"{said}: Input should be") as caught:
        load_card(card(tmp_path, key))
    assert caught.value.remedy == "Write one of those, or leave the key out."
