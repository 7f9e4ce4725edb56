"""Files that were made to exhaust their reader: each is done within seconds, with findings, without a traceback."""

import os
import time

import pytest

from agentrun.cli import run_cli
from agentrun.spec.nodes import Node, Span
from agentrun.spec.rules.permissions import covers
from projects import write_project

MODEL = "model: gpt-4.1-mini\n"
MAX_CPU_S = 6.0


def agent(text):
    return {"agents/a.yaml": f"{MODEL}{text}"}


def prompt(text):
    return agent(f"system_prompt: |\n  {text}\n")


def tool(text, number=""):
    return f'description: Gets a thing.\nhttp: {{url: "https://example.com/{number}"}}\n{text}'


def tools(count, name="look_up_customer"):
    return "".join(f"---\nname: {name}_{one}\n{tool('', one)}" for one in range(count))


def ring(count, calls):
    """Agents that call the next ones, round and round."""
    return {
        f"agents/a{one}.yaml": f"{MODEL}description: Helps.\ntools:\n"
        + "".join(f"- {{agent: a{(one + ahead) % count}}}\n" for ahead in range(1, calls + 1))
        for one in range(count)
    }


def extending(names):
    """Bases, each of which extends the next."""
    return {f"agents/_b{one}.yaml": f"extends: _b{after}\n" for one, after in names}


def properties(count):
    named = ", ".join(f"customer_name_{one}: {{type: string}}" for one in range(count))
    return f"parameters: {{type: object, properties: {{{named}}}"


NAMES = ", ".join(f"custmer_name_{one}" for one in range(4000))
NEAR = ", ".join(f"lok_up_custmer_{one}" for one in range(3000))
QUERY = ", ".join(f'q{one}: "{{{{ args.a{one} }}}}"' for one in range(9000))
STARS, CLASSES = "*a" * 3000 + "b", "[a-" * 3000
FILES = {
    "values in values": (agent("x-a: " + "[" * 300_000), "AR205"),
    "braces in a prompt": (prompt("{{" * 300_000), "AR205"),
    "braces in a header": (
        {"tools.d/t.yaml": tool("").replace('"}', '", headers: {X-A: "%s $"}}' % ("{{" * 60_000))},
        "AR205",
    ),
    "parentheses in a template": (prompt("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}"), "AR501"),
    "a sum in a template": (prompt("{{ " + "+".join(["1"] * 20_000) + " }}"), "AR501"),
    "loops in a template": (prompt("{% for a in [1] %}" * 60 + "{% endfor %}" * 60), "AR501"),
    "a prompt of templates": (prompt("{{ args.a }} " * 60_000), "AR205"),
    "very many templates": ({"tools.d/t.yaml": tool("").replace('"}', f'", query: {{{QUERY}}}}}')}, "AR205"),
    "unknown names in a template": (prompt("\n  ".join(f"{{{{ b{one} }}}}" for one in range(1900))), "AR503"),
    "very many unknown keys": (agent("".join(f"system_promp{one}: 1\n" for one in range(10_000))), "AR301"),
    "very many unknown tools": (agent(f"tools: [{NEAR}]\n") | {"tools.d/t.yaml": tools(3000)}, "AR401"),
    "names that `required` misspells": (
        {"tools.d/t.yaml": tool(f"{properties(4000)}, required: [{NAMES}]}}\n")},
        "AR605",
    ),
    "a line of bases": (
        extending((one, one + 1) for one in range(1500)) | {"agents/a.yaml": "extends: _b0\n"},
        "AR205",
    ),
    "a circle of bases": (extending((one, (one + 1) % 1500) for one in range(1500)), "AR205"),
    "agents that call each other": (ring(60, 59), "AR405"),
    "a long circle of agents": (ring(1500, 1), None),
    "comments that ignore": (agent("# agentrun: ignore[AR401] x\n" * 20_000), None),
    "comments and findings": (agent("".join(f"k{one}: 1 # agentrun: ignore[AR301]\n" for one in range(10_000))), None),
    "a comment of unknown codes": (
        agent(f"# agentrun: ignore[{','.join(f'AR9{one}' for one in range(60_000))}]\n"),
        "AR107",
    ),
    "globs of stars": (
        agent(f'tools: ["a*"]\npermissions:\n- allow: "*a*a*a*a*a*a*b"\n- deny: "{STARS}"\n- ask: "{CLASSES}"\n')
        | {"tools.d/t.yaml": tools(100, "a" * 50)},
        "AR407",
    ),
    "very many permissions": (
        agent('tools: ["t*"]\npermissions:\n' + "".join(f"- allow: t_{one % 100}\n" for one in range(5000)))
        | {"tools.d/t.yaml": tools(100, "t")},
        None,
    ),
    "a pattern of parentheses": (
        {
            "tools.d/t.yaml": tool(
                'parameters: {type: object, properties: {a: {type: string, pattern: "%s"}}}\n' % ("(" * 500 + ")" * 500)
            )
        },
        "AR604",
    ),
    "dollars in a script": (
        {
            "tools.d/t.yaml": "description: Gets it.\nparameters: {type: object, properties: {a: {type: string}}}\n"
            f"shell:\n  script: |\n    echo {'$a' * 90_000}\n"
        },
        None,
    ),
    "a module of functions": (
        {
            "tools.d/t.yaml": "".join(
                f"---\nname: t{one}\ndescription: Gets it.\npython: m:f{one}\n" for one in range(500)
            ),
            "m.py": "".join(f"def f{one}(): pass\n" for one in range(5000)),
        },
        None,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_made_to_take_long_does_not(name, tmp_path, monkeypatch, capsys):
    files, code = FILES[name]
    monkeypatch.chdir(write_project(tmp_path, files))
    began = time.process_time()
    done = run_cli(["validate", "--format", "concise"])
    assert time.process_time() - began < MAX_CPU_S
    told = capsys.readouterr()
    assert done in (0, 3), told.err
    assert code is None or f" {code} " in told.out


def test_settings_that_are_nested_too_deeply_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_project(tmp_path, agent("") | {"agentrun.toml": "a=" + "[" * 100_000}))
    assert run_cli(["validate"]) == 2
    assert "nested too deeply" in capsys.readouterr().err


def test_nobody_waits_for_a_pipe(tmp_path, monkeypatch, capsys):
    files = agent("system_prompt: {file: p}\n") | {
        "tools.d/t.yaml": "description: Gets it.\npython: m:f\n",
        "tests/x": "",
    }
    monkeypatch.chdir(write_project(tmp_path, files))
    for place in ("agents/x.yaml", "agents/p", "tools.d/x.yaml", "tests/x.test.yaml", "m.py"):
        os.mkfifo(place)
    assert run_cli(["validate", "--format", "concise"]) == 3
    assert capsys.readouterr().out.count("it is a pipe") == 4
    assert run_cli(["fmt", "--check"]) == 3
    assert "it is a pipe" in capsys.readouterr().err
    os.mkfifo("agentrun.toml")
    assert run_cli(["validate"]) == 2


def test_links_in_circles_and_folders_with_names_of_files_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(write_project(tmp_path, agent("")))
    (tmp_path / "agents" / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "agents" / "here").symlink_to(".")
    (tmp_path / "agents" / "folder.yaml").mkdir()
    assert run_cli(["validate", "--format", "concise"]) == 3
    assert capsys.readouterr().out.count(" AR101 ") == 2


def test_a_place_in_a_text_is_found_by_its_line():
    text = Node("", Span("f", 3, 5, 9, 1), source="ab\ncd\r\nef")
    places = [text.part(at, at + 1) for at in (0, 1, 3, 7)]
    assert [(one.line, one.column) for one in places] == [(3, 5), (3, 6), (4, 1), (5, 1)]


def test_long_globs_are_not_compared():
    assert covers("a*b*", "a*bc*")
    assert not covers("*a" * 3000 + "*", "*a" * 3000 + "b*")
