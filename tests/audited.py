"""Runs command lines in this process, each in a folder, and prints what Python's audit hooks saw: for the promise that
checking opens no socket, runs no command, imports no module of the project and writes nothing.

    python audited.py < JOBS        [[folder, [argument, …]], …] as JSON; what was seen comes out as JSON

A process of its own, since a hook stays for the life of its process.
"""

import contextlib
import io
import json
import os
import sys

PROCESSES = ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "pty.spawn")
CHANGES = (
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Seen:
    def __init__(self):
        self.events = []
        self.job = None

    def hook(self, event, arguments):
        if self.job is not None and self._matters(event, arguments):
            self.events.append([*self.job, event, repr(arguments)[:300]])

    def _matters(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            return bool(flags & WRITES) and path != os.devnull
        if event == "exec":
            return arguments[0].co_filename.startswith(self.job[0])
        return event.startswith(("socket.", "subprocess.", "shutil.")) or event in PROCESSES + CHANGES


def main():
    from agentrun.cli import run_cli

    jobs = json.load(sys.stdin)
    sys.dont_write_bytecode = True
    seen = Seen()
    sys.addaudithook(seen.hook)
    for folder, arguments in jobs:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            seen.job = (folder, arguments)
            code = run_cli(arguments)
            seen.job = None
        if code not in (0, 1, 3):  # 1: `fmt --check` has something to tell
            seen.events.append([folder, arguments, "exit", str(code)])
    json.dump(seen.events, sys.stdout)


if __name__ == "__main__":
    main()
