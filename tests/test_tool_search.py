"""An agent with many tools: what each request carries of them, and how a model comes to more."""

import asyncio
import json
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

import agentrun
from agentrun.cassettes.player import Player
from agentrun.cassettes.recorder import Recorder
from agentrun.engine import loop
from agentrun.engine.agent import ContextPolicy, Limits, PermissionRule, ToolSearch
from agentrun.engine.arguments import check_arguments
from agentrun.engine.bm25 import words
from agentrun.engine.context import tokens_of_tools
from agentrun.engine.messages import FunctionTool, Message, tool_result, user
from agentrun.engine.ports import DirectJournal
from agentrun.engine.tool_index import KEPT, ToolIndex, index_of, said
from agentrun.engine.toolkit import equip
from agentrun.errors import ToolFailure, ToolsError
from agentrun.json_schema import Validator
from agentrun.models.offline import Offline
from cassette_runs import recorded_loop, through_a_file, untouchable
from engine_agents import answer, calls, make_agent, make_tool, results, script, soon
from servers import ModelServer, sse

sys.path.insert(0, str(Path(__file__).parent.parent))  # `benchmarks` is not installed

from benchmarks import tool_search as benchmark

VERBS = [
    "create", "find", "update", "delete", "approve", "archive", "cancel", "export", "import", "merge", "print",
    "publish", "rename", "restore", "schedule", "share", "sign", "split", "translate", "verify",
]  # fmt: skip
NOUNS = [
    "invoice", "customer", "subscription", "shipment", "refund", "contract", "ticket", "employee", "meeting",
    "warehouse", "coupon", "supplier", "payment", "report", "campaign", "domain", "certificate", "vehicle",
    "recipe", "playlist", "album", "photo", "video", "podcast", "newsletter", "survey", "lesson", "exam",
    "student", "teacher", "patient", "prescription", "flight", "hotel", "restaurant", "taxi", "parcel",
    "mailbox", "calendar", "task", "project", "branch", "release", "server", "database", "firewall", "backup",
    "sensor", "thermostat", "camera",
]  # fmt: skip
NAMES = [f"{verb}_{noun}" for noun in NOUNS for verb in VERBS]
assert len(NAMES) == 1000


def function(name, description=None, properties=None):
    verb, _, noun = name.partition("_")
    parameters = {"type": "object", "properties": properties or {f"{noun}_id": {"type": "string"}}}
    return FunctionTool(name, f"{verb.capitalize()} a {noun}." if description is None else description, parameters)


def named(name, backend=None, *, description=None, **options):
    made = make_tool(name, **({} if backend is None else {"function": backend}), **options)
    return type(made)(
        **{key: getattr(made, key) for key in made.__struct_fields__} | {"function": function(name, description)}
    )


MANY = [named(name) for name in NAMES]


class Watched:
    """A model that remembers what it was asked."""

    name = "watched"

    def __init__(self, *turns):
        self.model = script(*turns)
        self.requests = []

    async def complete(self, request, tell):
        self.requests.append(request)
        return await self.model.complete(request, tell)

    @property
    def carried(self):
        """The names of the functions of each request."""
        return [[one.name for one in request.tools.tools] for request in self.requests]


def searching(*turns, tools=MANY, max_tools=20, pinned=(), **options):
    return make_agent(Watched(*turns), *tools, search=ToolSearch(max_tools, pinned), **options)


def talk(agent, *texts, messages=None):
    """The outcome of the last message, and the conversation."""
    messages = [] if messages is None else messages
    outcome = None
    for text in texts or ("go",):
        outcome = asyncio.run(soon(loop.run(agent, text=text, messages=messages)))
    return outcome, messages


def search(query):
    return ("search_tools", {"query": query})


def found(messages, at=-1):
    return json.loads(results(messages)[at])


# -- how many, and which


def test_with_a_thousand_tools_each_request_of_a_run_carries_at_most_max_tools():
    agent = searching(
        calls("cancel_subscription"), calls(search("translate a podcast")), calls("translate_podcast"), answer()
    )
    outcome, _ = talk(agent, "Please cancel the subscription of customer 7.")
    assert outcome.reason == "answered"
    assert [len(one) for one in agent.model.carried] == [20] * 4
    assert all("cancel_subscription" in one and "search_tools" in one for one in agent.model.carried)
    assert ["translate_podcast" in one for one in agent.model.carried] == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("Please cancel the subscription of customer 7.", "cancel_subscription"),
        ("I'd like the invoices exported", "export_invoice"),
        ("schedule meetings for Monday, then print them", "schedule_meeting"),
        ("schedule meetings for Monday, then print them", "print_meeting"),
        ("Can you verify my prescription?", "verify_prescription"),
        ("restoreBackup", "restore_backup"),
        ("Die Playlist bitte: rename", "rename_playlist"),
    ],
)
def test_the_tool_that_a_message_asks_for_is_carried(text, needed):
    agent = searching(answer())
    talk(agent, text)
    assert needed in agent.model.carried[0]


def test_with_as_many_tools_as_max_tools_all_are_sent_and_nothing_searches():
    agent = searching(answer(), tools=MANY[:20])
    talk(agent)
    assert agent.model.requests[0].tools is agent.tool_list
    assert agent.model.carried == [NAMES[:20]]


def test_without_tool_search_all_are_sent():
    agent = make_agent(Watched(answer()), *MANY)
    talk(agent)
    assert agent.model.requests[0].tools is agent.tool_list


def test_pinned_tools_hand_offs_final_tools_and_the_chosen_one_are_always_carried():
    handoff = make_tool("transfer_to_other", None, hands_to="other")
    final = make_tool("give_answer", None)
    agent = searching(
        answer(),
        tools=[*MANY, final],
        max_tools=10,
        pinned=("find_taxi", "print_ta*"),
        handoffs={handoff.name: handoff},
        tool_choice={"type": "function", "function": {"name": "merge_exam"}},
    )
    talk(agent, "Where is my parcel?")
    (carried,) = agent.model.carried
    assert carried[:7] == [
        "merge_exam", "find_taxi", "print_taxi", "print_task", "give_answer", "transfer_to_other", "search_tools",
    ]  # fmt: skip
    assert len(carried) == 10
    assert all(name.endswith("_parcel") for name in carried[7:])


@pytest.mark.parametrize("text", ["", "yes", "OK, thank you!", "1042", "哦"])
def test_a_message_that_says_nothing_carries_the_first_tools_of_the_list(text):
    agent = searching(answer())
    talk(agent, text)
    assert agent.model.carried == [["search_tools", *NAMES[:19]]]


def test_a_message_that_says_nothing_leaves_what_was_carried_before():
    agent = searching(answer(), answer(), answer())
    talk(agent, "Find the supplier", "yes, please do", "ok")
    first, *others = agent.model.requests
    assert "find_supplier" in agent.model.carried[0]
    assert all(one.tools.json == first.tools.json for one in others)


def test_tools_that_were_called_stay_when_the_talk_goes_to_something_else():
    agent = searching(calls("sign_contract"), answer(), answer())
    talk(agent, "Sign the contract", "And now a recipe")
    assert "sign_contract" in agent.model.carried[2]
    assert sum(name.endswith("_recipe") for name in agent.model.carried[2]) == 18


def test_of_very_many_called_ones_the_latest_stay_and_others_keep_a_quarter_of_the_room():
    past = [user("go"), *(called(name) for name in NAMES[:40])]
    agent = searching(answer())
    talk(agent, "Find the thermostat", messages=past)
    (carried,) = agent.model.carried
    assert [name for name in carried if name in NAMES[:40]] == NAMES[25:40]
    assert sum(name.endswith("_thermostat") for name in carried) == 4


def called(name, arguments="{}"):
    function = {"name": name, "arguments": arguments}
    return Message(
        {"role": "assistant", "content": None, "tool_calls": [{"id": "x", "type": "function", "function": function}]}
    )


def test_only_the_text_of_a_message_is_searched_for():
    message = user("Print the report", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,taxi"}}])
    assert said(message) == "Print the report"
    agent = searching(answer())
    asyncio.run(soon(loop.run(agent, text="Print the report", attachments=message.data["content"][:1])))
    (carried,) = agent.model.carried
    assert "print_report" in carried
    assert not any("taxi" in name for name in carried if not name.startswith("print"))


def test_what_agentrun_itself_tells_the_model_is_not_searched_for():
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    agent = searching(answer("no"), answer("{}"), response_format=schema, answer=Validator({"type": "object"}))
    talk(agent, "Archive the album")
    first, second = agent.model.requests
    assert first.tools is second.tools


# -- the order, and the bytes


def test_within_a_message_the_list_is_the_very_same_until_something_is_found():
    agent = searching(
        calls("approve_refund"), calls("cancel_refund"), calls(search("camera")), calls("find_camera"), answer()
    )
    talk(agent, "Approve the refund or cancel it")
    tools = [request.tools for request in agent.model.requests]
    assert tools[0] is tools[1] is tools[2]
    assert tools[3] is tools[4]
    assert tools[2].json != tools[3].json


def test_the_same_functions_are_the_same_bytes_whatever_brought_them():
    first = searching(answer())
    talk(first, "Find a taxi")
    second = searching(calls(search("find taxi")), answer(), tools=MANY)
    talk(second, "zzz")
    both = set(first.model.carried[0]) & set(second.model.carried[1])
    assert [one for one in first.model.carried[0] if one in both] == [
        one for one in second.model.carried[1] if one in both
    ]
    again = searching(answer())
    talk(again, "taxi: find it")
    assert again.model.requests[0].tools.json == first.model.requests[0].tools.json


def test_what_is_always_carried_stands_first_and_the_rest_in_the_order_of_the_list():
    agent = searching(answer(), answer(), pinned=("find_exam", "find_domain"))
    talk(agent, "Rename the branch", "Print the photo")
    for carried in agent.model.carried:
        assert carried[:3] == ["find_domain", "find_exam", "search_tools"]
        assert carried[3:] == sorted(carried[3:], key=NAMES.index)


def test_a_conversation_that_is_taken_up_again_sends_what_it_would_have_sent():
    turns = [calls(search("camera")), calls("find_camera"), answer(), answer()]
    at_once = searching(*turns)
    talk(at_once, "Find my things", "And the database")
    _, messages = talk(before := searching(*turns[:3]), "Find my things")
    talk(after := searching(turns[3]), "And the database", messages=messages)
    sent = [*before.model.requests, *after.model.requests]
    assert [one.tools.json for one in sent] == [one.tools.json for one in at_once.model.requests]


# -- search_tools


def test_a_search_says_what_it_found_and_the_next_request_carries_it():
    agent = searching(calls(search("send a podcast to somebody: share")), answer())
    _, messages = talk(agent, "Hello")
    told = found(messages)
    assert {"name": "share_podcast", "description": "Share a podcast."} in told["found"]
    assert 1 <= len(told["found"]) <= 10
    assert {one["name"] for one in told["found"]} <= set(agent.model.carried[1])
    assert len(agent.model.carried[1]) == 20


def test_a_search_names_what_is_listed_already_and_tells_of_others():
    agent = searching(calls(search("cancel flight")), answer())
    _, messages = talk(agent, "Cancel my flight")
    told = found(messages)
    assert "cancel_flight" in told["listed_already"]
    assert not {one["name"] for one in told["found"]} & set(agent.model.carried[0])


def test_a_search_that_finds_nothing_says_how_many_tools_there_are():
    agent = searching(calls(search("qwertyuiop")), answer())
    _, messages = talk(agent, "Find the invoice")
    assert found(messages) == {
        "found": [],
        "note": "None of 1,000 tools fits. Try other words for what the tool does.",
    }
    assert agent.model.requests[0].tools is agent.model.requests[1].tools


def test_what_is_found_takes_the_place_of_what_fits_least_and_of_nothing_that_was_called():
    agent = searching(calls("find_lesson"), calls(search("thermostat")), answer(), max_tools=8, pinned=("print_taxi",))
    talk(agent, "Find a lesson")
    last = agent.model.carried[-1]
    assert {"find_lesson", "print_taxi", "search_tools"} <= set(last)
    assert sum(name.endswith("_thermostat") for name in last) == 5
    assert len(last) == 8


def test_of_several_searches_at_once_the_best_of_each_are_carried():
    agent = searching(calls(search("find camera"), search("merge recipe"), search("split exam")), answer())
    talk(agent, "Hello")
    assert {"find_camera", "merge_recipe", "split_exam"} <= set(agent.model.carried[1])
    assert len(agent.model.carried[1]) == 20


def test_long_descriptions_are_cut_in_what_a_search_tells():
    long = named("find_needle", description="Needle. " + "very long " * 100)
    agent = searching(calls(search("needle")), answer(), tools=[*MANY, long])
    _, messages = talk(agent, "Hello")
    (told,) = found(messages)["found"]
    assert len(told["description"]) < 210 and told["description"].endswith(" …")


@pytest.mark.parametrize("arguments", [{}, {"query": 7}, {"query": " "}, {"query": "x", "limit": 3}])
def test_a_search_with_other_arguments_is_a_mistake_that_the_model_is_told(arguments):
    agent = searching(calls(("search_tools", arguments)), answer())
    _, messages = talk(agent)
    assert found(messages)["error"]["type"] == "invalid_arguments"


def test_the_schema_of_the_search_says_what_its_check_does():
    agent = searching()
    kit = asyncio.run(equip(agent, DirectJournal()))
    tool = kit.functions["search_tools"]
    schema = Validator(tool.function.parameters)
    for value in ({"query": "x"}, {}, {"query": 7}, {"query": "x", "limit": 3}):
        assert bool(schema.violations(value)) == bool(tool.check.violations(value))
    with pytest.raises(ToolFailure, match="query"):
        check_arguments(tool.check, {})


def test_a_search_asks_nobody_and_no_rule_decides_about_it():
    rules = (PermissionRule("deny", "*", None, "deny: *"),)
    agent = searching(calls(search("camera"), "find_invoice"), answer(), permissions=rules)
    told = []
    messages = []
    asyncio.run(soon(loop.run(agent, text="go", messages=messages, emit=told.append)))
    assert found(messages, 0)["found"]
    assert found(messages, 1)["error"]["type"] == "denied"
    assert [one.name for one in told if type(one).__name__ == "ToolStarted"] == ["search_tools"]
    assert [one.name for one in told if type(one).__name__ == "ToolFinished"] == ["search_tools", "find_invoice"]


def test_a_search_counts_as_a_call():
    agent = searching(calls(search("a camera")), calls(search("a taxi")), answer(), limits=Limits(max_tool_calls=1))
    outcome, _ = talk(agent)
    assert outcome.reason == "max_tool_calls"
    same = [calls(search("camera"))] * 4
    assert talk(searching(*same, answer()))[0].reason == "repeated_calls"


def test_a_search_leaves_no_mark_of_untrusted_output():
    asked = []

    class Asked:
        async def ask(self, question):
            asked.append(question)

    past = [user("go"), called("search_tools", '{"query": "camera"}'), tool_result("x", "{}")]
    agent = make_agent(Watched(calls("find_invoice"), answer()), *MANY[:5])
    asyncio.run(soon(loop.run(agent, text="go", messages=past, approver=Asked())))
    assert asked == []


# -- what was not carried


def test_a_tool_that_the_request_did_not_carry_is_called_all_the_same_and_carried_from_then_on():
    agent = searching(calls("find_camera"), answer())
    _, messages = talk(agent, "Print the invoice")
    assert results(messages) == ["ok"]
    assert "find_camera" not in agent.model.carried[0]
    assert "find_camera" in agent.model.carried[1]
    assert len(agent.model.carried[1]) == 20


def test_a_call_of_what_is_not_there_is_told_of_what_was_carried():
    agent = searching(calls("launch_rocket"), answer())
    _, messages = talk(agent)
    assert found(messages)["error"]["tools"] == agent.model.carried[0]


# -- what can't be done


def test_where_what_is_always_carried_leaves_no_room_no_run_begins():
    agent = searching(answer(), max_tools=3, pinned=("find_taxi", "print_taxi"))
    with pytest.raises(ToolsError, match="is 3, and 3 functions are always sent") as refused:
        talk(agent)
    assert "at least 4" in refused.value.help
    assert agent.model.requests == []


@pytest.mark.parametrize("pattern", ["find_unicorn", "unicorn_*"])
def test_a_pinned_tool_that_is_not_there_is_an_error(pattern):
    with pytest.raises(ToolsError, match="names a tool that is not there"):
        talk(searching(answer(), pinned=(pattern,)))


def test_a_member_of_a_set_that_is_called_as_the_search_is_an_error():
    with pytest.raises(ToolsError, match="is called `search_tools`"):
        talk(searching(answer(), tools=[*MANY, named("search_tools")]))


# -- sets, and agents behind tools and hand-offs


class Set:
    """A server's tools: other objects each time, as they come from a server."""

    name = "shop"

    def __init__(self, names):
        self.names = names

    async def members(self):
        return [named(name) for name in self.names]


def test_the_members_of_a_set_are_searched_as_they_are_when_a_run_begins():
    shop = Set([f"shop_{name}" for name in NAMES])
    agent = searching(answer(), answer(), answer(), tools=MANY[:3], pinned=("shop_find_taxi",))
    agent = msgspec.structs.replace(agent, sets=(shop,))
    talk(agent, "Export the survey")
    assert {"shop_export_survey", "shop_find_taxi"} <= set(agent.model.carried[0])
    talk(agent, "Export the survey")
    assert agent.model.requests[0].tools.json == agent.model.requests[1].tools.json
    shop.names = ["shop_find_taxi", *(f"shop_order_{noun}" for noun in NOUNS)]
    talk(agent, "Order the survey")
    assert "shop_order_survey" in agent.model.carried[2]
    assert "shop_export_survey" not in agent.model.carried[2]


def test_after_a_hand_off_the_tools_of_the_taker_are_searched():
    handoff = make_tool("transfer_to_other", None, hands_to="other", approval="never")
    mine, others = MANY[:500], MANY[500:]
    other = searching(calls(search("camera")), answer(), tools=others, name="other", max_tools=5)
    main = searching(
        calls("transfer_to_other"), tools=mine, handoffs={handoff.name: handoff}, peers={"other": other}, name="main"
    )
    talk(main, "The lesson is to be printed")
    assert "transfer_to_other" in main.model.carried[0]
    assert [len(one) for one in other.model.carried] == [5, 5]
    assert all(name in {"search_tools", *NAMES[500:]} for one in other.model.carried for name in one)
    assert any(name.endswith("_camera") for name in other.model.carried[1])


def test_an_agent_behind_a_tool_searches_for_what_it_is_asked():
    child = searching(answer("done"), name="child", input=lambda arguments, run: "Merge the photos")

    async def ask(arguments, context):
        return await context.run_child(child, {})

    main = searching(calls("ask_child"), answer(), tools=[*MANY, make_tool("ask_child", ask, runs_agent=True)])
    talk(main, "ask the child")
    assert "merge_photo" in child.model.carried[0]
    assert main.model.requests[0].tools is main.model.requests[1].tools


# -- recordings, the context, the model that is built in


def test_a_recording_is_replayed_without_a_tool_or_a_model():
    turns = [calls(search("camera"), search("taxi")), calls("find_camera"), answer("found"), answer("bye")]
    agent = searching(*turns)
    tape = Recorder(agent.name, agent.mask)
    events, _ = asyncio.run(recorded_loop(agent, tape, "Help me", "Print the exam"))
    conversation = through_a_file(tape.conversation())
    assert [one.name for one in conversation.entries if hasattr(one, "arguments") and hasattr(one, "name")] == [
        "find_camera"
    ]
    player = Player(conversation, agent.mask)
    again, outcome = asyncio.run(recorded_loop(untouchable(agent), player, "Help me", "Print the exam"))
    assert outcome.text == "bye"
    assert again == events


def test_the_context_counts_the_tools_that_are_carried():
    agent = searching(answer())
    whole = tokens_of_tools(agent.tool_list)
    talk(agent, "Find a taxi")
    carried = tokens_of_tools(agent.model.requests[0].tools)
    assert carried * 20 < whole
    policy = ContextPolicy(max_tokens=carried + 100, on_overflow="error")
    assert talk(searching(answer(), context=policy), "Find a taxi")[0].reason == "answered"
    policy = ContextPolicy(max_tokens=carried - 10, on_overflow="error")
    assert talk(searching(answer(), context=policy), "Find a taxi")[0].reason == "model_error"


def test_the_built_in_model_searches_for_what_is_not_listed():
    weather = named("get_weather", description="Current weather in a city.")
    agent = make_agent(Offline(), *MANY[:40], weather, search=ToolSearch(5))
    outcome, messages = talk(agent, "hello")
    assert outcome.reason == "answered"
    talk(agent, "What is the weather?", messages=messages)
    assert "get_weather" in [call["function"]["name"] for one in messages for call in one.data.get("tool_calls", ())]


# -- the index


def test_the_index_of_equal_functions_is_made_once():
    one = index_of([function(name) for name in NAMES[:50]])
    assert index_of([function(name) for name in NAMES[:50]]) is one
    changed = [*(function(name) for name in NAMES[:49]), function(NAMES[49], "Something else: zebra.")]
    assert index_of(changed) is not one
    assert index_of(changed).find("zebra") == [NAMES[49]]
    assert one.find("zebra") == []


def test_only_so_many_indexes_are_kept():
    first = index_of([function("find_first")])
    for number in range(KEPT):
        index_of([function(f"find_{number}")])
    assert index_of([function("find_first")]) is not first


def test_names_descriptions_and_parameters_are_searched_nested_ones_too():
    nested = {"order": {"type": "array", "items": {"type": "object", "properties": {"gizmo": {"type": "string"}}}}}
    choices = {"unit": {"type": "string", "enum": ["parsec", "furlong"], "description": "What is measured in."}}
    index = ToolIndex(
        [function("a_one", "Alpha.", nested), function("b_two", "Beta.", choices), function("c_three", "Gamma, alpha.")]
    )
    assert index.find("gizmo") == ["a_one"]
    assert index.find("furlongs") == ["b_two"]
    assert index.find("measured") == ["b_two"]
    assert index.find("alpha")[0] == "a_one"
    assert index.find("three") == ["c_three"]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"properties": []},
        {"properties": {"x": True}},
        {"properties": {"x": {"enum": [1, None, {}]}}},
        {"items": []},
    ],
)
def test_schemas_of_any_form_can_be_searched(parameters):
    assert ToolIndex([FunctionTool("find_it", "", parameters)]).find("find it") == ["find_it"]


def test_a_schema_that_is_deeper_than_anybody_reads_is_cut_off():
    deep = {"type": "object", "properties": {}}
    for _ in range(5000):
        deep = {"type": "object", "properties": {"next": deep}}
    assert ToolIndex([FunctionTool("walk", "", deep)]).find("next") == ["walk"]


def test_words_that_begin_alike_meet_but_count_less():
    index = ToolIndex([function("x_one", "An authenticator."), function("x_two", "An authentication.")])
    assert index.find("authentication") == ["x_two", "x_one"]


def test_a_function_that_is_called_by_its_name_fits_best_whatever_its_name_says():
    index = ToolIndex([function("get_one"), function("more-17"), function("pay", "Pays get_one, more or less.")])
    assert index.find("Use more-17, then `get_one`.") == ["get_one", "more-17"]
    assert index.find("pay by more-17", 1) == ["more-17"]
    assert index.find("one more of 17") == []


def test_a_long_document_is_searched_by_its_ends():
    index = ToolIndex([function("find_first"), function("find_last"), function("find_middle")])
    text = "first " + "bla " * 3000 + "middle " + "bla " * 3000 + "last"
    assert index.find(text) == ["find_first", "find_last"]


# -- against a service


def test_what_a_service_is_sent_has_at_most_max_tools_functions(tmp_path):
    tools = [
        f"name: {name}\ndescription: {name.replace('_', ' ')}.\nread_only: true\nshell: {{command: [echo, {name}]}}\n"
        for name in NAMES
    ]
    (tmp_path / "tools.d").mkdir()
    (tmp_path / "tools.d" / "many.yaml").write_text("---\n".join(tools))
    (tmp_path / "agents").mkdir()
    played = [sse(calls=[("restore_backup", {})]), sse(calls=[search("newsletter")]), sse("Done.")]
    with ModelServer(played) as server:
        (tmp_path / "agents" / "desk.yaml").write_text(
            f"model: {{name: m, base_url: '{server.base_url}', api_key: k}}\n"
            "tools: ['*']\ntool_search: {max_tools: 12, pinned: [find_customer]}\n"
        )
        agent = agentrun.load(tmp_path / "agents" / "desk.yaml", environ={"PATH": "/usr/bin:/bin"})
        outcome = asyncio.run(soon(agentrun.run(agent, "Restore the backup, please")))
    assert outcome.text == "Done."
    sent = [[one["function"]["name"] for one in request.json["tools"]] for request in server.requests]
    assert [len(one) for one in sent] == [12, 12, 12]
    assert sent[0][:2] == ["find_customer", "search_tools"] and "restore_backup" in sent[0]
    assert sent[0] == sent[1]
    assert any("newsletter" in words(name) for name in sent[2])


# -- the benchmark


def test_the_benchmark_counts_what_is_found(tmp_path):
    told = [
        {
            "name": f"shop.{name}",
            "description": f"{name.replace('_', ' ')}.",
            "parameters": {"type": "dict", "properties": {"size": {"type": "float"}, "what": {"type": "any"}}},
        }
        for name in NAMES[:60]
    ]
    asked = [
        {"id": str(number), "question": [[{"role": "user", "content": NAMES[number]}]], "function": [told[number]]}
        for number in range(40)
    ]
    answers = [{"id": str(number), "ground_truth": [{f"shop.{NAMES[number]}": {}}]} for number in range(40)]
    wheel = tmp_path / "data.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for category in (*benchmark.ASKED, *benchmark.UNANSWERED):
            entries = {"multiple": asked, "irrelevance": [{"function": told}]}.get(category, [])
            archive.writestr(f"bfcl_eval/data/BFCL_v4_{category}.json", as_lines(entries))
            lines = as_lines(answers if category == "multiple" else [])
            archive.writestr(f"bfcl_eval/data/possible_answer/BFCL_v4_{category}.json", lines)
    catalogue, questions = benchmark.read(wheel)
    assert [one.name for one in catalogue] == [f"shop_{name}" for name in NAMES[:60]]
    assert catalogue[0].parameters == {"type": "object", "properties": {"size": {"type": "number"}, "what": {}}}
    assert len(questions) == 40 and questions[3].needed == {f"shop_{NAMES[3]}"}
    recall, categories, requests, times = benchmark.measure(wheel, reference=False)
    assert recall.rows["agentrun"] == (1,) * 6
    assert list(categories.rows) == ["multiple"]
    assert requests.rows["carried"][:2] == (1, 1)
    assert all(value > 0 for row in times.rows.values() for value in row)
    assert "| agentrun | 1.000 |" in recall.as_markdown()
    assert {row["row"] for row in requests.as_data()} == set(requests.rows)


def as_lines(entries):
    return "".join(json.dumps(one) + "\n" for one in entries)
