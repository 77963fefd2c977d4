"""CSV and its kin: the separator, the encoding and the decimal mark are found out, not asked for."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING

from atlas_mcp.computing.table import Rows
from atlas_mcp.errors import UnreadableDocument

if TYPE_CHECKING:
    from atlas_mcp.computing.table import Table

__all__ = ["read_delimited", "separator"]

SEPARATORS = ",;\t|"
_SAMPLE = 200
_SAMPLED = 100_000
_HINT = re.compile(r"sep=(.)\s*")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_delimited(data: bytes | str, name: str) -> Table:
    """The table of a file whose lines are rows; without a separator it has one column.

    :raises UnreadableDocument: it is binary, empty, or larger than what is read.
    """
    text = data if isinstance(data, str) else _decoded(data, name)
    hint = _HINT.match(text)
    if hint and text[hint.end() - 1 : hint.end()].isspace():
        mark, text = hint[1], text[hint.end() :]
    else:
        mark = separator(text) or ","
    rows = Rows(name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)
    previous = csv.field_size_limit()
    try:
        for row in reader:
            rows.add(row)
    except csv.Error as error:
        raise UnreadableDocument(
            f"{name}, line {reader.line_num}: {error}; a cell may have at most {previous:,} characters.",
            remedy="Is a quotation mark not closed? Save the table as CSV anew.",
        ) from None
    # Where commas part numbers from numbers, none of them is a decimal mark.
    return rows.table("," if mark == ";" else None)


def separator(text: str) -> str | None:
    """What parts the cells of a text's lines; None where nothing parts them into two or more alike."""
    sample = text[:_SAMPLED]
    if len(text) > _SAMPLED:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best: tuple[float, int, str] | None = None
    for order, mark in enumerate(SEPARATORS):
        widths: list[int] = []
        try:
            for row in csv.reader(io.StringIO(sample, newline=""), delimiter=mark, skipinitialspace=True):
                if any(row):
                    widths.append(len(row))
                if len(widths) >= _SAMPLE:
                    break
        except csv.Error:
            continue
        # Titles and notes above and below have one cell.
        wide = Counter(width for width in widths if width > 1)
        if not wide:
            continue
        usual, count = wide.most_common(1)[0]
        rank = (count / len(widths) + min(usual, 5) / 100, -order, mark)
        best = max(best, rank) if best else rank
    return best[2] if best else None


def _decoded(data: bytes, name: str) -> str:
    encoding = next((encoding for bom, encoding in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        # What spreadsheets in western countries still write.
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        raise UnreadableDocument(f"{name} is a binary file.", remedy="Save the table as CSV or .xlsx.")
    return text
