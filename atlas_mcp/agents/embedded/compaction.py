"""Making room: old messages of a thread give way to a summary that says for how many it stands.

Nothing is lost: what was summarised is still history and still found by `conversation_search`. A language
model writes the summary; where there is none, it is a digest of sentences as they were said, and says so.
This module chooses and words; it asks nobody and stores nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from atlas_mcp.agents.embedded.threads import text_of
from atlas_mcp.messages import Intent, Message, Prompt, TaskType, Text, ToolCall, ToolResult
from atlas_mcp.providers.known.tokens import tokens_of, tokens_of_prompt
from atlas_mcp.providers.wires.fence import fence_result
from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atlas_mcp.agents.embedded.threads import Item

__all__ = [
    "FULL", "KEPT", "SUMMARY_TOKENS", "WINDOW", "choose", "digest", "headed", "portions", "size_of_summary",
    "summary_prompt",
]  # fmt: skip

WINDOW = 128_000
"""Tokens of a model of which nobody knows."""
FULL = 0.7
"""The share of the window at which old messages give way."""
KEPT = 0.3
"""The share that is left of it."""
SUMMARY_TOKENS = 1_500
"""The most of a summary."""
_LEAST_ANSWER = 256
"""Some servers refuse a lower limit of an answer, and models that reason need some of it."""

_SYSTEM = (
    "You keep the memory of a conversation that has become too long. Write what must not be forgotten: what "
    "was asked, what was found and where, what was decided and why, names and figures exactly, what is still "
    "open. Leave out greetings and detours. Invent nothing. Write plain sentences, no preamble."
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One sentence that was said: how much it has to do with what goes on, and where it stands."""

    place: tuple[int, int]
    role: str
    text: str
    score: float


def choose(items: Sequence[Item], room: int, summary: int = SUMMARY_TOKENS) -> list[Item]:
    """The oldest items that have to go, so that `room` tokens hold the rest and a `summary` of so many.

    Calls go with their results. What was asked last stays, and so does the last exchange.
    """
    groups = _groups(items)
    asked = next((item for item in reversed(items) if item.message.role == "user" and not item.summary), None)
    left = sum(_tokens(item) for item in items) + summary
    gone: list[Item] = []
    for group in groups[:-1]:
        if left <= room:
            break
        if asked in group:
            continue
        gone += group
        left -= sum(_tokens(item) for item in group)
    # A lone summary that gives way to another of the same says nothing new.
    return [] if all(item.summary for item in gone) and len(gone) < 2 else gone  # noqa: PLR2004 - a lone summary


def size_of_summary(items: Sequence[Item], window: int) -> int:
    """How many tokens a summary may have: a third of what it stands for, a tenth of the window, or less."""
    return max(1, min(SUMMARY_TOKENS, window // 10, sum(_tokens(item) for item in items) // 3))


def _groups(items: Sequence[Item]) -> list[list[Item]]:
    groups: list[list[Item]] = []
    for item in items:
        if item.message.role == "tool" and groups:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _tokens(item: Item) -> int:
    return tokens_of_prompt(Prompt(item.in_prompt, Intent.COMPOSE, ""))


def portions(items: Sequence[Item], most: int) -> Iterator[str]:
    """What was said, as text in portions of at most about `most` tokens each."""
    portion: list[str] = []
    size = 0
    for item in items:
        for piece in _pieces(_told(item), most):
            tokens = tokens_of(piece)
            if portion and size + tokens > most:
                yield "\n\n".join(portion)
                portion, size = [], 0
            portion.append(piece)
            size += tokens
    if portion:
        yield "\n\n".join(portion)


def _pieces(text: str, most: int) -> Iterator[str]:
    # As many characters as `most` tokens have at the least, whatever the script.
    step = max(1, most // 2)
    if tokens_of(text) <= most:
        step = len(text)
    yield from (text[start : start + step] for start in range(0, len(text), max(1, step)))


def _told(item: Item) -> str:
    if item.summary:
        return item.message.text
    role = "tools" if item.message.role == "tool" else item.message.role
    calls = any(isinstance(part, ToolCall) for part in item.message.parts)
    passages = "\n".join(
        f"[{passage.id}] {passage.source.title}: {passage.text}"
        for part in item.message.parts
        if isinstance(part, ToolResult)
        for passage in part.passages
    )
    text = "\n".join(part for part in (text_of(item.message), passages) if part)
    return f"{role}{' (calls tools)' if calls else ''}: {text}"


def summary_prompt(portion: str, so_far: str, agent: str, most: int = SUMMARY_TOKENS) -> Prompt:
    """Asks for a summary, of `most` tokens, of a portion and of what the portions before it came to."""
    asked = f"Summarise this part of a conversation, in at most {max(20, most * 3 // 5)} words."
    if so_far:
        asked += f" The parts before it came to this; give one summary of all:\n\n{so_far}"
    transcript = fence_result(ToolResult("conversation", portion))
    return Prompt(
        (Message("user", (Text(asked), Text(transcript))),),
        Intent.COMPOSE,
        asked,
        agent=agent,
        system=_SYSTEM,
        max_output_tokens=max(_LEAST_ANSWER, most),
        task=TaskType.SUMMARISING,
    )


def headed(items: Sequence[Item], text: str, author: str) -> str:
    """A summary under a heading that says what it stands for and whose work it is."""
    count = sum(item.messages for item in items)
    since, until = (
        datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds") for at in (items[0].at, items[-1].at)
    )
    return (
        f"[In place of {count} earlier messages of this conversation, {since} to {until}: {author} "
        f"The messages themselves are found with conversation_search.]\n\n{text}"
    )


def digest(items: Sequence[Item], about: str, most: int = SUMMARY_TOKENS) -> str:
    """Sentences of what was said, word for word and in order, as many as `most` tokens hold.

    Every message gives its first sentence before any gives another; then come those that share most words
    with what the conversation is about.
    """
    wished = frozenset(stems(about))
    lines = sorted(_lines(items, wished), key=lambda line: -line.score)
    chosen: list[_Line] = []
    size = 0
    for line in lines:
        tokens = tokens_of(line.text) + 4
        if size + tokens <= most:
            chosen.append(line)
            size += tokens
    chosen.sort(key=lambda line: line.place)
    omitted = len(lines) - len(chosen)
    said = [f"- {line.role}: {line.text}" for line in chosen]
    return "\n".join([*said, f"({omitted} more sentences are left out here.)"] if omitted else said)


def _lines(items: Sequence[Item], wished: frozenset[str]) -> Iterator[_Line]:
    for place, item in enumerate(items):
        role = "earlier" if item.summary else item.message.role
        # An earlier digest is sentences already, one a line, below its heading.
        text = item.message.text.partition("\n\n")[2] if item.summary else text_of(item.message)
        for number, sentence in enumerate(sentences(text)):
            plain = " ".join(sentence.text.split()).removeprefix("- ")
            shared = len(wished & frozenset(stems(plain)))
            first = 2.0 if number == 0 else 0.0
            yield _Line((place, number), role, plain, first + shared / (1 + len(wished)))
