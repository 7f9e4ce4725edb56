"""A command in a window of tmux, as a person has it: typed at by keys, read as what the window and its scrollback show.

Each window has a server of its own, whose socket is in a temporary folder and which ends with the test.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

EVERY_S = 0.03
WITHIN_S = 20
SCREENS = Path(__file__).with_name("screens")
MISSING = (
    None if shutil.which("tmux") and Path("/proc/self").exists() else "tmux is not installed, or there is no /proc"
)

_CONFIGURATION = """
set -g default-terminal screen-256color
set -g status off
set -g history-limit 5000
set -g remain-on-exit on
set -g remain-on-exit-format ''
set -s escape-time 0
"""
_STATE = "#{history_size} #{cursor_y} #{cursor_x} #{pane_dead} #{pane_dead_status} #{pane_dead_signal}"


@dataclass(frozen=True)
class Shown:
    """`rows` are those of the scrollback, of which there are `scrolled`, and of the window down to the last one used.

    The cursor stands in `rows[row]`, at `column`. `ended` is how the program ended: a code, or a signal as a negative.
    """

    rows: list[str]
    scrolled: int
    row: int
    column: int
    ended: int | None

    @property
    def line(self):
        """Where the cursor stands."""
        return self.rows[self.row] if self.row < len(self.rows) else ""

    @property
    def before(self):
        """What ends where the cursor stands, without its spaces and ends of lines."""
        return "".join(self.rows[: self.row + 1]).replace(" ", "")

    @property
    def below(self):
        return self.rows[self.row + 1 :]

    @property
    def text(self):
        return "\n".join(self.rows)


class Window:
    """`agentrun chat` with these arguments, or `argv`, in a window of so many columns and lines.

    `environ` are variables that are set beside those of here; None as a value takes one away.
    """

    def __init__(self, folder, *arguments, columns=80, lines=24, environ=None, argv=None):
        self.columns, self.lines = columns, lines
        self._home = Path(tempfile.mkdtemp(prefix="tmux-"))  # a socket's path is short
        configuration = self._home / "tmux.conf"
        configuration.write_text(_CONFIGURATION, encoding="utf-8")
        binaries = str(Path(sys.executable).parent)
        usual = {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "TMUX")}
        term = (environ or {}).get("TERM")
        variables = inherited | usual | (environ or {})
        self._environ = {name: value for name, value in variables.items() if value is not None}
        command = argv or [sys.executable, "-m", "agentrun", "chat", *arguments]
        if term is not None:  # tmux sets its own
            command = ["env", f"TERM={term}", *command]
        self._tmux("-f", str(configuration), "new-session", "-d", "-x", columns, "-y", lines, "-c", folder, *command)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self._tmux("kill-server", check=False)
        shutil.rmtree(self._home, ignore_errors=True)

    # -- what a person does

    def type(self, text):
        self._tmux("send-keys", "-l", "--", text)

    def press(self, *keys):
        """By their names in tmux: Enter, M-Enter, C-c, Up."""
        self._tmux("send-keys", *keys)

    def say(self, text):
        """At the prompt, once it is there."""
        self.wait_for_prompt()
        self.enter(text)

    def enter(self, text):
        """Types a line and sends it; what is shown next came after that."""
        end = text.replace(" ", "")[-8:]
        self.type(text)
        typed = self.wait_until(lambda shown: shown.before.endswith(end))
        self.press("Enter")
        self.wait_until(lambda shown: shown.row > typed.row or shown.ended is not None)

    def paste(self, text):
        self._tmux("set-buffer", "--", text)
        self._tmux("paste-buffer", "-p", "-d")

    def resize(self, columns, lines=None):
        self.columns, self.lines = columns, lines or self.lines
        self._tmux("resize-window", "-x", self.columns, "-y", self.lines)

    # -- what is seen

    def shown(self, *, styled=False):
        """With `styled`, the sequences that colour the rows are in them."""
        flags = ["-e"] if styled else []
        told = self._tmux("capture-pane", "-p", *flags, "-S", "-", ";", "display-message", "-p", _STATE)
        *rows, state = told.removesuffix("\n").split("\n")
        scrolled, y, x, is_dead, status, signal = state.split(" ")
        ended = None
        if signal or status:
            ended = -int(signal) if signal else int(status)
        elif is_dead == "1":
            self._tmux("run-shell", "true")  # tmux may learn of an end only with the next one
        while rows and not rows[-1]:
            rows.pop()
        return Shown([row.rstrip() for row in rows], int(scrolled), int(scrolled) + int(y), int(x), ended)

    def wait_until(self, holds, seconds=WITHIN_S):
        """What is shown, once `holds(shown)`."""
        end = time.monotonic() + seconds
        while not holds(shown := self.shown()):
            assert time.monotonic() < end, f"waited in vain; the window shows:\n{shown.text}\n{shown}"
            time.sleep(EVERY_S)
        return shown

    def wait_for(self, text):
        return self.wait_until(lambda shown: text in shown.text)

    def wait_for_line(self, line):
        """Until the cursor stands in this."""
        return self.wait_until(lambda shown: shown.line == line)

    def wait_for_prompt(self):
        return self.wait_for_line(">")

    def ended(self):
        """How the program ended, once it did."""
        return self.wait_until(lambda shown: shown.ended is not None).ended

    @property
    def process(self):
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def _tmux(self, *arguments, check=True):
        done = subprocess.run(
            ["tmux", "-u", "-S", str(self._home / "socket"), *map(str, arguments)],
            env=self._environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=WITHIN_S,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout


# What differs from one time to the next, and what stands for it.
_VARYING = (
    (re.compile(r"\b[0-9a-f]{10}\b"), "0123456789"),
    (re.compile(r"\((?:\d+ ms|\d+\.\d s)"), "(1 ms"),
    (re.compile(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]"), "⠋"),
    (re.compile(r"(?<= )\d+ s$", re.M), "0 s"),
    (re.compile(r"\b\d+ seconds? ago|just now"), "just now"),
)


def picture(window, shown):
    """What is shown as a file holds it, with a last line that tells of the window."""
    text = "\n".join(shown.rows).replace("\x1b", "␛")
    for varying, same in _VARYING:
        text = varying.sub(same, text)
    where = f"cursor in row {shown.row + 1}, column {shown.column + 1}"
    above = f", {shown.scrolled} rows scrolled away" if shown.scrolled else ""
    return f"{text}\n-- {window.columns} x {window.lines}, {where}{above}\n"


def compare(name, window, shown):
    """With the file of this name; written anew where `AGENTRUN_WRITE_SCREENS` says so: `tests/golden.py --screens`."""
    file, text = SCREENS / f"{name}.txt", picture(window, shown)
    if os.environ.get("AGENTRUN_WRITE_SCREENS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file.name} is another one: tests/golden.py --screens writes it"
