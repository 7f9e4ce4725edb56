"""Sessions in a database: listed, found, read, renamed, copied, deleted. In SQLite and in Postgres."""

import threading
import time

import pytest

from agentrun.engine import events
from agentrun.errors import UsageError
from agentrun.secrets import Masker
from session_stores import (
    KINDS,
    Run,
    another,
    as_messages,
    environ_of_each,
    new_session,
    said_and_answered,
    store_of,
    text_of,
)

EACH = pytest.fixture(params=KINDS, name="environ")(environ_of_each)
STORE = pytest.fixture(name="store")(store_of)


def test_a_session_is_written_with_its_first_event_and_not_before(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    writer.change(speaker="billing", model="small")
    writer.sync()
    assert store.sessions() == []
    Run(writer, messages, "  where is\n my order?  ")
    [found] = store.sessions()
    assert found == writer.session
    assert (found.title, found.turns, found.speaker, found.model) == ("where is my order?", 1, "billing", "small")


def test_all_that_was_said_and_all_that_happened_is_read_again_by_another_process(store, environ):
    messages, told = [], []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(lambda event: (told.append(event), writer(event)), messages, "what is it?")
    run.turn(calls=[("c1", "look_up", '{"q":1}')], deltas=["let ", "me see"])
    run.tool("c1", result="42")
    run.results(c1="42")
    run.turn("it is 42")
    run.finish("it is 42")
    writer.close()
    with another(environ) as opened:
        [session] = opened.sessions()
        assert as_messages(opened.conversation(session.id)) == messages
        assert list(opened.events(session.id)) == told
        assert [line[:8] for line in opened.events_jsonl(session.id)] == [b'{"type":'] * len(told)
        assert all(line.endswith(b"}\n") for line in opened.events_jsonl(session.id))


def test_a_long_stream_of_pieces_is_kept_whole_and_small(store):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(writer, messages)
    pieces = [f"word{number} " for number in range(3000)]
    run.turn("".join(pieces), deltas=pieces)
    run.finish()
    read = [event.text for event in store.events(writer.session.id) if isinstance(event, events.TextDelta)]
    assert (writer.failure, read) == (None, pieces)


def test_the_last_changed_session_is_first_and_lists_are_of_an_agent_or_a_project(store):
    sessions = [
        said_and_answered(store, f"question {number}", "answer", agent=agent, root=root)
        for number, (agent, root) in enumerate([("a", "/x"), ("b", "/x"), ("a", "/y"), ("a", "/x")])
    ]
    ids = [one.id for one in sessions]
    assert [one.id for one in store.sessions()] == ids[::-1]
    assert [one.id for one in store.sessions(agent="a", limit=2)] == [ids[3], ids[2]]
    assert [one.id for one in store.sessions(root="/x")] == [ids[3], ids[1], ids[0]]
    assert [one.id for one in store.sessions(agent="a", root="/y")] == [ids[2]]
    assert (store.count(), store.count(agent="a"), store.count(root="/y"), store.count(agent="z")) == (4, 3, 1, 0)
    assert store.latest(root="/x", agent="a").id == ids[3]
    assert store.latest(root="/x", agent="z") is None


def test_a_session_is_found_by_the_beginning_of_its_id_that_no_other_has(store):
    for id in ("abcd000001", "abcd000002", "abce000003"):
        said_and_answered(store, "question", "answer", id=id)
    assert store.find("abcd000001").id == "abcd000001"
    assert store.find(" ABCE ").id == "abce000003"
    with pytest.raises(UsageError, match="several sessions begin with `abcd`: abcd000001, abcd000002"):
        store.find("abcd")
    with pytest.raises(UsageError, match="there is no session `beef`"):
        store.find("beef")
    with pytest.raises(UsageError, match="`abc` is too short"):
        store.find("abc")
    for hostile in ("%%%%", "____", "abcd'--", "\x1b[31mabcd", "ab\0cd"):
        with pytest.raises(UsageError, match="there is no session"):
            store.find(hostile)


def test_what_is_asked_of_a_session_that_is_not_there_is_refused(store):
    for ask in (store.conversation, store.events, store.events_jsonl, store.fork):
        with pytest.raises(UsageError, match="there is no session `0123456789`"):
            ask("0123456789")
    with pytest.raises(UsageError, match="there is no session"):
        store.rename("0123456789", "new")
    assert store.delete(["0123456789"]) == 0


def test_a_new_title_stays_also_where_the_session_is_being_written(store, environ):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(writer, messages, "question")
    with another(environ) as opened:
        opened.rename(writer.session.id, " the  tax\0return \n")
    run.turn("answer")
    run.finish()
    assert store.find(writer.session.id).title == "the tax\ufffdreturn"
    writer.change(title="another")
    assert store.find(writer.session.id).title == "another"


def test_a_copy_has_the_conversation_and_goes_its_own_way(store):
    first = said_and_answered(store, "question", "answer")
    copy = store.fork(first.id)
    assert (copy.forked_from, copy.title, copy.turns, copy.total_tokens) == (first.id, first.title, 1, 0)
    messages = as_messages(store.conversation(copy.id))
    writer = store.writer(copy, messages, Masker())
    run = Run(writer, messages, "and then?")
    run.turn("that")
    run.finish()
    writer.close()
    assert len(store.conversation(copy.id)) == 4
    assert text_of(store.conversation(first.id)) == [("user", "question"), ("assistant", "answer")]
    assert [one.id for one in store.sessions()] == [copy.id, first.id]


def test_a_session_that_is_open_can_be_copied_but_not_opened_again_or_deleted(store, environ):
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    Run(writer, messages, "question")
    free = said_and_answered(store, "other", "answer")
    for opened in (store, another(environ).__enter__()):
        with pytest.raises(UsageError, match=f"the session `{writer.session.id}` is open elsewhere"):
            opened.writer(opened.find(writer.session.id), [], Masker())
        with pytest.raises(UsageError, match=f"a session that is open can't be deleted: `{writer.session.id}`"):
            opened.delete([free.id, writer.session.id])
        assert opened.delete_older(time.time() + 60) in (1, 0)  # the one that is free, the first time
        assert opened.fork(writer.session.id).forked_from == writer.session.id
        opened.delete([one.id for one in opened.sessions() if one.forked_from])
    assert [one.id for one in store.sessions()] == [writer.session.id]
    writer.close()
    writer.close()
    again = store.writer(store.find(writer.session.id), as_messages(store.conversation(writer.session.id)), Masker())
    again.close()
    assert store.delete([writer.session.id]) == 1


def test_who_read_a_session_before_another_changed_it_reads_it_again_first(store):
    session = said_and_answered(store, "question", "answer")
    old = store.find(session.id)
    messages = as_messages(store.conversation(session.id))
    writer = store.writer(old, messages, Masker())
    Run(writer, messages, "more")
    writer.close()
    with pytest.raises(UsageError, match="was just changed elsewhere"):
        store.writer(old, messages, Masker())
    store.writer(store.find(session.id), messages, Masker()).close()  # the lock was let go of


def test_deleting_takes_everything_of_a_session_and_nothing_of_another(store):
    one, other = (said_and_answered(store, f"question {name}", "zebra") for name in ("one", "other"))
    assert store.delete([one.id, one.id]) == 1
    assert [found.session.id for found in store.search("zebra")] == [other.id]
    assert len(list(store.events(other.id))) == 4
    with store._open().reading() as connection:
        for name in ("agentrun_events", "agentrun_messages"):
            rows = connection.exec_driver_sql(f"SELECT DISTINCT session FROM {name}").scalars()
            assert list(rows) == [other.id]


def test_old_sessions_are_deleted_of_all_projects_or_of_one(store):
    for root in ("/x", "/y", "/x"):
        said_and_answered(store, "question", "answer", root=root)
    middle = time.time()
    young = said_and_answered(store, "question", "answer", root="/x")
    assert store.delete_older(middle, root="/x") == 2
    assert store.count() == 2
    assert store.delete_older(middle) == 1
    assert [one.id for one in store.sessions()] == [young.id]


def test_several_threads_may_ask_at_once(store):
    said_and_answered(store, "question", "answer")
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(store.count())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counts == [1] * 8
