"""A server of issues over the Model Context Protocol, for tests: it notes each start, and is gone where it is told so.

python issues_server.py NOTES        a line of NOTES for each start; where the file says `gone` nobody is served
"""

import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

NOTES = Path(sys.argv[1])
if NOTES.exists() and "gone" in NOTES.read_text():
    sys.exit("the server is gone")
with NOTES.open("a") as notes:
    notes.write("started\n")

server = MCPServer("issues")


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def search(query: str) -> str:
    """Finds issues."""
    return f"7: {query} on start"


@server.tool()
def close(number: int) -> str:
    """Closes an issue."""
    return f"{number} is closed"


server.run()
