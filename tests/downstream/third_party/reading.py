"""Programs for the servers' own environment: what stands in a file, as JSON, read by other libraries."""

from __future__ import annotations

__all__ = ["READ_DOCX", "READ_XLSX"]

READ_DOCX = """
import json, sys, docx
document = docx.Document(sys.argv[1])
print(json.dumps({
    "title": document.core_properties.title,
    "paragraphs": [[each.style.name, each.text] for each in document.paragraphs],
    "tables": [[[cell.text for cell in row.cells] for row in table.rows] for table in document.tables],
}))
"""
READ_XLSX = """
import json, sys, openpyxl
book = openpyxl.load_workbook(sys.argv[1])
print(json.dumps({
    "title": book.properties.title,
    "bold": [sheet["B1"].font.bold for sheet in book],
    "sheets": {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book},
}))
"""
