"""Indexes derived from the record: fed from its outbox, compared with it, asked for what they do better."""
