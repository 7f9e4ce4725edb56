"""Real processes: what comes out of them, and that none is left."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

from agentrun.errors import ToolFailure
from agentrun.tools import process
from agentrun.tools.process import MAX_BYTES, run_process

ENV = {"PATH": os.environ["PATH"]}
linux = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and /proc")

# Each writes its process id to a file of its own, then sleeps for longer than any test waits.
CHILDREN = {
    "a grandchild": "sh -c 'echo $$ > grandchild; sleep 300; :' & ",
    "a daemon": "setsid sh -c 'echo $$ > daemon; sleep 300; :' & ",
    "a daemon without environment": "env -i setsid -f /bin/sh -c 'echo $$ > bare; /bin/sleep 300; :'; ",
    "a deaf child": "sh -c 'trap \"\" TERM; echo $$ > deaf; while :; do sleep 300; done' & ",
}


def run(argv, *, cwd=Path("/"), env=ENV, **options):
    return asyncio.run(run_process(argv, cwd=cwd, env=env, **options))


def failure(argv, **options):
    with pytest.raises(ToolFailure) as caught:
        run(argv, **options)
    return caught.value


def is_gone(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


def has_ended(pid):
    """Gone, or a zombie that only the system's first process has yet to take note of."""
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not status.strip() or status.startswith("Z")


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def written_pids(folder, count):
    def read():
        return [int(text) for file in folder.iterdir() if (text := file.read_text().strip())]

    wait_for(lambda: len(read()) == count)
    return read()


async def cancelled_once_started(argv, folder, count):
    task = asyncio.create_task(run_process(argv, cwd=folder, env=ENV))
    pids = await asyncio.to_thread(written_pids, folder, count)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return pids, time.monotonic() - started


# -- what comes out


def test_output_error_output_and_exit_code_come_back():
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.exit_code, done.stdout, done.stderr, done.signal) == (3, b"out\n", b"err\n", None)


def test_a_signal_is_reported_as_a_shell_does():
    done = run(["sh", "-c", "kill -SEGV $$"])
    assert (done.exit_code, done.signal) == (139, "SIGSEGV")


def test_input_arrives_byte_for_byte_and_output_meanwhile():
    data = bytes(range(256)) * 20_000
    assert run(["cat"], stdin=data).stdout == data


def test_a_command_that_never_reads_its_input_is_not_waited_for():
    assert run(["true"], stdin=b"x" * 5_000_000).exit_code == 0


def test_without_input_a_command_reads_the_end_at_once():
    assert run(["cat"]).stdout == b""


def test_huge_output_is_drained_counted_and_not_held():
    program = f"""
        import asyncio, pathlib, resource
        from agentrun.tools.process import run_process

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        async def main():
            before = peak()
            script = "head -c 200000000 /dev/zero; head -c 20000000 /dev/zero >&2"
            done = await run_process(["sh", "-c", script], cwd=pathlib.Path("/"), env={ENV!r})
            print(len(done.stdout), done.stdout_dropped, len(done.stderr), done.stderr_dropped, peak() - before)

        asyncio.run(main())
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True, timeout=30)
    *counts, grown = map(int, ran.stdout.split())
    assert counts == [MAX_BYTES, 200_000_000 - MAX_BYTES, MAX_BYTES, 20_000_000 - MAX_BYTES]
    grown_bytes = grown * (1024 if sys.platform == "linux" else 1)
    assert grown_bytes < 5 * MAX_BYTES


def test_a_limit_keeps_the_first_bytes():
    done = run(["printf", "abcdef"], max_bytes=4)
    assert (done.stdout, done.stdout_dropped) == (b"abcd", 2)


def test_calls_run_side_by_side():
    async def eight():
        return await asyncio.gather(*(run_process(["sleep", "0.3"], cwd=Path("/"), env=ENV) for _ in range(8)))

    started = time.monotonic()
    assert [done.exit_code for done in asyncio.run(eight())] == [0] * 8
    assert time.monotonic() - started < 1.5


def test_calls_work_in_event_loops_of_several_threads():
    async def several():
        calls = (asyncio.to_thread(run, ["printf", str(number)]) for number in range(6))
        return [done.stdout for done in await asyncio.gather(*calls)]

    assert asyncio.run(several()) == [str(number).encode() for number in range(6)]


# -- what it starts with


def test_the_environment_is_exactly_what_was_given():
    done = run(["env"], env={"PATH": ENV["PATH"], "A": "ä b"})
    assert sorted(done.stdout.decode().splitlines()) == ["A=ä b", f"PATH={ENV['PATH']}"]


def test_the_working_directory_is_the_one_that_was_given(tmp_path):
    assert run(["pwd"], cwd=tmp_path).stdout.decode().strip() == str(tmp_path.resolve())


@linux
def test_a_command_inherits_three_files_default_signals_and_no_core_dumps():
    assert run(["ls", "/proc/self/fd"]).stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is the listed folder
    status = run(["cat", "/proc/self/status"]).stdout.decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        assert not int(fields["SigIgn"], 16) & 1 << (number - 1)
    assert int(fields["SigBlk"], 16) == 0
    assert run(["sh", "-c", "ulimit -c"]).stdout == b"0\n"


def test_a_program_is_found_in_the_path_of_its_own_environment(tmp_path):
    tool = tmp_path / "bin" / "mytool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    assert run(["mytool"], env={"PATH": f"/nowhere:{tool.parent}"}).stdout == b"mine\n"
    assert run(["./bin/mytool"], cwd=tmp_path).stdout == b"mine\n"


# -- what can't start


def test_a_command_that_is_not_installed_is_named():
    failed = failure(["no-such-command-here", "x"])
    assert failed.type == "exit_code"
    assert failed.details == {"exit_code": 127}
    assert failed.message == "the command `no-such-command-here` is not installed (not found in PATH)"


def test_a_command_that_may_not_be_run_is_named(tmp_path):
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    for program, options in (("./plain", {}), ("plain", {"env": {"PATH": str(tmp_path)}})):
        failed = failure([program], cwd=tmp_path, **options)
        assert failed.details == {"exit_code": 126}
        assert failed.message == f"the command `{program}` is not executable (permission denied)"


def test_a_missing_path_a_missing_interpreter_and_no_program_at_all_are_told_apart(tmp_path):
    for name, text in (("no_interpreter", "#!/no/such/interpreter\n"), ("nothing", "just text\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    assert "`./missing` does not exist" in failure(["./missing"], cwd=tmp_path).message
    assert "the interpreter that its first line names" in failure(["./no_interpreter"], cwd=tmp_path).message
    assert "neither a program for this system" in failure(["./nothing"], cwd=tmp_path).message


def test_a_missing_working_directory_is_named(tmp_path):
    failed = failure(["true"], cwd=tmp_path / "gone")
    assert failed.message == f"the working directory `{tmp_path / 'gone'}` can't be entered: No such file or directory"


def test_arguments_that_are_too_large_together_are_refused():
    failed = failure(["true", *["x" * 100_000] * 200])
    assert failed.type == "invalid_arguments"
    assert "too large together" in failed.message


# -- how it ends


def test_a_cancelled_call_ends_at_once_when_the_command_heeds_sigterm(tmp_path):
    pids, took_s = asyncio.run(cancelled_once_started(["sh", "-c", "echo $$ > pid; exec sleep 300"], tmp_path, 1))
    assert took_s < 1.9
    assert all(map(is_gone, pids))


@pytest.mark.parametrize("kind", ["a grandchild", pytest.param("a daemon", marks=linux)])
def test_a_cancelled_call_takes_what_the_command_started_with_it(tmp_path, kind):
    argv = ["sh", "-c", CHILDREN[kind] + "sleep 300"]
    pids, took_s = asyncio.run(cancelled_once_started(argv, tmp_path, 1))
    assert took_s < 1.9
    assert all(map(is_gone, pids))


@linux
def test_two_seconds_after_sigterm_nothing_is_left(tmp_path):
    script = "trap '' TERM; echo $$ > main; " + "".join(CHILDREN.values()) + "while :; do sleep 300; done"
    pids, took_s = asyncio.run(cancelled_once_started(["sh", "-c", script], tmp_path, 1 + len(CHILDREN)))
    assert 2 <= took_s < 3.9
    assert all(map(is_gone, pids))


def test_a_command_may_clean_up_after_sigterm(tmp_path):
    script = "trap 'echo done > cleaned; exit' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    asyncio.run(cancelled_once_started(["sh", "-c", script], tmp_path, 1))
    assert (tmp_path / "cleaned").read_text() == "done\n"


def test_a_time_limit_is_the_callers():
    async def limited():
        async with asyncio.timeout(0.2):
            await run_process(["sleep", "300"], cwd=Path("/"), env=ENV)

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(limited())
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "kind",
    ["a grandchild", pytest.param("a daemon", marks=linux), pytest.param("a daemon without environment", marks=linux)],
)
def test_what_a_finished_command_left_running_is_ended_and_not_waited_for(tmp_path, kind):
    started = time.monotonic()
    wait_for_child = "while ! [ -s * ]; do sleep 0.01; done; echo result"
    done = run(["sh", "-c", CHILDREN[kind] + wait_for_child], cwd=tmp_path)
    assert (done.exit_code, done.stdout) == (0, b"result\n")
    assert time.monotonic() - started < 2
    assert all(map(is_gone, written_pids(tmp_path, 1)))


def test_a_background_process_may_finish_its_output():
    assert run(["sh", "-c", "(sleep 0.05; echo late) & echo early"]).stdout == b"early\nlate\n"


@linux
@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_when_agentrun_is_killed_nothing_it_started_survives(tmp_path, kill):
    script = "echo $$ > main; " + "".join(CHILDREN.values()) + "sleep 300"
    program = f"""
        import asyncio, pathlib
        from agentrun.tools.process import run_process
        asyncio.run(run_process(["sh", "-c", {script!r}], cwd=pathlib.Path({str(tmp_path)!r}), env={ENV!r}))
    """
    agentrun = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], start_new_session=True)
    try:
        pids = written_pids(tmp_path, 1 + len(CHILDREN))
    finally:
        helpers = descendants(agentrun.pid)
        kill(agentrun.pid, signal.SIGKILL)
        agentrun.wait(5)
    assert len(helpers) > len(pids)  # the launcher and the supervisor too
    wait_for(lambda: all(map(has_ended, [*pids, *helpers])), 3)


def descendants(pid):
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@linux
def test_nothing_stays_open_and_no_zombie_stays(tmp_path):
    async def calls():
        for argv in (["true"], ["no-such-command-here"], ["sh", "-c", "(sleep 0.01 &) ; (setsid sleep 0.02 &)"]):
            with suppress(ToolFailure):
                await run_process(argv, cwd=tmp_path, env=ENV, stdin=b"x")
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await run_process(["sleep", "300"], cwd=tmp_path, env=ENV, stdin=b"x" * 1_000_000)

    asyncio.run(calls())
    files, below = open_files(), descendants(os.getpid())
    for _ in range(3):
        asyncio.run(calls())
    assert open_files() == files
    wait_for(lambda: len(descendants(os.getpid())) <= len(below))


def test_a_call_that_is_cancelled_while_it_starts_is_ended_too(tmp_path):
    async def cancelled():
        task = asyncio.create_task(run_process(["sh", "-c", "sleep 0.2; echo > ran"], cwd=tmp_path, env=ENV))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert list(tmp_path.iterdir()) == []


def test_a_launcher_that_was_ended_from_outside_is_replaced():
    assert run(["true"]).exit_code == 0
    launcher = process._launchers[os.getpid()]._process
    launcher.kill()
    launcher.wait(5)
    assert run(["echo", "again"]).stdout == b"again\n"


@linux
def test_a_supervisor_that_was_killed_is_reported():
    failed = failure(["sh", "-c", "kill -9 $PPID; exit"])
    assert (failed.type, "was lost" in failed.message) == ("internal", True)
