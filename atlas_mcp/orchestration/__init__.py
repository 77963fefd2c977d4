"""Runs: a team's folder becomes a graph, a call becomes an owned, durable run."""
