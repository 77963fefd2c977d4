"""Archives of chat are known by what they hold, and each message by who said it and when."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.passages import said_passages
from atlas_mcp.text.readers import Document, read_bytes
from tests.text.readers.samples import CHAT, IPHONE, SLACK, TELEPHONE


def told(document: Document) -> list[tuple[str, str, str | None]]:
    return [(document.text[each.start : each.end], each.by, each.at) for each in document.messages]


def test_a_chat_in_json_lines_is_told_by_session_and_day() -> None:
    document = read_bytes(CHAT.encode(), "/home/ann/talk.jsonl")
    assert document.title == "talk"
    assert document.text == (
        "# talk\n\n## Session 1, 8 May 2023\n\nCaroline: I went to a support group.\n\n"
        "Melanie: Wow!\n\nHow was it?\n\n## Session 2, 25 May 2023\n\nCaroline: 素晴らしい。\n"
    )
    assert told(document) == [
        ("Caroline: I went to a support group.", "Caroline", "2023-05-08T13:56:00"),
        ("Melanie: Wow!\n\nHow was it?", "Melanie", "2023-05-08T13:57:00"),
        ("Caroline: 素晴らしい。", "Caroline", "2023-05-25T09:00:00+02:00"),
    ]


def test_what_a_chat_does_not_say_is_left_open() -> None:
    lines = '{"by": "Ann", "text": "Hello."}\n\n{"by": "Bob", "at": "2023-05-08", "text": "Hi."}\n'
    assert told(read_bytes(lines.encode(), "x")) == [
        ("Ann: Hello.", "Ann", None),
        ("Bob: Hi.", "Bob", "2023-05-08"),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("[1]", "no JSON object"),
        ("not json", "no JSON object"),
        ('{"by": "Ann"}', "`by` and `text`"),
        ('{"by": "Ann", "text": "x", "at": "yesterday"}', "ISO 8601"),
        ('{"by": "Ann", "text": "x", "at": 5}', "ISO 8601"),
        ('{"by": "Ann", "text": "x", "session": []}', "`session`"),
    ],
)
def test_a_line_that_is_no_message_is_named(line: str, why: str) -> None:
    with pytest.raises(UnreadableDocument, match=rf"line 4 is no message: .*{why}") as refusal:
        read_bytes(f"{CHAT}\n{line}\n".encode(), "a.jsonl")
    assert '"by": "Caroline"' in refusal.value.remedy


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'{"level": "info", "text": "started"}\n', "log.jsonl"),
        (b'{"by": "Ann", "text": "a commit", "sha": "ab"}\n', "commits.jsonl"),
        (b'[{"id": "U1", "name": "ann"}]', "users.json"),
        (b'[{"ts": "1683554164.0", "value": 4}]', "series.json"),
        (b"[]", "empty.json"),
        (b"[" * 100_000, "deep.json"),
        (b"2021-12-31 23:59:59,123 - root: started\n" * 3, "server.log"),
        (b"12/31/21, 11:59 PM - the only line\n", "note.txt"),
        (CHAT.encode(), "chat.py"),
    ],
)
def test_what_is_no_chat_stays_what_it_was(data: bytes, name: str) -> None:
    document = read_bytes(data, name)
    assert document.messages == ()
    assert document.text == data.decode()


def test_a_day_of_slack_names_people_and_links_and_leaves_out_who_came() -> None:
    document = read_bytes(SLACK.encode(), "/export/general/2023-05-08.json")
    assert document.title == "general 2023-05-08"
    assert "## 8 May 2023\n" in document.text
    assert told(document) == [
        ("Ann Lee: Ship & tell @bob", "Ann Lee", "2023-05-08T13:56:04+00:00"),
        (
            "bob: See the plan (https://x.org/a) in #general\n[file: plan.pdf]",
            "bob",
            "2023-05-08T13:56:40+00:00",
        ),
        ("U3: Fine.", "U3", "2023-05-08T13:58:20+00:00"),
    ]


def test_whatsapp_on_android_with_american_dates() -> None:
    assert told(read_bytes(TELEPHONE.encode(), "WhatsApp Chat with Ann.txt")) == [
        ("Messages and calls are end-to-end encrypted.", "", "2021-12-31T23:58:00"),
        ("Ann Lee: Happy new year\nin a minute: really", "Ann Lee", "2021-12-31T23:59:00"),
        ("+49 170 1234567: <Media omitted>", "+49 170 1234567", "2022-01-01T00:00:00"),
    ]


def test_whatsapp_on_the_iphone_with_european_dates() -> None:
    assert told(read_bytes(IPHONE.replace("\n", "\r\n").encode(), "_chat.txt")) == [
        ("Jörg: Guten Morgen", "Jörg", "2023-05-13T09:05:01"),
        ("山田: おはよう", "山田", "2023-05-13T09:06:10"),
    ]


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (("03/04/2021", "04/04/2021", "05/04/2021"), "2021-04-03"),  # a day each, rather than a month
        (("03/04/2021", "04/03/2021", "05/02/2021"), "2021-03-04"),  # else they go back in time
        (("2021/04/03", "2021/04/05"), "2021-04-03"),
        (("1/2/21", "1/2/21"), "2021-02-01"),
    ],
)
def test_the_whole_chat_shows_whether_the_day_or_the_month_comes_first(
    dates: tuple[str, ...], first: str
) -> None:
    text = "".join(f"{date}, 10:00 - Ann: Hello\n" for date in dates)
    at = read_bytes(text.encode(), "a.txt").messages[0].at
    assert at is not None
    assert at.startswith(first)


def test_a_message_is_a_passage_under_its_day_and_a_long_one_several() -> None:
    long = {"at": "2023-05-26T10:00", "by": "Ann", "text": "This is a sentence that says something. " * 60}
    document = read_bytes(f"{CHAT}\n{json.dumps(long)}\n".encode(), "talk.jsonl")
    spans = said_passages(document.text, document.messages)
    assert [span.heading for span in spans[:3]] == ["Session 1, 8 May 2023"] * 2 + ["Session 2, 25 May 2023"]
    assert len(spans) > 4
    for span in spans[3:]:
        assert (span.by, span.at, span.heading) == ("Ann", "2023-05-26T10:00:00", "26 May 2023")
        assert span.end - span.start <= 1_200
    assert document.text[spans[3].start :].startswith("Ann: This is")


@given(
    st.lists(
        st.tuples(st.text(), st.text(), st.datetimes(min_value=datetime(1990, 1, 1))),  # noqa: DTZ001
        min_size=1,
    )
)
def test_every_message_that_says_something_is_found_again_in_its_place(
    said: list[tuple[str, str, datetime]],
) -> None:
    lines = (json.dumps({"by": by, "text": text, "at": at.isoformat()}) for by, text, at in said)
    document = read_bytes("\n".join(lines).encode(), "a.jsonl", limit=10**9)
    spoken = [each for each in said if each[1].replace("\0", "").strip()]
    assert len(document.messages) == len(spoken)
    behind = 0
    for each, (_, text, _) in zip(document.messages, spoken, strict=True):
        assert each.start >= behind
        assert document.text[each.start : each.end].endswith(text.replace("\0", "").strip())
        behind = each.end
