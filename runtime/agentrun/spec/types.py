"""The definition of the language: every key, with its meaning, unit, bounds and default.

The JSON Schemas in `schemas/` and `docs/reference.md` are generated from here, and the objects that the rest
of the program reads are these. Types mirror what is written; what a file means once bound is `resolve.py`'s.

Test files have theirs in `case_types.py`, scripted models in `script_types.py`; what the marks on a field mean stands
in `definition.py`.
Annotations are not postponed here: evaluating them as text, for the schema, would take longer than all else at start.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from agentrun.spec.definition import Closed, FileRef, doc
from agentrun.spec.script_types import Script

NAME_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
BACKENDS = ("http", "shell", "mcp", "openapi", "agent", "python", "final")


Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Scalar = str | int | float | bool
Schema = dict[str, Any]


# Of these keys of a mapping exactly one, or at most one, may be written.
EXACTLY_ONE: dict[str, tuple[str, ...]] = {
    "ToolSpec": BACKENDS,
    "PermissionSpec": ("deny", "ask", "allow"),
    "AuthSpec": ("bearer", "basic", "api_key", "oauth2"),
    "ShellSpec": ("command", "script"),
    "McpSpec": ("command", "server_url"),
    "PartSpec": ("content", "file"),
}
AT_MOST_ONE: dict[str, tuple[str, ...]] = {"HttpSpec": ("json", "form", "multipart", "body")}


# -- model --------------------------------------------------------------------------------------------------


class TimeoutSpec(Closed, frozen=True):
    connect: Annotated[Seconds, doc("Seconds to connect.")] = 10
    idle: Annotated[Seconds, doc("Seconds without data, the wait for headers included.")] = 60
    total: Annotated[Seconds, doc("Seconds for one attempt.")] = 600


class PriceSpec(Closed, frozen=True):
    input: Annotated[float, Meta(ge=0), doc("USD for a million input tokens.")]
    output: Annotated[float, Meta(ge=0), doc("USD for a million output tokens.")]
    cached: Annotated[
        Annotated[float, Meta(ge=0)] | None, doc("USD for a million cached input tokens; default: as input.")
    ] = None


class ModelSpec(Closed, frozen=True):
    name: Annotated[Annotated[str, Meta(min_length=1)] | None, doc("The model's name as the service knows it.")] = None
    api: Annotated[
        Literal["chat_completions", "responses", "anthropic_messages", "offline", "scripted"],
        doc("Which API the service speaks. `offline` needs no key and no network; `scripted` plays `script`."),
    ] = "chat_completions"
    base_url: Annotated[
        str | None,
        doc("The service's address, often with /v1; empty: OPENAI_BASE_URL, ANTHROPIC_BASE_URL or the API's own."),
    ] = None
    api_key: Annotated[
        str | None, doc("The key; empty: OPENAI_API_KEY or ANTHROPIC_API_KEY, whichever the API has.", secret=True)
    ] = None
    headers: Annotated[dict[str, str], doc("Headers for each request.", secret=True)] = field(default_factory=dict)
    settings: Annotated[dict[str, Any], doc("Sent as they are: temperature, max_completion_tokens, …")] = field(
        default_factory=dict
    )
    timeout: Annotated[Seconds | TimeoutSpec, doc("Seconds; a number sets `total`.")] = field(
        default_factory=TimeoutSpec
    )
    max_retries: Annotated[int, Meta(ge=0, le=20), doc("Further attempts after a failure that may pass.")] = 4
    proxy: Annotated[Literal["env"] | None, doc("`env`: HTTPS_PROXY and its kin are used.")] = None
    content_when_empty: Annotated[
        Literal["", "omit"] | None, doc('`content` of a message that has only calls: null (default), "" or omit.')
    ] = None
    prices: Annotated[PriceSpec | None, doc("What tokens cost; default: as listed for the service.")] = None
    fallback: Annotated[
        list["str | ModelSpec"], doc("Tried in order when the model fails. A bare name inherits all but `prices`.")
    ] = field(default_factory=list)
    script: Annotated[Script | None, doc("The turns of `api: scripted`.")] = None


# -- agent --------------------------------------------------------------------------------------------------


class PermissionSpec(Closed, frozen=True):
    """One rule: exactly one of deny, ask, allow."""

    deny: Annotated[str | None, doc("A tool name or glob whose calls are refused.")] = None
    ask: Annotated[str | None, doc("A tool name or glob whose calls need approval.")] = None
    allow: Annotated[str | None, doc("A tool name or glob whose calls are made.")] = None
    when: Annotated[
        str | None, doc("One `{{ }}` over `args`, `call`, `run`: the rule's condition.", template="call")
    ] = None


class ToolSearchSpec(Closed, frozen=True):
    max_tools: Annotated[int, Meta(ge=1, le=128), doc("Tools sent with a request.")] = 20
    pinned: Annotated[list[str], doc("Tools that are always sent.")] = field(default_factory=list)


class JsonSchemaFormat(Closed, frozen=True):
    name: Annotated[Name, doc("The format's name.")]
    description: Annotated[str | None, doc("What the format is for.")] = None
    schema: Annotated[Schema, doc("The JSON Schema of the answer.")] = field(default_factory=dict)
    strict: Annotated[bool, doc("OpenAI's strict mode.")] = False


class ResponseFormatSpec(Closed, frozen=True):
    type: Annotated[Literal["text", "json_object", "json_schema"], doc("OpenAI's type.")]
    json_schema: Annotated[JsonSchemaFormat | None, doc("With `type: json_schema`.")] = None


class ContextSpec(Closed, frozen=True):
    max_tokens: Annotated[Positive, doc("Tokens of a request at most.")] = 100_000
    on_overflow: Annotated[
        Literal["compact", "truncate", "error"],
        doc("`compact` sums up the oldest messages, `truncate` drops them, `error` ends the run."),
    ] = "compact"


class LimitsSpec(Closed, frozen=True):
    """Limits of one user message; sub-agents share them."""

    max_turns: Annotated[Positive, doc("Model turns.")] = 25
    max_tool_calls: Annotated[Positive, doc("Tool calls.")] = 100
    max_repeated_calls: Annotated[
        int, Meta(ge=2), doc("Identical calls in a row: this one is not run and ends the run.")
    ] = 4
    max_total_tokens: Annotated[Positive | None, doc("Tokens, input and output; default: no cap.")] = None
    max_cost_usd: Annotated[Annotated[float, Meta(gt=0)] | None, doc("US dollars; default: no cap.")] = None
    max_depth: Annotated[Positive, doc("Agents that run one below the other as tools, without the first.")] = 5
    max_agent_runs: Annotated[Positive, doc("Runs of agents as tools, at every depth together.")] = 50
    timeout: Annotated[Seconds, doc("Seconds.")] = 1800
    on_limit: Annotated[Literal["stop", "answer"], doc("`answer`: one last model call without tools may sum up.")] = (
        "stop"
    )


# -- tools --------------------------------------------------------------------------------------------------


class BasicAuth(Closed, frozen=True):
    username: str
    password: str = ""


class ApiKeyAuth(Closed, frozen=True):
    in_: Annotated[Literal["header", "query"], doc("Where the key goes.")] = field(name="in")
    name: Annotated[str, Meta(min_length=1), doc("The header's or query parameter's name.")]
    value: Annotated[str, doc("The key.")]


class OAuth2Auth(Closed, frozen=True):
    """Client credentials: a token is fetched when it is needed and kept until shortly before it expires."""

    token_url: Annotated[str, doc("Where tokens come from: a whole URL.", secret=False)]
    client_id: Annotated[str, doc("The client's id; empty: nothing is sent.")]
    client_secret: Annotated[str, doc("The client's secret.")]
    scopes: Annotated[list[str], doc("What the token is asked for.", secret=False)] = field(default_factory=list)
    params: Annotated[dict[str, str], doc("Further form fields of the request, such as `audience`.")] = field(
        default_factory=dict
    )


class AuthSpec(Closed, frozen=True):
    """Credentials, sent to the tool's own origin only: exactly one of the four."""

    bearer: Annotated[str | None, doc("`Authorization: Bearer …`.")] = None
    basic: Annotated[BasicAuth | None, doc("HTTP basic authentication.")] = None
    api_key: Annotated[ApiKeyAuth | None, doc("A key in a header or the query.")] = None
    oauth2: Annotated[OAuth2Auth | None, doc("OAuth 2 client credentials.")] = None


class PaginateSpec(Closed, frozen=True):
    next: Annotated[
        str, doc("Where the next page is, over the result; missing, null or empty: nowhere.", template="result")
    ]
    param: Annotated[str | None, doc("The query parameter that takes it; default: `next` is a URL.")] = None
    max_pages: Annotated[Positive, doc("Pages at most.")] = 5


class PartSpec(Closed, frozen=True):
    """A part of a multipart body: exactly one of content and file."""

    content: Annotated[Any, doc("What the part holds; what is no text is sent as JSON.")] = None
    file: Annotated[
        str | None, doc("The path of a file to send: below `root`, or the author's own, relative to the file.")
    ] = None
    root: Annotated[
        str | None,
        doc("The folder that `file` can't leave, relative to the file; needed with a `{{ }}`.", template=""),
    ] = None
    filename: Annotated[str | None, doc("The name that is sent; default: that of the file.")] = None
    content_type: Annotated[str | None, doc("The media type; default: by the name of the file.", template="")] = None


class HttpSpec(Closed, frozen=True):
    url: Annotated[str, doc("Path or whole URL, with `{holes}` after the authority.", template="url")]
    base_url: Annotated[str | None, doc("Scheme, host, port and path prefix.")] = None
    method: Annotated[
        Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] | None,
        doc("Default: GET; POST where json, form, multipart or body is written."),
    ] = None
    query: Annotated[dict[str, Any] | None, doc("Query parameters; a list repeats the key.", template="call")] = None
    headers: Annotated[dict[str, Any], doc("Request headers.", template="call", secret=True)] = field(
        default_factory=dict
    )
    json: Annotated[Any, doc("JSON body, built as data.", template="call")] = None
    form: Annotated[dict[str, Any] | None, doc("URL-encoded form body.", template="call")] = None
    multipart: Annotated[
        dict[str, Scalar | list[Scalar] | PartSpec] | None,
        doc("Multipart form body: a text, a list that repeats its name, or a part such as a file.", template="call"),
    ] = None
    body: Annotated[str | None, doc("Text body.", template="call")] = None
    auth: Annotated[AuthSpec | None, doc("Credentials.", secret=True)] = None
    expect: Annotated[
        list[Annotated[int, Meta(ge=100, le=599)]] | None, doc("Statuses that are a success; default: 200 to 299.")
    ] = None
    max_retries: Annotated[
        int, Meta(ge=0, le=10), doc("Further attempts of idempotent calls after a failure that may pass.")
    ] = 2
    paginate: Annotated[PaginateSpec | None, doc("Follow the pages of a list.")] = None
    hosts: Annotated[
        list[str], doc('Further hosts for redirects, next pages and `url: "{url}"`; `*.` stands for subdomains.')
    ] = field(default_factory=list)


class SandboxSpec(Closed, frozen=True):
    network: Annotated[bool, doc("Whether the network can be reached.")] = False
    write: Annotated[list[Annotated[str, Meta(min_length=1)]], doc("Paths that can be written.", env=True)] = field(
        default_factory=list
    )
    max_memory_mb: Annotated[Positive | None, doc("Address space of each process in MiB; default: no cap.")] = None


CommandElement = Scalar | list[Scalar]


class ShellSpec(Closed, frozen=True):
    command: Annotated[
        Annotated[list[CommandElement], Meta(min_length=1)] | None,
        doc("The program and its arguments, run without a shell. A nested list is an optional group.", template="call"),
    ] = None
    script: Annotated[str | None, doc("Verbatim text for `sh -eu` or its shebang; arguments arrive by `env`.")] = None
    cwd: Annotated[str, doc("Working directory, relative to the file.", env=True)] = "."
    env: Annotated[
        dict[str, Scalar],
        doc(
            "Further environment; the base is PATH, HOME, LANG, LC_ALL, TZ, TMPDIR.",
            env=True,
            secret=True,
            template="call",
        ),
    ] = field(default_factory=dict)
    stdin: Annotated[str | None, doc("Text for standard input.", template="call")] = None
    expect: Annotated[list[Annotated[int, Meta(ge=0, le=255)]], doc("Exit codes that are a success.")] = field(
        default_factory=lambda: [0]
    )
    sandbox: Annotated[SandboxSpec | bool | None, doc("Run inside bubblewrap.")] = None


class McpSpec(Closed, frozen=True):
    """A server's tools: exactly one of command and server_url."""

    command: Annotated[Annotated[list[str], Meta(min_length=1)] | None, doc("The server's command line.")] = None
    server_url: Annotated[str | None, doc("The server's address.")] = None
    env: Annotated[dict[str, str], doc("Further environment of the command.", secret=True)] = field(
        default_factory=dict
    )
    cwd: Annotated[str, doc("Working directory of the command.")] = "."
    headers: Annotated[dict[str, str], doc("Headers for `server_url`.", secret=True)] = field(default_factory=dict)
    auth: Annotated[AuthSpec | None, doc("Credentials for `server_url`.", secret=True)] = None
    allowed_tools: Annotated[list[str], doc("Globs of the server's tools; default: all.")] = field(
        default_factory=lambda: ["*"]
    )
    bind: Annotated[dict[str, Any], doc("Arguments fixed by the author, hidden from the model.")] = field(
        default_factory=dict
    )


class OpenApiSpec(Closed, frozen=True):
    spec: Annotated[str, doc("The OpenAPI document: a path relative to the file, or a URL that is pinned by `sha256`.")]
    allowed_tools: Annotated[
        list[str],
        Meta(min_length=1),
        doc("Globs of operation ids, of tags (`tag:orders`), or of paths (`/orders/*`, `GET /orders/*`); `*` for all."),
    ]
    sha256: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None,
        doc("The hash of a document at a URL, in hex: no other document is taken.", env=False),
    ] = None
    base_url: Annotated[str | None, doc("Instead of the document's servers.")] = None
    auth: Annotated[AuthSpec | None, doc("Credentials.", secret=True)] = None
    headers: Annotated[dict[str, str], doc("Request headers.", secret=True)] = field(default_factory=dict)
    hosts: Annotated[list[str], doc("Further hosts for redirects.")] = field(default_factory=list)
    max_retries: Annotated[int, Meta(ge=0, le=10), doc("Further attempts of idempotent calls.")] = 2
    bind: Annotated[dict[str, Any], doc("Arguments fixed by the author, hidden from the model.")] = field(
        default_factory=dict
    )


class ToolSpec(Closed, frozen=True):
    """A tool: exactly one backend (http, shell, mcp, openapi, agent, python, or `final: true`)."""

    extends: Annotated[str | None, doc("A tool whose definition this one changes (RFC 7396 merge patch).")] = None
    name: Annotated[Name | None, doc("Letters, digits, `_` and `-`, at most 64; default: the file's stem.")] = None
    description: Annotated[str, doc("What the tool does: the model chooses by it.")] = ""
    parameters: Annotated[
        Schema | None, doc("JSON Schema 2020-12 of the arguments; default: an object without properties.")
    ] = None
    strict: Annotated[bool, doc("OpenAI's strict mode. Arguments are validated either way.")] = False
    read_only: Annotated[bool | None, doc("Changes nothing; default: true for http GET and HEAD, else false.")] = None
    idempotent: Annotated[
        bool | None, doc("Twice is as good as once; default: true for http GET, HEAD, PUT, DELETE, else false.")
    ] = None
    untrusted_output: Annotated[
        bool | None, doc("Its output may be hostile; default: true for http, openapi, mcp, else false.")
    ] = None
    require_approval: Annotated[
        str,
        doc(
            "`auto`, `always`, `never`, or one `{{ }}` that gives true or false. `auto` asks when the tool is not "
            "read-only and untrusted output came before.",
            template="call",
        ),
    ] = "auto"
    timeout: Annotated[Seconds, doc("Seconds for the whole call, retries included.")] = 30
    max_output_length: Annotated[
        int, Meta(ge=100), doc("Characters given to the model: head and tail, the gap stated.")
    ] = 16_000
    output: Annotated[str | None, doc("Jinja over the result; default: the whole result.", template="result")] = None
    http: Annotated[HttpSpec | None, doc("Calls an HTTP endpoint.", env=True)] = None
    shell: Annotated[ShellSpec | None, doc("Runs a command.")] = None
    mcp: Annotated[McpSpec | None, doc("The tools of an MCP server.", env=True)] = None
    openapi: Annotated[OpenApiSpec | None, doc("The operations of an OpenAPI document.", env=True)] = None
    agent: Annotated[str | None, doc("Runs another agent.")] = None
    python: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$")] | None,
        doc("Calls `module:function` with keyword arguments."),
    ] = None
    final: Annotated[Literal[True] | None, doc("Calling the tool ends the run; its arguments are the output.")] = None


class AgentSpec(Closed, frozen=True, kw_only=True):
    agentrun: Annotated[Literal[1], doc("The language's version.")] = 1
    extends: Annotated[str | None, doc("An agent whose definition this one changes (RFC 7396 merge patch).")] = None
    name: Annotated[Name | None, doc("Letters, digits, `_` and `-`, at most 64; default: the file's stem.")] = None
    description: Annotated[str, doc("What the agent does: a parent agent and `agentrun inspect` show it.")] = ""
    parameters: Annotated[
        Schema | None, doc("JSON Schema 2020-12 of a run's arguments; default: one required string, `input`.")
    ] = None
    model: Annotated[str | ModelSpec, doc("The model's name, or a mapping.", env=True)]
    system_prompt: Annotated[
        str | FileRef | None, doc("Jinja, rendered once per run; or `{file: path}`.", template="run")
    ] = None
    input: Annotated[str, doc("The first user message.", template="run")] = "{{ args.input }}"
    tools: Annotated[list[str | ToolSpec], doc("Names, globs, or tools written here.")] = field(default_factory=list)
    handoffs: Annotated[
        list[str], doc("Agents that may take the conversation over, each by a function `transfer_to_NAME`.")
    ] = field(default_factory=list)
    tool_choice: Annotated[
        str | dict[str, Any], doc("`auto`, `none`, `required`, a tool's name, or OpenAI's object.")
    ] = "auto"
    parallel_tool_calls: Annotated[
        bool | None, doc("Whether calls of one turn run at once, up to 16; default: yes, and nothing is sent.")
    ] = None
    tool_search: Annotated[ToolSearchSpec | None, doc("Send only the tools that fit.")] = None
    response_format: Annotated[ResponseFormatSpec | None, doc("OpenAI's object; the answer is validated here too.")] = (
        None
    )
    permissions: Annotated[list[PermissionSpec], doc("Rules for tool calls; the first match decides.")] = field(
        default_factory=list
    )
    context: Annotated[ContextSpec | None, doc("What happens when the conversation grows long; default: no cap.")] = (
        None
    )
    limits: Annotated[LimitsSpec, doc("Limits of one user message.")] = field(default_factory=LimitsSpec)
    starters: Annotated[list[str], doc("First messages that chat offers.")] = field(default_factory=list)
