"""What an able model might say to a request, made up from the request itself.

Where a JSON Schema is asked for it is an instance that makes sense to a team of agents: workers from the
enum, verbatim sentences out of `<source>` fences, ids out of `<finding>` fences. Else it is words.
"""

from __future__ import annotations

import json
import re
from itertools import count, cycle
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tests.fakes.turn import Asked

JsonObject: TypeAlias = dict[str, Any]

_WORDS = "The evidence points to a measurable effect that the cited sources report in like terms. "
_PLANNED = 3


def answer(asked: Asked, tokens: int) -> str:
    """What an able model might say to the request."""
    if asked.schema is None:
        return (_WORDS * (tokens * 4 // len(_WORDS) + 1))[: max(tokens * 4, 1)]
    return json.dumps(_Author(asked.words, asked.schema).write(asked.schema, ""))


class _Author:
    """Fills a schema from the material of a prompt; the names of properties say what belongs there."""

    def __init__(self, said: str, root: JsonObject) -> None:
        self._root = root
        self._findings = dict(re.findall(r'<finding id="([^"]+)"[^>]*>\n(.*?)\n</finding>', said, re.DOTALL))
        sources = re.findall(r'<source id="([^"]+)"[^>]*>\n(.*?)\n</source>', said, re.DOTALL)
        self._quotes = [(name, sentence) for name, text in sources if (sentence := _sentence(text))]
        self._numbers = count(1)
        self._choice: dict[str, cycle[Any]] = {}
        self._quoted: tuple[str, str] | None = None
        self._claimed = ""

    def write(self, schema: JsonObject, name: str) -> Any:
        """An instance of `schema` for the property `name`."""
        schema = self._plain(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return next(self._choice.setdefault(name, cycle(schema["enum"])))
        kinds = schema.get("type", "object")
        match kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null"):
            case "object":
                fields = schema.get("properties", {})
                said = {field: self.write(inner, field) for field, inner in fields.items()}
            case "array":
                said = self._list(schema, name)
            case "number" | "integer":
                said = _number(schema)
            case "boolean":
                said = True
            case _:
                said = self._string(schema, name)
        return said

    def _plain(self, schema: JsonObject) -> JsonObject:
        """The schema behind a reference, and the first alternative that is not null."""
        if "$ref" in schema:
            return self._plain(self._root["$defs"][schema["$ref"].rsplit("/", 1)[-1]])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._plain(next(one for one in schema[key] if one.get("type") != "null"))
        return schema

    def _list(self, schema: JsonObject, name: str) -> list[Any]:
        most, least = schema.get("maxItems", 100), schema.get("minItems", 0)
        item = schema.get("items", {"type": "string"})
        if name in {"finding_ids", "evidence"}:
            return [self._claimed] if self._claimed else []
        if name == "after":
            return []
        if name == "findings" and "quote" in item.get("properties", {}):
            quotes = self._quotes[: min(most, 6)]
            return [self._finding(item, quote) for quote in quotes]
        if name in {"gaps", "open_questions", "disagreements", "revise", "missing"}:
            return [self.write(item, name) for _ in range(least)]
        if name == "claims" and self._findings:
            return [self._claim(item, finding) for finding in [*self._findings][:most]]
        wanted = _PLANNED
        return [self.write(item, name) for _ in range(max(least, min(most, wanted)))]

    def _finding(self, item: JsonObject, quote: tuple[str, str]) -> Any:
        self._quoted = quote
        return self.write(item, "finding")

    def _claim(self, item: JsonObject, finding: str) -> Any:
        self._claimed = finding
        return self.write(item, "claim")

    def _string(self, schema: JsonObject, name: str) -> str:
        if name in {"passage", "passage_id", "quote"} and self._quoted:
            return self._quoted[1 if name == "quote" else 0]
        if name == "id":
            return f"a{next(self._numbers)}"
        text = _WORDS.strip()
        if name == "text" and self._claimed:
            text = self._findings[self._claimed]
        if name in {"answer", "report", "document", "summary"} and self._findings:
            text = " ".join(f"{quote} [{finding}]" for finding, quote in [*self._findings.items()][:2])
        return text[: schema.get("maxLength", len(text))]


def _number(schema: JsonObject) -> float:
    low, high = schema.get("minimum", 0), schema.get("maximum", 5)
    return high if schema["type"] == "integer" else low + (high - low) * 0.8


def _sentence(text: str) -> str:
    """The first whole sentence of `text`, verbatim, or its first line."""
    found = re.search(r"[A-Z][^.!?\n]{20,400}[.!?]", text)
    return found.group() if found else text.strip().split("\n")[0]
