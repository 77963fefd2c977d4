"""Documents in: read, kept as snapshots, split along their structure, indexed by words and by meaning.

Ingesting is idempotent by content and may be interrupted at any point: what is done is kept, and the next
call goes on. It does not know ranking, nor who may read which path.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from atlas_mcp.errors import InvalidInput, ProviderError, UnreadableDocument
from atlas_mcp.memory.documents import documents as tables
from atlas_mcp.memory.documents.documents import KnownDocument, NewDocument
from atlas_mcp.memory.documents.folders import find_files
from atlas_mcp.memory.snapshots import text_hash
from atlas_mcp.roots import is_text
from atlas_mcp.text.passages import Span, passages, said_passages
from atlas_mcp.text.readers import SOURCE_CODE, load, read_bytes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from atlas_mcp.database import Database
    from atlas_mcp.memory.snapshots import Snapshots
    from atlas_mcp.text.embedding import Embedder

__all__ = ["Ingested", "Inline", "Knowledge", "OnProgress", "Progress", "as_source"]

_logger = logging.getLogger(__name__)

# Part of what decides whether a document is unchanged: raise it when reading or splitting changes.
READING = 3
BATCH = 64


@dataclass(frozen=True, slots=True)
class Inline:
    """A document that is given as text (plain or Markdown), as it was typed or fetched.

    Without a `uri` it is named by its content; with one, the same `uri` again replaces it.
    """

    text: str
    title: str = ""
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingestion is; as text "reading 3 of 12". `uri` is the document that is being read."""

    step: Literal["reading", "embedding"]
    done: int
    of: int
    uri: str = ""

    def __str__(self) -> str:
        return f"{self.step} {self.done} of {self.of}"


def as_source(document: str | Mapping[str, str]) -> Path | Inline:
    """A document as people name it: a path, a text (see `roots.is_text`), or a page `{uri, title, text}`."""
    if not isinstance(document, str):
        return Inline(document["text"], document["title"], document["uri"])
    return Inline(document) if is_text(document) else Path(document)


OnProgress: TypeAlias = "Callable[[Progress], None]"


@dataclass(slots=True)
class Ingested:
    """What an ingestion did, by uri; `document_ids` are those of all that was given and is searchable.

    Of what is `skipped`, `passed_over` is what was found in a folder and nobody meant to be read: hidden, of
    packages, or of a kind that is never read, such as pictures. All else could not be read.

    `without_vectors` says why some of it is found by words alone, where the embedder failed; taken in again,
    it gets what it lacks.
    """

    added: list[str] = field(default_factory=list[str])
    updated: list[str] = field(default_factory=list[str])
    unchanged: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    passed_over: set[str] = field(default_factory=set[str])
    document_ids: list[int] = field(default_factory=list[int])
    without_vectors: str = ""


class Knowledge:
    """The documents of a record."""

    def __init__(self, database: Database, snapshots: Snapshots, embedder: Embedder | None) -> None:
        self._database = database
        self._snapshots = snapshots
        self._embedder = embedder

    async def ingest(
        self, sources: Sequence[Path | Inline], *, scope: str, on_progress: OnProgress | None = None
    ) -> Ingested:
        """Take in files, folders with all below them, and texts; what did not change is left alone.

        A folder that is taken in again loses the documents whose files are gone. What cannot be read is named
        in `skipped` with the reason, and does not hold up the rest.

        :raises IncompatibleStore: the stored vectors were made by another embedding model.
        """
        if self._embedder is not None:
            model = self._embedder.name
            await self._database.read(lambda c: tables.check_model(c, model))
        known = await self._database.read(lambda connection: tables.contents(connection, scope))
        work = await asyncio.to_thread(_gather, sources)
        done = Ingested(skipped=work.skipped, passed_over=work.passed_over)
        for number, (uri, item) in enumerate(work.items.items(), start=1):
            if on_progress is not None:
                on_progress(Progress("reading", number, len(work.items), uri))
            await self._take(uri, item, scope, known.get(uri), done, named=uri not in work.found)
        await self._remove_vanished(work, scope, known, done)
        try:
            await self.embed(done.document_ids, on_progress=on_progress)
        except ProviderError as error:
            _logger.warning("passages are found by words alone: %s", error.message)
            done.without_vectors = " ".join(filter(None, (error.message, error.remedy)))
        return done

    async def documents(self, scope: str) -> list[KnownDocument]:
        """The documents of a scope, by uri."""
        return await self._database.read(lambda connection: tables.documents(connection, scope))

    async def snapshot(self, sha256: str, *, scope: str | None = None) -> str:
        """The text of a snapshot; with `scope`, only if that scope has read it.

        :raises InvalidInput: there is no such snapshot.
        """
        if scope is not None and not await self._database.read(lambda c: tables.is_kept(c, sha256, scope)):
            raise InvalidInput(
                f"There is no snapshot {sha256[:80]!r} here.", remedy="Take a source's sha256."
            )
        return await asyncio.to_thread(self._snapshots.get, sha256)

    async def keep_computed(self, text: str, *, scope: str, uri: str) -> str:
        """Store what was computed beside what was read, and give its sha256; it is no document."""

        def write(connection: sqlite3.Connection) -> str:
            sha256 = self._snapshots.put(text)
            tables.keep_snapshot(connection, scope, sha256, uri)
            return sha256

        return await self._database.write(write)

    async def original(self, uri: str, *, scope: str) -> bytes | None:
        """The bytes of the file a document was read from; None where it is gone or not what was read.

        So nothing is given that the scope has not read already, wherever the path leads by now.
        """
        known = await self._database.read(lambda c: tables.contents(c, scope).get(uri))
        if known is None or not uri.startswith("file:"):
            return None
        from urllib.request import url2pathname

        path = Path(url2pathname(urlsplit(uri).path))
        try:
            data = await asyncio.to_thread(load, path)
        except UnreadableDocument:
            return None
        return data if known[1].endswith(hashlib.sha256(data).hexdigest()) else None

    async def has_read(self, uri: str, *, scope: str) -> bool:
        """Whether a document is there, or its text still is though its file is gone."""
        known = "SELECT 1 FROM document WHERE scope = ? AND uri = ? UNION ALL"
        kept = " SELECT 1 FROM snapshot WHERE scope = ? AND uri = ?"
        values = (scope, uri, scope, uri)
        return await self._database.read(lambda c: c.execute(known + kept, values).fetchone() is not None)

    async def forget(self, uri: str, *, scope: str) -> bool:
        """Forget a document and its versions that no other document shares; False if there was none."""

        def write(connection: sqlite3.Connection) -> bool:
            known = tables.contents(connection, scope).get(uri)
            if known:
                tables.remove_documents(connection, scope, [known[0]])
            alone = tables.versions(connection, scope, uri)
            # Within the transaction, so that no one can take the same text in between.
            for sha256 in alone:
                self._snapshots.remove(sha256)
            return known is not None or bool(alone)

        return await self._database.write(write)

    async def embed(
        self, documents: Sequence[int] | None = None, *, on_progress: OnProgress | None = None
    ) -> int:
        """Embed every passage, of some documents or of all, that has no vector yet; gives how many.

        What somebody else left unfinished in the same scope is not made up for here.

        :raises ProviderError: the embedder is down or refuses us; what it did until then is kept.
        """
        if self._embedder is None:
            return 0
        embedder, model = self._embedder, self._embedder.name
        missing = await self._database.read(lambda c: tables.passages_without_vector(c, model, documents))

        def tell(done: int) -> None:
            if on_progress is not None:
                on_progress(Progress("embedding", done, len(missing)))

        # What is embedded elsewhere goes in several requests at once.
        size: int = getattr(embedder, "portion", BATCH)
        for start in range(0, len(missing), size):
            batch = missing[start : start + size]
            vectors = await embedder.embed(
                [text for _, text in batch], on_progress=lambda done, _, start=start: tell(start + done)
            )
            blobs = [vector.astype("<f4").tobytes() for vector in vectors]
            rows = list(zip((passage_id for passage_id, _ in batch), blobs, strict=True))
            await self._database.write(lambda c, rows=rows: tables.put_vectors(c, model, rows))
        return len(missing)

    async def embed_again(self, *, on_progress: OnProgress | None = None) -> int:
        """Embed all anew with the model in use; interrupted, it goes on with the next call."""
        if self._embedder is None:
            return 0
        model = self._embedder.name
        await self._database.write(lambda connection: tables.record_model(connection, model))
        return await self.embed(on_progress=on_progress)

    async def _take(
        self, uri: str, item: Path | Inline, scope: str, known: tuple[int, str] | None, done: Ingested, *,
        named: bool,
    ) -> None:  # fmt: skip
        """Read one document, and write it unless it is what is known already (by id and content)."""
        document_id, content = known or (0, "")
        try:
            read = await asyncio.to_thread(_read, uri, item, content)
        except UnreadableDocument as error:
            done.skipped.append((uri, _sound(str(error))))
            if error.foreign and not named:
                done.passed_over.add(uri)
            return
        if read is None:
            done.unchanged.append(uri)
        else:
            document_id = await self._database.write(lambda c: self._keep(c, scope, *read))
            (done.updated if known else done.added).append(uri)
        done.document_ids.append(document_id)

    def _keep(self, connection: sqlite3.Connection, scope: str, new: NewDocument, spans: list[Span]) -> int:
        # Within the transaction, so that no one can forget the same text in between.
        self._snapshots.put(new.text)
        return tables.put_document(connection, scope, new, spans)

    async def _remove_vanished(
        self, work: _Work, scope: str, known: dict[str, tuple[int, str]], done: Ingested
    ) -> None:
        folders = tuple(f"{folder.as_uri().rstrip('/')}/" for folder in work.folders)
        # What cannot be read or looked into now is not gone.
        skipped = {uri for uri, _ in done.skipped}
        closed = tuple(f"{uri}/" for uri in skipped)
        gone = {
            uri: document_id
            for uri, (document_id, _) in known.items()
            if uri.startswith(folders)
            and not uri.startswith(closed)
            and uri not in work.items.keys() | skipped
        }
        if gone:
            ids = list(gone.values())
            await self._database.write(lambda c: tables.remove_documents(c, scope, ids))
            done.removed.extend(gone)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be read, by uri, and the folders it was found in; `found` is what no one named itself."""

    items: dict[str, Path | Inline] = field(default_factory=dict[str, Path | Inline])
    folders: list[Path] = field(default_factory=list[Path])
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    passed_over: set[str] = field(default_factory=set[str])
    found: set[str] = field(default_factory=set[str])


def _gather(sources: Sequence[Path | Inline]) -> _Work:
    work = _Work()
    named: set[str] = set()
    for source in sources:
        if isinstance(source, Inline):
            work.items[_inline_uri(source)] = source
            continue
        found = find_files(source)
        files = {path.as_uri(): path for path in found.files}
        work.items.update(files)
        work.skipped.extend(found.skipped)
        work.passed_over.update(found.passed_over)
        if found.folder is not None:
            work.folders.append(found.folder)
        (named if found.folder is None else work.found).update(files)
    work.found.difference_update(named)
    return work


def _inline_uri(item: Inline) -> str:
    return item.uri or f"text:{text_hash(_sound(item.text))[:12]}"


def _read(uri: str, item: Path | Inline, known: str) -> tuple[NewDocument, list[Span]] | None:
    """A document and its passages, or None where its content is `known`; it blocks."""
    data = _sound(item.text).encode() if isinstance(item, Inline) else load(item)
    content = f"{READING}-{hashlib.sha256(data).hexdigest()}"
    if content == known:
        return None
    if isinstance(item, Inline):
        document, modified = read_bytes(data, uri, media_type="text/markdown"), None
    else:
        document, modified = read_bytes(data, str(item)), _modified(item)
    new = NewDocument(
        uri=uri,
        content=content,
        sha256=text_hash(document.text),
        title=_sound((item.title if isinstance(item, Inline) else "") or document.title),
        media_type=document.media_type,
        text=document.text,
        retrieved_at=_iso(datetime.now(UTC).timestamp()),
        modified=modified,
    )
    if document.messages:
        return new, said_passages(document.text, document.messages)
    return new, passages(document.text, code=document.media_type == SOURCE_CODE)


def _modified(path: Path) -> str | None:
    try:
        return _iso(path.stat().st_mtime)
    except OSError:
        return None


def _sound(text: str) -> str:
    """The text without lone surrogates, which cannot be stored; a file's name may have them on Linux."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
