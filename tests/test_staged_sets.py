"""Sets of a server's tools in tests and replays: without the server, by what is stubbed or was recorded of them."""

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import pytest

from agentrun.cassettes.cassette import Cassette, SetEntry
from agentrun.cassettes.player import Player
from agentrun.cassettes.reading import cassette_of
from agentrun.cassettes.recalled import recalled_members
from agentrun.cassettes.recorder import Recorder
from agentrun.cassettes.writing import text_of
from agentrun.cli import run_cli
from agentrun.engine.ports import ApprovalAnswer
from agentrun.errors import SpecError, ToolsError
from agentrun.project import read_project
from agentrun.secrets import Masker
from agentrun.spec.types import ToolSpec
from agentrun.testing.coverage import coverage_of
from agentrun.testing.tapes import Tapes
from agentrun.tool_sets import Offered, bound_members, set_rules
from agentrun.tools.agent import AgentTool
from cases_in_process import calls_of, problems_of, run_project
from cassette_runs import Untouchable, recorded_loop, through_a_file
from engine_agents import Function, answer, calls, make_agent, make_tool, results
from projects import write_project
from test_cli_chat import piped

# -- agents under test --------------------------------------------------------------------------------------------

GITHUB = """
    description: Issues of a project.
    mcp: {command: [no-such-server]}
"""
SEARCH = "{tool_calls: [{name: github_search, arguments: {query: crash}}]}"


def project(body, *, turns=SEARCH, tools="github", top="", github=GITHUB, **more):
    test = (
        f"agent: desk\n{top}\ncases:\n  - name: it\n    args: {{input: hi}}\n"
        f"    model: [{turns}, {{content: done}}]\n    {body}\n"
    )
    return {
        "agents/desk.yaml": f"model: gpt-x\ntools: [{tools}]\n",
        "tools.d/github.yaml": github,
        "tests/desk.test.yaml": test,
        **{f"tools.d/{name}.yaml": text for name, text in more.items()},
    }


def test_a_stubbed_member_answers_and_no_server_is_started(tmp_path):
    it = run_project(tmp_path, project("tools: {github_search: {result: {issues: [7]}}}"))["it"]
    assert (it.status, problems_of(it)) == ("passed", [])
    [call] = calls_of(it)
    assert (call.arguments, json.loads(call.result)) == ({"query": "crash"}, {"issues": [7]})


def test_a_stub_fails_as_the_tool_would(tmp_path):
    body = """tools: {github_search: {error: {type: tool_error}}}
    expect: {calls: [{name: github_search, error: tool_error}]}"""
    it = run_project(tmp_path, project(body))["it"]
    assert (it.status, problems_of(it)) == ("passed", [])
    assert json.loads(calls_of(it)[0].result)["error"]["message"] == "the tool says that it failed"


def test_each_case_has_the_members_that_it_stubs(tmp_path):
    cases = (
        "  - {name: one, args: {input: hi}, tools: {github_search: {result: 1}}, "
        "model: [{tool_calls: [{name: github_search}]}, {content: a}]}\n"
        "  - {name: two, args: {input: hi}, tools: {github_open: {result: 2}}, "
        "model: [{tool_calls: [{name: github_open}]}, {content: b}]}\n"
    )
    files = project("") | {"tests/desk.test.yaml": f"agent: desk\ncases:\n{cases}"}
    done = run_project(tmp_path, files)
    assert {name: (one.status, [call.result for call in calls_of(one)]) for name, one in done.items()} == {
        "one": ("passed", ["1"]),
        "two": ("passed", ["2"]),
    }


def test_a_call_of_a_member_without_a_stub_fails_the_case_and_says_what_to_do(tmp_path):
    it = run_project(tmp_path, project("tools: {github_open: {result: 1}}"))["it"]
    assert it.status == "failed"
    assert problems_of(it) == [
        "`github_search` was called, and has no stub: "
        "stub it in `tools`, or ask the server of `github` with `live_tools: true`"
    ]


def test_a_call_of_a_member_that_the_agent_does_not_list_is_one_of_an_unknown_tool(tmp_path):
    body = "tools: {github_open: {result: 1}}\n    expect: {calls: [{name: github_search, error: unknown_tool}]}"
    it = run_project(tmp_path, project(body, tools="github_open"))["it"]
    assert (it.status, problems_of(it)) == ("passed", [])


def test_a_case_may_expect_that_a_member_is_not_there(tmp_path):
    it = run_project(tmp_path, project("expect: {calls: [{name: github_search, error: unknown_tool}]}"))["it"]
    assert (it.status, problems_of(it)) == ("passed", [])


def test_a_set_has_nothing_where_nothing_of_it_is_stubbed(tmp_path):
    it = run_project(tmp_path, project("expect: {calls: []}", turns="{content: hi}"))["it"]
    assert it.status == "passed"


def test_of_two_sets_a_stub_is_of_the_one_with_the_longer_name(tmp_path):
    files = project(
        "tools: {github_team_list: {result: [ann]}}",
        turns="{tool_calls: [{name: github_team_list}]}",
        tools="github, github_team",
        github_team=GITHUB,
    )
    it = run_project(tmp_path, files)["it"]
    assert (it.status, problems_of(it)) == ("passed", [])


def test_what_the_author_wrote_of_the_set_holds_for_stubbed_members(tmp_path):
    github = GITHUB + "    require_approval: always\n    output: '{{ structured.issues | length }} {{ text }}'\n"
    body = """tools: {github_search: {result: {issues: [7, 8]}}}
    approve: [github_*]
    expect: {approvals: [github_search]}"""
    it = run_project(tmp_path, project(body, github=github))["it"]
    assert (it.status, problems_of(it)) == ("passed", [])
    assert calls_of(it)[0].result == '2 {"issues": [7, 8]}'


def test_a_member_that_must_be_called_and_is_not_stubbed_fails_the_case(tmp_path):
    files = project("expect: {}")
    files["agents/desk.yaml"] += "tool_choice: github_search\n"
    it = run_project(tmp_path, files)["it"]
    assert it.status == "failed"
    assert problems_of(it) == ["`tool_choice` of the agent `desk` names a tool that is not there: `github_search`"]


def test_a_set_of_an_agent_behind_a_tool_is_stubbed_too(tmp_path):
    files = project(
        "tools: {github_search: {result: [7]}}\n    expect: {calls: {in_order: [helper, github_search]}}",
        turns=f"{{tool_calls: [{{name: helper, arguments: {{input: x}}}}]}}, {SEARCH}, {{content: found}}",
        tools="{agent: helper}",
    )
    files["agents/helper.yaml"] = "description: Helps.\nmodel: gpt-x\ntools: [github]\n"
    it = run_project(tmp_path, files)["it"]
    assert (it.status, problems_of(it)) == ("passed", [])


def test_a_variable_that_only_the_server_needs_is_not_needed_in_a_test(tmp_path):
    github = "description: Issues.\nmcp: {server_url: '${GITHUB_URL}', auth: {bearer: '${GITHUB_TOKEN}'}}\n"
    it = run_project(tmp_path, project("tools: {github_search: {result: 1}}", github=github))["it"]
    assert (it.status, problems_of(it)) == ("passed", [])


def test_with_live_tools_a_server_that_misses_a_variable_leaves_the_case_unmeasured(tmp_path):
    github = "description: Issues.\nmcp: {server_url: '${GITHUB_URL}'}\n"
    it = run_project(tmp_path, project("live_tools: true", github=github))["it"]
    assert it.status == "unmeasured"
    assert "GITHUB_URL" in it.shown.error


# -- recordings ---------------------------------------------------------------------------------------------------


def rules(name="github", wanted=("*",), **more):
    spec = msgspec.convert({"description": "", "mcp": {"command": ["x"]}, **more}, ToolSpec)
    return set_rules(name, spec, wanted, {})


class Served:
    """A set that gives what a function says it has now."""

    def __init__(self, has, its_rules=None):
        self.rules = its_rules or rules()
        self.name = self.rules.name
        self.has = has
        self.asked = 0

    async def members(self):
        self.asked += 1
        return bound_members(self.rules, self.has())


class Recalled:
    """The same set without its server."""

    def __init__(self, served):
        self.name = served.name
        self.rules = served.rules

    async def members(self):
        raise AssertionError("the server was asked in a replay")

    def recalled(self, members):
        return recalled_members(self.rules, members, lambda function: Untouchable())


class Changed:
    """What a person had approved was something else."""

    def __init__(self):
        self.why = "its description is another one than the one that was approved"

    def change(self):
        return self.why

    def accept(self):
        self.why = None


def tool(name, description="", **more):
    async def call(arguments, context):
        return f"{name} was called"

    return Offered(
        name, description, {"type": "object", "properties": {"q": {"type": "string"}}}, Function(call), **more
    )


def recorded(agent, *texts):
    tape = Recorder(agent.name, agent.mask)
    events, _ = asyncio.run(recorded_loop(agent, tape, *texts))
    return events, tape.conversation()


def replayed(agent, conversation, *texts):
    tape = Player(through_a_file(conversation), Masker())
    events, outcome = asyncio.run(recorded_loop(agent, tape, *texts))
    return events, outcome


def without_servers(agent):
    return msgspec.structs.replace(
        agent, model=Untouchable(agent.model.name), sets=tuple(Recalled(one) for one in agent.sets)
    )


def sets_of(conversation):
    return [one for one in conversation.entries if isinstance(one, SetEntry)]


def test_a_recording_holds_what_a_set_gave_and_is_played_without_its_server():
    served = Served(lambda: [tool("search", "Finds.", read_only=True), tool("open", "Opens.", untrusted_output=False)])
    turns = [calls(("github_search", {"q": "x"})), calls("github_open"), answer()]
    agent = make_agent(turns, sets=(served,))
    events, conversation = recorded(agent)
    assert [one.function.name for one in sets_of(conversation)[0].members] == ["github_search", "github_open"]
    again, outcome = replayed(without_servers(agent), conversation)
    assert again == events
    assert results(outcome.messages)[0] == "search was called"


def test_what_a_set_gives_is_written_down_once_for_a_conversation_and_again_where_it_changed():
    now = [tool("search")]
    served = Served(lambda: now)

    async def grow(arguments, context):
        now.append(tool("open"))
        return "grown"

    turns = [answer("1"), calls("grow"), answer("2"), calls("github_open"), answer("3"), answer("4")]
    agent = make_agent(turns, make_tool("grow", grow, read_only=True), sets=(served,))
    texts = ["a", "b", "c", "d"]
    events, conversation = recorded(agent, *texts)
    assert [len(one.members) for one in sets_of(conversation)] == [1, 2]
    assert served.asked == 4
    ungrown = msgspec.structs.replace(
        agent, tools={"grow": msgspec.structs.replace(agent.tools["grow"], backend=Untouchable())}
    )
    assert replayed(without_servers(ungrown), conversation, *texts)[0] == events


def test_agents_that_take_different_members_of_a_set_each_get_their_own_back():
    def has():
        return [tool("search"), tool("open")]

    child = make_agent(
        [calls("github_open"), answer("opened")], name="child", sets=(Served(has, rules(wanted=("github_open",))),)
    )
    tools = msgspec.structs.replace(make_tool("child", runs_agent=True), backend=AgentTool(child))
    parent = make_agent([calls("child"), calls("github_search"), answer()], tools, sets=(Served(has),))
    events, conversation = recorded(parent)
    assert {one.agent: len(one.members) for one in sets_of(conversation)} == {"main": 2, "child": 1}
    again = msgspec.structs.replace(tools, backend=AgentTool(without_servers(child)))
    replay = msgspec.structs.replace(without_servers(parent), tools={"child": again})
    assert replayed(replay, conversation)[0] == events


def test_two_sub_agents_that_wait_for_their_servers_belong_each_to_its_own_call():
    """Other calls begin while a server is asked."""
    both = []

    class Slow(Served):
        async def members(self):
            both.append(self.name)
            while len(both) < 2:
                await asyncio.sleep(0)
            return await super().members()

    def child(name):
        agent = make_agent([answer(name)], name=name, sets=(Slow(lambda: [tool("x")], rules(name)),))
        return msgspec.structs.replace(make_tool(name, runs_agent=True), backend=AgentTool(agent))

    agent = make_agent([calls("one", "two"), answer()], child("one"), child("two"))
    events, _ = recorded(agent)
    begun = [one for one in events if one["type"] == "run_started"][1:]
    assert {one["agent"]: one["call_id"] for one in begun} == {"one": "c1", "two": "c2"}
    first = [one["type"] for one in events].index("tool_started")
    assert [one["type"] for one in events[first : first + 2]] == ["tool_started", "tool_started"]


def test_a_member_that_was_to_be_asked_for_again_is_so_in_a_replay():
    served = Served(lambda: [tool("open", read_only=True, definition=Changed())])

    class Person:
        def __init__(self):
            self.asked = []

        async def ask(self, question):
            self.asked.append(question.reason)
            return ApprovalAnswer(False, "user", "not now")

    async def go(agent, tape, person):
        from agentrun.engine import loop

        return await loop.run(agent, text="go", approver=tape.approver(person), journal=tape)

    agent = make_agent([calls("github_open"), answer()], sets=(served,))
    tape, person = Recorder("main", Masker()), Person()
    asyncio.run(go(agent, tape, person))
    assert len(person.asked) == 1
    nobody = Person()
    outcome = asyncio.run(go(without_servers(agent), Player(through_a_file(tape.conversation()), Masker()), nobody))
    assert nobody.asked == []
    assert "not now" in results(outcome.messages)[0]


def test_secrets_in_descriptions_and_schemas_are_not_written_down():
    served = Served(lambda: [tool("open", "Opens with hunter22secret.")])
    agent = make_agent([answer()], sets=(served,), secrets=["hunter22secret"])
    _, conversation = recorded(agent)
    assert "hunter22secret" not in text_of(Cassette((conversation,)))


def test_rules_of_the_set_that_changed_since_hold_in_a_replay():
    served = Served(lambda: [tool("open")])
    agent = make_agent([calls("github_open"), answer()], sets=(served,))
    _, conversation = recorded(agent)
    stricter = Recalled(Served(list, rules(require_approval="always")))
    replay = msgspec.structs.replace(without_servers(agent), sets=(stricter,))
    _, outcome = replayed(replay, conversation)
    assert outcome.error["type"] == "cassette_miss"
    assert "denied" in outcome.error["message"] or '"denied"' in results(outcome.messages)[0]


def test_a_cassette_that_knows_nothing_of_sets_is_read_and_says_what_it_lacks():
    served = Served(lambda: [tool("open")])
    agent = make_agent([calls("github_open"), answer()], sets=(served,))
    _, conversation = recorded(agent)
    old = msgspec.structs.replace(
        conversation, entries=tuple(one for one in conversation.entries if not isinstance(one, SetEntry))
    )

    class Nothing(Recalled):
        async def members(self):
            return ()

    replay = msgspec.structs.replace(without_servers(agent), sets=(Nothing(served),))
    _, outcome = replayed(replay, old)
    assert outcome.error["type"] == "cassette_miss"
    assert "tools.github_open is missing" in outcome.error["message"]


def test_a_schema_of_a_cassette_that_can_not_be_used_is_told():
    served = Served(lambda: [tool("open")])
    _, conversation = recorded(make_agent([answer()], sets=(served,)))
    (entry,) = sets_of(conversation)
    broken = msgspec.structs.replace(entry.members[0].function, parameters={"type": "no such type"})
    with pytest.raises(ToolsError, match="`open`"):
        Recalled(served).recalled([msgspec.structs.replace(entry.members[0], function=broken)])


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{set: github, agent: a, tools: [nothing]}", "`tools` names `nothing`, which is not in `functions`"),
        ("{set: github, agent: a, tools: [f], read_only: [g]}", "`read_only` names `g`, which is not in `tools`"),
        ("{set: github, agent: a, tools: [f], trusted: 3}", "`trusted` must be a list"),
        ("{set: github, tools: [f]}", "the key `agent` is missing"),
        ("{set: github, agent: a, tools: [{}]}", "`tools` names"),
        ("{set: github, agent: a, tools: [f], other: 1}", "unknown key `other`"),
    ],
)
def test_a_set_that_a_person_wrote_wrong_is_told_with_its_place(entry, told):
    text = (
        "cassette: 1\nfunctions:\n  f: {parameters: {type: object}}\n"
        f"conversations:\n  - agent: a\n    date: 2026-03-10\n    exchanges:\n      - {entry}\n"
    )
    with pytest.raises(SpecError) as raised:
        cassette_of("x.yaml", text.encode())
    messages = [one.message for one in raised.value.report.diagnostics]
    assert any(told in one for one in messages), messages


@pytest.fixture
def replayable(tmp_path):
    """A project with a set, and the recording of one message of it."""
    write_project(tmp_path, {"agents/desk.yaml": "model: gpt-x\ntools: [github]\n", "tools.d/github.yaml": GITHUB})
    served = Served(lambda: [tool("search", "Finds.")])
    agent = make_agent([calls(("github_search", {"q": "x"})), answer("Found.")], name="desk", sets=(served,))
    _, conversation = recorded(agent, "Find it")
    (tmp_path / "found.yaml").write_text(text_of(Cassette((conversation,))))
    return tmp_path


def test_a_replay_of_a_run_starts_no_server(replayable, monkeypatch, capsys):
    monkeypatch.chdir(replayable)
    assert run_cli(["run", "desk", "Find it", "--replay", "found.yaml"]) == 0
    assert capsys.readouterr().out == "Found.\n"


def test_a_replay_of_a_chat_starts_no_server(replayable):
    done = piped(replayable, b"Find it\n", "desk", "--replay", "found.yaml")
    assert (done.returncode, done.stdout) == (0, b"Found.\n")


# -- a real server ------------------------------------------------------------------------------------------------

SCRIPTED = """
    model:
      api: scripted
      script:
        - tool_calls: [{name: issues_search, arguments: {query: crash}}]
        - content: Found.
    tools: [issues]
"""


@pytest.fixture
def issues(tmp_path):
    """The files of a project with a real server, and where it notes that it was started."""
    notes = tmp_path / "notes"
    command = json.dumps([sys.executable, str(Path(__file__).parent / "issues_server.py"), str(notes)])
    files = {
        "agents/desk.yaml": SCRIPTED,
        "tools.d/issues.yaml": f"description: Issues.\nmcp: {{command: {command}}}\n",
        "tests/desk.test.yaml": """
            agent: desk
            cases:
              - name: really called
                args: {input: hi}
                live_tools: true
                expect: {calls: [{name: issues_search, result: {contains: crash on start}}]}
              - name: a stub comes first
                args: {input: hi}
                live_tools: true
                tools: {issues_search: {result: stubbed}}
                expect: {calls: [{name: issues_search, result: stubbed}]}
        """,
    }
    return files, notes


def test_with_live_tools_a_case_has_the_tools_of_the_server_and_stubs_come_first(tmp_path, issues):
    files, notes = issues
    done = run_project(tmp_path, files)
    assert {name: (one.status, problems_of(one)) for name, one in done.items()} == {
        "really called": ("passed", []),
        "a stub comes first": ("passed", []),
    }
    assert "started" in notes.read_text()


def test_with_live_tools_and_a_server_that_is_gone_a_case_is_not_measured(tmp_path, issues):
    files, notes = issues
    notes.write_text("gone")
    done = run_project(tmp_path, files)
    assert {one.status for one in done.values()} == {"unmeasured"}


def test_a_case_that_was_recorded_is_played_with_the_server_gone(tmp_path, issues):
    files, notes = issues
    files |= {
        "tests/desk.test.yaml": """
            agent: desk
            cassette: desk.cassette.yaml
            cases:
              - name: it
                args: {input: hi}
                expect: {calls: [{name: issues_search, result: {contains: crash on start}}]}
        """
    }
    assert run_project(tmp_path, files, tapes=Tapes("record"))["it"].status == "passed"
    before = (tmp_path / "tests/desk.cassette.yaml").read_text()
    assert "tools: [issues_search, issues_close]" in before
    assert "read_only: [issues_search]" in before
    notes.write_text("gone")
    it = run_project(tmp_path, files, tapes=Tapes())["it"]
    assert (it.status, problems_of(it)) == ("passed", [])
    assert (tmp_path / "tests/desk.cassette.yaml").read_text() == before


def test_a_run_that_was_recorded_is_played_with_the_server_gone(tmp_path, issues, monkeypatch, capsys):
    files, notes = issues
    monkeypatch.chdir(write_project(tmp_path, files))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run_cli(["run", "desk", "hi", "--record", "run.yaml"]) == 0
    notes.write_text("gone")
    assert run_cli(["run", "desk", "hi", "--replay", "run.yaml"]) == 0
    assert capsys.readouterr().out == "Found.\nFound.\n"


# -- what is covered ----------------------------------------------------------------------------------------------


def test_a_set_counts_as_one_tool_that_is_covered_once_a_member_was_called(tmp_path):
    done = run_project(tmp_path / "called", project("tools: {github_search: {result: 1}}"))
    agent = bound_agent(tmp_path / "called")
    (seen,) = coverage_of(done.values(), lambda case: agent)
    assert (seen.tools, seen.tools_total) == ((), 1)
    done = run_project(tmp_path / "idle", project("expect: {calls: []}", turns="{content: hi}"))
    (seen,) = coverage_of(done.values(), lambda case: agent)
    assert (seen.tools, seen.tools_total) == (("github_*",), 1)


def bound_agent(folder):
    from agentrun.resolve import resolve
    from agentrun.testing.stage import Stage

    found = read_project(folder, {})
    return resolve(found, found.catalog.agents["desk"], {}, stage=Stage())


def test_members_of_a_document_count_as_one_with_the_parameters_of_those_that_were_called(tmp_path):
    done = run_project(tmp_path, project("tools: {github_search: {result: 1}}"))
    offered = [tool("search"), tool("open")]
    operations = bound_members(rules(), offered)
    agent = make_agent([], *operations, make_tool("look"), name="desk")
    (seen,) = coverage_of(done.values(), lambda case: agent)
    assert (seen.tools, seen.tools_total) == (("look",), 2)
    assert (seen.parameters, seen.parameters_total) == ((("github_search", "q"),), 1)


def test_a_conversation_of_members_that_is_saved_as_a_test_needs_no_server(tmp_path):
    """`/save-test`: the cassette beside the test holds what the set gave."""
    from agentrun.cli.session_tests import Place, save_conversation

    write_project(tmp_path, {"agents/desk.yaml": "model: gpt-x\ntools: [github]\n", "tools.d/github.yaml": GITHUB})
    served = Served(lambda: [tool("search", "Finds.")])
    agent = make_agent([calls(("github_search", {"q": "x"})), answer("Found.")], name="desk", sets=(served,))
    _, conversation = recorded(agent, "Find it")
    saved = asyncio.run(save_conversation(conversation, "found", Place(tmp_path, {})))
    assert {one.name for one in saved.files} == {"found.test.yaml", "found.cassette.yaml"}
    text = (tmp_path / "tests/found.test.yaml").read_text()
    assert "github_search" in text
    assert "set: github" in (tmp_path / "tests/found.cassette.yaml").read_text()


# -- what validate says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("tools: {github: {result: 1}}", "AR907 the stub is never used: `github` is a set of tools, and no tool"),
        ("approve: [github]", "AR905 `approve` names `github`, which is a set of tools"),
        ("refuse: {github: no}", "AR905 `refuse` names `github`, which is a set of tools"),
        ("expect: {calls: [github]}", "AR902 the case expects a call of `github`, which is a set of tools"),
        ("expect: {calls: {count: {github: 2}}}", "AR902 the case counts calls of `github`, which is a set of tools"),
        ("tools: {github_search: {stdout: x}}", "AR907 `stdout` is no answer of `github_search`, which is an mcp tool"),
        (
            "tools: {githup_search: {result: 1}}",
            "AR901 the stub is for `githup_search`, and the agent `desk` has no such",
        ),
    ],
)
def test_names_that_no_member_can_have_are_found(tmp_path, body, told):
    found = read_project(write_project(tmp_path, project(body)), {}).report().diagnostics
    assert next(f"{one.code} {one.message}" for one in found if one.code.startswith("AR90")).startswith(told)


@pytest.mark.parametrize(
    "body",
    [
        "tools: {github_search: {result: 1}, github_open: {error: {type: tool_error}}}",
        "approve: [github_search, github_*, 'git*']",
        "expect: {calls: {exact: [github_search], never: [github_delete], count: {github_search: 1}}}",
        "expect: {approvals: [github_search]}",
    ],
)
def test_names_of_members_that_only_a_server_knows_are_taken_on_trust(tmp_path, body):
    found = read_project(write_project(tmp_path, project(body)), {}).report().diagnostics
    assert [one.message for one in found if one.code.startswith("AR90")] == []
