"""The suite's fixtures that give content: tools, resources and prompts by the names and texts it asks for."""

import asyncio
import json
from base64 import b64decode, b64encode

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.prompts import Message
from fastmcp.tools.base import ToolResult
from mcp_types import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

__all__ = ["add_to"]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
"""One pixel."""

WAV = b64encode(
    b"RIFF" + (36).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    + (1).to_bytes(2, "little") * 2 + (8000).to_bytes(4, "little") * 2 + (1).to_bytes(2, "little")
    + (8).to_bytes(2, "little") + b"data" + (0).to_bytes(4, "little")
).decode()  # fmt: skip
"""No sound at all, 8 bits at 8 kHz."""

PAUSE = 0.05
"""Seconds between two notifications, as the suite wishes."""


def add_to(server: FastMCP) -> None:
    """Give a server these fixtures."""
    _add_tools(server)
    _add_working_tools(server)
    _add_resources(server)
    _add_prompts(server)


def _picture() -> ImageContent:
    return ImageContent(data=PNG, mime_type="image/png")


def _embedded(uri: str, mime: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime, text=text))


def _add_tools(server: FastMCP) -> None:
    given: dict[str, list[ContentBlock]] = {
        "test_simple_text": [TextContent(text="This is a simple text response for testing.")],
        "test_image_content": [_picture()],
        "test_audio_content": [AudioContent(data=WAV, mime_type="audio/wav")],
        "test_embedded_resource": [
            _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
        ],
        "test_multiple_content_types": [
            TextContent(text="Multiple content types test:"),
            _picture(),
            _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ],
    }
    for name, content in given.items():
        _add_giver(server, name, content)


def _add_giver(server: FastMCP, name: str, content: list[ContentBlock]) -> None:
    @server.tool(name=name, description="Gives content.")
    async def give() -> ToolResult:
        return ToolResult(content=content)


def _add_working_tools(server: FastMCP) -> None:
    @server.tool
    async def test_error_handling() -> str:
        """Fails."""
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool
    async def test_tool_with_logging(ctx: Context) -> str:
        """Logs."""
        for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(said)
            await asyncio.sleep(PAUSE)
        return "logged"

    @server.tool
    async def test_logging_tool(ctx: Context) -> str:
        """Logs to whoever wants to hear it."""
        await ctx.info("heard only by those who set a level")
        return "logged"

    @server.tool
    async def test_tool_with_progress(ctx: Context) -> str:
        """Reports progress."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await asyncio.sleep(PAUSE)
        return "done"


def _add_resources(server: FastMCP) -> None:
    @server.resource("test://static-text", description="A text.", mime_type="text/plain")
    async def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", description="A picture.", mime_type="image/png")
    async def static_binary() -> bytes:
        return b64decode(PNG)

    @server.resource("test://watched-resource", description="A text to watch.", mime_type="text/plain")
    async def watched() -> str:
        return "This is the content of the watched resource."

    @server.resource("test://template/{id}/data", description="By id.", mime_type="application/json")
    async def by_id(id: str) -> str:  # noqa: A002 - the suite's own name
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _add_prompts(server: FastMCP) -> None:
    @server.prompt
    async def test_simple_prompt() -> str:
        """Takes nothing."""
        return "This is a simple prompt for testing."

    @server.prompt
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """Takes two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt
    async def test_prompt_with_embedded_resource(
        resourceUri: str,  # noqa: N803 - the suite's own name
    ) -> list[Message]:
        """Embeds a resource."""
        embedded = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [Message(embedded), Message("Please process the embedded resource above.")]

    @server.prompt
    async def test_prompt_with_image() -> list[Message]:
        """Shows a picture."""
        return [Message(_picture()), Message("Please analyze the image above.")]
