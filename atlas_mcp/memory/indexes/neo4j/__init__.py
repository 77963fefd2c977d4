"""Neo4j as an index, or another server that speaks Bolt and Cypher."""
