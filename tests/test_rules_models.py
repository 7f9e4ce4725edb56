"""Models, limits, texts meant as templates, Python targets: what is found, and what real files must not be told."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import golden_specs
from agentrun.models import anthropic_body, openai_chat, openai_responses
from agentrun.project import read_project
from agentrun.spec.known_models import CONTEXT_TOKENS, RETIRED, is_known, misspelt_name
from agentrun.spec.known_settings import KNOWN_SETTINGS, OF_OTHERS
from agentrun.spec.rules import model_settings
from agentrun.spec.rules.timeouts import _delay_in_ms, _in_ms, _limit_in_ms

MINE = re.compile(r"AR(51[2-9]|64[0-2]|70[6-9]|71[0-46-9])")
ORDER = "parameters:\n  type: object\n  properties:\n    order_id: {type: string}\n  required: [order_id]\n"


def found_in(folder, files, environ=()):
    """My findings of these files, each with its severity and the text that it stands at."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    report = read_project(folder, dict(environ)).report()
    return [one for one in report.diagnostics if MINE.match(one.code)]


def codes(found):
    return [one.code for one in found]


def agent(folder, text, environ=()):
    return found_in(folder, {"agents/desk.yaml": text}, environ)


def tool(folder, text):
    return found_in(folder, {"tools.d/find.yaml": f"description: Finds orders.\n{ORDER}{text}"})


def mended(folder, name):
    """The file with the fixes of its findings made, those further down first."""
    path = folder / name
    found = [one for one in read_project(folder, {}).report().diagnostics if MINE.match(one.code)]
    lines = path.read_text(encoding="utf-8").split("\n")
    edits = [edit for one in found if one.fix for edit in one.fix.edits]
    for edit in sorted(edits, key=lambda one: one.span, reverse=True):
        assert edit.span.line == edit.span.end_line
        line = lines[edit.span.line - 1]
        lines[edit.span.line - 1] = line[: edit.span.column - 1] + edit.text + line[edit.span.end_column - 1 :]
    path.write_text("\n".join(lines), encoding="utf-8")
    return [one for one in read_project(folder, {}).report().diagnostics if MINE.match(one.code)]


# -- names of models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4.1-mini",
        "gpt-4.1-mini-2025-04-14",
        "gpt-6.1-sol",
        "ft:gpt-4.1-mini:shop::abc123",
        "gpt-4o-search-preview",  # in the price list alone
        "house-model",  # an alias of a gateway
        "${AGENTRUN_MODEL:-gpt-4.1-mini}",
        "${AGENTRUN_MODEL}",
    ],
)
def test_a_model_that_may_be_there_is_no_finding(tmp_path, name):
    assert agent(tmp_path, f"model: {name}\n") == []


@pytest.mark.parametrize(
    "model",
    [
        '{name: llama3.2, base_url: "http://localhost:11434/v1"}',
        '{name: gpt-4-turbo, base_url: "https://gateway.example.com/v1"}',
        '{name: openai/gpt-4.1-mni, base_url: "https://openrouter.ai/api/v1"}',
        "{name: house-model, base_url: '${GATEWAY}'}",
        "{name: anything, api: offline}",
        "{name: gpt-4.1-mni, baseurl: 'http://localhost:11434/v1'}",  # has its own finding
    ],
)
def test_what_other_services_have_is_not_judged(tmp_path, model):
    assert agent(tmp_path, f"model: {model}\n") == []


def test_an_address_of_the_environment_is_another_service(tmp_path):
    text = "model: llama3.2\n"
    assert codes(agent(tmp_path, text)) == ["AR707"]
    assert agent(tmp_path, text, {"OPENAI_BASE_URL": "http://localhost:11434/v1"}) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gpt-4.1-mni", "gpt-4.1-mini"),
        ("gpt4.1-mini", "gpt-4.1-mini"),
        ("openai/gpt-4.1", "gpt-4.1"),
        ("gpt-7", None),  # may be new
        ("gpt-4-mini", None),
        ("mistral-large", None),
    ],
)
def test_only_a_misspelling_is_mended(written, meant):
    assert not is_known("OpenAI", written)
    assert misspelt_name("OpenAI", written) == meant


def test_a_name_that_may_be_new_is_a_note(tmp_path):
    (found,) = agent(tmp_path, "model: gpt-7\n")
    assert (found.code, found.severity, found.fix) == ("AR707", "info", None)


@pytest.mark.parametrize(
    "name",
    [
        "text-embedding-3-small",
        "whisper-1",
        "tts-1-hd",
        "dall-e-3",
        "davinci-002",
        "gpt-3.5-turbo-instruct",
        "omni-moderation-latest",
    ],
)
def test_a_model_for_another_use_is_found_where_openai_is_asked(tmp_path, name):
    (found,) = agent(tmp_path, f"model: {name}\n")
    assert (found.code, found.severity, found.message) == ("AR707", "warning", f"`{name}` is no model that chats")
    assert agent(tmp_path, f"model: {{name: {name}, base_url: 'http://localhost:4000/v1'}}\n") == []


@pytest.mark.parametrize("name", ["text-davinci-003", "davinci", "ada"])
def test_a_model_that_completed_texts_was_turned_off(tmp_path, name):
    assert codes(agent(tmp_path, f"model: {name}\n")) == ["AR708"]


def test_a_misspelt_default_of_a_variable_is_mended_in_its_place(tmp_path):
    (found,) = agent(tmp_path, "model: ${SHOP_MODEL:-gpt-4.1-mni}\n")
    assert (found.span.column, found.span.end_column) == (22, 33)
    assert mended(tmp_path, "agents/desk.yaml") == []
    assert (tmp_path / "agents/desk.yaml").read_text() == "model: ${SHOP_MODEL:-gpt-4.1-mini}\n"


def test_a_name_from_the_environment_is_judged_and_not_mended(tmp_path):
    (found,) = agent(tmp_path, "model: ${SHOP_MODEL:-gpt-4.1}\n", {"SHOP_MODEL": "gpt-4-turbo"})
    assert (found.code, found.fix) == ("AR708", None)


def test_each_fallback_is_judged_by_its_own_service(tmp_path):
    text = (
        "model:\n  name: llama3.2\n  base_url: http://localhost:11434/v1\n"
        "  fallback: [gpt-4-turbo, {name: gpt-4-turbo}, {name: claude-2.1, api: anthropic_messages}]\n"
    )
    found = agent(tmp_path, text)
    assert [(one.code, one.span.column) for one in found] == [("AR708", 34), ("AR708", 55)]


def test_successors_are_known_and_tables_are_sorted():
    for maker, retired in RETIRED.items():
        assert {successor for _, successor in retired.values()} <= CONTEXT_TOKENS[maker].keys()
        assert not retired.keys() & CONTEXT_TOKENS[maker].keys()
        assert list(retired) == sorted(retired)
        assert list(CONTEXT_TOKENS[maker]) == sorted(CONTEXT_TOKENS[maker])
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date, _ in retired.values())


# -- prompt, tools, limits ------------------------------------------------------------------------------------


def test_a_prompt_of_a_file_is_measured_too(tmp_path):
    prompt = "You know the handbook by heart.\n" * 20_000
    files = {
        "prompts/desk.md": prompt,
        "agents/desk.yaml": "model: gpt-4o\nsystem_prompt: {file: ../prompts/desk.md}\n",
    }
    (found,) = found_in(tmp_path, files)
    assert found.code == "AR706"
    assert "160000 tokens" in found.message
    assert "128000" in found.message
    assert (found.span.file.rpartition("/")[2], found.span.line) == ("desk.yaml", 2)


@pytest.mark.parametrize(
    "text",
    [
        "model: gpt-4.1-mini\nlimits: {max_turns: 1}\n",  # no tools
        "model: gpt-4.1-mini\nlimits: {max_turns: 1}\ntools: [{name: done, description: Ends., final: true}]\n",
        "model: gpt-4.1-mini\nlimits: {max_tool_calls: 2}\n",  # less than the default of max_repeated_calls
        "model: gpt-4.1-mini\nlimits: {timeout: 60}\n",  # less than the default of an attempt
        "model: {name: gpt-4.1-mini, timeout: 5}\n",  # less than the default waits
        "model: {name: gpt-4.1-mini, timeout: {connect: 5, idle: 300}}\nlimits: {timeout: 7200}\n",
        "model: my-model\ncontext: {max_tokens: 5000000}\n",
    ],
)
def test_limits_that_make_sense_are_no_finding(tmp_path, text):
    assert [one for one in agent(tmp_path, text) if one.code != "AR707"] == []


def test_a_tool_that_another_agent_gives_time_is_no_finding(tmp_path):
    files = {
        "tools.d/build.yaml": "description: Builds.\ntimeout: 1200\nshell: {command: [make]}\n",
        "agents/quick.yaml": "model: gpt-4.1-mini\ntools: [build]\nlimits: {timeout: 60}\n",
    }
    (found,) = found_in(tmp_path, files)
    assert (found.code, found.span.file.rpartition("/")[2]) == ("AR713", "build.yaml")
    files["agents/patient.yaml"] = "model: gpt-4.1-mini\ntools: [build]\n"
    assert found_in(tmp_path, files) == []


def test_a_choice_of_tools_in_a_base_may_be_meant_for_others(tmp_path):
    files = {
        "agents/_base.yaml": "model: gpt-4.1-mini\nparallel_tool_calls: false\n",
        "agents/desk.yaml": "extends: _base\n",
    }
    assert found_in(tmp_path, files) == []


@pytest.mark.parametrize("seconds", [1, 30, 600, 999, 1200, 1800, 2700, 3600, 5400, 7200, 14400, 36000, 86400, 1e9])
def test_times_that_people_mean_in_seconds_are_left_alone(seconds):
    assert not _in_ms(seconds)
    assert not _limit_in_ms(seconds)


@pytest.mark.parametrize("ms", [1000, 1500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000])
def test_times_in_milliseconds_are_seen(ms):
    assert _in_ms(ms)
    assert ms < 30_000 or _limit_in_ms(ms) or ms in (10_000,)


@given(st.integers(1, 14).map(lambda days: days * 86_400))
def test_a_run_may_last_for_days(seconds):
    assert not _limit_in_ms(seconds)


def test_a_stub_may_outlast_a_timeout():
    assert not any(map(_delay_in_ms, (0.1, 1, 5, 60, 120, 180, 600)))
    assert all(map(_delay_in_ms, (200, 250, 500, 1000, 1500)))


# -- settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "own"),
    [
        ("chat_completions", openai_chat._OWN_KEYS),
        ("responses", openai_responses._OWN_KEYS),
        ("anthropic_messages", anthropic_body.OWN_KEYS),
    ],
)
def test_every_setting_that_a_run_refuses_is_an_error(tmp_path, api, own):
    name = "claude-sonnet-4-5" if api == "anthropic_messages" else "gpt-4.1-mini"
    assert own <= model_settings._REFUSED[api].keys()
    for key in own:
        (found,) = agent(tmp_path, f"model: {{name: {name}, api: {api}, settings: {{{key}: x}}}}\n")
        assert (found.code, found.severity) == ("AR711", "error")


def test_of_a_setting_that_is_too_large_for_a_number_only_the_reader_speaks(tmp_path):
    assert agent(tmp_path, "model: {name: gpt-5, settings: {max_completion_tokens: 1e999}}\n") == []


def test_settings_of_other_services_are_never_misspelt():
    for api in KNOWN_SETTINGS:
        for name in {*OF_OTHERS, *(other for known in KNOWN_SETTINGS.values() for other in known)}:
            meant = model_settings._meant(api, name)
            assert meant is None, (api, name, meant)


@pytest.mark.parametrize(
    "settings",
    [
        "{stream: false}",
        "{stream_options: {include_usage: false}}",
        "{n: 1}",
        "{store: true, metadata: {team: shop}}",
        "{temperature: 0, top_p: 1, seed: 7, stop: [END]}",
        "{house_setting: 3, topology: flat}",
        "{x_temperature: 3}",
        '{top_p: "${TOP_P}"}',
    ],
)
def test_settings_that_work_are_no_finding(tmp_path, settings):
    assert agent(tmp_path, f"model: {{name: gpt-4.1-mini, settings: {settings}}}\n") == []


def test_a_server_for_local_models_takes_minus_one_for_no_limit(tmp_path):
    model = 'name: qwen, base_url: "http://localhost:1234/v1"'
    assert agent(tmp_path, f"model: {{{model}, settings: {{max_tokens: -1, max_output_tokens: 5}}}}\n") == []


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ("{temprature: 0.2}", "{temperature: 0.2}"),
        ("{'topP': 1, maxCompletionTokens: 9}", "{'top_p': 1, max_completion_tokens: 9}"),
        ('{temperature: "0.2"}', "{temperature: 0.2}"),
        ("{max_output_tokens: 800}", "{max_completion_tokens: 800}"),
    ],
)
def test_settings_are_mended(tmp_path, settings, after):
    assert agent(tmp_path, f"model: {{name: gpt-4.1-mini, settings: {settings}}}\n") != []
    assert mended(tmp_path, "agents/desk.yaml") == []
    assert after in (tmp_path / "agents/desk.yaml").read_text()


# -- texts that were meant as templates -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "http:\n  url: https://a.example.com/{order_id}\n"
        '  json: {query: "query($order_id: ID!) { order(id: $order_id) {order_id} }"}\n',
        "http:\n  url: https://a.example.com/{order_id}\n  headers: {X-Id: '${order_id:-}'}\n",
        "shell:\n  command: [jq, --arg, id, '{{ args.order_id }}', '{order_id}', orders.json]\n",
        "shell:\n  command: [sh, -c, 'echo \"$order_id\"']\n  env: {order_id: '{{ args.order_id }}'}\n",
        "shell:\n  command: [docker, exec, shop, sh, -c, 'echo ${HOME}', '{{ args.order_id }}']\n",
        "shell:\n  command: [curl, -w, '%{order_id}', 'https://a.example.com', '{{ args.order_id }}']\n",
        "shell:\n  command: [docker, ps, --format, '{% raw %}{{.Names}}{% endraw %}', '{{ args.order_id }}']\n",
    ],
)
def test_other_languages_have_braces_and_dollars_too(tmp_path, text):
    assert tool(tmp_path, text) == []


@pytest.mark.parametrize(
    "prompt",
    [
        'Answer as JSON: {"question": "…"}, and nothing else.',
        "Refunds above $50 need a reason. Set `${HOME}` and `$PATH` right.",
        "```sh\necho ${SHOP_NAME}\n```",
        '```json\n{"question": "{question}", "price": $question}\n```',
        "Formulas such as $question$ are LaTeX.",
        "Use {name} where the customer's name goes.",
        "A literal $${SHOP}, and 5 $ too.",
    ],
)
def test_prompts_may_speak_of_braces_and_dollars(tmp_path, prompt):
    body = "".join(f"  {line}\n" for line in prompt.split("\n"))
    parameters = "parameters: {type: object, properties: {question: {type: string}}}\n"
    text = f"model: gpt-4.1-mini\n{parameters}system_prompt: |\n{body}"
    assert agent(tmp_path, text + 'input: "{{ args.question }}"\n') == []


def test_each_place_is_found_and_mended(tmp_path):
    text = (
        "model: gpt-4.1-mini\nparameters: {type: object, properties: {topic: {type: string}}}\n"
        'system_prompt: |\n  On {topic}.\n  Again: ${topic}, $topic, {{ "{topic}" }}.\ninput: About $topic\n'
    )
    found = agent(tmp_path, text)
    assert [(one.code, one.span.line, one.span.column) for one in found] == [
        ("AR513", 4, 6),
        ("AR513", 5, 10),
        ("AR513", 5, 20),
        ("AR513", 6, 14),
    ]
    assert mended(tmp_path, "agents/desk.yaml") == []
    assert 'input: "About {{ args.topic }}"' in (tmp_path / "agents/desk.yaml").read_text()


@pytest.mark.parametrize(
    "script",
    [
        'grep -F "$ORDER_ID" orders.csv',
        "order_id=$(date +%s); echo $order_id",
        "for order_id in 1 2; do echo $order_id; done",
        "read -r order_id; echo $order_id",
        "echo '$order_id'",
        'echo "${order_id:-none}"',
        "# $order_id is in ORDER_ID\ncat orders.csv",
        "#!/usr/bin/env python3\nprint('$order_id')",
        "cat <<'END'\n$order_id\nEND",
        "docker ps --format '{{.Names}} {{ .ID }}'",
        "echo \\$order_id",
    ],
)
def test_scripts_that_are_right_are_no_finding(tmp_path, script):
    body = "".join(f"    {line}\n" for line in script.split("\n"))
    assert tool(tmp_path, f"shell:\n  env: {{ORDER_ID: '{{{{ args.order_id }}}}'}}\n  script: |\n{body}") == []


@pytest.mark.parametrize("script", ["echo $order_id", 'test -n "${order_id}"', "git log \\\n  --grep=$order_id"])
def test_a_variable_that_env_has_in_other_letters_only_is_found(tmp_path, script):
    body = "".join(f"    {line}\n" for line in script.split("\n"))
    (found,) = tool(tmp_path, f"shell:\n  env: {{ORDER_ID: '{{{{ args.order_id }}}}'}}\n  script: |\n{body}")
    assert (found.code, found.help) == ("AR518", "`env` has `ORDER_ID`")


PIECES = st.lists(
    st.sampled_from(["a", " ", "$", "{", "}", "x", "'", "`", "%", "#", "\n  ", "é", "{{ args.x }}", "${X}"])
)


@given(PIECES, PIECES)
def test_a_hole_is_found_where_it_stands_in_any_text(tmp_path_factory, before, after):
    folder = tmp_path_factory.mktemp("hole")
    lines = f"{''.join(before)} {{topic}} {''.join(after)}"
    parameters = "parameters: {type: object, properties: {topic: {type: string}, x: {type: string}}}\n"
    text = f"model: gpt-4.1-mini\n{parameters}system_prompt: |\n  -{lines}\ninput: '{{{{ args.topic }}}}'\n"
    project = read_project_of(folder, text)
    is_told = any(one.code.startswith(("AR1", "AR2", "AR50")) for one in project.report().diagnostics)
    if is_told or "{#" in lines:  # nothing is sent of a comment
        return
    written = text.split("\n")
    found = [one.span for one in project.report().diagnostics if one.code == "AR513" and "`{topic}`" in one.message]
    assert [written[one.line - 1][one.column - 1 : one.end_column - 1] for one in found] == ["{topic}"]


def read_project_of(folder, text):
    (folder / "agents").mkdir()
    (folder / "agents/desk.yaml").write_text(text, encoding="utf-8")
    return read_project(folder, {})


# -- Python targets -------------------------------------------------------------------------------------------


def python(folder, source, parameters, target="fx:rate", more=()):
    files = {
        "fx.py": source,
        "tools.d/rate.yaml": f"description: A rate.\nparameters: {parameters}\npython: {target}\n",
        **dict(more),
    }
    return found_in(folder, files)


ONE = "{type: object, properties: {currency: {type: string}}, required: [currency]}"


@pytest.mark.parametrize(
    "source",
    [
        "def rate(currency): ...",
        "async def rate(*, currency, day=None): ...",
        "def rate(**arguments): ...",
        "import functools\n@functools.cache\ndef rate(name): ...",
        "from somewhere import rate",
        "from somewhere import *",
        "import functools\nrate = functools.partial(print, 1)",
        "class rate: ...",
        "try:\n    from fast import rate\nexcept ImportError:\n    def rate(name): ...",
        "if True:\n    def rate(a): ...\nelse:\n    def rate(b): ...",
        "def __getattr__(name): ...",
        "globals()['rate'] = print",
        "def fill():\n    global rate\n    rate = print",
        "rate: object = print",
        "with open('x') as rate: pass",
        "if (rate := print): pass",
        "rate = 3\ndef rate(currency): ...",
    ],
)
def test_a_function_that_may_fit_is_no_finding(tmp_path, source):
    assert python(tmp_path, source, ONE) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def rates(currency): ...", ["AR640"]),
        ("rate = {}", ["AR640"]),
        ("def rate(:", ["AR640"]),
        ("def rate(currency, /): ...", ["AR641"]),
        ("def rate(currency, day): ...", ["AR641"]),
        ("def rate(): ...", ["AR641"]),
        ("def rate(code): ...", ["AR641"]),
        ("def rate(currency, *, day): ...", ["AR641"]),
    ],
)
def test_a_function_that_can_not_fit_is_an_error(tmp_path, source, expected):
    found = python(tmp_path, source, ONE)
    assert codes(found) == expected
    assert {one.severity for one in found} == {"error"}


def test_arguments_that_are_called_otherwise_are_one_finding_each(tmp_path):
    both = "{type: object, properties: {city: {type: string}, b: {type: string}}, required: [city, b]}"
    assert codes(python(tmp_path, "def rate(town, c): ...", both)) == ["AR641", "AR641"]


def test_a_name_in_brackets_is_told_at_its_place(tmp_path):
    (found,) = agent(tmp_path, 'model: gpt-4.1-mini\nsystem_prompt: |\n  Run {{ run["id"] }}.\n')
    assert (found.code, found.span.line, found.span.column) == ("AR515", 3, 10)


def test_a_default_of_the_parameters_is_given_to_each_call(tmp_path):
    parameters = "{type: object, properties: {currency: {type: string, default: EUR}}}"
    assert python(tmp_path, "def rate(currency): ...", parameters) == []


def test_parameters_that_are_not_plain_are_left_alone(tmp_path):
    parameters = "{type: object, properties: {a: {type: string}}, anyOf: [{required: [a]}]}"
    assert python(tmp_path, "def rate(b): ...", parameters) == []


def test_nothing_of_a_module_is_run(tmp_path):
    mark = tmp_path / "ran"
    source = f"open({str(mark)!r}, 'w')\ndef rate(currency): ..."
    more = {"shop/__init__.py": source, "shop/fx.py": source}
    assert python(tmp_path, source, ONE, "shop.fx:rate", more) == []
    assert not mark.exists()


@pytest.mark.parametrize("target", ["json:dumps", "os.path:basename", "math:sqrt", "jsonschema.validators:validate"])
def test_modules_elsewhere_are_found_by_their_files(tmp_path, target):
    assert "AR642" not in codes(python(tmp_path, "", ONE, target))


@pytest.mark.parametrize(
    ("target", "severity", "help"),
    [
        ("nowhere_at_all:rate", "info", "install it where the agent runs"),
        ("nowhere_at_all.fx:rate", "info", "`nowhere_at_all/fx.py`"),
        ("fx.more:rate", "warning", "`fx/more.py`"),
        ("fxs:rate", "warning", "did you mean `fx`?"),
        ("jsonschema.nowhere:rate", "warning", "install it"),
    ],
)
def test_a_module_that_is_nowhere_may_be_installed_elsewhere(tmp_path, target, severity, help):
    (found,) = python(tmp_path, "", ONE, target)
    assert (found.code, found.severity) == ("AR642", severity)
    assert help in found.help


def test_the_project_comes_before_installed_modules(tmp_path):
    found = python(tmp_path, "", ONE, "jsonschema:rate", {"jsonschema.py": "def rates(currency): ..."})
    assert codes(found) == ["AR640"]


# -- what must stay quiet -------------------------------------------------------------------------------------


def test_the_shipped_agents_have_none_of_these_findings():
    root = golden_specs.SPECS.parents[1]
    assert [one for one in read_project(root, {}).report().diagnostics if MINE.match(one.code)] == []
