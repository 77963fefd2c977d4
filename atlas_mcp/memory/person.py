"""One person's memory: what they may ask of it, in the words in which people and clients ask.

The server and the command line stand on exactly this. Whose memory it is was decided when it was made, so
that no call can reach another's; what is asked is checked here, and the answer is as it is stored.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.errors import InvalidInput, UnknownMemory
from atlas_mcp.learning import KEEP, MOST_TEXT, Evidence, Learning, LearningKind
from atlas_mcp.memory import lifecycle
from atlas_mcp.memory.moments import moment, now
from atlas_mcp.memory.record.graph import LONGEST
from atlas_mcp.memory.record.record import Filters
from atlas_mcp.memory.scope import Scope
from atlas_mcp.memory.snapshots import is_storable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
    from typing import Literal, TypeAlias

    from atlas_mcp.memory.connections import Chain
    from atlas_mcp.memory.inventory import Inventory
    from atlas_mcp.memory.lifecycle import Imported, Receipt
    from atlas_mcp.memory.memory import Memory
    from atlas_mcp.memory.recall import Recalled
    from atlas_mcp.memory.record.record import Stored
    from atlas_mcp.memory.relatives import Relative
    from atlas_mcp.messages import Passage

    Opener: TypeAlias = Callable[[], Awaitable[Memory]]

log = logging.getLogger(__name__)

__all__ = ["LONGEST_QUERY", "MOST_FOUND", "Found", "Kept", "Note", "PersonMemory"]

LONGEST_QUERY = 2_000
"""Characters of a query."""

MOST_FOUND = 50
"""Memories, and passages, that one query finds at most."""

MOST_IDS = 100
BY_PERSON = 5.0
"""The score of a person's own word: nothing that is found out is surer of what they want."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found, best first: memories, and passages of the user's documents."""

    memories: tuple[Recalled, ...] = ()
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody asks to be remembered.

    Times are as people write them (`2026-03-01`), empty for from now on and for good. `supersedes` are ids of
    memories that it takes the place of. `anyway` keeps it beside others that say the same or the opposite.
    """

    text: str
    kind: str = LearningKind.FACT.value
    valid_from: str = ""
    valid_to: str = ""
    shared: bool = False
    supersedes: tuple[str, ...] = ()
    anyway: bool = False
    origin: Literal["person", "agent"] = "agent"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a note: it is `new` under `id`, was `known` by its words, or is `close` to `relatives`.

    A close one is not kept. `superseded` are the memories that it closed.
    """

    state: Literal["new", "known", "close"]
    id: str = ""
    superseded: tuple[str, ...] = ()
    relatives: tuple[Relative, ...] = ()


class PersonMemory:
    """The memory of one user, with that of their project if there is one; opened on first use."""

    def __init__(self, opener: Opener, user: str, project: str = "") -> None:
        self._opener = opener
        self.scope = Scope(user, project or None)

    async def recall(
        self, query: str, *, k: int = 8, kinds: Collection[str] = (), since: str = "", until: str = "",
        at: str = "", documents: bool = True,
    ) -> Found:  # fmt: skip
        """The `k` best memories, of those that hold now, and the `k` best passages of documents.

        `at` asks for what held at another time; `since` and `until` for what was recorded within. Passages
        come along unless kinds or a time are asked for, which documents do not have.

        Raises:
            InvalidInput: the query is empty or too long, or a time or a kind is none.
            IncompatibleStore: the stored vectors were made by another embedding model.
        """
        if not 0 < len(query.strip()) <= LONGEST_QUERY:
            raise InvalidInput(
                f"A query of {len(query.strip()):,} characters finds nothing.",
                remedy=f"Ask in 1 to {LONGEST_QUERY:,} characters, such as 'how the backups are made'.",
            )
        if not 0 < k <= MOST_FOUND:
            raise InvalidInput(f"{k} cannot be found at once.", remedy=f"Let k be 1 to {MOST_FOUND}.")
        filters = _filters(kinds, since, until, at)
        memory = await self._opener()
        recalled = await memory.recall(query, scope=self.scope, k=k, filters=filters)
        passages: list[Passage] = []
        if documents and not (kinds or since or until or at):
            passages = await memory.search(query, scope=self.scope.own, k=k)
        return Found(tuple(recalled), tuple(passages))

    async def used(self, ids: Sequence[str]) -> None:
        """Note that memories were shown to whoever asked; what is never used sinks in rank.

        Where that cannot be written, on a full disk say, an answer that was found is worth more.
        """
        if not ids:
            return
        try:
            await (await self._opener()).used(ids, scope=self.scope)
        except sqlite3.OperationalError as error:
            log.warning("that memories were used could not be noted: %s", error)

    async def remember(self, note: Note | str) -> Kept:
        """Keep a note, or a text as a fact, unless it is known or says what another says, or its opposite.

        Raises:
            InvalidInput: the text is empty, too long or holds a secret, a time or kind is none, it is shared
                where there is no project, or one's own and to take the place of what is shared.
            UnknownMemory: what it supersedes is not there.
            IncompatibleStore: the stored vectors were made by another embedding model.
        """
        note = Note(note) if isinstance(note, str) else note
        learning = _learning(note)
        memory = await self._opener()
        others = await self.get(note.supersedes) if note.supersedes else []
        if not note.shared and (whose := [each.id for each in others if each.owner != self.scope.own]):
            raise InvalidInput(
                f"{', '.join(whose[:3])} is the project's: what you remember for yourself cannot take its"
                " place for everybody.",
                remedy="Share what you remember, or keep it beside the other with anyway.",
            )
        replaced = [each.id for each in others]
        if not note.anyway:
            close = await self._relatives(memory, learning, replaced)
            if close:
                return Kept("close", relatives=tuple(close))
        (added,) = await memory.remember([learning], scope=self.scope, closes={0: replaced})
        return Kept("new" if added.new else "known", added.id, tuple(added.closed))

    async def _relatives(self, memory: Memory, learning: Learning, replaced: Sequence[str]) -> list[Relative]:
        from atlas_mcp.memory.relatives import relatives
        from atlas_mcp.text.verbatim import fold

        found = await relatives(memory, learning.text, self.scope, at=learning.valid_from or now())
        said = fold(learning.text).casefold()
        if any(fold(each.stored.text).casefold() == said for each in found):
            return []  # known by its words, which the record sees and counts
        return [each for each in found if each.stored.id not in replaced]

    async def chain(self, start: str, end: str, *, deep: int = LONGEST) -> Chain | None:
        """How two names hang together through what holds now, as `connections.chain` says."""
        from atlas_mcp.memory.connections import chain

        return await chain(await self._opener(), start, end, self.scope, deep=deep)

    async def around(self, name: str, *, deep: int = 3, k: int = 8) -> Found:
        """What a name leads to through what holds now, as `connections.around` says."""
        from atlas_mcp.memory.connections import around

        found = await around(await self._opener(), name, self.scope, deep=deep, most=min(k, MOST_FOUND))
        return Found(tuple(found))

    async def get(self, ids: Sequence[str]) -> list[Stored]:
        """The memories of these ids, in that order.

        Raises:
            UnknownMemory: one is not there, or is another's.
        """
        _check_number(ids)
        found = await (await self._opener()).get_memories(ids, scope=self.scope)
        if missing := sorted({*ids} - {each.id for each in found}):
            raise _unknown(missing)
        return found

    async def newest(self, *, most: int = 20, begun: str = "") -> list[Stored]:
        """The newest memories, superseded ones too, whose ids begin with `begun`."""
        from atlas_mcp.memory.inventory import newest

        return await newest(await self._opener(), self.scope, most=most, begun=begun)

    async def forget(self, ids: Sequence[str], *, derived: bool = False, dry_run: bool = False) -> Receipt:
        """Delete memories everywhere, and with `derived` all learnings that rest on them; says what went.

        `dry_run` says what would go and deletes nothing.

        Raises:
            UnknownMemory: none of them is there.
        """
        _check_number(ids)
        memory = await self._opener()
        found = await memory.get_memories(ids, scope=self.scope)
        if not found:
            raise _unknown(sorted({*ids}))
        if not dry_run:
            return await memory.forget_memories(ids, scope=self.scope, derived=derived)
        known = [each.id for each in found]
        resting = await lifecycle.closure(memory.record, known, [], self.scope)
        going = [*found, *(await memory.get_memories(resting, scope=self.scope) if derived else ())]
        runs, reminded = lifecycle.out_of_reach(going)
        return lifecycle.Receipt(
            tuple(known), derived=tuple(resting), derived_forgotten=derived,
            unknown=tuple(each for each in ids if each not in known), runs=runs, reminded=reminded,
        )  # fmt: skip

    async def forget_document(self, uri: str, *, derived: bool = False, dry_run: bool = False) -> Receipt:
        """Delete a document of the user's with its snapshots, and with `derived` what was learned from it.

        One whose file is gone goes too: the text that was read of it is kept until it is forgotten.

        Raises:
            InvalidInput: there is no such document.
        """
        memory = await self._opener()
        if not is_storable(uri) or not await memory.has_read(uri, scope=self.scope.own):
            raise InvalidInput(
                f"There is no document {uri[:200]!r} here.",
                remedy="Write its uri as `recall` gives it, such as file:///home/me/notes.md.",
            )
        if not dry_run:
            return await memory.forget_document(uri, scope=self.scope, derived=derived)
        resting = await lifecycle.closure(memory.record, [], [uri], self.scope)
        going = await memory.get_memories(resting, scope=self.scope) if derived else ()
        runs, reminded = lifecycle.out_of_reach(going)
        return lifecycle.Receipt(
            document=uri, derived=tuple(resting), derived_forgotten=derived, runs=runs, reminded=reminded
        )

    async def export(self) -> AsyncIterator[dict[str, Any]]:
        """Every memory as a JSON object, superseded ones too, in the order in which they were recorded."""
        async for line in (await self._opener()).export(self.scope):
            yield line

    async def import_lines(self, lines: Iterable[str]) -> Imported:
        """Take in the lines of an export; what is known stays, what cannot be read is named and left out."""
        return await (await self._opener()).import_memories(lines, scope=self.scope)

    async def inventory(self) -> Inventory:
        """How much is kept."""
        from atlas_mcp.memory.inventory import inventory

        return await inventory(await self._opener(), self.scope)


def _filters(kinds: Collection[str], since: str, until: str, at: str) -> Filters:
    lower, upper = _time(since, "since"), _time(until, "until")
    if lower and upper and upper <= lower:
        raise InvalidInput(
            f"Nothing was recorded from {lower[:19]} to {upper[:19]}.", remedy="Let until come after since."
        )
    return Filters(at=_time(at, "at") or now(), kinds=frozenset(map(_kind, kinds)), since=lower, until=upper)


def _learning(note: Note) -> Learning:
    from atlas_mcp.memory.capturing.refusing import secret, undoing

    text = note.text.strip()
    if not 0 < len(text) <= MOST_TEXT:
        raise InvalidInput(
            f"A memory of {len(text):,} characters cannot be kept.",
            remedy=f"Say one thing in 1 to {MOST_TEXT:,} characters; ingest what is longer as a document.",
        )
    if reason := secret(text):
        raise InvalidInput(
            f"This is not remembered: {reason}.", remedy="Leave the secret out, and say where it is kept."
        )
    person = note.origin == "person"
    # A client's model may pass on what a document said; a person may write down what they like.
    if not person and (reason := undoing(text)):
        raise InvalidInput(
            f"This is not remembered: {reason}.", remedy="Say what is so, not what somebody is to be told."
        )
    return Learning(
        _kind(note.kind), text, (Evidence("person"),) if person else (), BY_PERSON if person else KEEP,
        valid_from=_time(note.valid_from, "valid_from"), valid_to=_time(note.valid_to, "valid_to"),
        origin=note.origin, shared=note.shared,
    )  # fmt: skip


def _kind(said: str) -> LearningKind:
    try:
        return LearningKind(said)
    except ValueError:
        raise InvalidInput(
            f"{said[:40]!r} is no kind of memory.", remedy=f"Kinds are {', '.join(LearningKind)}."
        ) from None


def _time(said: str, name: str) -> str | None:
    return moment(said, name) if said.strip() else None


def _check_number(ids: Sequence[str]) -> None:
    if not 0 < len(ids) <= MOST_IDS:
        raise InvalidInput(
            f"{len(ids):,} memories are named.", remedy=f"Name 1 to {MOST_IDS} by their ids, such as m_01J…"
        )


def _unknown(ids: Sequence[str]) -> UnknownMemory:
    named = ", ".join(repr(each[:40]) for each in ids[:3])
    return UnknownMemory(f"There is no memory {named}.", remedy="Find memories and their ids with recall.")
