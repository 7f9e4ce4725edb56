"""An MCP server, built with the official SDK, whose tools do what tests need: `python mcp_workshop.py [options]`.

--handshake       speaks the earlier protocol only, as a server of that time
--refuse          ends at the first message that is no handshake, as some servers of that time do
--http            serves streamable HTTP on a free port of 127.0.0.1, which it writes to stdout
--json            over HTTP, with answers that are no event streams
--log FILE        appends a line with its process id at each start
--describe FILE   the description of `echo` is what FILE holds at the start
--stubborn        goes on when its stdin is closed, and at SIGTERM
--junk            begins with lines on stdout that are no messages
--tools N         lists N more tools, 10 on a page
--helper FILE     has a process of its own in another session, whose id goes to FILE
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import mcp.types as types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FORM = {"type": "object", "properties": {"name": {"type": "string", "minLength": 2}}, "required": ["name"]}
PAGE = 10

options = argparse.Namespace()
bus = InMemorySubscriptionBus()
extra_tools = []  # what `grow` added
visited = set()


def text(value):
    return types.CallToolResult(content=[types.TextContent(type="text", text=value)])


async def echo(ctx, arguments):
    return text(arguments.get("text", ""))


async def environment(ctx, arguments):
    return text(json.dumps({"env": dict(os.environ), "cwd": str(Path.cwd()), "pid": os.getpid()}))


async def die(ctx, arguments):
    print("a last word", file=sys.stderr, flush=True)
    os._exit(arguments.get("code", 3))


async def wait(ctx, arguments):
    """Until it is cancelled."""
    mark = Path(arguments["mark"])
    mark.write_text("begun")
    try:
        await anyio.sleep(600)
    except anyio.get_cancelled_exc_class():
        mark.write_text("cancelled")
        raise


async def count(ctx, arguments):
    for number in (1, 2):
        await ctx.session.report_progress(number, 2, f"step {number}")
    return text("counted")


async def ask(ctx, arguments):
    form = arguments.get("form", FORM)
    if is_modern(ctx):
        params = types.ElicitRequestFormParams(message="Who are you?", requested_schema=form)
        return await asked(ctx, types.ElicitRequest(params=params))
    answer = await ctx.session.elicit_form("Who are you?", form, related_request_id=ctx.request_id)
    return told(answer)


async def visit(ctx, arguments):
    address = arguments.get("url", "https://example.com/consent")
    if is_modern(ctx):
        params = types.ElicitRequestURLParams(message="Please agree.", url=address)
        return await asked(ctx, types.ElicitRequest(params=params))
    answer = await ctx.session.elicit_url("Please agree.", address, "visit-1", related_request_id=ctx.request_id)
    return told(answer)


async def behind_a_visit(ctx, arguments):
    """Refuses until a person went to an address."""
    if "behind" not in visited:
        visited.add("behind")
        one = types.ElicitRequestURLParams(message="First this.", url="https://example.com/first", elicitation_id="1")
        raise UrlElicitationRequiredError([one])
    return text("let in")


async def sample(ctx, arguments):
    params = types.CreateMessageRequestParams(messages=[], max_tokens=5)
    return types.InputRequiredResult(input_requests={"q": types.CreateMessageRequest(params=params)})


def is_modern(ctx):
    return ctx.protocol_version >= "2026"


async def asked(ctx, request):
    answers = current.get("answers")
    if not answers:
        return types.InputRequiredResult(input_requests={"q": request}, request_state="state")
    return told(types.ElicitResult.model_validate(answers["q"].model_dump()))


def told(answer):
    return text(f"{answer.action} {json.dumps(answer.content)}")


async def grow(ctx, arguments):
    """Has one tool more from now on."""
    extra_tools.append(f"grown-{len(extra_tools)}")
    await bus.publish(ToolsListChanged())
    if not is_modern(ctx):
        await ctx.session.send_tool_list_changed()
    return text("grown")


async def picture(ctx, arguments):
    return types.CallToolResult(content=[types.ImageContent(type="image", data=PNG, mime_type="image/png")])


async def much(ctx, arguments):
    return text("x" * arguments["chars"])


async def structured(ctx, arguments):
    return types.CallToolResult(content=[], structured_content={"gone": None, "list": [None, 1.5], "odd": {"a-b": 1}})


async def fail(ctx, arguments):
    return types.CallToolResult(content=[types.TextContent(type="text", text="it broke")], is_error=True)


async def refuse(ctx, arguments):
    raise MCPError(arguments.get("code", types.INVALID_PARAMS), "that is no color")


async def chatter(ctx, arguments):
    """Writes what is no message, and to stderr."""
    os.write(options.stdout, b'this is no message\n{"neither": "this"}\n\n')
    print("x" * 200_000, file=sys.stderr, flush=True)
    return text("chattered")


TOOLS = {
    "echo": echo,
    "environment": environment,
    "die": die,
    "wait": wait,
    "count": count,
    "ask": ask,
    "visit": visit,
    "behind_a_visit": behind_a_visit,
    "sample": sample,
    "grow": grow,
    "picture": picture,
    "much": much,
    "structured": structured,
    "fail": fail,
    "refuse": refuse,
    "chatter": chatter,
}
HINTS = {"picture": types.ToolAnnotations(title="A picture", read_only_hint=True, open_world_hint=False)}
current = {}


async def on_list_tools(ctx, params):
    names = [*TOOLS, *extra_tools, *(f"more-{number}" for number in range(options.tools))]
    start = int(params.cursor) if params and params.cursor else 0
    stop = start + PAGE if options.tools else len(names)
    return types.ListToolsResult(
        tools=[
            types.Tool(
                name=name,
                description=options.description if name == "echo" else f"Does {name}.",
                input_schema={"type": "object", "properties": {"text": {"type": "string"}}},
                annotations=HINTS.get(name),
            )
            for name in names[start:stop]
        ],
        next_cursor=str(stop) if stop < len(names) else None,
    )


async def on_call_tool(ctx, params):
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"there is no {params.name}")
    current["answers"] = params.input_responses
    return await TOOLS[params.name](ctx, params.arguments or {})


server = Server(
    "workshop",
    version="1",
    instructions="Mind the saw.",
    on_list_tools=on_list_tools,
    on_call_tool=on_call_tool,
    on_subscriptions_listen=ListenHandler(bus),
)


async def serve_stdio():
    async with stdio_server() as (incoming, outgoing):
        offered = server.create_initialization_options(NotificationOptions(tools_changed=True))
        if options.handshake:
            await serve_loop(server, incoming, outgoing, lifespan_state={}, init_options=offered)
        else:
            await server.run(incoming, outgoing, offered)


def serve_http():
    import uvicorn

    app = server.streamable_http_app(json_response=options.json)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on")).run(sockets=[listening])


def refuse_questions():
    """The first line decides: what is no handshake ends it."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 1)
    if b'"initialize"' not in line:
        sys.exit("expected a handshake")
    source = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)

    def feed():
        piece = line
        while piece:
            os.write(writing, piece)
            piece = os.read(source, 65536)
        os.close(writing)

    threading.Thread(target=feed, daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--handshake", "--refuse", "--http", "--json", "--stubborn", "--junk"):
        parser.add_argument(flag, action="store_true")
    for name in ("--log", "--describe", "--helper"):
        parser.add_argument(name)
    parser.add_argument("--tools", type=int, default=0)
    parser.parse_args(namespace=options)
    options.stdout = os.dup(1)  # the SDK turns 1 into stderr
    options.description = Path(options.describe).read_text() if options.describe else "Says it again."
    if options.log:
        with Path(options.log).open("a") as log:
            log.write(f"{os.getpid()}\n")
    if options.helper:
        sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        Path(options.helper).write_text(str(sleeping.pid))
    if options.junk:
        print("welcome to the workshop", flush=True)
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.refuse:
        options.handshake = True
        refuse_questions()
    if options.http:
        serve_http()
        return
    asyncio.run(serve_stdio())
    if options.stubborn:
        time.sleep(600)


if __name__ == "__main__":
    main()
