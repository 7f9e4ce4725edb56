"""Where sessions are kept: who may read the file, older and newer versions, and what is said when a database can't."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import inspect

from agentrun.errors import StoreError
from agentrun.sessions import tables
from agentrun.sessions.migrations import NEWEST
from agentrun.sessions.store import open_store
from session_stores import (
    KINDS,
    another,
    environ_of,
    environ_of_each,
    postgres_server,
    said_and_answered,
    sql,
    store_of,
    text_of,
)

EACH = pytest.fixture(params=KINDS, name="environ")(environ_of_each)
STORE = pytest.fixture(name="store")(store_of)
URL = "AGENTRUN_DATABASE_URL"


def refusal(environ):
    with pytest.raises(StoreError) as caught:
        open_store(environ)
    return caught.value


def folder_of(tmp_path):
    return tmp_path / "state/agentrun"


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_file_and_what_stands_beside_it_are_the_users_alone(tmp_path):
    folder = folder_of(tmp_path)
    folder.mkdir(parents=True, mode=0o755)
    (folder / "sessions.db").touch(0o644)
    with another(environ_of("sqlite", tmp_path)) as store:
        said_and_answered(store, "question", "answer")
        assert store.where == str(folder / "sessions.db")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    names = {"sessions.db", "sessions.db-wal", "sessions.db-shm", "sessions.db.lock"}
    assert modes == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["sessions.db", "sessions.db.lock"])
def test_no_link_is_followed(tmp_path, name):
    folder_of(tmp_path).mkdir(parents=True)
    target = tmp_path / "target"
    (folder_of(tmp_path) / name).symlink_to(target)
    with pytest.raises(StoreError), another(environ_of("sqlite", tmp_path)) as store:
        said_and_answered(store, "question", "answer")
    assert not target.exists()


def test_no_folder_that_is_a_link_is_followed(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "state").mkdir()
    folder_of(tmp_path).symlink_to(tmp_path / "target")
    assert refusal(environ_of("sqlite", tmp_path)).message == f"{folder_of(tmp_path)} is a link or no folder"
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["", "sessions.db"])
def test_nothing_is_kept_where_another_user_could_read_it(tmp_path, name):
    folder = folder_of(tmp_path)
    folder.mkdir(parents=True, mode=0o700)
    (folder / "sessions.db").touch(0o600)
    os.chown(folder / name, 12345, 12345)
    assert "belongs to another user" in refusal(environ_of("sqlite", tmp_path)).message
    assert (folder / "sessions.db").read_bytes() == b""


def test_folders_that_are_made_are_the_users_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        with another({"HOME": str(tmp_path)}) as store:
            said_and_answered(store, "question", "answer")
            made = {path.name: path.stat().st_mode for path in tmp_path.rglob("*")}
    finally:
        os.umask(before)
    assert made.keys() >= {".local", "state", "agentrun", "sessions.db", "sessions.db-wal", "sessions.db.lock"}
    assert not [name for name, mode in made.items() if mode & 0o077]


def test_a_home_that_is_no_whole_path_is_none():
    assert "there is no home folder" in refusal({"HOME": "here", "XDG_STATE_HOME": "there"}).message


def test_a_file_may_be_named_by_a_url(tmp_path):
    file = tmp_path / "a folder" / "mine.db"
    assert "no such file" in refusal({URL: f"sqlite:///{tmp_path}/missing/a.db"}).message
    file.parent.mkdir(mode=0o755)
    with another({URL: f"sqlite:///{tmp_path}/a folder/mine.db"}) as store:
        said_and_answered(store, "question", "answer")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755


def test_a_file_that_was_deleted_is_not_made_again_by_looking(tmp_path):
    with another(environ_of("sqlite", tmp_path)) as store:
        (folder_of(tmp_path) / "sessions.db").unlink()
        with pytest.raises(StoreError, match="unable to open database file"):
            store.sessions()
        assert not (folder_of(tmp_path) / "sessions.db").exists()


def test_what_is_deleted_is_gone_from_every_file(tmp_path):
    with another(environ_of("sqlite", tmp_path)) as store:
        others = [said_and_answered(store, f"question {number}", "answer") for number in range(20)]
        secret = said_and_answered(store, "the zebracorn is ill", "poor zebracorn")
        store.rename(secret.id, "zebracorns")
        others += [said_and_answered(store, f"question {number}", "answer") for number in range(20)]
        files = lambda: b"".join(file.read_bytes() for file in folder_of(tmp_path).iterdir())  # noqa: E731
        assert b"zebracorn" in files()
        store.delete([secret.id])
        # The index has words without what they share with the word before.
        assert [piece for piece in (b"zebracorn", b"ebracorn", b"racorn") if piece in files()] == []
        assert len(store.search("question", limit=100)) == 40
        before = (folder_of(tmp_path) / "sessions.db").stat().st_size
        store.delete(one.id for one in others)
        assert (folder_of(tmp_path) / "sessions.db").stat().st_size < before


# -- versions ----------------------------------------------------------------------------------------------------------

VERSION_1 = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE agentrun_schema (version INTEGER NOT NULL);
    INSERT INTO agentrun_schema VALUES (1);
    CREATE TABLE agentrun_sessions (
        id TEXT PRIMARY KEY, agent TEXT NOT NULL, path TEXT NOT NULL, root TEXT NOT NULL, speaker TEXT NOT NULL,
        model TEXT, arguments TEXT NOT NULL, title TEXT NOT NULL, created REAL NOT NULL, changed REAL NOT NULL,
        turns INTEGER NOT NULL, total_tokens INTEGER NOT NULL, cost_usd REAL, forked_from TEXT
    );
    CREATE TABLE agentrun_events (
        session TEXT NOT NULL REFERENCES agentrun_sessions (id) ON DELETE CASCADE, position INTEGER NOT NULL,
        lines BLOB NOT NULL, PRIMARY KEY (session, position)
    );
    CREATE TABLE agentrun_messages (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES agentrun_sessions (id) ON DELETE CASCADE,
        position INTEGER NOT NULL, data TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (session, position)
    );
    INSERT INTO agentrun_sessions VALUES
        ('abcdef0123', 'support', '/p/a.yaml', '/p', 'billing', NULL, '{"n": 1}', 'old', 1.5, 2.5, 1, 30, 0.25, NULL);
    INSERT INTO agentrun_messages (session, position, data, text) VALUES
        ('abcdef0123', 0, '{"role":"user","content":"find the zebra"}', 'find the zebra'),
        ('abcdef0123', 1, '{"role":"assistant","content":"it is here"}', 'it is here');
    INSERT INTO agentrun_events VALUES
        ('abcdef0123', 0, CAST('{"type":"turn_started","run_id":"r","seq":1,"time":1.0,"turn":1}' AS BLOB)),
        ('abcdef0123', 1, CAST('{"type":"told_by_a_later_version","run_id":"r","seq":2,"time":1.0}' AS BLOB));
"""


def by_hand(tmp_path, script):
    folder_of(tmp_path).mkdir(parents=True)
    with sqlite3.connect(folder_of(tmp_path) / "sessions.db") as connection:
        connection.executescript(script)
    connection.close()
    return environ_of("sqlite", tmp_path)


def test_an_older_database_is_brought_up_and_everything_in_it_is_found(tmp_path):
    with another(by_hand(tmp_path, VERSION_1)) as store:
        [session] = store.sessions()
        assert (session.speaker, session.arguments, session.changed, session.cost_usd) == (
            "billing",
            {"n": 1},
            2.5,
            0.25,
        )
        assert text_of(store.conversation(session.id)) == [("user", "find the zebra"), ("assistant", "it is here")]
        assert [event.seq for event in store.events(session.id)] == [1]
        assert len(list(store.events_jsonl(session.id))) == 2
        assert [found.session.id for found in store.search("zebra")] == [session.id]
        assert store.delete([session.id]) == 1
        assert store.search("zebra") == []


def test_processes_that_bring_an_older_database_up_at_once_wait_for_each_other(tmp_path):
    environ = by_hand(tmp_path, VERSION_1)
    code = (
        "import os\nfrom agentrun.sessions.store import open_store\nprint(len(open_store(os.environ).search('zebra')))"
    )
    opening = [
        subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [one.communicate(timeout=50)[0] for one in opening] == ["1\n"] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_newest_schema_has_the_tables_that_queries_name(kind, tmp_path):
    with another(environ_of(kind, tmp_path)) as store, store._open().reading() as connection:
        found = inspect(connection)
        for table in tables.metadata.sorted_tables:
            columns = {column["name"] for column in found.get_columns(table.name)} - {"words"}
            assert columns == set(table.columns.keys())


def test_a_newer_database_is_refused_and_left_as_it_is(environ):
    with another(environ) as store:
        said_and_answered(store, "question", "answer")
        with store._open().writing() as connection:
            connection.exec_driver_sql(f"UPDATE agentrun_schema SET version = {NEWEST + 5}")
        where = store.where
    refused = refusal(environ)
    versions = f"their schema is version {NEWEST + 5}, this one knows {NEWEST}"
    assert refused.message == f"the sessions in {where} are of a newer agentrun: {versions}"
    assert refused.help == "update agentrun; AGENTRUN_DATABASE_URL may name another database"


# -- what goes wrong with a file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"no database, but long enough to be read" * 100, b"SQLite format 3\0" + b"\7" * 5000]
)
def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path, content):
    folder_of(tmp_path).mkdir(parents=True)
    file = folder_of(tmp_path) / "sessions.db"
    file.write_bytes(content)
    refused = refusal(environ_of("sqlite", tmp_path))
    assert refused.message == f"{file} is damaged, or no database of sessions"
    assert refused.help.startswith("move it away, and a new one is begun")
    assert file.read_bytes() == content


def test_damage_in_the_middle_is_told_where_it_is_met(tmp_path):
    environ = environ_of("sqlite", tmp_path)
    with another(environ) as store:
        for number in range(50):
            said_and_answered(store, f"question {number} " + "word " * 100, "answer")
    file = folder_of(tmp_path) / "sessions.db"
    content = bytearray(file.read_bytes())
    content[3 * 4096 :] = b"\xfe" * len(content[3 * 4096 :])
    file.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged, or no database of sessions"), another(environ) as store:
        for session in store.sessions():
            store.conversation(session.id)


def test_an_empty_file_is_a_new_database(tmp_path):
    folder_of(tmp_path).mkdir(parents=True)
    (folder_of(tmp_path) / "sessions.db").touch()
    with another(environ_of("sqlite", tmp_path)) as store:
        assert store.sessions() == []


def test_a_database_that_another_program_locks_is_told(tmp_path):
    environ = environ_of("sqlite", tmp_path)
    with another(environ) as store:
        session = said_and_answered(store, "question", "answer")
        other = sqlite3.connect(folder_of(tmp_path) / "sessions.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert store.sessions() == [session]  # who reads waits for nobody
        with pytest.raises(StoreError, match="are locked by another program"):
            store.rename(session.id, "new")
        other.close()
        store.rename(session.id, "new")


def test_without_a_home_it_is_told_what_to_set():
    refused = refusal({"XDG_STATE_HOME": "relative"})
    assert refused.message == "there is no folder to keep sessions in: there is no home folder"
    assert refused.help == "set HOME or XDG_STATE_HOME, or AGENTRUN_DATABASE_URL to a database"


SMALL_DISK = """
    import os, subprocess, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from session_stores import Run, new_session, open_store, said_and_answered
    from agentrun.errors import StoreError
    from agentrun.secrets import Masker

    disk = Path(sys.argv[1])
    environ = {"XDG_STATE_HOME": str(disk)}
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    store = open_store(environ)
    messages = []
    writer = store.writer(new_session(store), messages, Masker())
    run = Run(writer, messages, "question")
    ballast = disk / "ballast"
    try:
        with ballast.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()
    except OSError:
        pass
    run.turn("long " * 20_000)
    run.finish()
    print("full:", writer.failure.message, "|", writer.failure.help)
    ballast.unlink()
    writer.retry()
    print("kept:", len(store.conversation(writer.session.id)), len(list(store.events(writer.session.id))))
    writer.close()
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        store = open_store(environ)
        print("read:", store.count())
        said_and_answered(store, "question", "answer")
    except StoreError as error:
        print("read-only:", error.message, "|", error.help)
    try:
        open_store({"XDG_STATE_HOME": str(disk / "new")})
    except StoreError as error:
        print("new:", error.message)
"""


def test_a_full_and_a_read_only_disk_are_told_and_nothing_is_lost(tmp_path):
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("there are no namespaces of mounts here")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SMALL_DISK))
    done = subprocess.run(
        [*unshare, sys.executable, script, disk, Path(__file__).parent], capture_output=True, text=True, timeout=50
    )
    file = disk / "agentrun/sessions.db"
    read_only = f"the sessions in {file} can't be written: it is read-only"
    help = "the file and its folder must be writable; AGENTRUN_DATABASE_URL may name another database"
    assert (done.stderr, done.stdout.splitlines()) == (
        "",
        [
            f"full: there is no room left for the sessions in {file} | make room on the disk",
            "kept: 2 4",
            f"read-only: {read_only} | {help}",
            f"new: the sessions in {disk}/new/agentrun/sessions.db can't be written: it is read-only",
        ],
    )


# -- URLs, and what goes wrong with a server ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:hunter2@host/db", "AGENTRUN_DATABASE_URL: sessions can't be kept in `mysql`"),
        ("postgresql+pg://me:hunter2@host/db", "AGENTRUN_DATABASE_URL: sessions can't be kept in `postgresql+pg`"),
        ("hunter2", "AGENTRUN_DATABASE_URL is no URL of a database"),
        ("postgresql://me:hunter2@host:port/db", "AGENTRUN_DATABASE_URL is no URL of a database"),
        ("postgresql://me:a@hunter2@host/db", "AGENTRUN_DATABASE_URL: what stands before the host holds an `@`"),
        ("sqlite://", "AGENTRUN_DATABASE_URL names no file"),
        ("sqlite://me:hunter2@host/db", "AGENTRUN_DATABASE_URL names no file"),
        ("sqlite:///:memory:", "AGENTRUN_DATABASE_URL names no file"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_without_its_password(url, message):
    refused = refusal({URL: url})
    assert refused.message == message
    assert "hunter2" not in f"{refused.message} {refused.help}"


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path):
    refused = refusal({URL: f"postgres://me:hunter2@/db?host={tmp_path}&sslpassword=hunter3"})
    where = f"postgresql://me@/db?host={quote(str(tmp_path), safe='')}"
    assert refused.message.startswith(f"the database {where} can't be reached: ")
    assert refused.help == "is it running, and is AGENTRUN_DATABASE_URL right?"
    assert "hunter" not in f"{refused.message} {refused.help}"


def test_a_wrong_password_is_told_without_it(tmp_path):
    environ_of("postgres", tmp_path)
    refused = refusal({URL: f"postgresql://guarded:hunter2@/postgres?host={postgres_server()}"})
    assert "does not let the user in" in refused.message
    assert "hunter2" not in f"{refused.message} {refused.help}"
    assert refused.help == "check the user and the password in AGENTRUN_DATABASE_URL"


def test_a_database_that_the_server_does_not_have_is_told(tmp_path):
    environ_of("postgres", tmp_path)
    refused = refusal({URL: f"postgresql://tester@/nowhere?host={postgres_server()}"})
    assert 'database "nowhere" does not exist' in refused.message


def test_a_table_that_is_locked_is_not_waited_for(tmp_path):
    import psycopg

    environ = environ_of("postgres", tmp_path)
    with another(environ) as store:
        session = said_and_answered(store, "question", "answer")
        name = store.where.split("/")[3].split("?")[0]
        with psycopg.connect(f"host={postgres_server()} user=tester dbname={name}") as other:
            other.execute("LOCK TABLE agentrun_sessions")
            with pytest.raises(StoreError, match="are locked by another program"):
                store.rename(session.id, "new")
        store.rename(session.id, "new")


def test_a_user_who_may_not_write_is_told(tmp_path):
    environ = environ_of("postgres", tmp_path)
    with another(environ) as store:
        session = said_and_answered(store, "question", "answer")
        name = store.where.split("/")[3].split("?")[0]
    sql(postgres_server(), name, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with another(environ) as store:
        assert store.sessions() == [session]
        with pytest.raises(StoreError, match="can't be written: cannot execute UPDATE in a read-only transaction"):
            store.rename(session.id, "new")


def test_a_driver_that_is_missing_is_named(tmp_path):
    code = f"""
import os, sys
sys.modules["psycopg"] = None
from agentrun.sessions.store import open_store
from agentrun.errors import StoreError
try:
    open_store({{"{URL}": "postgresql://me:hunter2@/db?host={tmp_path}"}})
except StoreError as error:
    print(error.message, "|", error.help)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == (
        "AGENTRUN_DATABASE_URL needs a package that is not installed: psycopg "
        "| Install it: pip install 'psycopg[binary]>=3.2.1,<4'\n"
    )
