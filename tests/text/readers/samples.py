"""Small files of every format, made as programs make them."""

from __future__ import annotations

import io
import json
import zipfile
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CHAT",
    "ENVELOPE",
    "IPHONE",
    "MAIL",
    "MBOX",
    "SLACK",
    "TELEPHONE",
    "book",
    "old_office",
    "open_slides",
    "open_text",
    "packed",
    "slides",
    "word",
]

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    f' xmlns:r="{OFFICE}"'
)
ODF = (
    " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "presentation")
    )
    + ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
)

STYLES = f"""<w:styles {W}>
<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:styleId="Own"><w:name w:val="Our heading"/><w:basedOn w:val="berschrift1"/>
<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:styleId="TOC1"><w:name w:val="toc 1"/></w:style>
<w:style w:styleId="Bullets"><w:name w:val="List Bullet"/>
<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
</w:styles>"""
NUMBERING = f"""<w:numbering {W}>
<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl>
<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="7"/></w:num>
</w:numbering>"""
NOTES = f"""<w:footnotes {W}><w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>line</w:t></w:r></w:p>
</w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>By the harbour board.</w:t></w:r></w:p></w:footnote>
</w:footnotes>"""

CHAT = "\n".join(
    json.dumps(line, ensure_ascii=False)
    for line in (
        {"at": "2023-05-08T13:56", "by": "Caroline", "text": "I went to a support group.", "session": 1},
        {"at": "2023-05-08T13:57", "by": "Melanie", "text": "Wow!\n\nHow was it?", "session": 1},
        {"at": "2023-05-25T09:00:00+02:00", "by": "Caroline", "text": "素晴らしい。", "session": 2},
    )
)
SLACK = json.dumps([
    {"type": "message", "subtype": "channel_join", "user": "U2", "text": "joined", "ts": "1683554100.1"},
    {
        "type": "message", "user": "U1", "ts": "1683554164.000200", "text": "Ship &amp; tell <@U2>",
        "user_profile": {"display_name": "", "real_name": "Ann Lee"},
    },
    {
        "type": "message", "user": "U2", "ts": "1683554200.000300",
        "text": "See <https://x.org/a|the plan> in <#C1|general>", "files": [{"name": "plan.pdf"}],
        "user_profile": {"display_name": "bob"},
    },
    {"type": "message", "user": "U3", "ts": "1683554300.0", "text": "Fine."},
])  # fmt: skip
TELEPHONE = """\
12/31/21, 11:58 PM - Messages and calls are end-to-end encrypted.
12/31/21, 11:59 PM - Ann Lee: Happy new year
in a minute: really
1/1/22, 12:00 AM - +49 170 1234567: \u200e<Media omitted>
"""
IPHONE = """\
\u200e[13.05.23, 09:05:01] Jörg: Guten Morgen
[13.05.23, 09:06:10] 山田: おはよう
"""
MAIL = b"""\
Return-Path: <ann@x.org>
From: "Lee, Ann" <ann@x.org>
To: Bob Ray <bob@x.org>, carol@x.org
Subject: =?utf-8?q?Re=3A_caf=C3=A9_plan?=
Date: Mon, 8 May 2023 13:56:04 +0200
Message-ID: <1@x.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: multipart/alternative; boundary="a"

--a
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

The caf=E9 opens in June.
--a
Content-Type: text/html

<p>Never read.</p>
--a--
--b
Content-Type: application/pdf; name="plan.pdf"
Content-Disposition: attachment; filename="plan.pdf"
Content-Transfer-Encoding: base64

JVBERi0=
--b--
"""
ENVELOPE = "From ann@x.org Mon May  8 13:56:04 2023\n"
MBOX = dedent(f"""\
    {ENVELOPE.strip()}
    From: Ann <ann@x.org>
    Subject: Budget
    Date: Mon, 8 May 2023 13:56:04 +0200
    Message-ID: <1@x.org>

    We have 4 M for the crane.
    >From the board, that is.

    --
    Ann, harbour office

    {ENVELOPE.strip()}
    From: Bob <bob@x.org>
    Subject: Re: Budget
    Date: Tue, 9 May 2023 08:00:00 -0000
    Message-ID: <2@x.org>

    It costs five.

    On Mon, 8 May 2023 Ann wrote:
    > We have 4 M for the crane.
    > From the board, that is.

    > nobody said this

    {ENVELOPE.strip()}
    From: Ann <ann@x.org>
    Subject: Lunch
    Content-Type: text/html; charset=utf-8
    Message-ID: <3@x.org>

    <h1>Menu</h1><p>Fish or soup?</p><script>x()</script>

    {ENVELOPE.strip()}
    From: Ann <ann@x.org>
    Subject: Budget
    Message-ID: <1@x.org>

    A copy.

    {ENVELOPE.strip()}
    From: Ann <ann@x.org>
    Subject: AW: budget

    Then we wait.
    --
    Ann, harbour office
    """).encode()


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip file of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


def relations(**targets: str) -> str:
    """A listing of relations: `id=kind:target`."""
    named = ((key, *said.split(":")) for key, said in targets.items())
    each = (f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{at}"/>' for key, kind, at in named)
    return f"<Relationships>{''.join(each)}</Relationships>"


def word(body: str, **parts: str) -> bytes:
    """A Word file with this in its body; `parts` replace or add to what it is made of."""
    return packed(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": relations(r1="officeDocument:word/document.xml"),
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": relations(
                r1="styles:styles.xml", r2="numbering:/word/numbering.xml", r3="footnotes:footnotes.xml"
            ),
            "word/styles.xml": STYLES,
            "word/numbering.xml": NUMBERING,
            "word/footnotes.xml": NOTES,
        }
        | {name.replace("__", "/") + ".xml": text for name, text in parts.items()}
    )


def slides(*pages: str, notes: str = "") -> bytes:
    """A presentation with these trees of shapes, in their order; `notes` are those of the first slide."""
    listed = "".join(f'<p:sldId r:id="r{at}" id="{255 + at}"/>' for at in range(len(pages), 0, -1))
    parts = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(r1="officeDocument:ppt/presentation.xml"),
        "ppt/presentation.xml": f"<p:presentation {A}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(
            **{f"r{at}": f"slide:slides/slide{at}.xml" for at in range(1, len(pages) + 1)}
        ),
        "ppt/slides/_rels/slide1.xml.rels": relations(r1="notesSlide:../notesSlides/notes1.xml"),
        "ppt/notesSlides/notes1.xml": f"<p:notes {A}>{notes}</p:notes>",
    }
    for at, page in enumerate(reversed(pages), start=1):
        parts[f"ppt/slides/slide{at}.xml"] = f"<p:sld {A}><p:spTree>{page}</p:spTree></p:sld>"
    return packed(parts)


def open_text(body: str) -> bytes:
    """An OpenDocument text with this in it."""
    return _open("text", f"<office:text>{body}</office:text>")


def open_slides(body: str) -> bytes:
    """An OpenDocument presentation with these pages."""
    return _open("presentation", f"<office:presentation>{body}</office:presentation>")


def _open(kind: str, body: str) -> bytes:
    content = f"<office:document-content {ODF}><office:body>{body}</office:body></office:document-content>"
    return packed({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def book(*chapters: str) -> bytes:
    """An electronic book with these chapters."""
    items = "".join(
        f'<item id="c{at}" href="text/c{at}.xhtml" media-type="application/xhtml+xml"/>'
        for at in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{at}"/>' for at in range(len(chapters)))
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    listing = (
        '<package xmlns:dc="d"><metadata><dc:title>The sea</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    pages = {f"OEBPS/text/c{at}.xhtml": f"<html>{page}</html>" for at, page in enumerate(chapters)}
    about = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    return packed(about | {"OEBPS/book.opf": listing} | pages)


def old_office(*streams: str) -> bytes:
    """The beginning of an office file of before 2007 that names these streams."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"".join(
        b"\0" * 64 + each.encode("utf-16-le") for each in streams
    )
