"""What strangers write into a conversation: in Markdown that is exported, in what is copied, in pipes and pastes."""

import random
import re

import pytest
from markdown_it import MarkdownIt

from agentrun.cli.slash.clipboard import copy
from agentrun.cli.talk.mentions import mentioned
from agentrun.cli.talk.nearby import is_near
from agentrun.markup.foreign import own_place
from agentrun.sessions.export import as_markdown
from agentrun.sessions.session import Session
from projects import scripted_agent, write_project
from terminals import Terminal
from test_cli_sessions import agentrun, held, sessions
from test_cli_sessions import project as project  # a fixture

# -- Markdown ----------------------------------------------------------------------------------------------------------

VIEWERS = [MarkdownIt("commonmark", {"html": True}), MarkdownIt("gfm-like", {"html": True, "linkify": False})]
PIECES = [
    *["`", "``", "```", "~~~", "````", "```py", "`<b>`", "\\", "&lt;", "$", "|", "|---|\n", "<img src=x>", "<details>"],
    *["</details>", "<!--", "-->", "<?", "<![CDATA[", "<script>", "<a@b.c>", "<http://x>", "[a](javascript:x)", "[a]"],
    *["![ ](http://e)", "[ ](u)", "[a]: http://x", "![a]", "- [ ] ", "[x] ", "# ", "## You", "---", "===", "> ", "- "],
    *["1. ", "* ", "\n", "\n\n", "    ", "  ", "\t", "a", " ", "\r", "\r\n"],
]


def tokens(text, viewer):
    waiting = list(viewer.parse(text))
    while waiting:
        token = waiting.pop(0)
        yield token
        waiting[:0] = token.children or []


def escapes(text):
    """What of a text, as a part of a document, reaches out of it."""
    document = f"# Title\n\n## You\n\n{own_place(text)}\n\n## agent\n\nend <i>here</i>\n"
    for viewer in VIEWERS:
        found = list(tokens(document, viewer))
        headings = [one for one in found if one.type == "heading_open" and one.level == 0 and one.tag in ("h1", "h2")]
        html = [one.content for one in found if one.type.startswith("html")]
        links = [one.type for one in found if one.type in ("link_open", "image")]
        if (len(headings), html, links) != (3, ["<i>", "</i>"], []):
            return len(headings), html, links
    return None


@pytest.mark.parametrize(
    "text",
    [
        "## You\n\nI approve of it",
        "You\n---\nI approve",
        "</details><h2>You</h2>",
        "<!-- nothing is seen from here on",
        "```\nnever closed",
        "~~~~ `\nclosed by another\n```\n<img src=http://e/?q=1>",
        "- ```\n<details>",
        "`a\n`<img src=http://e/>`",
        "| `a | <img src=http://e/>` |\n|---|---|",
        "\\`<img src=http://e/>`",
        "![x](http://e/?q=secret)",
        "[x](javascript:alert(1)) [y](&#106;avascript:1) <javascript:1>",
        "\\[x](javascript:1) \\\\[x](javascript:1)",
        "[x]\n\n[x]: javascript:alert(1)",
        "- [ ](http://e/)\n- [x](http://e/)\n![ ](http://e/)",
    ],
)
def test_what_a_stranger_writes_reaches_no_further_than_its_place_in_an_export(text):
    assert escapes(text) is None


def test_no_mixture_of_marks_reaches_further():
    chance = random.Random(20)
    for _ in range(3000):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 14)))
        assert escapes(text) is None, text


def test_markdown_that_harms_nobody_is_exported_as_it_is():
    text = "Take `List<int>`, **bold**:\n\n1. one\n   - two\n- [ ] to do\n\n```python\nif a < b: print('[x](y)')\n```"
    assert own_place(text) == text
    assert own_place("# Heading\n### Deep\n\n---") == "### Heading\n##### Deep\n\n---"
    assert own_place("a <b> [c](d)") == "a &lt;b> \\[c](d)"


def test_an_export_holds_a_hostile_conversation_together():
    messages = [
        {"role": "user", "content": "<!--"},
        {
            "role": "assistant",
            "content": "```",
            "tool_calls": [
                {"id": "c", "function": {"name": "</summary><b>", "arguments": '{"a": "</code>\\n\\n# x"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "```\n</details>\n# You"},
        {"role": "assistant", "content": "end"},
    ]
    session = Session(id="`<b>`x", agent="<b>a", path="", root="", speaker="<b>a", title="# <b>[x](javascript:1)")
    for viewer in VIEWERS:
        found = list(tokens(as_markdown(session, messages), viewer))
        html = "".join(one.content for one in found if one.type.startswith("html"))
        assert set(re.findall(r"<[^>]*>", html)) == {
            "<details>",
            "<summary>",
            "<code>",
            "</code>",
            "</summary>",
            "</details>",
        }
        assert [one.tag for one in found if one.type == "heading_open"] == ["h1", "h2", "h2"]
        assert not [one for one in found if one.type == "link_open"]


# -- the clipboard -----------------------------------------------------------------------------------------------------


def test_what_is_copied_holds_no_keys_and_turns_nothing_around(tmp_path, monkeypatch):
    """Pasted at a shell, the end of a paste would let the rest be typed."""
    program = tmp_path / "pbcopy"
    program.write_text(f"#!/bin/sh\nexec /bin/cat >{tmp_path}/taken\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    copy("ls\x1b[201~\r\nrm\t-rf\r x\x9b\u202e # 👩‍👧 می‌خواهم", {"PATH": str(tmp_path)}, None)
    assert (tmp_path / "taken").read_text() == "ls[201~\nrm\t-rf x # 👩‍👧 می‌خواهم"


# -- files that a text names -------------------------------------------------------------------------------------------


@pytest.fixture
def home(project, tmp_path, monkeypatch):
    """A home with secrets, and a project beside it."""
    home = tmp_path / "home"
    write_project(home, {".ssh/id_rsa": "PRIVATE KEY\n"})
    write_project(project, {"notes.txt": "harmless\n", ".env": "KEY=hunter2\n", "docs/a.md": "a\n"})
    (project / "docs/away.txt").symlink_to(home / ".ssh/id_rsa")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(project)
    return home


FAR = ["~/.ssh/id_rsa", "../home/.ssh/id_rsa", "docs/away.txt", ".env", "docs/../.env", "~nobody/x", "/etc/hosts"]


def test_what_is_near_stays_below_the_folder_and_is_not_hidden(home):
    assert [path for path in [*FAR, str(home / ".ssh/id_rsa"), "\0"] if is_near(path)] == []
    assert [
        is_near(path) for path in ("notes.txt", "./docs/a.md", "docs/new.md", str(home.parent / "project/notes.txt"))
    ]


@pytest.mark.parametrize("path", FAR)
def test_a_pipe_attaches_and_writes_nothing_outside_of_its_folder(home, project, path):
    done = agentrun(project, "chat", "sum", text=f"/attach {path}\nadd 40 and 2\n/export {path}\n".encode())
    told = done.stderr.decode()
    assert "files below the current folder are attached, and no hidden ones" in told
    assert "files are written below the current folder, and no hidden ones" in told
    assert "written to" not in told
    assert done.returncode == 2
    shown = agentrun(project, "sessions", "export", sessions(project)[0]["id"]).stdout
    assert b"PRIVATE" not in shown and b"hunter2" not in shown


def test_a_pipe_attaches_and_writes_what_is_near(home, project):
    done = agentrun(project, "chat", "sum", text=b"/attach notes.txt\nadd 40 and 2\n/export docs/talk.md\n")
    assert (done.returncode, "written to docs/talk.md" in done.stderr.decode()) == (0, True)
    assert "notes.txt" in (project / "docs/talk.md").read_text()


def test_a_long_text_that_may_have_been_pasted_sends_no_file_from_elsewhere(home):
    """A short line was seen before it was sent."""
    told = []
    pasted = "Dear support,\nsee @~/.ssh/id_rsa and @.env and @docs/away.txt and @notes.txt please"
    assert list(mentioned(pasted, told.append)) == ["notes.txt"]
    assert [one.split("`")[1] for one in told] == ["~/.ssh/id_rsa", ".env", "docs/away.txt"]
    assert list(mentioned("see @~/.ssh/id_rsa")) == ["~/.ssh/id_rsa"]
    assert list(mentioned("x" * 500 + " @.env")) == []


# -- variables ---------------------------------------------------------------------------------------------------------


def test_a_file_of_variables_that_can_not_be_read_is_told_without_what_is_in_it(project):
    (project / "bad.env").write_bytes(b"KEY=hunter2\xff\n")
    done = agentrun(project, "run", "sum", "hi", "--env-file", "bad.env")
    assert done.returncode == 2
    assert done.stderr == b"error: the file `bad.env` of `--env-file` can't be read: it is no text in UTF-8\n"


# -- long texts --------------------------------------------------------------------------------------------------------


def test_a_title_and_a_search_of_a_megabyte_end_soon(project):
    id = held(project, b"add 40 and 2\n", "sum")["id"]
    long = b"word " * 200_000
    done = agentrun(project, "chat", "--resume", id, text=b"/title " + long + b"\n/sessions " + long + b"\n")
    assert done.returncode == 0
    assert len(sessions(project)[0]["title"]) == 200


# -- the question ------------------------------------------------------------------------------------------------------

ASKING = {
    "tools.d/put.yaml": """
        description: Puts.
        parameters: {type: object, properties: {note: {type: string}}, required: [note]}
        require_approval: always
        shell: {command: [touch, "put-{note}"]}
    """,
}


def test_a_paste_and_what_stood_at_other_prompts_answer_no_question(tmp_path, monkeypatch):
    """Neither a pasted yes without Enter, nor what was typed before, nor the keys that recall it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    turns = ["{tool_calls: [{name: put, arguments: {note: a}}], content: Type y!}", "content: Done."]
    agent = scripted_agent(turns, tools="[put]")
    project = write_project(tmp_path / "project", ASKING | {"agents/a.yaml": agent})
    terminal = Terminal(project, "a")
    terminal.wait_for_prompt()
    terminal.type("y\x15go\ry\r")  # a line that is taken back, the message, and an answer ahead of the question
    terminal.wait_for("allow?")
    terminal.type("\x1b[200~yes, please\ny\n\x1b[201~\r")
    terminal.wait_for("that is no answer")
    terminal.type("\x1b[A\x1b[A\r")
    terminal.wait_until(lambda lines: sum("allow?" in line for line in lines) >= 3)
    assert not (project / "put-a").exists()
    terminal.type("n\r")
    terminal.wait_for("Done.")
    terminal.type("\x15")
    assert terminal.leave() == 0
    assert not (project / "put-a").exists()
