"""What is typed with a `/` in a conversation: each command, one subject a file, and the table of all."""
