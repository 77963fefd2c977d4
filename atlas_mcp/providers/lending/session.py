"""Who may ask through the endpoint: a key, what it may spend, what it took, and its streams under way.

A session is given to one program, run or server, and is what that program is steered and accounted by. It
knows no wire.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr

from atlas_mcp.chunks import Switched, Usage
from atlas_mcp.errors import Cancelled
from atlas_mcp.providers.group import ProviderGroup
from atlas_mcp.providers.terms import Terms, Way

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.errors import AtlasError
    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.budget import Budget
    from atlas_mcp.providers.provider import Provider, ProviderInfo
    from atlas_mcp.providers.stream import Stream

__all__ = ["ModelSession"]


class ModelSession:
    """Whoever has `key` may ask at `url`, until the session is closed; made by `ModelEndpoint.session`.

    The provider stays its owner's to close. `requests` counts what was asked, `switches` how often another
    member of a group took over. `model` is what the one model there is called, by default the provider's own
    name. Whoever lends for one purpose and knows more of a request than its wire says overrides `ask`, `saw`
    and `failed`.
    """

    model: str

    def __init__(
        self, provider: Provider, *, url: str, budget: Budget | None, name: str,
        on_close: Callable[[ModelSession], None],
    ) -> None:  # fmt: skip
        # Shaped like a vendor's, so that whatever takes keys out of logs knows it for one.
        self.key = SecretStr(f"sk-atlas-{secrets.token_urlsafe(32)}")
        self.url = url
        self.name = name
        self.model = provider.info.name
        self.budget = budget
        self.requests = 0
        self.switches = 0
        self._group = ProviderGroup.alone(provider)
        self._on_close = on_close
        self._streams: set[Stream] = set()
        self._settled = Usage()
        self._cancelled = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def info(self) -> ProviderInfo:
        """Who answers."""
        return self._group.info

    @property
    def usage(self) -> Usage:
        """What was taken until now, streams under way included."""
        return sum((stream.usage for stream in self._streams), start=self._settled)

    async def ask(self, prompt: Prompt, terms: Terms) -> Stream:
        """Ask whoever answers; not yet begun."""
        return self._group.stream(prompt, terms)

    def saw(self, chunk: Chunk) -> None:
        """Take note of a chunk that is handed out."""
        if type(chunk) is Switched:
            self.switches += 1

    async def failed(self, error: AtlasError) -> None:
        """Take note of why there is no answer, or not all of it; its user is told once this returns."""

    def cancel(self, reason: str = "it was cancelled") -> None:
        """End the streams under way at once, and refuse new ones."""
        self._cancelled = reason
        for stream in self._streams:
            stream.control.cancel(reason)

    def close(self) -> None:
        """Cancel, and let the key be worth nothing from here on."""
        self.cancel("its session was closed")
        self._on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @asynccontextmanager
    async def asking(self, prompt: Prompt, *, in_pieces: bool) -> AsyncGenerator[Stream]:
        """The answer to a prompt, charged to the session; closed on leaving.

        Who gets it `in_pieces` cannot be told that some of it no longer counts, so then nobody may begin an
        answer anew once it was begun.

        Raises:
            Cancelled: the session was cancelled.
        """
        if self._cancelled:
            raise Cancelled(f"Nothing more may be asked: {self._cancelled}.")
        policy = self._group.policy
        if in_pieces:
            policy = replace(policy, ways=tuple(way for way in policy.ways if way is not Way.RESTART))
        # Always as a stream: a budget can then cut it off, and a wire that falls silent is noticed.
        stream = await self.ask(prompt, Terms(policy=policy, budget=self.budget))
        self.requests += 1
        self._streams.add(stream)
        if self._cancelled:  # meanwhile
            stream.control.cancel(self._cancelled)
        try:
            async with stream:
                yield stream
        finally:
            self._streams.discard(stream)
            self._settled = self._settled + stream.usage
