"""Runs one command: bytes in, bytes out, and nothing left behind.

Owns the pipes and the connection to the call's supervisor (`supervisor.py`), which starts the command in a session
of its own and ends all that came of it. It knows nothing of templates, tools or text.

- Cancelling `run_process` ends the call: SIGTERM to all its processes, up to 2 s, SIGKILL. A time limit is the
  caller's, by `asyncio.timeout`.
- When the command ends, so do its background processes, after a moment to finish by themselves. Nobody waits for
  a daemon that inherited the pipe.
- When agentrun dies, by SIGKILL too, the system closes the connection, and the supervisor ends the call.

The program that forks supervisors starts with the first call (about 25 ms, once) and ends with agentrun. A call then
takes about 3 ms, against 1 ms for a bare subprocess and 12 ms for an interpreter of its own. `setpriv --pdeathsig`,
or a watchdog that is told process groups, would be less code, but neither finds a process that called setsid.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import marshal
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import IO

import msgspec

from agentrun.errors import ToolFailure
from agentrun.tools import supervisor
from agentrun.tools.program import encode, not_started

MAX_BYTES = 10 * 1024 * 1024
_CHUNK_BYTES = 65_536
# What is kept of a longer output waits for its call's end in a file without a name: many calls may run at once.
_IN_MEMORY_BYTES = 1024 * 1024
# A supervisor is done after `GRACE_S`, unless a process can't be killed: then it goes on alone.
_END_S = supervisor.GRACE_S + 2.0
_LAST_OUTPUT_S = 1.0


class Completed(msgspec.Struct, frozen=True):
    """`exit_code` is 128 + n after signal n, as a shell reports it, and `signal` is then its name.

    `stdout` and `stderr` are the first bytes, at most as many as asked for; `…_dropped` counts those after them.
    `begun`: where a sandbox was asked for it was made, and the command began in it.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    stdout_dropped: int = 0
    stderr_dropped: int = 0
    signal: str | None = None
    begun: bool = True


async def run_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    max_bytes: int = MAX_BYTES,
    in_sandbox: bool = False,
    leftover: Path | None = None,
) -> Completed:
    """Run `argv` to its end. `argv[0]` is looked up in the PATH of `env`. Raises `ToolFailure`.

    `in_sandbox`: `argv` is bwrap's; SIGTERM is then for what runs below it, and file 3 takes a byte before the command
    begins. `leftover` is a file that is removed at the end, also when agentrun is gone by then.
    """
    request = request_of(argv, cwd, env, in_sandbox, leftover)
    with ExitStack() as ours:
        try:
            control, feed, stdout, stderr = open_call(ours, with_stdin=bool(stdin))
        except OSError as error:
            raise ToolFailure("internal", f"no command could be started: {error.strerror or error}") from error
        if feed:
            _Feed(feed, stdin, ours)
        out, err = _Capture(stdout, max_bytes, ours), _Capture(stderr, max_bytes, ours)
        reply = await _converse(control, request)
        await asyncio.wait({out.ended, err.ended}, timeout=_LAST_OUTPUT_S)
        output, error_output = out.taken(), err.taken()
    end = end_of(reply, argv[0], cwd)
    return Completed(end.exit_code, output, error_output, out.dropped, err.dropped, end.signal, end.begun)


class End(msgspec.Struct, frozen=True):
    """How a command ended, with the words of `Completed`."""

    exit_code: int
    signal: str | None
    begun: bool


def end_of(reply: bytes, program: str, cwd: Path) -> End:
    """What a supervisor's reply says. Raises `ToolFailure` where the command never ran."""
    lost = ("lost", 0, False)
    step, value, begun = marshal.loads(reply) if reply else lost  # noqa: S302 - from our own supervisor
    if step != "exit":
        raise not_started(program, cwd, step, value)
    exit_code = os.waitstatus_to_exitcode(value)
    return End(exit_code, None, begun) if exit_code >= 0 else End(128 - exit_code, _signal_name(-exit_code), begun)


def request_of(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], in_sandbox: bool = False, leftover: Path | None = None
) -> bytes:
    """What a supervisor is told of a command, as it goes over the call's connection."""
    return supervisor.frame_request(
        [encode(element) for element in argv],
        os.fsencode(cwd.absolute()),
        {encode(name): encode(value) for name, value in env.items()},
        in_sandbox,
        None if leftover is None else os.fsencode(leftover.absolute()),
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"


def open_call(ours: ExitStack, *, with_stdin: bool) -> tuple[socket.socket, FileIO | None, FileIO, FileIO]:
    """Start a supervisor that waits for a request. `ours` closes our ends; its ends are only its own from then on."""
    with ExitStack() as its:
        control, its_control = socket.socketpair()
        ours.enter_context(control)
        its.enter_context(its_control)
        control.setblocking(False)
        feed: FileIO | None = None
        if with_stdin:
            its_stdin, feed = _pipe(its, ours)
        else:  # not an empty pipe: programs such as ripgrep search a pipe rather than the folder
            its_stdin = its.enter_context(FileIO(os.devnull))
        stdout, its_stdout = _pipe(ours, its)
        stderr, its_stderr = _pipe(ours, its)
        _launch([its_control.fileno(), its_stdin.fileno(), its_stdout.fileno(), its_stderr.fileno()])
    return control, feed, stdout, stderr


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[FileIO, FileIO]:
    read, write = os.pipe()
    return reader.enter_context(FileIO(read)), writer.enter_context(FileIO(write, "w"))


async def _converse(control: socket.socket, request: bytes) -> bytes:
    """Send the request and wait for the supervisor's reply: all processes of the call have ended then."""
    loop = asyncio.get_running_loop()
    try:
        try:
            await loop.sock_sendall(control, request)
        except (BrokenPipeError, ConnectionResetError):
            return b""  # the supervisor was ended from outside
        return await _receive(control)
    except asyncio.CancelledError:
        control.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await _receive(control)
        raise


async def _receive(control: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    reply = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := await loop.sock_recv(control, 4096):
            reply += piece
    return reply


class _Capture:
    """Reads a pipe as data arrives, so that the writer never waits; keeps the first `max_bytes`, counts the rest."""

    def __init__(self, pipe: FileIO, max_bytes: int, ours: ExitStack) -> None:
        self._pipe = pipe
        self._left_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._ours = ours
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.dropped = 0
        self.ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._read)
        ours.callback(self._loop.remove_reader, pipe.fileno())

    def taken(self) -> bytes:
        """What was kept."""
        if self._file is None:
            return bytes(self._memory)
        self._file.seek(0)
        return self._file.read()

    def _read(self) -> None:
        data = self._pipe.read(_CHUNK_BYTES)
        if data is None:
            return
        if not data:
            self._loop.remove_reader(self._pipe.fileno())
            self.ended.set_result(None)
            return
        wanted = data[: self._left_bytes]
        kept = self._keep(wanted)
        self._left_bytes = self._left_bytes - kept if kept == len(wanted) else 0  # behind a gap nothing is kept
        self.dropped += len(data) - kept

    def _keep(self, data: bytes) -> int:
        """How many bytes there was room for."""
        if self._file is None:
            self._memory += data
            if len(self._memory) > _IN_MEMORY_BYTES:
                self._move_to_file()
            return len(data)
        try:
            return self._file.write(data)
        except OSError:  # the disk is full: nothing more is kept
            return 0

    def _move_to_file(self) -> None:
        """Where that can't be done, what is kept stays in memory."""
        with contextlib.suppress(OSError), ExitStack() as made:
            file = made.enter_context(tempfile.TemporaryFile(buffering=0))
            if file.write(self._memory) == len(self._memory):
                self._file, self._memory = file, bytearray()
                self._ours.push(made.pop_all())


class _Feed:
    """Writes a text into a pipe as fast as it is read there, and stops when nobody reads it any more."""

    def __init__(self, pipe: FileIO, data: bytes, ours: ExitStack) -> None:
        self._pipe = pipe
        self._left = memoryview(data)
        self._loop = asyncio.get_running_loop()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_writer(pipe.fileno(), self._write)
        ours.callback(self._stop)

    def _write(self) -> None:
        try:
            written = self._pipe.write(self._left[:_CHUNK_BYTES])
        except BrokenPipeError:
            self._stop()
            return
        self._left = self._left[written or 0 :]
        if not self._left:
            self._stop()

    def _stop(self) -> None:
        if not self._pipe.closed:
            self._loop.remove_writer(self._pipe.fileno())
            self._pipe.close()


# -- the launcher: the program that forks a supervisor for each call ------------------------------------------


class _Launcher:
    """`supervisor.py` while it runs, one in each agentrun process. Its end of the connection is its stdin."""

    def __init__(self) -> None:
        self.connection, its_end = socket.socketpair()
        try:
            with its_end:
                self._process = subprocess.Popen(  # noqa: S603 - our own file
                    [sys.executable, "-I", "-S", supervisor.__file__],
                    stdin=its_end.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    # No secrets where a tool could look; only what some builds of Python need to start.
                    env={name: os.environ[name] for name in _LOADER_NAMES if name in os.environ},
                    start_new_session=True,  # Ctrl-C at the terminal is agentrun's to handle
                )
        except OSError:
            self.connection.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it was gone already
            self.connection.shutdown(socket.SHUT_RDWR)  # holds for copies in forked processes too
        self.connection.close()
        self._process.wait()


_LOADER_NAMES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_launchers: dict[int, _Launcher] = {}  # by process id: a forked agentrun needs its own
_launchers_lock = threading.Lock()


def _launch(fds: list[int]) -> None:
    with _launchers_lock:
        launcher = _launchers.get(os.getpid())
        if launcher:
            try:
                socket.send_fds(launcher.connection, [b"+"], fds)
            except (BrokenPipeError, ConnectionResetError):  # it was ended from outside
                launcher.close()
            else:
                return
        else:
            atexit.register(_close_launcher)
        _launchers[os.getpid()] = launcher = _Launcher()
        socket.send_fds(launcher.connection, [b"+"], fds)


def _close_launcher() -> None:
    launcher = _launchers.pop(os.getpid(), None)
    if launcher:
        launcher.close()
