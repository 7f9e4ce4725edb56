"""Conversations that last: kept in a database while they go on, found again, taken up again."""
