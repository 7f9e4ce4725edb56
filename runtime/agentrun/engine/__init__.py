"""The run: one loop that asks a model, calls tools and reports events. Knows only itself and `errors`."""
