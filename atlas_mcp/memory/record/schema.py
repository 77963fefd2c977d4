"""The tables of `memory.db`: knowledge, memories, their graph, and what derived indexes must hear.

One database, so that one transaction writes a thing, its text index, its vector, its links and its outbox
entries. A published migration never changes; a new one is added below.
"""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

# `change` counts what was written to a scope: whoever caches a scope sees by one row whether it is current.
# `document.content` is the hash of the bytes that were read and of how they are read; equal means unchanged.
# `snapshot` names every version of a document that was ever read, so that forgetting finds them all.
# `passage_text` holds no copy of the text: its rows are removed with the words they were made of.
# Times are ISO 8601 UTC. `valid_from` and `valid_to` say when a thing was so, `recorded_at` (`created_at` in
# the first) and `closed_at` when ATLAS came to know it and stopped holding it.
_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE change (scope TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE document (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    uri TEXT NOT NULL,
    content TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    title TEXT NOT NULL,
    media_type TEXT NOT NULL,
    characters INTEGER NOT NULL,
    modified TEXT,
    retrieved_at TEXT NOT NULL,
    UNIQUE (scope, uri)
);
CREATE TABLE snapshot (
    sha256 TEXT NOT NULL,
    scope TEXT NOT NULL,
    uri TEXT NOT NULL,
    PRIMARY KEY (sha256, scope, uri)
) WITHOUT ROWID;
CREATE TABLE passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES document (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    page INTEGER,
    heading TEXT,
    text TEXT NOT NULL,
    UNIQUE (document_id, position)
);
CREATE TABLE vector (
    passage_id INTEGER PRIMARY KEY REFERENCES passage (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE VIRTUAL TABLE passage_text USING fts5 (
    text, before, after, heading, content = '', tokenize = 'porter unicode61'
);

CREATE TABLE memory (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('fact', 'procedure', 'preference', 'outcome')),
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    score REAL NOT NULL CHECK (score BETWEEN 0 AND 5),
    evidence TEXT NOT NULL,
    run_id TEXT,
    valid_from TEXT NOT NULL,
    valid_to TEXT,
    created_at TEXT NOT NULL,
    closed_at TEXT,
    superseded_by TEXT,
    used_at TEXT,
    uses INTEGER NOT NULL DEFAULT 0,
    model TEXT,
    vector BLOB
);
CREATE UNIQUE INDEX memory_once ON memory (scope, sha256) WHERE closed_at IS NULL;
CREATE INDEX memory_of_run ON memory (run_id) WHERE run_id IS NOT NULL;
CREATE VIRTUAL TABLE memory_text USING fts5 (text, content = '', tokenize = 'porter unicode61');

CREATE TABLE node (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    label TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    properties TEXT NOT NULL DEFAULT '{}',
    UNIQUE (scope, label, key)
);
CREATE TABLE edge (
    source_id INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    target_id INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    memory_id TEXT NOT NULL REFERENCES memory (id) ON DELETE CASCADE,
    weight REAL NOT NULL DEFAULT 1,
    properties TEXT NOT NULL DEFAULT '{}',
    valid_from TEXT NOT NULL,
    valid_to TEXT,
    PRIMARY KEY (source_id, kind, target_id, memory_id)
) WITHOUT ROWID;
CREATE INDEX edge_back ON edge (target_id, kind);
CREATE INDEX edge_of_memory ON edge (memory_id);

CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('put', 'remove')),
    kind TEXT NOT NULL,
    item TEXT NOT NULL,
    created_at TEXT NOT NULL,
    done_at TEXT
);
CREATE INDEX outbox_open ON outbox (target, number) WHERE done_at IS NULL;
"""

# The tables of memories and their graph, which nothing had written to, made anew. `changed` is the scope's
# change number at a memory's last change, so that whoever caches a scope reads what is new alone, and
# `removed` says what is gone. `words` are the stems of the text as they are indexed, kept so that they can be
# taken out of the index again though another version stems otherwise. Vectors have a table to themselves,
# since a row with one fills a page, and most of what is read needs none. `source` is what a memory rests
# on: a document's uri, a run, another memory. `mention` links names to the memories and passages that hold
# them. `feed` is how far each derived index has read the outbox; with no index there is no outbox.
# `used_before` is the last use on a day before `used_at`: what is used today ranks as it did this morning.
# `passage_text` is made anew without copies of the neighbours' words, which search finds where they stand;
# `passage_word` and `passage_place` are views of it, by word: how many passages hold it, and which.
_SECOND = """
DROP TABLE edge;
DROP TABLE node;
DROP TABLE memory_text;
DROP TABLE memory;
DROP TABLE outbox;

ALTER TABLE passage ADD COLUMN at TEXT;
ALTER TABLE passage ADD COLUMN by TEXT;

DROP TABLE passage_text;
CREATE VIRTUAL TABLE passage_text USING fts5 (text, heading, content = '', tokenize = 'porter unicode61');
INSERT INTO passage_text (rowid, text, heading)
SELECT passage.id, passage.text, title || ' ' || ifnull(heading, '')
FROM passage JOIN document ON document.id = document_id;
CREATE VIRTUAL TABLE passage_word USING fts5vocab (passage_text, row);
CREATE VIRTUAL TABLE passage_place USING fts5vocab (passage_text, instance);

CREATE TABLE memory (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL,
    team TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('fact', 'procedure', 'preference', 'outcome')),
    text TEXT NOT NULL,
    words TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    score REAL NOT NULL CHECK (score BETWEEN 0 AND 5),
    evidence TEXT NOT NULL,
    origin TEXT NOT NULL,
    run_id TEXT,
    valid_from TEXT NOT NULL,
    valid_to TEXT,
    recorded_at TEXT NOT NULL,
    closed_at TEXT,
    superseded_by TEXT,
    used_at TEXT,
    used_before TEXT,
    uses INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL
);
CREATE TABLE memory_vector (
    number INTEGER PRIMARY KEY REFERENCES memory (number) ON DELETE CASCADE,
    model TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE UNIQUE INDEX memory_once ON memory (scope, ifnull(team, ''), sha256) WHERE closed_at IS NULL;
CREATE INDEX memory_changed ON memory (scope, changed);
CREATE INDEX memory_of_run ON memory (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX memory_ended ON memory (sha256) WHERE valid_to IS NOT NULL;
CREATE VIRTUAL TABLE memory_text USING fts5 (
    words, owner, content = '', tokenize = "unicode61 remove_diacritics 0 tokenchars '.,''_'"
);
CREATE VIRTUAL TABLE memory_word USING fts5vocab (memory_text, row);
CREATE VIRTUAL TABLE memory_place USING fts5vocab (memory_text, instance);
CREATE TABLE removed (scope TEXT NOT NULL, changed INTEGER NOT NULL, number INTEGER NOT NULL);
CREATE INDEX removed_since ON removed (scope, changed);
CREATE TABLE source (
    uri TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES memory (number) ON DELETE CASCADE,
    PRIMARY KEY (uri, number)
) WITHOUT ROWID;
CREATE INDEX source_of ON source (number);

CREATE TABLE node (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    label TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (scope, key, label)
);
CREATE TABLE mention (
    node_id INTEGER NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    item_kind TEXT NOT NULL CHECK (item_kind IN ('memory', 'passage')),
    item_id INTEGER NOT NULL,
    weight REAL NOT NULL DEFAULT 1,
    PRIMARY KEY (node_id, item_kind, item_id)
) WITHOUT ROWID;
CREATE INDEX mention_of ON mention (item_kind, item_id);

CREATE TABLE feed (target TEXT PRIMARY KEY, number INTEGER NOT NULL, fed_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL CHECK (action IN ('put', 'remove')),
    item TEXT NOT NULL,
    scope TEXT NOT NULL,
    written_at TEXT NOT NULL
);
"""

MIGRATIONS = (_FIRST, _SECOND)
