"""One prompt on its way through a group: chosen for, tried, and gone on with when somebody fails.

The laws it keeps, whatever members do: the text that stands is what was said less what was retracted; each
member that is left while another, or the same one again, goes on is one `Switched`; a finished tool call is
handed out once, and after it the answer may only end; exactly one `Stopped` comes, last; usage is the sum
over everyone who was paid; closing the answer closes whoever is at work.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

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
from atlas_mcp.errors import BudgetSpent, Cancelled, ContentRefused, ProviderError
from atlas_mcp.messages import ToolCall
from atlas_mcp.providers.attempt import Attempt
from atlas_mcp.providers.choosing import Choosing
from atlas_mcp.providers.continuation import Seam, continued, way_on
from atlas_mcp.providers.control import StreamState
from atlas_mcp.providers.late import Late
from atlas_mcp.providers.terms import Way

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.control import StreamControl
    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.roster import Roster
    from atlas_mcp.providers.terms import Policy, Terms

__all__ = ["Call"]


class Call:
    """The state of one answer: what stands, who was tried, what it took."""

    control: StreamControl
    """Of the stream that is read; set by whoever makes it."""

    def __init__(
        self, roster: Roster, prompt: Prompt, terms: Terms, policy: Policy, *, asked: Policy | None
    ) -> None:
        self._roster = roster
        self._prompt = prompt
        self._terms = terms
        self._policy = policy
        self._asked = asked
        self._choosing: Choosing
        self._attempt: Attempt | None = None
        self._seam: Seam | None = None
        self._way: Way | None = None
        self._left = ""
        self._said: list[str] = []
        self._reasoning = 0
        self._citations = 0
        self._called = False
        self._spent = Usage()
        self._held = False
        self._let_go_of: Member | None = None
        self._over = False
        self._failure: ProviderError | None = None
        self._late: Late | None = None

    def usage(self) -> Usage:
        """What the answer took until now, over everyone who was tried."""
        attempt = self._attempt
        return self._spent if attempt is None else self._spent + attempt.usage()

    def held_long(self) -> None:
        """The reader has paused for so long that the connection is given up; resuming will go on."""
        attempt = self._attempt
        if attempt is not None and attempt.stream.control.state is not StreamState.NEW:
            self._held = True
            attempt.stream.control.cancel(f"it was paused for {self._policy.hold:g} seconds")

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The answer."""
        self._terms = _within(self._terms, self._policy.total)
        self._choosing = Choosing(self._roster, self._prompt, self._terms, self._policy)
        await self._roster.look_up()
        try:
            while not self._over:
                await self.control.unpaused()
                member = await self._choosing.pick(self._text)
                introduction = self._introduce(member)
                # Before anybody else can have a turn: it may be the one call that a member on trial is let.
                attempt = self._begin(member)
                for chunk in self._told(introduction, attempt):
                    yield chunk
                if not attempt.open:
                    await attempt.stream.aclose()
                    continue
                try:
                    async for chunk in attempt.stream:
                        if type(chunk) is not TextDelta:
                            for other in self._taken(attempt, chunk):
                                yield other
                        elif joined := self._joined(attempt, chunk):
                            yield joined
                except (ProviderError, BudgetSpent) as error:
                    failure = self._verdict(error)
                    for chunk in await self._ended_early(attempt, failure):
                        yield chunk
                    self._survive(member, failure)
        finally:
            await self._leave()

    def _told(self, introduction: list[Chunk], attempt: Attempt) -> Iterator[Chunk]:
        """The introduction; the try is let go if nobody reads on for as long as a pause may keep a wire.

        Before its stream is asked for anything it does nothing, but keeps from others the trial of its member
        and a part of the budget.
        """
        if introduction:
            timer = asyncio.get_running_loop().call_later(self._policy.hold, self._let_go, attempt)
            try:
                yield from introduction
            finally:
                timer.cancel()

    def _let_go(self, attempt: Attempt) -> None:
        self._heard()
        attempt.left()
        self._let_go_of = attempt.member
        self._choosing.stay_with(attempt.member)

    async def _leave(self) -> None:
        """Whoever is still at work is let go."""
        self._heard()
        if self._attempt is not None:
            self._attempt.left()
            await self._attempt.stream.aclose()

    def _heard(self) -> None:
        """A word came, or nobody waits for one any more."""
        if self._late is not None:
            self._late.heard()

    def _verdict(self, error: ProviderError | BudgetSpent) -> ProviderError | BudgetSpent:
        return error if self._late is None else self._late.verdict(error)

    @property
    def _text(self) -> str:
        """The text that stands."""
        if len(self._said) > 1:
            self._said = ["".join(self._said)]
        return self._said[0] if self._said else ""

    def _introduce(self, member: Member) -> list[Chunk]:
        """Go over to who answers now; gives what the reader is to be told of it."""
        waited, self._let_go_of = self._let_go_of, None
        if member is waited:
            return []  # of whom the reader was told
        if waited is not None:
            self._failure = Cancelled(f"Nobody read on for {self._policy.hold:g} seconds.")
        choosing, prompt, failure = self._choosing, self._prompt, self._failure
        if failure is None:
            self._left = member.name
            if len(self._roster.members) == 1:
                return []  # that was no choice
            name, task = self._roster.name, prompt.kind_of_task
            chosen = Chosen(name, member.name, choosing.reason, task, choosing.others)
            self._roster.choices.append(chosen)
            return [chosen]
        said = self._text
        way = way_on(prompt, said, member.capabilities, choosing.ways) or Way.RESTART
        self._way = way if said else None
        reason = failure.message
        seam: list[Chunk] = [Switched(self._left, member.name, reason, way.value, failure.code)]
        self._left = member.name
        anew = way is Way.RESTART
        lost = Retracted(len(said) if anew else 0, reason, self._reasoning, self._citations if anew else 0)
        if lost.characters or lost.reasoning or lost.citations:
            seam.append(lost)
        # Reasoning belongs to who thought it, and goes with them.
        self._reasoning = 0
        if anew:
            self._said, self._citations = [], 0
        return seam

    def _begin(self, member: Member) -> Attempt:
        """Try a member, with what was said behind the prompt."""
        said, way = self._text, self._way
        prompt = self._prompt if way is None else continued(self._prompt, said, way)
        self._seam = None if way is None or way is Way.RESTART else Seam(said, way)
        self._held = False
        reliability, crawl = self._roster.circumstances.reliability, self._policy.crawl
        if len(self._roster.members) == 1:
            crawl = 0.0  # there is nobody to leave it for
        terms = self._terms_within(member) if member.nested else self._terms
        self._attempt = attempt = Attempt(member, prompt, terms, reliability, crawl=crawl)
        self._late = None
        if (seconds := self._first_token(member)) is not None:
            self._late = Late(attempt.stream.control, self.control, seconds)
        if attempt.streams:
            attempt.meter.watch(self._overheard)
        return attempt

    def _first_token(self, member: Member) -> float | None:
        """How long a member may take to its first word, if that is limited here."""
        # What was asked of this one call a group within sees to for each of its own members.
        return None if member.nested and self._asked is not None else self._policy.first_token

    def _terms_within(self, member: Member) -> Terms:
        """What is asked of a group within: its own settings hold, and it keeps nobody waiting needlessly."""
        waits = self._terms.waits and not self._choosing.somebody_free(member, self._text)
        streaming = self._terms.streaming or self._first_token(member) is not None
        return replace(self._terms, policy=self._asked, waits=waits, streaming=streaming)

    def _overheard(self) -> None:
        """A piece of a tool call came, of which there is no chunk before all of it is said.

        Raises:
            BudgetSpent: the answer takes more than there is.
        """
        if self._attempt is not None:
            self._attempt.count()
            self._heard()

    def _joined(self, attempt: Attempt, chunk: TextDelta) -> TextDelta | None:
        """A piece of text as the reader gets it; None while it may be a repetition.

        Raises:
            BudgetSpent: the answer takes more than there is.
            Stalled: it comes far more slowly than usual, and somebody else is free.
        """
        attempt.hear(chunk.text)
        self._heard()
        slow = attempt.pace(self._policy.crawl) if attempt.usual else None
        if slow is not None and self._choosing.has_another(attempt.member, self._text):
            raise slow
        seam = self._seam
        if seam is not None and seam.open:
            if not (text := seam.feed(chunk.text)):
                return None
            chunk = TextDelta(text)
        self._said.append(chunk.text)
        return chunk

    def _taken(self, attempt: Attempt, chunk: Chunk) -> list[Chunk]:
        """Any other chunk, and what it brings with it.

        Raises:
            BudgetSpent: the answer takes more than there is.
            ContentRefused: the model refused, and another may be asked instead.
        """
        before: list[Chunk] = []
        match chunk:
            case ReasoningDelta():
                attempt.hear(chunk.text)
                self._heard()
                self._reasoning += max(1, len(chunk.text))
            case ToolCall():
                attempt.hear_call(chunk)
                self._called = True
                self._heard()
                before = self._flushed()
            case Citation():
                self._citations += 1
                before = self._flushed()
            case Usage():
                chunk = attempt.priced(chunk)
            case Retracted():
                chunk = self._retracted(chunk)
            case Stopped():
                before = self._finish(attempt, chunk)
            case _:
                pass
        return [*before, chunk]

    def _retracted(self, chunk: Retracted) -> Retracted:
        """What a group within the group takes back, of what was handed out of it."""
        if self._seam is not None:
            chunk = replace(chunk, characters=self._seam.retract(chunk.characters))
        self._said = [self._text[: len(self._text) - chunk.characters]]
        self._reasoning -= chunk.reasoning
        self._citations -= chunk.citations
        return chunk

    def _finish(self, attempt: Attempt, stopped: Stopped) -> list[Chunk]:
        """The answer is whole; gives what text was still held back."""
        member = attempt.member
        asks_another = stopped.reason == "refused" and self._policy.refusals and not self._called
        if asks_another and self._choosing.has_another(member, ""):
            raise ContentRefused(
                f"{member.name} refused to answer.", provider=stopped.provider, model=stopped.model
            )
        rest = attempt.unreported()  # of a member that does not say what it took
        attempt.answered()
        self._spent = self._spent + attempt.usage()
        self._attempt = None
        self._over = True
        return [*self._flushed(), *filter(None, (rest,))]

    def _flushed(self) -> list[Chunk]:
        """Text that was held back as a possible repetition and turned out to be none."""
        if self._seam is None or not self._seam.open or not (text := self._seam.flush()):
            return []
        self._said.append(text)
        return [TextDelta(text)]

    async def _ended_early(self, attempt: Attempt, failure: ProviderError | BudgetSpent) -> list[Chunk]:
        """Close the try, and say what it took; after a tool call was handed out, the answer ends here."""
        if isinstance(failure, ProviderError) and not self._held:
            attempt.failed(failure)
        else:
            attempt.left()
        await attempt.stream.aclose()
        chunks = self._flushed()
        if rest := attempt.unreported():
            chunks.append(rest)
        self._spent = self._spent + attempt.usage()
        self._attempt = None
        if self._called and (self._held or not isinstance(failure, Cancelled)):
            info = attempt.member.provider.info
            chunks.append(
                Stopped("tool_calls", info.vendor, info.model, info.language_model, note=failure.message)
            )
            self._over = True
        return chunks

    def _survive(self, member: Member, failure: ProviderError | BudgetSpent) -> None:
        """Go on after a failure, if that may be.

        Raises:
            ProviderError: nobody else may be tried.
            BudgetSpent: there is nothing left to try with.
        """
        if self._over:
            return
        if isinstance(failure, BudgetSpent):
            raise failure
        self._failure = failure
        if self._held:
            self._choosing.stay_with(member)
        elif isinstance(failure, Cancelled):
            raise failure
        else:
            self._choosing.survive(member, failure, told=self._way)


def _within(terms: Terms, total: float | None) -> Terms:
    """The terms with a deadline of so many seconds from now, if they have no earlier one."""
    if total is None:
        return terms
    deadline = asyncio.get_running_loop().time() + total
    return replace(terms, deadline=min(deadline, terms.deadline or deadline))
