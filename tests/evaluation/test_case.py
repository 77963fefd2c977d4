"""A case is read as it is meant, and every mistake in it is named by file and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.evaluation.case import Case, case_files, load_case
from atlas_mcp.orchestration.team import load_team
from tests.orchestration.folders import sound

if TYPE_CHECKING:
    from pathlib import Path

INPUT = 'input = { question = "Why?" }\n'


def read(tmp_path: Path, text: str) -> Case:
    folder = sound(tmp_path)
    (folder / "cases").mkdir()
    (folder / "cases" / "tides.md").write_text("# Tides\n", "utf-8")
    (folder / "cases" / "first.toml").write_text(text, "utf-8")
    (file,) = case_files(folder)
    return load_case(file, load_team(folder))


def test_documents_are_texts_or_lie_beside_the_case(tmp_path: Path) -> None:
    case = read(tmp_path, INPUT + r'documents = ["tides.md", "A text.\n"]')
    assert case.documents == (str((tmp_path / "tides" / "cases" / "tides.md").resolve()), "A text.\n")


def test_without_a_reply_there_is_no_script(tmp_path: Path) -> None:
    case = read(tmp_path, INPUT)
    assert (case.name, case.script, case.expect.error) == ("first", None, None)


def test_one_text_that_is_expected_needs_no_brackets(tmp_path: Path) -> None:
    case = read(tmp_path, INPUT + '[[reply]]\nsay = "x"\n[expect]\ncontains = { answer = "tide" }')
    assert case.expect.contains == {"answer": ("tide",)}
    assert case.script is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input = why", "line 1"),
        ("", "input: "),
        ("input = {}", "input: "),
        ('input = { quesiton = "Why?" }', "input: tides takes no argument 'quesiton'"),
        (INPUT + "expects = {}", "expects: "),
        (INPUT + "[expect]\nat_laest = {}", "expect.at_laest: "),
        (INPUT + '[expect]\nfields = ["anwser"]', "expect.fields: the output has no field 'anwser'"),
        (INPUT + "[expect]\nat_least = { claim = 1 }", "expect.at_least: the output has no field 'claim'"),
        (INPUT + '[expect]\nat_least = { claims = "one" }', "expect.at_least.claims: "),
        (INPUT + "[expect]\ncontains = { answer = [] }", "expect.contains.answer"),
        (INPUT + '[[reply]]\nsya = "x"', "reply 1: sya is no key"),
        (INPUT + 'documents = ["moon.md"]', "documents: "),
        (INPUT + 'documents = ["../../secret.md"]', "documents: "),
        (INPUT + 'documents = [""]', "documents.0"),
    ],
)
def test_a_mistake_is_named_by_file_and_key_with_what_to_do(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        read(tmp_path, text)
    assert "first.toml" in caught.value.message
    assert said in caught.value.message
    assert caught.value.remedy
