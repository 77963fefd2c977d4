"""The same recorded streams, read by the SDK's own objects and by ours: nothing may differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import ollama
import pytest

from atlas_mcp.messages import Intent, Message, Prompt, Reasoning, Text
from atlas_mcp.providers.meter import Meter
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.wires.ndjson import LineDecoder
from atlas_mcp.providers.wires.ollama_chat import OllamaAssembly, request_body

if TYPE_CHECKING:
    from atlas_mcp.chunks import Reply

RECORDINGS = {
    path.stem: path.read_bytes()
    for path in sorted((Path(__file__).parent / "recordings" / "ollama").glob("*.ndjson"))
}
KINDS = {"text", "thinking", "tools", "structured", "unicode", "length", "cached", "unknown"}
PROMPT = Prompt((Message("user", (Text("Say something."),)),), Intent.COMPOSE, "something")


async def read_by_the_sdk(recording: bytes) -> list[ollama.ChatResponse]:
    """What the official client makes of a stream."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "application/x-ndjson"}, content=recording)

    client: Any = ollama.AsyncClient(transport=httpx.MockTransport(answer))
    parts = [part async for part in await client.chat("m", messages=[], stream=True)]
    await client.close()
    return parts


def read_by_us(recording: bytes, size: int) -> Reply:
    """The reply that we make of it when it comes in pieces of so many bytes."""
    meter = Meter(PROMPT)
    meter.began = True
    decoder, fold = LineDecoder(), Fold()
    assembly = OllamaAssembly(prompt=PROMPT, body=request_body(PROMPT, "m"), meter=meter)
    for start in range(0, len(recording), size):
        for event in decoder.feed(recording[start : start + size]):
            for chunk in assembly.take(event):
                fold.add(chunk)
    assert assembly.whole
    for chunk in assembly.end():
        fold.add(chunk)
    return fold.reply()


def test_every_kind_of_answer_was_recorded() -> None:
    assert RECORDINGS.keys() >= KINDS


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("name", RECORDINGS)
async def test_the_sdk_and_we_read_the_same(name: str, size: int) -> None:
    theirs = await read_by_the_sdk(RECORDINGS[name])
    ours = read_by_us(RECORDINGS[name], size)
    messages = [part.message for part in theirs]
    thought = "".join(part.text for part in ours.message.parts if isinstance(part, Reasoning))
    assert ours.text == "".join(message.content or "" for message in messages)
    assert thought == "".join(message.thinking or "" for message in messages)
    calls = [call.function for message in messages for call in message.tool_calls or ()]
    assert [(call.name, call.arguments) for call in ours.calls] == [
        (call.name, call.arguments) for call in calls
    ]
    assert len({call.id for call in ours.calls}) == len(calls)
    end = theirs[-1]
    assert end.done
    assert ours.stopped.model == end.model
    assert ours.stopped.reason == (
        "tool_calls" if calls else {"stop": "end"}.get(str(end.done_reason), "length")
    )
    assert ours.usage.output_tokens == end.eval_count
    assert ours.usage.estimated is (end.prompt_eval_count is None)
    if end.prompt_eval_count is not None:
        assert ours.usage.input_tokens == end.prompt_eval_count
    assert ours.usage.input_tokens > 0
