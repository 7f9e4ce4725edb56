"""Reading and checking what users write. Knows `diagnostics` and `templates`, and nothing of running."""
