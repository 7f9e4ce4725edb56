"""The writer of a session: what it writes when, what it counts, and what becomes of it when writing fails."""

import asyncio
import sqlite3
import time

import pytest

from agentrun.engine import events
from agentrun.engine.conversation import correction
from agentrun.engine.messages import Message, Usage
from agentrun.errors import StoreError
from agentrun.secrets import Masker
from agentrun.sessions.store import open_store
from session_stores import (
    KINDS,
    Run,
    another,
    as_messages,
    call,
    environ_of,
    environ_of_each,
    new_session,
    postgres_server,
    said_and_answered,
    sql,
    store_of,
    text_of,
)

EACH = pytest.fixture(params=KINDS, name="environ")(environ_of_each)
STORE = pytest.fixture(name="store")(store_of)


@pytest.fixture
def sqlite(tmp_path):
    """A store in a file, and the file."""
    store = open_store(environ_of("sqlite", tmp_path))
    yield store, tmp_path / "state/agentrun/sessions.db"
    store.close()


def rows_of(store, session):
    """The messages of a session with the numbers of their rows: a row that is written again has another."""
    query = f"SELECT position, id, text FROM agentrun_messages WHERE session = '{session.id}' ORDER BY position"
    with store._open().reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def finished(writer, messages, question="question", answer="answer"):
    run = Run(writer, messages, question)
    run.turn(answer)
    run.finish(answer)


def test_only_the_end_of_the_messages_that_changed_is_written_again(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    finished(writer, messages, "one", "first")
    finished(writer, messages, "two", "second")
    before = rows_of(store, writer.session)
    messages[3:] = [Message({"role": "assistant", "content": "better"})]
    writer.sync()
    after = rows_of(store, writer.session)
    assert (after[:3], [row[2] for row in after]) == (before[:3], ["one", "first", "two", "better"])
    del messages[1:]
    writer.sync()
    assert rows_of(store, writer.session) == before[:1]


def test_a_session_that_is_taken_up_again_is_not_written_again(store):
    session = said_and_answered(store, "question", "answer")
    before = rows_of(store, session)
    messages = as_messages(store.conversation(session.id))
    writer = store.writer(store.find(session.id), messages, Masker())
    writer.sync()
    writer.close()
    assert (rows_of(store, session), store.find(session.id)) == (before, session)
    writer = store.writer(session, messages, Masker())
    finished(writer, messages, "more")
    assert rows_of(store, session)[:2] == before


def test_what_is_taken_back_is_taken_from_the_turns_and_what_is_summed_up_is_not(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    for _ in range(3):
        finished(writer, messages)
    del messages[4:]
    writer.sync()
    writer.sync()
    assert store.find(writer.session.id).turns == 2
    messages[:] = [Message({"role": "user", "content": "in short"})]
    writer.sync()
    assert store.find(writer.session.id).turns == 2


def test_an_exchange_that_is_taken_back_is_one_turn_whatever_the_loop_said_in_it(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    finished(writer, messages)
    run = Run(writer, messages)
    run.turn("Woof")
    messages.append(correction("it is no JSON"))
    run.turn("{}")
    run.finish("{}")
    del messages[2:]
    writer.sync()
    assert store.find(writer.session.id).turns == 1


def test_pieces_of_a_text_wait_for_each_other_and_everything_else_is_written_at_once(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(writer, messages)

    def kept():
        return len(list(store.events(writer.session.id)))

    run.emit(events.TurnStarted, turn=1)
    assert kept() == 2
    for _ in range(20):
        run.emit(events.TextDelta, text="a")
    waiting = kept()
    assert waiting < 22
    until = time.monotonic() + 10
    while kept() == waiting and time.monotonic() < until:
        run.emit(events.TextDelta, text="b")
    assert kept() > waiting
    run.turn("ab")
    assert kept() == run.seq


def test_pieces_are_written_though_nothing_comes_after_them(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())

    def kept():
        return [one.text for one in store.events(writer.session.id) if isinstance(one, events.TextDelta)]

    async def stalled():
        run = Run(writer, messages)
        run.emit(events.TurnStarted, turn=1)
        run.emit(events.TextDelta, text="a")
        run.emit(events.TextDelta, text="b")
        async with asyncio.timeout(20):
            while kept() != ["a", "b"]:
                await asyncio.sleep(0.02)
        return run

    run = asyncio.run(stalled())
    run.turn("ab")
    assert kept() == ["a", "b"]
    assert len(list(store.events(writer.session.id))) == run.seq


def test_tokens_and_cost_are_those_of_turns_until_the_run_tells_the_whole(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(writer, messages)

    def spent():
        found = store.find(writer.session.id)
        return found.total_tokens, found.cost_usd

    run.turn(calls=[("c1", "ask", "{}")])
    assert spent() == (15, None)
    child = Run(writer, [], "aside", parent=run.id)
    child.turn("aside", usage=Usage(1, 1, 2), cost=0.5)
    child.finish(usage=Usage(1, 1, 2), cost=0.5)
    assert spent() == (17, 0.5)
    run.turn("done", usage=None)
    run.finish(usage=Usage(20, 10, 40), cost=0.75)  # with a summary, which was no turn
    assert spent() == (40, 0.75)
    finished(writer, messages)
    assert spent() == (55, 0.75)
    run.emit(events.Compacted, dropped_messages=2, usage=Usage(1, 1, 5), cost_usd=0.25)
    assert (spent(), writer.session.turns) == ((60, 1.0), 2)


def test_who_took_over_speaks(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(writer, messages)
    run.emit(events.HandedOff, agent="billing")
    child = Run(writer, [], parent=run.id)
    child.emit(events.HandedOff, agent="nobody")
    assert (store.find(writer.session.id).speaker, store.find(writer.session.id).agent) == ("billing", "support")


def test_secrets_are_kept_nowhere(sqlite):
    store, file = sqlite
    secret = "sk-" + "q7" * 10
    messages = []
    session = new_session(store, arguments={"key": secret}, title=f"about {secret}", model=f"m {secret}")
    writer = store.writer(session, messages, Masker([secret]))
    messages.append(Message({"role": "system", "content": f"use {secret}"}))
    run = Run(writer, messages, "hello")
    run.turn(calls=[("c1", "look_up", f'{{"key":"{secret}"}}')], append=False)
    messages.append(Message({"role": "assistant", "tool_calls": [call("c1", "f", f'{{"key":"{secret}"}}')]}))
    run.results(c1=f"found {secret}")
    writer.sync()
    writer.change(title=f"again {secret}")
    writer.close()
    found = store.find(writer.session.id)
    assert (found.title, found.model, found.arguments) == ("again [secret]", "m [secret]", {"key": "[secret]"})
    # The event of the turn is masked where it is told, by the engine: only it holds the secret here.
    with sqlite3.connect(file) as connection:
        texts = connection.execute("SELECT data, text FROM agentrun_messages").fetchall()
    assert secret not in str(texts) and "[secret]" in str(texts)


def test_text_that_databases_refuse_is_kept_as_far_as_it_goes(store):
    text = "nul \0 here, \u2028, \U0001f600, e\u0301"
    session = said_and_answered(store, text, text, title="t\0\ud800", root="/p/\udcff")
    assert text_of(store.conversation(session.id)) == [("user", text), ("assistant", text)]
    assert store.find(session.id).title == "t\ufffd?"
    assert store.latest(root="/p/\udcff", agent="support").id == session.id
    assert len(store.search("here")) == 1


def test_a_failure_stops_the_writing_and_trying_again_writes_everything_once(sqlite):
    store, file = sqlite
    messages, told = [], []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(lambda event: (told.append(event), writer(event)), messages, "question")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run.emit(events.TurnStarted, turn=1)
    assert writer.failure.message == f"the sessions in {file} are locked by another program"
    assert writer.failure.help == "try again when the other program is done"
    run.turn("answer", deltas=["ans", "wer"])
    run.finish("answer")
    other.execute("COMMIT")
    other.close()
    writer.change(title="new")
    assert len(list(store.events(writer.session.id))) == 1  # it is not tried again by itself
    writer.retry()
    assert (writer.failure, list(store.events(writer.session.id))) == (None, told)
    assert text_of(store.conversation(writer.session.id)) == [("user", "question"), ("assistant", "answer")]
    assert store.find(writer.session.id) == writer.session
    writer.retry()
    assert list(store.events(writer.session.id)) == told


def test_trying_again_fails_as_long_as_the_cause_lasts(sqlite):
    store, file = sqlite
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    Run(writer, messages, "question")
    with pytest.raises(StoreError, match="are locked by another program"):
        writer.retry()
    assert writer.failure is not None
    other.execute("COMMIT")
    other.close()
    writer.retry()
    assert store.find(writer.session.id).title == "question"


def test_what_was_written_though_it_seemed_to_fail_is_not_written_twice(store):
    messages, told = [], []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(lambda event: (told.append(event), writer(event)), messages, "question")
    writing = store._open().writing

    def break_after_the_commit():
        class Broken:
            def __enter__(self):
                self.inner = writing()
                return self.inner.__enter__()

            def __exit__(self, *error):
                self.inner.__exit__(*error)
                raise StoreError("the connection broke")

        return Broken()

    store._open().writing = break_after_the_commit
    run.emit(events.TurnStarted, turn=1)
    store._open().writing = writing
    assert writer.failure.message == "the connection broke"
    run.turn("answer")
    writer.retry()
    assert list(store.events(writer.session.id)) == told


def test_a_file_that_was_deleted_meanwhile_is_noticed_and_begun_anew(sqlite):
    store, file = sqlite
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    finished(writer, messages)
    for one in file.parent.glob("sessions.db*"):
        one.unlink()
    finished(writer, messages, "more")
    assert writer.failure.message == f"{file} was removed or replaced while it was open"
    writer.retry()
    assert len(store.conversation(writer.session.id)) == 4
    assert store.find(writer.session.id) == writer.session


def test_a_session_that_vanished_from_the_database_is_noticed_and_written_whole(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    finished(writer, messages)
    with store._open().writing() as connection:
        connection.exec_driver_sql("DELETE FROM agentrun_sessions")
    finished(writer, messages, "more")
    assert writer.failure.message == f"the session `{writer.session.id}` is no longer in {store.where}"
    writer.retry()
    assert len(store.conversation(writer.session.id)) == 4


def test_an_event_that_can_not_be_encoded_is_a_failure_and_no_exception(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(writer, messages)
    run.emit(events.ToolStarted, call_id="c", name="f", arguments={"bad": object()})
    assert "can't be written: TypeError" in writer.failure.message
    writer.retry()
    run.emit(events.TurnStarted, turn=1)
    assert (writer.failure, len(list(store.events(writer.session.id)))) == (None, 2)


def test_a_server_that_drops_the_connections_is_noticed_and_trying_again_goes_on(tmp_path):
    environ = environ_of("postgres", tmp_path)
    store = open_store(environ)
    messages, told = [], []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(lambda event: (told.append(event), writer(event)), messages, "question")
    database = store.where.split("/")[3].split("?")[0]
    drop = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    sql(postgres_server(), "postgres", drop)
    run.turn("answer")
    run.finish()
    if writer.failure is not None:  # a connection that is found broken before it is used is replaced
        writer.retry()
    writer.retry()  # holds the lock again
    assert list(store.events(writer.session.id)) == told
    with another(environ) as opened, pytest.raises(Exception, match="open elsewhere"):
        opened.writer(opened.find(writer.session.id), [], Masker())
    store.close()
