"""`python -m agentrun.demo [--port N] [--verbose] [-- COMMAND ...]`: the order desk, alone or around a command.

Alone it prints what a shell needs to reach it and serves until Ctrl-C. With a command it is that command's
stand-in: same terminal, same exit code, signals passed on, and the service gone when the command is.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from agentrun.demo.orders import OrderService

NOT_FOUND, NOT_EXECUTABLE = 127, 126
ENDING = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str]) -> int:
    own, command = _split(argv)
    parser = argparse.ArgumentParser(
        prog="python -m agentrun.demo",
        description="Start the demo order service on this machine, alone or for the time of a command.",
        usage="%(prog)s [--port N] [--verbose] [-- COMMAND ...]",
        epilog="COMMAND finds the service through ORDERS_URL and ORDERS_TOKEN in its environment.",
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port on 127.0.0.1; default: a free one")
    parser.add_argument("--verbose", action="store_true", help="write a line for each request to standard error")
    options = parser.parse_args(own)
    if not 0 <= options.port <= 65535:
        parser.error(f"--port takes 0 to 65535, not {options.port}")
    if not command:
        # Blocked before the service's threads start, which inherit it: the signal waits for `_serve`.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        service = OrderService(port=options.port, verbose=options.verbose)
    except OSError as error:
        return _complain(f"can't listen on port {options.port}: {error.strerror}", 1)
    with service:
        wiring = {"ORDERS_URL": service.url, "ORDERS_TOKEN": service.token}
        return _run(command, wiring) if command else _serve(wiring)


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--`, and what after it."""
    args = list(argv)
    at = args.index("--") if "--" in args else len(args)
    return args[:at], args[at + 1 :]


def _serve(wiring: Mapping[str, str]) -> int:
    for name, value in wiring.items():
        print(f"export {name}={shlex.quote(value)}", flush=True)
    print("The order service runs until Ctrl-C.", file=sys.stderr)
    signal.sigwait(ENDING)
    return 0


def _run(command: list[str], wiring: Mapping[str, str]) -> int:
    """The child's exit code, or 128 and its signal's number.

    Ctrl-C reaches the child from the terminal, so here it does nothing. That is a handler and not SIG_IGN, because
    a child inherits what is ignored.
    """
    # The command may be installed beside this interpreter, in an environment that isn't on PATH.
    program = shutil.which(command[0]) or shutil.which(command[0], path=str(Path(sys.executable).parent))
    if program is None:
        return _complain(f"{command[0]}: no such command", NOT_FOUND)
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)

    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, forward)
    try:
        child = subprocess.Popen([program, *command[1:]], env=os.environ | wiring)  # noqa: S603 - the user's own words
    except OSError as error:
        return _complain(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE)
    for number in early:
        child.send_signal(number)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _complain(message: str, code: int) -> int:
    print(f"agentrun.demo: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
