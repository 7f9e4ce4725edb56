"""Comments that ignore findings: what they hold for, and what is said of those that ignore nothing."""

import json

import pytest

import golden_specs
from projects import write_project

HEAD = "description: Looks orders up.\nmodel: gpt-4.1-mini\n"


def found(tmp_path, text, *options):
    """Code and line of each finding of an agent's file in the ground project."""
    findings = golden_specs.findings_in(tmp_path, {"agents/desk.yaml": text}, *options)
    return [(one["code"], one["line"]) for one in findings]


@pytest.mark.parametrize(
    "lines",
    [
        "tools: [nope]  # agentrun: ignore[AR401] soon\n",
        "tools: [nope]  # agentrun:ignore[AR401]\n",
        "tools: [nope]  # agentrun: ignore[ AR401 , AR401 ] soon\n",
        "# agentrun: ignore[AR401] soon\ntools: [nope]\n",
        "# agentrun: ignore[AR401] soon\n# and another word\n\ntools: [nope]\n",
        "tools:\n  # agentrun: ignore[AR401] soon\n  - nope\n",
    ],
)
def test_a_comment_on_the_line_or_above_it_silences_the_finding(tmp_path, lines):
    assert found(tmp_path, HEAD + lines) == []


def test_a_comment_holds_for_its_own_line_alone(tmp_path):
    text = HEAD + "tools:\n  - nope  # agentrun: ignore[AR401] soon\n  - never\n"
    assert found(tmp_path, text) == [("AR401", 5)]


def test_a_comment_holds_for_the_whole_of_a_text_that_begins_behind_it(tmp_path):
    text = HEAD + "# agentrun: ignore[AR502] by the next line\nsystem_prompt: |\n  One.\n  {{ args.nope }}\n"
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    "lines",
    [
        "system_prompt: |  # agentrun: ignore[AR502] soon\n  One.\n  {{ args.nope }}\n",
        "# agentrun: ignore[AR502] soon\nsystem_prompt:\n  It is\n  {{ args.nope }}\n",
        "system_prompt: &it # agentrun: ignore[AR502] soon\n  It is\n  {{ args.nope }}\n",
        "# agentrun: ignore[AR502] soon\nsystem_prompt:\n  'It is\n  {{ args.nope }}'\n",
    ],
)
def test_the_text_may_begin_below_its_key_and_a_comment_stand_behind_its_mark(tmp_path, lines):
    assert found(tmp_path, HEAD + lines) == []


def test_a_comment_about_a_block_does_not_hold_for_the_key_below_it(tmp_path):
    text = HEAD + "# agentrun: ignore[AR502,AR401] soon\nsystem_prompt: |\n  {{ args.nope }}\ntools: [nope]\n"
    assert found(tmp_path, text) == [("AR106", 3), ("AR401", 6)]


@pytest.mark.parametrize("mark", ["---", "--- # the agent"])
def test_a_comment_above_the_mark_of_a_document_holds_for_its_first_line(tmp_path, mark):
    assert found(tmp_path, f"# agentrun: ignore[AR301] soon\n{mark}\nowner: me\n" + HEAD) == []


def test_a_comment_alone_on_its_line_holds_for_that_line_too(tmp_path):
    assert found(tmp_path, "\ufeff# agentrun: ignore[AR211] of our editor\n" + HEAD) == []


def test_a_comment_in_a_base_is_not_judged_without_the_files_that_extend_it(tmp_path):
    base = (
        "output: '{{ args.x }}'  # agentrun: ignore[AR502] of one that extends it\nhttp: {url: https://x.example.com}\n"
    )
    write_project(tmp_path, {"tools.d/_shop.yaml": base, "tools.d/find.yaml": "extends: _shop\ndescription: d\n"})
    for path in ("tools.d/_shop.yaml", "."):
        _, output = golden_specs.validate(tmp_path, path, "--select", "AR106,AR502", "--format", "json")
        assert json.loads(output)["findings"] == []
    write_project(tmp_path, {"tools.d/_shop.yaml": base.replace("args.x", "call.ok")})
    _, output = golden_specs.validate(tmp_path, "--select", "AR106", "--format", "json")
    assert [one["code"] for one in json.loads(output)["findings"]] == ["AR106"]


def test_a_comment_in_a_base_holds_where_only_a_file_that_extends_it_is_checked(tmp_path):
    base = "model: gpt-4.1-mini\nlimits: {timeout: x}  # agentrun: ignore[AR303] soon\n"
    write_project(tmp_path, {"agents/_desk.yaml": base, "agents/desk.yaml": "extends: _desk\ndescription: d\n"})
    code, output = golden_specs.validate(tmp_path, "agents/desk.yaml")
    assert (code, output) == (0, "2 files checked, no findings\n")


def test_what_stands_in_a_key_is_no_comment(tmp_path):
    assert found(tmp_path, HEAD + '"x # agentrun: ignore[AR301]": 1\n') == [("AR301", 3)]


def test_a_comment_about_what_is_found_elsewhere_only_is_not_judged(tmp_path, monkeypatch):
    monkeypatch.setitem(golden_specs.ENVIRON, "SHOP_MODEL", "gpt-4.1-mini")
    text = "description: d\nmodel: ${SHOP_MODEL}  # agentrun: ignore[AR510] set where it runs\n"
    assert found(tmp_path, text) == []


def test_another_code_is_not_silenced_and_the_comment_is_unused(tmp_path):
    text = HEAD + "tools: [nope]  # agentrun: ignore[AR402] soon\n"
    assert found(tmp_path, text) == [("AR401", 3), ("AR106", 3)]


def test_of_two_codes_the_unused_one_is_told(tmp_path):
    text = HEAD + "tools: [nope]  # agentrun: ignore[AR401,AR402] soon\n"
    [one] = golden_specs.findings_in(tmp_path, {"agents/desk.yaml": text})
    assert (one["code"], one["column"], one["end_column"]) == ("AR106", 41, 46)
    assert (one["help"], one["fix"]["title"], one["fix"]["safe"]) == ("take AR402 out", "take AR402 out", True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ignore[AR401,AR402] soon", "ignore[AR401] soon"),
        ("ignore[ AR402 , AR401 ] soon", "ignore[AR401 ] soon"),
        ("ignore[AR402, AR401, AR403, AR404]", "ignore[AR401]"),
        ("ignore[AR401 AR402]", "ignore[AR401]"),
    ],
)
def test_an_idle_code_is_taken_out_with_its_comma(tmp_path, before, after):
    text = HEAD + "tools: [nope]  # agentrun: "
    write_project(tmp_path, {"agents/desk.yaml": text + before + "\n"})
    assert golden_specs.validate(tmp_path, "--fix")[0] == 0
    assert (tmp_path / "agents/desk.yaml").read_text() == text + after + "\n"


def test_of_an_idle_comment_with_several_codes_all_goes(tmp_path):
    text = HEAD + "tools: [find_order]"
    files = {"agents/desk.yaml": f"{text}  # agentrun: ignore[AR401, AR402] soon\n"}
    found = golden_specs.findings_in(tmp_path, files)
    assert [one["help"] for one in found] == ["remove the comment"] * 2
    golden_specs.validate(tmp_path, "agents/desk.yaml", "--fix")
    assert (tmp_path / "agents/desk.yaml").read_text() == f"{text}  \n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ignore AR401 soon", "ignore[AR401] soon"),
        ("ignore: AR401, AR402, soon", "ignore[AR401, AR402], soon"),
        ("ignore AR401 AR199", None),
        ("ignore soon: AR401", None),
    ],
)
def test_codes_without_brackets_are_given_some_by_guess(tmp_path, before, after):
    text = HEAD + "tools: [nope]  # agentrun: "
    found = golden_specs.findings_in(tmp_path, {"agents/desk.yaml": text + before + "\n"})
    fix = next(one["fix"] for one in found if one["code"] == "AR107")
    assert (fix is None) == (after is None)
    if fix:
        [edit] = fix["edits"]
        line = (text + before).splitlines()[edit["line"] - 1]
        assert line[: edit["column"] - 1] + edit["text"] + line[edit["end_column"] - 1 :] == (
            "tools: [nope]  # agentrun: " + after
        )
        assert not fix["safe"]


def test_the_beginning_of_codes_is_none(tmp_path):
    text = HEAD + "tools: [nope]  # agentrun: ignore[AR4] soon\n"
    [_, one] = golden_specs.findings_in(tmp_path, {"agents/desk.yaml": text})
    assert (one["code"], one["help"]) == ("AR107", "write whole codes, such as AR401")


@pytest.mark.parametrize(
    "text",
    [
        "system_prompt: |\n  # agentrun: ignore[AR401]\n",
        "system_prompt: 'one\n  # agentrun: ignore[AR401]'\n",
        "system_prompt: '# agentrun: ignore[AR401]'\n",
        "system_prompt: one#agentrun:ignore[AR401]\n",
    ],
)
def test_what_stands_in_a_text_is_no_comment(tmp_path, text):
    assert found(tmp_path, HEAD + text) == []


@pytest.mark.parametrize("comment", ["# agentrun: ignore", "# agentrun: ignore[]", "# agentrun: ignore all"])
def test_a_comment_without_codes_is_told(tmp_path, comment):
    assert found(tmp_path, f"{HEAD}{comment}\ntools: [find_order]\n") == [("AR107", 3)]


def test_removing_an_unused_comment_leaves_the_rest_of_the_line(tmp_path):
    text = HEAD + "tools: [find_order]  # agentrun: ignore[AR401] soon\n"
    [one] = golden_specs.findings_in(tmp_path, {"agents/desk.yaml": text})
    [edit] = one["fix"]["edits"]
    assert (edit["line"], edit["column"], edit["end_column"], edit["text"]) == (3, 22, 52, "")


def test_a_comment_about_the_whole_project_is_not_judged_by_a_single_file(tmp_path):
    write_project(
        tmp_path,
        {
            "agents/desk.yaml": "model: gpt-4.1-mini\ntools: [ping]\n",
            "tools.d/ping.yaml": """
                # agentrun: ignore[AR420] called by hand
                name: ping
                description: Answers.
                shell: {command: [echo, pong]}
            """,
        },
    )
    for arguments, expected in ((["tools.d/ping.yaml"], []), ([], ["AR106"])):
        _, output = golden_specs.validate(tmp_path, "--format", "json", *arguments)
        assert [one["code"] for one in json.loads(output)["findings"]] == expected


def test_a_run_refuses_what_a_comment_only_keeps_quiet(tmp_path, capfd):
    from agentrun.cli import run_cli

    (tmp_path / "desk.yaml").write_text("model: {api: offline}\ntools: [nope]  # agentrun: ignore[AR401] soon\n")
    assert golden_specs.validate(tmp_path, "desk.yaml")[0] == 0
    assert run_cli(["run", str(tmp_path / "desk.yaml"), "Hi"]) == 3
    assert "AR401" in capfd.readouterr().err


def test_a_run_takes_a_comment_about_safety_for_the_authors_decision(tmp_path):
    from agentrun.cli import run_cli

    key = "sk-" + "a1B2c3D4" * 4
    text = f"model: {{api: offline}}\nsystem_prompt: {key}\n"
    (tmp_path / "desk.yaml").write_text(text)
    assert run_cli(["run", str(tmp_path / "desk.yaml"), "Hi"]) == 3
    (tmp_path / "desk.yaml").write_text(text.replace(f"{key}", f"{key}  # agentrun: ignore[AR802] a key of the docs"))
    assert run_cli(["run", str(tmp_path / "desk.yaml"), "Hi"]) == 0
