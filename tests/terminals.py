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
    """`agentrun chat` at a terminal of 60 lines: type, and wait for what the screen shows.

    `environ` are variables that are set beside the usual ones; None as a value takes one away. `argv` is run in the
    place of agentrun.
    """

    command = "chat"

    def __init__(self, folder, *arguments, columns=100, environ=None, argv=None):
        self.main, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
        self.modes = termios.tcgetattr(child)
        self.screen = pyte.Screen(columns, 60)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        usual = {"TERM": "xterm", "XTERM_VERSION": "1", "NO_COLOR": "1", "PROMPT_TOOLKIT_NO_CPR": "1"}
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        variables = inherited | usual | (environ or {})
        self.process = subprocess.Popen(
            argv or [sys.executable, "-m", "agentrun", self.command, *arguments],
            cwd=folder,
            stdin=child,
            stdout=child,
            stderr=child,
            env={name: value for name, value in variables.items() if value is not None},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)

    @property
    def rows(self):
        """All that is shown."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def lines(self):
        """What is shown down to where the cursor stands: without what is drawn below a prompt."""
        shown = self.screen.display[: self.screen.cursor.y + 1]
        return [line.rstrip() for line in shown if line.strip()]

    @property
    def below(self):
        """What is drawn below the prompt: the status, or a choice."""
        return [line.rstrip() for line in self.screen.display[self.screen.cursor.y + 1 :] if line.strip()]

    def resize(self, columns, lines=60):
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def modes_now(self):
        """How the terminal is set: echo, whole lines, keys that are signals."""
        return termios.tcgetattr(self.main)

    def type(self, text):
        os.write(self.main, text.encode())

    def type_all(self, text):
        """What is more than a terminal takes at once: for a thread of its own, while the screen is read."""
        data = text.encode()
        while data:
            data = data[os.write(self.main, data[:1024]) :]

    def wait_until(self, shown, seconds=20):
        """Until `shown(lines)` holds for what the screen shows."""
        end = time.monotonic() + seconds
        while not shown(self.lines):
            ready, _, _ = select.select([self.main], [], [], max(0, end - time.monotonic()))
            try:
                chunk = os.read(self.main, 65536) if ready else b""
            except OSError:  # the other end was closed
                chunk = b""
            assert chunk, "waited in vain; the screen shows:\n" + "\n".join(self.rows)
            self.stream.feed(chunk)
            self.raw += chunk

    def read_to_the_end(self, seconds=20):
        """Until the terminal is closed at the other end."""
        end = time.monotonic() + seconds
        while select.select([self.main], [], [], max(0, end - time.monotonic()))[0]:
            try:
                chunk = os.read(self.main, 65536)
            except OSError:
                return
            self.stream.feed(chunk)
            self.raw += chunk

    def wait_for(self, text):
        self.wait_until(lambda _: any(text in line for line in self.rows))

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
