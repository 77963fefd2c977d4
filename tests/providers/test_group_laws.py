"""The laws of an answer that several may give, over any members, deaths, pauses, cancels and prompts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atlas_mcp import errors
from atlas_mcp.chunks import (
    Chosen,
    Citation,
    ReasoningDelta,
    Retracted,
    Stopped,
    Switched,
    TextDelta,
    Usage,
)
from atlas_mcp.messages import ToolCall, ToolSpec
from atlas_mcp.providers import strategies
from atlas_mcp.providers.budget import Budget, Limit
from atlas_mcp.providers.group import Circumstances, ProviderGroup
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.known.tokens import CHARACTERS_PER_TOKEN
from atlas_mcp.providers.provider import Fold
from atlas_mcp.providers.terms import EVERY_WAY, Policy, Terms, Way
from tests.providers.mortal import Fate, Mortal, asked
from tests.skipping import SkippingLoop

if TYPE_CHECKING:
    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.stream import Stream

EXAMPLES = 2_000
DEATHS = [
    errors.Overloaded, errors.StreamBroken, errors.Stalled, errors.RateLimited, errors.Authentication,
    errors.MalformedResponse, errors.ConnectionFailed, errors.ContextTooLong, errors.InvalidRequest,
]  # fmt: skip
SEARCH = ToolSpec("search", "Finds.", {"type": "object"})
SCHEMA = {"type": "object"}

pieces = st.one_of(
    st.text("ab c\n", min_size=1, max_size=6).map(TextDelta),
    st.sampled_from(["hm", "so"]).map(ReasoningDelta),
    st.just(Citation("p1", 0, 3, "The")),
)


MOST = 300
"""So many characters has the longest piece, of a tool call."""
UNHEARD = 9
"""So many tokens a mortal may report of which nobody heard: of its prompt, citations and finished calls."""


@st.composite
def fates(draw: st.DrawFn) -> Fate:
    """How a stream goes; a tool call, if there is one, comes last, and maybe in pieces."""
    said: list[Chunk | str] = [*draw(st.lists(pieces, max_size=6))]
    if draw(st.booleans()) and draw(st.booleans()):
        said += ["x" * length for length in draw(st.lists(st.integers(1, MOST), max_size=6))]
        said.append(ToolCall(f"c{draw(st.integers(0, 99))}", "search", {}))
    died = draw(st.none() | st.sampled_from(DEATHS))
    error = died("it died", remedy="Wait.") if died else None
    return Fate(tuple(said), error, reports=draw(st.booleans()), pause=draw(st.sampled_from([0.0, 0.0, 3.0])))


prompts = st.sampled_from(
    [asked(), asked(schema=SCHEMA), asked(tools=(SEARCH,)), asked(max_output_tokens=50)]
)
policies = st.builds(
    Policy,
    ways=st.sets(st.sampled_from(EVERY_WAY)).map(tuple) | st.just(EVERY_WAY),
    hold=st.sampled_from([1.0, 1e6]),
    total=st.none() | st.just(1e6),
)
members = st.lists(
    st.tuples(st.lists(fates(), min_size=1, max_size=3), st.booleans()), min_size=1, max_size=4
)
limits = st.none() | st.sampled_from([80, 150, 500])
deeds = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["pause", "long pause", "cancel", "leave"])), max_size=3
)


@dataclass
class Seen:
    """What a reader saw, and how it ended."""

    chunks: list[Chunk] = field(default_factory=list["Chunk"])
    error: errors.AtlasError | None = None
    left: bool = False

    def of(self, kind: type[Any]) -> list[Any]:
        return [chunk for chunk in self.chunks if isinstance(chunk, kind)]

    @property
    def standing(self) -> str:
        """The text that stands, by nothing but the chunks."""
        said = ""
        for chunk in self.chunks:
            if isinstance(chunk, TextDelta):
                said += chunk.text
            elif isinstance(chunk, Retracted):
                said = said[: len(said) - chunk.characters]
        return said


async def read(stream: Stream, todo: dict[int, str]) -> Seen:
    """Read a stream to its end, and do what is to be done after so many chunks."""
    seen, control = Seen(), stream.control
    try:
        async with stream:
            async for chunk in stream:
                seen.chunks.append(chunk)
                match todo.get(len(seen.chunks)):
                    case "pause" | "long pause" as deed:
                        control.pause()
                        after = 0.1 if deed == "pause" else 30.0
                        asyncio.get_running_loop().call_later(after, control.resume)
                    case "cancel":
                        control.cancel("enough")
                    case "leave":
                        seen.left = True
                        return seen
                    case _:
                        pass
    except errors.AtlasError as error:
        seen.error = error
    return seen


def run(coroutine: Any) -> Any:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(coroutine)


def group_of(mortals: list[Mortal], policy: Policy, name: str = "law") -> ProviderGroup:
    clock = asyncio.get_running_loop().time
    circumstances = Circumstances(Reliability(clock=clock), Prices(), clock, random.Random(7))  # noqa: S311
    return ProviderGroup(mortals, strategies.failover, name=name, policy=policy, circumstances=circumstances)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lot=members, prompt=prompts, policy=policies, deeds=deeds, nested=st.booleans(), limit=limits)
def test_laws_of_mid_stream_fallback(
    lot: list[tuple[list[Fate], bool]],
    prompt: Prompt,
    policy: Policy,
    deeds: list[tuple[int, str]],
    nested: bool,
    *,
    limit: int | None,
) -> None:
    async def law() -> None:
        mortals = [Mortal(f"m{number}", lives, prefill=able) for number, (lives, able) in enumerate(lot)]
        budget = Budget(Limit(tokens=limit), name="law")
        group = group_of(mortals, policy)
        if nested:
            group = group_of([group], policy, "outer")  # pyright: ignore[reportArgumentType]
        stream = group.stream(prompt, Terms(budget=budget))
        seen = await read(stream, dict(deeds))
        lived = [life for mortal in mortals for life in mortal.lives if life.opened]

        # Who reads can tell what stands, and it is what the group itself takes for the answer.
        fold = Fold()
        for chunk in seen.chunks:
            fold.add(chunk)
        assert fold.text == seen.standing
        assert all(chunk.characters >= 0 for chunk in seen.of(Retracted))
        # Everybody is closed, and nobody counts as busy.
        assert all(life.closed for life in lived)
        assert [mortal.open for mortal in mortals] == [0] * len(mortals)
        assert all(member.at_once == 0 for member in group.members)
        # Who was chosen is told first, where there was a choice.
        if seen.chunks and len(mortals) > 1 and not nested:
            assert isinstance(seen.chunks[0], Chosen)
        # Exactly one end, last, or an error.
        whole = bool(seen.chunks) and isinstance(seen.chunks[-1], Stopped)
        assert len(seen.of(Stopped)) == whole
        assert whole or seen.error is not None or seen.left
        # A finished tool call is handed out once, and nothing but the end follows.
        calls = [number for number, chunk in enumerate(seen.chunks) if isinstance(chunk, ToolCall)]
        assert len(calls) <= 1
        if calls:
            assert all(isinstance(chunk, Usage | Stopped) for chunk in seen.chunks[calls[0] + 1 :])
        if not nested:
            # Each stream that another followed was left with a seam; a reader may leave right after one.
            gone = seen.left or isinstance(seen.error, errors.Cancelled)
            assert len(seen.of(Switched)) - max(0, len(lived) - 1) in ({0, 1} if gone else {0})
            check_the_text(seen)
        if whole:
            # What was paid is the sum over everyone who was paid, in chunks and on the stream alike.
            told = sum(seen.of(Usage), start=Usage())
            assert stream.usage.tokens == told.tokens == sum(life.took.tokens for life in lived)
        # Nothing stays reserved, and everything that was paid was counted.
        assert budget._tokens == budget.spent.tokens == sum(life.took.tokens for life in lived)
        # Nobody says more than there is, but for the last piece.
        assert limit is None or budget.spent.tokens <= limit + MOST // CHARACTERS_PER_TOKEN + UNHEARD

    run(law())


def check_the_text(seen: Seen) -> None:
    """Where the last one answered anew, the text is theirs alone."""
    switches = seen.of(Switched)
    if switches and switches[-1].way == Way.RESTART and isinstance(seen.chunks[-1], Stopped):
        start = next(at for at, chunk in enumerate(seen.chunks) if chunk is switches[-1])  # or its like
        fresh = seen.chunks[start:]
        assert seen.standing == "".join(chunk.text for chunk in fresh if isinstance(chunk, TextDelta))
