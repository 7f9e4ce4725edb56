"""What a project defines: its documents by kind and name, each merged with its bases and checked by itself.

`build` takes raw documents and gives a `Catalog`; the rules in `rules/` then look across documents. Reading files is
`reading.py`'s, `extends` that of `bases.py`; nothing here touches the disk or the environment.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic, Related, Span
from agentrun.spec.bases import Bases, Merged, Unread
from agentrun.spec.check import check, misplaced
from agentrun.spec.each import Expanded, expanded
from agentrun.spec.edits import Texts
from agentrun.spec.nodes import Node, Route, items, name_place, text_of, texts
from agentrun.spec.schema import Kind, Marked, branch_for, schema_of
from agentrun.spec.shape import shape
from agentrun.spec.strangers import is_meant, is_openai_form
from agentrun.spec.types import BACKENDS, NAME_PATTERN
from agentrun.spec.wording import NAME_HELP
from agentrun.templates import MAX_TEMPLATE_CHARS, MAX_TEMPLATES, code_chars

_UNSET = ("AR509", "AR510", "AR513")
ADDRESS_VARIABLES = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL")


class RawDocument(msgspec.Struct, frozen=True):
    """A document as it was read. `path` is what findings show; `name` is the stem or the `name` key."""

    kind: Kind
    path: str
    name: str
    node: Node

    @property
    def is_base(self) -> bool:
        return self.name.startswith("_")


class Document(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A document merged with its bases. `node` is shaped: `x-*` and null taken out, `${VAR}` filled in.

    `spec` is None where the schema found an error. `inline` are the tools written in an agent's list, by index;
    `bases` the names that `extends` went through; `unknown` the routes of values that an unset variable leaves open.
    Where a base is missing, or there is too much, the document is not `complete`, and little can be said about it.
    `scalars` are those of `node`, each with what holds at its place: many rules look at all of them.
    """

    kind: Kind
    path: str
    name: str
    node: Node
    spec: Any
    diagnostics: list[Diagnostic]
    secrets: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    inline: dict[int, Document] = {}
    bases: tuple[str, ...] = ()
    unknown: frozenset[Route] = frozenset()
    complete: bool = True
    scalars: list[Marked] = []

    @property
    def is_base(self) -> bool:
        return self.name.startswith("_")

    @property
    def is_set(self) -> bool:
        """Whether a tool stands for many: those of a server, or the operations of a document."""
        return self.kind == "tool" and (self.node.get("mcp") is not None or self.node.get("openapi") is not None)

    @property
    def called_agent(self) -> str | None:
        """The name of the agent that a tool runs."""
        return text_of(self.node.get("agent")) if self.kind == "tool" else None

    @property
    def data(self) -> Any:
        return self.node.data()

    @cached_property
    def texts(self) -> list[tuple[Route, Node]]:
        """Every text of the document, those below unknown keys too, with its route."""
        return [(route, node) for route, node in self.node.walk() if isinstance(node.content, str)]


class Catalog(msgspec.Struct, frozen=True, eq=False):
    """All documents of a project. Bases are apart: they are used through `extends` only.

    `unread` are names that files define which could not be read; `texts` the files as they were read, by path;
    `addresses` those of model services that the environment names, by variable;
    `members` are the functions of sets whose members are known; `listed` remembers what `tools_of` gave, and
    `following` to what each document leads by itself.
    """

    agents: dict[str, Document]
    tools: dict[str, Document]
    tests: list[Document]
    bases: list[Document]
    diagnostics: list[Diagnostic]
    unread: Unread = frozenset()
    texts: Texts = {}
    addresses: dict[str, str] = {}
    members: dict[Document, tuple[str, ...]] = {}
    listed: dict[Document, list[Document]] = {}
    following: dict[Document, list[Document]] = {}

    def documents(self) -> Iterator[Document]:
        for document in [*self.agents.values(), *self.tools.values(), *self.tests, *self.bases]:
            yield document
            yield from document.inline.values()

    def may_be_unread(self, kind: Kind, pattern: str) -> bool:
        """Whether a name or glob may stand for what a file holds that could not be read."""
        return any(one == kind and fnmatch.fnmatchcase(name, pattern) for one, name in self.unread)

    def may_need(self, documents: Iterable[Document], names: Collection[tuple[Kind, str]]) -> bool:
        """Whether one of these names may be what a document uses and the project seems not to have."""
        return any(self._may_need(document, names) for document in documents)

    def _may_need(self, document: Document, names: Collection[tuple[Kind, str]]) -> bool:
        if not document.complete:  # a base is missing
            return any(kind == document.kind for kind, _ in names)
        tools = [] if document.kind != "agent" else texts(document.node.get("tools"))
        called = {text_of(document.node.get("agent")), *texts(document.node.get("handoffs"))}
        return any(
            any(fnmatch.fnmatchcase(name, one) for one in tools if is_glob(one) or one not in self.tools)
            if kind == "tool"
            else kind == "agent" and name in called - self.agents.keys()
            for kind, name in names
        )

    def matching(self, pattern: str) -> list[Document]:
        """The tools that a name or glob of an agent's list stands for, by name."""
        if is_glob(pattern):
            return [self.tools[name] for name in sorted(self.tools) if fnmatch.fnmatchcase(name, pattern)]
        return [self.tools[pattern]] if pattern in self.tools else []

    def tools_of(self, agent: Document) -> list[Document]:
        """The tools of an agent in the order of its list, each name once; a name wins over a glob."""
        found = self.listed.get(agent)
        if found is None:
            found = self.listed[agent] = self._named_by(agent)
        return found

    def set_of(self, pattern: str) -> Document | None:
        """The set whose members' names begin as a name or glob does; of several the one with the longest name."""
        found = [one for one in self.tools.values() if one.is_set and pattern.startswith(f"{one.name}_")]
        return max(found, key=lambda one: len(one.name), default=None)

    def may_be_a_member(self, pattern: str) -> bool:
        """Whether a name or glob stands for members of a set, or for what can't be known."""
        found = self.set_of(pattern)
        known = self.members.get(found) if found is not None else None
        return found is not None and (known is None or any(fnmatch.fnmatchcase(one, pattern) for one in known))

    def members_near(self, pattern: str) -> tuple[str, ...]:
        """The functions of the set among which a name or glob looks, where they are known."""
        found = self.set_of(pattern)
        return self.members.get(found, ()) if found is not None else ()

    def wanted_of(self, agent: Document, tool_set: Document) -> tuple[str, ...]:
        """Names and globs of the members that an agent's list takes of a set; `*` where it takes the set whole."""
        wanted: list[str] = []
        for index, entry in enumerate(items(agent.node.get("tools"))):
            own, name = agent.inline.get(index), str(entry.content)
            if own is tool_set or (own is None and tool_set in self.matching(name)):
                return ("*",)
            if own is None and self._member_set(name) is tool_set:
                wanted.append(name)
        return tuple(wanted)

    def _member_set(self, name: str) -> Document | None:
        """The set of which a name or glob of a list means members."""
        return None if self.matching(name) else self.set_of(name)

    def reached(self, start: Document) -> list[Document]:
        """A document and what a run of it leads to: tools of agents, agents behind tools, those handed over to."""
        seen: dict[Document, None] = {}
        waiting = [start]
        while waiting:
            document = waiting.pop()
            if document not in seen:
                seen[document] = None
                waiting += self._leads_to(document)
        return list(seen)

    def _leads_to(self, document: Document) -> list[Document]:
        found = self.following.get(document)
        if found is None:
            tools = self.tools_of(document) if document.kind == "agent" else []
            called = (document.called_agent, *texts(document.node.get("handoffs")))
            found = [*tools, *(self.agents[name] for name in called if name in self.agents)]
            self.following[document] = found
        return found

    def _named_by(self, agent: Document) -> list[Document]:
        chosen: dict[str, Document] = {}
        listed = items(agent.node.get("tools"))
        named = {str(entry.content): agent.inline.get(index) for index, entry in enumerate(listed)}
        for index, entry in enumerate(listed):
            name = str(entry.content)
            found = [agent.inline[index]] if index in agent.inline else self.matching(name)
            if not found and (tool_set := self.set_of(name)) is not None:
                found = [tool_set]
            for tool in found:
                chosen.setdefault(tool.name, named.get(tool.name) or tool)
        return list(chosen.values())


def is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def build(
    raw: Iterable[RawDocument],
    environ: Mapping[str, str],
    unread: Unread = frozenset(),
    texts: Texts = MappingProxyType({}),
) -> Catalog:
    """`texts` are the files of the documents, by path: what fixes need to see."""
    return _Builder(environ, unread, texts).build(list(raw))


class _Builder:
    def __init__(self, environ: Mapping[str, str], unread: Unread, texts: Texts) -> None:
        self.environ = environ
        self.unread = unread
        self.texts = texts
        self.found: list[Diagnostic] = []
        self.by_kind: dict[Kind, dict[str, RawDocument]] = {"agent": {}, "tool": {}, "test": {}}
        self.bases = Bases({}, unread)

    def build(self, raw: list[RawDocument]) -> Catalog:
        tests: list[RawDocument] = []
        for document in raw:
            if not document.is_base and (found := misplaced(document.kind, document.node)) is not None:
                self.found.append(found)
                self.unread |= {("agent", document.name), ("tool", document.name)}
                continue
            if document.kind == "test" and PurePath(document.path).name.startswith("_"):
                self.found.append(_base_of_tests(document))
                continue
            if document.kind == "test":
                tests.append(document)
                continue
            first = self.by_kind[document.kind].setdefault(document.name, document)
            if first is not document:
                self._duplicate(first, document)
        nodes = {kind: {name: one.node for name, one in own.items()} for kind, own in self.by_kind.items()}
        self.bases = Bases(nodes, self.unread)
        agents = {name: self.document(one) for name, one in self.by_kind["agent"].items()}
        tools = {name: self.document(one) for name, one in self.by_kind["tool"].items()}
        bases = [one for one in [*agents.values(), *tools.values()] if one.is_base]
        return Catalog(
            {name: one for name, one in agents.items() if not one.is_base},
            {name: one for name, one in tools.items() if not one.is_base},
            [self.document(one) for one in tests],
            bases,
            self.found,
            self.unread,
            self.texts,
            {name: self.environ[name] for name in ADDRESS_VARIABLES if name in self.environ},
        )

    def _duplicate(self, first: RawDocument, second: RawDocument) -> None:
        related = Related("first defined here", name_place(first.node))
        message = f"two {second.kind}s are called `{second.name}`"
        place = name_place(second.node)
        self.found.append(Diagnostic("AR406", "error", message, place, "rename one of them", (related,)))

    def document(self, raw: RawDocument) -> Document:
        merged = self.bases.extended(raw.kind, raw.name, raw.node)
        inline: dict[int, Document] = {}
        if raw.kind == "agent":
            node = self._take_out_inline_tools(raw, merged.node, inline)
            merged = msgspec.structs.replace(merged, node=node)
        return self._checked(raw.kind, raw.path, raw.name, merged, inline)

    def _checked(self, kind: Kind, path: str, name: str, merged: Merged, inline: dict[int, Document]) -> Document:
        is_base = name.startswith("_")
        made = expanded(merged.node) if kind == "test" else Expanded(merged.node)
        node, found = made.node, [*merged.found, *made.found]
        if not re.fullmatch(NAME_PATTERN, name) and node.is_mapping and node.get("name") is None and kind != "test":
            message = f"the file's stem is no name: `{name}`"
            found.append(_error("AR306", message, node.first_line, f"{NAME_HELP}; rename it, or write `name:`"))
        shaped = shape(kind, node, self.environ)
        is_complete = merged.complete
        if not made.origins and (excess := _too_many_templates(shaped.scalars)) is not None:
            found.append(excess)
            is_complete = False
        found += [one for one in shaped.diagnostics if not (is_base and one.code in _UNSET)]
        shaped = msgspec.structs.replace(shaped, unknown=shaped.unknown | made.unknown)
        spec, violations = check(kind, shaped, partial=is_base or not is_complete, texts=self.texts)
        found += [made.as_written(one) for one in violations]
        is_complete = is_complete and not made.unknown
        return Document(
            kind,
            path,
            name,
            shaped.node,
            spec if is_complete and not (is_base or violations) else None,
            found,
            secrets=shaped.secrets,
            variables=shaped.variables,
            inline=inline,
            bases=merged.bases,
            unknown=shaped.unknown,
            complete=is_complete,
            scalars=shaped.scalars,
        )

    def _take_out_inline_tools(self, raw: RawDocument, agent: Node, inline: dict[int, Document]) -> Node:
        """Tools written in the list become documents of their own; their names take their place."""
        entries = agent.get("tools")
        if entries is None or not entries.is_list:
            return agent
        names: list[Node] = []
        for index, entry in enumerate(entries.content):
            if entry.is_mapping:
                inline[index] = self._inline(raw, entry)
                names.append(Node(inline[index].name, entry.span))
            else:
                names.append(entry)
        tools = Node(names, entries.span)
        return Node({**agent.content, "tools": tools}, agent.span, keys=agent.keys)

    def _inline(self, raw: RawDocument, entry: Node) -> Document:
        misread = self._meant_as_a_name(raw, entry)
        if misread is not None:
            return misread
        own = text_of(entry.get("name")) or text_of(entry.get("extends")) or text_of(entry.get("agent"))
        name = own or f"{raw.name}-tool"
        document = self._checked("tool", raw.path, name, self.bases.extended("tool", "", entry), {})
        if own is None and not _is_named_wrongly(entry):
            message = "an inline tool needs a `name`"
            document.diagnostics.append(Diagnostic("AR302", "error", message, entry.span))
        return document

    def _meant_as_a_name(self, raw: RawDocument, entry: Node) -> Document | None:
        """An entry that defines nothing, and names a tool: `refund:`, `name: refund`, `tool: refund`."""
        written = [key for key in entry.content if not key.startswith("x-")]
        if not written or any(key in entry.content for key in ("extends", *BACKENDS)):
            return None
        name, key = text_of(entry.get("name")), written[0]
        pointed = text_of(entry.get("tool"))
        if name in self.by_kind["tool"]:
            message = f"this defines a tool `{name}` without a backend"
            alone = f"to list the tool write its name alone: `- {name}`"
            help = alone if len(written) == 1 else f"to change the tool here write `extends: {name}`"
            found = _error("AR307", message, entry.content["name"].span, help)
        elif key in self.by_kind["tool"] and len(written) == 1:
            alone = f"write `- {key}`, without a colon"
            help = alone if entry.content[key].content is None else f"to change the tool here write `extends: {key}`"
            name, found = key, _error("AR301", f"unknown key `{key}`", entry.keys[key], help)
        elif pointed is not None:
            alone = f"write its name alone: `- {pointed}`"
            help = alone if len(written) == 1 else f"to change the tool here write `extends: {pointed}`"
            name, found = pointed, _error("AR301", "unknown key `tool`", entry.keys["tool"], help)
        else:
            return None
        return Document("tool", raw.path, str(name), entry, None, [found], complete=False)


def _base_of_tests(document: RawDocument) -> Diagnostic:
    name = PurePath(document.path).name
    message = f"`{name}` is not read: `_` begins the name of a base, and test files have none"
    return _error("AR105", message, Span(document.path, 1, 1, 1, 1), "rename it")


def _is_named_wrongly(entry: Node) -> bool:
    """Whether an unknown key of an inline tool, which has its own finding, was meant to name it."""
    data, schema = entry.data(), branch_for("tool", schema_of("tool"), entry.content) or {}
    return is_openai_form(data) or is_meant("tool", schema, data, ("name", "extends", "agent"))


def _too_many_templates(scalars: list[Marked]) -> Diagnostic | None:
    """What takes too long to compile, told at the text with which it is too much."""
    chars = templates = 0
    for _, node, _ in scalars:
        if isinstance(node.content, str) and (more := code_chars(node.content)):
            chars += more
            templates += 1
            if chars > MAX_TEMPLATE_CHARS or templates > MAX_TEMPLATES:
                message = f"more than {MAX_TEMPLATES:,} templates, or {MAX_TEMPLATE_CHARS:,} characters in them"
                return _error("AR205", message, node.span)
    return None


def _error(code: str, message: str, place: Span, help: str | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, place, help)
