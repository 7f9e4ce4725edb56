"""Stores of sessions for tests: in a file of SQLite, and in a Postgres that is started for the test run.

A test module makes fixtures of them: `EACH = pytest.fixture(params=KINDS, name="environ")(environ_of_each)` and
`STORE = pytest.fixture(name="store")(store_of)`.
"""

import atexit
import contextlib
import functools
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from agentrun.engine import events
from agentrun.engine.messages import Message, Usage
from agentrun.secrets import Masker
from agentrun.sessions.session import Session, new_id
from agentrun.sessions.store import open_store

KINDS = ["sqlite", "postgres"]
TOOK = Usage(10, 5, 15)


def program(name):
    """A program of Postgres; distributions keep some of them out of PATH."""
    found = shutil.which(name) or next(
        iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    return found and str(Path(found).resolve())


@functools.cache
def postgres_server():
    """The folder of the socket of a server that lives as long as the test run; None where there is no Postgres.

    Postgres refuses to run as root. `guarded` is a user who needs the password `right-password`.
    """
    if not (program("initdb") and program("postgres")):
        return None
    as_user = {}
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    options = ["--username=tester", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    subprocess.run(
        [program("initdb"), "--pgdata", folder / "data", *options],
        check=True,
        capture_output=True,
        env=clean,
        cwd=folder,
        timeout=60,
        **as_user,
    )
    rules = folder / "data/pg_hba.conf"
    rules.write_text("local all guarded scram-sha-256\n" + rules.read_text())
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off", "shared_buffers": "16MB"}
    server = subprocess.Popen(
        [program("postgres"), "-D", folder / "data", *(f"--{name}={value}" for name, value in settings.items())],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        env=clean,
        cwd=folder,
        **as_user,
    )
    atexit.register(server.wait, 30)
    atexit.register(server.send_signal, signal.SIGINT)
    until = time.monotonic() + 30
    while True:
        try:
            sql(folder, "postgres", "CREATE ROLE guarded LOGIN PASSWORD 'right-password'")
        except Exception:
            if time.monotonic() > until or server.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return folder


def sql(folder, database, *statements):
    """The rows of the last statement."""
    import psycopg

    with psycopg.connect(f"host={folder} user=tester dbname={database}", autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def environ_of(kind, tmp_path):
    """The environment of a store that holds nothing yet."""
    if kind == "sqlite":
        return {"XDG_STATE_HOME": str(tmp_path / "state")}
    folder = postgres_server()
    if folder is None:
        pytest.skip("there is no Postgres on this machine")
    name = f"t{secrets.token_hex(6)}"
    sql(folder, "postgres", f"CREATE DATABASE {name}")
    return {"AGENTRUN_DATABASE_URL": f"postgresql://tester@/{name}?host={folder}"}


def environ_of_each(request, tmp_path):
    return environ_of(request.param, tmp_path)


def store_of(environ):
    with contextlib.closing(open_store(environ)) as opened:
        yield opened


@contextlib.contextmanager
def another(environ):
    """The same sessions, as another process sees them."""
    with contextlib.closing(open_store(environ)) as opened:
        yield opened


def new_session(store, **given):
    now = time.time()
    about = {"agent": "support", "path": "/p/agents/support.yaml", "root": "/p", "speaker": "support"}
    return Session(**{"id": new_id(), "created": now, "changed": now, **about, **given})


def as_messages(conversation):
    return [Message(data) for data in conversation]


def text_of(conversation):
    return [(one["role"], one.get("content")) for one in conversation]


class Run:
    """What the loop does in a run, told to a writer step by step: messages grow and events are emitted in its order."""

    def __init__(self, writer, messages, text="hello", *, id=None, parent=None):
        self.writer, self.messages, self.id = writer, messages, id or secrets.token_hex(8)
        self.seq, self.parent = 0, parent
        self.messages.append(Message({"role": "user", "content": text}))
        self.emit(events.RunStarted, agent="support", model="m", args={}, input=text)

    def emit(self, kind, **fields):
        self.seq += 1
        envelope = {"run_id": self.id, "seq": self.seq, "time": time.time()}
        if self.parent:
            envelope["parent_run_id"] = self.parent
        self.writer(kind(**envelope, **fields))

    def turn(self, text="", calls=(), *, append=True, usage=TOOK, cost=None, deltas=()):
        self.emit(events.TurnStarted, turn=1)
        for piece in deltas:
            self.emit(events.TextDelta, text=piece)
        message = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [call(id, name, arguments) for id, name, arguments in calls]
        reason = "tool_calls" if calls else "stop"
        self.emit(events.TurnFinished, turn=1, message=message, finish_reason=reason, usage=usage, cost_usd=cost)
        if append:
            self.messages.append(Message(message))

    def tool(self, id, name="look_up", result="found"):
        self.emit(events.ToolStarted, call_id=id, name=name, arguments={})
        self.emit(events.ToolFinished, call_id=id, name=name, result=result, is_error=False, duration_s=0.1)

    def results(self, **results):
        for id, content in results.items():
            self.messages.append(Message({"role": "tool", "tool_call_id": id, "content": content}))

    def finish(self, text="", usage=TOOK, cost=None):
        self.emit(events.RunFinished, reason="answered", text=text, output=None, usage=usage, cost_usd=cost, error=None)


def call(id, name="look_up", arguments="{}"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def said_and_answered(store, question, answer, **given):
    """A session with one finished run."""
    messages = []
    writer = store.writer(new_session(store, **given), messages, Masker())
    run = Run(writer, messages, question)
    run.turn(answer)
    run.finish(answer)
    writer.close()
    assert writer.failure is None
    return writer.session


def many_sessions(environ, count, words):
    """Fills a store by the shortest way: sessions of ten messages each, made of `words`."""
    from sqlalchemy import insert

    from agentrun.sessions import tables
    from agentrun.sessions.rows import columns_of, message_columns

    store = open_store(environ)
    database = store._open()
    roles = ["user", "assistant"]
    for start in range(0, count, 1000):
        sessions, messages = [], []
        for number in range(start, min(count, start + 1000)):
            session = Session(
                id=f"{number * 7919 % 2**40:010x}",
                agent=f"agent{number % 5}",
                path="/p/a.yaml",
                root=f"/p{number % 20}",
                speaker="a",
                title=f"session {number}",
                created=float(number),
                changed=float(number),
                turns=5,
            )
            sessions.append(columns_of(session))
            for position in range(10):
                text = " ".join(
                    words[(number * 31 + position * 17 + step * (position + 3)) % len(words)] for step in range(60)
                )
                data = json.dumps({"role": roles[position % 2], "content": text})
                messages.append({"session": session.id, "position": position, **message_columns(data)})
        with database.writing() as connection:
            connection.execute(insert(tables.sessions), sessions)
            connection.execute(insert(tables.messages), messages)
    store.close()
