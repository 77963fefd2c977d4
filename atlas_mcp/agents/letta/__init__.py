"""Agents that live on a Letta server: what is Letta's own is here, ledger and locks are everybody's."""
