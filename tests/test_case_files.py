"""Files that test cases attach: what the model gets, what is recorded and played, and what `validate` says of them."""

import json

import pytest
import yaml

from agentrun.cli import run_cli
from agentrun.engine.attached import data_url
from agentrun.project import read_project
from agentrun.testing.judge import conversation
from cases_in_process import problems_of, run_project
from media_files import pdf, png
from projects import write_project
from servers import ModelServer, sse
from test_record import agentrun

AGENT = "description: Reads.\nmodel: {name: gpt-x, base_url: '${SERVICE_URL:-http://127.0.0.1:1}', api_key: none}\n"
CASES = """
agent: desk
cases:
  - name: reads it
    args: {input: What is it?}
    attach: [files/shot.png, ../notes.txt]
    expect: {answer: An invoice.}
  - name: reads one by one
    conversation:
      - user: And this?
        attach: [files/invoice.pdf]
      - user: Sure?
    expect: {calls: []}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests" / "files").mkdir(parents=True)
    (tmp_path / "tests" / "files" / "shot.png").write_bytes(png(80, 60, noise=500))
    (tmp_path / "tests" / "files" / "invoice.pdf").write_bytes(pdf())
    (tmp_path / "notes.txt").write_text("words\n")
    return tmp_path


def project(cases=CASES, source="live: true\n"):
    return {"agents/desk.yaml": AGENT, "tests/desk.test.yaml": cases.replace("cases:", f"{source}cases:", 1)}


SCRIPT = "model: [{content: An invoice.}, {content: Yes.}]\n"
PARTS = ['Attached image: "tests/files/shot.png"', "image_url"]


def sent(server, number):
    content = server.requests[number].json["messages"][-1]["content"]
    return content if isinstance(content, str) else [part.get("text") or part["type"] for part in content]


def test_the_model_gets_the_files_of_a_case_and_of_each_message_by_their_paths_in_the_project(folder):
    with ModelServer([sse(text="An invoice."), sse(text="Yes."), sse(text="Yes.")]) as server:
        done = run_project(folder, project(), environ={"SERVICE_URL": server.base_url}, at_once=1)
        label, image, framed, own = sent(server, 0)
        assert [label, image, own] == [*PARTS, "What is it?"]
        assert framed.splitlines()[0].endswith(' name="notes.txt">')
        assert sent(server, 1) == ["file", "And this?"]
        file = server.requests[1].json["messages"][-1]["content"][0]["file"]
        assert file == {
            "filename": "tests/files/invoice.pdf",
            "file_data": data_url("application/pdf", pdf()),
        }
        assert sent(server, 2) == "Sure?"
    assert [one.status for one in done.values()] == ["passed", "passed"]


def test_what_is_seen_of_a_case_holds_no_bytes_of_its_files(folder):
    (folder / "tests" / "files" / "shot.png").write_bytes(png(80, 60, noise=100_000))
    observed = run_project(folder, project(source=SCRIPT))["reads it"].shown.observed
    assert len(str(observed.messages)) < 2000
    (judged,) = conversation(observed, 1)["conversation"]
    assert judged["user"] == "What is it?"
    assert judged["attached"] == ["tests/files/shot.png (PNG 80 × 60, 100 KB)", "notes.txt (text, 6 bytes)"]


def test_a_case_with_files_is_recorded_and_played_and_another_file_is_told(folder):
    (folder / "tests" / "files" / "invoice.pdf").write_bytes(pdf(noise=500))
    write_project(folder, project(source="cassette: desk.cassette.yaml\n"))
    with ModelServer([sse(text="An invoice."), sse(text="Yes."), sse(text="Yes.")]) as server:
        options = ("--cassettes", "record", "--jobs", "1")
        recorded = agentrun(folder, "test", *options, env={"SERVICE_URL": server.base_url})
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    assert b"base64" not in (folder / "tests" / "desk.cassette.yaml").read_bytes()
    assert agentrun(folder, "test").returncode == 0
    assert agentrun(folder / "tests", "test", "desk.test.yaml").returncode == 0  # from any folder
    (folder / "notes.txt").write_text("other words\n")
    changed = agentrun(folder, "test")
    assert changed.returncode == 1
    assert "the attached file has another content: recorded notes.txt (text, 6 bytes)" in changed.stdout


def test_a_file_that_is_gone_when_its_case_is_run_fails_it(folder):
    write_project(folder, project(source=SCRIPT))
    checked = read_project(folder, {})

    def gone(case):
        (folder / "tests" / "files" / "shot.png").unlink(missing_ok=True)
        return case

    it = run_project(folder, project(source=SCRIPT), change=gone)["reads it"]
    assert problems_of(it) == ["there is no file `tests/files/shot.png`"]
    assert [one.code for one in checked.report().diagnostics if one.severity == "error"] == ["AR922"]


def test_more_files_than_a_message_takes_are_found(folder, capsys):
    many = CASES.replace("[files/shot.png, ../notes.txt]", f"[{', '.join(['../notes.txt'] * 21)}]")
    write_project(folder, project(many, SCRIPT))
    assert run_cli(["validate", "--format", "json"]) == 3
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["code"], found["line"]) == ("AR922", 6)
    assert found["message"] == "21 files are too many: a message takes 20"


def test_what_each_makes_is_looked_at_and_told_once(folder, capsys):
    cases = CASES.replace("attach: [files/shot.png, ../notes.txt]", "attach: ['{{ each.file }}', gone.txt]")
    rows = cases.replace(
        "    args: {input: What is it?}", "    each: {file: [no.png, files/shot.png]}\n    args: {input: What?}"
    )
    write_project(folder, project(rows, SCRIPT))
    run_cli(["validate", "--format", "json"])
    found = [one["message"] for one in json.loads(capsys.readouterr().out)["findings"] if one["code"] == "AR922"]
    assert found == ["there is no file `tests/no.png`", "there is no file `tests/gone.txt`"]


def test_a_file_is_looked_at_again_once_it_has_changed(folder):
    write_project(folder, project(source=SCRIPT))
    read = read_project(folder, {})
    assert read.report().diagnostics == ()
    (folder / "notes.txt").write_bytes(b"")
    (found,) = read.report().diagnostics
    assert found.message == "`notes.txt` is empty"


# -- a conversation with files becomes a test


def chat(folder, *typed, agent="desk"):
    return agentrun(folder, "chat", agent, stdin="".join(f"{line}\n" for line in typed), env={"SERVICE_URL": ""})


@pytest.fixture
def scripted(folder):
    script = "[{content: An invoice.}, {content: Yes.}]"
    agent = f"description: Reads.\nmodel: {{api: scripted, script: {script}}}\n"
    return write_project(folder, {"agents/desk.yaml": agent})


def saved_case(folder):
    (case,) = yaml.safe_load((folder / "tests" / "it.test.yaml").read_text())["cases"]
    assert agentrun(folder, "test", "tests/it.test.yaml").returncode == 0
    assert agentrun(folder, "fmt", "--diff", "tests/it.test.yaml").returncode == 0
    assert "no findings" in agentrun(folder, "validate", "tests/it.test.yaml").stdout
    return case


def test_a_chat_with_files_of_the_project_is_saved_with_them(scripted):
    done = chat(scripted, "/attach tests/files/shot.png notes.txt", "What is it?", "Sure?", "/save-test it")
    assert "tests/it.test.yaml are new" in done.stderr
    first, second = saved_case(scripted)["conversation"]
    assert first["attach"] == ["files/shot.png", "../notes.txt"]
    assert "attach" not in second


def test_a_run_with_a_file_becomes_a_case_with_it(scripted):
    options = ("--attach", "tests/files/invoice.pdf", "--record", "it.cassette.yaml")
    assert agentrun(scripted, "run", "desk", "What is it?", *options).returncode == 0
    done = agentrun(scripted, "test", "--from-session", "it.cassette.yaml")
    assert done.returncode == 0, done.stderr
    case = saved_case(scripted)
    said = case.get("conversation", [case])[0]
    assert said["attach"] == ["files/invoice.pdf"]


def test_a_chat_with_a_file_from_elsewhere_is_not_saved(scripted, tmp_path):
    (tmp_path.parent / "plan.txt").write_text("words\n")
    agent = str(scripted / "agents" / "desk.yaml")
    done = chat(tmp_path.parent, "/attach plan.txt", "What is it?", "/save-test it", agent=agent)
    assert "no case can be made of it: `plan.txt` was attached, and the project has no such file" in done.stderr
    done = chat(tmp_path.parent, "Hello", "/attach plan.txt", "What is it?", "/save-test it", agent=agent)
    assert "message 2 is left out, since it can't be played again: `plan.txt` was attached" in done.stderr
    (said,) = saved_case(scripted)["conversation"]
    assert said["user"] == "Hello"


def test_a_name_in_a_cassette_that_leads_out_of_the_project_is_not_looked_at(scripted, tmp_path):
    (scripted.parent / "out.txt").write_text("words\n")
    agentrun(scripted, "run", "desk", "What is it?", "--attach", "notes.txt", "--record", "it.cassette.yaml")
    text = (scripted / "it.cassette.yaml").read_text()
    for name in ("../out.txt", "/etc/passwd"):
        (scripted / "it.cassette.yaml").write_text(text.replace('name="notes.txt"', f'name="{name}"'))
        done = agentrun(scripted, "test", "--from-session", "it.cassette.yaml")
        assert done.returncode == 2
        assert f"`{name}` was attached, and the project has no such file" in done.stderr
    assert not (scripted / "tests" / "it.test.yaml").exists()


def test_a_file_that_changed_since_it_was_said_is_told(scripted):
    agentrun(scripted, "run", "desk", "What is it?", "--attach", "notes.txt", "--record", "it.cassette.yaml")
    (scripted / "notes.txt").write_text("others\n")
    done = agentrun(scripted, "test", "--from-session", "it.cassette.yaml")
    assert done.returncode == 2
    assert "the attached file has another content: recorded notes.txt" in done.stderr
