"""HTML: its main content as text with Markdown's marks for headings, lists, tables and code."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser, LexborNode

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.document import BOMS, Document, decoded
from atlas_mcp.text.words import word_set

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_html"]

CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?\s*([\w-]+)", re.IGNORECASE)
NOISE = """script, style, noscript, template, svg, math, canvas, iframe, object, nav, aside, form, button,
select, dialog, [hidden], [aria-hidden=true], [role=navigation], [role=search], [role=banner],
[role=contentinfo]"""
MAIN = ("main", "[role=main]", "article")
FRAME = "body > header, body > footer, body > div > header, body > div > footer"
HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = word_set("""
    address article blockquote body caption dd details div dl dt fieldset figcaption figure footer h1 h2
    h3 h4 h5 h6 header hr li main ol p pre section summary table tbody td tfoot th thead tr ul
""")
CELLS = ("td", "th")
BREAK = "\v"
INLINE = {"br": BREAK, "code": "`"}
LEAST_MAIN = 200


def read_html(data: bytes, name: str) -> Document:
    """The page's main content; scripts, styles, navigation and forms are left out.

    :raises UnreadableDocument: there is no text in it.
    """
    tree = LexborHTMLParser(_markup(data, name))
    title = tree.css_first("title")
    heading = tree.css_first("h1")
    names = [" ".join(node.text().split()) for node in (title, heading) if node is not None]
    for node in tree.css(NOISE):
        node.decompose()
    writer = _Writer()
    main = _main(tree)
    if main is not None:
        writer.write(main)
    text = writer.text()
    if not text.strip():
        raise UnreadableDocument(
            f"{name} holds no text; it may be filled in by scripts.",
            remedy="Save the page from a browser as HTML or PDF and give that.",
        )
    return Document(text, next(filter(None, names), PurePath(name).stem), "text/html")


def _markup(data: bytes, name: str) -> str:
    """The page's characters: by byte order mark, as declared, or as browsers guess."""
    declared = CHARSET.search(data[:2_048])
    if declared and not data.startswith(tuple(bom for bom, _ in BOMS)):
        try:
            return data.decode(codecs.lookup(declared[1].decode("ascii")).name, "replace")
        except LookupError:
            pass
    try:
        return decoded(data, name)
    except UnreadableDocument:
        if b"\0" in data or not data.strip():
            raise
        return data.decode("windows-1252", "replace")


def _main(tree: LexborHTMLParser) -> LexborNode | None:
    """The element that holds the content, or the body without its frame."""
    for selector in MAIN:
        found = max(tree.css(selector), key=lambda node: len(node.text()), default=None)
        if found is not None and len(found.text()) >= LEAST_MAIN:
            return found
    for node in tree.css(FRAME):
        node.decompose()
    return tree.body


class _Writer:
    """Turns a tree into lines; inline text is gathered until a block begins or ends."""

    def __init__(self) -> None:
        self._blocks: list[tuple[str, str]] = []
        self._inline: list[str] = []
        self._lists: list[int | None] = []
        self._heading = 0
        self._quotes = 0
        self._marker = ""
        self._row: list[str] | None = None
        self._rows = 0
        self._cells = 0

    def text(self) -> str:
        """Everything written: rows and items on lines of their own, other blocks parted by a blank line."""
        parts: list[str] = []
        for (kind, block), (before, _) in zip(self._blocks, [("", ""), *self._blocks], strict=False):
            if parts:
                parts.append("\n" if kind == before and kind in ("item", "row") else "\n\n")
            parts.append(block)
        return "".join(parts) + "\n" if parts else ""

    def write(self, root: LexborNode) -> None:
        """Walk the tree without recursion: pages nest deeper than Python does."""
        stack: list[tuple[LexborNode, bool]] = [(root, True)]
        while stack:
            node, entering = stack.pop()
            tag = node.tag or ""
            if tag == "-text":
                self._inline.append(node.text_content or "")
            elif not entering:
                self._leave(tag)
            elif tag == "pre":
                self._write_code(node)
            else:
                self._enter(tag)
                stack.append((node, False))
                stack.extend((child, True) for child in reversed(list(_children(node))))

    def _enter(self, tag: str) -> None:
        if tag in BLOCKS:
            self._flush()
        if tag in HEADINGS:
            self._heading = HEADINGS[tag]
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag in ("li", "dd"):
            self._marker = self._next_marker()
        elif tag == "blockquote":
            self._quotes += 1
        elif tag in INLINE:
            self._inline.append(INLINE[tag])
        else:
            self._enter_table(tag)

    def _enter_table(self, tag: str) -> None:
        if tag in CELLS:
            self._cells += 1
        elif tag == "table" and not self._cells:
            self._rows = 0
        elif tag == "tr" and not self._cells:
            self._row = []

    def _leave(self, tag: str) -> None:
        if tag in CELLS:
            self._leave_cell()
        if tag in BLOCKS:
            self._flush()
        if tag == "tr" and not self._cells:
            self._write_row()
        elif tag in ("ul", "ol"):
            self._lists.pop()
        elif tag in ("li", "dd"):
            self._marker = ""
        elif tag == "blockquote":
            self._quotes -= 1
        elif tag in HEADINGS:
            self._heading = 0
        elif tag == "code":
            self._inline.append(INLINE[tag])

    def _leave_cell(self) -> None:
        self._cells -= 1
        if not self._cells and self._row is not None:
            self._row.append(_line("".join(self._inline)).replace("|", "\\|"))
            self._inline.clear()

    def _next_marker(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def _flush(self) -> None:
        """Write the inline text that was gathered as one block; within a table's cell it is gathered on."""
        if self._cells:
            self._inline.append(" ")
            return
        lines = [line for line in map(_line, "".join(self._inline).split(BREAK)) if line]
        self._inline.clear()
        if not lines:
            return
        indent = "  " * max(len(self._lists) - 1, 0)
        if self._heading:
            self._add("heading", f"{'#' * self._heading} {' '.join(lines)}")
        elif self._marker or self._lists:
            lead = indent + (self._marker or "  ")
            self._add("item", lead + f"\n{' ' * len(lead)}".join(lines))
            self._marker = ""
        else:
            self._add("prose", "\n".join(lines))

    def _add(self, kind: str, block: str) -> None:
        if self._quotes:
            block = "\n".join(f"> {line}" for line in block.split("\n"))
        self._blocks.append((kind, block))

    def _write_row(self) -> None:
        row, self._row = self._row, None
        if not row or not any(row):
            return
        self._add("row", f"| {' | '.join(row)} |")
        self._rows += 1
        if self._rows == 1 and len(row) > 1:
            self._add("row", "|" + " --- |" * len(row))

    def _write_code(self, node: LexborNode) -> None:
        self._flush()
        code = node.text().strip("\n")
        if code.strip() and not self._cells:
            fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`{3,}", code)), 3)
            self._add("code", f"{fence}\n{code}\n{fence}")
        else:
            self._inline.append(code)


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _line(text: str) -> str:
    return " ".join(text.split())
