"""The rule that `always` adds to a file: what it is, where it stands, and that nothing else changes."""

import os
import stat

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import agentrun
from agentrun.api import find_agent
from agentrun.cli.grant import Grants
from agentrun.cli.permit import AllowRule, NoRule, with_rule
from agentrun.engine.approval import decide
from agentrun.engine.ports import ApprovalQuestion, CallContext, CallInfo, RunInfo
from agentrun.spec.yaml_nodes import read_text
from projects import write_project

PAY = AllowRule("pay")
BIG = AllowRule("pay", "{{ args.amount > 100 }}")


def data(text):
    read = read_text("", text)
    assert read.diagnostics == []
    return read.documents[0].data()


# -- the text: every byte -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "before", "new"),
    [
        ("model: x\n", None, "model: x\npermissions:\n  - {allow: pay}\n"),
        ("model: x", None, "model: x\npermissions:\n  - {allow: pay}"),
        ("model: x\r\n", None, "model: x\r\npermissions:\r\n  - {allow: pay}\r\n"),
        ("model: x  # m\n# end\n", None, "model: x  # m\n# end\npermissions:\n  - {allow: pay}\n"),
        ("---\nmodel: x\n...\n", None, "---\nmodel: x\npermissions:\n  - {allow: pay}\n...\n"),
        ("---\n---\nmodel: x\n", None, "---\n---\nmodel: x\npermissions:\n  - {allow: pay}\n"),
        ("  model: x\n", None, "  model: x\n  permissions:\n    - {allow: pay}\n"),
        ("{model: x}\n", None, "{model: x, permissions: [{allow: pay}]}\n"),
        ('{"model": "x"}', None, '{"model": "x", permissions: [{allow: pay}]}'),
        # A block text at the end may own the line end after it.
        ("model: x\n# p\ninput: |\n  a", None, "model: x\npermissions:\n  - {allow: pay}\n# p\ninput: |\n  a"),
        ("model: x\ninput: |+\n  a\n\n", None, "model: x\ninput: |+\n  a\n\npermissions:\n  - {allow: pay}\n"),
        ("permissions: []  # c\nmodel: x\n", None, "permissions: [{allow: pay}]  # c\nmodel: x\n"),
        ("permissions:  # c\nmodel: x\n", None, "permissions:  # c\n  - {allow: pay}\nmodel: x\n"),
        ("permissions: null\nmodel: x\n", None, "permissions: [{allow: pay}]\nmodel: x\n"),
        ("{permissions: , model: x}\n", None, "{permissions: [{allow: pay}], model: x}\n"),
        ('{model: x, "permissions":}\n', None, '{model: x, "permissions": [{allow: pay}]}\n'),
        # block lists
        ("permissions:\n- {deny: a}\nmodel: x\n", None, "permissions:\n- {deny: a}\n- {allow: pay}\nmodel: x\n"),
        ("permissions:\n  - deny: a # c", None, "permissions:\n  - deny: a # c\n  - {allow: pay}"),
        (
            "permissions:\n  - deny: a\n    when: |\n      {{ x }}\n\n# m\nmodel: x\n",
            None,
            "permissions:\n  - deny: a\n    when: |\n      {{ x }}\n  - {allow: pay}\n\n# m\nmodel: x\n",
        ),
        (
            "permissions:\n  - deny: a\n    when: |+\n      {{ x }}\n\n# m\nmodel: x\n",
            None,
            "permissions:\n  - deny: a\n    when: |+\n      {{ x }}\n\n  - {allow: pay}\n# m\nmodel: x\n",
        ),
        ("permissions:\r\n  - {ask: p*}\r\n", 0, "permissions:\r\n  - {allow: pay}\r\n  - {ask: p*}\r\n"),
        (
            "permissions:\n  - {deny: a}  # never\n\n  # ask\n  # for all\n  -  # this\n    ask: p*\n  - {allow: b}\n",
            1,
            "permissions:\n  - {deny: a}  # never\n\n  - {allow: pay}\n  # ask\n  # for all\n  -  # this\n    ask: p*\n"
            "  - {allow: b}\n",
        ),
        (
            "permissions:\n  - deny: a\n    when: |\n      # no comment\n  - {ask: p*}\n",
            1,
            "permissions:\n  - deny: a\n    when: |\n      # no comment\n  - {allow: pay}\n  - {ask: p*}\n",
        ),
        (
            "x-r: &r {ask: p*}\npermissions:\n  - {deny: a}\n  - *r\n",
            1,
            "x-r: &r {ask: p*}\npermissions:\n  - {deny: a}\n  - {allow: pay}\n  - *r\n",
        ),
        # flow lists
        ("permissions: [{ask: p*}]\n", 0, "permissions: [{allow: pay}, {ask: p*}]\n"),
        ("permissions: [deny: a , ask: p*]\n", 1, "permissions: [deny: a , {allow: pay}, ask: p*]\n"),
        ("permissions: [deny: a ]\n", None, "permissions: [deny: a, {allow: pay} ]\n"),
        (
            "permissions: [\n  {deny: a},  # never\n  {ask: p*},\n]\n",
            1,
            "permissions: [\n  {deny: a},  # never\n  {allow: pay},\n  {ask: p*},\n]\n",
        ),
        (
            "permissions: [\n  {deny: a},  # never\n]\n",
            None,
            "permissions: [\n  {deny: a},  # never\n  {allow: pay},\n]\n",
        ),
        (
            "permissions: [\n  {deny: a}  # never\n]\n",
            None,
            "permissions: [\n  {deny: a},  # never\n  {allow: pay}\n]\n",
        ),
    ],
)
def test_the_rule_is_added_and_all_else_stays(old, before, new):
    assert with_rule(old, PAY, before) == new


@pytest.mark.parametrize(
    ("old", "reason"),
    [
        ("x-p: &p [{ask: pay}]\npermissions: *p\n", "alias"),
        ("permissions: &p [{ask: pay}]\nx-p: *p\n", "anchor"),
        ("permissions: &p\n  - {ask: pay}\n", "anchor"),
        ("x-p: &p {permissions: [{ask: pay}]}\n<<: *p\n", "`<<`"),
        ("? permissions\n: - {ask: pay}\n", "not found"),
        ("permissions: [", "can't be read"),
    ],
)
def test_what_can_mean_more_than_one_place_is_not_touched(old, reason):
    with pytest.raises(NoRule, match=reason):
        with_rule(old, PAY, 0)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (PAY, "{allow: pay}"),
        (BIG, '{allow: pay, when: "{{ args.amount > 100 }}"}'),
        (AllowRule("null"), '{allow: "null"}'),
        (AllowRule("0123"), '{allow: "0123"}'),
        (AllowRule("-"), '{allow: "-"}'),
        (AllowRule("a", '{{ args.x == "y" }}'), """{allow: a, when: '{{ args.x == "y" }}'}"""),
        (AllowRule("a", "{{ \"a\" ~ 'b' }}"), """{allow: a, when: "{{ \\"a\\" ~ 'b' }}"}"""),
        (AllowRule("a", "{{ 1\n}}\u2028\u202e\x85"), '{allow: a, when: "{{ 1\\n}}\\u2028\\u202e\\x85"}'),
    ],
)
def test_a_rule_reads_back_as_what_it_is(rule, text):
    assert rule.text == text
    assert data(with_rule("model: x\n", rule, None))["permissions"] == [rule.data]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(TEXTS)
def test_any_condition_reads_back(when):
    assert data(with_rule("permissions: [{ask: pay}]\n", AllowRule("pay", when), 0))["permissions"] == [
        {"allow": "pay", "when": when},
        {"ask": "pay"},
    ]


RULES = st.sampled_from(
    [
        ["{deny: a}"],
        ["ask: p*"],
        ["deny: a*", 'when: "{{ args.n > 1 }}"'],
        ["ask: pay", "when: >-", "  {{ args.n", "  > 1 }}"],
        ["allow: b", "when: |", "  {{ true }}", ""],
    ]
)
COMMENTS = st.lists(st.sampled_from(["# why", "#", "", "# - {allow: all}"]), max_size=2)
OTHERS = st.sampled_from(
    [
        "model: x",
        "# permissions: none",
        "",
        "input: |\n  # text\n\n  more\n",
        "x-list:\n- 1",
        "description: 'it''s\n  long'",
        "tools: [a,\n  b]",
    ]
)


@st.composite
def agent_files(draw):
    """A file with comments, and the index of a rule to stand before, or None."""
    rules = draw(st.lists(RULES, max_size=3))
    style = draw(st.sampled_from(["block", "flow", "flow lines", "absent"]))
    indent = draw(st.sampled_from(["", "  ", "    "]))
    end = draw(st.sampled_from(["", "  # end"]))
    lines = []
    if style == "absent":
        rules = []
    elif style == "block" and rules:
        lines.append(f"permissions:{end}")
        for first, *more in rules:
            lines += [f"{indent}{comment}" if comment else "" for comment in draw(COMMENTS)]
            lines += [f"{indent}- {first}", *(f"{indent}  {line}" if line else "" for line in more)]
    else:
        items = [rule[0] if rule[0].startswith("{") else f"{{{rule[0]}}}" for rule in rules]
        if style == "flow lines" and items:
            comma = draw(st.sampled_from(["", ","]))
            ends = ["," for _ in items[1:]] + [comma]
            marked = [
                f"  {item}{mark}{draw(st.sampled_from(['', ' # c']))}" for item, mark in zip(items, ends, strict=True)
            ]
            lines += ["permissions: [", *marked, f"  ]{end}"]
        else:
            lines.append(f"permissions: [{', '.join(items)}]{end}")
    before, after = draw(st.lists(OTHERS, max_size=2, unique=True)), draw(st.lists(OTHERS, max_size=2, unique=True))
    text = "\n".join(["name: a", *before, *lines, *(one for one in after if one not in before)])
    text += draw(st.sampled_from(["", "\n", "\n\n"]))
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return text, draw(st.sampled_from([None, *range(len(rules))]))


@settings(max_examples=400)
@given(agent_files(), st.sampled_from([PAY, BIG]))
@example(("name: a\ninput: |\n  # text", None), PAY)
def test_whatever_the_file_the_data_is_the_old_and_the_rule_and_the_text_only_grows(file, rule):
    text, before = file
    assume(not read_text("", text).diagnostics)
    old = data(text)
    rules = list(old.get("permissions") or [])
    new = with_rule(text, rule, before)
    rules.insert(len(rules) if before is None else before, rule.data)
    assert data(new) == old | {"permissions": rules}
    assert _is_part(text, new)
    assert ("\r\n" in new) == ("\r\n" in text) or "\n" not in text
    assert new.replace("\r\n", "").count("\n") in (0, new.count("\n"))  # no mixture


def _is_part(text, of):
    """Whether `of` is the text with something put in, and nothing taken out."""
    rest = iter(of)
    return all(char in rest for char in text)


# -- the rule that a question gets ----------------------------------------------------------------------------

PAY_TOOL = """
    description: Pays.
    parameters: {type: object, properties: {amount: {type: number}}}
    shell: {command: [echo, paid]}
"""
CONTEXT = CallContext(RunInfo("r", "2026-01-01", "a", ""), CallInfo("c", "pay", 1), None)


def asked(folder, agent="a", *, arguments=None, tool="pay", seen=False, main=None):
    """The question that the files make of a call, and who offers a rule for it."""
    path = folder / f"agents/{main or agent}.yaml"
    project, _ = find_agent(path, {})
    loaded = agentrun.load(folder / f"agents/{agent}.yaml", environ={})
    decision = decide(loaded.tools[tool], loaded.permissions, arguments or {}, CONTEXT, untrusted_seen=seen)
    assert decision.action == "ask"
    return Grants(project), ApprovalQuestion(agent, tool, "c", {}, decision.reason, decision.rule, decision.unclear)


def action(folder, agent="a", *, arguments=None, tool="pay", seen=False):
    loaded = agentrun.load(folder / f"agents/{agent}.yaml", environ={})
    return decide(loaded.tools[tool], loaded.permissions, arguments or {}, CONTEXT, untrusted_seen=seen).action


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, *, approval="auto", **agents):
        tool = PAY_TOOL + f"    require_approval: {approval}\n"
        files = {f"agents/{name}.yaml": content for name, content in agents.items()}
        return write_project(tmp_path, {"tools.d/pay.yaml": tool, "agents/a.yaml": text, **files})

    return write


def test_a_rule_that_asks_gets_its_like_before_it(project):
    folder = project("""
        model: x
        tools: [pay]
        permissions:
          - {deny: pay, when: "{{ args.amount > 1000 }}"}
          - {ask: "*", when: "{{ args.amount > 100 }}"}  # big
    """)
    grants, question = asked(folder, arguments={"amount": 200})
    offer = grants.propose(question)
    assert (offer.file, offer.remarks) == ("agents/a.yaml", ("it stands directly before rule 2 of `permissions`",))
    offer.write()
    assert (folder / "agents/a.yaml").read_bytes() == (
        b"model: x\ntools: [pay]\npermissions:\n"
        b'  - {deny: pay, when: "{{ args.amount > 1000 }}"}\n'
        b'  - {allow: pay, when: "{{ args.amount > 100 }}"}\n'
        b'  - {ask: "*", when: "{{ args.amount > 100 }}"}  # big\n'
    )
    assert action(folder, arguments={"amount": 200}) == "allow"
    assert action(folder, arguments={"amount": 2000}) == "deny"
    assert action(folder, arguments={}) == "deny"


def test_a_tool_that_always_asks_gets_a_rule_behind_all_others(project):
    folder = project(
        "model: x\ntools: [pay]\npermissions: [{deny: 'p*', when: '{{ args.amount > 9 }}'}]", approval="always"
    )
    grants, question = asked(folder, arguments={"amount": 1})
    offer = grants.propose(question)
    assert (offer.rule, offer.remarks) == (PAY, ())
    offer.write()
    assert (action(folder, arguments={"amount": 1}), action(folder, arguments={"amount": 10})) == ("allow", "deny")


def test_a_template_of_the_tool_becomes_the_rules_condition(project):
    folder = project("model: x\ntools: [pay]\n", approval='"{{ args.amount > 100 }}"')
    grants, question = asked(folder, arguments={"amount": 101})
    grants.propose(question).write()
    assert (folder / "agents/a.yaml").read_text() == (
        'model: x\ntools: [pay]\npermissions:\n  - {allow: pay, when: "{{ args.amount > 100 }}"}\n'
    )
    assert [action(folder, arguments=given) for given in ({"amount": 101}, {"amount": 1}, {})] == [
        "allow",
        "allow",
        "ask",
    ]


def test_after_untrusted_output_the_offer_says_that_this_ends_too(project):
    folder = project("model: x\ntools: [pay]\n")
    grants, question = asked(folder, seen=True)
    offer = grants.propose(question)
    assert offer.remarks == ("the tool is then not asked about after untrusted output either",)
    offer.write()
    assert action(folder, seen=True) == "allow"


@pytest.mark.parametrize("approval", ["auto", '"{{ args.amount > 1 }}"'])
def test_a_condition_that_could_not_be_evaluated_has_no_rule(project, approval):
    rules = "permissions: [{ask: pay, when: '{{ args.amount > 1 }}'}]\n" if approval == "auto" else ""
    folder = project(f"model: x\ntools: [pay]\n{rules}", approval=approval)
    grants, question = asked(folder)
    with pytest.raises(NoRule, match="no rule can say yes to that"):
        grants.propose(question)


def test_the_rules_of_a_base_are_changed_there_and_the_offer_names_who_shares_them(project):
    base = "model: x\ntools: [pay]\npermissions: [{ask: pay}]\n"
    own = "extends: _base\npermissions: [{ask: pay}]\n"
    folder = project("extends: _base\n", _base=base, b="extends: _base\n", own=own)
    grants, question = asked(folder)
    offer = grants.propose(question)
    assert offer.file == "agents/_base.yaml"
    assert offer.remarks[1:] == ("these are the rules of other agents too, which get it as well: b",)
    offer.write()
    assert (folder / "agents/_base.yaml").read_text() == base.replace("[{ask", "[{allow: pay}, {ask")
    assert [action(folder, agent) for agent in ("a", "b", "own")] == ["allow", "allow", "ask"]


def test_where_no_file_wrote_rules_they_go_into_the_agents_own(project):
    folder = project("extends: _base\n", approval="always", _base="model: x\ntools: [pay]\n", c="extends: a\n")
    grants, question = asked(folder)
    offer = grants.propose(question)
    assert offer.remarks == ("these are the rules of other agents too, which get it as well: c",)
    offer.write()
    assert (folder / "agents/a.yaml").read_text() == "extends: _base\npermissions:\n  - {allow: pay}\n"
    assert (action(folder), action(folder, "c")) == ("allow", "allow")


def test_a_rule_that_breaks_another_agent_is_not_offered(project):
    base = "model: x\ntools: [pay]\npermissions: [{ask: '*'}]\n"
    other = "extends: _base\ntools: [{name: look, description: Looks., shell: {command: [ls]}}]\n"
    folder = project("extends: _base\n", _base=base, other=other)
    grants, question = asked(folder)
    with pytest.raises(NoRule, match=r"`other` would not load: `allow: pay` matches no tool of this agent"):
        grants.propose(question)


def test_a_sub_agents_rule_goes_into_the_sub_agents_file(project):
    child = "description: Helps.\nmodel: x\ntools: [pay]\n"
    folder = project("model: x\ntools: [{agent: child}, pay]\n", approval="always", child=child)
    grants, question = asked(folder, "child", main="a")
    before = (folder / "agents/a.yaml").read_bytes()
    grants.propose(question).write()
    assert (folder / "agents/a.yaml").read_bytes() == before
    assert (folder / "agents/child.yaml").read_text() == child + "permissions:\n  - {allow: pay}\n"
    assert (action(folder, "child"), action(folder, "a")) == ("allow", "ask")


def test_a_second_rule_of_the_same_conversation_finds_its_place_after_the_first(project):
    folder = project("""
        model: x
        tools:
          - pay
          - {name: send, description: Sends., shell: {command: [ls]}}
        permissions:
          - {ask: pay}
          - {ask: send}
    """)
    grants, question = asked(folder)
    _, second = asked(folder, tool="send")
    grants.propose(question).write()
    grants.propose(second).write()
    text = (folder / "agents/a.yaml").read_text()
    assert data(text)["permissions"] == [{"allow": "pay"}, {"ask": "pay"}, {"allow": "send"}, {"ask": "send"}]


def test_an_alias_is_left_to_the_person_with_the_rule_and_its_place(project):
    folder = project("model: x\ntools: [pay]\nx-p: &p [{ask: pay}]\npermissions: *p\n")
    grants, question = asked(folder)
    hint = r"put `- {allow: pay}` into agents/a.yaml by hand, directly before rule 1 of `permissions`"
    with pytest.raises(NoRule, match=hint):
        grants.propose(question)


# -- the file -------------------------------------------------------------------------------------------------


def offered(folder):
    grants, question = asked(folder)
    return grants.propose(question)


def test_a_file_that_was_changed_meanwhile_is_not_written(project):
    folder = project("model: x\ntools: [pay]\n", approval="always")
    grants, question = asked(folder)
    offer = grants.propose(question)
    file = folder / "agents/a.yaml"
    file.write_text("model: y\ntools: [pay]\n")
    for attempt in (offer.write, lambda: grants.propose(question)):
        with pytest.raises(NoRule, match="was changed since it was loaded"):
            attempt()
    file.unlink()
    with pytest.raises(NoRule, match=r"agents/a.yaml can't be read: no such file"):
        offer.write()
    assert list((folder / "agents").iterdir()) == []


def test_mode_byte_order_mark_and_link_stay(project):
    folder = project("model: x\ntools: [pay]\n", approval="always")
    file, target = folder / "agents/a.yaml", folder / "shared.yaml"
    target.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    target.chmod(0o640)
    file.unlink()
    file.symlink_to(target)
    offered(folder).write()
    assert file.is_symlink()
    assert target.read_bytes() == b"\xef\xbb\xbfmodel: x\ntools: [pay]\npermissions:\n  - {allow: pay}\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(one.name for one in folder.iterdir()) == ["agents", "shared.yaml", "tools.d"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
@pytest.mark.parametrize("what", ["agents/a.yaml", "agents"])
def test_what_can_not_be_written_says_so(project, what):
    folder = project("model: x\ntools: [pay]\n", approval="always")
    offer = offered(folder)
    mode = (folder / what).stat().st_mode
    (folder / what).chmod(mode & ~0o222)
    try:
        with pytest.raises(NoRule, match=r"agents/a.yaml can't be written"):
            offer.write()
    finally:
        (folder / what).chmod(mode)
    assert [one.name for one in (folder / "agents").iterdir()] == ["a.yaml"]
