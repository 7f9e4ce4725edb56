"""Words of other tools, APIs and habits, and what agentrun says for them.

A word may mean several keys: the first that can stand where it was written is meant.
"""

from __future__ import annotations

from typing import Any

from agentrun.spec.spelling import fold

_OTHER_WORDS: dict[str, tuple[str, ...]] = {
    # an agent
    "functions": ("tools",),
    "greeting": ("starters",),
    "instruction": ("system_prompt",),
    "instructions": ("system_prompt",),
    "llm": ("model",),
    "prompt": ("system_prompt",),
    "promt": ("system_prompt",),
    "system": ("system_prompt",),
    "system_message": ("system_prompt",),
    "user_message": ("input",),
    "user_prompt": ("input",),
    # a model
    "api_base": ("base_url",),
    "deployment": ("name",),
    "host": ("base_url",),
    "id": ("name",),
    "key": ("api_key", "value"),
    "model": ("name",),
    "model_id": ("name",),
    "model_name": ("name", "model"),
    "options": ("settings",),
    # a tool
    "approval": ("require_approval",),
    "bash": ("shell", "script"),
    "confirm": ("require_approval", "ask"),
    "confirmation": ("require_approval",),
    "desc": ("description",),
    "description": ("name",),
    "exec": ("shell",),
    "function": ("python", "name"),
    "input_schema": ("parameters",),
    "inputs": ("parameters", "args"),
    "needs_approval": ("require_approval",),
    "request": ("http",),
    "rest": ("http",),
    "schema": ("parameters",),
    # what it does
    "bearer_token": ("bearer",),
    "cmd": ("command",),
    "data": ("body", "json"),
    "dir": ("cwd",),
    "directory": ("cwd",),
    "endpoint": ("url", "base_url"),
    "environment": ("env",),
    "password": ("client_secret",),
    "body": ("json",),
    "payload": ("json",),
    "run": ("script",),
    "status_codes": ("expect",),
    "token": ("bearer", "api_key"),
    "user": ("username",),
    "verb": ("method",),
    "workdir": ("cwd",),
    "working_dir": ("cwd",),
    "working_directory": ("cwd",),
    # a permission
    "condition": ("when",),
    "confirm_if": ("when",),
    "if": ("when",),
    "require": ("ask",),
    # a test
    "allow": ("approve",),
    "answer": ("content",),
    "any_of": ("one_of", "contains_any"),
    "approved": ("approve",),
    "asks": ("approvals",),
    "assert": ("expect",),
    "assertions": ("expect",),
    "asserts": ("expect",),
    "assistant": ("content",),
    "attachment": ("attach",),
    "attachments": ("attach",),
    "below": ("at_most",),
    "called": ("calls",),
    "called_tools": ("calls",),
    "checks": ("expect",),
    "code": ("status", "exit_code"),
    "content": ("answer",),
    "decline": ("refuse",),
    "dialog": ("conversation",),
    "dialogue": ("conversation",),
    "denied": ("refuse",),
    "deny": ("refuse",),
    "duration": ("latency",),
    "eq": ("equals",),
    "equal": ("equals",),
    "equal_to": ("equals",),
    "ended": ("reason",),
    "examples": ("each",),
    "expected": ("expect",),
    "expected_calls": ("calls",),
    "expected_tools": ("calls",),
    "failure": ("error",),
    "fails": ("error",),
    "fakes": ("tools",),
    "final_agent": ("agent",),
    "finish_reason": ("reason",),
    "fixtures": ("tools",),
    "focus": ("only",),
    "for_each": ("each",),
    "forbidden": ("never",),
    "gt": ("at_least",),
    "gte": ("at_least",),
    "include": ("contains",),
    "includes": ("contains",),
    "jmespath": ("where",),
    "json_path": ("where",),
    "json_schema": ("schema",),
    "keywords": ("tags",),
    "llm_rubric": ("judge",),
    "lt": ("at_most",),
    "lte": ("at_most",),
    "marks": ("tags",),
    "matrix": ("each",),
    "max": ("at_most",),
    "maximum": ("at_most",),
    "match": ("matches", "when"),
    "message": ("user", "content"),
    "messages": ("conversation",),
    "min": ("at_least",),
    "minimum": ("at_least",),
    "mock": ("tools",),
    "mocks": ("tools",),
    "not_called": ("never",),
    "outcome": ("reason",),
    "output": ("answer", "result"),
    "parametrize": ("each",),
    "path": ("file", "url"),
    "pattern": ("matches",),
    "recording": ("cassette",),
    "regex": ("matches",),
    "regexp": ("matches",),
    "rejected": ("refuse",),
    "reject": ("refuse",),
    "repeat": ("times",),
    "times": ("count",),
    "response": ("answer", "result"),
    "responses": ("model",),
    "returns": ("result",),
    "return_value": ("result",),
    "rubric": ("judge", "criteria"),
    "scenarios": ("cases", "each"),
    "script": ("model",),
    "should": ("expect",),
    "similar": ("similar_to",),
    "similarity": ("similar_to", "ratio"),
    "steps": ("conversation",),
    "stop_reason": ("reason",),
    "stub": ("tools",),
    "stubs": ("tools",),
    "table": ("each",),
    "tests": ("cases",),
    "text": ("content", "answer"),
    "then": ("expect",),
    "threshold": ("ratio", "pass_rate"),
    "tool": ("tools", "name"),
    "tool_calls": ("calls",),
    "tools_called": ("calls",),
    "tools_used": ("calls",),
    "trajectory": ("calls",),
    "turns": ("model", "conversation"),
    "vars": ("args",),
    "vcr": ("cassette",),
    "verify": ("expect",),
    "wait": ("delay",),
    "with": ("when",),
    # several
    "args": ("parameters", "arguments", "argv", "when"),
    "arguments": ("args", "parameters", "when"),
    "command": ("argv",),
    "input": ("stdin", "args", "arguments", "user"),
    "params": ("query", "parameters", "settings", "arguments"),
    "parameters": ("settings", "args", "arguments"),
}

_NOTES = "apiVersion author comment created kind labels license metadata notes owner tags team title updated version"
_A_NOTE = "a note of your own begins with `x-`: `x-{key}`"
_IN_THE_PROMPT = "say it in `system_prompt`"
_SUB_AGENTS = "write `- agent: NAME` in `tools`; each agent has a file of its own, `agents/NAME.yaml`"
USER_WORDS = ("input", "message", "prompt", "query", "question", "user", "user_input", "user_message")
_KEPT_APART = "the kind is told by its key: "
# What to do about a word that no single key stands for, by a key that tells where it was written.
_ADVICE: dict[str, dict[str, str]] = {
    "system_prompt": {
        **dict.fromkeys(("backstory", "goal", "persona", "role"), _IN_THE_PROMPT),
        **dict.fromkeys(("agents", "sub_agents", "subagents", "team_members"), _SUB_AGENTS),
        **dict.fromkeys(_NOTES.split(), _A_NOTE),
        **dict.fromkeys(
            ("output_schema", "output_type", "response_model", "response_schema"),
            "write `response_format: {{type: json_schema, json_schema: {{name: …, schema: {{…}}}}}}`",
        ),
        **dict.fromkeys(("max_iter", "max_iterations", "max_steps"), "write `limits: {{max_turns: …}}`"),
        "provider": "write `model: {{name: …, api: …, base_url: …}}`",
        "toolsets": "list tools by their names in `tools`; each is defined in `tools.d/`",
        "version": "the version of the language is `agentrun: 1`; " + _A_NOTE,
    },
    "require_approval": {
        **dict.fromkeys(_NOTES.split(), _A_NOTE),
        "tools": "a file of tools holds a document for each, with `---` between them",
        "type": _KEPT_APART + "write `http`, `shell`, `python`, `agent` or `final`",
    },
    "contains": {
        f"{no}{word}": f"write `not: {{{{{key}: …}}}}`"
        for no in ("not_", "no_", "does_not_")
        for key, short in (("contains", "contain"), ("equals", "equal"), ("matches", "match"))
        for word in (key, short)
    },
    "in_order": dict.fromkeys(("name", "tool", "arguments"), "write a list of calls: `calls: [{{name: NAME}}]`"),
    "cases": {
        **dict.fromkeys(("args", "conversation", "each", "expect", "only", "skip"), "it stands in each of the `cases`"),
        **dict.fromkeys(("name", "description", *_NOTES.split()), _A_NOTE),
        "defaults": "what all cases have, such as `tools` and `approve`, stands at the top itself",
        "prompts": "the agent has its prompt in its own file: name it, `agent: NAME`",
        "providers": "the agent has its model in its own file: name it, `agent: NAME`",
    },
    "conversation": {
        **dict.fromkeys(USER_WORDS, "write `args: {{input: …}}`, or `conversation: [{{user: …}}]`"),
        **dict.fromkeys(_NOTES.split(), _A_NOTE),
        "agent": "all cases of a file have one agent: write it at the top",
        "env": "variables are those of all cases: write it at the top of the file",
        "repeat": "how often cases are run is told by `--repeat`",
        "retries": "a case is run once; how often cases are run is told by `--repeat`",
    },
    "cost_usd": dict.fromkeys(
        ("error", "status"), "how a run ends is `reason: …`, and how a call does `calls: [{{name: NAME, error: …}}]`"
    ),
    "icontains": dict.fromkeys(("type", "value"), "each kind is a key of its own: `contains: …`, `equals: …`"),
    "user": dict.fromkeys(
        ("assistant", "role", "content"), "write what the user says: `user: …`; what the model says stands in `model`"
    ),
    "bearer": {"type": _KEPT_APART + "write `bearer`, `basic`, `api_key` or `oauth2`"},
    "cwd": {"args": "the arguments stand in `command` itself: `command: [program, argument]`"},
    "json_schema": dict.fromkeys(
        ("$defs", "additionalProperties", "anyOf", "items", "properties", "required"),
        "a schema stands inside: `{{type: json_schema, json_schema: {{name: …, schema: {{…}}}}}}`",
    ),
    "arguments": {"function": "write `name` and `arguments` in the call itself"},
    "chunks": {"role": "each turn is the model's: leave it out"},
    "file": {
        **dict.fromkeys(("chunks", "content", "tool_calls"), "a script is a list of turns: `- {key}: …`"),
        **dict.fromkeys(("api", "name", "responses", "script", "turns"), "write the turns themselves: `- content: …`"),
    },
    "deny": dict.fromkeys(
        ("action", "effect", "name", "pattern", "tool", "tools"), "write `ask: NAME`, `allow: NAME` or `deny: NAME`"
    ),
    "content_when_empty": {
        "provider": "which API is asked stands in `api`, and where in `base_url`",
    },
}


_FOLDED = {fold(word): keys for word, keys in _OTHER_WORDS.items()}


def other_words(key: str) -> tuple[str, ...]:
    """The keys that another word for them may mean, however it is spelt: `inputSchema`, `input_schema`."""
    return _FOLDED.get(fold(key), ())


def advice(key: str, allowed: list[str]) -> str | None:
    """What to do about an unknown key where these are allowed."""
    found = next((words[key] for home, words in _ADVICE.items() if home in allowed and key in words), None)
    return found.format(key=key) if found else None


def entry_advice(key: str, allowed: list[str], value: Any) -> str | None:
    """What to do about a key of the author's own, such as a tool's name, where the language has keys of its own."""
    if "in_order" in allowed:
        return f"write a list of calls: `calls: [{{name: {key}}}]`; how often: `count: {{{key}: 1}}`"
    if "arguments" in allowed and isinstance(value, dict):
        return f"write `{{name: {key}, arguments: {{…}}}}`"
    if "exit_code" in allowed:
        return "what the tool answers stands in it: `json: {…}` or `text` for http, `stdout` for shell, else `result`"
    return None
