"""What watches a run: each turns events into something else. They know events and nothing of the engine."""
