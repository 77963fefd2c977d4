"""The record: what is remembered, in one SQLite database, and the boundary for another store."""
