"""Coverage: what the cases of agents left out of their tools, parameters, rules and arguments."""

import asyncio

from agentrun.project import read_project
from agentrun.testing.bench import Bench
from agentrun.testing.coverage import coverage_of, untested
from agentrun.testing.plan import cases_of
from agentrun.testing.runner import Runner
from projects import write_project

PROJECT = {
    "agents/support.yaml": """
        parameters:
          type: object
          properties:
            input: {type: string}
            locale: {type: string, default: en}
            customer: {type: string, default: nobody}
        model: {api: scripted, script: [{content: Hello}]}
        system_prompt: Reply in {{ args.locale }} to {{ args.customer }}.
        tools: [find_order, refund, agent: researcher]
        permissions:
          - {deny: "delete_*"}
          - {ask: refund, when: "{{ args.amount > 100 }}"}
          - {allow: refund}
    """,
    "agents/researcher.yaml": """
        model: {api: scripted, script: [{content: Hello}]}
        tools: [find_order, look_up]
    """,
    "tools.d/find_order.yaml": """
        description: One order.
        parameters:
          type: object
          properties:
            order_id: {type: string}
            detail: {type: object, properties: {deep: {type: string}}}
            page: {type: integer, default: 1}
        http: {url: "https://orders.example.com/orders"}
    """,
    "tools.d/refund.yaml": """
        description: Refunds.
        parameters: {type: object, properties: {amount: {type: number}}, required: [amount]}
        http: {url: "https://orders.example.com/refunds", method: POST}
    """,
    "tools.d/look_up.yaml": """
        description: Looks up.
        parameters: {type: object, properties: {word: {type: string}, language: {type: string}}}
        http: {url: "https://words.example.com/"}
    """,
}


def covered(folder, cases, agent="support", **files):
    """The coverage of a test file with these cases, by agent."""
    test = (
        f"agent: {agent}\ntools: {{find_order: {{}}, refund: {{}}, look_up: {{}}}}\napprove: [refund]\ncases:\n{cases}"
    )
    write_project(folder, {**PROJECT, **files})
    (folder / "tests").mkdir()
    (folder / "tests" / "a.test.yaml").write_text(test)
    project = read_project(folder, {})
    bench = Bench(project, {})
    done = asyncio.run(Runner(cases_of(project.catalog.tests), bench).run())
    assert {one.status for one in done.results} <= {"passed", "skipped"}, done.results
    return {one.agent: one for one in coverage_of(done.results, bench.agent)}


def case(name, *calls, args="{input: hi}", more=""):
    turns = "".join(f"{{tool_calls: [{call}]}}, " for call in calls)
    return f"  - {{name: {name}, args: {args}, model: [{turns}{{content: Done}}]{more}}}\n"


FIND = '{name: find_order, arguments: {order_id: "7"}}'
REFUND = "{name: refund, arguments: {amount: 500}}"


def test_tools_that_no_case_calls_are_named(tmp_path):
    support = covered(tmp_path, case("one", FIND))["support"]
    assert (support.tools, support.tools_total) == (("refund", "researcher"), 3)


def test_calls_of_all_cases_count_together(tmp_path):
    assert covered(tmp_path, case("one", FIND) + case("two", REFUND))["support"].tools == ("researcher",)


def test_a_parameter_counts_where_the_model_wrote_it_and_not_where_its_default_was_filled_in(tmp_path):
    support = covered(tmp_path, case("one", FIND, '{name: find_order, arguments: {detail: {deep: "x"}}}'))["support"]
    assert support.parameters_of_called == (("find_order", "page"),)
    assert ("refund", "amount") in support.parameters
    assert support.parameters_total == 5  # two tools of its own, and `input` of the agent behind the third


def test_broken_arguments_give_no_parameter(tmp_path):
    calls = ('{name: find_order, arguments: "{order"}', '{name: find_order, arguments: "[1]"}')
    support = covered(tmp_path, case("one", *calls))["support"]
    assert [name for tool, name in support.parameters if tool == "find_order"] == ["order_id", "detail", "page"]
    assert "find_order" not in support.tools


def test_null_in_strict_mode_is_no_value(tmp_path):
    tool = """
        description: Notes.
        strict: true
        parameters: {type: object, properties: {text: {type: string}, tag: {type: string}}, required: [text]}
        http: {url: "https://notes.example.com/", method: POST}
    """
    agent = {"agents/writer.yaml": "model: m\ntools: [note]\n", "tools.d/note.yaml": tool}
    call = '{name: note, arguments: {text: "x", tag: null}}'
    found = covered(tmp_path, case("one", call, more=", tools: {note: {}}"), agent="writer", **agent)
    assert found["writer"].parameters == (("note", "tag"),)


def test_rules_that_decided_no_call_are_told_as_they_are_written(tmp_path):
    support = covered(tmp_path, case("one", REFUND))["support"]
    assert support.rules == ("deny: delete_*", "allow: refund")
    assert support.rules_total == 3


def test_arguments_of_the_agent_that_no_case_gives_are_named(tmp_path):
    support = covered(tmp_path, case("one", args="{input: hi, locale: de}"))["support"]
    assert (support.arguments, support.arguments_total) == (("customer",), 3)


def test_the_messages_of_a_conversation_stand_for_the_input(tmp_path):
    talk = "  - {name: one, conversation: [{user: Hi}], model: [{content: Hello}]}\n"
    assert covered(tmp_path, talk)["support"].arguments == ("locale", "customer")


def test_an_agent_behind_a_tool_stands_under_its_own_name(tmp_path):
    turns = [
        "{tool_calls: [{name: researcher, arguments: {input: words}}]}",
        "{tool_calls: [{name: look_up, arguments: {word: a}}]}",
        "{content: Found}",
        "{content: Done}",
    ]
    found = covered(tmp_path, f"  - {{name: one, args: {{input: hi}}, model: [{', '.join(turns)}]}}\n")
    assert list(found) == ["support", "researcher"]
    assert found["support"].tools == ("find_order", "refund")
    researcher = found["researcher"]
    assert (researcher.tools, researcher.parameters_of_called) == (("find_order",), (("look_up", "language"),))
    assert researcher.arguments_total == 0


def test_cases_that_did_not_run_cover_nothing(tmp_path):
    assert covered(tmp_path, case("one", FIND, more=", skip: later")) == {}


def test_an_agent_that_takes_over_stands_under_its_own_name(tmp_path):
    turns = [
        "{tool_calls: [{name: transfer_to_billing}]}",
        "{tool_calls: [{name: find_order, arguments: {page: 2}}]}",
        "{content: Done}",
    ]
    agents = {
        "agents/desk.yaml": "model: m\nhandoffs: [billing, support]\n",
        "agents/billing.yaml": "model: m\ntools: [find_order]\nhandoffs: [desk]\npermissions: [{allow: find_order}]\n",
    }
    one = f"  - {{name: one, args: {{input: hi}}, model: [{', '.join(turns)}]}}\n"
    found = covered(tmp_path, one, agent="desk", **agents)
    assert list(found) == ["desk", "billing", "support", "researcher"]
    assert (found["desk"].handoffs, found["desk"].handoffs_total) == (("transfer_to_support",), 2)
    billing = found["billing"]
    assert (billing.tools, billing.rules, billing.handoffs) == ((), (), ("transfer_to_desk",))
    assert billing.parameters == (("find_order", "order_id"), ("find_order", "detail"))


def test_parameters_that_a_reference_leads_to_are_counted(tmp_path):
    tool = """
        description: Notes.
        parameters:
          type: object
          allOf: [{$ref: "#/$defs/note"}, {properties: {tag: {type: string}}}]
          $defs: {note: {type: object, properties: {text: {type: string}}}}
        http: {url: "https://notes.example.com/", method: POST}
    """
    agent = {"agents/writer.yaml": "model: m\ntools: [note]\n", "tools.d/note.yaml": tool}
    call = '{name: note, arguments: {text: "x"}}'
    found = covered(tmp_path, case("one", call, more=", tools: {note: {}}"), agent="writer", **agent)
    assert (found["writer"].parameters, found["writer"].parameters_total) == ((("note", "tag"),), 2)


def test_agents_that_no_test_file_is_about_or_leads_to_are_named(tmp_path):
    others = {"agents/lonely.yaml": "model: m\ntools: [refund]\n", "agents/_base.yaml": "model: m\n"}
    covered(tmp_path, case("one", FIND), **others)
    assert untested(read_project(tmp_path, {})) == ("lonely",)
