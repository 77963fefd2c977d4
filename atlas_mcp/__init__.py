"""ATLAS: teams of agents behind one connection."""
