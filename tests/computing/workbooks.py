"""Workbooks made by hand, so that a test can say to the letter what stands in them."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STYLES", "cells", "opendocument", "package", "workbook"]

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"

STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts><numFmt numFmtId="170" formatCode="#,##0.00\\ &quot;day&quot;"/>'
    '<numFmt numFmtId="171" formatCode="dd/mm/yyyy"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/>'
    '<xf numFmtId="9"/><xf numFmtId="170"/><xf numFmtId="171"/></cellXfs></styleSheet>'
)
"""Styles 0 plain, 1 date, 2 percent, 3 a unit that is called "day", 4 a date of one's own."""


def package(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip file of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def cells(rows: Mapping[int, Mapping[str, str | float]], merged: str = "") -> str:
    """A sheet's part: by row and column `B`, a number, a text, or a cell as XML where it begins with `<`."""
    lines: list[str] = []
    for number, row in rows.items():
        made = "".join(_cell(f"{column}{number}", value) for column, value in row.items())
        lines.append(f'<row r="{number}">{made}</row>')
    merges = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData>{merges}</worksheet>'


def _cell(place: str, value: str | float) -> str:
    if not isinstance(value, str):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    if value.startswith("<"):
        return f'<c r="{place}" {value[1:]}'
    return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'


def workbook(
    sheets: Mapping[str, str], *, hidden: tuple[str, ...] = (), texts: str = "", options: str = ""
) -> bytes:
    """A workbook of sheets, each as `cells` makes it."""
    listed = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"'
        + (' state="hidden"/>' if name in hidden else "/>")
        for number, name in enumerate(sheets, start=1)
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{_R}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    parts = {
        "[Content_Types].xml": _types(len(sheets)),
        "_rels/.rels": f'<Relationships xmlns="{_RELS}"><Relationship Id="rId1" Type="{_R}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_R}">{options}'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELS}">{related}</Relationships>',
        "xl/styles.xml": STYLES,
    }
    if texts:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{texts}</sst>'
    for number, sheet in enumerate(sheets.values(), start=1):
        parts[f"xl/worksheets/sheet{number}.xml"] = sheet
    return package(parts)


def _types(sheets: int) -> str:
    parts = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles")]
    parts += [(f"/xl/worksheets/sheet{number}.xml", "worksheet") for number in range(1, sheets + 1)]
    overrides = "".join(
        f'<Override PartName="{part}" ContentType="{_KIND}.{kind}+xml"/>' for part, kind in parts
    )
    rels = "application/vnd.openxmlformats-package.relationships+xml"
    return f'<Types xmlns="{_TYPES}"><Default Extension="rels" ContentType="{rels}"/>{overrides}</Types>'


def opendocument(rows: str) -> bytes:
    """An OpenDocument spreadsheet of one sheet, its rows as XML."""
    names = f'xmlns:office="{_OFFICE}" xmlns:table="{_TABLE}" xmlns:text="{_TEXT}"'
    body = f'<table:table table:name="One">{rows}</table:table>'
    content = f"<office:document-content {names}><office:body>{body}</office:body></office:document-content>"
    return package({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": content})
