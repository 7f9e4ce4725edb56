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


def test_another_code_is_not_silenced_and_the_comment_is_unused(tmp_path):
    text = HEAD + "tools: [nope]  # agentrun: ignore[AR402] soon\n"
    assert found(tmp_path, text) == [("AR401", 3), ("AR106", 3)]


def test_of_two_codes_the_unused_one_is_told(tmp_path):
    text = HEAD + "tools: [nope]  # agentrun: ignore[AR401,AR402] soon\n"
    [one] = golden_specs.findings_in(tmp_path, {"agents/desk.yaml": text})
    assert (one["code"], one["column"], one["end_column"]) == ("AR106", 41, 46)
    assert one["fix"] is None


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
