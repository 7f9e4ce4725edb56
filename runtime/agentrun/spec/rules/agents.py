"""An agent's own choices: model, tool_choice, permissions, limits."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic, did_you_mean, nearest, one_of
from agentrun.prices import ListPrice, service_url
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import write, write_name
from agentrun.spec.function_names import handoff_name
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, texts
from agentrun.spec.rules.toolbox import functions_of, lists_are_readable
from agentrun.spec.types import AgentSpec, ModelSpec, ResponseFormatSpec

MODES = ("auto", "none", "required")
_OTHER_CHOICES = {"any": "required"}  # Anthropic's word


def model_choice(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    model = document.node.get("model")
    if document.kind != "agent" or model is None:
        return
    if model.content == "" and "$" not in model.source:
        yield Diagnostic("AR703", "error", "the model has no name", model.span, "name it as the service does")
    if not model.is_mapping:
        return
    api = _value(model, "api") or "chat_completions"
    place = document.node.key_place(("model",))
    if api == "scripted" and model.get("script") is None:
        yield Diagnostic("AR704", "error", "`api: scripted` needs a `script`", place, "write the model's turns")
    if api != "scripted" and model.get("script") is not None:
        message = "`script` is played by `api: scripted` only"
        yield Diagnostic("AR704", "error", message, model.key_place(("script",)), "add `api: scripted`")
    if api not in ("offline", "scripted") and model.get("name") is None and not misspelt(model, "name"):
        yield Diagnostic("AR703", "error", "the model has no `name`", place, "name it as the service does")


def cost_cap_without_prices(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A cap on cost counts the models that have a price, in the file or in the price list."""
    cap = document.node.get("limits", "max_cost_usd")
    spec = document.spec
    if cap is None or not isinstance(spec, AgentSpec) or any(route[0] == "model" for route in document.unknown):
        return
    main = spec.model if isinstance(spec.model, ModelSpec) else ModelSpec(name=spec.model)
    if not _has_price(main):
        message = f"`max_cost_usd` has no effect on the model `{main.name or main.api}`: its price is not known"
        help = "write `model: {name: …, prices: {input: …, output: …}}`, in US dollars for a million tokens"
        yield Diagnostic("AR705", "warning", message, cap.span, help)
    for entry in main.fallback:
        one = entry if isinstance(entry, ModelSpec) else msgspec.structs.replace(main, name=entry, prices=None)
        if not _has_price(one):
            message = f"`max_cost_usd` has no effect on the fallback `{one.name or one.api}`: its price is not known"
            help = "write it as `{name: …, prices: {input: …, output: …}}`, in US dollars for a million tokens"
            yield Diagnostic("AR705", "warning", message, cap.span, help)


def _has_price(model: ModelSpec) -> bool:
    if model.prices is not None or model.api == "offline" or _is_on_this_machine(model.base_url or ""):
        return True
    return model.api != "scripted" and ListPrice(model.name or "", service_url(model.api, model.base_url, {})).is_known


def _is_on_this_machine(address: str) -> bool:
    """What runs here costs nothing for a token."""
    return address.partition("://")[2].startswith(("localhost:", "localhost/", "127.0.0.1:", "[::1]:"))


def tool_choice(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = written = document.node.get("tool_choice")
    if document.kind != "agent" or node is None or not lists_are_readable(document):
        return
    tools = _tools(catalog, document)
    name: Any = node.content
    if node.is_mapping:
        chosen = node.get("function", "name")
        if _value(node, "type") != "function" or chosen is None:
            help = "OpenAI's object is {type: function, function: {name: …}}; a bare tool name works too"
            yield Diagnostic("AR701", "error", "`tool_choice` is not OpenAI's object", node.span, help)
            return
        node, name = chosen, chosen.content
    if name in ("required", *tools) and not tools:
        message = "`tool_choice: required` needs `tools`"
        yield Diagnostic("AR702", "error", message, node.span, "list at least one tool")
    elif isinstance(name, str) and name in catalog.tools and catalog.tools[name].is_set:
        help = f"name one of its tools: `{name}_…`"
        yield Diagnostic("AR701", "error", f"`tool_choice` names a set, not a tool: `{name}`", node.span, help)
    elif isinstance(name, str) and name not in (*MODES, *tools) and not _may_be_there(catalog, document, name):
        options = (*MODES, *tools)
        message = f"`tool_choice` names no tool of this agent: `{name}`"
        unlisted = f"list `{name}` in `tools`" if name in catalog.tools else None
        meant = _OTHER_CHOICES.get(name, name) if tools and node is written else name
        suggestion = unlisted or did_you_mean(meant, options, f"allowed: {one_of(options)}")
        fix = None if unlisted else write_name(node, options) if meant == name else write(node, meant, safe=True)
        yield Diagnostic("AR701", "error", message, node.span, suggestion, fix=fix)


def permissions_that_match_nothing(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    rules = document.node.get("permissions")
    if document.kind != "agent" or rules is None or not rules.is_list or not lists_are_readable(document):
        return
    names = _tools(catalog, document)
    for rule in rules.content:
        for action in ("ask", "allow"):
            pattern = rule.get(action)
            if pattern is None or not isinstance(pattern.content, str):
                continue
            text = pattern.content
            if any(fnmatchcase(name, text) for name in names) or _may_be_there(catalog, document, text):
                continue
            help = did_you_mean(text, names, f"tools: {one_of(names)}" if names else "this agent has no tools")
            message = f"`{action}: {text}` matches no tool of this agent"
            fix = write_name(pattern, names, is_guess=True)  # it says what may be called
            yield Diagnostic("AR407", "error", message, pattern.span, help, fix=fix)


def response_format(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    node = document.node.get("response_format")
    if node is None or not node.is_mapping:
        return
    is_whole = all(key in ResponseFormatSpec.__struct_fields__ for key in node.content)
    if _value(node, "type") == "json_schema" and node.get("json_schema") is None and is_whole:
        message = "`type: json_schema` needs `json_schema`"
        yield Diagnostic("AR302", "error", message, node.span, "write `json_schema: {name: …, schema: {…}}`")


def _tools(catalog: Catalog, document: Document) -> list[str]:
    """The names of what an agent's model can call. One that is misspelt in the list has its finding there, and is not
    missed here."""
    tools = catalog.tools_of(document)
    names = [name for tool in tools for name in (tool.name, *functions_of(catalog, document, tool))]
    names += map(handoff_name, texts(document.node.get("handoffs")))
    listed = document.node.get("tools")
    for entry in listed.content if listed is not None and listed.is_list else ():
        if isinstance(entry.content, str) and not catalog.matching(entry.content):
            meant = nearest(entry.content, catalog.tools)
            names += [entry.content, *([meant] if meant else [])]
    return list(dict.fromkeys(names))


def _may_be_there(catalog: Catalog, document: Document, pattern: str) -> bool:
    """Whether a name or glob may stand for what is not known here: a member of a set, or what can't be read."""
    sets = (one.name for one in catalog.tools_of(document) if one.is_set and one not in catalog.members)
    return any(pattern.startswith(f"{name}_") for name in sets) or catalog.may_be_unread("tool", pattern)


def _value(node: Node, key: str) -> Any:
    found = node.get(key)
    return found.content if found is not None else None


RULES = (model_choice, cost_cap_without_prices, tool_choice, permissions_that_match_nothing, response_format)
