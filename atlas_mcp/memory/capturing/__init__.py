"""What a run learned: candidates with evidence, scored, and what becomes of them."""
