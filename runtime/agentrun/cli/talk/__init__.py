"""What `agentrun chat` is made of: the conversation, what is typed in it, what is shown of it, and where it is kept."""
