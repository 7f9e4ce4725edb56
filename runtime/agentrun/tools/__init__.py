"""The tool backends: each file binds one kind of spec to the engine's `Tool` port.

They render what the author wrote with the model's arguments, act, and give back a `ToolResult` or raise
`ToolFailure`. They don't know agents, loops or approval.
"""
