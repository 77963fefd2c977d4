"""Mistakes in files, in words: which line, what was meant, and several told together."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.mistakes import nearest, there_is, together, wrong_keys

FILE = Path("tides.toml")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Tide(Strict):
    height: float
    name: str = ""


class Harbour(Strict):
    note: str = ""
    tides: dict[str, Tide] = {}
    first: Tide | None = None
    several: tuple[Tide, ...] = ()


def told(text: str) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Harbour.model_validate(tomllib.loads(text))
    return [str(each) for each in wrong_keys(caught.value, FILE, Harbour, lambda _: "Mend it.", text=text)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nota = 1", "nota: there is no such key (line 1). Did you mean note?"),
        (
            "[first]\nheight = 1\nhieght = 2",
            "first.hieght: there is no such key (line 3). Did you mean height?",
        ),
        ("\n[tides.spring]\nname = 'a'", "tides.spring.height: Field required (line 2). Mend it."),
        (
            "tides.spring.nmae = 1\ntides.spring.height = 1",
            "tides.spring.nmae: there is no such key (line 1).",
        ),
        (
            "[tides.'spring']\n\"hieght\" = 1\nheight = 1",
            "tides.spring.hieght: there is no such key (line 2).",
        ),
        ("[tides]\nneap = { height = 1, zzz = 2 }", "(line 2). There are height, name."),
        ("several = [{ height = 1, nmae = 'a' }]", "several.0.nmae: there is no such key (line 1)."),
        ("note = '''\nnota = 1\n[first]\n'''\nnota = 2", "nota: there is no such key (line 5)."),
        ('note = """ a """\nnota = 2', "nota: there is no such key (line 2)."),
        ("# nota = 1\nfirst = 3", "first: Input should be a table (line 2). Mend it."),
    ],
)
def test_a_mistake_is_told_with_its_key_its_line_and_what_to_write(text: str, said: str) -> None:
    (mistake,) = told(text)
    assert mistake.startswith("tides.toml: ")
    assert said in mistake


def test_every_mistake_of_a_file_is_told() -> None:
    assert len(told("nota = 1\n[first]\nheight = 'high'\n[tides.neap]\nnmae = 'a'\n")) == 4


def test_mistakes_are_told_together_and_can_be_had_one_by_one() -> None:
    one, other = InvalidConfiguration("A.", remedy="Mend A."), InvalidConfiguration("B.", remedy="Mend B.")
    assert together([one]) is one
    both = pickle.loads(pickle.dumps(together([one, other])))  # noqa: S301 - our own bytes
    assert str(both) == "A. Mend A. B. Mend B. Correct each of them."
    assert [str(each) for each in both.each] == ["A. Mend A.", "B. Mend B."]


def test_the_near_name_is_named_and_else_all_there_are() -> None:
    known = {"http": "[http]", "runs": "[runs]"}
    assert there_is("htpp", known) == "Did you mean [http]?"
    assert there_is("zzz", known) == "There are [http], [runs]."
    assert there_is("zzz", {"a": "a"}) == "There is a."
    assert (nearest("reserch", ["research"]), nearest("zzz", ["research"])) == ("research", "")
