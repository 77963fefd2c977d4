"""Whether a team is what its writer meant: its folder checked, its cases tried."""
