"""Fixes: made where they are offered, byte for byte, and the findings are gone afterwards."""

import codecs
import contextlib
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import golden_specs
from agentrun.cli.checking import Checker
from agentrun.cli.fixing import diff_lines, fix_all, mend, notes, write
from agentrun.diagnostics import Diagnostic, Edit, Fix, Report, Span
from agentrun.errors import UsageError
from agentrun.fixes import apply
from agentrun.selection import Selection
from agentrun.spec.lines import place, stretch
from agentrun.spec.spelling import is_surely, typos

BOM = codecs.BOM_UTF8


@contextlib.contextmanager
def project(files, *, ground=True):
    """A check of some files in the ground project, in the current folder."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        if ground:
            shutil.copytree(golden_specs.SPECS / "ground", root, dirs_exist_ok=True)
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        with contextlib.chdir(root):
            yield checker([Path(name) for name in files if name.endswith(".yaml")])


def checker(paths):
    def check(texts):
        return Selection().of(Checker(paths, golden_specs.ENVIRON, (), texts)().report)

    return check


def files_of(case):
    if case.is_dir():
        return {one.relative_to(case).as_posix(): one.read_bytes() for one in case.rglob("*") if one.is_file()}
    return {f"{case.parent.name}/{case.name}": case.read_bytes()}


@contextlib.contextmanager
def checked_case(case, content=None):
    files = files_of(case) if content is None else {f"{case.parent.name}/{case.name}": content}
    with project(files, ground=not case.is_dir()) as check:
        yield checker([Path()]) if case.is_dir() else check


def fixed(text, *, kind="agents", unsafe=False, more=None):
    """A file after its fixes, and the codes that are left in it."""
    name = f"{kind}/shop.yaml"
    raw = text if isinstance(text, bytes) else text.encode()
    with project({name: raw} | (more or {})) as check:
        mended = mend(check, unsafe=unsafe)
        after = {change.file: change.after for change in mended.changes}.get(name, raw)
        return after if isinstance(text, bytes) else after.decode(), [one.code for one in mended.left.diagnostics]


# -- the bad files ------------------------------------------------------------------------------------------------


def mended_cases():
    """The bad files that are not in order: those whose finding has a fix, with it."""
    found = {}
    for case in golden_specs.cases("bad"):
        with checked_case(case) as check:
            mended = mend(check, unsafe=True)
        if mended.changes or any(one.fix for one in mended.first.diagnostics):
            found[case] = mended
    return found


@pytest.fixture(scope="module")
def mended():
    return mended_cases()


# What is mended shows what it hid: the file, or a name in it, was not judged before.
SHOWS_MORE = {
    "AR201-tool-that-is-listed": {"AR642"},
    "AR303-model-is-a-number.yaml": {"AR707"},
    "25-mistakes": {"AR402", "AR502"},
}


def test_where_a_fix_is_offered_the_finding_is_gone_afterwards(mended):
    for case, one in mended.items():
        unfixable = {(found.code, found.message) for found in one.first.diagnostics if found.fix is None}
        left = {(found.code, found.message) for found in one.left.diagnostics} - unfixable
        assert {code for code, _ in left} <= SHOWS_MORE.get(case.name, set()), (case.name, left)
        assert not any(found.fix for found in one.left.diagnostics), case.name


def test_many_codes_have_a_fix(mended):
    codes = {found.code for one in mended.values() for found in one.first.diagnostics if found.fix}
    assert {"AR201", "AR206", "AR208", "AR301", "AR303", "AR304", "AR401", "AR402", "AR403", "AR407", "AR410"} <= codes
    assert {"AR501", "AR502", "AR503", "AR504", "AR505", "AR508", "AR601", "AR602", "AR605", "AR607", "AR701"} <= codes


def test_comments_are_kept(mended):
    removed = ("AR106", "AR107")  # comments are what these are about
    for case, one in mended.items():
        for change in one.changes:
            if not case.name.startswith(removed):
                assert re.findall(rb"# good:.*", change.after) == re.findall(rb"# good:.*", change.before), case.name


def test_what_was_fixed_is_not_changed_again(mended):
    for case, one in mended.items():
        files = files_of(case) | {change.file: change.after for change in one.changes}
        with project(files, ground=not case.is_dir()) as check:
            again = mend(checker([Path()]) if case.is_dir() else check, unsafe=True)
        assert (again.changes, again.fixed) == ((), 0), case.name


def test_with_a_byte_order_mark_and_crlf_the_same_is_fixed(mended):
    for case, one in mended.items():
        content = b"" if case.is_dir() else case.read_bytes()
        if not content or b"\r" in content or not one.changes or content.startswith(BOM):
            continue
        with checked_case(case, BOM + content.replace(b"\n", b"\r\n")) as check:
            again = mend(check, unsafe=True)
        assert again.changes and again.changes[0].after == BOM + one.changes[0].after.replace(b"\n", b"\r\n"), case.name


# -- single fixes -------------------------------------------------------------------------------------------------

AGENT = "model: gpt-4.1-mini\n"
TOOL = "description: Finds.\nhttp:\n  url: https://shop.example.com/find\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("systemPrompt: Hi.\n", "system_prompt: Hi.\n"),
        ('{"modle": "gpt-4.1-mini"}', '{"model": "gpt-4.1-mini"}'),
        ("'modle': gpt-4.1-mini\n", "'model': gpt-4.1-mini\n"),
        ("tool: [find_order]\ntols: [refund_order]\n", "tools: [find_order]\ntols: [refund_order]\n"),
        ("tool: [find_order]\ntools:\n", None),
        ("limits: {timeout: '5'}\n", "limits: {timeout: 5}\n"),
        ("limits: {timeout: 1.5 s}\n", "limits: {timeout: 1.5}\n"),
        ("parallel_tool_calls: 'true'\n", "parallel_tool_calls: true\n"),
        ("parallel_tool_calls: Off # no\n", "parallel_tool_calls: false # no\n"),
        ("description: 0x1F\n", 'description: "0x1F"\n'),
        ("input: {{ args.input }}\n", 'input: "{{ args.input }}"\n'),
        ('input: {{ args["input"] }} # why\n', "input: '{{ args[\"input\"] }}' # why\n"),
        ("starters:\n  - {{ args['a', 'b'] }}: no\n", None),
        ("starters: [{{ args['a', 'b'] }}, b]\n", None),
        ("starters: [{{ a }}, b]\n", 'starters: ["{{ a }}", b]\n'),
        ("starters: [{{ a }} c , b]\n", 'starters: ["{{ a }} c" , b]\n'),
        ("starters:\n  - {{ a }} and {{ b }}\n", 'starters:\n  - "{{ a }} and {{ b }}"\n'),
        ("tools: [find_order,\n  find_order]\n", None),
        ("tools: [find_order, find_order ]\n", "tools: [find_order ]\n"),
        ("tools: [\n  find_order, # one\n  find_order # two\n]\n", "tools: [\n  find_order, # one\n]\n"),
        ("tools: # all\n- find_order # one\n- find_order # two\n", "tools: # all\n- find_order # one\n"),
        ("tools:\n  - find_order\n  # two\n  - 'find_order'", "tools:\n  - find_order\n  # two\n"),
        ("tools:\n  - find_order\n  -\n    find_order\n", None),
        ("tools: &t [find_order, find_order]\n", None),
        ("input: '{{ input }} {{ input.x | default(\"input\") }} {{ args.input }}'\n",
         "input: '{{ args.input }} {{ args.input.x | default(\"input\") }} {{ args.input }}'\n"),
        ('input: "{{ input | default(\\"input\\") }} input"\n',
         'input: "{{ args.input | default(\\"input\\") }} input"\n'),
        ("input: >-\n  {{\n  input }}\n  {# input #}\n", "input: >-\n  {{\n  args.input }}\n  {# input #}\n"),
        ("parameters: {properties: {input: {type: string}}}\n",
         "parameters: {type: object, properties: {input: {type: string}}}\n"),
        ("parameters:\n    # these\n    properties: {input: {type: string}}\n",
         "parameters:\n    # these\n    type: object\n    properties: {input: {type: string}}\n"),
        ("parameters: {type: object, properties: {input: {type: str}}}\n",
         "parameters: {type: object, properties: {input: {type: string}}}\n"),
        ("parameters: {type: object, properties: {input: {type: strin}}}\n",
         "parameters: {type: object, properties: {input: {type: string}}}\n"),
        ("parameters:\n  type: object\n  properties:\n    input: string\n",
         "parameters:\n  type: object\n  properties:\n    input: {type: string}\n"),
        ("limits: {max_turn: '5'}\n", "limits: {max_turns: 5}\n"),
        ("limits: {max_total_tokens: 1_000}\n", "limits: {max_total_tokens: 1000}\n"),
        ("description: 'It's here'\n", "description: 'It''s here'\n"),
        ("tools: [find_order]\ntool_choice: any\n", "tools: [find_order]\ntool_choice: required\n"),
    ],
)  # fmt: skip
def test_of_an_agent_it_is_fixed_safely(before, after):
    head = "" if "mod" in before.split(":")[0] else AGENT
    assert fixed(head + before)[0] == head + (before if after is None else after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("instructions: Hi.\n", "system_prompt: Hi.\n"),
        ("tools: find_order, refund_order # two\n", "tools: [find_order, refund_order] # two\n"),
        ('tools: "find_order"\n', 'tools: ["find_order"]\n'),
        ("starters: Where is it?\n", 'starters: ["Where is it?"]\n'),
        ("limits: {timeout: 500ms}\n", "limits: {timeout: 0.5}\n"),
        ("limits: {timeout: 2 min}\n", "limits: {timeout: 120}\n"),
        ("limits: {max_turns: 2, max_turns: 2}\n", "limits: {max_turns: 2}\n"),
        ("limits:\n  max_turns: 2\n  max_turns: 2 # again\n", "limits:\n  max_turns: 2\n"),
        ("system_prompt: |\n  Hi.\nsystem_prompt: |\n  Hi.\n# end\n", "system_prompt: |\n  Hi.\n# end\n"),
        ("limits: {max_turns: 2, max_turns: 3}\n", None),
        ("tools: ['find_ordr']\n", "tools: ['find_order']\n"),
        ("tools: [find_order]\npermissions: [{ask: findOrder}]\n",
         "tools: [find_order]\npermissions: [{ask: find_order}]\n"),
        ("tools: [{agent: reseacher}]\n", "tools: [{agent: researcher}]\n"),
        ("description: a: b # c\n", 'description: "a: b" # c\n'),
        ("description: `a`\n", 'description: "`a`"\n'),
        ("input: '{{ args[\"inptu\"] }}{{ args . inptu }}'\n", "input: '{{ args[\"input\"] }}{{ args . input }}'\n"),
        ("input: '{{ args.inptu | default(\"args.inptu\") }}'\n",
         "input: '{{ args.input | default(\"args.inptu\") }}'\n"),
        ("input: '{{ run.dat }}'\n", "input: '{{ run.date }}'\n"),
        ("tools: [refund_order]\npermissions: [{ask: refund_order, when: args.amount > 5}]\n",
         'tools: [refund_order]\npermissions: [{ask: refund_order, when: "{{ args.amount > 5 }}"}]\n'),
    ],
)  # fmt: skip
def test_of_an_agent_it_is_guessed(before, after):
    assert fixed(AGENT + before)[0] == AGENT + before
    assert fixed(AGENT + before, unsafe=True)[0] == AGENT + (before if after is None else after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  method: get\n", "  method: GET\n"),
        ("  max_retries: '2'\n", "  max_retries: 2\n"),
        ("  expect: 200\n", "  expect: [200]\n"),
        ("  headers: {X-Shop: '${SHOP_WORD-a} $${SHOP_WORD-b} ${SHOP_PIN:-${SHOP_WORD-a}}'}\n",
         "  headers: {X-Shop: '${SHOP_WORD:-a} $${SHOP_WORD-b} ${SHOP_PIN:-${SHOP_WORD:-a}}'}\n"),
        ("  max_retries: ${SHOP_WORD}\n", None),
        ("  max_retries: ${SHOP_PIN}\n", None),
        ("  max_retries: &n '2'\n", None),
        ("  timeout: 5\n", None),
    ],
)  # fmt: skip
def test_of_a_tool_it_is_fixed_safely(before, after):
    assert fixed(TOOL + before, kind="tools.d")[0] == TOOL + (before if after is None else after)


def test_a_url_is_rid_of_double_braces_where_the_parameter_is_declared():
    text = "description: Finds.\nparameters: {type: object, properties: {id: {type: string}}, required: [id]}\n"
    text += "http: {url: 'https://shop.example.com/{{ %s }}/{{id}}'}\n"
    assert fixed(text % "args.id", kind="tools.d") == (text.replace("{{ %s }}/{{id}}", "{id}/{id}"), [])
    assert fixed(text % "args.other", kind="tools.d", unsafe=True)[0] == text % "args.other"


def test_a_url_that_is_one_template_is_written_anew_only_when_asked_for():
    text = "description: Finds.\nparameters: {type: object, properties: {u: {type: string}}, required: [u]}\n"
    text += "http: {url: '{{ args.u }}', hosts: [shop.example.com]}\n"
    assert fixed(text, kind="tools.d")[0] == text
    assert fixed(text, kind="tools.d", unsafe=True) == (text.replace("{{ args.u }}", "{u}"), [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("systemctl restart {{ args.s }}", '[systemctl, restart, "{{ args.s }}"]'),
        ("git commit -m 'a b'  --author=\"{{ args['s'] }}\"", '[git, commit, -m, "a b", "--author={{ args[\'s\'] }}"]'),
        ("git log | head", None),
        ("echo $HOME", None),
        ("ls *.txt", None),
        ('"{{ args.s }} --help"', None),
        ("echo 'not closed", None),
        ("git", "[git]"),
    ],
)
def test_a_command_line_is_split_as_a_shell_would_where_that_is_plain(line, words):
    text = "description: Does.\nparameters: {type: object, properties: {s: {enum: [a]}}}\nshell:\n  command: %s\n"
    assert fixed(text % line, kind="tools.d", unsafe=True)[0] == text % (words or line)


def test_a_leading_zero_is_quoted_where_text_is_wanted_and_dropped_where_a_number_is():
    assert fixed(f"{AGENT}description: 007\n", unsafe=True) == (f'{AGENT}description: "007"\n', [])
    assert fixed(f"{AGENT}limits: {{max_turns: 007}}\n", unsafe=True) == (f"{AGENT}limits: {{max_turns: 7}}\n", [])


def test_columns_before_a_place_count_code_points():
    text = "model: gpt-4.1-mini\nx-note: {'𝒳é\t\u200d': '🙂', a: 1}\ntools: ['🙂', find_order, find_order] # 🙂\n"
    after, left = fixed(text, unsafe=True)
    assert after == text.replace(", find_order]", "]")
    assert left == ["AR401"]


def test_a_mistake_in_a_base_is_one_fix():
    files = {f"agents/{name}.yaml": b"extends: _desk\n" for name in ("a", "b")}
    files["agents/_desk.yaml"] = f"{AGENT}tool: [find_order]\n".encode()
    with project(files) as check:
        mended = mend(check, unsafe=False)
    assert [(one.file, one.after) for one in mended.changes] == [
        ("agents/_desk.yaml", f"{AGENT}tools: [find_order]\n".encode())
    ]
    assert mended.fixed == 1


def test_a_prompt_in_a_file_of_its_own_is_fixed_there():
    prompt = BOM + "Hi 🙂.\r\nIt is {{ run.dat }}.\r\n".encode()
    files = {"agents/shop.yaml": f"{AGENT}system_prompt: {{file: prompt.md}}\n".encode(), "agents/prompt.md": prompt}
    with project(files) as check:
        (change,) = mend(check, unsafe=True).changes
    assert (change.file, change.after) == ("agents/prompt.md", prompt.replace(b"dat ", b"date "))


def test_an_aliased_value_is_fixed_where_it_is_written():
    text = "model: gpt-4.1-mini\nx-all: &all\n  tools: [find_order, find_order]\n<<: *all\n"
    assert fixed(text)[0] == text.replace(", find_order]", "]")


def test_fixes_that_undo_one_another_are_not_made():
    texts = ["a: 1\n", "a: 2\n"]

    def check(held):
        text = next(iter(held.values()), b"a: 1\n").decode()
        span = Span("agents/shop.yaml", 1, 4, 1, 5)
        fix = Fix("write the other", (Edit(span, "2" if text == texts[0] else "1"),))
        return Report((Diagnostic("AR303", "error", "no", span, fix=fix),), {span.file: text})

    with project({"agents/shop.yaml": texts[0].encode()}):
        mended = mend(check, unsafe=False)
    assert [one.after.decode() for one in mended.changes] == [texts[1]]
    assert mended.fixed == 1


def test_fixes_go_on_where_only_some_are_told_at_a_time():
    name = "agents/shop.yaml"

    def check(held):
        text = next(iter(held.values()), b"x" * 40).decode()
        at = text.find("x") + 1
        span = Span(name, 1, at, 1, at + 1)
        found = Diagnostic("AR301", "error", "no", span, fix=Fix("write `y`", (Edit(span, "y"),)))
        return Report((found,) if at else (), {name: text})

    with project({name: b"x" * 40}):
        mended = mend(check, unsafe=False)
    assert (mended.changes[0].after, mended.fixed) == (b"y" * 40, 40)


def test_a_fix_that_would_make_a_file_unreadable_is_not_made():
    def check(held):
        span = Span("agents/shop.yaml", 1, 1, 1, 2)
        if held:
            return Report((Diagnostic("AR201", "error", "not YAML", span),), {})
        found = Diagnostic("AR301", "error", "no", span, fix=Fix("break it", (Edit(span, "["),)))
        return Report((found,), {span.file: "a: 1\n"})

    with project({"agents/shop.yaml": b"a: 1\n"}):
        mended = mend(check, unsafe=False)
    assert (mended.changes, mended.fixed, mended.left) == ((), 0, mended.first)


# -- spelling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "number"),
    [("", "", 0), ("a", "", 1), ("modle", "model", 1), ("kitten", "sitting", 3), ("ab", "ba", 1), ("abc", "xyzabc", 3)],
)
def test_typos_are_letters_more_less_other_or_swapped(one, other, number):
    assert typos(one, other, 3) == typos(other, one, 3) == number


def test_a_name_is_sure_where_one_known_name_is_near():
    assert is_surely("systemPrompt", "system_prompt", ["system_prompt"])
    assert is_surely("promt", "prompt", ["prompt", "tools"])
    assert not is_surely("FETCH", "PATCH", ["PATCH", "POST"])
    assert not is_surely("port", "post", ["post", "sort"])
    assert not is_surely("kind", "bind", ["bind"])
    assert not is_surely("mode", "model", ["model", "tools"])


# -- applying -----------------------------------------------------------------------------------------------------


def finding(span, text, *, safe=True, more=()):
    edits = (Edit(span, text), *more)
    return Diagnostic("AR301", "error", f"{span}", span, fix=Fix("change it", edits, safe))


def at(start, end, file="a"):
    """A place in a file of one line."""
    return Span(file, 1, start + 1, 1, end + 1)


def test_of_fixes_that_overlap_the_first_by_place_is_made():
    first, second, third = finding(at(2, 4), "X"), finding(at(3, 5), "Y"), finding(at(6, 7), "Z")
    done = apply({"a": "abcdefgh"}, [third, second, first], unsafe=False)
    assert done.texts == {"a": "abXefZh"}
    assert (done.applied, done.skipped) == ((first, third), (second,))


def test_what_stands_between_the_edits_of_a_fix_is_its_own():
    quotes = finding(at(1, 1), '"', more=(Edit(at(7, 7), '"'),))
    inside = finding(at(3, 4), "X")
    done = apply({"a": "abcdefgh"}, [inside, quotes], unsafe=False)
    assert (done.texts, done.skipped) == ({"a": 'a"bcdefg"h'}, (inside,))


def test_two_insertions_at_one_place_are_not_both_made():
    done = apply({"a": "ab"}, [finding(at(1, 1), "X"), finding(at(1, 1), "Y")], unsafe=False)
    assert done.texts == {"a": "aXb"}
    assert len(done.skipped) == 1


def test_guesses_are_made_when_they_are_asked_for():
    guess = finding(at(0, 1), "X", safe=False)
    assert apply({"a": "ab"}, [guess], unsafe=False).texts == {}
    assert apply({"a": "ab"}, [guess], unsafe=True).texts == {"a": "Xb"}


def test_a_fix_about_a_text_that_is_not_there_is_not_made():
    assert apply({"a": "ab"}, [finding(at(0, 3), "X"), finding(at(0, 1, "b"), "X")], unsafe=True).texts == {}


BREAKS = ("\r\n", "\r", "\n", "\x85", "\u2028", "\u2029")


def naive_places(text):
    """Line and column of each offset where an edit may begin or end, by walking."""
    places, line, column, offset = {}, 1, 1, 0
    while offset <= len(text):
        places[offset] = (line, column)
        found = next((one for one in BREAKS if text.startswith(one, offset)), None)
        if found:
            offset, line, column = offset + len(found), line + 1, 1
        else:
            offset, column = offset + 1, column + 1
    return places


def naive_fixed(text, edits):
    """Greedy by place, then spliced from the end."""
    taken, end = [], -1
    for start, stop, new in sorted(edits):
        if start > end:
            taken.append((start, stop, new))
            end = stop
    for start, stop, new in reversed(taken):
        text = text[:start] + new + text[stop:]
    return text


@st.composite
def texts_and_edits(draw):
    text = draw(st.text(st.sampled_from("ab:é𝒳\t\ufeff\r\n\x85\u2028"), max_size=40))
    offsets = sorted(naive_places(text))
    edits = draw(st.lists(st.tuples(st.sampled_from(offsets), st.sampled_from(offsets), st.text("xy\r\n", max_size=3))))
    return text, [(min(one, other), max(one, other), new) for one, other, new in edits]


@given(texts_and_edits())
def test_random_edits_are_made_as_by_hand(drawn):
    text, edits = drawn
    places = naive_places(text)
    findings = [finding(Span("a", *places[start], *places[end]), new) for start, end, new in edits]
    assert apply({"a": text}, findings, unsafe=False).texts.get("a", text) == naive_fixed(text, edits)


@given(texts_and_edits())
def test_a_place_leads_to_its_stretch_and_back(drawn):
    text, edits = drawn
    for start, end, _ in edits:
        span = place(text, "a", start, end)
        assert ((span.line, span.column), (span.end_line, span.end_column)) == (
            naive_places(text)[start],
            naive_places(text)[end],
        )
        assert stretch(text, span) == (start, end)


# -- writing and showing ------------------------------------------------------------------------------------------

MISSPELT = "model: gpt-4.1-mini\r\ntool: [find_ordr]  # 🙂"
SAFE = MISSPELT.replace("tool:", "tools:")


def test_fixed_files_are_written_and_what_was_done_is_told(capsys):
    with project({"agents/shop.yaml": MISSPELT.encode()}) as check:
        assert fix_all(check, unsafe=False, diff=False)
        assert Path("agents/shop.yaml").read_bytes() == SAFE.encode()
        assert {one.name for one in Path("agents").iterdir()} == {"researcher.yaml", "shop.yaml"}
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err == (
            "fixed 1 finding in 1 file\n1 more can be fixed with `--unsafe-fixes`, which takes guesses too\n"
        )
        assert fix_all(check, unsafe=True, diff=False)
        assert Path("agents/shop.yaml").read_bytes() == SAFE.replace("ordr", "order").encode()
        assert not fix_all(check, unsafe=True, diff=False)


def test_the_difference_is_shown_and_nothing_is_written(capsys):
    with project({"agents/shop.yaml": MISSPELT.encode()}) as check:
        assert fix_all(check, unsafe=False, diff=True)
        assert Path("agents/shop.yaml").read_bytes() == MISSPELT.encode()
    told = capsys.readouterr()
    assert told.err.startswith("would fix 1 finding in 1 file\n")
    assert told.out == (
        "--- agents/shop.yaml\n+++ agents/shop.yaml\n@@ -1,2 +1,2 @@\n model: gpt-4.1-mini\r\n"
        "-tool: [find_ordr]  # 🙂\n\\ No newline at end of file\n"
        "+tools: [find_ordr]  # 🙂\n\\ No newline at end of file\n"
    )


def test_a_key_that_stands_in_the_file_is_not_shown_in_the_difference():
    key = "sk-" + "a1B2" * 10
    text = f"model:\n  name: gpt-4.1-mini\n  api_key: {key}\n  base-url: http://localhost:1\n"
    with project({"agents/shop.yaml": text.encode()}) as check:
        shown = "".join(diff_lines(mend(check, unsafe=False)))
    assert "+  base_url: http://localhost:1\n" in shown
    assert key not in shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  apikey: hunter-2-4fz9", "  apikey: [secret]"),
        ("x-note: 1  # password: hunter-2-4fz9", "x-note: [secret]"),
        ("x-keys: [a, sk-a1B2c3D4a1B2c3D4hunter]", "x-keys: [secret]"),
        ("sk-a1B2c3D4a1B2c3D4hunter: x", "[secret]"),
        ("  - sk-a1B2c3D4a1B2c3D4hunter", "  - [secret]"),
    ],
)
def test_a_line_that_looks_secret_is_not_shown_in_the_difference_whatever_is_found_in_it(line, shown):
    head = "modle: gpt-4.1-mini\ndescription: Finds.\n"
    text = f"{head}starters:\n{line}\n" if line.startswith(" ") else f"{head}{line}\n"
    with project({"agents/shop.yaml": text.encode()}) as check:
        lines = "".join(diff_lines(mend(check, unsafe=False))).splitlines()
    assert f" {shown}" in lines
    assert "+model: gpt-4.1-mini" in lines
    assert "hunter" not in "".join(lines)


def test_a_line_that_is_rewritten_keeps_its_secret_in_the_difference():
    text = f"{TOOL}  auth: {{berer: hunter-2-4fz9}}\n"
    with project({"tools.d/shop.yaml": text.encode()}) as check:
        shown = "".join(diff_lines(mend(check, unsafe=True)))
    assert "-  [secret]\n+  auth: [secret]\n" in shown
    assert "hunter" not in shown


def test_with_nothing_to_fix_nothing_is_told(capsys):
    with project({"agents/shop.yaml": AGENT.encode()}) as check:
        assert not fix_all(check, unsafe=True, diff=True)
    assert capsys.readouterr() == ("", "")


def test_the_mode_of_a_file_is_kept_and_a_link_stays_one():
    with project({"agents/shop.yaml": b"", "elsewhere/shop.yaml": MISSPELT.encode()}):
        target, link = Path("elsewhere/shop.yaml"), Path("agents/shop.yaml")
        target.chmod(0o640)
        link.unlink()
        link.symlink_to("../elsewhere/shop.yaml")
        fix_all(checker([link]), unsafe=False, diff=False)
        assert link.is_symlink()
        assert target.read_bytes() == SAFE.encode()
        assert target.stat().st_mode & 0o777 == 0o640


def test_where_a_file_is_read_only_none_is_written():
    files = {"agents/a.yaml": MISSPELT.encode(), "agents/b.yaml": MISSPELT.encode()}
    with project(files) as check:
        Path("agents/b.yaml").chmod(0o444)
        with pytest.raises(UsageError, match=r"`agents/b\.yaml` can't be fixed: it is read-only"):
            fix_all(check, unsafe=False, diff=False)
        assert Path("agents/a.yaml").read_bytes() == MISSPELT.encode()


def test_a_file_that_was_changed_meanwhile_is_left_alone():
    with project({"agents/shop.yaml": MISSPELT.encode()}) as check:
        changes = mend(check, unsafe=False).changes
        Path("agents/shop.yaml").write_bytes(b"model: other\n")
        with pytest.raises(UsageError, match="changed since it was checked"):
            write(changes)
        assert Path("agents/shop.yaml").read_bytes() == b"model: other\n"


def test_several_findings_in_several_files_are_counted():
    files = {"agents/a.yaml": b"modle: gpt-4.1-mini\ntool: [find_order]\n", "agents/b.yaml": MISSPELT.encode()}
    with project(files) as check:
        assert next(notes(mend(check, unsafe=False), diff=False)) == "fixed 3 findings in 2 files"
