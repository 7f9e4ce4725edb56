"""A command at a pseudo-terminal with a model of the screen: typed at, and read, as a person would."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pyte


class Terminal:
    """`agentrun chat` at a terminal of 60 lines: type, and wait for what the screen shows."""

    command = "chat"

    def __init__(self, folder, *arguments, columns=100):
        self.main, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
        self.screen = pyte.Screen(columns, 60)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentrun", self.command, *arguments],
            cwd=folder,
            stdin=child,
            stdout=child,
            stderr=child,
            env={name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
            | {"TERM": "xterm", "NO_COLOR": "1", "PROMPT_TOOLKIT_NO_CPR": "1"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def type(self, text):
        os.write(self.main, text.encode())

    def wait_until(self, shown, seconds=20):
        """Until `shown(lines)` holds for what the screen shows."""
        end = time.monotonic() + seconds
        while not shown(self.lines):
            ready, _, _ = select.select([self.main], [], [], max(0, end - time.monotonic()))
            try:
                chunk = os.read(self.main, 65536) if ready else b""
            except OSError:  # the other end was closed
                chunk = b""
            assert chunk, "waited in vain; the screen shows:\n" + "\n".join(self.lines)
            self.stream.feed(chunk)
            self.raw += chunk

    def wait_for(self, text):
        self.wait_until(lambda lines: any(text in line for line in lines))

    def wait_for_prompt(self):
        self.wait_until(lambda lines: bool(lines) and lines[-1] == ">")

    def say(self, text):
        self.wait_for_prompt()
        self.type(text + "\r")

    def leave(self):
        self.wait_for_prompt()
        self.type("\x04")
        return self.end()

    def end(self, seconds=20):
        try:
            return self.process.wait(timeout=seconds)
        finally:
            self.process.kill()
            os.close(self.main)
