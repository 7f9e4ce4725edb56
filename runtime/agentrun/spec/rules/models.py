"""Models against what is known of them: whether there is such a model, how much it reads, how many tools it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Edit, Fix, Related, Span, counted
from agentrun.spec.asked import Asked, asked_models, model_routes
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import write
from agentrun.spec.known_models import RETIRED, Maker, chats, is_known, misspelt_name, other_maker
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, texts
from agentrun.spec.rules.toolbox import functions_of
from agentrun.spec.wording import shown

CHARS_A_TOKEN = 4
_PATHS_OF_APIS = ("/chat/completions", "/responses", "/messages")
MAX_TOOLS = 128  # OpenAI's


def model_names(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Only where a model's maker itself is asked: what other services have, they alone know.

    A name without a number is nobody's model but an alias, of a gateway that the environment leads to.
    """
    for one in asked_models(catalog, document):
        if one.maker is None:
            continue
        name = one.name.content
        if name in RETIRED[one.maker]:
            yield _retired(one, *RETIRED[one.maker][name])
        elif not chats(one.maker, name):
            place, _ = _name_fix(one.name, name)
            message = f"{shown(name)} is no model that chats"
            yield Diagnostic("AR707", "warning", message, place, "choose one that answers messages")
        elif any(map(str.isdigit, name)) and not is_known(one.maker, name):
            yield _unknown(one, one.maker)


def _retired(one: Asked, date: str, successor: str) -> Diagnostic:
    place, fix = _name_fix(one.name, successor)
    message = f"{one.maker} turned the model {shown(one.name.content)} off on {date}"
    return Diagnostic("AR708", "warning", message, place, f"its successor is `{successor}`", fix=fix)


def _unknown(one: Asked, maker: Maker) -> Diagnostic:
    name = one.name.content
    other, meant = other_maker(maker, name), misspelt_name(maker, name)
    message = f"{maker} has no model {shown(name)}"
    if meant is not None:
        place, fix = _name_fix(one.name, meant)
        return Diagnostic("AR707", "warning", message, place, f"did you mean `{meant}`?", fix=fix)
    place, _ = _name_fix(one.name, name)
    if other == "Anthropic":
        help = "a model of Anthropic: add `api: anthropic_messages`, or the `base_url` of a service that has it"
        return Diagnostic("AR707", "warning", message, place, help)
    if other == "OpenAI":
        return Diagnostic("AR707", "warning", message, place, "a model of OpenAI: take `api` out, or choose another")
    message = f"{maker}, which is asked here, is not known to have a model {shown(name)}"
    help = "write the `base_url` of the service that has it; `agentrun validate --online` asks"
    return Diagnostic("AR707", "info", message, place, help)


def _name_fix(node: Node, new: str) -> tuple[Span, Fix | None]:
    """Where the name is written, which may be a variable's default; no fix where the environment gave it."""
    place = node.find(re.compile(rf"(?:(?<=:-)|(?<![\w./-])){re.escape(node.content)}(?![\w./-])"))
    if place is None:
        return node.span, None
    return place, Fix(f"write `{new}`", (Edit(place, new),), safe=False)


def addresses_of_services(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for route in model_routes(document):
        node = document.node.get(*route, "base_url")
        if node is None or not isinstance(node.content, str) or not node.content:
            continue
        if (*route, "base_url") not in document.unknown:
            yield from _address(node, node.content.rstrip("/"))


def _address(node: Node, text: str) -> Iterator[Diagnostic]:
    scheme, mark, _ = text.partition("://")
    end = next((one for one in _PATHS_OF_APIS if text.endswith(one)), None)
    if not mark or scheme.lower() not in ("http", "https"):
        host = re.split("[:/]", text)[0]
        help = f"write `{'http' if host in ('localhost', '127.0.0.1') else 'https'}://…`"
        yield Diagnostic("AR607", "error", f"{shown(text)} is no http address", node.span, help)
    elif end is not None:
        fix = write(node, text.removesuffix(end), safe=False)
        message = f"requests go to `{end}` below `base_url`, and it ends so already"
        yield Diagnostic("AR607", "warning", message, node.span, f"take `{end}` out", fix=fix)


def prompt_larger_than_context(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    tokens = prompt_tokens(document)
    if not tokens:
        return
    place = document.node.key_place(("system_prompt",))
    cap = document.node.get("context", "max_tokens")
    if cap is not None and type(cap.content) is int and 0 < cap.content < tokens:
        message = f"the system prompt has some {counted(tokens, 'token')}, and `context.max_tokens` is {cap.content}"
        related = (Related("the limit", cap.span),)
        yield Diagnostic("AR706", "warning", message, place, "shorten it, or raise the limit", related)
        return
    for one in asked_models(catalog, document):
        most = one.context_tokens
        if most is not None and most < tokens:
            name = shown(one.name.content)
            message = f"the system prompt has some {counted(tokens, 'token')}, and {name} reads {most} at most"
            related = (Related("the model", one.name.span),)
            yield Diagnostic("AR706", "warning", message, place, "shorten it, or choose another model", related)
            return


def prompt_tokens(document: Document) -> int:
    """How many tokens the system prompt has at least, about: English has four characters a token, others have less."""
    prompt = document.node.get("system_prompt")
    return len(prompt.content) // CHARS_A_TOKEN if prompt is not None and isinstance(prompt.content, str) else 0


def too_many_tools(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "agent" or document.node.get("tool_search") is not None:
        return
    tools = [
        name
        for one in catalog.tools_of(document)
        for name in (functions_of(catalog, document, one) if one.is_set else (one.name,))
    ]
    handoffs = set(texts(document.node.get("handoffs"))) - {document.name}
    if len(tools) + len(handoffs) <= MAX_TOOLS:
        return
    if any(one.maker == "OpenAI" for one in asked_models(catalog, document)):
        has = f"{len(tools)} tools" + (f" and {counted(len(handoffs), 'hand-off')}" if handoffs else "")
        message = f"the agent has {has}, and OpenAI takes {MAX_TOOLS} at most"
        help = "write `tool_search`, or split the agent: another agent can be a tool of this one"
        yield Diagnostic("AR709", "error", message, document.node.key_place(("tools",)), help)


def choice_without_tools(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Written in the agent's own file: a base may serve agents with tools and without."""
    node = document.node
    if document.kind != "agent" or misspelt(node, "tools"):
        return
    listed = node.get("tools")
    if (listed is not None and listed.content != []) or node.get("handoffs", 0) is not None:
        return
    for key in ("parallel_tool_calls", "tool_choice"):
        written = node.get(key)
        if written is None or written.span.file != document.path:
            continue
        if written.content != "none" if key == "tool_choice" else not isinstance(written.content, bool):
            continue  # another finding's, or what holds anyway
        message = f"`{key}` has no effect: the agent has no tools"
        yield Diagnostic("AR718", "warning", message, node.key_place((key,)), "list `tools`, or take it out")


RULES = (model_names, addresses_of_services, prompt_larger_than_context, too_many_tools, choice_without_tools)
