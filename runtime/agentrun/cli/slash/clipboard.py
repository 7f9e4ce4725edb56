"""Puts a text into the clipboard of the person at the terminal.

A program of the desktop does it where there is one; over ssh it would fill the clipboard of the other machine, so the
terminal itself is asked there, by the escape sequence OSC 52. In tmux that goes through tmux.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import TextIO

import msgspec

from agentrun.errors import UsageError

MAX_OSC_BYTES = 74_994  # of base64: what xterm and those like it take
_WAIT_S = 5.0
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Copied(msgspec.Struct, frozen=True):
    """How it was done. `certain` is false where nobody tells whether the terminal took it."""

    by: str
    certain: bool


def copy(text: str, environ: Mapping[str, str], terminal: TextIO | None) -> Copied:
    """`terminal` is what the person looks at, where it understands escape sequences."""
    text = harmless(text)
    for command in programs(environ):
        if _run(command, text):
            return Copied(command[0], certain=True)
    if terminal is None:
        raise UsageError(
            "there is no clipboard here", help="install wl-copy, xclip or xsel, or write the answer to a file: /export"
        )
    sequence = osc52(text, in_tmux=bool(environ.get("TMUX")))
    terminal.write(sequence)
    terminal.flush()
    return Copied("the terminal", certain=False)


def harmless(text: str) -> str:
    """Without what is no text: pasted at a shell, an escape sequence can end the paste and go on as keys that were
    typed, and code whose order is turned around reads as other code.
    """
    return _NO_TEXT.sub("", text.replace("\r\n", "\n"))


def programs(environ: Mapping[str, str]) -> list[list[str]]:
    """The programs that may do it here, the best first."""
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        desktop: list[list[str]] = []
    else:
        desktop = [["pbcopy"]]
        if environ.get("WAYLAND_DISPLAY"):
            desktop.append(["wl-copy"])
        if environ.get("DISPLAY"):
            desktop += [["xclip", "-selection", "clipboard", "-in"], ["xsel", "--clipboard", "--input"]]
    if environ.get("TMUX"):
        desktop.append(["tmux", "load-buffer", "-w", "-"])  # -w: tmux hands it on to its own terminal
    return [command for command in desktop if shutil.which(command[0], path=environ.get("PATH"))]


def osc52(text: str, *, in_tmux: bool) -> str:
    """What tells a terminal to take the text. In tmux it is said twice: to tmux, and through it."""
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode()
    if len(encoded) > MAX_OSC_BYTES:
        raise UsageError(
            f"the answer is too long for the clipboard of a terminal: it has {len(text):,} characters",
            help="write it to a file: /export",
        )
    plain = f"\x1b]52;c;{encoded}\x07"
    return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\" if in_tmux else plain


def _run(command: list[str], text: str) -> bool:
    """Whether the program took it. Some stay in the background as long as the clipboard is theirs."""
    try:
        done = subprocess.run(  # noqa: S603 - programs of the desktop, by our own names
            command,
            input=text.encode("utf-8", "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_WAIT_S,
            start_new_session=True,  # Ctrl-C at the prompt doesn't empty the clipboard
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
