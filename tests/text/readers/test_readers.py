"""Files become snapshots, or are refused with a reason and a way out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers import read_bytes, read_document

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """<!doctype html>
<html><head><title>The  page</title><style>p {}</style><script>var x = 1;</script></head>
<body>
<header><a href="/">Home</a> <a href="/b">Blog</a></header><nav>Menu</nav>
<div><h1>Rivers of <em>Europe</em></h1>
<p>The Danube is
   long.<br>It ends in the <b>Black</b> Sea.</p>
<ul><li>Rhine</li><li>Elbe<ol><li>Saale</li><li>Havel</li></ol></li></ul>
<table><thead><tr><th>River</th><th>km</th></tr></thead>
<tbody><tr><td>Danube</td><td><p>2850</p></td></tr><tr><td>a|b</td><td>1</td></tr></tbody></table>
<pre><code>if x:
    y = 1</code></pre>
<blockquote><p>Water is life.</p></blockquote>
<p hidden>secret</p><p>Use <code>flow()</code> here.</p><dl><dt>Delta</dt><dd>A mouth.</dd></dl>
</div><footer>Imprint</footer></body></html>"""

READ = """# Rivers of Europe

The Danube is long.
It ends in the Black Sea.

- Rhine
- Elbe
  1. Saale
  2. Havel

| River | km |
| --- | --- |
| Danube | 2850 |
| a\\|b | 1 |

```
if x:
    y = 1
```

> Water is life.

Use `flow()` here.

Delta

- A mouth.
"""


def pdf(*pages: str, password: str | None = None) -> bytes:
    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(300, 300)
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        stream: Any = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 10 200 Td ({text}) Tj ET".encode() if text else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)  # pyright: ignore[reportUnknownMemberType]
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.add_metadata({"/Title": "Two pages"})
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_markdown_is_its_own_snapshot_and_named_by_its_front_matter_or_heading(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    text = "---\ntitle: 'The title'\nx: y\n---\n\n# Heading\r\n\r\nWörds.\n"
    path.write_bytes(text.encode())
    document = read_document(path)
    assert (document.text, document.title, document.media_type) == (text, "The title", "text/markdown")
    assert read_bytes(b"Intro.\n\n# Heading\n", "b.md").title == "Heading"
    assert read_bytes(b"Intro.", "b.md").title == "b.md"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(encoding: str) -> None:
    assert read_bytes("Ünï — 文".encode(encoding), "a.txt").text == "Ünï — 文"


def test_source_code_is_text_that_is_not_read_as_markdown() -> None:
    document = read_bytes(b"# not a heading\nx = 1\n", "a.py")
    assert (document.media_type, document.title) == ("text/x-source", "a.py")


def test_html_becomes_its_main_content_with_marks() -> None:
    document = read_bytes(PAGE.encode(), "rivers.html")
    assert document.text == READ
    assert (document.title, document.media_type) == ("The page", "text/html")


def test_html_is_known_by_its_start_or_its_media_type() -> None:
    assert read_bytes(PAGE.encode(), "https://x.org/rivers").text == READ
    assert read_bytes(b"<p>Hi there.", "x", media_type="text/html; charset=utf-8").text == "Hi there.\n"


def test_html_says_its_encoding_or_is_read_as_browsers_do() -> None:
    declared = '<meta charset="iso-8859-15"><p>5 \u20ac</p>'
    assert read_bytes(declared.encode("iso-8859-15"), "a.html").text == "5 \u20ac\n"
    assert read_bytes("<p>caf\xe9</p>".encode("latin-1"), "a.html").text == "caf\xe9\n"


def test_html_may_nest_deeper_than_python() -> None:
    assert read_bytes(b"<div>" * 5_000 + b"deep", "a.html").text == "deep\n"


def test_only_the_main_element_counts_where_there_is_one() -> None:
    body = f"<p>Cookie banner</p><main><h1>News</h1><p>{'Words. ' * 40}</p></main><p>More links</p>"
    text = read_bytes(body.encode(), "a.html").text
    assert text.startswith("# News\n\nWords.")
    assert "Cookie" not in text
    assert "links" not in text


def test_a_pdf_is_its_pages_parted_by_form_feeds(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf("First page.", "Second page."))
    document = read_document(path)
    assert document.text == "First page.\fSecond page."
    assert document.pages == (0, 12)
    assert (document.title, document.media_type) == ("Two pages", "application/pdf")


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.txt", "is empty"),
        (b" \n", "a.md", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a.png", "no utf-8 text"),
        (b"a\0b", "a.bin", "binary file"),
        (b"caf\xe9", "a.txt", "no utf-8 text"),
        (b"x" * 101, "a.txt", "at most"),
        (b"<html><script>1</script></html>", "a.html", "holds no text"),
        (b"%PDF-1.7 rubbish", "a.pdf", "damaged PDF"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_name_and_a_way_out(
    data: bytes, name: str, reason: str
) -> None:
    with pytest.raises(UnreadableDocument, match=reason) as refusal:
        read_bytes(data, name, limit=100)
    assert name in refusal.value.message
    assert refusal.value.remedy


def test_a_scanned_or_locked_pdf_is_refused_by_its_cause() -> None:
    with pytest.raises(UnreadableDocument, match="probably a scan"):
        read_bytes(pdf(""), "scan.pdf")
    with pytest.raises(UnreadableDocument, match="needs a password"):
        read_bytes(pdf("Secret.", password="key"), "locked.pdf")  # noqa: S106


def test_a_damaged_pdf_never_fails_otherwise() -> None:
    whole = pdf("Some text on it.")
    for at in range(20, len(whole), 37):
        damaged = whole[:at] + b"\0\xff<<" + whole[at + 4 :]
        try:
            read_bytes(damaged, "a.pdf")
        except UnreadableDocument:
            continue


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match=r"nowhere\.txt cannot be read"):
        read_document(tmp_path / "nowhere.txt")
