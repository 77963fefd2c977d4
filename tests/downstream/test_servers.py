"""Servers that misbehave: each ends in words for the agent and for the person, within the time limit."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.errors import AtlasError, DownstreamFailed, NotConfigured, ToolFailed, ToolRefused
from tests.downstream.places import misbehaving, opened

if TYPE_CHECKING:
    from pathlib import Path

    from atlas_mcp.downstream.servers import Servers

ECHO = {"text": "hello"}


@dataclass(frozen=True)
class Row:
    """What a call of a tool of a misbehaving server comes to.

    `seen` stands in the error that the agent reads, or in the result, which begins with `=`; where it
    depends on who is faster, one of several, parted by `|`.
    """

    behaviour: str
    tool: str
    arguments: dict[str, Any]
    seen: str
    limits: dict[str, Any]


def row(behaviour: str, tool: str, seen: str, limits: Any = None, **arguments: Any) -> Row:
    given = arguments or (ECHO if tool == "echo" else {})
    return Row(behaviour, tool, given, seen, limits or {})


QUICK = {"start_seconds": 2, "seconds": 2}
SHORT = {"seconds": 2}

ROWS = [
    row("fine", "echo", "=hello"),
    row("noise", "echo", "=hello"),
    row("flood-stderr", "echo", "=hello"),
    row("flood-notifications", "echo", "=hello"),
    row("chatty", "chat", "=heard", {"seconds": 20}),
    row("flood-requests", "echo", "=hello"),
    row("flood-answers", "echo", "it flooded its output|=hello"),
    row("flood-lines", "echo", "it flooded its output|=hello"),
    row("flood-line", "echo", "failed: "),
    row("hang-start", "echo", "it did not start within 2 s", QUICK),
    row("hang-call", "echo", "gave no answer to echo within 2 s", SHORT),
    row("slow-start", "echo", "=hello"),
    row("dies-at-start", "echo", "Its exit code was 3. Its last words: "),
    row("dies-in-call", "die", "it ended during die"),
    row("wrong-types", "echo", "what it sent is no ListToolsResult of the protocol"),
    row("pages-forever", "tool_0", "="),
    row("huge", "huge", "its answer has more than 10 MB"),
    row("deep", "deep", "gave no answer to deep within 2 s", SHORT),
    row("binary", "binary", "="),
    row("nonsense", "nonsense", "gave no answer to nonsense within 2 s", SHORT, kind="broken"),
    row("nonsense", "nonsense", "gave no answer to nonsense within 2 s", SHORT, kind="id"),
    row("nonsense", "nonsense", "refused nonsense", kind="content"),
    row("asks-elicitation", "ask", "not supported"),
    row("asks-sampling", "ask", "not supported"),
    row("asks-roots", "ask", "not supported"),
]


async def outcome(servers: Servers, one: Row) -> str:
    """What an agent would read."""
    try:
        said = await servers.call(f"odd/{one.tool}", one.arguments)
    except AtlasError as error:
        return str(error)
    return f"={said.text}"


@pytest.mark.parametrize(
    "one", ROWS, ids=lambda one: f"{one.behaviour}-{one.arguments.get('kind', one.tool)}"
)
async def test_each_ends_in_clear_words_within_its_time(one: Row, tmp_path: Path) -> None:
    entry = misbehaving(one.behaviour, limits=one.limits)
    since = monotonic()
    async with opened(tmp_path, entry) as servers:
        seen = await outcome(servers, one)
        took = monotonic() - since
    assert any(each.lower() in seen.lower() for each in one.seen.split("|")), seen
    assert "sk-" not in seen
    assert took < entry.limits.start_seconds + entry.limits.seconds + 1


async def test_a_server_that_will_not_start_costs_the_others_nothing(tmp_path: Path) -> None:
    bad = misbehaving("hang-start", name="bad", limits={"start_seconds": 60})
    async with opened(tmp_path, bad, misbehaving("fine")) as servers:
        assert (await servers.call("odd/echo", ECHO)).text == "hello"
        assert servers.state("bad") is None


async def test_what_a_call_cost_is_known_of_answers_alone(tmp_path: Path) -> None:
    priced = misbehaving(
        "other-sessions", cost_usd={"echo": 0.01, "calendar": 0.02}, cache_seconds=60.0, read_only=("*",)
    )
    async with opened(tmp_path, priced) as servers:
        said = [(await servers.call("odd/echo", ECHO)).cost_usd for _ in range(2)]
        for unknown in ("calendar", "there_is_none"):
            with pytest.raises(AtlasError):
                await servers.call(f"odd/{unknown}", {})
        costs = {tally.name: tally.cost_usd for tally in await servers.store.tallies("tool")}
    assert said == [0.01, 0.0]
    assert costs == {"odd/echo": 0.01, "odd/calendar": None, "odd/there_is_none": None}


async def test_one_that_died_is_started_again_by_the_next_call(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("dies-in-call")) as servers:
        with pytest.raises(DownstreamFailed):
            await servers.call("odd/die", {})
        assert [notice.kind for notice in servers.notices(["odd"])] == ["started", "failed"]
        assert (await servers.call("odd/echo", ECHO)).text == "hello"
        state = servers.state("odd")
        assert state is not None
        assert state.starts == 2


async def test_one_that_never_starts_rests_and_says_for_how_long(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("dies-at-start")) as servers:
        for _ in range(2):
            with pytest.raises(DownstreamFailed):
                await servers.call("odd/echo", ECHO)
        with pytest.raises(DownstreamFailed, match=r"failed lately: .* It is tried again in 1 s"):
            await servers.call("odd/echo", ECHO)
        failed = [notice.text for notice in servers.notices(["odd"]) if notice.kind == "failed"]
    assert len(failed) == 3
    assert "[secret]" in failed[0]


async def test_a_person_hears_of_noise_and_of_what_a_server_asked_for(tmp_path: Path) -> None:
    noisy, asking = misbehaving("noise", name="noisy"), misbehaving("asks-sampling", name="asking")
    async with opened(tmp_path, noisy, asking) as servers:
        await servers.call("noisy/echo", ECHO)
        await servers.call("asking/ask", {})
        odd = {each.server: each.text for each in servers.notices(servers.entries) if each.kind == "odd"}
    assert "it writes what is no message" in odd["noisy"]
    assert "it asked for sampling" in odd["asking"]


@pytest.mark.parametrize(
    ("behaviour", "tool", "seen"),
    [
        ("changing", "echo", "odd/echo is off: its description changed"),
        ("changing-schema", "echo", "odd/echo is off: its "),
        ("changing-add", "other", "odd/other is off: the server did not offer it before"),
        ("changing-remove", "echo", "does not offer echo any more"),
    ],
)
async def test_a_tool_that_changes_between_two_calls_is_off_until_it_is_approved(
    behaviour: str, tool: str, seen: str, tmp_path: Path
) -> None:
    change = tmp_path / "change"
    entry = misbehaving(behaviour, values={"CHANGE": str(change)})
    async with opened(tmp_path, entry) as servers:
        assert (await servers.call("odd/echo", ECHO)).text == "hello"
        change.touch()
        await servers.pins("odd", ask=True)
        with pytest.raises(ToolRefused, match=seen):
            await servers.call(f"odd/{tool}", ECHO)
        if behaviour != "changing-remove":
            shown = {pin.offer.name: pin.latest.hash for pin in await servers.pins("odd")}
            assert tool in await servers.approve("odd", shown)
            assert (await servers.call(f"odd/{tool}", {**ECHO, "context": "c"})).text


async def test_a_server_that_says_its_list_changed_is_listed_anew_before_the_next_call(
    tmp_path: Path,
) -> None:
    change = tmp_path / "change"
    entry = misbehaving("changing", values={"CHANGE": str(change)})
    async with opened(tmp_path, entry) as servers, asyncio.timeout(20):
        await servers.call("odd/echo", ECHO)
        change.touch()
        with pytest.raises(ToolRefused, match="its description changed"):  # noqa: PT012 - one of many calls
            while True:  # until the server's own word has come
                await servers.call("odd/echo", ECHO)


async def test_what_changed_stays_off_in_the_next_process_too(tmp_path: Path) -> None:
    change = tmp_path / "change"
    entry = misbehaving("changing", values={"CHANGE": str(change)})
    async with opened(tmp_path, entry) as servers:
        await servers.call("odd/echo", ECHO)
        change.touch()
    async with opened(tmp_path, entry) as servers:
        with pytest.raises(ToolRefused, match="its description changed"):
            await servers.call("odd/echo", ECHO)
        assert await servers.offered("odd") == ()


async def test_a_poisoned_description_is_off_and_no_model_ever_reads_it(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("poisoned")) as servers:
        names = {each.offer.name for each in await servers.offered("odd")}
        (pin,) = [pin for pin in await servers.pins("odd") if pin.offer.name == "add"]
    assert "add" not in names
    assert pin.reason.startswith("its description ")


async def test_a_tool_with_a_bad_schema_takes_anything_and_a_person_hears_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("bad-schemas")) as servers:
        assert (await servers.call("odd/echo", ECHO)).text == "hello"
        schemas = {each.offer.name: each.offer.parameters for each in await servers.offered("odd")}
        odd = [each.text for each in servers.notices(["odd"]) if each.kind == "odd"]
    assert schemas["echo"] == schemas["other"] == {"type": "object"}
    assert schemas["slow_to_check"]["properties"]
    assert odd[0].startswith(
        "it takes anything for 'echo', whose schema is none of JSON Schema: 'nonsense' is"
    )
    assert odd[1:] == ["it takes anything for 'other', whose schema refers to itself"]


async def test_a_result_that_is_an_error_is_counted_as_one(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("error-results")) as servers:
        said = await servers.call("odd/echo", ECHO)
        assert said.error
        (tally,) = await servers.store.tallies("tool")
    assert (tally.calls, tally.failed) == (1, 1)


async def test_a_list_without_end_is_cut_and_a_person_hears_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("huge-list")) as servers:
        offered = await servers.offered("odd")
        await servers.call("odd/tool_0", {})
        odd = [notice.text for notice in servers.notices(["odd"]) if notice.kind == "odd"]
    assert len(offered) == 1_000
    assert max(len(json.dumps(each.offer.parameters)) for each in offered) < 200_000
    assert "it lists more than 1,000 tools" in odd[0]


async def test_a_server_that_ignores_its_end_is_ended(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("hang-close")) as servers:
        await servers.call("odd/echo", ECHO)
        since = monotonic()
    assert monotonic() - since < 8


async def test_a_server_without_a_call_for_long_is_left_and_comes_back(tmp_path: Path) -> None:
    entry = misbehaving("fine", limits={"idle_seconds": 0.2})
    async with opened(tmp_path, entry) as servers, asyncio.timeout(20):
        await servers.call("odd/echo", ECHO)
        while (state := servers.state("odd")) is not None and state.name == "ready":  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        assert (await servers.call("odd/echo", ECHO)).text == "hello"


async def test_a_call_that_fails_is_an_error_of_ours_whatever_the_server_says(tmp_path: Path) -> None:
    for kind in ("type", "both", "version", "array", "number"):
        async with opened(tmp_path / kind, misbehaving("nonsense", limits={"seconds": 1})) as servers:
            with suppress(ToolFailed):
                await servers.call("odd/nonsense", {"kind": kind})


async def test_answers_that_nobody_asked_for_are_a_flood_like_any_other(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("flood-answers", limits={"seconds": 30})) as servers:
        with pytest.raises(DownstreamFailed, match="it flooded its output"):
            await servers.call("odd/slow", {"seconds": 25})


async def test_requests_that_do_not_end_are_a_flood_like_any_other_of_several_servers_too(
    tmp_path: Path,
) -> None:
    names = ("one", "two")
    entries = [misbehaving("flood-requests", name=name, limits={"seconds": 60}) for name in names]
    async with opened(tmp_path, *entries) as servers:
        calls = [servers.call(f"{name}/slow", {"seconds": 55}) for name in names]
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(end) for end in ends if "it flooded its output" not in str(end)] == []


async def test_a_refusal_that_speaks_of_a_session_ends_no_server_and_no_other_call(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("other-sessions", limits={"seconds": 20})) as servers:
        slow = asyncio.create_task(servers.call("odd/slow", {"seconds": 1}))
        with pytest.raises(ToolFailed, match="refused calendar: That session is closed on Sundays"):
            await servers.call("odd/calendar", {})
        assert (await slow).text == "At last."
        assert (state := servers.state("odd"))
        assert state.starts == 1


async def test_a_cancelled_caller_leaves_the_server_to_the_others(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("fine", limits={"seconds": 30})) as servers:
        await servers.call("odd/echo", ECHO)
        slow = asyncio.create_task(servers.call("odd/slow", {"seconds": 20}))
        await asyncio.sleep(0)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert (await servers.call("odd/echo", ECHO)).text == "hello"


async def test_a_tool_outside_the_allow_list_is_not_there(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("fine", tools=["echo", "read_*"])) as servers:
        names = [each.offer.name for each in await servers.offered("odd")]
        with pytest.raises(ToolRefused, match="has no tool 'write_note' for us"):
            await servers.call("odd/write_note", ECHO)
    assert names == ["echo", "read_page"]


async def test_what_only_reads_is_answered_from_before_and_what_has_effects_is_not(tmp_path: Path) -> None:
    entry = misbehaving("fine", read_only=["echo"], cache_seconds=60)
    async with opened(tmp_path, entry) as servers:
        for _ in range(3):
            await servers.call("odd/echo", ECHO)
            await servers.call("odd/write_note", ECHO)
        cached = {tally.name: tally.cached for tally in await servers.store.tallies("tool")}
    assert cached == {"odd/echo": 2, "odd/write_note": 0}


async def test_more_calls_than_a_minute_allows_are_refused_with_when_to_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path, misbehaving("fine", limits={"per_minute": 2})) as servers:
        for _ in range(2):
            await servers.call("odd/echo", ECHO)
        with pytest.raises(
            ToolRefused, match=r"may be called 2 times a minute, and was. Call again in \d+ s"
        ):
            await servers.call("odd/echo", ECHO)


async def test_an_entry_without_its_key_is_not_configured_and_says_the_one_line_to_add(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, misbehaving("fine", needs=["LIBRARY_KEY"])) as servers:
        with pytest.raises(NotConfigured, match="Set LIBRARY_KEY in the environment"):
            await servers.offered("odd")
        assert servers.usable(["odd/*"]) == ()


async def test_a_path_outside_the_folders_that_were_named_is_refused(tmp_path: Path) -> None:
    entry = misbehaving("fine", paths=["text"], read_only=["echo"])
    (tmp_path / "papers").mkdir()
    async with opened(tmp_path, entry, roots=(tmp_path / "papers",)) as servers:
        inside = await servers.call("odd/echo", {"text": str(tmp_path / "papers" / "a.md")})
        named = await servers.call("odd/write_note", {"text": "a.docx"})
        for tool, path in (
            ("echo", "/etc/passwd"),
            ("echo", "../../x"),
            ("write_note", str(tmp_path / "papers/a")),
        ):
            with pytest.raises(ToolRefused, match="is outside of what may be"):
                await servers.call(f"odd/{tool}", {"text": path})
    assert inside.text.endswith("papers/a.md")
    assert str(tmp_path / "files") in named.text or named.text


@pytest.mark.parametrize(
    "url",
    ["http://localhost/x", "http://127.0.0.1:8000", "http://169.254.169.254/latest", "http://2130706433/"],
)
async def test_a_tool_that_reads_the_web_is_given_no_address_of_this_machine(
    url: str, tmp_path: Path
) -> None:
    async with opened(tmp_path, misbehaving("fine", web=True)) as servers:
        with pytest.raises(ToolRefused, match="is an address of this machine or its network"):
            await servers.call("odd/read_page", {"url": url})
