"""Recorded conversations: written while an agent runs, and played in the place of its model and tools."""
