"""`agentrun test`, behind its options: the cases of some paths, one run of them or many, and what is told of it."""
