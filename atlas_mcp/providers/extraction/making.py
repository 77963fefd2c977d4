"""What of a composition can be made from its material, by the fields that its schema asks for.

It knows fields by name and shape, as the gate does, and no team. What it does not make stays to be filled by
its mark, or empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.providers.extraction.analysing import analyse, opposed, sides, summary
from atlas_mcp.providers.extraction.arranging import document, heading, joined, section
from atlas_mcp.providers.extraction.composing import compose
from atlas_mcp.providers.extraction.telling import named, unfilled
from atlas_mcp.providers.extraction.wishes import framework, layout, said_of, words_wished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.messages import JsonObject, Prompt
    from atlas_mcp.providers.extraction.questions import Question
    from atlas_mcp.providers.extraction.relevance import Vectors
    from atlas_mcp.providers.extraction.units import Unit

__all__ = ["is_brief", "make"]

LONGEST_ANSWER = 1_200
_BRIEF = frozenset({"answer", "claims", "disagreements", "open_questions"})


def is_brief(fields: JsonObject) -> bool:
    """Whether a schema's fields are those of a brief, which answers the question as it was asked."""
    return bool(_BRIEF & fields.keys()) or not (
        {"statements", "findings", "text", "document", "final_output", "summary"} & fields.keys()
    )


def make(
    prompt: Prompt, about: str, question: Question, units: Sequence[Unit], vectors: Vectors | None
) -> dict[str, Any]:
    """What is known of the fields of a prompt's schema; `question` is what `about` asks, read."""
    fields: JsonObject = (prompt.schema or {}).get("properties", {})
    brief: dict[str, Any] = {}
    if is_brief(fields):
        brief = compose(question, units, vectors, _longest(fields, "answer", LONGEST_ANSWER))
    known: dict[str, Any] = {}
    said = "\n".join(message.text for message in prompt.messages if message.role == "user")
    if "statements" in fields or "statement" in _item(fields, "findings"):
        known |= _analysis(fields, question, units, vectors, about=about, said=said)
    if "summary" in fields:
        most = _longest(fields, "summary", LONGEST_ANSWER)
        known["summary"] = summary(question, units, vectors, sides(about), most)
    wished = layout(said_of("format", said), about)
    if {"heading", "text"} <= fields.keys():
        most = _longest(fields, "text", 6_000)
        text, gaps = section(question, units, vectors, listed=wished == "list", longest=most)
        known |= {"heading": heading(about, _longest(fields, "heading", 120)), "text": text, "gaps": gaps}
    if "document" in fields:
        words = words_wished(said_of("length", said), about)
        most = _longest(fields, "document", 60_000)
        known["title"] = heading(about, _longest(fields, "title", 200))
        known["document"] = document(
            question, units, vectors, prompt.drafts, layout=wished, words=words, longest=most
        )
    if "final_output" in fields:
        most = _longest(fields, "final_output", 60_000)
        known["final_output"] = joined(prompt.drafts, most) or document(
            question, units, vectors, prompt.drafts, layout=wished, longest=most
        )
    # An empty text is none: whether there may be none is for the schema to say.
    return brief | {name: value for name, value in known.items() if value != ""}


def _analysis(
    fields: JsonObject,
    question: Question,
    units: Sequence[Unit],
    vectors: Vectors | None,
    *,
    about: str,
    said: str,
) -> dict[str, Any]:
    """Statements as a worker gives them, or findings as a supervisor does, and what goes with them."""
    listed = "statements" if "statements" in fields else "findings"
    item = _item(fields, listed)
    compared = sides(about)
    wished = said_of("framework", said) or framework(about) or ("comparison" if compared else None)
    order = wished.replace("_", " ").lower() if wished else None
    statements, limits = analyse(
        question,
        units,
        vectors,
        most=fields[listed].get("maxItems", 12),
        longest=_longest(item, "text" if listed == "statements" else "statement", 600),
        kinds=item.get("kind", {}).get("enum"),
        framework=order,
        compared=compared,
    )
    if unfilled(order, [each.kind for each in statements]):
        limits = [*limits, about]
    if listed == "statements":
        made = [
            {"kind": each.kind, "text": each.text, "finding_ids": each.finding_ids} for each in statements
        ]
        return {"statements": made, "gaps": limits}
    return {
        "framework": named(order, _allowed(fields.get("framework", {}))),
        "findings": [
            {
                "id": f"n{number}",
                "statement": each.text,
                "kind": each.kind,
                "confidence": each.confidence,
                "evidence": each.finding_ids,
            }
            for number, each in enumerate(statements, start=1)
        ],
        "contradictions": opposed(units, vectors),
        "limits": limits,
    }


def _item(fields: JsonObject, name: str) -> JsonObject:
    """The fields of a list's items; none where there is no such list, or not of objects."""
    return fields.get(name, {}).get("items", {}).get("properties", {})


def _longest(fields: JsonObject, name: str, otherwise: int) -> int:
    return min(otherwise, fields.get(name, {}).get("maxLength", otherwise))


def _allowed(shape: JsonObject) -> list[str] | None:
    """The names that a field may have; None where any will do."""
    shapes: list[JsonObject] = [shape, *shape.get("anyOf", ()), *shape.get("oneOf", ())]
    found = [each for one in shapes for each in one.get("enum", ()) if isinstance(each, str)]
    return found or None
