"""Readers of what happens: each is a cursor on a run's journal."""
