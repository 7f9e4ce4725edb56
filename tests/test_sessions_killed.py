"""Sessions whose process is killed at any moment, and many processes that write one database at once."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from agentrun.engine import events
from agentrun.engine.loop import run
from agentrun.errors import UsageError
from agentrun.models.history import repair
from agentrun.secrets import Masker
from agentrun.sessions.store import open_store
from session_stores import KINDS, Run, another, as_messages, environ_of, environ_of_each, new_session
from session_worker import agent, talk, type_of

EACH = pytest.fixture(params=KINDS, name="environ")(environ_of_each)
WORKER = Path(__file__).with_name("session_worker.py")
WAIT_S = 50
ID = "abcdef0000"


def forked(work):
    """Runs a function in a fork of this process. Its id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - nothing of the test may go on here
            os.write(2, f"in the process: {error!r}\n".encode())
            os._exit(1)
    return pid


def status_of(pid):
    """Negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def started(environ, prefix, runs, *more):
    command = [sys.executable, WORKER, json.dumps(environ), prefix, str(runs), *more]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def goes_on(store, id):
    """The session opens again, and another run ends well in it."""
    messages = as_messages(store.conversation(id))
    writer = store.writer(store.find(id), messages, Masker())
    asyncio.run(run(agent(), text="and now?", messages=messages, emit=writer))
    writer.close()
    assert writer.failure is None
    assert store.conversation(id) == [dict(message.data) for message in messages]
    last = list(store.events(id))
    begun = [one.run_id for one in last if isinstance(one, events.RunStarted)]
    ended = [one.run_id for one in last if isinstance(one, events.RunFinished)]
    assert sorted(begun) == sorted(ended)  # also the run that was killed has an end


def holds(store, id):
    """What finished by the events is in the conversation, which is valid."""
    kept = list(store.events(id))
    history = as_messages(store.conversation(id))
    assert repair(history) is history
    said = [one.data for one in history if one.role == "assistant"]
    for one in kept:
        if isinstance(one, events.TurnFinished):
            assert one.message in said
        if isinstance(one, events.ToolFinished):
            assert one.result in [message.data.get("content") for message in history]


def lasting(kinds):
    """What is written at once: pieces of a text wait for each other."""
    return [kind for kind in kinds if not kind.endswith("_delta")]


@pytest.mark.slow
def test_killed_at_each_statement_nothing_finished_is_lost_and_the_session_goes_on(tmp_path):
    read, write = os.pipe()

    def talk_until(environ, moment):
        count = 0

        def one_more(*_):
            nonlocal count
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", one_more)
        event.listen(Engine, "commit", one_more)
        talk(environ, ID, 1, lambda told: os.write(write, type_of(told).encode() + b"\n"))

    for moment in range(1, 1000):
        environ = environ_of("sqlite", tmp_path / str(moment))
        status = status_of(forked(partial(talk_until, environ, moment)))
        os.write(write, b"\n")
        told = os.read(read, 1 << 16).decode().split()
        store = open_store(environ)
        assert store.count() or not told
        if store.count():
            kept = [type_of(one) for one in store.events(ID)]
            assert lasting(kept)[: len(lasting(told))] == lasting(told)
            holds(store, ID)
            if moment % 5 == 0:
                goes_on(store, ID)
        store.close()
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert (moment > 60, told[-1]) == (True, "run_finished")


@pytest.mark.slow
def test_killed_at_random_moments_nothing_finished_is_lost_and_the_session_goes_on(environ):
    randomly = random.Random(7)
    for number in range(4):
        worker = started(environ, f"abcd{number:02d}", 0)
        said = [worker.stdout.readline() for _ in range(randomly.randrange(1, 60))]
        time.sleep(randomly.random() / 50)  # anywhere in the middle of an event
        worker.kill()
        said += worker.stdout.readlines()
        worker.communicate(timeout=WAIT_S)
        told = {}
        for line in said:
            if line.endswith("\n"):
                session, kind = line.split()
                told.setdefault(session, []).append(kind)
        store = open_store(environ)
        for session, kinds in told.items():
            kept = [type_of(one) for one in store.events(session)]
            assert lasting(kept)[: len(lasting(kinds))] == lasting(kinds)
            holds(store, session)
        until = time.monotonic() + WAIT_S
        while not is_free(store, max(told)):  # a server notices some moments later
            assert time.monotonic() < until
            time.sleep(0.02)
        goes_on(store, max(told))
        store.close()


def is_free(store, id):
    try:
        store.writer(store.find(id), as_messages(store.conversation(id)), Masker()).close()
    except UsageError as error:
        assert "open elsewhere" in error.message
        return False
    return True


@pytest.mark.slow
def test_eight_processes_that_begin_at_once_write_one_database(environ):
    workers = [started(environ, f"abcd{number:02d}", 4, "wait") for number in range(8)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    ends = [(*worker.communicate(timeout=WAIT_S), worker.returncode) for worker in workers]
    assert [(err, code) for _, err, code in ends] == [("", 0)] * 8
    store = open_store(environ)
    assert store.count() == 32
    for session in store.sessions():
        assert (session.turns, len(store.conversation(session.id))) == (2, 10)
        holds(store, session.id)
    assert len(store.search("found word", limit=100)) == 0  # never in one message
    assert len(store.search("found it", limit=100)) == 32
    store.close()


def test_a_lock_ends_with_its_process(tmp_path):
    environ = environ_of("sqlite", tmp_path)
    store = open_store(environ)
    messages = []
    read, write = os.pipe()

    def hold():
        with another(environ) as opened:
            Run(opened.writer(new_session(opened, id=ID), messages, Masker()), messages)
            os.write(write, b"held")
            signal.pause()

    pid = forked(hold)
    assert os.read(read, 4) == b"held"
    assert not is_free(store, ID)
    os.kill(pid, signal.SIGKILL)
    assert status_of(pid) == -signal.SIGKILL
    assert is_free(store, ID)
    store.close()
