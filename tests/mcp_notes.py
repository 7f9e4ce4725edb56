"""An MCP server of a few tools, run as a process of its own: `python mcp_notes.py [FILE]`.

It writes its process id to FILE, so that a test can see whether it was started and has ended.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve
from mcp.types import ToolAnnotations
from pydantic import BaseModel

server = MCPServer("notes")


class Answer(BaseModel):
    name: str


@server.tool(description="Finds notes.\n\nA second paragraph.", annotations=ToolAnnotations(readOnlyHint=True))
def search(query: str, limit: int = 3) -> str:
    return f"{limit} notes about {query}, with {os.environ.get('NOTES_KEY', 'no key')}"


@server.tool(description="Adds a note.", annotations=ToolAnnotations(readOnlyHint=False, destructiveHint=False))
def add(text: str) -> str:
    return f"added {text}"


@server.tool(name="drop.all", description="Removes \x1b[2J all notes.")
def drop_all() -> str:
    raise ValueError("nothing to drop")


def asked() -> Elicit[Answer]:
    return Elicit("Who are you?", Answer)


@server.tool(description="Asks who it is, and counts.")
async def greet(who: Annotated[ElicitationResult[Answer], Resolve(asked)], ctx: Context) -> str:
    await ctx.report_progress(1, 2, "half way")
    return f"hello {who.data.name}" if who.action == "accept" else f"hello nobody ({who.action})"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(str(os.getpid()), encoding="utf-8")
    server.run()
