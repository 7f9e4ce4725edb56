"""Runs the commands of `process.py` and leaves none of their processes behind. A program of its own.

agentrun starts it once (`python -I -S supervisor.py`), with a connection as its stdin, and it forks a supervisor
for each call. A supervisor belongs to one command and ends all that came of it: when it is done, when agentrun
closes the call's connection, and when agentrun is gone, killed with SIGKILL too: the system closes the connection
then.

Why a process between agentrun and the command:
- It is the "subreaper" of the call (Linux): a process that daemonises becomes its child, whatever session or
  environment it made for itself. All that is left of a call can be found, and "no child left" is proof. agentrun
  can't do that in its own process: it could not tell such a process from the children of other libraries.
- Forking and what comes before exec are safe here: one thread, and only this code.

Where there are no subreapers (macOS), the process group of the command is what can be found; a process that left
it by setsid stays.

It imports nothing of agentrun, and what it has to say goes back as one small reply: its output is /dev/null.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

# After the command's own end, its background processes have this long to finish by themselves.
LINGER_S = 0.2
# Between SIGTERM and SIGKILL.
GRACE_S = 2.0
# How long one attempt to overtake processes that fork goes on without a pause.
BURST_S = 0.05

FDS_PER_CALL = 4  # the call's connection, then the command's stdin, stdout, stderr
_LENGTH_BYTES = 8
_PR_SET_CHILD_SUBREAPER = 36
_PROCESSES_OF_BWRAP = 2  # bwrap, and below it the first process of the sandbox
# A supervisor outlives what is meant for others: it ends with its call.
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def frame_request(
    argv: list[bytes], cwd: bytes, env: dict[bytes, bytes], in_sandbox: bool, leftover: bytes | None
) -> bytes:
    """What a supervisor is to run, as it goes over the call's connection. `leftover` is a file that it removes."""
    body = marshal.dumps((argv, cwd, env, in_sandbox, leftover))
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def main() -> None:
    agentrun = socket.socket(fileno=0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended supervisors need no wait
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    become_subreaper = _subreaping()
    while True:
        message, fds, _, _ = socket.recv_fds(agentrun, 1, FDS_PER_CALL)
        if not message:
            return
        with contextlib.suppress(BlockingIOError):  # no process to be had: agentrun sees the connection close
            if len(fds) == FDS_PER_CALL and os.fork() == 0:
                agentrun.detach()
                _serve_call(fds, become_subreaper)
        for fd in fds:
            os.close(fd)


def _subreaping() -> Callable[[], object] | None:
    """How this process becomes a subreaper. None where there is no such thing."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _serve_call(fds: list[int], become_subreaper: Callable[[], object] | None) -> None:
    """The life of a supervisor. Doesn't return."""
    try:
        os.dup2(1, 0)  # drops the launcher's connection, so that the launcher's end can be noticed
        for fd in fds:
            os.set_inheritable(fd, False)
        os.setsid()
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if become_subreaper:
            become_subreaper()
        control = socket.socket(fileno=fds[0])
        request = marshal.loads(_receive(control))  # noqa: S302 - from agentrun, by a private connection
        argv, cwd, env, in_sandbox, leftover = request
        step = "chdir"
        try:
            os.chdir(cwd)
            step = "exec"
            begun, begin = os.pipe()
            command = _start(argv, env, [*fds[1:], begin] if in_sandbox else fds[1:])
        except OSError as error:
            reply = step, error.errno or 0, False
        else:
            for fd in (*fds[1:], begin):
                os.close(fd)
            family = _Family(command, control, whole=become_subreaper is not None, in_sandbox=in_sandbox)
            status = family.see_to_its_end()
            reply = "exit", status, not in_sandbox or os.read(begun, 1) != b""
        if leftover is not None:
            with contextlib.suppress(OSError):
                os.unlink(leftover)  # noqa: PTH108 - bytes
        control.sendall(marshal.dumps(reply))
    finally:
        os._exit(0)


def _receive(control: socket.socket) -> bytes:
    data = bytearray()
    while len(data) < _LENGTH_BYTES or len(data) < _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big"):
        piece = control.recv(1 << 16)
        if not piece:
            raise EOFError("the call was given up before it began")
        data += piece
    return bytes(data[_LENGTH_BYTES:])


def _start(argv: list[bytes], env: dict[bytes, bytes], stdio: list[int]) -> int:
    """The process id of the command: in a group of its own, without a shell. It has these files, from 0 on."""
    return os.posix_spawn(
        find_program(argv[0], env),
        argv,
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(stdio)],
        setpgroup=0,
        setsigdef=[*_IGNORED, signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores the last two
    )


def find_program(program: bytes, env: dict[bytes, bytes], cwd: bytes = b"") -> bytes:
    """Where PATH leads from `cwd`. What is found but can't be run is returned too: exec says why it can't."""
    if b"/" in program:
        return os.path.join(cwd, program)  # noqa: PTH118 - bytes
    folders = env.get(b"PATH", os.fsencode(os.defpath)).split(b":")
    paths = [os.path.join(cwd, folder or b".", program) for folder in folders]  # noqa: PTH118 - bytes
    found = [path for path in paths if os.path.isfile(path)]  # noqa: PTH113
    if not found:
        raise FileNotFoundError(errno.ENOENT, "not found in PATH")
    return next((path for path in found if os.access(path, os.X_OK)), found[0])


class _Family:
    """A command and all processes that came of it; `whole` says that we are their subreaper.

    `in_sandbox`: the command is bwrap, with the sandbox's first process below it, and the real command below that.
    """

    def __init__(self, command: int, control: socket.socket, *, whole: bool, in_sandbox: bool) -> None:
        self.command = command
        self.control = control
        self.whole = whole
        self.in_sandbox = in_sandbox
        self.status: int | None = None
        self.woken, wake = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def see_to_its_end(self) -> int:
        """Wait for the command or the end of the call, then end what is left. Returns the wait status."""
        if self._wait(self._command_ended):
            self._wait(self._all_ended, LINGER_S)
        if not self._all_ended() and self._may_clean_up():
            self._signal(signal.SIGTERM)
            self._wait(self._all_ended, GRACE_S, heed_agentrun=False)
        pause_s = 0.01
        while not self._all_ended():  # more than once: a process may fork while we look
            self._signal(signal.SIGKILL)
            self._kill_children()
            self._wait(self._all_ended, pause_s, heed_agentrun=False)
            pause_s = min(pause_s * 2, 1.0)
        return self.status or 0

    def _command_ended(self) -> bool:
        return self._all_ended() or self.status is not None

    def _all_ended(self) -> bool:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return self.whole or not self._group_is_left()
            if pid == 0:
                return False
            if pid == self.command:
                self.status = status

    def _group_is_left(self) -> bool:
        try:
            os.killpg(self.command, 0)
        except OSError as error:
            return error.errno != errno.ESRCH
        return True

    def _wait(self, ended: Callable[[], bool], timeout_s: float | None = None, *, heed_agentrun: bool = True) -> bool:
        """Whether it came to `ended`; False when the time is up or agentrun closed the call."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        watched = [self.woken, self.control.fileno()] if heed_agentrun else [self.woken]
        while not ended():
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                return False
            if not self.whole:  # the end of a process that is not our child is not signalled
                left_s = min(0.05, left_s or 0.05)
            ready, _, _ = select.select(watched, [], [], left_s)
            if self.control.fileno() in ready:
                return False
            if self.woken in ready:
                os.read(self.woken, 4096)
        return True

    def _may_clean_up(self) -> bool:
        """Whether anything runs that heeds SIGTERM. The first process of a sandbox never does, and would go on."""
        return not self.in_sandbox or len(_descendants(os.getpid())) > _PROCESSES_OF_BWRAP

    def _signal(self, number: signal.Signals) -> None:
        if not self.whole:
            _ignore_gone(os.killpg, self.command, number)
            return
        for pid in _descendants(os.getpid()):
            # With bwrap gone the system kills the rest at once, which is to have its time to clean up.
            if not (self.in_sandbox and number == signal.SIGTERM and pid == self.command):
                _ignore_gone(os.kill, pid, number)

    def _kill_children(self) -> None:
        """Again and again, while there are others each time.

        In a chain of processes that fork and exit, the last one is always our child, and too young for a look at all.
        """
        before: list[int] = []
        until = time.monotonic() + BURST_S
        while self.whole and not self._all_ended() and time.monotonic() < until:
            children = _children(os.getpid())
            if children == before:
                return
            for pid in children:
                _ignore_gone(os.kill, pid, signal.SIGKILL)
            before = children


def _ignore_gone(kill: Callable[[int, int], None], target: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # ended meanwhile, or setuid: waited for
        kill(target, number)


def _children(parent: int) -> list[int]:
    """Empty where the system was built without such lists."""
    try:
        with open(f"/proc/{parent}/task/{parent}/children", "rb") as file:  # noqa: PTH123 - as below
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def _descendants(ancestor: int) -> list[int]:
    """All processes below `ancestor`, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is needed
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:  # noqa: PTH123 - pathlib takes longest to import
                stat = file.read()
        except OSError:  # ended meanwhile
            continue
        parent = int(stat[stat.rindex(b")") + 2 :].split()[1])
        children.setdefault(parent, []).append(int(entry))
    found = list(children.get(ancestor, ()))
    for pid in found:  # grows while it is walked
        found += children.get(pid, ())
    return found


if __name__ == "__main__":
    main()
