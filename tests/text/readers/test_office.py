"""Office files are read as structured text, or refused with a way out; nothing in them unpacks far."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_mcp.computing import markup
from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers import load, office, read_bytes
from tests.text.readers import samples

if TYPE_CHECKING:
    from pathlib import Path


def paragraph(words: str, style: str = "", number: str = "", depth: int = 0) -> str:
    marks = f'<w:pStyle w:val="{style}"/>' if style else ""
    if number:
        marks += f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>'
    return f"<w:p><w:pPr>{marks}</w:pPr><w:r><w:t>{words}</w:t></w:r></w:p>"


def cell(*paragraphs: str) -> str:
    return f"<w:tc>{''.join(paragraphs)}</w:tc>"


WORD = samples.word(
    paragraph("Harbour report", "Titel")
    + paragraph("Quays 3", "TOC1")
    + paragraph("Quays", "berschrift1")
    + "<w:p><w:r><w:t>The north </w:t></w:r><w:ins><w:r><w:t>quay</w:t></w:r></w:ins><w:r><w:tab/><w:t>stands"
    "</w:t></w:r><w:del><w:r><w:delText>fell</w:delText></w:r></w:del><w:moveFrom><w:r><w:t>away</w:t></w:r>"
    "</w:moveFrom><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:t>.</w:t></w:r>"
    '<w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    + paragraph("First", "Bullets")
    + paragraph("Second", "Bullets")
    + paragraph("One", number="2")
    + paragraph("deeper", number="2", depth=1)
    + paragraph("Two", number="2")
    + paragraph("Costs", "Own")
    + f"<w:tbl><w:tr>{cell(paragraph('Item'))}{cell(paragraph('Cost'))}</w:tr>"
    f"<w:tr>{cell(paragraph('Crane|A'), paragraph('new'))}{cell()}</w:tr></w:tbl>"
    "<w:p><mc:AlternateContent xmlns:mc='m'><mc:Choice><w:r><w:txbxContent>"
    + paragraph("In a box")
    + "</w:txbxContent></w:r></mc:Choice><mc:Fallback>"
    + paragraph("In a box")
    + "</mc:Fallback></mc:AlternateContent></w:p>"
    + paragraph("Ende: 日本語 العربية")
)
READ = """# Harbour report

# Quays

The north quay stands.[^2]

- First
- Second
1. One
  1. deeper
2. Two

## Costs

| Item | Cost |
| --- | --- |
| Crane\\|A new |  |

In a box

Ende: 日本語 العربية

[^2]: By the harbour board.
"""


def shape(words: str, place: str = "", level: int = 0) -> str:
    kind = f'<p:ph type="{place}"/>' if place else "<p:ph/>"
    texts = "".join(
        f'<a:p><a:pPr lvl="{level}"/><a:r><a:t>{each}</a:t></a:r></a:p>' for each in words.split("|")
    )
    return f"<p:sp><p:nvPr>{kind}</p:nvPr><p:txBody>{texts}</p:txBody></p:sp>"


SLIDES = samples.slides(
    shape("Plan 2027", "ctrTitle") + shape("For the board", "subTitle") + shape("7", "sldNum"),
    shape("Dredge|Repair") + shape("Goals", "title"),
    "<p:graphicFrame><a:tbl><a:tr><a:tc><a:p><a:r><a:t>A</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>B</a:t>"
    "</a:r></a:p></a:tc></a:tr></a:tbl></p:graphicFrame>",
    notes=shape("5", "sldNum") + shape("Money is short.", "body"),
)


def test_a_word_file_keeps_its_headings_lists_tables_and_notes() -> None:
    document = read_bytes(WORD, "report.docx")
    assert document.text == READ
    assert document.title == "Harbour report"
    assert document.pages is None


def test_the_title_in_the_properties_comes_first() -> None:
    core = "<c:coreProperties xmlns:c='c' xmlns:dc='d'><dc:title>Named</dc:title></c:coreProperties>"
    assert read_bytes(samples.word(paragraph("x"), docProps__core=core), "a.docx").title == "Named"
    assert read_bytes(samples.word(paragraph("x")), "/tmp/report.docx").title == "report"  # noqa: S108 - a mere name


def test_a_slide_is_a_page_with_a_heading_and_its_notes() -> None:
    document = read_bytes(SLIDES, "plan.pptx")
    assert document.text == (
        "# Plan 2027\n\nFor the board\f# Goals\n\n- Dredge\n- Repair\f# Slide 3\n\n| A | B |\n| --- | --- |"
        "\n\n## Notes\n\nMoney is short.\n"
    )
    assert document.pages == (0, document.text.index("# Goals"), document.text.index("# Slide 3"))
    assert document.title == "Plan 2027"


def test_an_opendocument_text_keeps_its_structure() -> None:
    document = read_bytes(
        samples.open_text(
            "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
            '<text:h text:outline-level="2">Quays</text:h>'
            '<text:p>It<text:s text:c="2"/><text:span>stands</text:span><text:note><text:note-citation>1'
            "</text:note-citation><text:note-body><text:p>As seen.</text:p></text:note-body></text:note>"
            " still<office:annotation><text:p>a comment</text:p></office:annotation>.</text:p>"
            "<text:list><text:list-item><text:p>One</text:p><text:list><text:list-item><text:p>deep</text:p>"
            "</text:list-item></text:list></text:list-item></text:list>"
            "<table:table><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell>"
            "<table:table-cell><text:p>B</text:p></table:table-cell></table:table-row></table:table>"
        ),
        "quays.odt",
    )
    assert document.text == (
        "## Quays\n\nIt stands[^1] still.\n\n- One\n  - deep\n\n| A | B |\n| --- | --- |\n\n[^1]: As seen.\n"
    )
    assert (document.title, document.pages) == ("Quays", None)


def test_an_opendocument_presentation_has_pages() -> None:
    page = (
        "<draw:page><draw:frame presentation:class='title'><text:p>{0}</text:p></draw:frame>"
        "<draw:frame><text:p>Words.</text:p></draw:frame>"
        "<presentation:notes><text:p>Say {0}.</text:p></presentation:notes></draw:page>"
    )
    document = read_bytes(samples.open_slides(page.format("One") + page.format("Two")), "a.odp")
    assert document.text.split("\f")[1] == "# Two\n\nWords.\n\n## Notes\n\nSay Two.\n"
    assert document.pages == (0, document.text.index("# Two"))


def test_a_book_is_read_in_the_order_of_its_chapters() -> None:
    document = read_bytes(
        samples.book("<h1>One</h1><p>It begins.</p>", "<img/>", "<p>It ends.</p>"), "a.epub"
    )
    assert (document.title, document.text) == ("The sea", "# One\n\nIt begins.\n\nIt ends.\n")


def test_what_a_packed_file_holds_goes_before_its_name() -> None:
    assert read_bytes(WORD, "report.bin").text == READ
    assert read_bytes(SLIDES, "plan.docx").pages


@pytest.mark.parametrize(
    ("data", "name", "reason", "remedy"),
    [
        (samples.word(paragraph(" ")), "a.docx", "holds no words", "OCR"),
        (samples.slides("<p:pic/>"), "a.pptx", "holds no words", "OCR"),
        (samples.open_text(""), "a.odt", "holds no words", "OCR"),
        (samples.book("<img/>"), "a.epub", "holds no words", "PDF"),
        (WORD[:400], "a.docx", "no whole Word document", r"\.docx or PDF"),
        (WORD.replace(b"word/document.xml", b"word/dokument.xml"), "a.docx", "is damaged|it has no", "PDF"),
        (b"not packed", "a.docx", "no whole Word document", "PDF"),
        (samples.packed({"a.txt": "x"}), "a.zip", "packed file", "Unpack"),
        (samples.old_office("EncryptedPackage"), "a.docx", "needs a password", "without a password"),
        (samples.old_office("WordDocument"), "a.doc", "Word file of before 2007", r"\.docx"),
        (samples.old_office("PowerPoint Document"), "a.ppt", "PowerPoint file of before", r"\.pptx"),
        (samples.old_office("Workbook"), "book", "Excel file of before", r"\.xlsx"),
        (samples.old_office("__properties_version1.0"), "a.msg", "Outlook", r"\.eml"),
        (samples.old_office(), "a.hwp", "before 2007", "PDF"),
        (rb"{\rtf1 Hello}", "a.rtf", "Rich Text", r"\.docx"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(
    data: bytes, name: str, reason: str, remedy: str
) -> None:
    with pytest.raises(UnreadableDocument, match=reason) as refusal:
        read_bytes(data, name)
    assert name in refusal.value.message
    assert re.search(remedy, refusal.value.remedy)


def test_an_entity_bomb_and_a_packed_bomb_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a29;</x>'
    with pytest.raises(UnreadableDocument, match="document type"):
        read_bytes(samples.word("", word__document=bomb), "a.docx")
    huge = samples.word(" " * 3_000_000)
    assert len(huge) < 10_000
    monkeypatch.setattr(markup, "UNPACKED_MOST", 2_000_000)
    with pytest.raises(UnreadableDocument, match="unpacks to 3 MB"):
        read_bytes(huge, "a.docx")
    monkeypatch.setattr(office, "MOST_CHARACTERS", 1_000)
    with pytest.raises(UnreadableDocument, match=r"has 9,\d+ characters; 1,000 is the most"):
        read_bytes(samples.word(paragraph("word " * 2_000)), "a.docx")
    monkeypatch.setattr(markup, "UNPACKED_MOST", 4_000_000)
    monkeypatch.setattr(markup, "_TOTAL_MOST", 3_000_000)
    with pytest.raises(UnreadableDocument, match="its parts unpack to more than 3 MB"):
        read_bytes(huge, "a.docx")


def test_an_encoding_that_nobody_knows_is_damage() -> None:
    part = "<?xml version='1.0' encoding='none-such'?><x/>"
    with pytest.raises(UnreadableDocument, match=r"word/styles\.xml is damaged"):
        read_bytes(samples.word(paragraph("x"), word__styles=part), "a.docx")


def test_office_files_and_archives_of_mail_may_be_ten_times_as_large(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(WORD)
    assert load(path, limit=len(WORD) // 9) == WORD
    with pytest.raises(UnreadableDocument, match="are read"):
        load(path, limit=len(WORD) // 11)
    with pytest.raises(UnreadableDocument, match="Split it"):
        read_bytes(b"x" * 101, "a.md", limit=100)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_office_files_are_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    name, whole = data.draw(
        st.sampled_from([
            ("a.docx", WORD), ("a.pptx", SLIDES), ("a.odt", samples.open_text("<text:p>Words.</text:p>")),
            ("a.epub", samples.book("<p>Words.</p>")),
        ])
    )  # fmt: skip
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    try:
        read_bytes(bytes(damaged[: cut or None]), name)
    except UnreadableDocument:
        return


TAGS = st.sampled_from(["w:p", "w:tbl", "w:tr", "w:tc", "w:r", "w:t", "w:pPr", "w:footnoteReference"])


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.just("x"),
        lambda inner: st.tuples(TAGS, st.lists(inner, max_size=3)).map(
            lambda each: f"<{each[0]}>{''.join(each[1])}</{each[0]}>"
        ),
    )
)
def test_elements_in_any_order_are_read_or_refused(body: str) -> None:
    try:
        read_bytes(samples.word(body), "a.docx")
    except UnreadableDocument:
        return
