"""The boundary to the record: what every store of memories does, whichever database it is.

The record is the truth: it holds each memory with its text, vector, names and evidence, and everything else
(a vector index, a knowledge graph) can be made anew from it. A method is one transaction; what it wrote is
seen by every process at once. It does not know ranking, embedding models or who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from atlas_mcp.learning import Evidence, Learning, LearningKind
    from atlas_mcp.memory.scope import Scope
    from atlas_mcp.text.entities import Entity
    from atlas_mcp.text.ranking import FloatArray

__all__ = [
    "Added",
    "Change",
    "Filters",
    "Indexed",
    "Mention",
    "Name",
    "NamePath",
    "NewEntry",
    "Outline",
    "Record",
    "Stored",
]


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A learning about to be written, with its vector (unit length, of `model`) and the names in it.

    `closes` are ids of memories that it contradicts: they are closed in the same transaction, as of when it
    holds, and say by whom.
    """

    learning: Learning
    vector: FloatArray | None = None
    model: str | None = None
    entities: tuple[Entity, ...] = ()
    closes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a learning: its id; whether it is `new`, or was there already by its words."""

    id: str
    new: bool
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory as the record holds it.

    `valid_from` and `valid_to` say when it is so, `recorded_at` and `closed_at` when ATLAS came to hold it
    and stopped; `superseded_by` is the memory that closed it. `owner` is `user:NAME` or `project:NAME`.
    `used_before` is the last use on a day before that of `used_at`. `number` orders memories of one record;
    nobody outside a record's own machine relies on it.
    """

    number: int
    id: str
    owner: str
    kind: LearningKind
    text: str
    score: float
    evidence: tuple[Evidence, ...]
    origin: str
    recorded_at: str
    valid_from: str
    valid_to: str | None = None
    closed_at: str | None = None
    superseded_by: str | None = None
    team: str | None = None
    run_id: str | None = None
    used_at: str | None = None
    used_before: str | None = None
    uses: int = 0
    sha256: str = ""

    def holds(self, at: str) -> bool:
        """Whether it is so at a time (ISO 8601 UTC), as far as is known now."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True)
class Outline:
    """What ranking needs of a memory; `words` are its stems, and equal texts have the same `sha256`."""

    number: int
    id: str
    text: str
    words: str
    sha256: str
    score: float
    recorded_at: str
    valid_from: str
    used_at: str | None
    used_before: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which memories are meant: of some kinds, so `at` a time (None: whenever), recorded since and until.

    Times are ISO 8601 UTC. Without `at`, those that were superseded are left out unless `closed` is set.
    `source` is what they rest on.
    """

    at: str | None = None
    kinds: frozenset[LearningKind] = frozenset()
    since: str | None = None
    until: str | None = None
    source: str | None = None
    closed: bool = False


Name: TypeAlias = tuple[str, str]
"""Label and key of an entity; the same name in a user's and in a project's memories is one name."""


@dataclass(frozen=True, slots=True)
class NamePath:
    """How two names hang together: memory i holds the names i and i + 1."""

    names: tuple[Name, ...]
    memories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """A name and the memories that hold it, by id."""

    entity: Entity
    memories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the outbox: an item to put into an index as it is now, or to take out of it."""

    number: int
    action: Literal["put", "remove"]
    item: str
    owner: str


@dataclass(frozen=True, slots=True)
class Indexed:
    """A memory as a derived index is given it: all that it may keep. `model` made the vector."""

    stored: Stored
    vector: FloatArray | None = None
    entities: tuple[Entity, ...] = field(default_factory=tuple)
    model: str | None = None


class Record(Protocol):
    """A store of memories; every method that reads or writes for somebody takes their `Scope`."""

    async def add(self, entries: Sequence[NewEntry], scope: Scope) -> list[Added]:
        """Write learnings, in one transaction; one whose words are there and hold already is not new.

        :raises IncompatibleStore: a vector is of another model than the stored ones.
        :raises InvalidInput: a learning is shared and the scope names no project.
        """
        ...

    async def get(self, ids: Sequence[str], scope: Scope) -> list[Stored]:
        """The memories of these ids that the scope may read, in the order asked for."""
        ...

    async def listing(
        self, scope: Scope, filters: Filters, *, after: int = 0, most: int = 100,
        ids: Sequence[str] | None = None,
    ) -> list[Stored]:  # fmt: skip
        """Memories in the order they were recorded, those behind number `after`; of some ids, if given."""
        ...

    async def close(self, ids: Sequence[str], scope: Scope, *, at: str, by: str | None = None) -> list[str]:
        """End the validity of memories, as of `at`; nothing is deleted. Gives those that were open."""
        ...

    async def remove(self, ids: Sequence[str], scope: Scope) -> list[Stored]:
        """Delete memories with text, vector and names, and tell the indexes; gives what was deleted."""
        ...

    async def rename(self, names: Mapping[str, str], ids: Mapping[str, str], scope: Scope) -> None:
        """Let these memories name by new names, given by the old, what they rest on and are superseded by.

        `ids` says of each by which old name it was superseded, for one that is closed and does not say it.
        """
        ...

    async def resting_on(self, uris: Collection[str], scope: Scope) -> list[str]:
        """Ids of the memories whose evidence stands in any of these sources."""
        ...

    async def used(self, ids: Sequence[str], scope: Scope, *, at: str) -> None:
        """Note that memories were given to somebody."""
        ...

    async def matching(
        self, query: str, scope: Scope, filters: Filters, *, most: int = 200, also: Sequence[int] = ()
    ) -> dict[int, float]:
        """By words: number and BM25 score of the memories that share words with a query, the best first.

        `also` are memories found otherwise, whose scores are wanted too.
        """
        ...

    async def nearest(
        self, vector: FloatArray, scope: Scope, filters: Filters, *, most: int = 200
    ) -> dict[int, float]:
        """By meaning: number and exact cosine of the memories nearest to a vector, the nearest first."""
        ...

    async def cosines(self, vector: FloatArray, numbers: Sequence[int], scope: Scope) -> dict[int, float]:
        """Exact cosines of memories that were found otherwise; those without a vector are left out."""
        ...

    async def mentioning(
        self, entities: Sequence[Entity], scope: Scope, filters: Filters, *, depth: int = 1, most: int = 200
    ) -> dict[int, float]:
        """By names: memories that hold them (weight 1), or names that stand beside them (less each step)."""
        ...

    async def path(
        self, start: Entity, end: Entity, scope: Scope, filters: Filters, *, longest: int
    ) -> NamePath | None:
        """The shortest way between two names, as `graph.PathSearch` says; `longest` counts memories."""
        ...

    async def rows(self, numbers: Sequence[int], scope: Scope) -> dict[int, Stored]:
        """Memories by number, as far as the scope may read them."""
        ...

    async def outlines(self, numbers: Sequence[int], scope: Scope) -> dict[int, Outline]:
        """What ranking needs of memories, by number, as far as the scope may read them."""
        ...

    async def size(self, scope: Scope) -> int:
        """How many memories the owners of a scope have."""
        ...

    async def names(self, scope: Scope, *, most: int = 50) -> list[Mention]:
        """The names that most memories of a scope hold."""
        ...

    # What follows serves the derived indexes, which hold every scope.

    async def begin_feed(self, target: str) -> bool:
        """Note that an index of this name reads the outbox from now on; False if it does so already."""
        ...

    async def end_feed(self, target: str) -> None:
        """Forget an index; what only it had to hear goes."""
        ...

    def feeding(self, target: str) -> AbstractAsyncContextManager[bool]:
        """Be the only one, of all processes, to feed an index; gives False where another does."""
        ...

    async def pending(self, target: str, *, most: int = 500) -> list[Change] | None:
        """What an index has not heard yet, oldest first.

        None where it does not read the outbox: it was never filled, or lost since it was too far behind.
        """
        ...

    async def fed(self, target: str, number: int) -> None:
        """Note that an index has taken in everything up to a number."""
        ...

    async def behind(self) -> dict[str, int]:
        """How many changes each index has not heard yet, by name; for one that is lost, it is everything."""
        ...

    async def indexed(self, ids: Sequence[str]) -> list[Indexed]:
        """Memories as an index is given them, of any scope; those that are gone are left out."""
        ...

    def every(self, *, size: int = 500) -> AsyncIterator[list[Indexed]]:
        """All memories of all scopes, in portions, for a rebuild or a check."""
        ...

    async def without_vector(self, model: str, *, most: int = 64) -> list[tuple[int, str]]:
        """Number and text of memories that have no vector of a model."""
        ...

    async def put_vectors(self, model: str, vectors: Mapping[int, FloatArray]) -> None:
        """Write vectors by number.

        :raises IncompatibleStore: the stored vectors are of another model.
        """
        ...

    async def check(self) -> list[str]:
        """What is wrong within the record itself: text index, vectors, names, integrity; empty if nothing."""
        ...

    async def mend(self) -> int:
        """Make anew what `check` finds wrong and the record's own text can give; gives how many items."""
        ...

    async def counts(self) -> dict[str, Any]:
        """How much is kept, over all scopes."""
        ...
