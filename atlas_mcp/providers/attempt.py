"""One try at one member: its stream, what it takes of the budget, and what it tells of the member.

However a try ends (answered, failed, left, cut off), its wire is closed, its reservation settled, and breaker
and records hear of it, once.

Neither does when the caller's time limit passed and the member is not to blame for that: it is, if it had
said no word by then although it had as long as it usually takes to begin. What is asked for in one piece
begins when it ends.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from atlas_mcp.chunks import Usage
from atlas_mcp.errors import ProviderTimeout, Stalled
from atlas_mcp.providers.breaker import blames
from atlas_mcp.providers.known.reliability import Outcome
from atlas_mcp.providers.known.tokens import tokens_of_prompt
from atlas_mcp.providers.meter import Meter

if TYPE_CHECKING:
    from atlas_mcp.errors import ProviderError
    from atlas_mcp.messages import Prompt, ToolCall
    from atlas_mcp.providers.budget import Hold
    from atlas_mcp.providers.known.reliability import Reliability
    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.terms import Terms

__all__ = ["Attempt"]

PACE_SECONDS = 5.0
"""How long a member's speed is looked at before it is judged, in seconds of waiting for it."""

_TRUSTED = 10.0
"""Calls after which a member's usual speed is known."""
_SILENT_SECONDS = 10.0
"""So long a silence is held against a member of which nobody knows how long it usually takes to begin."""
_MOST_TOKENS = 1_000_000
"""No model is known to write more in one answer."""


class Attempt:
    """A try that has just begun.

    Raises on making:
        BudgetSpent: the budget has no room for it.
    """

    __slots__ = (
        "_began", "_deadline", "_hold", "_mark_tokens", "_mark_waited", "_opened", "_own_meter", "_probe",
        "_reliability", "_reported", "_task", "_untold", "member", "meter", "open", "prompt", "stream",
        "streams", "usual",
    )  # fmt: skip

    def __init__(
        self, member: Member, prompt: Prompt, terms: Terms, reliability: Reliability, *, crawl: float
    ) -> None:
        most = None
        if not terms.streaming and not member.nested:
            most = _most_at_once(member, prompt, terms)
            terms = terms if most is not None else replace(terms, streaming=True)
        self.member = member
        self.prompt = prompt
        self.streams = terms.streaming
        self._reliability = reliability
        self._task = prompt.kind_of_task
        self._deadline = terms.deadline
        self.stream = member.provider.stream(prompt, terms)
        metered = self.stream.meter
        self._own_meter = not isinstance(metered, Meter) and not member.nested
        self.meter = metered if isinstance(metered, Meter) else Meter(prompt, member.calibration)
        self._reported = Usage()
        self._hold: Hold | None = None
        if terms.budget is not None and not member.nested:
            self._hold = terms.budget.reserve(
                self.meter.prompt_tokens,
                answer_tokens=most if terms.budget.limits else None,
                price=member.price,
                closing=terms.closing,
            )
        self.open = True
        self._began = member.breaker.clock()
        self._probe = member.breaker.begin()
        self._opened = 0
        member.at_once += 1
        usual = reliability.record(member.name, self._task) if crawl > 0 else None
        known = usual is not None and usual.calls >= _TRUSTED and usual.tokens_per_second is not None
        self.usual = usual.tokens_per_second or 0.0 if usual and known else 0.0
        self._untold = True
        self._mark_tokens = 0
        self._mark_waited = 0.0

    @property
    def spoke(self) -> bool:
        """Whether it said a word."""
        return not self._untold

    def hear(self, text: str) -> None:
        """Count a piece of its text or reasoning that came as a chunk.

        Raises:
            BudgetSpent: it takes more than there is.
        """
        if self._own_meter:
            self.meter.began = True
            self.meter.hear(text)
        self.count()

    def hear_call(self, call: ToolCall) -> None:
        """Count a finished tool call; a vendor's own meter has heard it in pieces.

        Raises:
            BudgetSpent: it takes more than there is.
        """
        if self._own_meter:
            self.hear(json.dumps(call.arguments, ensure_ascii=False))
        else:
            self.count()

    def count(self) -> None:
        """Count what it took until now, as its meter has heard it: something came, maybe without a chunk.

        Raises:
            BudgetSpent: it takes more than there is.
        """
        if self._hold is not None:
            self._hold.count(self.meter.prompt_tokens, self.meter.answer_tokens)
        if self._untold:
            self._untold = False
            control = self.stream.control
            self._reliability.heard(self.member.name, self._task, control.now() - control.metrics.started_at)
            if self._probe:
                self._probe = False
                self._opened = self.member.breaker.answers()

    def pace(self, crawl: float) -> Stalled | None:
        """What is to be said of a member that fell far below its usual speed; None while it keeps it."""
        waited = self.stream.control.metrics.waited - self._mark_waited
        if waited < PACE_SECONDS:
            return None
        tokens = self.meter.answer_tokens
        speed = (tokens - self._mark_tokens) / waited
        self._mark_tokens, self._mark_waited = tokens, self._mark_waited + waited
        self._reliability.paced(self.member.name, self._task, speed)
        if speed >= crawl * self.usual:
            return None
        return Stalled(
            f"The stream fell to {speed:.1f} tokens a second; usually it is {self.usual:.0f}.",
            provider=self.member.provider.info.vendor,
            model=self.member.provider.info.model,
            remedy="Try again, or allow it to be slow (crawl = 0).",
        )

    def priced(self, usage: Usage) -> Usage:
        """A usage that the member reported, with its cost where the price is known."""
        usage = self._with_cost(usage)
        self._reported = self._reported + usage
        if self._own_meter:
            self.meter.report(self._reported)
        return usage

    def usage(self) -> Usage:
        """What the try took until now, as reported or estimated."""
        return self._with_cost(self.meter.usage() if self._own_meter else self.stream.usage)

    def unreported(self) -> Usage | None:
        """What it took beyond what the member said; None if that is nothing."""
        rest = self.usage().less(self._reported)
        return rest if rest.tokens or rest.calls else None

    def _with_cost(self, usage: Usage) -> Usage:
        price = self.member.price
        if usage.cost_usd is None and price is not None and not self.member.nested:
            return replace(usage, cost_usd=price.cost(usage))
        return usage

    def answered(self) -> None:
        """It gave a whole answer."""
        if self._settled():
            metrics = self.stream.control.metrics
            usage = self.usage()
            speed = metrics.tokens_per_second or (
                usage.output_tokens / metrics.seconds if metrics.seconds > 0 and usage.output_tokens else None
            )
            outcome = Outcome("", metrics.seconds, speed, usage.cost_usd, usage.output_tokens)
            self._reliability.observe(self.member.name, self._task, outcome)
            self.member.breaker.succeeded(probe=self._probe, began=self._began)

    def failed(self, error: ProviderError) -> None:
        """It failed; the member is blamed as far as the failure is its own."""
        if self._out_of_time(error):
            self.left()
        elif self._settled():
            if blames(error):
                outcome = Outcome(error.code, self._seconds(), cost_usd=self.usage().cost_usd)
                self._reliability.observe(self.member.name, self._task, outcome)
            self.member.breaker.failed(error, probe=self._probe, began=self._began, opened=self._opened)

    def _out_of_time(self, error: ProviderError) -> bool:
        """Whether it was the caller's time limit that ended it, and the member is not to blame."""
        passed = self._deadline is not None and self.stream.control.now() >= self._deadline
        if not passed or not isinstance(error, ProviderTimeout):
            return False
        record = self._reliability.record(self.member.name, self._task)
        usual = record.first_token_p95 if self.streams else record.seconds_p95
        return self.spoke or self._seconds() < (_SILENT_SECONDS if usual is None else usual)

    def _seconds(self) -> float:
        """How long it has been at work, pauses left out."""
        metrics = self.stream.control.metrics
        return self.stream.control.now() - metrics.started_at - metrics.paused_seconds

    def left(self) -> None:
        """It ended through no doing of the member: cancelled, cut off, its reader gone."""
        if self._settled():
            self.member.breaker.left(probe=self._probe)

    def _settled(self) -> bool:
        """Settle what it took; False if that was done before."""
        if not self.open:
            return False
        self.open = False
        self.member.at_once -= 1
        control = self.stream.control
        if (left := control.metrics.allowance) is not None:
            ago = control.now() - control.metrics.allowed_at
            self._reliability.allowed(self.member.name, left, ago=ago)
        if self._hold is not None:
            self._hold.settle(self.usage())
        return True


def _most_at_once(member: Member, prompt: Prompt, terms: Terms) -> int | None:
    """The most tokens of an answer in one piece, which nobody could cut off; None where it has to stream."""
    if terms.policy is not None and terms.policy.first_token is not None:
        return None  # of one in one piece nobody could say when it began
    most = prompt.max_output_tokens or member.capabilities.output or _MOST_TOKENS
    budget = terms.budget
    if budget is None or not budget.limits:
        return most
    asked = tokens_of_prompt(prompt)
    return most if budget.ample(asked, most, price=member.price, closing=terms.closing) else None
