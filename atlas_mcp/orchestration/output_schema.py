"""A team's `output.schema.json`, read and checked for everything that would only show in the middle of a run.

It knows the few fields that every team shares by name: those that a run computes itself, and those that the
gate judges, which therefore have a fixed shape.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.mistakes import together
from atlas_mcp.orchestration.contradictions import contradictions
from atlas_mcp.shapes import misfits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["COMPUTED", "is_computed", "read_output_schema"]

COMPUTED = {
    "absent": "array",
    "agreement": "number",
    "analysis_summary": "string",
    "blocked": "array",
    "criteria": "array",
    "evidence": "array",
    "evidence_chain": "array",
    "files": "array",
    "final_output": "string",
    "findings": "array",
    "format": "string",
    "gate": "string",
    "judges": "array",
    "made_with": "object",
    "measures": "object",
    "numbers": "array",
    "overall": "number",
    "quality": "number",
    "ratings": "array",
    "remembered": "array",
    "report": "string",
    "revise": "array",
    "run_id": "string",
    "sections": "array",
    "sources": "array",
    "truth": "number",
    "unsupported": "array",
    "why": "string",
    "words": "integer",
}
"""What a run can compute itself, and its type; marked `x-atlas-computed`, no supervisor is asked for it."""

_JUDGED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "answer": ("a string", (0, {}, [])),
    "document": ("a string", (0, {}, [])),
    "final_output": ("a string", (0, {}, [])),
    "summary": ("a string", (0, {}, [])),
    "claims": (
        "a list of {text, finding_ids}",
        (None, "a", ["a"], [{}], [{"text": 1, "finding_ids": ["f1"]}], [{"text": "a", "finding_ids": "f1"}]),
    ),
    "disagreements": (
        "a list of {text, finding_ids}",
        (None, "a", ["a"], [{}], [{"text": "a", "finding_ids": "f1"}]),
    ),
    "confidence": ("a number from 0 to 1", (None, "high", {}, -1, 2)),
    "open_questions": ("a list of strings", (None, "a", [1])),
}
"""What the gate judges, in words, and what its schema must refuse."""


def is_computed(shape: object) -> bool:
    """Whether a property's schema is marked as computed by the run."""
    return isinstance(shape, dict) and bool(cast("dict[str, Any]", shape).get("x-atlas-computed"))


def read_output_schema(file: Path) -> dict[str, Any]:
    """The JSON Schema of what a team gives.

    Raises:
        InvalidConfiguration: it is missing, no JSON Schema of an object, refers elsewhere, or has a field
        that no run could fill or judge; names file and key.
    """
    schema = _read(file)
    if lost := sorted({each for each in _references(schema) if not _resolves(each, schema)}):
        raise together(
            [
                InvalidConfiguration(
                    f"{file}: $ref: {reference!r} leads nowhere.",
                    remedy="Refer to #/$defs/NAME of the same file.",
                )
                for reference in lost
            ]
        )
    if mistakes := list(_mistakes(file, schema)) or list(_contradicting(file, schema)):
        raise together(mistakes)
    return schema


def _mistakes(file: Path, schema: dict[str, Any]) -> Iterator[InvalidConfiguration]:
    """What is wrong in a schema whose references can be followed."""
    properties: dict[str, Any] = schema["properties"]
    for name, shape in properties.items():
        try:
            _check_property(file, name, shape, schema.get("$defs", {}))
        except InvalidConfiguration as error:
            yield error
    for name in schema.get("required", []):
        if name not in properties:
            yield InvalidConfiguration(
                f"{file}: required: there is no property {name!r}.", remedy="Describe it under properties."
            )


def _contradicting(file: Path, schema: dict[str, Any]) -> Iterator[InvalidConfiguration]:
    """What nothing can fit; where something else is wrong it may follow from that."""
    for place, said in contradictions(schema):
        yield InvalidConfiguration(
            f"{file}: {place}: {said}.", remedy="Nothing can fit it; relax one of them."
        )


def _read(file: Path) -> dict[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        schema: Any = json.loads(file.read_text("utf-8-sig"))
        Draft202012Validator.check_schema(schema)
    except FileNotFoundError:
        raise InvalidConfiguration(
            f"{file}: there is no such file.", remedy="Write the JSON Schema of what the team gives."
        ) from None
    except OSError as error:
        raise InvalidConfiguration(f"{file}: {error}.", remedy="Mend the file.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidConfiguration(f"{file}: not JSON: {error}.", remedy="Correct the file.") from None
    except SchemaError as error:
        raise InvalidConfiguration(
            f"{file}: {error.json_path}: {error.message}.", remedy="Write JSON Schema 2020-12."
        ) from None
    if not isinstance(schema, dict):
        raise InvalidConfiguration(f"{file}: the schema is no object.", remedy="Write a JSON Schema.")
    written = cast("dict[str, Any]", schema)
    if written.get("type") != "object" or not written.get("properties"):
        raise InvalidConfiguration(
            f"{file}: type: the output is an object with properties.", remedy="Say so."
        )
    return written


def _check_property(file: Path, name: str, shape: object, definitions: dict[str, Any]) -> None:
    if not isinstance(shape, dict):
        raise InvalidConfiguration(
            f"{file}: properties.{name}: true and false say nothing.", remedy="Describe it with a type."
        )
    if is_computed(cast("object", shape)):
        if name not in COMPUTED:
            raise InvalidConfiguration(
                f"{file}: properties.{name}: no run computes it.",
                remedy=f"x-atlas-computed is for {', '.join(sorted(COMPUTED))}.",
            )
        kind = cast("dict[str, Any]", shape).get("type", COMPUTED[name])
        if COMPUTED[name] not in (kind if isinstance(kind, list) else [kind]):
            raise InvalidConfiguration(
                f"{file}: properties.{name}.type: the run gives a value of type {COMPUTED[name]}.",
                remedy=f'Write "type": "{COMPUTED[name]}".',
            )
        return
    wish, refused = _JUDGED.get(name, ("", ()))
    schema = {**cast("dict[str, Any]", shape), "$defs": definitions}
    if any(not misfits(schema, value) for value in refused):
        raise InvalidConfiguration(
            f"{file}: properties.{name}: the gate judges it, so it is {wish}.",
            remedy="Shape it so, or give it another name.",
        )


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in cast("dict[str, Any]", schema).items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for value in cast("list[Any]", schema):
            yield from _references(value)


def _resolves(reference: str, schema: dict[str, Any]) -> bool:
    if not reference.startswith("#/$defs/"):
        return False
    found: Any = schema
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return False
        found = cast("dict[str, Any]", found)[name]
    return True
