"""Scripts: what is wrong is named, and what fits a prompt is read from the prompt alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.errors import Cancelled, InvalidConfiguration, ProviderError
from atlas_mcp.messages import Intent, Message, Passage, Prompt, Source, Text, ToolCall, ToolResult
from atlas_mcp.providers.script import FAILURES, Script, turn_of

if TYPE_CHECKING:
    from pathlib import Path


def prompt(text: str = "hello", **fields: Any) -> Prompt:
    asked = Prompt((Message("user", (Text(text),)),), Intent.GATHER, "tides", agent="web")
    return replace(asked, **fields)


def fitting(when: str, asked: Prompt) -> bool:
    script = Script.parse(f'[[reply]]\nwhen = {{ {when} }}\nsay = "yes"')
    return script.replies[0].when.fits(asked)


def test_a_script_is_read_in_order_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text('[[reply]]\nsay = "é"\n[[reply]]\ntool = { name = "search" }\n', "utf-8")
    script = Script.load(path)
    assert script.name == str(path)
    assert [reply.text for reply in script.replies] == ["é", None]
    assert script.replies[1].tool[0].name == "search"


def test_json_may_be_a_table_or_text_for_what_toml_cannot_say() -> None:
    script = Script.parse("[[reply]]\njson = { a = [1] }\n[[reply]]\njson = '{\"a\": null}'")
    assert [reply.text for reply in script.replies] == ['{"a": [1]}', '{"a": null}']


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ("", True),
        ('agent = "web"', True),
        ('agent = "memory"', False),
        ('intent = "gather"', True),
        ('intent = "plan"', False),
        ('contains = "tid"', True),
        ('contains = "hell"', True),
        ('contains = "Hell"', False),
        ("nth = 1", True),
        ("nth = 2", False),
        ('agent = "web", intent = "gather", contains = "hello", nth = 1', True),
        ('agent = "web", intent = "plan"', False),
    ],
)
def test_a_reply_fits_when_all_it_asks_for_is_so(when: str, fits: bool) -> None:
    assert fitting(when, prompt()) is fits


def test_contains_looks_in_what_tools_gave_but_not_in_what_the_model_or_the_system_said() -> None:
    passage = Passage("p1", Source("0" * 64, "u", "t", "2026-01-01T00:00:00Z"), "from a passage", 0)
    asked = prompt(
        system="from the system",
        messages=(
            Message("user", (Text("a"),)),
            Message("assistant", (Text("from the model"), ToolCall("c", "search", {}))),
            Message("tool", (ToolResult("c", "from a tool", (passage,)),)),
        ),
    )
    assert fitting('contains = "from a tool"', asked)
    assert not any(fitting(f'contains = "{text}"', asked) for text in ("model", "system", "passage"))


def test_nth_is_the_turn_within_the_conversation() -> None:
    said = Message("assistant", (Text("hm"),))
    asked = prompt(messages=(Message("user", (Text("a"),)), said, Message("user", (Text("b"),)), said))
    assert turn_of(asked) == 3
    assert fitting("nth = 3", asked)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[reply]]\nsay = ", "is not TOML"),
        ("[[replies]]\nsay = 'x'", "'replies' is no key"),
        ("[reply]\nsay = 'x'", "reply is not a list"),
        ("[[reply]]\nsay = 'x'\n[[reply]]\nsay = 5", "reply 2: say"),
        ("[[reply]]\nsaying = 'x'", "reply 1: saying is no key"),
        ("[[reply]]\nsay = 'x'\nwhen = { intent = 'think' }", "reply 1: when.intent"),
        ("[[reply]]\nsay = 'x'\nwhen = { nth = 0 }", "reply 1: when.nth"),
        ("[[reply]]\nsay = 'x'\njson = {}", "several things at once (say, json)"),
        ("[[reply]]\nwhen = {}", "it says nothing"),
        ("[[reply]]\nsay = 'x'\nafter = 2", "belong to fail"),
        ("[[reply]]\nfail = 'explode'", "no failure is called 'explode'; there are authentication,"),
        ("[[reply]]\nfail = 'stalled'\ntool = { name = 'a' }", "cannot fail after one"),
        ("[[reply]]\njson = '{'", "reply 1: json"),
        ("[[reply]]\njson = { day = 2026-01-01 }", "reply 1: json"),
        ("[[reply]]\ntool = { arguments = {} }", "reply 1: tool.0.name"),
        ("[[reply]]\nsay = 'x'\ntokens = 0", "reply 1: tokens"),
    ],
)
def test_what_is_wrong_is_named_by_file_reply_and_key(text: str, said: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Script.parse(text, name="case.toml")
    assert said in caught.value.message
    assert caught.value.message.startswith("case.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"missing\.toml cannot be read"):
        Script.load(tmp_path / "missing.toml")


def test_every_failure_of_a_provider_can_be_scripted() -> None:
    assert set(FAILURES.values()) == set(ProviderError.__subclasses__()) - {Cancelled}
