"""Docker cagent: how its texts name variables, and why what agentrun has nothing for is left."""

from __future__ import annotations

import re

from agentrun.foreign.draft import Draft
from agentrun.foreign.yaml_text import without_variables
from agentrun.spec.nodes import Node

_REFERENCE = re.compile(r"\$\{([^{}]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_ENV = re.compile(r"\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:(?:\|\||\?\?)\s*(['\"])([^'\"{}$]*)\2\s*)?")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def wired(draft: Draft, place: Node, what: str, text: str, *, bare: bool = False) -> str:
    """A text of a field in which variables are read: `${env.X}` and `${X}`, and with `bare` also `$X`."""
    pieces: list[str] = []
    at = 0
    for found in _REFERENCE.finditer(text):
        variable = _variable(found, draft, place, what, bare=bare)
        if variable is not None:
            pieces += [without_variables(text[at : found.start()]), variable]
            at = found.end()
    return "".join([*pieces, without_variables(text[at:])])


def _variable(found: re.Match[str], draft: Draft, place: Node, what: str, *, bare: bool) -> str | None:
    """The reference as this language has it; None where it is text."""
    if found[2] is not None:
        return draft.variable(found[2], f"named by {what}") if bare else None
    in_env = _ENV.fullmatch(found[1])
    if in_env is not None:
        if in_env[3] is not None:
            return f"${{{in_env[1]}:-{in_env[3]}}}"
        return draft.variable(in_env[1], f"named by {what}")
    if _PLAIN.fullmatch(found[1]):
        return draft.variable(found[1], f"named by {what}")
    draft.leave(place, what, f"`{found[0][:60]}` stays a text: agentrun reads `${{NAME}}` and `${{NAME:-default}}`")
    return None


def has_reference(text: str) -> bool:
    return _REFERENCE.search(text) is not None


NO_TOOLSETS = {
    "shell": "agentrun has no tool that runs any command: write a tool with `shell:` for each that the agent needs",
    "filesystem": "agentrun has no such tools: an MCP server for files is a set, such as "
    "`mcp: {command: [npx, -y, '@modelcontextprotocol/server-filesystem', DIR]}`",
    "file": "agentrun has no such tools: an MCP server for files can be a set",
    "fetch": 'agentrun has no tool for any address: write `http: {url: "{url}", hosts: […]}` with those it may read',
    "think": "agentrun has none; models that reason do without it",
    "todo": "agentrun has none: an MCP server can be a set",
    "memory": "agentrun has none: an MCP server that remembers can be a set",
    "openapi": "the document is not here: `agentrun tools import openapi FILE`, or `openapi:` with its `sha256`",
    "user_prompt": "an agent asks in its answer, and `agentrun chat` goes on from there",
    "transfer_task": "agents are tools: what `sub_agents` lists is called as such",
    "handoff": "`handoffs` are functions of the agent",
    "background_agents": "agents as tools of one turn run at once; none goes on in the background",
    "rag": "agentrun searches no documents: an MCP server or an http tool can",
    "lsp": "agentrun speaks with no language server: an MCP server can be a set",
    "a2a": "agentrun calls no agents elsewhere: an http tool can",
    "webhook": "write it as a tool with `http:`",
    "git": "write a tool with `shell:` for each git command that the agent needs",
    "mcp_catalog": "write each server that is wanted as a set with `mcp:`",
    "model_picker": "an agent has one model, and `fallback` for when it fails",
}

AGENT_REASONS = {
    "welcome_message": "agentrun greets nobody; `starters` are offered",
    "code_mode_tools": "models call tools one by one",
    "add_description_parameter": "tools are called with their own parameters alone",
    "add_environment_info": "say in `system_prompt` what the agent must know of its surroundings",
    "add_prompt_files": "put their text into `system_prompt`, or the whole prompt into a file: `{file: path}`",
    "add_prompt_files_depth": "put their text into `system_prompt`",
    "instruction_file": "put its text into `system_prompt`, or write `system_prompt: {file: path}`",
    "num_history_items": "the context is cut by tokens: `context: {max_tokens: …}`",
    "max_old_tool_call_tokens": "the context is cut by tokens: `context: {max_tokens: …}`",
    "max_tool_result_tokens": "results are cut by characters: `max_output_length` of each tool",
    "session_compaction": "`context: {on_overflow: …}` says what happens when the conversation grows long",
    "compaction_threshold": "`context: {max_tokens: …}` says when the conversation is compacted",
    "compaction_model": "the agent's own model sums up",
    "hooks": "agentrun runs no hooks: `permissions` decide on calls, events go to `--output jsonl` and traces",
    "skills": "agentrun has no skills: put what the agent must know into `system_prompt`",
    "use_skills": "agentrun has no skills: put what the agent must know into `system_prompt`",
    "cache": "answers are not kept",
    "harness": "agentrun calls models, and no other agents' programs",
    "rag": NO_TOOLSETS["rag"],
    "safety": "`permissions`, and `require_approval` of each tool, say what is asked",
    "readonly": "list only tools that read; `read_only: true` says of a tool that it does",
    "redact_secrets": "agentrun masks what came from variables, and does not look for other secrets",
    "force_handoff": "a model decides when it hands over: `handoffs`",
}

TOP_REASONS = {
    "rag": NO_TOOLSETS["rag"],
    "skills": AGENT_REASONS["skills"],
    "flavors": "an agent that `extends` another one is such a variant",
    "runtime": "`permissions`, and `sandbox` of each shell tool, take its place",
    "workflow": "a model decides who goes on: `agent:` tools and `handoffs`",
}

TOOLSET_REASONS = {
    "toon": "results go to the model as they are; `output` of a tool shapes them",
    "defer": "`tool_search` of the agent sends only the tools that fit",
    "readonly": "list those that read in `allowed_tools`",
    "model": "an agent has one model for all turns",
    "config": "settings of Docker's MCP catalog: give them to `docker mcp` itself",
    "version": "nothing is installed: the program must be there",
    "lifecycle": "a server is started when it is needed, and once more when it dies",
}

MODEL_REASONS = {
    "routing": "an agent has one model: agents that hand over to each other can choose",
    "title_model": "conversations get no titles from a model",
    "compaction_model": AGENT_REASONS["compaction_model"],
    "compaction_threshold": AGENT_REASONS["compaction_threshold"],
    "capabilities": "what is attached is sent; the service says what it takes",
    "task_budget": "`limits: {max_total_tokens: …}` bounds a whole run",
    "auth": "keys come from variables: `api_key`",
    "unload_api": "models are not unloaded",
    "provider_opts": "options of cagent's own client",
}
