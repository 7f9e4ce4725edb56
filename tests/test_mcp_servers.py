"""Connections to MCP servers: real programs and real addresses, built with the official SDK, that live and die."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from agentrun.engine.exchange import ToolFailed, ToolSent
from agentrun.engine.ports import ElicitationAnswer
from agentrun.errors import ToolFailure, ToolsError, UsageError
from agentrun.spec.types import ApiKeyAuth, AuthSpec, OAuth2Auth
from agentrun.tools.mcp import connection as connections
from agentrun.tools.mcp.launch import HttpLaunch, StdioLaunch
from agentrun.tools.mcp.servers import Servers
from agentrun.tools.network import Network
from agentrun.tools.oauth2 import TokenSources
from loopback_http import Loopback, reply
from mcp_calls import (
    ENV,
    WITHIN_S,
    WORKSHOP,
    Asked,
    call,
    http_workshop,
    in_a_loop,
    is_running,
    listening,
    said,
    serving,
    stdio,
    until,
    workshop,
)

ACCEPT = ElicitationAnswer("accept", {"name": "Ann"})
ERAS = [(), ("--handshake",)]
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes in other sessions are found on Linux only")
eras = pytest.mark.parametrize("era", ERAS, ids=["modern", "handshake"])


async def failure_of(awaitable):
    with pytest.raises(ToolFailure) as caught:
        await awaitable
    return caught.value


async def start_failure(launch):
    servers = Servers()
    with pytest.raises(ToolsError) as caught:
        await servers.of(launch).tools()
    await servers.aclose()
    return caught.value.message


def script(code):
    return StdioLaunch((sys.executable, "-c", textwrap.dedent(code)), "/", ENV)


# -- what comes of a call


@eras
@in_a_loop
async def test_the_tools_of_a_server_are_listed_over_all_pages(era):
    async with workshop(*era, "--tools", 25) as server:
        listing = await server.tools()
    assert len(listing.tools) == 16 + 25
    assert listing.instructions == "Mind the saw."
    echo = next(one for one in listing.tools if one.name == "echo")
    assert (echo.description, echo.title, echo.read_only) == ("Says it again.", "", False)
    assert (echo.destructive, echo.open_world, echo.idempotent) == (True, True, False)
    picture = next(one for one in listing.tools if one.name == "picture")
    assert (picture.title, picture.read_only, picture.open_world) == ("A picture", True, False)


@in_a_loop
async def test_a_server_whose_list_never_ends_is_an_error(monkeypatch):
    monkeypatch.setattr(connections, "_MAX_TOOLS", 30)
    assert "lists more than 30 tools" in await start_failure(stdio("--tools", 100))


@eras
@in_a_loop
async def test_a_result_comes_as_the_server_sent_it(era):
    async with workshop(*era) as server:
        found = await call(server, "structured")
        picture = await call(server, "picture")
        failed = await call(server, "fail")
        assert len(await said(server, "much", {"chars": 3_000_000})) == 3_000_000
    assert found["structuredContent"] == {"gone": None, "list": [None, 1.5], "odd": {"a-b": 1}}
    assert picture["content"][0]["mimeType"] == "image/png"
    assert failed["isError"] is True
    assert failed["content"][0]["text"] == "it broke"


@eras
@in_a_loop
async def test_what_the_protocol_calls_an_error_is_a_failure_of_the_call(era):
    async with workshop(*era) as server:
        wrong = await failure_of(call(server, "refuse"))
        unknown = await failure_of(call(server, "no_such_tool"))
        other = await failure_of(call(server, "refuse", {"code": -32001}))
    assert (wrong.type, unknown.type, other.type) == ("invalid_arguments", "invalid_arguments", "tool_error")
    assert wrong.message == "the MCP server `mcp_workshop.py` failed: that is no color"


@eras
@in_a_loop
async def test_progress_is_told_to_the_call_it_belongs_to(era):
    async with workshop(*era) as server:
        one, other = Asked(), Asked()
        await asyncio.gather(said(server, "count", asked=one), said(server, "echo", asked=other))
    assert one.progress == [(1.0, 2.0, "step 1"), (2.0, 2.0, "step 2")]
    assert other.progress == []


@in_a_loop
async def test_a_program_gets_its_environment_and_its_folder_and_nothing_else(tmp_path):
    async with workshop(cwd=tmp_path, env={**ENV, "KEY": "value"}) as server:
        seen = json.loads(await said(server, "environment"))
    assert set(seen["env"]) - {"LC_CTYPE"} == {"PATH", "KEY"}
    assert seen["cwd"] == str(tmp_path.resolve())


@eras
@in_a_loop
async def test_what_is_no_message_on_stdout_and_much_on_stderr_disturbs_nothing(era):
    async with workshop(*era, "--junk") as server:
        assert await said(server, "chatter") == "chattered"
        assert await said(server, "echo", {"text": "hi"}) == "hi"


# -- what a server asks of a person


@eras
@in_a_loop
async def test_a_form_is_filled_in_by_who_answers_for_the_call(era):
    async with workshop(*era) as server:
        asked = Asked(ACCEPT)
        assert await said(server, "ask", asked=asked) == 'accept {"name": "Ann"}'
        assert await said(server, "ask", asked=Asked(ElicitationAnswer("decline"))) == "decline null"
        assert await said(server, "ask") == "cancel null"
    (question,) = asked.questions
    assert (question.server, question.message, question.url) == ("mcp_workshop.py", "Who are you?", None)
    assert question.schema["required"] == ["name"]


@eras
@in_a_loop
async def test_an_address_is_opened_by_a_person(era):
    async with workshop(*era) as server:
        asked = Asked(ElicitationAnswer("accept"))
        assert await said(server, "visit", asked=asked) == "accept null"
        assert await said(server, "behind_a_visit", asked=asked) == "let in"
    assert [one.url for one in asked.questions] == ["https://example.com/consent", "https://example.com/first"]


@eras
@in_a_loop
async def test_only_addresses_of_the_web_are_opened(era):
    async with workshop(*era) as server:
        asked = Asked(ElicitationAnswer("accept"))
        failure = await failure_of(call(server, "visit", {"url": "file:///etc/passwd"}, asked))
    assert "only addresses that begin with https:// or http://" in failure.message
    assert asked.questions == []


@eras
@in_a_loop
async def test_an_answer_that_does_not_fit_the_form_does_not_go_out(era):
    async with workshop(*era) as server:
        short = Asked(ElicitationAnswer("accept", {"name": "A"}))
        failure = await failure_of(call(server, "ask", asked=short))
        broken = {"type": "object", "properties": {"name": {"type": "string", "minLength": -1}}}
        unusable = await failure_of(call(server, "ask", {"form": broken}, short))
    assert "what was answered does not fit the form: name:" in failure.message
    assert "the form is no usable JSON Schema" in unusable.message
    assert len(short.questions) == 1


@in_a_loop
async def test_a_question_ends_with_the_call_it_belongs_to():
    put_down = asyncio.Event()

    async def never(_):
        try:
            await asyncio.sleep(600)
        finally:
            put_down.set()

    async with workshop("--handshake") as server:
        asked = Asked(never)
        task = asyncio.create_task(call(server, "ask", asked=asked))
        await until(lambda: asked.questions)
        task.cancel()
        async with asyncio.timeout(WITHIN_S):
            await put_down.wait()


@in_a_loop
async def test_a_question_outlasts_another_call_that_ends_meanwhile(tmp_path):
    """A program of the earlier protocol doesn't say for which of its calls it asks."""
    other_ended, open_question = asyncio.Event(), asyncio.Event()

    async def answer(_):
        open_question.set()
        await other_ended.wait()
        return ACCEPT

    async with workshop("--handshake") as server:
        first = asyncio.create_task(said(server, "ask", asked=Asked(answer)))
        second = asyncio.create_task(call(server, "wait", {"mark": str(tmp_path / "mark")}, Asked(answer)))
        await open_question.wait()
        second.cancel()
        await asyncio.wait({second})
        other_ended.set()
        assert await first == 'accept {"name": "Ann"}'


@in_a_loop
async def test_what_nobody_offers_the_server_is_told_in_the_failure():
    async with workshop() as server:
        failure = await failure_of(call(server, "sample"))
    assert failure.message == "the MCP server `mcp_workshop.py` asks for `sampling/createMessage`, which is not offered"


@eras
@in_a_loop
async def test_what_goes_wrong_with_asking_ends_the_call_and_is_not_told_to_the_server(era):
    async def broken(_):
        raise LookupError("a mistake of ours")

    async with workshop(*era) as server:
        with pytest.raises(LookupError, match="a mistake of ours"):
            await call(server, "ask", asked=Asked(broken))
        assert await said(server, "echo", {"text": "hi"}) == "hi"


# -- changes of its tools


@eras
@in_a_loop
async def test_the_list_is_kept_until_the_server_says_that_it_changed(era):
    async with workshop(*era) as server:
        first = await server.tools()
        assert await server.tools() is first
        await call(server, "grow")
        await until_listed(server, "grown-0")
        await call(server, "grow")
        await until_listed(server, "grown-1")
        assert (await server.tools()).version > first.version


async def until_listed(server, name):
    """The word of a change may come after the result of the call that made it."""
    async with asyncio.timeout(WITHIN_S):
        while all(one.name != name for one in (await server.tools()).tools):
            await asyncio.sleep(0.01)


# -- cancelling


@eras
@in_a_loop
async def test_a_call_that_is_given_up_is_given_up_by_the_server_and_the_next_works(era, tmp_path):
    mark = tmp_path / "mark"
    async with workshop(*era) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await server.call("wait", {"mark": str(mark)}, Asked().context)
        await until(lambda: mark.read_text() == "cancelled")
        assert await said(server, "echo", {"text": "still here"}) == "still here"


# -- lives


@in_a_loop
async def test_a_server_is_started_when_first_needed_and_once_for_all_who_need_it(tmp_path):
    log = tmp_path / "log"
    log.touch()
    one, other = Servers(), Servers()
    launch = stdio("--log", log)
    servers = [one.of(launch), one.of(launch), other.of(launch)]
    assert log.read_text() == ""
    await asyncio.gather(*(each.tools() for each in servers))
    assert len(log.read_text().split()) == 1
    await one.aclose()
    assert await said(servers[2], "echo", {"text": "hi"}) == "hi"
    await other.aclose()
    assert not is_running(log.read_text().split()[0])


@in_a_loop
async def test_one_that_is_bound_before_the_old_one_lets_go_keeps_the_server(tmp_path):
    log = tmp_path / "log"
    old, new = Servers(), Servers()
    await old.of(stdio("--log", log)).tools()
    bound = new.of(stdio("--log", log))
    await old.aclose()
    await bound.tools()
    assert len(log.read_text().split()) == 1
    await new.aclose()


def test_servers_may_be_used_again_after_they_were_closed_and_in_another_loop(tmp_path):
    log = tmp_path / "log"
    servers = Servers()
    server = servers.of(stdio("--log", log))

    async def use():
        listing = await server.tools()
        assert await said(server, "echo", {"text": "hi"}) == "hi"
        await servers.aclose()
        return listing.version

    assert asyncio.run(use()) < asyncio.run(use())
    assert not any(map(is_running, log.read_text().split()))


def test_a_server_in_the_loop_of_another_thread_ends_there(tmp_path):
    log = tmp_path / "log"
    servers = Servers()
    server = servers.of(stdio("--log", log))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.tools(), loop).result(WITHIN_S)
        asyncio.run(servers.aclose())
        assert ended([log])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WITHIN_S)
        loop.close()


@eras
@in_a_loop
async def test_killed_in_the_middle_of_a_call_it_fails_the_call_and_the_next_call_works(era, tmp_path):
    log, mark = tmp_path / "log", tmp_path / "mark"
    async with workshop(*era, "--log", log) as server:
        waiting = asyncio.create_task(call(server, "wait", {"mark": str(mark)}))
        await until(mark.exists)
        os.kill(int(log.read_text()), signal.SIGKILL)
        failure = await failure_of(waiting)
        assert await said(server, "echo", {"text": "back"}) == "back"
    assert failure.type == "connection"
    assert failure.message == (
        "the MCP server `mcp_workshop.py` was ended by SIGKILL while it worked on this call; "
        "it is started again when needed"
    )
    assert failure.details == {"signal": "SIGKILL"}
    assert len(log.read_text().split()) == 2


@in_a_loop
async def test_a_server_that_ends_itself_tells_its_exit_code_and_its_last_words():
    async with workshop() as server:
        failure = await failure_of(call(server, "die", {"code": 7}))
    assert failure.details == {"exit_code": 7, "stderr": "a last word"}


@in_a_loop
async def test_one_that_dies_in_each_call_is_started_once_for_each(tmp_path):
    log = tmp_path / "log"
    async with workshop("--log", log) as server:
        for _ in range(3):
            await failure_of(call(server, "die"))
    assert len(log.read_text().split()) == 3


@in_a_loop
async def test_one_that_went_while_nobody_needed_it_is_started_again_for_the_list(tmp_path):
    log = tmp_path / "log"
    async with workshop("--log", log) as server:
        os.kill(int(log.read_text()), signal.SIGKILL)
        async with asyncio.timeout(WITHIN_S):
            while len(log.read_text().split()) == 1:
                await server.tools()
                await asyncio.sleep(0.01)
        assert await said(server, "echo", {"text": "hi"}) == "hi"


@in_a_loop
async def test_a_server_that_comes_back_with_another_definition_is_not_called(tmp_path):
    description = tmp_path / "description"
    description.write_text("Says it again.")
    async with workshop("--describe", description) as server:
        description.write_text("Deletes it all.")
        await failure_of(call(server, "die"))
        failure = await failure_of(call(server, "echo", {"text": "hi"}))
        assert (await call(server, "structured"))["structuredContent"]
        await server.tools()
        assert await said(server, "echo", {"text": "hi"}) == "hi"
    assert failure.message == (
        "the MCP server `mcp_workshop.py` was started again and describes `echo` in another way now: "
        "the call was not made, and what it has now is offered with the next message"
    )


@in_a_loop
async def test_one_that_can_not_be_started_again_says_why(tmp_path):
    file = tmp_path / "server.py"
    file.write_text(WORKSHOP.read_text())
    async with serving(StdioLaunch((sys.executable, str(file)), "/", ENV)) as server:
        file.write_text("import sys; sys.exit('no luck')")
        await failure_of(call(server, "die"))
        failure = await failure_of(call(server, "echo"))
    assert failure.message == "the MCP server `server.py` ended with exit code 1 before it was ready"
    assert failure.details["stderr"] == "no luck"


@in_a_loop
async def test_a_server_that_refuses_every_question_before_the_handshake_is_met_by_one(tmp_path):
    log = tmp_path / "log"
    async with workshop("--refuse", "--log", log) as server:
        assert await said(server, "echo", {"text": "hi"}) == "hi"
        await failure_of(call(server, "die"))
        assert await said(server, "echo", {"text": "hi"}) == "hi"
    assert len(log.read_text().split()) == 3  # the question was asked once


# -- starts that fail


@in_a_loop
async def test_why_a_server_does_not_start_is_told_with_its_last_words():
    assert await start_failure(StdioLaunch(("no-such-server",), "/", ENV)) == (
        "the command `no-such-server` is not installed (not found in PATH)"
    )
    message = await start_failure(script("import sys; print('one', file=sys.stderr); sys.exit('cannot: a reason')"))
    assert message == (
        "the MCP server `python` ended with exit code 1 before it was ready; "
        "the last that it wrote: one | cannot: a reason"
    )
    message = await start_failure(script("print('Usage: server FILE')"))
    assert message.endswith("ended with exit code 0 before it was ready; the last that it wrote: Usage: server FILE")


@pytest.mark.slow
@in_a_loop
async def test_a_server_that_does_not_answer_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(connections, "START_S", 1.0)
    pid = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(600)"
    assert await start_failure(script(code)) == "the MCP server `python` wasn't ready within 1 s"
    assert not is_running(pid.read_text())


@pytest.mark.slow
@in_a_loop
async def test_a_line_without_an_end_ends_the_connection():
    message = await start_failure(script("while True: print('x' * 1_000_000, end='')"))
    assert message.startswith("the MCP server `python` sent a line of more than 10 MiB before it was ready")


@in_a_loop
async def test_an_answer_that_the_protocol_does_not_allow_is_told():
    code = """
        import json, sys
        for line in sys.stdin:
            asked = json.loads(line)
            if "id" in asked:
                info = {"name": "x", "version": 1}
                result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": info}
                print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
    """
    message = await start_failure(script(code))
    assert message.startswith("the MCP server `python` answered what the protocol doesn't allow (serverInfo.version:")


# -- nothing stays behind


@pytest.mark.slow
@linux
@in_a_loop
async def test_the_whole_tree_of_a_server_ends_with_it(tmp_path):
    helper, log = tmp_path / "helper", tmp_path / "log"
    async with workshop("--helper", helper, "--log", log, "--stubborn"):
        pids = [helper.read_text(), log.read_text().strip()]
        assert all(map(is_running, pids))
    assert not any(map(is_running, pids))


@pytest.mark.slow
@in_a_loop
async def test_closing_leaves_no_file_open_and_no_task(tmp_path):
    async with workshop() as server:
        await said(server, "echo")
    files = open_files()
    for launch in (stdio(), stdio("--handshake"), StdioLaunch(("no-such-server",), "/", ENV)):
        with contextlib.suppress(ToolsError):
            async with serving(launch) as server:
                await failure_of(call(server, "die"))
                await said(server, "echo")
    assert open_files() == files
    assert asyncio.all_tasks() == {asyncio.current_task()}


def open_files():
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


PROGRAM = """
    import asyncio, sys
    sys.path.insert(0, {tests!r})
    from mcp_calls import Asked, stdio
    from agentrun.tools.mcp.servers import Servers

    async def main():
        server = Servers().of(stdio("--helper", {helper!r}, "--log", {log!r}, *{options!r}))
        await server.tools()
        {then}

    asyncio.run(main())
"""


def program(tmp_path, then, *options):
    """A process that uses a server and doesn't close it, and the files in which its processes are named."""
    helper, log = tmp_path / "helper", tmp_path / "log"
    values = {"tests": str(Path(__file__).parent), "helper": str(helper), "log": str(log), "options": options}
    code = textwrap.dedent(PROGRAM).format(then=then, **values)
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return process, [helper, log]


def ended(files):
    pids = [file.read_text().strip() for file in files]
    deadline = time.monotonic() + WITHIN_S
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if is_running(pid)]}"
        time.sleep(0.01)
    return True


WAITS = "print('ready', flush=True); await server.call('wait', {'mark': '/dev/null'}, Asked().context)"


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    ("then", "exit_code", "words"),
    [("pass", 0, ""), ("raise SystemExit(4)", 4, ""), ("raise ValueError('own mistake')", 1, "own mistake")],
)
def test_nothing_stays_of_a_server_that_nobody_closed(tmp_path, then, exit_code, words):
    process, files = program(tmp_path, then)
    _, stderr = process.communicate(timeout=WITHIN_S)
    assert process.returncode == exit_code
    if words:
        assert stderr.strip().splitlines()[-1].endswith(words)
        assert stderr.count("Traceback") == 1
    else:
        assert stderr == ""
    assert ended(files)


@pytest.mark.slow
@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_of_a_server_when_agentrun_is_ended_in_the_middle_of_a_call(tmp_path, number):
    process, files = program(tmp_path, WAITS)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, stderr = process.communicate(timeout=WITHIN_S)
    assert ended(files)
    if number == signal.SIGINT:
        assert stderr.strip().splitlines()[-1] == "KeyboardInterrupt"
        assert "never retrieved" not in stderr


@pytest.mark.slow
@linux
def test_a_server_that_does_not_leave_does_not_hang_the_exit(tmp_path):
    process, files = program(tmp_path, "pass", "--stubborn")
    _, stderr = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, stderr) == (0, "")
    assert ended(files)


def test_the_package_of_the_protocol_is_an_extra_and_its_absence_says_how_to_install_it():
    code = """
        import asyncio, sys
        sys.modules["mcp"] = sys.modules["mcp_types"] = None
        from agentrun.errors import ToolsError
        from agentrun.tools.mcp.launch import StdioLaunch
        from agentrun.tools.mcp.servers import Servers
        try:
            asyncio.run(Servers().of(StdioLaunch(("true",), "/", {})).tools())
        except ToolsError as error:
            print(error.message, "/", error.help)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("an MCP server needs a package that is not installed: mcp")
    assert done.stdout.endswith("/ Install it: pip install 'mcp>=2.3,<3'\n")


# -- over HTTP


@pytest.mark.parametrize("kind", [(), ("--json",)], ids=["streams", "json"])
def test_a_server_at_an_address_is_used_like_a_program(kind, tmp_path):
    @in_a_loop
    async def use(launch):
        async with serving(launch) as server:
            asked = Asked(ACCEPT)
            assert await said(server, "echo", {"text": "hi"}) == "hi"
            assert await said(server, "ask", asked=asked) == 'accept {"name": "Ann"}'
            await said(server, "count", asked=asked)
            assert asked.progress == ([] if kind else [(1.0, 2.0, "step 1"), (2.0, 2.0, "step 2")])
            await call(server, "grow")
            await until_listed(server, "grown-0")
            wrong = await failure_of(call(server, "refuse"))
            assert wrong.type == "invalid_arguments"
            if kind:  # the SDK's server doesn't notice there that nobody waits any more
                return
            mark = tmp_path / "mark"
            waiting = asyncio.create_task(call(server, "wait", {"mark": str(mark)}))
            await until(mark.exists)
            waiting.cancel()
            await until(lambda: mark.read_text() == "cancelled")
            assert await said(server, "echo", {"text": "still"}) == "still"

    with http_workshop(*kind) as launch:
        use(launch)


@in_a_loop
async def test_a_server_at_an_address_that_goes_fails_the_call_and_is_found_again():
    command = [sys.executable, str(WORKSHOP), "--http"]
    with listening(command) as (port, process):
        async with serving(HttpLaunch(f"http://127.0.0.1:{port}/mcp")) as server:
            failure = await failure_of(call(server, "die"))
            process.wait(WITHIN_S)
            refused = await failure_of(call(server, "echo"))
    assert failure.type == refused.type == "connection"
    assert refused.message == f"could not connect to http://127.0.0.1:{port} (connection refused)"


@in_a_loop
async def test_an_address_where_nobody_listens_is_told():
    with Loopback() as gone:
        launch = HttpLaunch(gone.url + "/mcp")
    assert "connection refused" in await start_failure(launch)


def json_reply(result, asked, *, status=200, headers=()):
    body = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), **result})
    return reply(status, body, headers=headers, content_type="application/json")


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
TOOL = {"name": "look", "inputSchema": {"type": "object"}}


class Sessions:
    """A server of the handshake era that forgets its sessions: `forget()`. `status` answers those that it forgot."""

    def __init__(self, status=404):
        self.status = status
        self.keeps = True
        self.begun = 0
        self.known = set()
        self.calls = 0

    def forget(self):
        self.known.clear()

    def __call__(self, arrived):
        if arrived.method != "POST":
            return reply(405)
        asked = json.loads(arrived.body)
        session = arrived.header("mcp-session-id")
        if asked["method"] == "server/discover":
            return json_reply({"error": {"code": -32601, "message": "no such method"}}, asked)
        if asked["method"] == "initialize":
            self.begun += 1
            self.known |= {f"session-{self.begun}"} if self.keeps else set()
            return json_reply({"result": HELLO}, asked, headers=[("Mcp-Session-Id", f"session-{self.begun}")])
        if session not in self.known:
            return json_reply({"error": {"code": -32000, "message": "No valid session"}}, asked, status=self.status)
        if "id" not in asked:
            return reply(202)
        if asked["method"] == "tools/list":
            return json_reply({"result": {"tools": [TOOL]}}, asked)
        self.calls += 1
        return json_reply({"result": {"content": [{"type": "text", "text": session}]}}, asked)


@pytest.mark.parametrize("status", [404, 400])
@in_a_loop
async def test_a_session_that_the_server_forgot_is_opened_anew(status):
    sessions = Sessions(status)
    with Loopback(sessions) as web:
        async with serving(HttpLaunch(web.url + "/mcp")) as server:
            assert await said(server, "look") == "session-1"
            sessions.forget()
            assert await said(server, "look") == "session-2"
            sessions.forget()
            assert len((await server.tools()).tools) == 1
            assert await said(server, "look") == "session-3"
    assert (sessions.begun, sessions.calls) == (3, 3)


@in_a_loop
async def test_a_server_that_forgets_every_session_is_no_endless_loop():
    sessions = Sessions()
    with Loopback(sessions) as web:
        async with serving(HttpLaunch(web.url + "/mcp")) as server:
            sessions.keeps = False
            sessions.forget()
            failure = await failure_of(call(server, "look"))
    assert failure.type == "connection"
    assert "doesn't know the session any more" in failure.message
    assert sessions.begun == 3  # for the call, and for the list that it is looked up in


@in_a_loop
async def test_headers_and_credentials_go_with_each_request_and_no_cookie_comes_back(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    sessions = Sessions()

    def answer(arrived):
        return sessions(arrived).replace(b"\r\n", b"\r\nSet-Cookie: crumb=1\r\n", 1)

    with Loopback(answer) as web:
        launch = HttpLaunch(web.url + "/mcp?a=b", {"X-Team": "tools"}, AuthSpec(bearer="secret-token"))
        async with serving(launch) as server:
            await said(server, "look")
    assert {one.target for one in web.requests} == {"/mcp?a=b"}
    assert {one.header("authorization") for one in web.requests} == {"Bearer secret-token"}
    assert {one.header("x-team") for one in web.requests} == {"tools"}
    assert {one.header("cookie") for one in web.requests} == {None}
    assert {one.header("accept-encoding") for one in web.requests} == {"identity"}
    assert "DELETE" in {one.method for one in web.requests}


@in_a_loop
async def test_a_key_in_the_address_is_sent_there_and_told_to_nobody():
    sessions = Sessions()
    with Loopback(sessions) as web:
        key = ApiKeyAuth(name="key", value="secret-key", in_="query")
        async with serving(HttpLaunch(web.url + "/mcp", auth=AuthSpec(api_key=key))) as server:
            assert server.name == web.url.removeprefix("http://")
            await said(server, "look")
    assert {one.target for one in web.requests} == {"/mcp?key=secret-key"}


@in_a_loop
async def test_a_token_is_fetched_and_fetched_again_when_it_is_refused():
    sessions = Sessions()
    given = []

    def answer(arrived):
        if arrived.target == "/token":
            given.append(f"token-{len(given) + 1}")
            body = json.dumps({"access_token": given[-1], "token_type": "bearer", "expires_in": 3600})
            return reply(200, body, content_type="application/json")
        if arrived.header("authorization") != f"Bearer {given[-1]}" or refusing:
            refusing.clear()
            return reply(401, "what you sent was secret")
        return sessions(arrived)

    refusing = []
    with Loopback(answer) as web:
        auth = AuthSpec(oauth2=OAuth2Auth(token_url=web.url + "/token", client_id="me", client_secret="mine"))
        servers, network = Servers(), Network()
        tokens = TokenSources(network)
        server = servers.of(HttpLaunch(web.url + "/mcp", auth=auth), lambda: tokens)
        await server.tools()
        refusing.append(True)
        assert await said(server, "look") == "session-1"
        await servers.aclose()
        await network.aclose()
    assert given == ["token-1", "token-2"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(401, "the password is x"), "answered 401 Unauthorized: it wants credentials, which `auth` gives it"),
        (
            reply(401, headers=[("WWW-Authenticate", 'Bearer resource_metadata="https://x/"')]),
            "which `auth` gives it; it offers a login with OAuth, which agentrun doesn't do",
        ),
        (reply(404, "<h1>nothing</h1>", content_type="text/html"), "answered 404 Not Found: `server_url` is the whole"),
        (reply(405), "mostly with the path /mcp; the older transport over SSE is not spoken here"),
        (
            reply(403, '{"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "it is x"}}'),
            "answered 403 Forbidden",
        ),
        (reply(307, "", headers=[("Location", "http://127.0.0.1:9/")]), "answered 307 Temporary Redirect: it is at"),
        (reply(500, "<html>x</html>", content_type="text/html"), "answered 500 Internal Server Error"),
        (
            reply(200, "<html>", content_type="text/html"),
            "answered with text/html, which is no answer of an MCP server: `server_",
        ),
        (
            reply(200, b"x", headers=[("Content-Encoding", "gzip")], content_type="application/json"),
            "packed its answer",
        ),
        (reply(200, b"{" + b" " * 11_000_000, content_type="application/json"), "more than 10 MiB"),
        (None, "closed the connection without an answer"),
    ],
)
@in_a_loop
async def test_an_answer_that_can_not_be_used_is_told_in_words(answer, words):
    with Loopback(lambda _: answer) as web:
        message = await start_failure(HttpLaunch(web.url + "/mcp"))
        assert all(one.method == "POST" for one in web.requests)
    assert words in message
    assert "password" not in message
    assert "it is x" not in message


@pytest.mark.parametrize(
    ("status", "auth", "words"),
    [
        (401, AuthSpec(bearer="b"), "the credentials that it was given are wrong, or valid no more"),
        (403, AuthSpec(bearer="b"), "the credentials that it was given don't allow this"),
        (403, None, "it wants credentials, which `auth` gives it"),
    ],
)
@in_a_loop
async def test_whether_there_were_credentials_is_told_where_they_are_refused(status, auth, words):
    with Loopback(reply(status)) as web:
        assert (await start_failure(HttpLaunch(web.url + "/mcp", auth=auth))).endswith(words)


@in_a_loop
async def test_an_address_of_the_older_transport_is_told_by_its_path():
    with Loopback(reply(404)) as web:
        assert (await start_failure(HttpLaunch(web.url + "/sse"))).endswith("over SSE is not spoken here")
        assert (await start_failure(HttpLaunch(web.url + "/mcp"))).endswith("mostly with the path /mcp")


@in_a_loop
async def test_each_who_watches_is_told_of_its_own_requests_over_a_shared_connection():
    first, second = [], []
    with Loopback(Sessions()) as web:
        launch = HttpLaunch(web.url + "/mcp?who=me", {"X-Key": "a"})
        one, other, unwatched = Servers(first.append), Servers(second.append), Servers()
        await one.of(launch).tools()
        told = len(first)
        await call(other.of(launch), "look", {"where": "there"})
        await call(unwatched.of(launch), "look", {"where": "elsewhere"})
        assert len(first) == told
        for servers in (one, other, unwatched):
            await servers.aclose()
    sent = [json.loads(each.body)["method"] for each in first[:told] if isinstance(each, ToolSent) and each.body]
    assert sent == ["server/discover", "initialize", "notifications/initialized", "tools/list"]
    asked, came = second
    assert (asked.method, asked.url) == ("POST", web.url + "/mcp")
    assert "X-Key" in asked.headers
    assert json.loads(asked.body)["params"]["arguments"] == {"where": "there"}
    assert (came.url, came.status, came.content_type) == (asked.url, 200, "application/json")
    assert came.size_bytes > 50


@in_a_loop
async def test_who_watches_is_told_that_nothing_came():
    seen = []
    with Loopback(None) as web:
        url = web.url
    servers = Servers(seen.append)
    with pytest.raises(ToolsError):
        await servers.of(HttpLaunch(url + "/mcp")).tools()
    await servers.aclose()
    assert isinstance(seen[-1], ToolFailed)
    assert "connection refused" in seen[-1].cause


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        (HttpLaunch("ftp://x/"), "`mcp.server_url` can't be used"),
        (HttpLaunch("http://x/", {"Mcp-Session-Id": "1"}), "the header Mcp-Session-Id is set by agentrun"),
        (
            HttpLaunch("http://x/", {"Authorization": "a"}, AuthSpec(bearer="b")),
            "the header Authorization is set by `auth`",
        ),
        (HttpLaunch("http://x/", {"X-A": "a\nb"}), "the header X-A has a line break"),
    ],
)
def test_what_can_not_be_sent_is_told_before_anything_is(launch, words):
    with pytest.raises(UsageError, match=words):
        Servers().of(launch)
