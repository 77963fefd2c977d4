"""What is said to Neo4j: every statement that puts, removes, checks and follows memories and names.

`$record` tells the record of one data folder from others that use the same database; with an owner it stands
in every pattern that reads for somebody. The labels are ours alone.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BESIDE", "CLEAR", "DIGESTS", "FILLED", "HELD", "HOLDING", "LINK", "NAMES_OF", "NOTE_FILLED", "PUT",
    "REMOVE", "SCHEMA", "SUPERSEDE", "SUPERSEDED", "THERE", "TIDY", "UNLINK", "UNMARK", "UNSUPERSEDE", "WAYS",
]  # fmt: skip

SCHEMA: Final = (
    "CREATE CONSTRAINT atlas_index IF NOT EXISTS FOR (i:AtlasIndex) REQUIRE i.record IS UNIQUE",
    "CREATE CONSTRAINT atlas_memory IF NOT EXISTS FOR (m:AtlasMemory) REQUIRE (m.record, m.id) IS UNIQUE",
    """CREATE CONSTRAINT atlas_name IF NOT EXISTS
    FOR (n:AtlasName) REQUIRE (n.record, n.owner, n.label, n.key) IS UNIQUE""",
    "CREATE INDEX atlas_superseded IF NOT EXISTS FOR (m:AtlasMemory) ON (m.record, m.superseded_by)",
)

# The mark that everything was put; whoever empties a database takes it away.
FILLED: Final = "MATCH (i:AtlasIndex {record: $record, v: $v}) RETURN i.v AS v"
NOTE_FILLED: Final = "MERGE (i:AtlasIndex {record: $record}) SET i.v = $v"
UNMARK: Final = "MATCH (i:AtlasIndex {record: $record}) DETACH DELETE i"

PUT: Final = """
UNWIND $rows AS row MERGE (m:AtlasMemory {record: $record, id: row.id}) SET m = row.memory
"""
UNLINK: Final = """
UNWIND $rows AS row
MATCH (:AtlasMemory {record: $record, id: row.id})-[held:MENTIONS]->(n:AtlasName)
WHERE n.owner <> row.owner OR NOT [n.label, n.key] IN row.names
DELETE held
RETURN DISTINCT n.owner AS owner, n.label AS label, n.key AS key
"""
LINK: Final = """
UNWIND $mentions AS each
MATCH (m:AtlasMemory {record: $record, id: each.id})
MERGE (n:AtlasName {record: $record, owner: each.owner, label: each.label, key: each.key})
ON CREATE SET n.name = each.name
MERGE (m)-[:MENTIONS]->(n)
"""
UNSUPERSEDE: Final = """
UNWIND $ids AS id
MATCH (m:AtlasMemory {record: $record, id: id})-[by:SUPERSEDED_BY]->(other:AtlasMemory)
WHERE m.superseded_by IS NULL OR m.superseded_by <> other.id
DELETE by
"""
# Whichever of the two comes first, the second links them. An id is given, not taken from a node that was
# found: for one of those, some servers look through every memory.
SUPERSEDE: Final = """
UNWIND $rows AS row
MATCH (m:AtlasMemory {record: $record, id: row.id})
MATCH (other:AtlasMemory {record: $record, id: row.by})
MERGE (m)-[:SUPERSEDED_BY]->(other)
"""
SUPERSEDED: Final = """
UNWIND $ids AS id
MATCH (other:AtlasMemory {record: $record, superseded_by: id})
MATCH (m:AtlasMemory {record: $record, id: id})
MERGE (other)-[:SUPERSEDED_BY]->(m)
"""
NAMES_OF: Final = """
UNWIND $ids AS id
MATCH (:AtlasMemory {record: $record, id: id})-[:MENTIONS]->(n:AtlasName)
RETURN DISTINCT n.owner AS owner, n.label AS label, n.key AS key
"""
REMOVE: Final = "UNWIND $ids AS id MATCH (m:AtlasMemory {record: $record, id: id}) DETACH DELETE m"
TIDY: Final = """
UNWIND $names AS each
MATCH (n:AtlasName {record: $record, owner: each.owner, label: each.label, key: each.key})
WHERE NOT EXISTS { MATCH (n)<-[:MENTIONS]-(:AtlasMemory) }
DETACH DELETE n
"""
CLEAR: Final = tuple(
    f"MATCH (n:{label} {{record: $record}}) WITH n LIMIT $batch DETACH DELETE n RETURN count(*) AS gone"
    for label in ("AtlasMemory", "AtlasName")
)
# One row for all of them: rows cost a client more than what is in them.
DIGESTS: Final = """
MATCH (m:AtlasMemory {record: $record}) WHERE m.id > $after
WITH m.id AS id, m.digest AS digest ORDER BY id LIMIT $most
RETURN collect([id, digest]) AS held
"""
THERE: Final = "UNWIND $ids AS id MATCH (m:AtlasMemory {record: $record, id: id}) RETURN m.id AS id"
HELD: Final = """
UNWIND $ids AS id
MATCH (m:AtlasMemory {record: $record, id: id})
OPTIONAL MATCH (m)-[:MENTIONS]->(n:AtlasName)
WITH m, collect([n.owner, n.label, n.key]) AS names
OPTIONAL MATCH (m)-[:SUPERSEDED_BY]->(by:AtlasMemory)
RETURN m.id AS id, properties(m) AS memory, names, collect(by.id) AS by
"""

# One condition for every question, since a server plans each new statement anew before it answers.
_READABLE: Final = """m.owner = owner
  AND ($team IS NULL OR m.team IS NULL OR m.team = $team)
  AND ($closed OR m.closed_at IS NULL)
  AND ($at IS NULL OR (m.valid_from <= $at AND (m.valid_to IS NULL OR $at < m.valid_to)))
  AND ($kinds IS NULL OR m.kind IN $kinds)
  AND ($since IS NULL OR m.recorded_at >= $since) AND ($until IS NULL OR m.recorded_at < $until)
  AND ($source IS NULL OR $source IN m.sources)"""
# A name that was met is compared as one text, which took the server half as long as a list.
_NAMED: Final = "(:AtlasName {record: $record, owner: owner, label: each.label, key: each.key})"
HOLDING: Final = f"""
MATCH (:AtlasIndex {{record: $record, v: $v}})
UNWIND $names AS each UNWIND $owners AS owner
MATCH {_NAMED}<-[:MENTIONS]-(m:AtlasMemory)
WHERE {_READABLE}
WITH each.label AS label, each.key AS key, each.weight AS weight, collect(m) AS holders
WITH holders, weight / (1 + log(size(holders))) AS share
UNWIND holders AS m
WITH m, sum(share) AS weight
WHERE NOT EXISTS {{ MATCH (m)-[:MENTIONS]->(n:AtlasName) WHERE (n.label + ':' + n.key) IN $passed }}
RETURN m.id AS id, weight ORDER BY round(weight, $exact) DESC, id DESC LIMIT $most
"""
BESIDE: Final = f"""
UNWIND $followed AS each
MATCH (m:AtlasMemory {{record: $record, id: each.id}})-[:MENTIONS]->(n:AtlasName)
WHERE m.owner IN $owners AND n.owner = m.owner AND NOT (n.label + ':' + n.key) IN $passed
WITH n.label AS label, n.key AS key, max(each.weight) AS weight
WITH {{label: label, key: key, weight: weight}} AS each
UNWIND $owners AS owner
MATCH {_NAMED}<-[:MENTIONS]-(m:AtlasMemory)
WHERE {_READABLE}
WITH each, count(m) AS holders
WHERE holders <= $common
RETURN each.label AS label, each.key AS key, each.weight AS weight
"""
WAYS: Final = f"""
MATCH (:AtlasIndex {{record: $record, v: $v}})
UNWIND $names AS each UNWIND $owners AS owner
MATCH {_NAMED}<-[:MENTIONS]-(m:AtlasMemory)-[:MENTIONS]->(n:AtlasName)
WHERE n.owner = owner AND NOT (n.label + ':' + n.key) IN $passed AND {_READABLE}
WITH n.label AS label, n.key AS key, m.id AS memory, each.label AS by_label, each.key AS by_key
ORDER BY memory DESC, by_label, by_key
WITH label, key, head(collect([memory, by_label, by_key])) AS way
RETURN label, key, way[0] AS memory, way[1] AS by_label, way[2] AS by_key
"""
