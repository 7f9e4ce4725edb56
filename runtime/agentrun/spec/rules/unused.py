"""What nothing uses: parameters that no part takes, bases that nothing extends, tools that no agent lists.

A name that is written wrongly somewhere may be the missing use: where one is, nothing is called unused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from agentrun.diagnostics import Diagnostic, Related, Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, items, name_place
from agentrun.spec.rules.case_places import stubs_of
from agentrun.spec.rules.references import unknown_tools
from agentrun.templates import Hole, TemplateSyntax, parse_url, template_of

# Where one of these is written, arguments that nothing names go nowhere.
_PLACES = ("query", "json", "form", "multipart", "body")
# A model is asked for these so that it thinks before it calls.
_THOUGHTS = frozenset({"explanation", "rationale", "reasoning", "thinking", "thought", "thoughts"})
# A key or value that was not read may hold the use.
_UNREAD = frozenset({"AR301", "AR303", "AR307", "AR508"})
# `{name}`, `${name}` and `$name` are meant as uses: what is wrong with them is said elsewhere.
_MEANT = re.compile(r"\{\+? *(?:args\.)?([A-Za-z_]\w*) *\}")
_COMMENT = re.compile(r"(?:^|\s)#(.*)")
_NAME = re.compile(r"[A-Za-z0-9_-]{2,}")
_VARIABLE = re.compile(r"\$\{?(?:args\.)?([A-Za-z_]\w*)")


def unplaced_parameters(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "tool" or _places_the_rest(document.node):
        return
    for name, place in _unused(document):
        if name not in _THOUGHTS:
            message = f"the parameter `{name}` is not used: what the model gives for it goes nowhere"
            related = _inheriting(document, place)
            yield Diagnostic("AR630", "warning", message, place, _where_it_may_go(document.node, name), related)


def _places_the_rest(node: Node) -> bool:
    """Whether a tool takes its arguments without naming them."""
    http, shell = node.get("http"), node.get("shell")
    if http is not None and http.is_mapping:
        return not any(key in http.content for key in _PLACES)
    return shell is None or not shell.is_mapping


def _where_it_may_go(node: Node, name: str) -> str:
    use = f"{{{{ args.{name} }}}}" if name.isidentifier() else f'{{{{ args["{name}"] }}}}'
    if node.get("http") is not None:
        written = next(key for key in _PLACES if node.get("http", key) is not None)
        return f"write `{use}` where it belongs: beside a written `{written}` nothing is placed by itself"
    if node.get("shell", "script") is not None:
        variable, mark = re.sub(r"\W", "_", name).upper(), '"' if name.isidentifier() else "'"
        return f"pass it to the script: `env: {{{variable}: {mark}{use}{mark}}}`"
    return f"write `{use}` in `command`, `env` or `stdin`, or take the parameter out"


def _inheriting(document: Document, place: Span) -> tuple[Related, ...]:
    own = document.node.first_line
    return () if place.file == own.file else (Related(f"inherited by the tool `{document.name}`", own),)


def unused_parameters_of_agents(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """An agent that hands over passes its arguments on."""
    if document.kind != "agent" or document.node.get("handoffs") is not None:
        return
    for name, place in _unused(document):
        message = f"the parameter `{name}` is used neither in `system_prompt` nor in `input`"
        help = f"write `{{{{ args.{name} }}}}` where the model should read it, or take it out"
        yield Diagnostic("AR422", "warning", message, place, help)


def _unused(document: Document) -> Iterator[tuple[str, Span]]:
    """The properties of `parameters` that no text of the document names, each with the place of its key."""
    properties = document.node.get("parameters", "properties")
    if properties is None or not properties.is_mapping or any(one.code in _UNREAD for one in document.diagnostics):
        return
    used = _used(document, frozenset(properties.content))
    for name in properties.content if used is not None else ():
        if name not in (used or ()):
            yield name, properties.keys[name]


def _used(document: Document, declared: frozenset[str]) -> frozenset[str] | None:
    """The arguments that texts name; None where all may be used, or a name is written wrongly."""
    used = {"input"} if _is_asked_by_input(document) else set()
    if used - declared:
        return None  # has its own finding
    for route, node, marks in document.scalars:
        scope = marks.get("x-template")
        if route[0] == "permissions" or not isinstance(node.content, str):
            continue
        if route == ("system_prompt",) and not node.source:
            return None  # its file could not be read
        if scope is not None or route[0] in ("http", "shell"):
            used.update(_MEANT.findall(node.source))
            used.update(_VARIABLE.findall(node.source))
        if route == ("shell", "script"):
            variables = {name.lower() for name in _VARIABLE.findall(node.content)}
            used |= {name for name in declared if name.lower() in variables}
        named = _holes(node.content) if scope == "url" else _arguments(node.content)
        if named is None or (scope and named - declared):
            return None
        used |= named
    return frozenset(used)


def _is_asked_by_input(document: Document) -> bool:
    """An agent without `input` has `{{ args.input }}` for it."""
    return document.kind == "agent" and document.node.get("input") is None


def _holes(text: str) -> frozenset[str] | None:
    try:
        return frozenset(piece.name for piece in parse_url(text) if isinstance(piece, Hole))
    except TemplateSyntax:
        return None  # has its own finding


def _arguments(text: str) -> frozenset[str] | None:
    if "{{" not in text and "{%" not in text:
        return frozenset()
    template = template_of(text)
    return None if template is None or template.uses_all_args else template.args


# -- the project as a whole


def unlisted_tools(catalog: Catalog) -> Iterator[Diagnostic]:
    """Where agents list tools. A folder of tools that stands apart from the agents may serve other projects."""
    agents = list(catalog.agents.values())
    entries = [entry for agent in agents for entry in _listed(agent)]
    misread = any(one.code in _UNREAD for agent in agents for one in agent.diagnostics)
    misread |= any(True for agent in agents for _ in unknown_tools(catalog, agent))
    if not entries or misread or catalog.unread or not all(document.complete for document in catalog.documents()):
        return
    used = _listed_tools(catalog) | _extended(catalog) | _stubbed_tools(catalog) | _set_aside(catalog)
    unused = {
        name: tool for name, tool in catalog.tools.items() if name not in used and not _is_in_a_set(tool, entries)
    }
    for name, tool in unused.items():
        if not _is_shared(catalog, tool):
            help = "list it in `tools` of an agent, or remove it"
            yield Diagnostic("AR420", "info", f"no agent lists the tool `{name}`", name_place(tool.node), help)


def _is_shared(catalog: Catalog, document: Document) -> bool:
    """Whether a document stands in a folder apart from the agents: it may be there for other projects."""
    home = PurePosixPath(document.path).parent.parent
    return bool(catalog.agents) and all(
        PurePosixPath(one.path).parent.parent != home for one in catalog.agents.values()
    )


def _listed(agent: Document) -> list[str]:
    return [str(entry.content) for entry in items(agent.node.get("tools"))]


def _listed_tools(catalog: Catalog) -> set[str]:
    return {tool.name for agent in catalog.agents.values() for tool in catalog.tools_of(agent)}


def _extended(catalog: Catalog) -> set[str]:
    return {base for document in catalog.documents() if document.kind == "tool" for base in document.bases}


def _set_aside(catalog: Catalog) -> set[str]:
    """What comments of agents name, such as `# - get_weather`: it is left out on purpose."""
    texts = [catalog.texts.get(agent.path, "") for agent in catalog.agents.values()]
    return {name for text in texts for comment in _COMMENT.findall(text) for name in _NAME.findall(comment)}


def _stubbed_tools(catalog: Catalog) -> set[str]:
    return {name for test in catalog.tests for name, _, _ in stubs_of(test)}


def _is_in_a_set(tool: Document, entries: list[str]) -> bool:
    """Whether an agent lists members of this set of tools: those are known online only."""
    is_set = tool.node.get("mcp") is not None or tool.node.get("openapi") is not None
    return is_set and any(entry.startswith(f"{tool.name}_") for entry in entries)


def unextended_bases(catalog: Catalog) -> Iterator[Diagnostic]:
    documents = list(catalog.documents())
    if catalog.unread or not all(one.complete and not misspelt(one.node, "extends") for one in documents):
        return
    extended = {(document.kind, base) for document in documents for base in document.bases}
    named = _named(catalog)
    for base in catalog.bases:
        is_used = (base.kind, base.name) in extended or base.name in named
        if not is_used and not _is_shared(catalog, base):
            message = f"no {base.kind} extends the base `{base.name}`"
            help = f"write `extends: {base.name}` where it is meant, or remove it"
            yield Diagnostic("AR421", "info", message, base.node.first_line, help)


def _named(catalog: Catalog) -> set[str]:
    """What lists and references name: a base among them has a finding there."""
    named = {entry for agent in catalog.agents.values() for entry in _listed(agent)}
    called = [document.node.get("agent") for document in catalog.documents() if document.kind in ("tool", "test")]
    return named | {str(node.content) for node in called if node is not None}


RULES = (unplaced_parameters, unused_parameters_of_agents)
WHOLE_RULES = (unlisted_tools, unextended_bases)
