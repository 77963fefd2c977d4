"""A team's folder: read as it is meant, and every mistake in it named by file and key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.catalogue import Catalogue, shipped
from atlas_mcp.errors import InvalidConfiguration, InvalidInput, UnknownTeam
from atlas_mcp.orchestration.team import load_team, load_teams, pick_team
from atlas_mcp.orchestration.team_file import LONGEST_INPUT
from tests.orchestration.folders import CARD, SCHEMA, TOML, sound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def in_toml(old: str, new: str) -> Callable[[Path], None]:
    def mistake(folder: Path) -> None:
        assert old in TOML
        (folder / "team.toml").write_text(TOML.replace(old, new), "utf-8")

    return mistake


def in_schema(**changes: Any) -> Callable[[Path], None]:
    def mistake(folder: Path) -> None:
        (folder / "output.schema.json").write_text(json.dumps({**SCHEMA, **changes}), "utf-8")

    return mistake


def with_property(name: str, shape: object) -> Callable[[Path], None]:
    return in_schema(properties={**SCHEMA["properties"], name: shape})


def as_file(name: str, text: str | bytes) -> Callable[[Path], None]:
    def mistake(folder: Path) -> None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return mistake


def several(*mistakes: Callable[[Path], None]) -> Callable[[Path], None]:
    def mistake(folder: Path) -> None:
        for each in mistakes:
            each(folder)

    return mistake


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


MISTAKES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no wiring": (without("team.toml"), "team.toml", "no such file"),
    "wiring is not TOML": (as_file("team.toml", "description = Tides"), "team.toml", "line 1"),
    "wiring is not UTF-8": (as_file("team.toml", b"description = '\xff'"), "team.toml", "utf-8"),
    "unknown key": (in_toml("supervisor =", 'superviser = "x"\nsupervisor ='), "team.toml", "superviser"),
    "missing key": (in_toml('supervisor = "lead"\n', ""), "team.toml", "supervisor"),
    "empty description": (in_toml("Answers questions on tides.", ""), "team.toml", "description"),
    "no workers": (in_toml('["reader"]', "[]"), "team.toml", "workers"),
    "worker twice": (
        in_toml('["reader"]', '["reader", "reader"]'),
        "team.toml",
        "workers: a worker is named twice",
    ),
    "worker is a path": (in_toml('["reader"]', '["../web"]'), "team.toml", "workers: '../web'"),
    "supervisor works": (in_toml('["reader"]', '["reader", "lead"]'), "team.toml", "workers: 'lead'"),
    "the team works for itself": (
        in_toml('["reader"]', '["reader", "tides"]'),
        "team.toml",
        "workers: 'tides' is the team itself",
    ),
    "supervised by itself": (in_toml('"lead"', '"tides"'), "team.toml", "supervisor: 'tides' is the team"),
    "worker of no card": (in_toml('["reader"]', '["raeder"]'), "team.toml", "workers: 'raeder'"),
    "more than all succeed": (in_toml("workers =", "min_success = 2\nworkers ="), "team.toml", "min_success"),
    "no assignments": (
        in_toml("workers =", "max_assignments = 0\nworkers ="),
        "team.toml",
        "max_assignments",
    ),
    "too few calls for a brief": (
        in_toml("[input.question]", "[budget]\ncalls = 2\n[input.question]"),
        "team.toml",
        "budget: calls: 2 is too few",
    ),
    "number out of range": (in_toml("workers =", "rounds = 99\nworkers ="), "team.toml", "rounds"),
    "no input": (in_toml(TOML[TOML.index("[input.question]") :], ""), "team.toml", "input"),
    "input without description": (
        in_toml('description = "What you want to know."', ""),
        "team.toml",
        "input.question.description",
    ),
    "input of no type": (in_toml('"integer"', '"int"'), "team.toml", "input.depth.type"),
    "input with an unknown key": (in_toml("default = 2", "defualt = 2"), "team.toml", "input.depth.defualt"),
    "default of another type": (in_toml("default = 2", 'default = "2"'), "team.toml", "input.depth"),
    "default outside the choice": (
        in_toml('enum = ["plain", "formal"]', 'enum = ["plain"]\ndefault = "formal"'),
        "team.toml",
        "input.style",
    ),
    "choice without entries": (in_toml('["plain", "formal"]', "[]"), "team.toml", "input.style.enum"),
    "choice of numbers": (in_toml("default = 2", 'enum = ["2"]'), "team.toml", "input.depth"),
    "input is no name": (in_toml("[input.depth]", '[input."how deep"]'), "team.toml", "'how deep'"),
    "input is taken": (in_toml("[input.depth]", "[input.documents]"), "team.toml", "'documents'"),
    "first input is optional": (
        in_toml("[input.question]", "[input.question]\nrequired = false"),
        "team.toml",
        "input: the first one",
    ),
    "budget of nothing": (
        in_toml("[input.question]", "[budget]\nseconds = 0\n[input.question]"),
        "team.toml",
        "budget.seconds",
    ),
    "no card": (without("reader.md"), "reader.md", "'reader': there is no such card"),
    "card without persona": (as_file("reader.md", "---\ndescription: D\n---\n"), "reader.md", "persona"),
    "one agent may take more than all": (
        several(
            in_toml("[input.question]", "[budget]\ntokens = 100\n[input.question]"),
            as_file("reader.md", CARD.replace("description", "budget: {tokens: 200}\ndescription")),
        ),
        "reader.md",
        "budget.tokens: 200 for one assignment is more than the 100",
    ),
    "no schema": (without("output.schema.json"), "output.schema.json", "no such file"),
    "schema is not JSON": (as_file("output.schema.json", "{'type': 1}"), "output.schema.json", "not JSON"),
    "schema is too deep": (as_file("output.schema.json", "[" * 99_999), "output.schema.json", "not JSON"),
    "schema is true": (as_file("output.schema.json", "true"), "output.schema.json", "no object"),
    "schema is wrong": (
        with_property("answer", {"type": "strin"}),
        "output.schema.json",
        "properties.answer.type",
    ),
    "schema of a list": (in_schema(type="array"), "output.schema.json", "type"),
    "schema without properties": (in_schema(properties={}), "output.schema.json", "properties"),
    "property is true": (with_property("more", shape=True), "output.schema.json", "properties.more"),
    "pattern is wrong": (
        with_property("more", {"type": "string", "pattern": "["}),
        "output.schema.json",
        "properties.more.pattern",
    ),
    "reference to nowhere": (
        with_property("more", {"$ref": "#/$defs/no"}),
        "output.schema.json",
        "#/$defs/no",
    ),
    "reference to an address": (
        with_property("more", {"$ref": "https://example.com/s.json"}),
        "output.schema.json",
        "https://example.com",
    ),
    "reference past $defs": (
        with_property("more", {"$ref": "#/properties/answer"}),
        "output.schema.json",
        "#/properties/answer",
    ),
    "required and not described": (in_schema(required=["answer", "more"]), "output.schema.json", "'more'"),
    "computed by nobody": (
        with_property("mood", {"type": "string", "x-atlas-computed": True}),
        "output.schema.json",
        "properties.mood",
    ),
    "computed of another type": (
        with_property("report", {"type": "object", "x-atlas-computed": True}),
        "output.schema.json",
        "properties.report.type: the run gives a value of type string",
    ),
    "bounds that cross": (
        with_property("more", {"type": "array", "minItems": 3, "maxItems": 2}),
        "output.schema.json",
        "properties.more: minItems 3 is more than maxItems 2",
    ),
    "claims of another shape": (
        with_property("claims", {"type": "array", "items": {"type": "string"}}),
        "output.schema.json",
        "properties.claims",
    ),
    "confidence in words": (
        with_property("confidence", {"type": "string"}),
        "output.schema.json",
        "confidence",
    ),
    "answer of any shape": (with_property("answer", {}), "output.schema.json", "properties.answer"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_by_file_and_key_with_what_to_do(name: str, tmp_path: Path) -> None:
    mistake, file, said = MISTAKES[name]
    folder = sound(tmp_path)
    mistake(folder)
    with pytest.raises(InvalidConfiguration) as caught:
        load_team(folder)
    assert str(folder / file) in caught.value.message
    assert said in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["Tides", "tides team", ".tides", "1tides", "tídes"])
def test_a_folder_has_a_name_that_clients_can_call(name: str, tmp_path: Path) -> None:
    folder = sound(tmp_path)
    folder.rename(tmp_path / name)
    with pytest.raises(InvalidConfiguration, match="Rename it"):
        load_team(tmp_path / name)


def test_a_sound_folder_is_a_team(tmp_path: Path) -> None:
    team = load_team(sound(tmp_path, "tides_and-moon"))
    assert (team.name, team.title, team.rounds) == ("tides_and-moon", "Tides And Moon", 2)
    assert sorted(team.cards) == ["lead", "reader"]
    assert team.input["depth"].default == 2


def test_files_from_windows_are_read_and_their_line_ends_change_no_version(tmp_path: Path) -> None:
    team = load_team(sound(tmp_path / "one"))
    folder = sound(tmp_path / "two")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert load_team(folder).version == team.version
    (folder / "team.toml").write_bytes(b"\xef\xbb\xbf" + TOML.encode())
    assert load_team(folder).description == team.description


@pytest.mark.parametrize("changed", ["team.toml", "reader.md", "output.schema.json", "notes/more.md"])
def test_any_change_of_any_file_is_another_version(changed: str, tmp_path: Path) -> None:
    folder = sound(tmp_path)
    before = load_team(folder).version
    file = folder / changed
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        opened.write("\n")
    assert load_team(folder).version != before


def test_cases_try_a_team_and_are_no_part_of_its_version(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    before = load_team(folder).version
    (folder / "cases").mkdir()
    (folder / "cases" / "first.toml").write_text("input = {}")
    assert load_team(folder).version == before


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        ("min_success = 1.5", "Write a number from 0 to 1."),
        ("max_assignments = 0", "Write a number from 1 to 64."),
        ("rounds = 0", "Write a number from 1 to 10."),
    ],
)
def test_a_limit_out_of_bounds_is_told_with_its_bounds(limit: str, remedy: str, tmp_path: Path) -> None:
    folder = sound(tmp_path, toml=TOML.replace("workers =", f"{limit}\nworkers ="))
    with pytest.raises(InvalidConfiguration) as caught:
        load_team(folder)
    assert caught.value.remedy == remedy


def test_a_budget_out_of_bounds_is_told_with_its_bounds(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load_team(sound(tmp_path, toml=f"{TOML}\n[budget]\ntokens = -1\n"))
    assert (caught.value.remedy, "budget.tokens" in caught.value.message) == ("Write a number above 0.", True)


def test_a_misspelt_worker_is_told_with_the_card_that_was_meant(tmp_path: Path) -> None:
    folder = sound(tmp_path, toml=TOML.replace('["reader"]', '["raeder"]'))
    with pytest.raises(InvalidConfiguration, match="did you mean 'reader'"):
        load_team(folder)


def test_a_worker_may_be_called_as_its_team_is(tmp_path: Path) -> None:
    folder = sound(tmp_path, toml=TOML.replace('["reader"]', '["tides"]'))
    (folder / "tides.md").write_text(CARD, "utf-8")
    assert load_team(folder).workers == ("tides",)


def test_renaming_a_file_is_another_version_and_hidden_files_do_not_count(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    (folder / "a.txt").write_text("x")
    before = load_team(folder).version
    (folder / ".DS_Store").write_text("x")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("x")
    assert load_team(folder).version == before
    (folder / "a.txt").rename(folder / "b.txt")
    assert load_team(folder).version != before


def test_the_supervisor_is_not_asked_for_what_the_run_computes(tmp_path: Path) -> None:
    composed = load_team(sound(tmp_path)).composed_schema
    assert sorted(composed["properties"]) == ["answer", "claims"]
    assert composed["required"] == ["answer", "claims"]
    assert composed["$defs"] == SCHEMA["$defs"]


def test_input_is_given_back_with_defaults(tmp_path: Path) -> None:
    team = load_team(sound(tmp_path))
    assert team.check_input({"question": "Why?"}) == {"question": "Why?", "depth": 2}
    assert team.check_input({"depth": None, "style": "plain", "question": "Why?"}) == {
        "question": "Why?",
        "depth": 2,
        "style": "plain",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs 'question'"),
        ({"question": None}, "needs 'question'"),
        ({"question": ""}, "is empty"),
        ({"question": " \n"}, "is empty"),
        ({"question": 3}, "is int, not string"),
        ({"question": "x" * (LONGEST_INPUT + 1)}, "20,000 is the most"),
        ({"question": "\ud800"}, "not Unicode"),
        ({"question": "Why?", "depth": "2"}, "is str, not integer"),
        ({"question": "Why?", "depth": True}, "is bool, not integer"),
        ({"question": "Why?", "style": "lyrical"}, "not one of plain, formal"),
        ({"question": "Why?", "dept": 2}, "takes no argument 'dept'"),
    ],
)
def test_input_that_cannot_be_used_is_refused_with_what_to_give(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        load_team(sound(tmp_path)).check_input(given)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        ("boolean", True, True),
        ("boolean", 1, False),
        ("number", 1, True),
        ("number", 0.5, True),
        ("number", True, False),
        ("array", ["a"], True),
        ("array", "a", False),
        ("array", ["x" * LONGEST_INPUT], False),
    ],
)
def test_each_type_of_input_takes_its_own_values(kind: str, value: Any, fits: bool, tmp_path: Path) -> None:
    toml = TOML.replace('type = "integer"', f'type = "{kind}"').replace("default = 2", "")
    team = load_team(sound(tmp_path, toml=toml))
    if fits:
        assert team.check_input({"question": "Why?", "depth": value})["depth"] == value
    else:
        with pytest.raises(InvalidInput, match="depth"):
            team.check_input({"question": "Why?", "depth": value})


def test_every_shipped_team_loads() -> None:
    teams = load_teams(Catalogue())
    assert list(teams) == sorted(folder.parent.name for folder in shipped("teams").glob("*/team.toml"))


def test_a_persons_own_team_wins_over_the_shipped_one(tmp_path: Path) -> None:
    sound(tmp_path / "teams", "research")
    assert load_teams(Catalogue((tmp_path,)))["research"].description == "Answers questions on tides."


def test_an_unknown_team_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownTeam, match=r"There is no team 'reserch'. Did you mean research\? Teams: "):
        pick_team(load_teams(Catalogue()), "reserch")
    with pytest.raises(UnknownTeam, match="If it is your own, see `atlas-mcp teams check`"):
        pick_team(load_teams(Catalogue()), "harbour")


def test_a_team_that_is_there_and_cannot_be_used_is_not_said_to_be_missing(tmp_path: Path) -> None:
    sound(
        tmp_path / "teams", "mine", toml=TOML.replace("workers =", "rounds = 99\nrevisions = 99\nworkers =")
    )
    sound(tmp_path / "teams", "ours", toml=TOML.replace('["reader"]', '["reader", "team:mine"]'))
    teams = load_teams(Catalogue((tmp_path,)))
    with pytest.raises(UnknownTeam) as caught:
        pick_team(teams, "mine")
    assert caught.value.message.startswith("The team 'mine' is there, but cannot be used: ")
    assert "team.toml: rounds: " in caught.value.message
    assert caught.value.message.endswith(" 1 more mistake.")
    assert caught.value.remedy == "See all that is wrong: atlas-mcp teams check mine"
    with pytest.raises(UnknownTeam, match="'team:mine': there is no such team"):
        pick_team(teams, "ours")


def test_a_card_of_the_wrong_encoding_is_a_mistake_of_that_card(tmp_path: Path) -> None:
    folder = sound(tmp_path)
    (folder / "lead.md").write_bytes(CARD.encode("utf-16"))
    with pytest.raises(InvalidConfiguration, match=r"lead\.md"):
        load_team(folder)
