"""A small order desk to try agentrun on: real HTTP, real state, nothing outside this machine.

Stands alone: it knows nothing of the rest of agentrun and uses the standard library only.
"""
