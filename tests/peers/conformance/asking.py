"""The suite's fixtures that ask the client: within a call in the legacy era, between two in the modern one.

In the modern era a call that needs something ends with `input_required`, and the client calls again with what
it was asked for.
"""

from typing import Any

from fastmcp import Context, FastMCP
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestedSchema,
    ElicitRequestFormParams,
    InputRequests,
    InputRequiredResult,
    ListRootsRequest,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    SamplingMessage,
    TextContent,
)

__all__ = ["add_to"]


def add_to(server: FastMCP) -> None:
    """Give a server these fixtures."""
    _add_legacy(server)
    _add_modern(server)
    _add_capabilities(server)


def _form(**properties: dict[str, Any]) -> ElicitRequestedSchema:
    return {"type": "object", "properties": properties, "required": list(properties)}


STRING = {"type": "string"}
DEFAULTS: ElicitRequestedSchema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
OPTIONS = [f"option{number}" for number in (1, 2, 3)]
TITLED = [
    {"const": "value1", "title": "First Option"},
    {"const": "value2", "title": "Second Option"},
    {"const": "value3", "title": "Third Option"},
]
ENUMS: ElicitRequestedSchema = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
}


# The legacy era -------------------------------------------------------------------------------------------


def _add_legacy(server: FastMCP) -> None:
    @server.tool
    async def test_sampling(prompt: str, ctx: Context) -> str:
        """Asks the client's model."""
        answer = await ctx.session.create_message(  # pyright: ignore[reportDeprecated] - and still required
            [_said(prompt)], max_tokens=100, related_request_id=ctx.request_id
        )
        return f"LLM response: {answer.content}"

    @server.tool
    async def test_elicitation(message: str, ctx: Context) -> str:
        """Asks the person for two things."""
        return await _elicited(ctx, message, _form(username=STRING, email=STRING))

    @server.tool
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Asks the person, with defaults."""
        return await _elicited(ctx, "Is this right?", DEFAULTS)

    @server.tool
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Asks the person to choose."""
        return await _elicited(ctx, "Which of these?", ENUMS)


async def _elicited(ctx: Context, message: str, schema: ElicitRequestedSchema) -> str:
    answer = await ctx.session.elicit(message, schema, related_request_id=ctx.request_id)
    return f"Elicitation completed: action={answer.action}, content={answer.content}"


def _said(text: str) -> SamplingMessage:
    return SamplingMessage(role="user", content=TextContent(text=text))


# The modern era -------------------------------------------------------------------------------------------


def _elicit(message: str, **properties: dict[str, Any]) -> ElicitRequest:
    asked = ElicitRequestFormParams(message=message, requested_schema=_form(**properties))
    return ElicitRequest(params=asked)


def _sample(text: str) -> CreateMessageRequest:
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[_said(text)], max_tokens=100))


NAME = _elicit("What is your name?", name=STRING)
CONFIRM = _elicit("Please confirm", ok={"type": "boolean"})

ASKED: dict[str, InputRequests] = {
    "elicitation": {"user_name": NAME},
    "sampling": {"capital_question": _sample("What is the capital of France?")},
    "list_roots": {"client_roots": ListRootsRequest()},
    "request_state": {"confirm": CONFIRM},
    "tampered_state": {"confirm": CONFIRM},
    "multiple_inputs": {
        "user_name": NAME,
        "greeting": _sample("Greet."),
        "client_roots": ListRootsRequest(),
    },
}
STATEFUL = {"request_state", "tampered_state", "multiple_inputs"}
ROUNDS = {
    "step1": _elicit("Step 1: What is your name?", name=STRING),
    "step2": _elicit("Step 2: What is your favorite color?", color=STRING),
}


def _add_modern(server: FastMCP) -> None:
    for name, requests in ASKED.items():
        _add_asker(server, name, requests)

    @server.tool
    async def test_input_required_result_multi_round(
        ctx: Context,
    ) -> str | InputRequiredResult:
        """Asks twice, one after the other; the state says which answers are there."""
        answered = list(ROUNDS).index(ctx.request_state) + 1 if ctx.request_state else 0
        if answered == len(ROUNDS):
            return "complete"
        step = list(ROUNDS)[answered]
        return InputRequiredResult(input_requests={step: ROUNDS[step]}, request_state=step)

    @server.prompt
    async def test_input_required_result_prompt(
        ctx: Context,
    ) -> str | InputRequiredResult:
        """Asks for what it is about."""
        context = _elicit("What context should the prompt use?", context=STRING)
        return _unanswered(ctx, {"user_context": context}) or "In that context, please go on."


def _add_asker(server: FastMCP, name: str, requests: InputRequests) -> None:
    state = "sealed by the library" if name in STATEFUL else None

    @server.tool(name=f"test_input_required_result_{name}", description="Asks the client.")
    async def ask(ctx: Context) -> str | InputRequiredResult:
        if asked := _unanswered(ctx, requests, state):
            return asked
        return f"{'state-ok: ' if state and ctx.request_state == state else ''}{ctx.input_responses}"


def _unanswered(
    ctx: Context, requests: InputRequests, state: str | None = None
) -> InputRequiredResult | None:
    if requests.keys() <= (ctx.input_responses or {}).keys():
        return None
    return InputRequiredResult(input_requests=requests, request_state=state)


# What the client can do -----------------------------------------------------------------------------------


def _add_capabilities(server: FastMCP) -> None:
    @server.tool
    async def test_missing_capability(ctx: Context) -> str:
        """Cannot do without the client's model."""
        needed = ClientCapabilities(sampling=SamplingCapability())
        if not ctx.session.check_client_capability(needed):
            wrong = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
            raise MCPError(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                "The client has no model to lend.",
                wrong.model_dump(mode="json", by_alias=True, exclude_none=True),
            )
        return "The client has a model to lend."

    @server.tool
    async def test_input_required_result_capabilities(
        ctx: Context,
    ) -> str | InputRequiredResult:
        """Asks for no more than the client can do."""
        declared = ctx.session.client_capabilities or ClientCapabilities()
        able: InputRequests = {
            key: request
            for key, request, capability in (
                ("user_name", NAME, declared.elicitation),
                ("greeting", _sample("Greet."), declared.sampling),
            )
            if capability is not None
        }
        return _unanswered(ctx, able) or "complete"

    @server.tool
    async def test_streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Asks the person after having reported progress."""
        await ctx.report_progress(1, 2)
        return _unanswered(ctx, {"confirm": CONFIRM}) or "complete"
