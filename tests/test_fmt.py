"""`agentrun fmt`: the order of keys and the indentation; comments stay, and so does what a file means."""

import errno
import io
import json
import random
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import golden_specs
from agentrun.cli import run_cli
from agentrun.cli.starter import FILES
from agentrun.discovery import guess_kind
from agentrun.layout import lay_out
from agentrun.layout.gaps import comments
from agentrun.layout.tree import Block, read_tree, split_lines
from agentrun.spec.yaml_nodes import read_bytes
from yaml_texts import Writer

ROOT = Path(__file__).parent.parent
SHIPPED = [*sorted((ROOT / "agents").glob("*.yaml")), *sorted((ROOT / "tools.d").glob("*.yaml"))]
STARTER = [(name, text) for name, text in FILES.items() if name.endswith(".yaml")]
SPECS = sorted(path for path in golden_specs.SPECS.rglob("*.yaml") if path.is_file())


def layout(text, kind="agent"):
    """The text in the house layout, which is settled and means the same."""
    made = lay_out(kind, "f.yaml", text.encode())
    assert (made.findings, made.refusal) == ((), None)
    check(kind, text.encode(), made.content)
    return made.content.decode()


def check(kind, before, after):
    assert data(after) == data(before)
    assert comments(text_of(after)) == comments(text_of(before))
    assert lay_out(kind, "f.yaml", after).content == after


def data(raw):
    read = read_bytes("f.yaml", raw)
    assert not read.stopped
    return [json.dumps(document.data(), sort_keys=True) for document in read.documents]


def text_of(raw):
    return raw.decode("utf-8-sig")


# -- the order of keys --------------------------------------------------------------------------------------


def test_keys_stand_in_the_order_of_the_reference():
    assert (
        layout("tools: [find_order]\nsystem_prompt: Help.\nmodel: m\ndescription: Helps.\n")
        == "description: Helps.\nmodel: m\nsystem_prompt: Help.\ntools: [find_order]\n"
    )


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("agent", "model:\n  api: offline\n  name: m\n", "model:\n  name: m\n  api: offline\n"),
        ("tool", "http:\n  url: /x\n  base_url: https://x\n", "http:\n  base_url: https://x\n  url: /x\n"),
        ("tool", "output: x\nfinal: true\nname: y\n", "name: y\nfinal: true\noutput: x\n"),
        (
            "test",
            "cases:\n  - expect:\n      turns: 1\n      answer: x\n    name: y\nagent: a\n",
            "agent: a\ncases:\n  - name: y\n    expect:\n      answer: x\n      turns: 1\n",
        ),
        (
            "agent",
            "model: m\ntools:\n  - shell:\n      cwd: .\n      command: [ls]\n    name: ls\n",
            "model: m\ntools:\n  - name: ls\n    shell:\n      command: [ls]\n      cwd: .\n",
        ),
    ],
)
def test_the_order_holds_wherever_the_language_defines_the_keys(kind, before, after):
    assert layout(before, kind) == after


def test_the_authors_own_data_keeps_its_order():
    text = (
        "parameters:\n  properties:\n    name: {type: string}\n    api: {type: string}\n  type: object\n"
        "model:\n  name: m\n  headers:\n    Z: 1\n    A: 2\n  settings:\n    top_p: 1\n    temperature: 0\n"
    )
    assert layout(text) == text


def test_a_key_that_the_language_does_not_define_stays_behind_the_one_before_it():
    text = "x-first: 1\nmodel: m\nx-about-the-model: 2\nmodle: 3\ndescription: d\nx-last: 4\n"
    assert layout(text) == "x-first: 1\ndescription: d\nx-last: 4\nmodel: m\nx-about-the-model: 2\nmodle: 3\n"


def test_an_alias_never_comes_to_stand_before_its_anchor():
    text = "tools: &t [find_order]\nmodel: m\nstarters: []\ninput: *t\n"
    assert layout(text) == text
    assert layout("limits: &l\n  timeout: 1\nx-l: *l\nmodel: m\n") == "model: m\nlimits: &l\n  timeout: 1\nx-l: *l\n"


def test_two_anchors_of_one_name_keep_their_order():
    text = "tools: &n [a]\ndescription: &n d\nmodel: m\nstarters: [*n]\n"
    assert layout(text) == text


def test_an_anchor_that_stands_before_stays_in_reach_of_all():
    text = "x-m: &m {name: m}\ntools: []\nmodel:\n  fallback: [*m]\n  <<: *m\n"
    assert layout(text) == "x-m: &m {name: m}\nmodel:\n  fallback: [*m]\n  <<: *m\ntools: []\n"


def test_each_document_is_ordered_for_itself():
    text = "final: true\nname: a\n---\n# about b\nname: b\n...\n# between\n---\nfinal: true\nname: c\n"
    assert (
        layout(text, "tool")
        == "name: a\nfinal: true\n---\n# about b\nname: b\n...\n# between\n---\nname: c\nfinal: true\n"
    )


def test_a_flow_mapping_is_the_authors():
    text = "model: m\npermissions:\n  - {when: '{{ 1 }}', ask: a}\nlimits: {timeout: 1,   max_turns: 2}\n"
    assert layout(text) == text


# -- comments -----------------------------------------------------------------------------------------------


def test_a_comment_moves_with_the_key_below_it_and_the_one_behind_a_value_with_its_line():
    text = "model: m  # the small one\n\n# as few\n# as can be\ntools: []\n# what it is\ndescription: d\n"
    assert (
        layout(text) == "# what it is\ndescription: d\nmodel: m  # the small one\n\n# as few\n# as can be\ntools: []\n"
    )


def test_a_comment_at_the_top_stays_there():
    text = "# yaml-language-server: $schema=x\n# Looks orders up.\nmodel: m\ndescription: d\n"
    assert layout(text) == "# yaml-language-server: $schema=x\n# Looks orders up.\ndescription: d\nmodel: m\n"


def test_of_several_comments_at_the_top_the_last_is_about_the_first_key():
    text = "# ==== Desk ====\n\n# the small one\nmodel: m\ndescription: d\n"
    assert layout(text) == "# ==== Desk ====\n\ndescription: d\n# the small one\nmodel: m\n"


def test_comments_in_the_place_of_a_value_stay_there():
    text = "tools:\n    # - find\n\n    # - log\nmodel:\n   name: m\n   settings:\n      # seed: 1\n   # of all\n"
    assert layout(text) == (
        "model:\n  name: m\n  settings:\n    # seed: 1\n  # of all\ntools:\n  # - find\n\n  # - log\n"
    )
    assert layout("tools:\n# - find\n# below\nmodel: m\n") == "# below\nmodel: m\ntools:\n  # - find\n"


def test_a_tab_within_a_comment_stays():
    for text in ("model: m\n# one\t# two\n", "description: > # one\t# two\n  d\n", "model: m # one\t# two\n"):
        assert layout(text) == text


def test_a_comment_that_silences_a_finding_stays_above_its_line():
    ignore = "# agentrun: ignore[AR401] later"
    assert layout(f"{ignore}\ntools: [x]\nmodel: m\n") == f"model: m\n{ignore}\ntools: [x]\n"
    assert layout(f"model:\n  name: m\n    {ignore}\ntools: [x]\n") == f"model:\n  name: m\n{ignore}\ntools: [x]\n"
    text = f"model: m\ntools:\n  {ignore}\n  - require_approval: always\n    extends: x\n"
    assert layout(text) == text


def test_comments_after_the_last_key_of_a_block_stay_at_its_end():
    text = (
        "tools:\n- a\n# - b\nmodel:\n    api: offline\n    name: m\n    # timeout: 3\n  # about all\n"
        "# above\nlimits: {}\n"
    )
    assert (
        layout(text) == "model:\n  name: m\n  api: offline\n  # timeout: 3\n  # about all\ntools:\n  - a\n  # - b\n"
        "# above\nlimits: {}\n"
    )


def test_comments_after_the_last_key_stay_at_the_end_of_the_file():
    assert layout("tools: []\nmodel: m\n\n# the end\n\n\n") == "model: m\ntools: []\n\n# the end\n"


def test_the_comment_of_a_key_that_comes_first_behind_a_dash_stands_above_the_dash():
    text = "tools:\n  # the first\n  - require_approval: always\n    # a base\n    extends: x\nmodel: m\n"
    assert layout(text) == "model: m\ntools:\n  # the first\n  # a base\n  - extends: x\n    require_approval: always\n"


def test_comments_stay_between_a_key_and_its_value():
    text = "model: # here\n    # there\n      name: m\ndescription:\n# why\n   text\n"
    assert layout(text) == "description:\n  # why\n  text\nmodel: # here\n  # there\n  name: m\n"


def test_a_file_of_comments_stays():
    assert layout("\n# one\n\n  # two  \n\n") == "# one\n\n  # two\n"
    assert layout("") == ""


# -- indentation and blanks ---------------------------------------------------------------------------------


def test_two_spaces_a_level_and_lists_below_their_key():
    text = "model:\n    name: m\n    fallback:\n    -   name: n\n        max_retries: 1\n    - - x\n      -   y\n"
    assert layout(text) == "model:\n  name: m\n  fallback:\n    - name: n\n      max_retries: 1\n    - - x\n      - y\n"


def test_a_document_that_is_indented_moves_to_the_margin():
    assert layout("   model: m\n   # c\n   tools: []\n") == "model: m\n# c\ntools: []\n"


def test_flow_collections_and_texts_of_several_lines_move_along():
    text = (
        "model:\n    base_url: u\n     v\n    api_key: 'x\n       y'\n    headers: {\n        a: b,  # c\n\n      }\n"
    )
    assert (
        layout(text)
        == "model:\n  base_url: u\n    v\n  api_key: 'x\n     y'\n  headers: {\n      a: b,  # c\n\n    }\n"
    )


def test_blanks_at_the_ends_of_lines_and_tabs_before_comments_go():
    text = "model: m \t# c  \t\ntools: [a,  \n  b]\t\n  \nx-a: |  \n  y  \n"
    assert layout(text) == "model: m # c\ntools: [a,\n  b]\n\nx-a: |\n  y  \n"
    assert layout("x-a: 'x  \n  y'  \n") == "x-a: 'x  \n  y'\n"


def test_there_are_two_blank_lines_at_most_and_none_at_the_ends():
    assert layout("\n\nmodel: m\n\n\n\n\n# c\n\n\n\ntools: []\n\n\n") == "model: m\n\n\n# c\n\n\ntools: []\n"


def test_the_first_key_of_a_block_has_no_blank_line_that_it_brought_along():
    assert layout("model: m\n\ndescription: d\ntools: []\n") == "description: d\n\nmodel: m\ntools: []\n"


@pytest.mark.parametrize("style", ["|", ">", "|-", ">-", "|+", ">+"])
def test_a_block_text_moves_with_its_key_and_stays_the_same(style):
    text = (
        f"tools: []\nmodel:\n      name: {style}\n            a\n\n              # b\n            c\n"
        f"system_prompt: {style}\n d\n"
    )
    assert (
        layout(text) == f"model:\n  name: {style}\n    a\n\n      # b\n    c\nsystem_prompt: {style}\n  d\ntools: []\n"
    )


@pytest.mark.parametrize("style", ["|4", ">4-", "|-4", "|4+"])
def test_a_block_text_with_a_stated_indentation_keeps_it(style):
    text = f"model:\n    name: {style}\n          a\n        b\n    api: offline\n"
    assert layout(text) == f"model:\n  name: {style}\n        a\n      b\n  api: offline\n"


def test_blank_lines_that_belong_to_a_text_go_with_it():
    assert (
        layout("system_prompt: |+\n  a\n\n\n\nmodel: m\n\n# c\ndescription: d\n")
        == "# c\ndescription: d\nmodel: m\n\nsystem_prompt: |+\n  a\n\n\n\n"
    )
    assert (
        layout("tools: []\n\nsystem_prompt: |+\n  a\n\nmodel: m\n")
        == "model: m\n\nsystem_prompt: |+\n  a\n\ntools: []\n"
    )


def test_a_text_that_ends_with_the_file_gets_no_line_break_that_it_had_not():
    assert layout("tools: []\nsystem_prompt: |\n  a") == "system_prompt: |-\n  a\ntools: []\n"
    assert layout("model: m\nsystem_prompt: |2+ # c\n  a") == "model: m\nsystem_prompt: |2- # c\n  a\n"
    assert layout("model: m\nsystem_prompt: |-\n  a") == "model: m\nsystem_prompt: |-\n  a\n"


def test_quotes_spacing_and_line_width_are_the_authors():
    text = "model:    'm'\nsystem_prompt: " + "long " * 60 + "end\ntools: [ a , b ]\n"
    assert layout(text) == text


def test_a_document_that_is_no_block_stays():
    assert layout("{tools: [a],\n model: m}") == "{tools: [a],\n model: m}\n"
    assert layout("--- |\n  # a\n  b") == "--- |\n  # a\n  b"
    assert layout("---\n---\nmodel: m\n---\n# c\n") == "---\n---\nmodel: m\n---\n# c\n"


# -- bytes --------------------------------------------------------------------------------------------------


def test_windows_line_ends_stay():
    assert layout("tools: []\r\nmodel: |\r\n    a\r\n") == "model: |\r\n  a\r\ntools: []\r\n"


def test_of_mixed_line_ends_the_commoner_one_is_taken():
    assert layout("model: m\r\ntools: []\nx-a: 1\r\n") == "model: m\r\ntools: []\r\nx-a: 1\r\n"
    assert layout("model: m\r\ntools: []\nx-a: 1\n") == "model: m\ntools: []\nx-a: 1\n"


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029", "\r"])
def test_a_rare_line_break_in_a_text_stays(character):
    layout(f"tools: []\nsystem_prompt: |\n      a{character}      b\nmodel: 'x{character}    y'\n")


def test_a_byte_order_mark_stays():
    made = lay_out("agent", "f.yaml", b"\xef\xbb\xbftools: []\nmodel: m\n")
    assert made.content == b"\xef\xbb\xbfmodel: m\ntools: []\n"


# -- what is left alone -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("? model\n: m\n", "line 1 writes a key with `?`"),
        ("model:\n  &m\n  name: m\n", "line 2 holds an anchor or a tag and nothing else"),
    ],
)
def test_what_has_no_house_layout_stays_as_it_is(text, reason):
    made = lay_out("agent", "f.yaml", text.encode())
    assert (made.content, made.refusal) == (text.encode(), reason)


@pytest.mark.parametrize("raw", [b"model: [", b"model: m\nmodel: n\n", b"a: \xff", b"a: !x 1"])
def test_what_is_no_yaml_stays_and_has_its_findings(raw):
    made = lay_out("agent", "f.yaml", raw)
    assert made.content == raw
    assert made.findings


# -- many files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_files_are_in_the_house_layout(path):
    assert lay_out(guess_kind(path), path.name, path.read_bytes()).content == path.read_bytes()


@pytest.mark.parametrize(("name", "text"), STARTER)
def test_a_new_project_is_in_the_house_layout(name, text):
    assert layout(text, guess_kind(Path(name))) == text


def test_every_file_of_the_tests_that_is_yaml_has_a_house_layout():
    laid_out = 0
    for path in SPECS:
        raw = path.read_bytes()
        made = lay_out(guess_kind(path), path.name, raw)
        assert made.refusal is None, path
        if not made.findings:
            laid_out += 1
            check(guess_kind(path), raw, made.content)
    assert laid_out > 200


def columns(block, column=0):
    """The columns of all entries with those that they should have."""
    for entry in block.entries:
        yield entry.column, column
        if isinstance(entry.value, Block):
            yield from columns(entry.value, column + 2)


@settings(deadline=None, max_examples=400)
@given(seed=st.integers(min_value=0), kind=st.sampled_from(["agent", "tool", "test"]))
def test_any_text_keeps_its_meaning_and_comments_and_is_laid_out_at_once(seed, kind):
    raw = Writer(random.Random(seed), kind).text().encode()
    made = lay_out(kind, "f.yaml", raw)
    assume(not made.findings)
    assert made.refusal is None
    check(kind, raw, made.content)
    text = made.content.decode()
    for document in read_tree(text, split_lines(text)):
        assert isinstance(document, Block)
        assert all(stands == should for stands, should in columns(document))


# -- the command --------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, text in {
        "agents/a.yaml": "tools: [t]\nmodel: m\n",
        "agents/_base.yaml": "model: m\n",
        "tools.d/t.yaml": "final: true\nname: t\n",
        "tests/deep/a.test.yaml": "cases: [{name: c}]\nagent: a\n",
        "docs/other.yaml": "tools: []\nmodel: m\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_paths_the_project_is_formatted(project, capsys):
    assert run_cli(["fmt"]) == 0
    assert capsys.readouterr().out == (
        "formatted agents/a.yaml\nformatted tools.d/t.yaml\nformatted tests/deep/a.test.yaml\n"
        "3 files formatted, 1 unchanged\n"
    )
    assert (project / "agents/a.yaml").read_text() == "model: m\ntools: [t]\n"
    assert (project / "docs/other.yaml").read_text() == "tools: []\nmodel: m\n"
    assert run_cli(["fmt", "--check"]) == 0


def test_check_writes_nothing_and_tells_what_would_change(project, capsys):
    before = (project / "tools.d/t.yaml").read_bytes()
    assert run_cli(["fmt", "--check", "tools.d", "agents/_base.yaml"]) == 1
    assert capsys.readouterr().out == "would format tools.d/t.yaml\n1 file would be formatted, 1 unchanged\n"
    assert (project / "tools.d/t.yaml").read_bytes() == before


def test_diff_shows_the_changes_and_writes_nothing(project, capsys):
    (project / "agents/a.yaml").write_text("tools: [t]\nmodel: m")
    assert run_cli(["fmt", "--diff", "agents"]) == 1
    printed = capsys.readouterr()
    assert printed.out == (
        "--- agents/a.yaml\n+++ agents/a.yaml\n@@ -1,2 +1,2 @@\n+model: m\n tools: [t]\n-model: m\n"
        "\\ No newline at end of file\n"
    )
    assert printed.err == "1 file would be formatted, 1 unchanged\n"
    assert (project / "agents/a.yaml").read_text() == "tools: [t]\nmodel: m"


def test_in_a_terminal_the_changes_are_coloured_and_secrets_are_shown_nowhere(project, capsys, monkeypatch):
    (project / "agents/a.yaml").write_text("tools: [t]\nx-password: hunter-2-4fz9\nmodel: m\n")
    assert run_cli(["fmt", "--diff", "agents"]) == 1
    assert "\n x-password: [secret]\n" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert run_cli(["fmt", "--diff", "agents"]) == 1
    printed = capsys.readouterr().out
    assert "\x1b[32m+model: m\n" in printed
    assert "hunter" not in printed


def test_a_glob_stands_for_the_files_that_it_matches(project, capsys):
    (project / "agents/prompt.md").write_text("Hi.")
    assert run_cli(["fmt", "--check", "agents/*", "**/t.yaml"]) == 1
    assert capsys.readouterr().out.endswith("2 files would be formatted, 1 unchanged\n")
    assert run_cli(["fmt", "agents/*.yml"]) == 2
    assert "`agents/*.yml` matches no file" in capsys.readouterr().err


def test_a_broken_file_has_its_findings_and_the_others_are_formatted(project, capsys):
    (project / "agents/_base.yaml").write_text("model: m\nmodel: n\n")
    assert run_cli(["fmt"]) == 3
    printed = capsys.readouterr()
    assert "agents/_base.yaml:2:1: error AR202" in printed.err
    assert printed.out.endswith("3 files formatted, 0 unchanged, 1 left as it is\n")


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_formatted(project, capsys):
    (project / "agents/folder.yaml").mkdir()
    assert run_cli(["fmt"]) == 3
    printed = capsys.readouterr()
    assert printed.err == "error: agents/folder.yaml can't be read: is a directory\n"
    assert printed.out.endswith("3 files formatted, 1 unchanged, 1 left as it is\n")


def test_a_file_that_cannot_be_written_is_told_and_the_others_are_formatted(project, capsys, monkeypatch):
    def little_room(target, content):
        if target.name == "a.yaml":
            raise OSError(errno.ENOSPC, "No space left on device")
        target.write_bytes(content)

    monkeypatch.setattr("agentrun.cli.fmt.replace_file", little_room)
    before = (project / "agents/a.yaml").read_bytes()
    assert run_cli(["fmt"]) == 3
    told = capsys.readouterr()
    assert "agents/a.yaml can't be written: no space left on device" in told.err
    assert "formatted tools.d/t.yaml" in told.out
    assert "1 left as it is" in told.out
    assert (project / "agents/a.yaml").read_bytes() == before


def test_a_file_that_is_read_only_stays_as_it_is_for_root_too(project, capsys):
    before = (project / "agents/a.yaml").read_bytes()
    (project / "agents/a.yaml").chmod(0o444)
    assert run_cli(["fmt"]) == 3
    assert "agents/a.yaml can't be written: it is read-only" in capsys.readouterr().err
    assert (project / "agents/a.yaml").read_bytes() == before


def test_a_file_without_a_house_layout_is_told(project, capsys):
    (project / "agents/_base.yaml").write_text("? model\n: m\n")
    assert run_cli(["fmt", "agents/_base.yaml"]) == 1
    assert "agents/_base.yaml stays as it is: line 1 writes a key with `?`" in capsys.readouterr().err


def from_stdin(monkeypatch, text, *arguments):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    return run_cli(["fmt", "-", "--stdin-filename", "agents/x.yaml", *arguments])


def test_standard_input_goes_to_standard_output(project, capsysbinary, monkeypatch):
    assert from_stdin(monkeypatch, "tools: []\r\nmodel: m\r\n") == 0
    assert capsysbinary.readouterr().out == b"model: m\r\ntools: []\r\n"
    assert from_stdin(monkeypatch, "tools: []\nmodel: m\n", "--check") == 1
    assert capsysbinary.readouterr().out == b"would format agents/x.yaml\n"
    assert from_stdin(monkeypatch, "model: [") == 3
    printed = capsysbinary.readouterr()
    assert printed.out == b""
    assert b"agents/x.yaml:1:9: error AR201" in printed.err


def test_a_tool_of_a_further_folder_is_formatted_as_one(project):
    (project / "more").mkdir()
    (project / "more/u.yaml").write_text("final: true\nname: u\n")
    assert run_cli(["fmt", "--tools", "more"]) == 0
    assert (project / "more/u.yaml").read_text() == "name: u\nfinal: true\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.yaml"], "there is no `nothing.yaml`"),
        (["docs"], "there are no agents, tools or tests in `docs`"),
        (["README.md"], "`README.md` is no YAML file"),
        (["-"], "its name is not known"),
        (["-", "agents"], "`-` stands alone"),
        (["--stdin-filename", "agents/x.yaml"], "goes with `-`"),
    ],
)
def test_bad_usage_is_told(project, capsys, arguments, told):
    (project / "README.md").write_text("x")
    assert run_cli(["fmt", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_link_stays_a_link(project):
    (project / "agents/b.yaml").symlink_to("../docs/other.yaml")
    assert run_cli(["fmt"]) == 0
    assert (project / "agents/b.yaml").is_symlink()
    assert (project / "docs/other.yaml").read_text() == "model: m\ntools: []\n"
