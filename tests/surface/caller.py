"""A client of the server in the few words that tests need, with types."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from fastmcp import Client
from mcp_types import ResourceLink, ResourceTemplateReference, TextContent, TextResourceContents, Tool

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    Dial: TypeAlias = Callable[[], "Caller"]
    """Makes another client of one and the same server."""

    Served: TypeAlias = Callable[..., AbstractAsyncContextManager[Dial]]

__all__ = ["Answer", "Caller", "Heard"]


@dataclass(frozen=True)
class Answer:
    """What a tool gave."""

    text: str
    structured: dict[str, Any]
    is_error: bool
    links: list[str]


@dataclass
class Heard:
    """The progress of one call; `run_id` is known with the first notification."""

    run_id: Future[str]
    counts: list[float] = field(default_factory=list[float])
    messages: list[str] = field(default_factory=list[str])

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        assert message is not None
        assert total is None, "nobody knows how much there is to do"
        self.counts.append(progress)
        self.messages.append(message)
        if not self.run_id.done():
            self.run_id.set_result(message.removeprefix("run ").partition(":")[0])


class Caller:
    """One connection."""

    def __init__(self, target: Any, mode: Any) -> None:
        self._client: Client[Any] = Client(target, mode=mode)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def tools(self) -> list[Tool]:
        return await self._client.list_tools()

    async def ask(self, tool: str, arguments: dict[str, Any], heard: Heard | None = None) -> Answer:
        """The answer of a tool, be it an error."""
        result = await self._client.call_tool(tool, arguments, progress_handler=heard, raise_on_error=False)
        first = result.content[0]
        assert isinstance(first, TextContent)
        links = [str(each.uri) for each in result.content if isinstance(each, ResourceLink)]
        return Answer(first.text, result.structured_content or {}, result.is_error, links)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of an answer that is no error."""
        answer = await self.ask(tool, arguments)
        assert not answer.is_error, answer.text
        return answer.structured

    async def read(self, uri: str) -> str:
        """The text of a resource."""
        (content,) = await self._client.read_resource(uri)
        assert isinstance(content, TextResourceContents)
        return content.text

    async def complete(self, template: str, name: str, begun: str) -> list[str]:
        """What an argument may go on with."""
        reference = ResourceTemplateReference(uri=template)
        return (await self._client.complete(reference, {"name": name, "value": begun})).values
