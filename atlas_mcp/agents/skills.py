"""Agent Skills: folders of a team that say how something is done, each with a `SKILL.md`.

A skill is disclosed in three steps. Its description stands before every agent of the team, its text before
those whose card names it, and the further files of its folder are named there, for who has a tool to read
them. The format is the one that Claude Code and others read (https://agentskills.io/specification).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from atlas_mcp.agents.front_matter import read_front_matter
from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.mistakes import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["FOLDER", "Skill", "load_skills", "told"]

FOLDER = "skills"
"""The folder of a team's skills, beside its cards."""

_FILE = "SKILL.md"


class Skill(BaseModel):
    """A skill as its folder describes it; `text` is the body, `files` the paths of what lies beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    description: str = Field(min_length=1, max_length=1_024)
    text: str = Field(min_length=1)
    files: tuple[str, ...] = ()


def load_skills(folder: Path) -> tuple[Skill, ...]:
    """The skills in a folder, by name; none where there is no such folder.

    Raises:
        InvalidConfiguration: one of them is wrong; names file and key.
    """
    if not folder.is_dir():
        return ()
    return tuple(_load(each) for each in sorted(folder.iterdir()) if each.is_dir() and each.name[0] != ".")


def told(skills: Sequence[Skill], named: Sequence[str], file: Path) -> str:
    """What an agent is told of the skills of its team; those that its card, `file`, names in full.

    A card that came from elsewhere may name skills that stayed there: in a team without any it goes without.

    Raises:
        InvalidConfiguration: the card names a skill that is not among the team's.
    """
    if not skills:
        return ""
    by_name = {skill.name: skill for skill in skills}
    for name in named:
        if name not in by_name:
            near = nearest(name, by_name)
            hint = f" Did you mean {near!r}?" if near else ""
            raise InvalidConfiguration(
                f"{file}: skills: there is no skill {name!r}.",
                remedy=f"Skills: {', '.join(by_name)}.{hint}",
            )
    listed = "\n".join(f"- {skill.name}: {' '.join(skill.description.split())}" for skill in skills)
    whole = [_in_full(by_name[name]) for name in dict.fromkeys(named)]
    return "\n\n".join([f"# Skills in this team\n{listed}", *whole])


def _load(folder: Path) -> Skill:
    file = folder / _FILE
    front, text = read_front_matter(file, "skill", "text of the skill")
    files = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path != file
    )
    try:
        skill = Skill.model_validate({**front, "text": text, "files": tuple(files)})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidConfiguration(
            f"{file}: {key}: {first['msg']}.",
            remedy="A skill has a name of small letters, digits and single hyphens (at most 64), a"
            " description (at most 1,024 characters) and, below the front matter, its text.",
        ) from None
    if skill.name != folder.name:
        raise InvalidConfiguration(
            f"{file}: name: {skill.name!r} is not the name of its folder.", remedy=f"name: {folder.name}"
        )
    return skill


def _in_full(skill: Skill) -> str:
    """The text of a skill; its own first headings go one level down, below the name."""
    text = "\n".join(f"#{line}" if line.startswith("#") else line for line in skill.text.splitlines())
    files = f"\n\nFurther files of this skill: {', '.join(skill.files)}" if skill.files else ""
    return f"# Skill: {skill.name}\n{text}{files}"
