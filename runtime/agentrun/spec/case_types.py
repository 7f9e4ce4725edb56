"""The definition of test files: cases, stubs, and what is expected. See `types.py`.

A case is made with the values of the file for whatever it leaves out; `agentrun.testing.plan` merges the two.
"""

from typing import Annotated, Any, Literal, Union

from msgspec import Meta, field

from agentrun.spec.definition import Closed, doc
from agentrun.spec.script_types import Script
from agentrun.spec.types import ModelSpec, Positive, Scalar, Schema, Seconds

Count = Annotated[int, Meta(ge=0)]
Texts = str | list[str]

# -- stubs --------------------------------------------------------------------------------------------------


class StubError(Closed, frozen=True):
    type: Annotated[
        Literal["timeout", "connection", "http_status", "exit_code", "output_too_large", "tool_error", "internal"],
        doc("The type of the failure, as the model is told."),
    ]
    message: Annotated[str | None, doc("Its message; default: that of a real failure.")] = None


class StubSpec(Closed, frozen=True):
    """What a stubbed backend answers."""

    when: Annotated[dict[str, Any], doc("Answers only calls with these arguments, matched as a subset.")] = field(
        default_factory=dict
    )
    times: Annotated[
        Positive | None,
        doc("How many calls it answers; default: any number, but in a list without `when` it is one."),
    ] = None
    status: Annotated[Annotated[int, Meta(ge=100, le=599)] | None, doc("http: the status; default: 200.")] = None
    headers: Annotated[dict[str, str], doc("http: response headers.")] = field(default_factory=dict)
    json: Annotated[Any, doc("http: a JSON body.")] = None
    text: Annotated[str | None, doc("http: a text body.")] = None
    exit_code: Annotated[Annotated[int, Meta(ge=0, le=255)] | None, doc("shell: the exit code; default: 0.")] = None
    stdout: Annotated[str, doc("shell: standard output.")] = ""
    stderr: Annotated[str, doc("shell: standard error.")] = ""
    result: Annotated[Any, doc("Other backends: the result.")] = None
    error: Annotated[StubError | None, doc("The call fails.")] = None
    delay: Annotated[float, Meta(ge=0), doc("Seconds before the answer.")] = 0


Stubs = dict[str, StubSpec | list[StubSpec]]

# -- what is expected ---------------------------------------------------------------------------------------


class Bounds(Closed, frozen=True):
    """A number between two others, which belong to it."""

    at_least: Annotated[float | None, doc("The smallest number.")] = None
    at_most: Annotated[float | None, doc("The largest number.")] = None


_RATIO = "The least similarity, from 0 to 1, as Python's `difflib` measures it; of long texts by their words or lines."


class SimilarTo(Closed, frozen=True):
    text: Annotated[str, doc("The text that it is compared with.")]
    ratio: Annotated[float, Meta(gt=0, le=1), doc(_RATIO)] = 0.8


class ValueExpect(Closed, frozen=True):
    """What holds of a value. All that is written must hold.

    A text is looked at as text. `schema`, `includes`, `where` and an `equals` that is no text look at data; of an
    answer that is its JSON.
    """

    equals: Annotated[Any, doc("The whole value.")] = None
    one_of: Annotated[Annotated[list[Any], Meta(min_length=1)] | None, doc("The value is one of these.")] = None
    contains: Annotated[Texts | None, doc("Text or texts that stand in it; of a list, a member.")] = None
    contains_any: Annotated[
        Annotated[list[str], Meta(min_length=1)] | None, doc("Texts of which one stands in it.")
    ] = None
    icontains: Annotated[Texts | None, doc("As `contains`, whether letters are large or small.")] = None
    starts_with: Annotated[str | None, doc("Its beginning.")] = None
    ends_with: Annotated[str | None, doc("Its end.")] = None
    matches: Annotated[str | None, doc("A regular expression, in Python's syntax, found in it.")] = None
    similar_to: Annotated[str | SimilarTo | None, doc("A text that it is close to.")] = None
    length: Annotated[Count | Bounds | None, doc("Characters of a text, members of a list or mapping.")] = None
    at_least: Annotated[float | None, doc("The smallest number.")] = None
    at_most: Annotated[float | None, doc("The largest number.")] = None
    includes: Annotated[dict[str, Any] | None, doc("Members of a mapping, matched as a subset.")] = None
    schema: Annotated[Schema | None, doc("A JSON Schema of the data.")] = None
    where: Annotated[
        dict[str, Union["ValueExpect", Scalar]] | None,
        doc("What holds of parts of the data: JMESPath expressions, each with the value or what holds of it."),
    ] = None
    not_: Annotated["ValueExpect | None", doc("What must not hold: nothing of what it says.")] = field(
        default=None, name="not"
    )


TextExpect = str | ValueExpect


class RequestExpect(Closed, frozen=True):
    """What a tool sent, or ran. All that is written must hold of one request of the call."""

    method: Annotated[str | None, doc("http: the method.")] = None
    url: Annotated[TextExpect | None, doc("http: the URL without its query, encoded as it was sent.")] = None
    query: Annotated[
        dict[str, Scalar | list[Scalar]],
        doc("http: query entries, matched as a subset; a repeated key is a list."),
    ] = field(default_factory=dict)
    headers: Annotated[dict[str, TextExpect], doc("http: headers, matched as a subset.")] = field(default_factory=dict)
    json: Annotated[Any, doc("http: the JSON body; a mapping is matched as a subset.")] = None
    form: Annotated[dict[str, Scalar | list[Scalar]], doc("http: entries of a form, matched as a subset.")] = field(
        default_factory=dict
    )
    body: Annotated[TextExpect | None, doc("http: the body as text.")] = None
    argv: Annotated[list[str] | None, doc("shell: the whole argument list.")] = None
    cwd: Annotated[TextExpect | None, doc("shell: the working directory.")] = None
    env: Annotated[dict[str, TextExpect], doc("shell: environment variables, matched as a subset.")] = field(
        default_factory=dict
    )
    stdin: Annotated[TextExpect | None, doc("shell: standard input.")] = None


_CALL_COUNT = "How many such calls there are; default: at least one. In `exact`: in this place; default: one."


class CallExpect(Closed, frozen=True):
    """A call that the model made. All that is written must hold of it."""

    name: Annotated[str, doc("The tool.")]
    arguments: Annotated[dict[str, Any], doc("Arguments, defaults filled in, matched as a subset.")] = field(
        default_factory=dict
    )
    where: Annotated[
        dict[str, ValueExpect | Scalar],
        doc("What holds of arguments: names, or JMESPath expressions, each with the value or what holds of it."),
    ] = field(default_factory=dict)
    count: Annotated[Count | Bounds | None, doc(_CALL_COUNT)] = None
    before: Annotated[str | None, doc("A tool that is called, and only after this one.")] = None
    after: Annotated[str | None, doc("A tool that was called, and its result known, before this one.")] = None
    error: Annotated[
        str | bool | None, doc("The type of the failure that the model was told; true: any; false: none.")
    ] = None
    result: Annotated[TextExpect | None, doc("What the model was told.")] = None
    request: Annotated[RequestExpect | None, doc("What the tool sent, or ran.")] = None


Calls = list[str | CallExpect]


class CallsExpect(Closed, frozen=True):
    exact: Annotated[Calls | None, doc("These calls, in this order, and no others.")] = None
    in_order: Annotated[Calls | None, doc("These calls in this order; others may stand between.")] = None
    any_order: Annotated[Calls | None, doc("These calls, in any order; there may be others.")] = None
    never: Annotated[list[str], doc("Tools, or globs of tools, that are not called.")] = field(default_factory=list)
    count: Annotated[dict[str, Count | Bounds], doc("How often a tool, or those of a glob, is called.")] = field(
        default_factory=dict
    )
    same_turn: Annotated[list[str], doc("Tools that are called in one turn of the model.")] = field(
        default_factory=list
    )


_VOTES = "How often it is asked; the majority decides; default: as the file's `judge`, else 1."


class JudgeExpect(Closed, frozen=True):
    criteria: Annotated[Texts, doc("What a good conversation fulfils.")]
    model: Annotated[str | ModelSpec | None, doc("The judging model; default: the file's `judge`.", env=True)] = None
    votes: Annotated[Annotated[int, Meta(ge=1, le=9)] | None, doc(_VOTES)] = None


class ExpectSpec(Closed, frozen=True):
    """What must hold. A run that doesn't end with an answer fails its case, unless `reason` says how it ends."""

    answer: Annotated[TextExpect | None, doc("The answer: its text, or what holds of it.")] = None
    calls: Annotated[Calls | CallsExpect | None, doc("Calls in this order, `[]`: none at all; or in detail.")] = None
    reason: Annotated[str | None, doc("Why the run ended; default: `answered` or `final_tool`.")] = None
    agent: Annotated[str | None, doc("The agent that gave the answer, after hand-offs.")] = None
    turns: Annotated[Count | Bounds | None, doc("Turns of the model, those of agents behind tools left out.")] = None
    tokens: Annotated[Count | Bounds | None, doc("Tokens altogether.")] = None
    cost_usd: Annotated[Bounds | None, doc("US dollars.")] = None
    latency: Annotated[Bounds | None, doc("Seconds from the message to the answer.")] = None
    approvals: Annotated[list[str] | None, doc("The tools that approval was asked for, in this order.")] = None
    system_prompt: Annotated[TextExpect | None, doc("The system prompt as it was sent.")] = None
    no_secrets: Annotated[
        bool, doc("No secret, and nothing that looks like a credential, in answers and arguments of calls.")
    ] = False
    judge: Annotated[str | JudgeExpect | None, doc("What a model judges by; for cases with `live`.")] = None


# -- cases --------------------------------------------------------------------------------------------------


_ATTACH = "Files that go with {}: images, PDF and text files; paths relative to the file."


class StepSpec(Closed, frozen=True):
    """One user message of a conversation."""

    user: Annotated[str, doc("The message.")]
    attach: Annotated[list[str], doc(_ATTACH.format("it"))] = field(default_factory=list)
    expect: Annotated[ExpectSpec, doc("What must hold of its run.")] = field(default_factory=ExpectSpec)


class JudgeSpec(Closed, frozen=True):
    model: Annotated[str | ModelSpec, doc("The judging model: a dated version, so that it stays the same.", env=True)]
    votes: Annotated[int, Meta(ge=1, le=9), doc("How often it is asked; the majority decides.")] = 1


Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Share = Annotated[float, Meta(gt=0, le=1)]
_LIVE_TOOLS = "A tool without a stub is really called."
_DATE = "What `run.date` is (YYYY-MM-DD); default: the cassette's, else today."
_RATE = "The share of attempts with `--repeat` that must pass; default: 1."
_REFUSE = "Tools, or globs of tools, whose calls are refused, with what the model is told; or a list of them."


class CaseSpec(Closed, frozen=True):
    name: Annotated[str, Meta(min_length=1), doc("What the case shows.")]
    skip: Annotated[Annotated[str, Meta(min_length=1)] | None, doc("Not run, and why.")] = None
    only: Annotated[bool, doc("While one case has it, the others are not run.")] = False
    tags: Annotated[list[str], doc("Words to choose cases by.")] = field(default_factory=list)
    each: Annotated[
        list[dict[str, Any]] | dict[str, list[Any]] | None,
        doc(
            "Makes a case of each: a list of values by name, or lists of which each combination is one. The values "
            "stand where the case says `{{ each.name }}`."
        ),
    ] = None
    args: Annotated[dict[str, Any], doc("Arguments of the run.")] = field(default_factory=dict)
    attach: Annotated[list[str], doc(_ATTACH.format("the agent's `input`"))] = field(default_factory=list)
    conversation: Annotated[
        Annotated[list[StepSpec], Meta(min_length=1)] | None,
        doc("User messages, instead of the agent's `input`."),
    ] = None
    model: Annotated[Script | None, doc("The model's script.")] = None
    cassette: Annotated[str | None, doc("A recorded conversation, a path relative to the file.")] = None
    live: Annotated[bool, doc("Ask the real model.")] = False
    date: Annotated[Day | None, doc(_DATE)] = None
    tools: Annotated[Stubs, doc("Stubs by tool.")] = field(default_factory=dict)
    live_tools: Annotated[bool | None, doc(_LIVE_TOOLS)] = None
    approve: Annotated[list[str], doc("Tools, or globs of tools, whose calls are approved.")] = field(
        default_factory=list
    )
    refuse: Annotated[list[str] | dict[str, str], doc(_REFUSE)] = field(default_factory=list)
    timeout: Annotated[Seconds | None, doc("Seconds for the whole case; default: 60, with `live` 300.")] = None
    pass_rate: Annotated[Share | None, doc(_RATE)] = None
    expect: Annotated[ExpectSpec, doc("What must hold; of a conversation, of all its runs together.")] = field(
        default_factory=ExpectSpec
    )


class TestSpec(Closed, frozen=True):
    __test__ = False

    agent: Annotated[str, doc("The agent under test.")]
    cases: Annotated[list[CaseSpec], Meta(min_length=1), doc("The cases.")]
    tags: Annotated[list[str], doc("Tags of every case.")] = field(default_factory=list)
    env: Annotated[
        dict[str, Scalar], doc("Environment variables for the agent's files, in place of those that are set.")
    ] = field(default_factory=dict)
    model: Annotated[Script | None, doc("The script of every case.")] = None
    cassette: Annotated[str | None, doc("The cassette of every case.")] = None
    live: Annotated[bool, doc("Every case asks the real model.")] = False
    date: Annotated[Day | None, doc(_DATE)] = None
    tools: Annotated[Stubs, doc("Stubs of every case.")] = field(default_factory=dict)
    live_tools: Annotated[bool, doc(_LIVE_TOOLS)] = False
    approve: Annotated[list[str], doc("Approved tools of every case.")] = field(default_factory=list)
    refuse: Annotated[list[str] | dict[str, str], doc(_REFUSE)] = field(default_factory=list)
    timeout: Annotated[Seconds | None, doc("Seconds for each case; default: 60, with `live` 300.")] = None
    pass_rate: Annotated[Share | None, doc(_RATE)] = None
    judge: Annotated[JudgeSpec | None, doc("The model that judges, for `expect.judge`.")] = None
