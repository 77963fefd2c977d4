"""Tools: what one role may use, and how it is called."""
