"""MCP sampling's wire: a prompt as the parameters of a request to a client, its result as chunks.

It knows no session and no SDK; JSON types go in and out. Older protocols have one block a message and no
tools, so several blocks stand together only where tools ask for it, and only for a client that has them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from atlas_mcp.chunks import Stopped, TextDelta
from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import Image, Reasoning, ToolCall, ToolResult
from atlas_mcp.providers.wires.fence import render, render_parts
from atlas_mcp.providers.wires.instructions import instructions
from atlas_mcp.providers.wires.tool_calls import finished_call

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Message, Prompt
    from atlas_mcp.providers.meter import Meter

__all__ = ["answer_chunks", "request_params"]

JsonObject: TypeAlias = dict[str, Any]

NO_CALLS = "You cannot call tools now. Work from what you are given."

_REASONS: dict[str, Literal["end", "tool_calls", "length", "refused"]] = {
    "maxTokens": "length",
    "toolUse": "tool_calls",
    "refusal": "refused",
}


def request_params(prompt: Prompt, *, model: str, most_tokens: int, calls: bool) -> JsonObject:
    """The parameters of a request.

    `model` is a hint, which the client may follow; the protocol insists on `most_tokens`. `calls` says that
    the client's model can call functions; where it cannot, it is told so, and earlier calls in words.
    """
    params: JsonObject = {
        "messages": [one for message in prompt.messages for one in _turns(message, calls=calls)],
        "maxTokens": most_tokens,
    }
    system = instructions(prompt, schema_in_words=True)
    if prompt.tools and not calls:
        system = f"{system}\n\n{NO_CALLS}".lstrip()
    if system:
        params["systemPrompt"] = system
    if model:
        params["modelPreferences"] = {"hints": [{"name": model}]}
    if (temperature := prompt.sampling.get("temperature")) is not None:
        params["temperature"] = temperature
    if stop := prompt.sampling.get("stop"):
        params["stopSequences"] = [stop] if isinstance(stop, str) else stop
    if calls and prompt.tools:
        params |= _tools(prompt)
    _join_results(params["messages"])
    return params


def _tools(prompt: Prompt) -> JsonObject:
    """The tools; one that must be called is the only one offered, since the protocol cannot name it."""
    only = {prompt.tool_choice} & {tool.name for tool in prompt.tools}
    tools = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.parameters}
        for tool in prompt.tools
        if not only or tool.name in only
    ]
    mode = "auto" if prompt.tool_choice == "auto" else "required"
    return {"tools": tools, "toolChoice": {"mode": mode}}


def _turns(message: Message, *, calls: bool) -> list[JsonObject]:
    """One turn as messages: its tool results, its words, each picture, its calls."""
    role = "assistant" if message.role == "assistant" else "user"
    apart = (ToolCall, ToolResult) if calls else ()
    words = "\n\n".join(
        text
        for part in message.parts
        if not isinstance(part, (Reasoning, Image, *apart))
        and (text := _called(part) if isinstance(part, ToolCall) else render_parts([part]))
    )
    said = [{"role": role, "content": {"type": "text", "text": words}}] if words else []
    pictures = [
        {"role": role, "content": {"type": "image", "data": part.data, "mimeType": part.media_type}}
        for part in message.parts
        if isinstance(part, Image)
    ]
    results = [_result(part) for part in message.parts if calls and isinstance(part, ToolResult)]
    made = [
        {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
        for part in message.parts
        if calls and isinstance(part, ToolCall)
    ]
    return [
        *([{"role": "user", "content": results}] if results else []),
        *said,
        *pictures,
        *([{"role": role, "content": made}] if made else []),
    ]


def _called(call: ToolCall) -> str:
    return f"(Called {call.name} with {json.dumps(call.arguments, ensure_ascii=False)}.)"


def _result(result: ToolResult) -> JsonObject:
    content = [{"type": "text", "text": render(result)}]
    return {"type": "tool_result", "toolUseId": result.call_id, "content": content, "isError": result.error}


def _join_results(messages: list[JsonObject]) -> None:
    """Results of one turn's calls stand in one message, wherever they came from."""
    for at in range(len(messages) - 1, 0, -1):
        if _are_results(messages[at]) and _are_results(messages[at - 1]):
            messages[at - 1]["content"] += messages.pop(at)["content"]


def _are_results(message: JsonObject) -> bool:
    return _blocks(message["content"])[0]["type"] == "tool_result"


def _blocks(content: Any) -> list[JsonObject]:
    """Content that may be one block or several."""
    return cast("list[JsonObject]", content) if isinstance(content, list) else [content]


def answer_chunks(result: JsonObject, *, provider: str, prompt: Prompt, meter: Meter) -> list[Chunk]:
    """The chunks of a result: one piece of text, its calls, what it took as estimated, `Stopped`.

    Raises:
        MalformedResponse: the client answered with something else than text and calls.
    """
    chunks: list[Chunk] = []
    calls: list[ToolCall] = []
    offered = {tool.name for tool in prompt.tools}
    for block in _blocks(result["content"]):
        match block["type"]:
            case "text":
                if block["text"]:
                    chunks.append(TextDelta(meter.hear(block["text"])))
            case "tool_use" if block["name"] in offered:
                meter.hear(json.dumps(block["input"]))
                calls.append(finished_call(block["id"], block["name"], block["input"]))
            case kind:
                raise MalformedResponse(f"The client's model answered with {kind}.")
    reason = "tool_calls" if calls else _REASONS.get(result.get("stopReason") or "", "end")
    return [*chunks, *calls, meter.usage(), Stopped(reason, provider, result["model"])]
