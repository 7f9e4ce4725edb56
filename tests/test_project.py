"""A folder to a project: what is found, what is read, and what is said about files that are not."""

import os
import tempfile
from pathlib import Path

import pytest

import golden_specs
from agentrun.discovery import find_files, find_root
from agentrun.errors import UsageError
from agentrun.project import read_project

AGENT = "model: m\n"
TOOL = "description: d\npython: m:f\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root, **files):
    """`agents__a="…"` is `agents/a.yaml`."""
    for name, text in files.items():
        put(root, f"{name.replace('__', '/')}.yaml", text)


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def told(project):
    """Errors, and what is said of files that are not read."""
    return [one for one in project.report().diagnostics if one.severity == "error" or one.code.startswith("AR1")]


def found(project):
    return [f"{one.span.file}:{one.span.line} {one.code}" for one in told(project)]


def read(root, **options):
    return read_project(root, {}, **options)


# -- the root -----------------------------------------------------------------------------------------------


def test_the_root_is_the_nearest_folder_with_agents_or_tools(folder):
    write(folder, agents__a=AGENT, sub__tools__d__t=TOOL)
    (folder / "sub/tools.d").mkdir()
    (folder / "sub/deep/er").mkdir(parents=True)
    assert find_root(folder / "agents/a.yaml") == folder
    assert find_root(folder / "sub/deep/er") == folder / "sub"
    assert find_root(folder / "sub/deep/er/nothing.yaml") == folder / "sub"
    assert find_root(folder) == folder


def test_the_search_for_the_root_stops_at_a_repository(folder):
    write(folder, agents__a=AGENT)
    (folder / "repo/.git").mkdir(parents=True)
    (folder / "repo/sub").mkdir()
    assert find_root(folder / "repo/sub/x.yaml") == folder / "repo/sub"
    (folder / "repo/agents").mkdir()
    assert find_root(folder / "repo/sub/x.yaml") == folder / "repo"


def test_a_file_alone_is_its_own_project(folder):
    put(folder, "weather.yaml", AGENT)
    project = read(find_root(folder / "weather.yaml"), files=[Path("weather.yaml")])
    assert list(project.catalog.agents) == ["weather"]
    assert found(project) == []


# -- what is read -------------------------------------------------------------------------------------------


def test_agents_tools_bases_and_tests_are_found(folder):
    write(folder, agents__a=AGENT, agents___b="limits: {}\n", tests__deep__er__x_test="", other__c=AGENT)
    put(folder, "tools.d/t.yaml", TOOL)
    put(folder, "tests/deep/er/x.test.yaml", "agent: a\ncases: [{name: n}]\n")
    put(folder, "agents/sub/deep.yaml", "nonsense")
    catalog = read(folder).catalog
    assert (list(catalog.agents), list(catalog.tools)) == (["a"], ["t"])
    assert [one.name for one in catalog.bases] == ["_b"]
    assert [one.path for one in catalog.tests] == ["tests/deep/er/x.test.yaml"]


def test_the_tests_of_a_project_inside_of_tests_are_not_read(folder):
    write(folder, agents__a=AGENT)
    put(folder, "tests/fixtures/agents/b.yaml", AGENT)
    put(folder, "tests/fixtures/tests/b.test.yaml", "nonsense")
    assert found(read(folder)) == []


def test_what_editors_leave_behind_is_not_read(folder):
    write(folder, agents__a=AGENT)
    put(folder, "agents/.a.yaml.swp", "nonsense")
    (folder / "agents/.#a.yaml").symlink_to("nobody@nowhere")
    assert found(read(folder)) == []


def test_one_file_of_tools_may_hold_several(folder):
    put(folder, "tools.d/shop.yaml", f"name: a\n{TOOL}---\n---\nname: b\n{TOOL}")
    assert list(read(folder).catalog.tools) == ["a", "b"]


def test_of_several_tools_each_needs_a_name(folder):
    put(folder, "tools.d/shop.yaml", f"{TOOL}---\nname: b\n{TOOL}---\n{TOOL}")
    assert found(read(folder)) == ["tools.d/shop.yaml:1 AR302", "tools.d/shop.yaml:8 AR302"]


def test_further_folders_of_tools_are_read(folder):
    put(folder, "project/agents/a.yaml", "model: m\ntools: [t]\n")
    put(folder, "shared/t.yaml", TOOL)
    assert found(read(folder / "project")) == ["project/agents/a.yaml:2 AR401"]
    assert found(read(folder / "project", tools=[Path("shared")])) == []


def test_a_folder_or_file_that_is_named_twice_is_read_once(folder):
    write(folder, agents__a=AGENT)
    put(folder, "tools.d/t.yaml", TOOL)
    (folder / "agents/link.yaml").symlink_to("a.yaml")
    files = [Path("agents/a.yaml"), folder / "agents/a.yaml", Path("agents/../agents/a.yaml")]
    project = read(folder, tools=[Path("tools.d"), folder / "tools.d"], files=files)
    assert found(project) == []
    assert len(project.sources) == 2


def test_paths_are_shown_relative_to_the_current_folder(folder, monkeypatch):
    write(folder, agents__a="modle: m\n")
    (folder / "sub").mkdir()
    assert found(read(folder)) == ["agents/a.yaml:1 AR301"]
    monkeypatch.chdir(folder / "sub")
    assert found(read(folder)) == ["../agents/a.yaml:1 AR301"]


# -- files that can't be read -------------------------------------------------------------------------------


def test_what_can_not_be_read_is_told(folder):
    (folder / "agents/folder.yaml").mkdir(parents=True)
    (folder / "agents/loop.yaml").symlink_to("loop.yaml")
    (folder / "agents/nothing.yaml").symlink_to("nowhere.yaml")
    put(folder, "agents/big.yaml", b"#" * 2_000_000)
    put(folder, "agents/latin.yaml", b"model: caf\xe9\n")
    put(folder, "agents/empty.yaml", "# nothing\n")
    assert found(read(folder)) == [
        "agents/big.yaml:1 AR103",
        "agents/empty.yaml:1 AR104",
        "agents/folder.yaml:1 AR101",
        "agents/latin.yaml:1 AR102",
        "agents/loop.yaml:1 AR101",
        "agents/nothing.yaml:1 AR101",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(folder):
    write(folder, agents__a=AGENT)
    (folder / "agents/a.yaml").chmod(0)
    assert found(read(folder)) == ["agents/a.yaml:1 AR101"]


def test_misnamed_files_and_folders_are_told(folder):
    write(folder, agents__a=AGENT, agent__b=AGENT, tools__t=TOOL, tool__t=TOOL)
    for name in ("agents/c.yml", "tests/d.test.yml"):
        put(folder, name, AGENT)
    (folder / "tools.d").mkdir()
    put(folder, "tools.d/e.yml", TOOL)
    assert [(one.span.file, one.severity) for one in told(read(folder))] == [
        ("agent/b.yaml", "warning"),
        ("agents/c.yml", "error"),
        ("tests/d.test.yml", "error"),
        ("tool/t.yaml", "warning"),
        ("tools.d/e.yml", "error"),
        ("tools/t.yaml", "warning"),
    ]


def test_a_folder_of_tools_elsewhere_is_no_concern_of_a_file_alone(folder):
    put(folder, "tools/ci.yaml", "anything")
    put(folder, "weather.yaml", AGENT)
    assert found(read(folder, files=[Path("weather.yaml")])) == []


# -- {file: …} ----------------------------------------------------------------------------------------------


def test_a_prompt_of_a_file_is_relative_to_the_file_that_names_it(folder):
    write(folder, agents___b="system_prompt: {file: prompts/p.md}\nmodel: m\n", agents__a="extends: _b\n")
    put(folder, "agents/prompts/p.md", "Today is {{ run.day }}.\n")
    project = read(folder)
    assert project.catalog.agents["a"].data["system_prompt"] == "Today is {{ run.day }}.\n"
    assert found(project) == ["agents/prompts/p.md:1 AR503"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("agents/a.yaml", "model: {api: scripted, script: {file: ../s.yaml}}\n"),
        ("agents/a.yaml", "model: {name: m, fallback: [{api: scripted, script: {file: ../s.yaml}}]}\n"),
        ("tests/a.test.yaml", "agent: a\nmodel: {file: ../s.yaml}\ncases: [{name: n, args: {input: Hi}}]\n"),
        ("tests/a.test.yaml", "agent: a\ncases: [{name: n, args: {input: Hi}, model: {file: ../s.yaml}}]\n"),
    ],
)
def test_a_script_of_a_file_is_checked_where_it_is_written(folder, name, text):
    write(folder, agents__a=AGENT)
    put(folder, name, text)
    put(folder, "s.yaml", "- content: Done.\n  delay: soon\n")
    (one,) = told(read(folder))
    assert (one.code, one.span.file, one.span.line) == ("AR303", "s.yaml", 2)


@pytest.mark.parametrize("name", ["nowhere.md", ".", "a\\0b", "x" * 5000, "../agents/a.yaml/x"])
def test_a_file_that_is_named_and_can_not_be_read_is_told_there(folder, name):
    write(folder, agents__a=f'model: m\nsystem_prompt: {{file: "{name}"}}\n')
    (one,) = told(read(folder))
    assert (one.code, one.span.line, one.span.column) == ("AR408", 2, 23)


def test_a_file_is_read_up_to_its_bound_and_no_further(folder):
    write(folder, agents__a="model: m\nsystem_prompt: {file: /dev/zero}\n")
    assert found(read(folder)) == ["/dev/zero:1 AR103"]


# -- what a file reaches ------------------------------------------------------------------------------------


def test_a_file_is_checked_with_what_it_uses_and_nothing_else(folder):
    write(folder, agents__a="model: m\ntools: [t, {agent: b}]\n", agents__b="modle: m\n", agents__c="modle: m\n")
    put(folder, "tools.d/t.yaml", "python: none\n")
    put(folder, "tools.d/u.yaml", "python: none\n")
    code, output = golden_specs.validate(folder, "agents/a.yaml")
    assert code == 3
    assert [line.split(" ")[0] for line in output.splitlines() if ": error" in line] == [
        "agents/b.yaml:1:1:",
        "tools.d/t.yaml:1:9:",
    ]
    assert golden_specs.validate(folder, "tools.d/u.yaml")[1].count(": error") == 1
    assert golden_specs.validate(folder, "agents")[1].count(": error") == 3
    assert golden_specs.validate(folder)[1].count(": error") == 4


BROKEN = "description: d\n\tshell: {}\n"


@pytest.mark.parametrize(
    ("tools", "codes"),
    [
        ("[t]", []),
        ("[t, broken]", ["tools.d/broken.yaml:2 AR201"]),
        ("[t, 'b*']", ["tools.d/broken.yaml:2 AR201"]),
        ("[t, {extends: broken, name: other}]", ["tools.d/broken.yaml:2 AR201"]),
    ],
)
def test_a_file_that_can_not_be_read_is_told_where_it_may_be_needed(folder, tools, codes):
    write(folder, agents__a=f"model: m\ntools: {tools}\n", agents__other="model: m\ntools: [t, broken]\n")
    put(folder, "tools.d/t.yaml", "description: d\nshell: {command: [date]}\n")
    put(folder, "tools.d/broken.yaml", BROKEN)
    put(folder, "agents/lost.yaml", BROKEN)
    project = read(folder)
    agent = project.catalog.agents["a"]
    of_agent = project.report(project.reachable(agent)).diagnostics
    assert [f"{one.span.file}:{one.span.line} {one.code}" for one in of_agent if one.severity == "error"] == codes
    assert found(project) == ["agents/lost.yaml:2 AR201", "tools.d/broken.yaml:2 AR201"]


@pytest.mark.parametrize("name", ["tools.d/lost.yml", "tools.d/lost.YAML"])
def test_what_an_overlooked_file_is_called_after_is_not_missed_too(folder, name):
    write(folder, agents__a="model: m\ntools: [lost]\n", agents__b=AGENT)
    put(folder, name, "description: d\nshell: {command: [date]}\n")
    project = read(folder)
    assert found(project) == [f"{name}:1 AR105"]
    of_agent = project.report(project.reachable(project.catalog.agents["a"]))
    assert [one.code for one in of_agent.diagnostics if one.severity == "error"] == ["AR105"]
    assert project.report(project.reachable(project.catalog.agents["b"])).errors == 0


@pytest.mark.parametrize(
    ("place", "agent"),
    [
        ("tools", "model: m\ntools: [t, u]\n"),
        ("tools.d/deep", "model: m\ntools: [t, {extends: u, name: v}]\n"),
        ("agent", "model: m\ntools: [{agent: t}, {agent: u}]\n"),
        ("agents/deep", "extends: t\nmodel: m\ntools: [{agent: u}]\n"),
    ],
)
def test_what_stands_in_an_overlooked_folder_is_not_missed_too(folder, place, agent):
    write(folder, agents__a=agent, agents__b=AGENT)
    put(folder, "tools.d/other.yaml", "description: d\nshell: {command: [date]}\n")
    for name in ("t", "u"):
        put(folder, f"{place}/{name}.yaml", AGENT if "agent" in place else "description: d\nshell: {command: [date]}\n")
    project = read(folder)
    assert found(project) == [f"{place}/t.yaml:1 AR105"]
    of_agent = project.report(project.reachable(project.catalog.agents["a"]))
    assert [one.code for one in of_agent.diagnostics if one.severity == "error"] == ["AR105"]
    assert project.report(project.reachable(project.catalog.agents["b"])).errors == 0


def test_an_overlooked_folder_that_nobody_misses_stays_a_warning(folder):
    write(folder, agents__a="model: m\ntools: [t, 'x*', nope]\n", tools__x1="a: 1\n")
    put(folder, "tools.d/t.yaml", "description: d\nshell: {command: [date]}\n")
    told_here = {(one.code, one.severity) for one in told(read(folder))}
    assert told_here == {("AR105", "warning"), ("AR401", "error"), ("AR407", "error")}


def test_a_file_that_can_not_be_read_is_checked_alone(folder):
    write(folder, agents__a=AGENT)
    put(folder, "agents/b.yaml", BROKEN)
    put(folder, "agents/c.yaml", BROKEN)
    assert golden_specs.validate(folder, "agents/b.yaml")[1].count(": error") == 1
    assert golden_specs.validate(folder, "agents")[1].count(": error") == 2


def test_two_tools_of_one_name_are_told_to_who_uses_one(folder):
    write(folder, agents__a="model: m\ntools: [t]\n", agents__b=AGENT)
    put(folder, "tools.d/t.yaml", "description: d\nshell: {command: [date]}\n")
    put(folder, "tools.d/u.yaml", "name: t\ndescription: d\nshell: {command: [date]}\n")
    project = read(folder)
    for name, codes in (("a", ["AR406"]), ("b", [])):
        of_agent = project.report(project.reachable(project.catalog.agents[name])).diagnostics
        assert [one.code for one in of_agent if one.severity == "error"] == codes


def test_a_value_of_the_environment_that_is_secret_is_not_shown(folder):
    put(folder, "tools.d/t.yaml", "http: {url: 'https://h', headers: '${KEY}', auth: {api_key: {in: '${KEY}'}}}\n")
    project = read_project(folder, {"KEY": "hunter2-hunter2"})
    text = " ".join(one.message for one in project.report().diagnostics)
    assert "[secret]" in text
    assert "hunter2" not in text


def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "tools.d").mkdir(mode=0o700)
        (root / "agents").mkdir(mode=0o755)
        (root / "tools.d").chmod(0)
        user = os.geteuid()
        try:
            if user == 0:  # who may read everything
                os.seteuid(65534)
            with pytest.raises(UsageError, match=r"tools\.d` can't be read: permission denied"):
                find_files(root, [], [], [])
        finally:
            os.seteuid(user)
            (root / "tools.d").chmod(0o700)
