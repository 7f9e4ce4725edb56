"""Sessions found by what was said in them, in both kinds of database; and what indexes the queries use."""

import os
import re
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.engine.messages import Message
from agentrun.secrets import Masker
from agentrun.sessions.address import address
from agentrun.sessions.asking import asking_file
from agentrun.sessions.lookup import Wanted, found_by, listed
from agentrun.sessions.said import said
from agentrun.sessions.words import Words
from session_stores import (
    KINDS,
    another,
    environ_of,
    environ_of_each,
    many_sessions,
    new_session,
    said_and_answered,
    store_of,
)

EACH = pytest.fixture(params=KINDS, name="environ")(environ_of_each)
STORE = pytest.fixture(name="store")(store_of)


def found(store, words, **wanted):
    return [one.session.id for one in store.search(words, **wanted)]


def marked(one):
    """The words of a snippet that are marked."""
    return [one.snippet[start:end] for start, end in one.marks]


def test_every_word_must_occur_in_one_message_and_the_last_one_may_be_a_beginning(store):
    first = said_and_answered(store, "Where is my invoice for March?", "It was sent on Tuesday.")
    second = said_and_answered(store, "The invoice is wrong", "Which invoice, that of March?")
    assert found(store, "invoice") == [second.id, first.id]
    assert found(store, "INVOICE march") == [second.id, first.id]
    assert found(store, "sent tues") == [first.id]
    assert found(store, "tues sent") == []  # only the last word is a beginning
    assert found(store, "invoice sent") == []  # never in one message
    assert found(store, "voice") == []


def test_the_last_changed_session_is_first_whenever_the_word_was_said(store):
    old = said_and_answered(store, "zebra", "yes")
    new = said_and_answered(store, "zebra", "yes")
    messages = [Message(data) for data in store.conversation(old.id)]
    writer = store.writer(store.find(old.id), messages, Masker())
    del messages[1:]
    writer.sync()
    writer.close()
    assert found(store, "zebra") == [old.id, new.id]


HOSTILE = """" | ' | a OR b | NOT zebra | zebra NEAR/2 cat | text:zebra | zeb* -cat | (zebra | zebra) AND | ^zebra | {a}
    | :* &!<-> | %_ | \\ | \0zebra | zebra\ud800"""


@pytest.mark.parametrize("query", HOSTILE.split(" | "))
def test_nothing_in_a_query_is_an_operator(store, query):
    said_and_answered(store, "a zebra", "yes")
    assert len(found(store, query)) <= 1


def test_operators_are_words(store):
    session = said_and_answered(store, "cats or dogs, not birds near/2 me", "yes")
    for query in ("cats OR dogs", "NOT birds", "birds NEAR", "or"):
        assert found(store, query) == [session.id]
    assert found(store, "cats AND dogs") == []


@pytest.mark.parametrize("query", ["", "   ", "?!", '"" - *'])
def test_a_query_without_a_word_finds_nothing(store, query):
    said_and_answered(store, "a zebra", "yes")
    assert store.search(query) == []


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("see https://example.com/orders/1042?x=y_z", ["example.com", "orders 1042", "y_z", "com/orders", "1042"]),
        ("pip install psycopg[binary]>=3.2 in src/main.py", ["psycopg", "3.2", "main.py", "src/main", "binary"]),
        ("an e-mail to me@host.org on 2026-11-28, -5 or +1e5", ["e-mail", "mail", "host.org", "2026-11", "5", "1e5"]),
        ("<b>bold</b> &amp; \u201cquoted\u201d text\u2014dashed", ["bold", "amp", "quoted", "dashed", "text dash"]),
        ("CaseOf(snake_case, camelCase)", ["snake", "case", "CASEOF", "camelcase"]),
        ("Größe, naïve, Ελλάδα, привет", ["größe", "naïve", "ελλάδα", "привет", "прив"]),
    ],
)
def test_words_are_parted_by_whatever_is_no_letter_and_no_digit(store, text, queries):
    session = said_and_answered(store, text, "yes")
    for query in queries:
        [one] = store.search(query)
        assert one.session.id == session.id
        assert marked(one), query


def test_a_session_is_found_by_its_title(store):
    session = said_and_answered(store, "question", "answer")
    other = said_and_answered(store, "question about taxes", "answer")
    store.rename(session.id, "Ärger with taxes (100%)")
    one, two = store.search("taxes")
    assert (one.session.id, two.session.id) == (other.id, session.id)
    assert (two.snippet, marked(two)) == ("Ärger with taxes (100%)", ["taxes"])
    assert found(store, "ärger tax") == found(store, "taxes 100%") == [session.id]
    assert found(store, "axes") == []


def test_in_a_file_letters_with_accents_are_those_without_in_titles_too(tmp_path):
    environ = environ_of("sqlite", tmp_path)
    with another(environ) as store:
        given = said_and_answered(store, "le café", "oui", title="Élan vital").id
        other = said_and_answered(store, "cafe", "oui", title="Elan").id
        for query in ("elan", "élan", "ÉLAN", "cafe", "CAFÉ"):
            assert found(store, query) == [other, given], query
        assert found(store, "elan vital") == [given]


def test_a_search_may_be_of_an_agent_or_a_project(store):
    ids = [
        said_and_answered(store, "zebra", "yes", agent=agent, root=root, title=f"zebra {agent}").id
        for agent, root in (("a", "/x"), ("b", "/x"), ("a", "/y"))
    ]
    assert found(store, "zebra", agent="a") == [ids[2], ids[0]]
    assert found(store, "zebra", root="/x") == [ids[1], ids[0]]
    assert found(store, "zebra", root="/x", agent="a") == [ids[0]]
    assert found(store, "zebra", limit=2) == [ids[2], ids[1]]


def test_calls_and_results_are_found_and_prompts_and_attached_bytes_are_not(store):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,ZEBRAAAA"}}
    pdf = {"type": "file", "file": {"filename": "invoice.pdf", "file_data": "data:application/pdf;base64,ZEBRA"}}
    text = {"type": "text", "text": "what is it? data:image/png;base64,ZEBRAAAA"}
    call = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": '{"order": "1042"}'}}
    messages = [
        Message(data)
        for data in (
            {"role": "system", "content": "You know each zebra."},
            {"role": "user", "content": [picture, pdf, text]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "delivered"},
            {"role": "assistant", "content": None, "refusal": "I would rather not"},
        )
    ]
    assert said(messages[1].data) == "invoice.pdf\nwhat is it? "
    session = said_and_answered(store, "hello", "yes")
    writer = store.writer(store.find(session.id), messages, Masker())
    writer.sync()
    writer.close()
    assert [len(found(store, word)) for word in ("invoice.pdf", "order 1042", "look_up", "delivered", "rather")] == [
        1
    ] * 5
    assert found(store, "zebra") == []


def test_words_that_were_taken_back_are_not_found(store):
    session = said_and_answered(store, "zebra", "yes")
    writer = store.writer(session, [], Masker())
    writer.sync()
    writer.close()
    store.rename(session.id, "empty")
    assert found(store, "zebra") == []


def test_a_message_that_is_very_long_is_found_too(store):
    session = said_and_answered(store, "zebra " + " ".join(f"w{number}" for number in range(200_000)), "yes")
    assert found(store, "zebra") == found(store, "w500") == [session.id]


# -- snippets ----------------------------------------------------------------------------------------------------------


def test_a_snippet_is_one_line_around_the_words_cut_between_words():
    text = "start " * 50 + "the needle\n\n is in  a haystack " + "end " * 50
    snippet, marks = Words("haystack needle").snippet(text)
    assert snippet.startswith("…start start") and snippet.endswith("end…")
    assert "the needle is in a haystack end" in snippet
    assert [snippet[start:end] for start, end in marks] == ["needle", "haystack"]
    assert len(snippet) < 130


def test_a_snippet_shows_the_place_with_the_most_words():
    text = "alpha " + "x " * 200 + "beta alpha " + "x " * 200
    assert "beta alpha" in Words("alpha beta").snippet(text)[0]


def test_a_snippet_of_hostile_text_is_fit_to_be_shown():
    snippet, marks = Words("zebra").snippet("\x1b[31mred\x07 \u202ezebra\u2028 \x1b]0;title\x07")
    assert re.search("[\x00-\x1f\x7f\u202e\u2028]", snippet) is None
    assert [snippet[start:end] for start, end in marks] == ["zebra"]


def test_a_text_without_the_words_is_shown_from_its_beginning():
    assert Words("zebra").snippet("nothing\nof the kind") == ("nothing of the kind", ())


@given(st.text(max_size=300), st.text(max_size=20))
def test_marks_are_in_order_and_inside_the_snippet_whatever_the_text(text, query):
    words = Words(query)
    snippet, marks = words.snippet(text)
    assert "\n" not in snippet
    places = [place for mark in marks for place in mark]
    assert places == sorted(places)
    assert all(0 <= place <= len(snippet) for place in places)
    assert all(start < end for start, end in marks)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_query(query):
    words = Words(query)
    if words:
        assert words.fts5 and words.tsquery and words.like


# -- cost --------------------------------------------------------------------------------------------------------------


def test_lists_use_an_index_and_sort_nothing(tmp_path):
    environ = environ_of("sqlite", tmp_path)
    many_sessions(environ, 500, ["alpha", "beta", "gamma"])
    plans = []
    with asking_file(address(environ)) as ask:

        def explained(statement, values):
            plans.append(" / ".join(row["detail"] for row in ask(f"EXPLAIN QUERY PLAN {statement}", values)))
            return ask(statement, values)

        for wanted in (Wanted(), Wanted("agent1"), Wanted(None, "/p1"), Wanted("agent1", "/p1")):
            assert len(listed(explained, wanted, 5)) == 5
        found_by(explained, listed(ask, Wanted(), 1)[0].id)
        assert len(plans) == 5
        for plan in plans:
            assert "USE TEMP B-TREE" not in plan
            assert "SEARCH s USING INDEX" in plan or plan == "SCAN s USING INDEX agentrun_sessions_changed"


LOOKUPS = """
import os, sys
from agentrun.sessions.store import open_store
store = open_store(os.environ)
[found] = store.search("zebra")
assert store.find(found.session.id) == store.sessions()[0] == store.latest(root="/p", agent="support")
assert store.count() == 1
print("sqlalchemy" in sys.modules, "asyncio" in sys.modules)
"""


def test_lookups_load_no_sqlalchemy(tmp_path):
    environ = environ_of("sqlite", tmp_path)
    with another(environ) as store:
        said_and_answered(store, "a zebra", "yes")
    done = subprocess.run(
        [sys.executable, "-c", LOOKUPS],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert (done.stderr, done.stdout) == ("", "False False\n")


def test_a_search_for_a_word_that_is_everywhere_reads_no_more_than_it_needs(tmp_path):
    environ = environ_of("sqlite", tmp_path)
    many_sessions(environ, 300, ["alpha", "beta", "gamma"])
    with another(environ) as store:
        assert len(store.search("alpha", limit=5)) == 5
        assert found(store, "alpha", limit=5) == [one.id for one in store.sessions(limit=5)]
        assert len(store.search("alpha beta", limit=1000)) == 300
        assert store.sessions(limit=1)[0].changed < time.time()
        assert store.count() == 300
        assert new_session(store).id not in found(store, "alpha", limit=1000)
