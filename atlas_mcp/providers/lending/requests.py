"""The chat-completions wire from its other end: a client's request body as a prompt.

It is the inverse of `chat_completions.request_body`, for programs that are given our address instead of a
vendor's. JSON goes in and a prompt comes out; how its answer is written is in `answers`. What a prompt
cannot say (several answers at once, sounds, probabilities) is refused by the name of its field instead of
being passed over; what changes nothing in an answer (`user`, `store`, `metadata`, …) is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

import jiter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from atlas_mcp.errors import InvalidField
from atlas_mcp.messages import (
    Image,
    Intent,
    Message,
    Prompt,
    TaskType,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from atlas_mcp.providers.wires.tool_calls import is_finite

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from atlas_mcp.messages import Part

__all__ = ["ChatRequest", "read_request"]

JsonObject: TypeAlias = dict[str, Any]
Effort: TypeAlias = Literal["none", "low", "medium", "high"]

_EFFORTS: dict[str, Effort] = {
    "none": "none",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_SAMPLING = (
    "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "stop",
)  # fmt: skip
_PASSED_OVER = frozenset({
    "metadata", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "safety_identifier", "service_tier", "store", "user", "verbosity",
})  # fmt: skip
_SAID = {
    "missing": "it is missing",
    "model_type": "it is no JSON object",
    "list_type": "it is no list",
    "too_short": "it is empty",
}
_DATA_URL = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that was understood.

    `streaming` asks for events, `reports` for the usage among them; `one_call` allows at most one tool call
    in the answer. A client must say which model is to answer, but that is not up to it.
    """

    prompt: Prompt
    streaming: bool = False
    reports: bool = False
    one_call: bool = False


def read_request(data: bytes, *, agent: str = "") -> ChatRequest:
    """A request body as a prompt, asked by `agent`.

    System and developer messages, wherever they stand, become the prompt's system text, in their order.

    Raises:
        InvalidField: the body is no chat-completions request, or it asks for what a prompt cannot say;
            names the first field that is wrong.
    """
    try:
        body = _Body.model_validate(jiter.from_json(data, allow_inf_nan=False))
    except ValidationError as error:
        raise _explained(error.errors(include_url=False)[0]) from None
    except ValueError as error:
        raise InvalidField(f"The body is not JSON: {error}.", remedy="Send a JSON object.") from None
    prompt = _prompt(body, agent)
    return ChatRequest(
        prompt,
        streaming=body.stream,
        reports=body.stream_options is not None and body.stream_options.include_usage,
        one_call=not body.parallel_tool_calls,
    )


# The body ---------------------------------------------------------------------------------------------------


def _as_parts(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _as_choice(wish: object) -> object:
    return {"type": wish} if isinstance(wish, str) else wish


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class _Object(BaseModel):
    """A JSON object; what is null is not there, what is not known is passed over."""

    model_config = ConfigDict(strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        fields = cast("JsonObject", value)
        return {name: inner for name, inner in fields.items() if inner is not None}


class _Named(_Object):
    name: str = Field(min_length=1)


class _Function(_Named):
    description: str = ""
    parameters: JsonObject = Field(default_factory=lambda: {"type": "object", "properties": {}})


class _Tool(_Object):
    type: Literal["function"]
    function: _Function


class _Choice(_Object):
    type: Literal["none", "auto", "required", "function"]
    function: _Named | None = None


class _Called(_Named):
    arguments: str = ""


class _Call(_Object):
    id: str = Field(min_length=1)
    type: Literal["function"] = "function"
    function: _Called


class _Address(_Object):
    url: str


class _Part(_Object):
    type: Literal["text", "image_url", "refusal"]
    text: str = ""
    refusal: str = ""
    image_url: _Address | None = None


class _Message(_Object):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[list[_Part], BeforeValidator(_as_parts)] = []
    tool_calls: list[_Call] = []
    tool_call_id: str = ""


class _Shape(_Object):
    form: JsonObject = Field(alias="schema")


class _Form(_Object):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Shape | None = None


class _StreamOptions(_Object):
    include_usage: bool = False


class _Body(_Object):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    messages: list[_Message] = Field(min_length=1)
    tools: list[_Tool] = []
    tool_choice: Annotated[_Choice | None, BeforeValidator(_as_choice)] = None
    parallel_tool_calls: bool = True
    response_format: _Form | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    seed: int | None = None
    stop: Annotated[list[str] | None, BeforeValidator(_as_list)] = None
    stream: bool = False
    stream_options: _StreamOptions | None = None
    n: Literal[1] = 1
    logprobs: Literal[False] = False
    modalities: list[Literal["text"]] = []

    @model_validator(mode="before")
    @classmethod
    def _what_counts(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        fields = cast("JsonObject", value)
        return {name: inner for name, inner in fields.items() if name not in _PASSED_OVER}


def _explained(problem: ErrorDetails) -> InvalidField:
    """What is wrong with the first field that is, by the field's name."""
    field = ""
    for step in problem["loc"]:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else step
    if problem["type"] == "extra_forbidden":
        return InvalidField(f"{field} is not known here.", field=field, remedy="Leave it out.")
    said = _SAID.get(problem["type"]) or problem["msg"][:1].lower() + problem["msg"][1:]
    return InvalidField(f"{field or 'The body'}: {said}.", field=field)


# The prompt -------------------------------------------------------------------------------------------------


def _prompt(body: _Body, agent: str) -> Prompt:
    system: list[str] = []
    messages: list[Message] = []
    for number, message in enumerate(body.messages):
        place = f"messages[{number}]"
        if message.role in {"system", "developer"}:
            system.extend(part.text for part in _texts(message, place))
        else:
            messages.append(_message(message, place))
    if not messages:  # not every model answers where nobody said anything
        messages, system = [Message("user", (Text("\n\n".join(system)),))], []
    tools, choice = _tools(body)
    return Prompt(
        tuple(messages),
        Intent.COMPOSE,
        next((message.text for message in reversed(messages) if message.role == "user"), ""),
        agent=agent,
        system="\n\n".join(text for text in system if text),
        tools=tools,
        tool_choice=choice,
        schema=_schema(body.response_format),
        max_output_tokens=body.max_completion_tokens or body.max_tokens,
        sampling={name: value for name in _SAMPLING if (value := getattr(body, name)) is not None},
        effort=_EFFORTS[body.reasoning_effort] if body.reasoning_effort else None,
        task=TaskType.CONVERSATION,
    )


def _message(message: _Message, place: str) -> Message:
    if message.role == "tool":
        if not message.tool_call_id:
            raise _wrong(f"{place}.tool_call_id", "a tool's result names the call that it answers")
        said = "\n".join(part.text for part in _texts(message, place))
        return Message("tool", (ToolResult(message.tool_call_id, said),))
    if message.role == "assistant":
        calls = (_call(call, f"{place}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls))
        return Message("assistant", (*_texts(message, place), *calls))
    parts = (_part(part, f"{place}.content[{at}]") for at, part in enumerate(message.content))
    return Message("user", tuple(parts))


def _texts(message: _Message, place: str) -> list[Text]:
    """The content of a message that may have nothing but text; empty pieces are left out."""
    for at, part in enumerate(message.content):
        if part.type == "image_url":
            raise _wrong(f"{place}.content[{at}]", f"a message of the {message.role} holds text alone")
    return [Text(text) for part in message.content if (text := part.text or part.refusal)]


def _part(part: _Part, place: str) -> Part:
    if part.type != "image_url":
        return Text(part.text)
    found = _DATA_URL.fullmatch(part.image_url.url) if part.image_url else None
    if found is None:
        raise _wrong(f"{place}.image_url.url", "pictures come as data:image/…;base64,… and are not fetched")
    return Image(found[1], found[2])


def _call(call: _Call, place: str) -> ToolCall:
    try:
        value: object = jiter.from_json(call.function.arguments.encode() or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict) or not is_finite(cast("object", value)):
        raise _wrong(f"{place}.function.arguments", "it is no JSON object")
    return ToolCall(call.id, call.function.name, cast("JsonObject", value))


def _tools(body: _Body) -> tuple[tuple[ToolSpec, ...], str]:
    """The tools that may be called, and how free the model is in that."""
    tools = tuple(
        ToolSpec(tool.function.name, tool.function.description, tool.function.parameters)
        for tool in body.tools
    )
    wish = body.tool_choice
    if wish is None or wish.type == "auto":
        return tools, "auto"
    if wish.type == "none":
        return (), "auto"
    if wish.type == "required":
        if not tools:
            raise _wrong("tool_choice", "there are no tools to call")
        return tools, "required"
    name = wish.function.name if wish.function else ""
    only = tuple(tool for tool in tools if tool.name == name)
    if not only:
        raise _wrong("tool_choice.function.name", f"no tool is called {name!r}")
    # By its name, unless the name has a meaning of its own in a prompt.
    return (only, "required") if name in {"auto", "required"} else (tools, name)


def _schema(form: _Form | None) -> JsonObject | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "object"}
    if form.json_schema is None:
        raise _wrong("response_format.json_schema", "the schema is missing")
    return form.json_schema.form


def _wrong(field: str, reason: str) -> InvalidField:
    return InvalidField(f"{field}: {reason}.", field=field)
