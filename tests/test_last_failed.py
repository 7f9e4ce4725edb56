"""What failed last: where it is remembered, for whom, and what is no use."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentrun.testing.state import LastFailed


def memory(tmp_path, root="project", **environ):
    return LastFailed(tmp_path / root, environ or {"XDG_STATE_HOME": str(tmp_path / "state")})


def the_file(tmp_path):
    [file] = (tmp_path / "state/agentrun").iterdir()
    return file


def test_what_failed_is_remembered_and_what_was_not_run_stays(tmp_path):
    memory(tmp_path).update(passed=[], failed=["a", "b", "c"])
    memory(tmp_path).update(passed=["a", "x"], failed=["d"])
    assert memory(tmp_path).read() == {"b", "c", "d"}
    memory(tmp_path).update(passed=["b", "c", "d"], failed=[])
    assert memory(tmp_path).read() == frozenset()


def test_where_nothing_ever_failed_nothing_is_written(tmp_path):
    quiet = memory(tmp_path)
    quiet.update(passed=["a"], failed=[])
    assert (list(tmp_path.iterdir()), quiet.notes) == ([], [])


def test_runs_that_end_at_the_same_time_lose_nothing(tmp_path):
    with ThreadPoolExecutor(20) as threads:
        for number in range(60):
            threads.submit(memory(tmp_path).update, passed=[], failed=[str(number)])
    assert memory(tmp_path).read() == {str(number) for number in range(60)}


def test_each_project_has_its_own(tmp_path):
    memory(tmp_path, "one").update(passed=[], failed=["a"])
    assert memory(tmp_path, "other").read() == frozenset()


def test_only_the_user_may_read_it(tmp_path):
    (tmp_path / "state/agentrun").mkdir(parents=True, mode=0o755)
    memory(tmp_path).update(passed=[], failed=["a"])
    assert stat.S_IMODE((tmp_path / "state/agentrun").stat().st_mode) == 0o700
    assert stat.S_IMODE(the_file(tmp_path).stat().st_mode) == 0o600


def test_it_stands_below_home_where_the_named_folder_is_not_absolute(tmp_path):
    memory(tmp_path, XDG_STATE_HOME="state", HOME=str(tmp_path)).update(passed=[], failed=["a"])
    assert (tmp_path / ".local/state/agentrun").is_dir()
    homeless = LastFailed(tmp_path, {})
    homeless.update(passed=[], failed=["a"])
    assert homeless.notes[-1] == "what failed can't be remembered: there is no home folder"


@pytest.mark.parametrize("content", [b"", b"{", b'{"root": 1}', b'{"root":"","failed":[1]}', b"\xff\xfe"])
def test_a_damaged_file_is_told_and_written_anew(tmp_path, content):
    memory(tmp_path).update(passed=[], failed=["a"])
    the_file(tmp_path).write_bytes(content)
    damaged = memory(tmp_path)
    assert damaged.read() == frozenset()
    assert damaged.notes == ["what failed last can't be read: the file is damaged, and is written anew"]
    memory(tmp_path).update(passed=[], failed=["b"])
    assert memory(tmp_path).read() == {"b"}


def test_no_link_is_followed(tmp_path):
    memory(tmp_path).update(passed=[], failed=["a"])
    file, target = the_file(tmp_path), tmp_path / "target"
    target.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(target)
    linked = memory(tmp_path)
    assert linked.read() == frozenset()
    assert linked.notes[0].startswith("what failed last can't be read")
    before = target.read_bytes()
    memory(tmp_path).update(passed=[], failed=["b"])
    assert (target.read_bytes(), file.is_symlink()) == (before, False)

    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/agentrun").symlink_to(folder)
    into_link = memory(tmp_path, XDG_STATE_HOME=str(tmp_path / "other"))
    into_link.update(passed=[], failed=["a"])
    assert list(folder.iterdir()) == []
    assert into_link.notes


def test_a_pipe_in_its_place_keeps_nobody_waiting(tmp_path):
    memory(tmp_path).update(passed=[], failed=["a"])
    file = the_file(tmp_path)
    file.unlink()
    os.mkfifo(file)
    piped = memory(tmp_path)
    assert (piped.read(), piped.notes) == (frozenset(), ["what failed last can't be read: it is no file"])


def test_a_case_is_known_by_its_place_in_the_project(tmp_path, monkeypatch):
    (tmp_path / "project/tests").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project/tests")
    assert memory(tmp_path).key("a.test.yaml", "x") == "tests/a.test.yaml::x"
    monkeypatch.chdir(tmp_path)
    assert memory(tmp_path).key("project/tests/a.test.yaml", "x") == "tests/a.test.yaml::x"
