"""How vendors are spoken to: requests, answers and errors of each wire, and what carries them."""
