"""MCP servers that others wrote, from npm: `make` puts them into `.venv/npm`. Without node they are not tried."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from agentrun.engine.ports import ElicitationAnswer
from agentrun.errors import ToolFailure
from agentrun.tools.mcp.launch import HttpLaunch, StdioLaunch
from mcp_calls import ENV, WITHIN_S, Asked, call, in_a_loop, is_running, said, serving, until

FOLDER = Path(__file__).parent.parent / ".venv" / "npm" / "node_modules" / "@modelcontextprotocol"
EVERYTHING = FOLDER / "server-everything" / "dist" / "index.js"
FILES = FOLDER / "server-filesystem" / "dist" / "index.js"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None or not EVERYTHING.exists() or not FILES.exists(), reason="node or its MCP servers are not installed"
)


def everything():
    return StdioLaunch((NODE, str(EVERYTHING)), "/", ENV)


@in_a_loop
async def test_the_server_of_everything_is_listed_and_called():
    async with serving(everything()) as server:
        listing = await server.tools()
        assert {"echo", "get-sum", "get-tiny-image", "trigger-elicitation-request"} <= {
            one.name for one in listing.tools
        }
        assert "Everything Server" in listing.instructions
        assert await said(server, "echo", {"message": "hi"}) == "Echo: hi"
        assert await said(server, "get-sum", {"a": 2, "b": 3}) == "The sum of 2 and 3 is 5."
        assert set(json.loads(await said(server, "get-env"))) == {"PATH"}


@in_a_loop
async def test_its_pictures_resources_and_structured_results_come_whole():
    async with serving(everything()) as server:
        kinds = [one["type"] for one in (await call(server, "get-tiny-image"))["content"]]
        assert kinds == ["text", "image", "text"]
        picture = (await call(server, "get-tiny-image"))["content"][1]
        assert base64.b64decode(picture["data"]).startswith(b"\x89PNG")
        links = (await call(server, "get-resource-links", {"count": 2}))["content"]
        assert [one["type"] for one in links[1:]] == ["resource_link", "resource_link"]
        reference = await call(server, "get-resource-reference", {"resourceType": "Text", "resourceId": 1})
        assert "resource" in [one["type"] for one in reference["content"]]
        found = await call(server, "get-structured-content", {"location": "Chicago"})
        assert set(found["structuredContent"]) == {"temperature", "conditions", "humidity"}


@in_a_loop
async def test_its_progress_is_told_and_its_long_operation_can_be_given_up():
    async with serving(everything()) as server:
        asked = Asked()
        await call(server, "trigger-long-running-operation", {"duration": 0.2, "steps": 2}, asked)
        assert [one[:2] for one in asked.progress] == [(1.0, 2.0), (2.0, 2.0)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await call(server, "trigger-long-running-operation", {"duration": 600, "steps": 2})
        assert await said(server, "echo", {"message": "hi"}) == "Echo: hi"


@in_a_loop
async def test_its_questions_are_answered():
    async with serving(everything()) as server:
        asked = Asked(ElicitationAnswer("accept", {"name": "Ann", "check": True}))
        await call(server, "trigger-elicitation-request", asked=asked)
        (question,) = asked.questions
        assert {"name", "check", "integer"} <= set(question.schema["properties"])
        told = json.dumps(await call(server, "trigger-elicitation-request", asked=asked))
        assert "Ann" in told
        refused = json.dumps(await call(server, "trigger-elicitation-request"))
        assert "cancel" in refused


@in_a_loop
async def test_killed_in_the_middle_of_a_call_it_fails_the_call_and_the_next_call_works():
    async with serving(everything()) as server:
        asked = Asked()
        long = {"duration": 600, "steps": 6000}
        waiting = asyncio.create_task(call(server, "trigger-long-running-operation", long, asked))
        await until(lambda: asked.progress)
        kill_children_called(EVERYTHING)
        with pytest.raises(ToolFailure, match="was ended by SIGKILL while it worked on this call"):
            await waiting
        assert await said(server, "echo", {"message": "back"}) == "Echo: back"


def kill_children_called(script):
    """Of this process's own: those that its supervisors started."""
    mine = [os.getpid()]
    found = []
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    for parent in mine:
        for pid, above, command in rows:
            if int(above) == parent:
                mine.append(int(pid))
                found += [int(pid)] if str(script) in command else []
    assert found
    for pid in found:
        os.kill(pid, 9)


@in_a_loop
async def test_the_server_of_files_reads_and_writes_in_its_folder_alone(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "note.txt").write_text("remember")
    async with serving(StdioLaunch((NODE, str(FILES), str(folder)), str(folder), ENV)) as server:
        listing = await server.tools()
        hints = {one.name: (one.read_only, one.idempotent, one.destructive) for one in listing.tools}
        assert hints["read_text_file"] == (True, True, False)
        assert hints["write_file"] == (False, True, True)
        assert await said(server, "read_text_file", {"path": str(folder / "note.txt")}) == "remember"
        await call(server, "write_file", {"path": str(folder / "new.txt"), "content": "fresh"})
        outside = await call(server, "read_text_file", {"path": "/etc/hostname"})
    assert (folder / "new.txt").read_text() == "fresh"
    assert outside["isError"] is True


def test_the_server_of_everything_is_used_at_an_address_and_found_again_after_it_was_started_anew():
    """It forgets its sessions then."""

    @in_a_loop
    async def use():
        with serving_http() as process:
            await until(lambda: accepts(port))
            async with serving(HttpLaunch(f"http://127.0.0.1:{port}/mcp")) as server:
                assert await said(server, "echo", {"message": "hi"}) == "Echo: hi"
                asked = Asked(ElicitationAnswer("accept", {"name": "Ann"}))
                assert "Ann" in json.dumps(await call(server, "trigger-elicitation-request", asked=asked))
                await call(server, "trigger-long-running-operation", {"duration": 0.2, "steps": 2}, asked)
                assert [one[:2] for one in asked.progress] == [(1.0, 2.0), (2.0, 2.0)]
                process.kill()
                process.wait(WITHIN_S)
                with pytest.raises(ToolFailure, match="connection refused"):
                    await call(server, "echo", {"message": "hi"})
                with serving_http() as again:
                    await until(lambda: accepts(port))
                    assert await said(server, "echo", {"message": "back"}) == "Echo: back"
                    assert is_running(again.pid)

    @contextlib.contextmanager
    def serving_http():
        command, silent = [NODE, str(EVERYTHING), "streamableHttp"], subprocess.DEVNULL
        with subprocess.Popen(command, env={**ENV, "PORT": str(port)}, stdout=silent, stderr=silent) as process:
            try:
                yield process
            finally:
                process.kill()

    port = free_port()
    use()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def accepts(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
