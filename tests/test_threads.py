"""Threads are used again, and one whose function does not return is missed by nobody."""

import asyncio
import contextvars
import subprocess
import sys
import textwrap
import threading
import time
from threading import get_ident

import pytest

from agentrun.tools.threads import MAX_IDLE, in_thread

LIMIT_S = 5.0


def eventually(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def idents(count):
    """The threads of so many functions that run at once."""
    barrier = threading.Barrier(count)

    def work():
        barrier.wait(LIMIT_S)
        return get_ident()

    async def all_at_once():
        return await asyncio.gather(*(in_thread(work) for _ in range(count)))

    return set(asyncio.run(all_at_once()))


def ours():
    return {one.ident for one in threading.enumerate() if one.name == "agentrun-python-tool"}


def test_each_of_many_at_once_has_a_thread_and_few_stay():
    assert len(idents(MAX_IDLE + 8)) == MAX_IDLE + 8
    eventually(lambda: len(ours()) <= MAX_IDLE)


def test_a_thread_takes_the_next_function_in_a_context_of_its_own():
    number = contextvars.ContextVar("number", default=0)

    def count():
        number.set(number.get() + 1)
        return number.get(), get_ident()

    async def one_after_the_other():
        number.set(7)
        return [await in_thread(count) for _ in range(3)], number.get()

    before = ours()
    counted, kept = asyncio.run(one_after_the_other())
    assert [one for one, _ in counted] == [8, 8, 8]
    assert kept == 7
    assert len(ours() - before) <= 1


def test_what_a_function_raises_is_raised_and_its_thread_goes_on():
    for error in (ValueError, SystemExit):
        with pytest.raises(error):
            asyncio.run(in_thread(lambda error=error: (_ for _ in ()).throw(error("so"))))
    assert asyncio.run(in_thread(lambda: "next")) == "next"


def test_a_function_that_returns_after_its_time_disturbs_nobody():
    hold = threading.Event()
    began = []
    failures = []

    def work():
        began.append(get_ident())
        hold.wait(LIMIT_S)

    async def given_up():
        async with asyncio.timeout(0.1):
            await in_thread(work)

    threading.excepthook, kept = failures.append, threading.excepthook
    try:
        with pytest.raises(TimeoutError):
            asyncio.run(given_up())
        assert asyncio.run(in_thread(get_ident)) != began[0]
        hold.set()
        eventually(lambda: began[0] in idents(len(ours())))
    finally:
        threading.excepthook = kept
    assert failures == []


def test_a_forked_process_has_threads_of_its_own():
    program = """
        import asyncio, os, threading
        from agentrun.tools.threads import in_thread

        asyncio.run(in_thread(threading.get_ident))
        child = os.fork()
        if not child:
            os._exit(asyncio.run(asyncio.wait_for(in_thread(lambda: 7), 5)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert (ran.stdout, ran.stderr) == ("7\n", "")
