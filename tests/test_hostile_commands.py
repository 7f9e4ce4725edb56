"""The whole program with commands that don't want to end, or say too much: what stays of them, and what it costs.

Each test gives all processes of its commands a mark, in the environment and in their arguments, and watches them and
agentrun from outside, through /proc. What `run_process` alone does is tested in `test_process.py`.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from projects import write_project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and /proc")

GONE_WITHIN_S = 3.0
MAX_MEMORY_KB = 200 * 1000 * 1000 // 1024
GIGABYTE = 1_000_000_000
KEPT = 10 * 1024 * 1024  # bytes of each of stdout and stderr

# Shell scripts. Each says that it has begun by a file, and has the mark in its arguments too: `env -i` takes the
# environment away.
SLEEP = ": MARK; echo > begun.$$; while :; do sleep 300; done"
HOSTILE = {
    "a grandchild": f"sh -c '{SLEEP}' & sleep 300",
    "a daemon": f"setsid -f sh -c 'setsid -f sh -c \"{SLEEP}\"'; sleep 300",
    "a daemon without environment": f"env -i /usr/bin/setsid -f /bin/sh -c '{SLEEP}'; sleep 300",
    "a daemon whose command has ended": f"setsid -f sh -c '{SLEEP}'; while ! ls begun.*; do :; done >&2",
    "deaf to SIGTERM": f"trap '' TERM HUP INT; {SLEEP}",
    "a deaf daemon": f"setsid -f sh -c \"trap '' TERM HUP INT; {SLEEP}\"; sleep 300",
    "a stopped one": f"sh -c '{SLEEP}' & until [ -e begun.$! ]; do :; done; kill -STOP $! $$; sleep 300",
    "one that closed its output": f"exec >&- 2>&- <&-; {SLEEP}",
}
# Forks a child every few milliseconds, each deaf, and goes on after SIGTERM: 200 in all.
FORKS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(f"begun.{os.getpid()}", "w").close()
for _ in range(200):
    if os.fork() == 0:
        os.setsid()
        time.sleep(300)
    time.sleep(0.01)
time.sleep(300)
"""
# A chain of processes that each live for a moment, so that a look at the list of processes is always too late.
RUNS_AWAY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(f"begun.{os.getpid()}", "w").close()
end = time.monotonic() + 30
if os.fork() == 0:
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
time.sleep(300)
"""


class Family:
    """agentrun and all that came of it, looked at every few milliseconds from a thread of its own."""

    def __init__(self, root, mark):
        self.root = root
        self.mark = mark.encode()
        self.seen = {}  # (pid, start) -> whether it is a process of agentrun itself
        self.peak_kb = 0
        self.zombies = {}  # (pid, start) -> since when
        self.oldest_zombie_s = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.005):
            self.look()

    def look(self):
        """The processes that are there now."""
        listed = processes()
        children = {}
        for key, (parent, _) in listed.items():
            children.setdefault(parent, []).append(key)
        found = [key for key in listed if key[0] == self.root or key in self.seen or self._is_marked(key[0])]
        known = set(found)
        for pid, _ in found:
            more = [key for key in children.get(pid, ()) if key not in known]
            known.update(more)
            found += more
        memory_kb = 0
        own = {pid for (pid, _), is_own in self.seen.items() if is_own}
        now = time.monotonic()
        for key in found:
            if key not in self.seen:
                self.seen[key] = key[0] == self.root or b"supervisor.py" in read(key[0], "cmdline")
            if self.seen[key]:
                # Of pages that supervisors share with the program that forked them each counts its part.
                memory_kb += kilobytes(
                    key[0], *(("status", "VmHWM") if key[0] == self.root else ("smaps_rollup", "Pss"))
                )
            # Children of a command are that command's to wait for.
            if listed[key][1] == "Z" and listed[key][0] in own:
                self.oldest_zombie_s = max(self.oldest_zombie_s, now - self.zombies.setdefault(key, now))
        self.peak_kb = max(self.peak_kb, memory_kb)
        # What ended and has only pid 1 to take note of it is none of ours.
        return [key for key in found if listed[key] != (1, "Z")]

    def _is_marked(self, pid):
        return self.mark in read(pid, "environ") + read(pid, "cmdline") and pid != os.getpid()


def processes():
    """(pid, start time) -> (parent, state) of all processes."""
    listed = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := read(entry.name, "stat")):
            fields = stat[stat.rindex(b")") + 2 :].split()
            listed[int(entry.name), int(fields[19])] = int(fields[1]), fields[0].decode()
    return listed


def read(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # ended meanwhile
        return b""


def kilobytes(pid, file, name):
    lines = read(pid, file).decode().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def has_pending_signal(pid):
    lines = read(pid, "status").decode().splitlines()
    return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:")))


class Started:
    """agentrun in a process of its own, and what a test asks about it afterwards."""

    def __init__(self, folder, *arguments, mark, **options):
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        env = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "AGENTRUN_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentrun", *arguments],
            cwd=folder,
            env=env | {"TMPDIR": str(self.temporary), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        self.family = Family(self.process.pid, mark)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        """Nothing of it may be there any more."""
        ended = time.monotonic()
        try:
            left = [] if failed else self.family.look()
            while left and time.monotonic() < ended + GONE_WITHIN_S:
                time.sleep(0.01)
                left = self.family.look()
            shown = [(pid, read(pid, "stat")[:60], read(pid, "cmdline")[:200]) for pid, _ in left]
        finally:
            gone_after_s = time.monotonic() - ended
            self.family.close()
            self._sweep()
        if failed:
            return
        assert shown == []
        print(f"{self.family.peak_kb} kB at most, {len(self.family.seen)} processes, gone after {gone_after_s:.2f} s")
        assert self.family.oldest_zombie_s < 1.0
        assert self.family.peak_kb < MAX_MEMORY_KB
        assert list(self.temporary.iterdir()) == []

    def wait_until_begun(self, count, seconds=20):
        wait_for(lambda: len(list((self.folder / "tools.d").glob("begun.*"))) >= count, seconds)

    def end(self, seconds=50):
        """stdout and stderr, once it ended."""
        out, err = (data.decode() for data in self.process.communicate(timeout=seconds))
        assert "Traceback" not in err
        return out, err

    def _sweep(self):
        """Whatever a failed test leaves is ended here."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        for pid, _ in self.family.look():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def mark():
    return f"mark-{uuid.uuid4().hex}"


def project(folder, mark, programs, *, timeout_s=60.0):
    """One tool for each program, which an agent calls all at once: an argument list, or the text of a script."""
    tools = [
        {
            "name": f"t{number}",
            "timeout": timeout_s,
            "shell": {
                **(
                    {"script": program}
                    if isinstance(program, str)
                    else {"command": [element.replace("MARK", mark) for element in program]}
                ),
                "env": {"MARK": mark},
                "cwd": ".",
            },
        }
        for number, program in enumerate(programs)
    ]
    calls = [{"name": tool["name"], "id": tool["name"]} for tool in tools]
    agent = {
        "model": {"api": "scripted", "script": [{"tool_calls": calls}, {"content": "done"}]},
        "tools": [tool["name"] for tool in tools],
    }
    files = {f"tools.d/{tool['name']}.yaml": json.dumps(tool, ensure_ascii=False) for tool in tools}
    return write_project(folder, files | {"agents/a.yaml": json.dumps(agent)})


def results_of(stdout):
    """What the model got for each call: a text, or the members of a failure."""
    told = [json.loads(line) for line in stdout.splitlines()]
    assert told[-1]["type"] == "run_finished"
    results = {one["name"]: one for one in told if one["type"] == "tool_finished"}
    return [
        json.loads(one["result"])["error"] if one["is_error"] else one["result"]
        for one in (results[name] for name in sorted(results, key=lambda name: int(name[1:])))
    ]


def shell(*scripts):
    return [["sh", "-c", script, "MARK"] for script in scripts]


def python(program):
    return [sys.executable, "-c", program, "MARK"]


def run(folder, mark, programs, *, preexec_fn=None, **options):
    """Results of one turn that calls all `programs`; nothing is left of them."""
    project(folder, mark, programs, **options)
    with Started(folder, "run", "a", "x", "--output", "jsonl", mark=mark, preexec_fn=preexec_fn) as started:
        out, _ = started.end()
    assert started.process.returncode == 0
    return results_of(out)


# -- commands that don't want to end ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_command_that_does_not_want_to_end_is_ended_and_the_model_is_told(tmp_path, mark, kind):
    (result,) = run(tmp_path, mark, shell(HOSTILE[kind]), timeout_s=1.0)
    if kind == "a daemon whose command has ended":
        assert result == ""
    else:
        assert result == {"type": "timeout", "message": "no result after 1 s"}
    assert list((tmp_path / "tools.d").glob("begun.*"))


@pytest.mark.slow
@pytest.mark.parametrize("program", [FORKS, RUNS_AWAY])
def test_a_command_that_keeps_forking_is_ended(tmp_path, mark, program):
    (result,) = run(tmp_path, mark, [python(program)], timeout_s=0.5)
    assert result["type"] == "timeout"


@pytest.mark.slow
def test_eight_of_them_in_one_turn_are_ended_together(tmp_path, mark):
    started = time.monotonic()
    results = run(tmp_path, mark, [*shell(*HOSTILE.values())[:6], python(FORKS), python(RUNS_AWAY)], timeout_s=2.0)
    assert [one if isinstance(one, str) else one["type"] for one in results] == [
        *["timeout"] * 3,
        "",
        *["timeout"] * 4,
    ]
    assert time.monotonic() - started < 12


@pytest.mark.slow
def test_a_command_that_closes_its_output_and_works_on_is_waited_for(tmp_path, mark):
    assert run(tmp_path, mark, shell("exec >&- 2>&-; sleep 1; echo > finished")) == [""]
    assert (tmp_path / "tools.d" / "finished").exists()


# -- when agentrun ends -------------------------------------------------------------------------------------------

EIGHT = [*shell(*(script for kind, script in HOSTILE.items() if "ended" not in kind)), python(FORKS)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([signal.SIGKILL], -signal.SIGKILL),
        ([signal.SIGTERM], 143),
        ([signal.SIGINT], 130),
        ([signal.SIGINT, signal.SIGINT], 130),
        ([signal.SIGTERM, signal.SIGKILL], -signal.SIGKILL),
    ],
    ids=lambda value: "-".join(one.name for one in value) if isinstance(value, list) else "",
)
def test_when_agentrun_is_ended_nothing_that_it_called_stays(tmp_path, mark, numbers, code):
    project(tmp_path, mark, EIGHT)
    with Started(tmp_path, "run", "a", "x", "--output", "jsonl", mark=mark) as started:
        started.wait_until_begun(len(EIGHT))
        for number in numbers:
            started.process.send_signal(number)
        out, _ = started.end(10)
    assert started.process.returncode == code
    if len(numbers) == 1 and code > 0:
        assert {one["type"] for one in results_of(out)} == {"interrupted"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_agentrun_is_ended_its_scripts_leave_no_file(tmp_path, mark, number):
    project(tmp_path, mark, [SLEEP] * 3)
    with Started(tmp_path, "run", "a", "x", mark=mark) as started:
        started.wait_until_begun(3)
        assert len(list(started.temporary.iterdir())) == 3
        started.process.send_signal(number)
        started.end(10)
        wait_for(lambda: not list(started.temporary.iterdir()), GONE_WITHIN_S)


@pytest.mark.slow
@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
def test_with_a_reader_that_left_the_run_ends_quietly_and_nothing_stays(tmp_path, mark, output):
    project(tmp_path, mark, EIGHT, timeout_s=2.0)
    with Started(tmp_path, "run", "a", "x", "--output", output, mark=mark) as started:
        started.wait_until_begun(1)
        started.process.stdout.close()
        err = started.process.stderr.read().decode()
        started.process.wait(20)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


# -- commands that say too much, or don't listen ------------------------------------------------------------------

SAYS = {
    "stdout": f"head -c {GIGABYTE} /dev/zero",
    "stderr": f"head -c {GIGABYTE} /dev/zero >&2",
    "both": f"head -c {GIGABYTE} /dev/zero & head -c {GIGABYTE} /dev/zero >&2; wait",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAYS)
def test_a_gigabyte_is_drained_and_not_held(tmp_path, mark, kind):
    (result,) = run(tmp_path, mark, shell(SAYS[kind]))
    if kind == "stderr":
        assert result == ""
    else:
        dropped = GIGABYTE - KEPT
        assert result.startswith("\0\0\0")
        assert result.endswith(f"\0\n[output cut here: {dropped:,} further bytes were dropped]")
        assert len(result) <= 16_000


@pytest.mark.slow
def test_eight_commands_with_a_gigabyte_each_of_both_at_once_are_drained_and_not_held(tmp_path, mark):
    results = run(tmp_path, mark, shell(*[SAYS["both"]] * 8))
    assert len(results) == 8
    assert all(result == results[0] and result.endswith("further bytes were dropped]") for result in results)


@pytest.mark.slow
def test_eight_commands_that_fail_after_much_output_are_not_held_until_the_turn_is_over(tmp_path, mark):
    program = (
        f"import sys; [one.buffer.write(('e' + '😀' * 8).encode() * {KEPT // 32}) for one in (sys.stdout, sys.stderr)]"
    )
    results = run(tmp_path, mark, [python(f"{program}; sys.exit(3)")] * 8)
    assert [(one["type"], one["exit_code"]) for one in results] == [("exit_code", 3)] * 8
    assert all("characters left out" in one["stdout"] and "characters left out" in one["stderr"] for one in results)


@pytest.mark.slow
def test_a_gigabyte_without_lines_that_is_no_text_is_shown_as_replaced(tmp_path, mark):
    (result,) = run(tmp_path, mark, shell(f"head -c {GIGABYTE} /dev/zero | tr '\\0' '\\377'"))
    assert result.startswith("\ufffd" * 1000)
    assert len(result) <= 16_000


@pytest.mark.slow
def test_a_character_that_the_cap_cuts_in_two_is_left_out(tmp_path, mark):
    program = f"import sys; sys.stdout.buffer.write(b'x' + '😀'.encode() * {KEPT // 4})"
    (result,) = run(tmp_path, mark, [python(program)])
    assert result.endswith("😀\n[output cut here: 1 further bytes were dropped]")
    assert "\ufffd" not in result


@pytest.mark.slow
def test_where_no_file_can_take_it_less_is_kept_and_all_else_is_counted(tmp_path, mark):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    (result,) = run(tmp_path, mark, shell(SAYS["stdout"]), preexec_fn=small_files)
    assert result.endswith(f"\n[output cut here: {GIGABYTE - 2_000_000:,} further bytes were dropped]")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("while :; do sleep 300; done", '{"error":{"type":"timeout","message":"no result after 1 s"}}'),
        ("exec <&-; while :; do sleep 300; done", '{"error":{"type":"timeout","message":"no result after 1 s"}}'),
        ("head -c 4; echo", "😀"),
        ("wc -c", str(4 * 1_048_000)),
    ],
)
def test_an_input_of_four_megabytes_that_is_not_read_is_not_waited_for(tmp_path, mark, script, said):
    tool = {
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
        "timeout": 1,
        "shell": {"command": ["sh", "-c", script, mark], "stdin": "{{ args.text }}", "env": {"MARK": mark}},
    }
    write_project(
        tmp_path, {"tools.d/read.yaml": json.dumps(tool), "args.json": json.dumps({"text": "😀" * 1_048_000})}
    )
    with Started(tmp_path, "tools", "call", "read", "--args", "@args.json", mark=mark) as started:
        out, err = started.end()
    assert (out.strip(), err) == (said, "")
