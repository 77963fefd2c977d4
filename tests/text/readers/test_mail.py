"""E-mail is read as what people wrote to each other, once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers import read_bytes
from tests.text.readers.samples import ENVELOPE, MAIL, MBOX


def test_a_message_is_told_by_its_writer_with_its_day_and_attachments_named() -> None:
    document = read_bytes(MAIL, "plan.eml")
    assert (document.title, document.media_type) == ("café plan", "message/rfc822")
    assert document.text == (
        "# café plan\n\n## café plan, 8 May 2023\n\n"
        "Lee, Ann: The café opens in June.\n\n[to Bob Ray, carol@x.org; attached: plan.pdf]\n"
    )
    (said,) = document.messages
    assert (said.by, said.at) == ("Lee, Ann", "2023-05-08T13:56:04+02:00")
    assert document.text[said.start :].startswith("Lee, Ann: The café")


@pytest.mark.parametrize("name", ["saved.txt", "message", "https://x.org/mail"])
def test_mail_is_known_by_its_headers_whatever_it_is_called(name: str) -> None:
    assert read_bytes(MAIL.replace(b"\n", b"\r\n"), name).messages


@pytest.mark.parametrize("name", ["Inbox", "archive.mbox", "2023-May.txt"])
def test_an_archive_is_told_message_by_message_without_what_was_said_before(name: str) -> None:
    document = read_bytes(MBOX, name)
    quoting = (
        "Bob: It costs five.\n\nOn Mon, 8 May 2023 Ann wrote:\n> We have 4 M for the crane.\n"
        "> From the board, that is.\n\n> nobody said this"
    )
    assert [document.text[each.start : each.end] for each in document.messages] == [
        "Ann: We have 4 M for the crane.\nFrom the board, that is.\n\n--\nAnn, harbour office",
        quoting,
        "Ann: # Menu\n\nFish or soup?",
        "Ann: Then we wait.",
    ]
    assert [each.at for each in document.messages] == [
        "2023-05-08T13:56:04+02:00", "2023-05-09T08:00:00", None, None,
    ]  # fmt: skip
    assert document.text.startswith("# ")
    assert "## Budget, 8 May 2023\n" in document.text
    assert "## Lunch\n" in document.text


def test_a_quote_of_an_earlier_message_goes_with_the_line_that_introduces_it() -> None:
    document = read_bytes(MBOX.replace(b"\n> nobody said this\n", b"\n"), "a.mbox")
    assert document.text[document.messages[1].start : document.messages[1].end] == "Bob: It costs five."


def test_text_that_is_no_mail_stays_text() -> None:
    for text in (b"From here on: nothing.\nTo: do\n", b"Date: 1 May\nSubject: none\n\nA note.\n"):
        assert read_bytes(text, "note.txt").text == text.decode()


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"no mail at all", "a.mbox"), (b"From: a@x.org\nSubject: none\nDate: x\n\n", "a.eml")],
)
def test_an_archive_without_a_word_is_refused(data: bytes, name: str) -> None:
    with pytest.raises(UnreadableDocument, match="no message that can be read") as refusal:
        read_bytes(data, name)
    assert name in refusal.value.message


def test_an_unknown_charset_and_a_wrong_one_are_read_as_far_as_possible() -> None:
    for charset, body, shown in (
        ("x-none", "café".encode(), "café"),
        ("utf-8", b"caf\xe9", "café"),
        ("koi8-r", "привет".encode("koi8-r"), "привет"),
        ("shift_jis", "日本".encode("shift_jis"), "日本"),
    ):
        head = f"From: a@x.org\nSubject: s\nDate: x\nContent-Type: text/plain; charset={charset}\n\n"
        assert shown in read_bytes(head.encode() + body, "a.eml").text


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damaged_mail_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from([MAIL, MBOX])))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
        whole = whole or bytearray(b"x")
    for name in ("a.eml", "a.mbox"):
        try:
            document = read_bytes(bytes(whole), name)
        except UnreadableDocument:
            continue
        assert all(document.text[each.start : each.end].strip() for each in document.messages)


def test_an_archive_of_a_thousand_answers_that_quote_each_other_takes_no_time() -> None:
    body = "".join(f"> {'>' * (n % 5)} line {n}\n" for n in range(200))
    one = f"{ENVELOPE}From: a@x.org\nSubject: s\nDate: x\n\nNew {{}}.\n\nOn Monday Ann wrote:\n{body}\n"
    document = read_bytes("".join(one.format(n) for n in range(300)).encode(), "a.mbox")
    assert len(document.messages) == 300
    assert document.text.count("line 7\n") == 1
