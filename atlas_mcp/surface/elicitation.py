"""A run's question as a form that a client shows to its person, and what they filled in as an answer.

Forms are flat: protocol and clients know texts, numbers, choices and ticks. So a plan is edited as a text,
and an answer of another shape is written as JSON. Before 2026-07-28 the server asks while the call is open;
since then it answers the call with what it wants to know, and the client calls again with what was said.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from fastmcp.server.dependencies import get_context
from fastmcp.tools.base import InputRequiredToolResult
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import ValidationError

from atlas_mcp.errors import InvalidInput
from atlas_mcp.orchestration.asking import QuestionKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastmcp.tools.base import ToolResult

    from atlas_mcp.app import Atlas
    from atlas_mcp.orchestration.asking import Question
    from atlas_mcp.surface.progress import Ask

__all__ = ["asker", "form_of", "handed_in", "read_form", "wanted"]

SINCE = "2026-07-28"
"""The protocol version in which a server asks by its answer."""

_SIMPLE = {"string", "number", "integer", "boolean"}
_SHOWN = ("type", "title", "description", "enum", "default", "minimum", "maximum", "minLength", "maxLength")

log = logging.getLogger(__name__)


def form_of(question: Question, problem: str = "") -> tuple[str, dict[str, Any]]:
    """The words and the flat schema in which a person is asked; `problem` is what was wrong before."""
    lines = [problem, question.text] if problem else [question.text]
    if question.kind is QuestionKind.APPROVE_PLAN:
        plan = question.data["assignments"]
        for each in plan:
            after = f" (after {', '.join(each['after'])})" if each["after"] else ""
            lines.append(f"{each['id']} {each['worker']}: {each['goal']}{after}")
        return "\n".join(lines), _object(
            ["decision"],
            decision={"type": "string", "enum": ["approve", "edit", "reject"], "description": "What to do."},
            plan={
                "type": "string",
                "description": "The plan as JSON; change it here to edit it.",
                "default": _json(plan),
            },
            note={"type": "string", "description": "Why, if you reject it."},
        )
    if _is_flat(question.schema):
        fields = question.schema["properties"].items()
        shown = {name: {key: field[key] for key in _SHOWN if key in field} for name, field in fields}
        return "\n".join(lines), _object(question.schema.get("required", []), **shown)
    lines.append(f"The answer is JSON of this shape: {_json(question.schema)}")
    return "\n".join(lines), _object(["answer"], answer={"type": "string", "description": "As JSON."})


def read_form(question: Question, content: Mapping[str, Any]) -> dict[str, Any]:
    """The answer in what was filled in; fields left empty are left out.

    Raises:
        InvalidInput: a field that must be JSON is not.
    """
    filled = {name: value for name, value in content.items() if value is not None and value != ""}
    if question.kind is not QuestionKind.APPROVE_PLAN:
        return filled if _is_flat(question.schema) else _parsed("answer", str(filled.get("answer", "")), dict)
    plan = filled.pop("plan", None)
    if plan is not None and filled.get("decision") != "reject":
        assignments = _parsed("plan", str(plan), list)
        if filled.get("decision") == "edit" or assignments != question.data["assignments"]:
            # Who changed the plan and left the decision as it stood meant the changed one.
            filled = {**filled, "decision": "edit", "assignments": assignments}
    return filled


def _parsed(field: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{field}: this is no JSON: {error}.", remedy="Correct it there.") from None
    if not isinstance(value, kind):
        name = "a list" if kind is list else "an object"
        raise InvalidInput(f"{field}: this must be {name}.", remedy="Keep the shape that was shown.")
    return value


def _is_flat(schema: Mapping[str, Any]) -> bool:
    fields = schema.get("properties", {}).values()
    return bool(fields) and all(isinstance(f.get("type"), str) and f["type"] in _SIMPLE for f in fields)


def _object(required: Sequence[str], **fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _knows_forms() -> bool:
    """Whether the client of the current call said that it can show forms; without modes it means these."""
    known = get_context().session.client_capabilities
    offers = known.elicitation if known is not None else None
    return offers is not None and (offers.form is not None or offers.url is None)


def _asks_by_answer() -> bool:
    request = get_context().request_context
    return request is not None and request.protocol_version >= SINCE


def asker() -> Ask | None:
    """Asks the person at the client of the current call, while it is open; None where that cannot be."""
    context = get_context()
    if _asks_by_answer() or not _knows_forms() or not context.session.can_send_request:
        return None

    async def ask(question: Question, problem: str) -> dict[str, Any] | None:
        message, schema = form_of(question, problem)
        try:
            result = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
        except (MCPError, ValidationError, TimeoutError) as error:
            log.info("the client did not show the question %s: %s", question.id, error)
            return None
        return read_form(question, result.content or {}) if result.action == "accept" else None

    return ask


def wanted(run_id: str, questions: Sequence[Question], problem: str = "") -> ToolResult | None:
    """What the client is to ask its person before it calls again; None where it cannot, or they declined."""
    if not questions or not _asks_by_answer() or not _knows_forms():
        return None
    said = get_context().input_responses or {}
    requests = {
        f"{run_id}/{question.id}": ElicitRequest(params=_params(question, problem))
        for question in questions
        if not _declined(said.get(f"{run_id}/{question.id}"))
    }
    if not requests:
        return None
    return InputRequiredToolResult(InputRequiredResult(input_requests={**requests}))


def _params(question: Question, problem: str) -> ElicitRequestFormParams:
    message, schema = form_of(question, problem)
    return ElicitRequestFormParams(message=message, requested_schema=schema)


def _declined(response: object) -> bool:
    return isinstance(response, ElicitResult) and response.action != "accept"


async def handed_in(atlas: Atlas) -> tuple[str, str]:
    """Take the answers that the current call brings; gives its run, and what was wrong with one of them.

    Both are empty where the call brings none.
    """
    run_id = problem = ""
    for key, response in (get_context().input_responses or {}).items():
        run_id, _, question_id = key.partition("/")
        open_now = {question.id: question for question in await atlas.questions(run_id)}
        if not isinstance(response, ElicitResult) or response.action != "accept":
            continue
        if (question := open_now.get(question_id)) is None:
            continue  # Somebody else was faster.
        try:
            answer = read_form(question, response.content or {})
            await atlas.answer(run_id, answer, question_id=question_id)
        except InvalidInput as error:
            problem = str(error)
    return run_id, problem
