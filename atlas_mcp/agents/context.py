"""Working memory of one task: what of a conversation goes into the model's window, and in which form.

As long as everything fits, nothing is touched: a prompt that begins as the one before is cheap for who caches
prompts. What does not fit gives way in one order: passages shown twice, long results of earlier turns, the
earlier turns themselves, the last results beyond half of the room, material from the least relevant on. The
task's words, the wished-for shape and the last turn always stay, every call keeps its result, and what was
shortened or left out is said in the prompt. It knows no provider and writes no events.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from atlas_mcp.agents.condensing import LISTED, TAG_TOKENS, best_first, condensed, listed, retold
from atlas_mcp.messages import (
    Image,
    Intent,
    Material,
    Message,
    Prompt,
    TaskType,
    Text,
    ToolCall,
    ToolResult,
)
from atlas_mcp.providers.known.tokens import IMAGE_TOKENS, MESSAGE_TOKENS, tokens_of, tokens_of_prompt
from atlas_mcp.providers.wires.fence import fence_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from atlas_mcp.messages import Draft, Finding, Part, Passage
    from atlas_mcp.providers.provider import ProviderInfo

__all__ = ["UNKNOWN_WINDOW", "Fitted", "Priority", "Room", "fitted", "room_for"]

Priority: TypeAlias = Literal["low", "normal", "high"]

UNKNOWN_WINDOW = 32_768
"""Tokens of a window that nobody declared; `config/models.toml` declares one for any model."""

_SHARES: dict[Priority, float] = {"low": 0.5, "normal": 0.75, "high": 0.9}
"""The share of the room beside the answer that a prompt may fill, by the run's priority."""

_ANSWERS = {TaskType.WRITING: 1 / 3, TaskType.CODE: 1 / 3, TaskType.CLASSIFICATION: 1 / 8}
"""The share of the window that is left to the answer; a quarter for other kinds of task."""
_LONGEST_ANSWER = 16_384

_RESULTS = {TaskType.EXTRACTION: 0.15, TaskType.ANALYSIS: 0.12, TaskType.PLANNING: 0.05}
"""The share of a prompt that one result of an earlier turn may keep; a twelfth for other kinds of task."""


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens of a prompt: those it is meant to take, and the `most` that what cannot be left out may."""

    tokens: int
    most: int


def room_for(
    info: ProviderInfo, task: TaskType, priority: Priority = "normal", answer: int | None = None
) -> Room | None:
    """The room for a prompt beside an `answer` of so many tokens; None where there is no window to fill."""
    window = info.capabilities.window
    if window is None:
        if not info.language_model:
            return None
        window = UNKNOWN_WINDOW
    usual = min(int(window * _ANSWERS.get(task, 0.25)), info.capabilities.output or _LONGEST_ANSWER)
    most = max(1, window - min(answer or usual, window // 2))
    return Room(int(most * _SHARES[priority]), most)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt as it goes out, and what it was before: both in tokens, 0 where nobody had to count.

    `condensed` names the calls whose results were shortened, `left_out` the ids of passages, findings and
    drafts that are not in it any more; `seconds` is what the fitting took. `fits` is False where even what
    cannot be left out is more than there was room for.
    """

    prompt: Prompt
    before: int = 0
    after: int = 0
    seconds: float = 0.0
    condensed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    fits: bool = True

    @property
    def changed(self) -> bool:
        """Whether it is not the prompt that was given."""
        return self.after != self.before


def fitted(prompt: Prompt, tokens: int) -> Fitted:
    """A prompt in so many tokens, if that can be done."""
    if _at_most(prompt) <= tokens:
        return Fitted(prompt)
    since = perf_counter()
    before = tokens_of_prompt(prompt)
    if before <= tokens:
        return Fitted(prompt, before, before)
    fitting = _Fitting(prompt, tokens)
    fitting.run()
    made = fitting.prompt
    after = tokens_of_prompt(made)
    if after >= before:
        return Fitted(prompt, before, before, fits=False)
    return Fitted(
        made,
        before,
        after,
        perf_counter() - since,
        tuple(fitting.shortened),
        fitting.left_out,
        after <= tokens,
    )


# What surely fits ------------------------------------------------------------------------------------------

_ASCII, _ANY = 0.6, 1.8
"""No character weighs more, in tokens."""


def _at_most(prompt: Prompt) -> float:
    """More tokens than a prompt can have, from nothing but lengths: it is asked before every call."""
    most = _weight(prompt.system) + sum(
        _weight(tool.description) + _written(tool.parameters) + len(tool.name) for tool in prompt.tools
    )
    if prompt.schema is not None:
        most += _written(prompt.schema)
    for message in prompt.messages:
        most += MESSAGE_TOKENS + sum(map(_part, message.parts))
    return most


def _weight(text: str) -> float:
    return 1 + len(text) * (_ASCII if text.isascii() else _ANY)


_WRITTEN: dict[int, tuple[dict[str, Any], float]] = {}
"""What schemas weigh, by identity: a team has few, and each call would write its own out again."""
_MOST_WRITTEN = 256


def _written(schema: dict[str, Any]) -> float:
    known = _WRITTEN.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    if len(_WRITTEN) >= _MOST_WRITTEN:
        _WRITTEN.clear()
    weight = _weight(json.dumps(schema, ensure_ascii=False))
    _WRITTEN[id(schema)] = schema, weight
    return weight


def _part(part: Part) -> float:
    match part:
        case ToolResult():
            return _weight(part.text) + sum(TAG_TOKENS + _weight(each.text) for each in part.passages)
        case Material():
            return sum(TAG_TOKENS + _weight(text) for texts in _texts(part) for text in texts)
        case ToolCall():
            return len(part.name) + _weight(json.dumps(part.arguments, ensure_ascii=False))
        case Image():
            return IMAGE_TOKENS
        case _:
            return _weight(part.text)


# What does not ---------------------------------------------------------------------------------------------


class _Fitting:
    """One prompt on its way to so many tokens."""

    def __init__(self, prompt: Prompt, tokens: int) -> None:
        self._given = prompt
        self._tokens = tokens
        self._messages = list(prompt.messages)
        self._costs = [_tokens(message) for message in self._messages]
        self._fixed = tokens_of_prompt(replace(prompt, messages=()))
        self._retold: list[str] = []
        self._called: Counter[str] = Counter()
        self._names = {call.id: call.name for message in prompt.messages for call in _calls(message)}
        self.shortened: list[str] = []

    def run(self) -> None:
        """Let things give way until it fits, or nothing is left that may."""
        stages: tuple[Callable[[], None], ...] = (
            self._show_once, self._condense_earlier, self._retell_earlier, self._halve_last,
            self._leave_out, self._condense_last, self._count_calls,
        )  # fmt: skip
        for stage in stages:
            if self._over <= 0:
                return
            stage()

    @property
    def prompt(self) -> Prompt:
        """The prompt as it is now, with what is said of the rest."""
        messages = list(self._messages)
        if (note := self._note) and messages:
            messages[0] = replace(messages[0], parts=(*messages[0].parts, Text(note)))
        return replace(self._given, messages=tuple(messages))

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of what was in the prompt and is not any more."""
        now = set(_ids(self._messages))
        return tuple(dict.fromkeys(name for name in _ids(self._given.messages) if name not in now))

    @property
    def _note(self) -> str:
        said: list[str] = []
        if self._retold:
            # What tools gave is data here too, so it stands between the same fences.
            lines = "\n".join(f"- {line}" for line in self._retold)
            said.append(f"Earlier in this task, in short:\n{fence_result(ToolResult('earlier', lines))}")
        if missing := self.left_out:
            again = " A tool may show some of it again." if self._given.tools else ""
            said.append(f"Left out for lack of room: {listed(missing)}.{again}")
        return "\n\n".join(said)

    @property
    def _over(self) -> int:
        """How many tokens there are too many."""
        return self._fixed + sum(self._costs) + tokens_of(self._note) - self._tokens

    @property
    def _last_turn(self) -> int:
        """Where the last turn begins: with what the model said last."""
        places = [place for place, each in enumerate(self._messages) if each.role == "assistant"]
        return places[-1] if places else len(self._messages)

    def _put(self, place: int, message: Message) -> None:
        self._messages[place] = message
        self._costs[place] = _tokens(message)

    def _show_once(self) -> None:
        """Passages stand where they are shown last, or in the material."""
        seen = {passage.id for part in self._messages[0].parts for passage in _passages(part)}
        for place in range(len(self._messages) - 1, 0, -1):
            parts: list[Part] = []
            for part in reversed(self._messages[place].parts):
                shown = part
                if isinstance(part, ToolResult) and (again := [p.id for p in part.passages if p.id in seen]):
                    new = tuple(passage for passage in part.passages if passage.id not in seen)
                    shown = replace(
                        part, text=f"{part.text}\n(shown elsewhere: {listed(again)})", passages=new
                    )
                seen.update(passage.id for passage in _passages(part))
                parts.insert(0, shown)
            self._put(place, replace(self._messages[place], parts=tuple(parts)))

    def _condense(self, places: Sequence[int], room: int) -> None:
        """Shorten the results there that take more than so much room, the longest first."""
        for place in sorted(places, key=lambda each: -self._costs[each]):
            if self._over <= 0:
                return
            parts: list[Part] = []
            for part in self._messages[place].parts:
                if isinstance(part, ToolResult) and _tokens(Message("tool", (part,))) > room:
                    tool = self._names.get(part.call_id, "") if self._given.tools else ""
                    shorter = condensed(part, self._given.about, room, tool)
                    if _tokens(Message("tool", (shorter,))) < _tokens(Message("tool", (part,))):
                        self.shortened.append(part.call_id)
                        parts.append(shorter)
                        continue
                parts.append(part)
            self._put(place, replace(self._messages[place], parts=tuple(parts)))

    def _condense_earlier(self) -> None:
        share = _RESULTS.get(self._given.kind_of_task, 1 / 12)
        self._condense(range(1, self._last_turn), int(self._tokens * share))

    def _retell_earlier(self) -> None:
        """Whole turns become a line a call, the oldest first."""
        begin = next(
            (n for n, each in enumerate(self._messages) if each.role == "assistant"), self._last_turn
        )
        while self._over > 0 and begin < self._last_turn:
            end = begin + 1
            while self._messages[end].role != "assistant":
                end += 1
            turn = self._messages[begin:end]
            self._retold += retold(turn, self._given.about)
            self._called.update(call.name for message in turn for call in _calls(message))
            del self._messages[begin:end], self._costs[begin:end]

    def _last_results(self) -> list[int]:
        every = range(max(1, self._last_turn), len(self._messages))
        return [
            place for place in every if any(isinstance(p, ToolResult) for p in self._messages[place].parts)
        ]

    def _halve_last(self) -> None:
        """The last results may take half of what they and the material have."""
        places = self._last_results()
        if not places:
            return
        results = sum(self._costs[place] for place in places)
        material = sum(
            _tokens(Message("user", (p,))) for p in self._messages[0].parts if isinstance(p, Material)
        )
        room = self._tokens - (self._tokens + self._over - results - material)
        self._condense(places, max(0, room) // 2 // len(places))

    def _condense_last(self) -> None:
        places = self._last_results()
        if places:
            room = sum(self._costs[place] for place in places) - self._over
            self._condense(places, max(0, room) // len(places) - MESSAGE_TOKENS)

    def _leave_out(self) -> None:
        """Material goes, the least relevant first: passages, then findings, then drafts."""
        while self._over > 0 and any(isinstance(part, Material) for part in self._messages[0].parts):
            too_many = self._over + _NOTE
            parts: list[Part] = []
            for part in self._messages[0].parts:
                if isinstance(part, Material):
                    left, too_many = self._spared(part, too_many)
                    parts += [left] if left else []
                else:
                    parts.append(part)
            self._put(0, replace(self._messages[0], parts=tuple(parts)))

    def _spared(self, part: Material, too_many: int) -> tuple[Material, int]:
        """What stays once `too_many` tokens are saved, and how many are too many still."""
        kept: list[set[int]] = []
        for texts in _texts(part):
            stay = set(range(len(texts)))
            for place in reversed(best_first(self._given.about, texts) if too_many > 0 else []):
                if too_many <= 0:
                    break
                stay.discard(place)
                named = _NAMED if len(texts) - len(stay) <= LISTED else 0
                too_many -= tokens_of(texts[place]) + TAG_TOKENS - named
            kept.append(stay)
        passages, findings, drafts = kept
        left = replace(
            part,
            passages=tuple(each for n, each in enumerate(part.passages) if n in passages),
            findings=tuple(each for n, each in enumerate(part.findings) if n in findings),
            drafts=tuple(each for n, each in enumerate(part.drafts) if n in drafts),
        )
        return left, too_many

    def _count_calls(self) -> None:
        """What was retold becomes a count of calls."""
        calls = ", ".join(f"{name} {times} times" for name, times in self._called.items())
        if self._retold:
            self._retold = [f"you called {calls}" if calls else "you answered, and were asked again"]


_NOTE, _NAMED = 32, 8
"""About how many tokens it takes to say that something was left out, and each id there."""


def _tokens(message: Message) -> int:
    return tokens_of_prompt(Prompt((message,), Intent.COMPOSE, ""))


def _calls(message: Message) -> Iterator[ToolCall]:
    return (part for part in message.parts if isinstance(part, ToolCall))


def _passages(part: Part) -> tuple[Passage, ...]:
    return part.passages if isinstance(part, Material | ToolResult) else ()


def _ids(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        for part in message.parts:
            yield from (passage.id for passage in _passages(part))
            if isinstance(part, Material):
                each: Finding | Draft
                for each in (*part.findings, *part.drafts):
                    yield each.id


def _texts(part: Material) -> tuple[list[str], list[str], list[str]]:
    """The texts of a material's passages, findings and drafts."""
    return (
        [passage.text for passage in part.passages],
        [finding.quote for finding in part.findings],
        [draft.text for draft in part.drafts],
    )
