"""The runtime in this process: agents that remember, kept in one SQLite file that several processes share."""
