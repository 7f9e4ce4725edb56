"""OpenAPI documents: read, checked, and made into functions for a model and requests for a server."""
