"""Where a person types: the prompt at a terminal, with history and completion, and lines from a pipe."""
