"""The model services: each file is one API behind the `Model` port of `agentrun.engine.ports`."""
