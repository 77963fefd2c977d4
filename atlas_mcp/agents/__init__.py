"""Agents: a task in, a stream of what happens out."""
