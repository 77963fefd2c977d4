"""The tables of `agents.db`: agents, their blocks, what was said in their threads, what they archived.

A block's value is one for all who share it; how an agent sees it (label, description, limit, whether it may
edit it) is its own. Times are seconds since the epoch.
"""

from __future__ import annotations

from atlas_mcp.agents.turns import TURNS

__all__ = ["FILE", "MIGRATIONS"]

FILE = "agents.db"

_AGENTS = """
CREATE TABLE agent (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    system TEXT NOT NULL,
    model TEXT NOT NULL,
    archival INTEGER NOT NULL,
    tags TEXT NOT NULL UNIQUE,
    made_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE block (
    id TEXT PRIMARY KEY,
    shared TEXT UNIQUE,
    value TEXT NOT NULL,
    given TEXT NOT NULL,
    changed_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE agent_block (
    agent TEXT NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    block TEXT NOT NULL REFERENCES block (id),
    description TEXT NOT NULL,
    most INTEGER NOT NULL,
    read_only INTEGER NOT NULL,
    place INTEGER,
    PRIMARY KEY (agent, label)
) WITHOUT ROWID;
CREATE INDEX agent_block_of ON agent_block (block);

CREATE TABLE summary (
    number INTEGER PRIMARY KEY,
    agent TEXT NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
    thread TEXT NOT NULL,
    place INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    text TEXT NOT NULL,
    at REAL NOT NULL,
    within INTEGER REFERENCES summary (number)
);
CREATE INDEX summary_of ON summary (agent, thread);

CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    agent TEXT NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
    thread TEXT NOT NULL,
    turn TEXT NOT NULL,
    role TEXT NOT NULL,
    body TEXT NOT NULL,
    text TEXT NOT NULL,
    at REAL NOT NULL,
    state TEXT NOT NULL,
    took TEXT,
    given TEXT,
    summary INTEGER REFERENCES summary (number)
);
CREATE INDEX message_of ON message (agent, thread, number);
CREATE INDEX message_in ON message (summary);
CREATE VIRTUAL TABLE message_text USING fts5 (
    text, content = 'message', content_rowid = 'number', tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER message_kept AFTER INSERT ON message BEGIN
    INSERT INTO message_text (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER message_gone AFTER DELETE ON message BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.number, old.text);
END;

CREATE TABLE passage (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL REFERENCES agent (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    tags TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX passage_of ON passage (agent);
CREATE VIRTUAL TABLE passage_text USING fts5 (
    text, content = 'passage', content_rowid = 'number', tokenize = 'porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER passage_kept AFTER INSERT ON passage BEGIN
    INSERT INTO passage_text (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER passage_gone AFTER DELETE ON passage BEGIN
    INSERT INTO passage_text (passage_text, rowid, text) VALUES ('delete', old.number, old.text);
END;
"""

MIGRATIONS = (TURNS, _AGENTS)
