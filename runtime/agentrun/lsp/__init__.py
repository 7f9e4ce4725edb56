"""The language server: what an editor shows of agents, tools and tests while they are written.

`methods.py`, `server.py`, `values.py` and `protocol.py` know the protocol and its library, which is imported with the
command only. The other files take text and a place in it and give plain values.
"""
