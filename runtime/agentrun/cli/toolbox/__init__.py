"""The commands of `agentrun tools` that look at tools and call them: one file each."""
