"""/commands of a conversation that show something, from a pipe and at a terminal; and what a line with `/` means."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.cli.slash.commands import COMMANDS
from agentrun.cli.slash.rows import listed, paragraphs
from agentrun.markup.snippet import cells
from projects import ADD, scripted_agent, without_durations, write_project
from servers import ModelServer, sse
from terminals import Terminal

SUM = [
    "tool_calls: [{name: add, arguments: {a: 40}, id: c1}]",
    "{content: It is 42., usage: {input_tokens: 1000, output_tokens: 20, total_tokens: 1020, cached_tokens: 250}}",
    "content: You are welcome.",
]


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path, ADD | {"agents/sum.yaml": scripted_agent(SUM, tools="[add]")})


def chat(folder, *typed, agent="sum", options=(), environ=None):
    """A conversation from a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "agentrun", "chat", agent, *options],
        cwd=folder,
        input="".join(f"{line}\n" for line in typed),
        encoding="utf-8",
        capture_output=True,
        timeout=50,
        env=os.environ | {"NO_COLOR": "1"} | (environ or {}),
    )


def told(folder, *typed, **more):
    """What it tells beside the answers, after its first lines."""
    return chat(folder, *typed, **more).stderr.split("/help\n", 1)[1]


def asking(server, more=""):
    """An agent that asks a model server."""
    return f"model: {{name: small, base_url: {server.base_url!r}, api_key: none}}\n{more}\n"


# -- help, and what a line with a slash means


def test_help_lists_every_command_in_groups_with_the_texts_aligned(project):
    lines = told(project, "/help").splitlines()
    for command in COMMANDS:
        call = f"/{command.name} {command.usage}".rstrip()
        assert any(line.startswith(f"  {call}") for line in lines), call
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles == ["The agent", "What happened", "The conversation", "What is kept", "This program", "Messages"]
    meanings = {line.index(one.meaning) for one in COMMANDS for line in lines if line.rstrip().endswith(one.meaning)}
    assert len(meanings) == 1


def test_help_of_a_command_tells_more_of_it_and_an_unknown_one_suggests(project):
    said = told(project, "/help agent", "/help quit", "/help rewind", "/? /validate")
    assert "/agent [NAME]\n  the agents, or give the conversation to another one\n  What was said stays." in said
    assert "also typed as /exit" in said
    assert "there is no command /rewind" in said
    assert said.rstrip().endswith("/validate\n  check the agent's files; nothing changes")


@pytest.mark.parametrize("columns", [80, 40])
def test_at_a_terminal_help_tells_the_keys_and_no_line_wraps(project, columns):
    terminal = Terminal(project, "sum", columns=columns)
    terminal.say("/help")
    terminal.wait_until(lambda lines: "Messages" in lines and lines[-1].startswith(">"))
    told = terminal.raw.decode().split("The agent\r\n")[-1].split("\r\n")
    assert max(len(line) for line in told[: told.index("Messages")]) < columns
    assert any(line.startswith("  Ctrl-R") for line in terminal.lines)
    assert terminal.leave() == 0


def test_an_unknown_command_suggests_the_nearest_and_how_to_say_it_to_the_agent(project):
    assert told(project, "/modle gpt").splitlines() == [
        "there is no command /modle: did you mean `/model`? A second slash, as in //modle, says it to the agent"
    ]
    assert "there is no command /zzzz: /help lists them." in told(project, "/zzzz")
    assert "no command follows the `/`: /help lists them" in told(project, "/ and so on")


def test_a_message_may_begin_with_a_slash_with_a_second_one_or_as_a_path(tmp_path):
    typed = ["//usr is full", "/etc/hosts is wrong", "/notes.txt says no"]
    with ModelServer([sse(text="Yes.")] * 3) as server:
        write_project(tmp_path, {"agents/a.yaml": asking(server)})
        done = chat(tmp_path, *typed, agent="a")
        said = [one.json["messages"][-1]["content"] for one in server.requests]
    assert done.stdout == "Yes.\n" * 3
    assert said == ["/usr is full", "/etc/hosts is wrong", "/notes.txt says no"]


# -- the agent


SHOP = {
    "agents/shop.yaml": """
        description: Sells.
        model: offline
        system_prompt: |
          You sell to {{ args.who }}.
          Be kind.
        parameters:
          type: object
          properties: {who: {type: string}}
        tools: [find, refund, end]
        handoffs: [bills]
        permissions:
          - {deny: remove_*}
          - {ask: refund, when: "{{ args.amount > 100 }}"}
          - {allow: find}
    """,
    "agents/bills.yaml": "description: Knows bills.\nmodel: offline\n",
    "tools.d/find.yaml": """
        description: |
          Finds an order by its number.

          A second paragraph, which is so long that it is cut where the list has no room left for the whole of it.
        parameters:
          type: object
          properties:
            number: {type: integer, minimum: 1, description: As the bill has it}
            fields: {type: array, items: {type: string}, default: [state]}
          required: [number]
        http: {url: "https://shop.example.com/orders/{number}", headers: {X-Key: "${SHOP_KEY}"}}
        timeout: 5
    """,
    "tools.d/refund.yaml": """
        description: Gives ${SHOP_KEY} back.
        parameters: {type: object, properties: {amount: {type: number}}, required: [amount]}
        shell: {command: [refund, "{{ args.amount }}"]}
        require_approval: always
    """,
    "tools.d/end.yaml": "description: The end.\nfinal: true\n",
}
KEY = "very-secret-key-4711"


@pytest.fixture
def shop(tmp_path):
    refund = SHOP["tools.d/refund.yaml"].replace("${SHOP_KEY}", KEY)
    return write_project(tmp_path, SHOP | {"tools.d/refund.yaml": refund})


def told_in_the_shop(folder, *typed, options=("--arg", "who=Ann")):
    return told(folder, *typed, agent="shop", options=options, environ={"SHOP_KEY": KEY})


def test_tools_tells_of_each_what_it_does_and_what_decides_about_its_calls(shop):
    lines = told_in_the_shop(shop, "/tools").splitlines()
    assert [line[:73].split(maxsplit=1) for line in lines] == [
        ["TOOL", "SOURCE            EFFECTS           APPROVAL        DE"],
        ["find", "shop.example.com  reads, untrusted  allow (rule 3)  Fi"],
        ["refund", "command refund    changes things    rule 2          Gi"],
        ["end", "final             ends the run      auto            Th"],
        ["transfer_to_bills", "agent bills       hands over        never           Kn"],
    ]
    assert lines[1].endswith("…")
    assert max(map(len, lines)) < 160
    assert KEY not in "".join(lines)
    assert "Gives [secret] back." in lines[2]


def test_tool_tells_all_of_one_tool(shop):
    assert told_in_the_shop(shop, "/tool find").splitlines() == [
        "find",
        "  Finds an order by its number.",
        "",
        "  A second paragraph, which is so long that it is cut where the list has no room left for the whole of it.",
        "",
        "  http     GET https://shop.example.com/orders/{number}",
        "  hosts    shop.example.com",
        "  sends    headers X-Key",
        "  effects  read-only; its output is not trusted",
        "  rules    3. allow: find",
        "  else     auto: none, it is read-only",
        "  limits   5 s, 16,000 characters of output",
        "  file     tools.d/find.yaml",
        "",
        "  takes",
        "    number  integer, minimum 1: As the bill has it",
        '    fields  array, optional, default ["state"]',
    ]


def test_an_unknown_tool_suggests_the_nearest(shop):
    said = told_in_the_shop(shop, "/tool fnid", "/tool", "/tool transfer_to_bills")
    assert "shop has no tool `fnid`: did you mean `find`?" in said
    assert "name a tool: find, refund, end, transfer_to_bills" in said
    assert "  Knows bills. Hands the conversation over to the agent bills." in said


def test_what_a_file_says_reaches_the_terminal_only_escaped(project):
    text = ADD["tools.d/add.yaml"].replace("Adds two numbers.", r'"\e[2J\u202eAdds"')
    write_project(project, {"tools.d/add.yaml": text})
    said = told(project, "/tools", "/tool add")
    assert "\x1b" not in said
    assert said.count("␛[2J⟨U+202E⟩Adds") == 2


def test_system_is_the_prompt_as_the_model_has_it_before_the_first_message_and_after(tmp_path):
    more = (
        "system_prompt: You are {{ args.who }}, in {{ run.agent }}.\nparameters: {type: object, properties: {who: {}}}"
    )
    with ModelServer([sse(text="Hi.")]) as server:
        write_project(tmp_path, {"agents/a.yaml": asking(server, more)})
        said = told(tmp_path, "/system", "hello", "/system", agent="a", options=("--arg", "who=Ann"))
        sent = server.requests[0].json["messages"][0]["content"]
    assert said == f"System prompt of a\n{sent}\n" * 2
    assert sent == "You are Ann, in a."


def test_an_agent_without_system_prompt_has_none_to_show(project):
    assert told(project, "/system", "add", "/system").count("sum has no system prompt") == 2


def test_permissions_tells_the_rules_and_what_the_tools_say_of_themselves(shop):
    said = told_in_the_shop(shop, "/permissions", options=("--arg", "who=Ann", "--approve", "refund"))
    assert said.splitlines() == [
        "Rules of shop: the first that matches decides",
        "  1.  deny: remove_*",
        "  2.  ask: refund when {{ args.amount > 100 }}",
        "  3.  allow: find",
        "Else the tool decides",
        "  always asked  refund",
        "  not asked     find, end, transfer_to_bills",
        "--approve  refund",
        "Nobody can be asked here: what would be asked is refused",
    ]


def test_what_was_allowed_for_the_session_is_told_and_can_be_taken_back(tmp_path):
    turns = ["tool_calls: [{name: add, arguments: {a: 40}}]", "content: Done."] * 2
    tool = ADD["tools.d/add.yaml"].rstrip() + "\n        require_approval: always\n"
    files = ADD | {"agents/a.yaml": scripted_agent(turns, tools="[add]"), "tools.d/add.yaml": tool}
    terminal = Terminal(write_project(tmp_path, files), "a")
    terminal.say("go")
    terminal.wait_for("allow?")
    terminal.type("s\r")
    terminal.wait_for("Done.")
    terminal.say("/permissions")
    terminal.wait_for("Allowed until you leave")
    assert any(line == "  add  of a" for line in terminal.lines)
    terminal.say("/permissions forget")
    terminal.wait_for("taken back: 1 of this session")
    terminal.say("again")
    terminal.wait_until(lambda lines: sum("allow?" in line for line in lines) == 2)
    terminal.type("n\r")
    terminal.wait_until(lambda lines: lines.count("Done.") == 2)
    assert terminal.leave() == 0


def test_validate_shows_what_the_files_have_now_and_changes_nothing(project):
    broken = scripted_agent(SUM, tools="[add]", more="toools: [add]")
    terminal = Terminal(project, "sum")
    terminal.wait_for_prompt()
    terminal.say("/validate")
    terminal.wait_for("no findings")
    write_project(project, {"agents/sum.yaml": broken})
    terminal.say("/validate")
    terminal.wait_for("error AR301 unknown key `toools`")
    terminal.say("add 40")
    terminal.wait_for("It is 42.")
    assert terminal.leave() == 0


# -- what it takes


def test_cost_tells_tokens_and_money_of_the_conversation_and_of_the_last_message(tmp_path):
    prices = "  prices: {input: 2.0, output: 10.0, cached: 0.5}\n"
    agent = scripted_agent(SUM, tools="[add]", more="limits: {max_cost_usd: 0.5}").replace("tools:", f"{prices}tools:")
    write_project(tmp_path, ADD | {"agents/sum.yaml": agent})
    lines = told(tmp_path, "/cost", "add", "thanks", "/cost").splitlines()
    limits = "  limits        25 turns, 100 tool calls, 1800 s, any tokens, $0.50, for one message"
    assert lines[:3] == [
        "  conversation  no tokens were counted yet",
        limits,
        "  price         known for scripted",
    ]
    whole, last = lines[4:6]
    assert whole == "  conversation  1,020 tokens: 1,000 in, 25% of it cached, 20 out; $0.0018"
    assert last.startswith("  last message  0 tokens: 0 in, 0 out; cost not known; 1 turn, 0 tool calls, ")
    assert lines[6] == limits


def test_an_unknown_price_is_told(project):
    said = told(project, "add", "/cost")
    assert "20 out; cost not known" in said
    assert "not known for scripted: `model.prices` of the file says it" in said


def test_context_tells_how_full_it_is_and_with_what(tmp_path):
    agent = scripted_agent(SUM, tools="[add]", more="context: {max_tokens: 4000}\nsystem_prompt: You add numbers.")
    write_project(tmp_path, ADD | {"agents/sum.yaml": agent})
    before, after = told(tmp_path, "/context", "add", "/context").split("• add", 1)
    assert before.startswith("The context holds about ")
    assert "  0 messages      0 (0%)" in before
    lines = after.splitlines()[1:]
    assert lines[0] == "The context holds 1,020 tokens of 4,000: 26%"
    assert lines[1].count("█") == 10
    assert [line.split()[:-2] for line in lines[2:6]] == [
        ["system", "prompt"],
        ["1", "tool"],
        ["3", "messages"],
        ["1", "tool", "result"],
    ]
    assert "the whole is what the service counted; the parts are estimated by their size" in lines[6]
    assert "`context.max_tokens` is the limit; beyond it older parts become a summary" in lines[7]


def test_where_the_window_is_not_known_context_says_so(project):
    assert "how much the model takes in is not known" in told(project, "/context")


# -- what happened


def test_last_shows_a_whole_result_counted_from_the_end(tmp_path):
    turns = [
        "tool_calls: [{name: lines, arguments: {n: 300}}]",
        "tool_calls: [{name: lines, arguments: {n: 2}}]",
        "content: Done.",
    ]
    tool = """
        description: Counts.
        parameters: {type: object, properties: {n: {type: integer}}, required: [n]}
        shell: {command: [seq, "{{ args.n }}"]}
    """
    files = {"agents/a.yaml": scripted_agent(turns, tools="[lines]"), "tools.d/lines.yaml": tool}
    write_project(tmp_path, files)
    before, after = told(tmp_path, "/last", "go", "/last 2", "/last 3", "/last x", agent="a").split("• ", 1)
    assert before == "no tool was called yet\n"
    assert "".join(f"  {number}\n" for number in range(1, 301)) in after
    assert "there are only 2 results so far" in after
    assert "`/last x` is not known" in after


def test_verbose_can_be_switched_in_the_conversation(tmp_path):
    with ModelServer([sse(text="One."), sse(text="Two."), sse(text="Three.")]) as server:
        write_project(tmp_path, {"agents/a.yaml": asking(server)})
        said = told(tmp_path, "a", "/verbose on", "b", "/verbose", "c", "/verbose loud", agent="a")
    assert said.count("→ POST") == 1
    assert '"content": "b"' in said
    assert "`/verbose loud` is not known" in said


def test_trace_draws_the_last_message(project):
    said = told(project, "/trace", "add", "/trace")
    lines = without_durations(said).splitlines()
    assert lines[0] == "nothing was asked yet"
    assert lines[2].startswith("sum · answered · scripted · ")
    assert [line.split()[:2] for line in lines[3:]] == [
        ["sum", lines[3].split()[1]],
        ["├─", "chat"],
        ["├─", "add"],
        ["└─", "chat"],
    ]


# -- rows


@given(
    st.lists(
        st.tuples(st.text(st.sampled_from("ab宽 /"), max_size=40), st.text(st.sampled_from("xy宽 "), max_size=200))
    ),
    st.integers(20, 120),
)
def test_rows_fit_the_width_and_leave_nothing_out(rows, width):
    lines = list(listed(rows, width))
    assert all(cells(line) <= width for line in lines)
    shown = "".join("".join(lines).split())
    assert shown == "".join("".join(f"{label}{text}" for label, text in rows).split())


@given(st.text(st.sampled_from("ab宽\n "), max_size=300), st.integers(20, 120))
def test_paragraphs_fit_the_width_and_leave_nothing_out(text, width):
    lines = list(paragraphs(text, width))
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
