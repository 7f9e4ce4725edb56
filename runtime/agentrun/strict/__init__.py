"""OpenAI's strict mode: the schema that is sent, and the way back from what the model says to the author's schema."""
