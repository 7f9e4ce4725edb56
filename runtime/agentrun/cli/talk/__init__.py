"""A conversation: its state, its turns, what is shown of it, and where it is kept."""
