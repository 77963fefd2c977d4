"""From a finished Markdown document to the calls by which a server makes a file of it, as its recipe says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.text.blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.downstream.entry import Recipe

__all__ = ["Part", "parts", "written"]

_WHOLE = re.compile(r"\{(level|rows|columns|number|cells|texts|sheets)\}\Z")
_WITHIN = re.compile(r"\{(file|title|text|sheet|header)\}")
_CELL = re.compile(r"(?<!\\)\|")
_STRONG = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_SOFT = re.compile(r"(?<![\w*])([*_])(?=\S)([^*_\n]+?)(?<=\S)\1(?![\w*])")
_LINK = re.compile(r"!?\[([^\]\[]*)\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"`+([^`]+)`+")
_SHEET = re.compile(r"[\[\]:*?/\\]")
_LONGEST_SHEET = 31
_DOCUMENT = "Document"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a document: `heading` with its level, `paragraph`, `item`, or `table` of rows."""

    kind: str
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


def parts(markdown: str) -> list[Part]:
    """The parts of a document, in order, their text without marks of Markdown."""
    made: list[Part] = []
    rows: list[tuple[str, ...]] = []
    behind = 0
    for block in blocks(markdown):
        text = markdown[block.start : block.end]
        joined, behind = block.first == behind, block.last
        if rows and not (joined and block.kind in ("row", "markup")):
            made.append(_table(rows))
            rows = []
        match block.kind:
            case "row":
                rows.append(_row(text))
            case "heading":
                made.append(Part("heading", _plain(text), block.level))
            case "item":
                made.append(Part("item", _plain(text)))
            case "code":
                made.append(Part("paragraph", text.strip("\n")))
            case "markup":
                pass
            case _:
                made.append(Part("paragraph", _plain(" ".join(text.split()))))
    if rows:
        made.append(_table(rows))
    return [part for part in made if part.text or part.rows]


def written(
    recipe: Recipe, document: Sequence[Part], *, file: str, title: str
) -> list[tuple[str, dict[str, Any]]]:
    """The calls that write a document, as tool and arguments, in order.

    A recipe with sheets writes tables, each on a sheet of its own, after one with all that is no table.
    """
    told = {"file": file, "title": title}
    sheets = _sheets(document) if recipe.sheet else {}
    calls = [_filled(call, {**told, "sheets": list(sheets)}) for call in recipe.create]
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        told_of = {**told, "sheet": name, "number": number, **_of_table(rows)}
        calls += [_filled(call, told_of) for call in recipe.sheet]
    if not recipe.sheet:
        for part in document:
            known = {**told, "text": part.text, "level": part.level, **_of_table(part.rows)}
            calls += [_filled(call, known) for call in _steps(recipe, part)]
    return calls + [_filled(call, told) for call in recipe.finish]


def _steps(recipe: Recipe, part: Part) -> tuple[dict[str, Any], ...]:
    match part.kind:
        case "heading":
            return recipe.heading
        case "item":
            return recipe.item or recipe.paragraph
        case "table":
            return recipe.table
        case _:
            return recipe.paragraph


def _row(line: str) -> tuple[str, ...]:
    cells = _CELL.split(line.strip().removeprefix("|").removesuffix("|"))
    return tuple(_plain(cell.strip().replace("\\|", "|")) for cell in cells)


def _table(rows: Sequence[tuple[str, ...]]) -> Part:
    width = max(map(len, rows))
    return Part("table", rows=tuple((*row, *([""] * (width - len(row)))) for row in rows))


def _plain(text: str) -> str:
    """A text as it reads: emphasis and code without their marks, a link as its words and its address."""
    text = _LINK.sub(lambda found: f"{found[1]} ({found[2]})" if found[1] else found[2], text)
    text = _SOFT.sub(r"\2", _STRONG.sub(r"\2", _CODE.sub(r"\1", text)))
    return text.strip()


@dataclass(slots=True)
class _Book:
    """Sheets under names that a workbook takes: short, without marks, each once."""

    sheets: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict[str, Any])

    def add(self, name: str, rows: Sequence[tuple[str, ...]]) -> None:
        plain = _SHEET.sub(" ", name).strip()[:_LONGEST_SHEET].strip() or "Table"
        chosen, number = plain, 1
        while chosen.lower() in {each.lower() for each in self.sheets}:
            number += 1
            end = f" {number}"
            chosen = plain[: _LONGEST_SHEET - len(end)] + end
        self.sheets[chosen] = tuple(rows)


def _sheets(document: Sequence[Part]) -> dict[str, tuple[tuple[str, ...], ...]]:
    book, heading = _Book(), ""
    prose = [("Kind", "Text")]
    prose += [(part.kind.capitalize(), part.text) for part in document if part.kind != "table"]
    if len(prose) > 1:
        book.add(_DOCUMENT, prose)
    for part in document:
        if part.kind == "heading":
            heading = part.text
        elif part.kind == "table":
            book.add(heading or "Table", part.rows)
    return book.sheets


def _of_table(rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    if not rows:
        return {}
    width = len(rows[0])
    cells = [list(rows[0]), *([_value(cell) for cell in row] for row in rows[1:])]
    texts = [list(row) for row in rows]
    header = f"A1:{_column(width)}1"
    return {"rows": len(rows), "columns": width, "cells": cells, "texts": texts, "header": header}


_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,10})?\Z")


def _value(cell: str) -> str | int | float:
    """A cell's number where it is plainly one; a text that would be taken for a formula stays a text."""
    if _NUMBER.match(cell):
        return float(cell) if "." in cell else int(cell)
    return f" {cell}" if cell.startswith("=") else cell


def _column(number: int) -> str:
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _filled(call: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    arguments = _value_of(call.get("arguments", {}), told)
    return str(call["tool"]), cast("dict[str, Any]", arguments)


def _value_of(value: Any, told: Mapping[str, Any]) -> Any:
    match value:
        case str():
            if whole := _WHOLE.match(value):
                return told[whole[1]]
            # In one go, so that a text which holds such a word itself is not filled in again.
            return _WITHIN.sub(lambda found: str(told.get(found[1], "")), value)
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {key: _value_of(inner, told) for key, inner in items}
        case list():
            return [_value_of(inner, told) for inner in cast("list[Any]", value)]
        case _:
            return value
