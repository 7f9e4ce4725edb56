"""`each`: a case of a test file that stands for many, one for each row of values.

Works on nodes, before a test document is checked, so that all else sees plain cases: `{{ each.name }}` is filled in,
and what it gives is judged as if it had been written. Every node keeps its place in the file: `{{ each.name }}` alone
is the value of the row, where that stands; what else was filled in has no `source`, so that no fix can be made of it.
An `each` that is no list of rows, and no mapping of lists, is the schema's to tell; `each_told.py` tells the rest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic, Span
from agentrun.spec.each_rows import Row, Rows, label, rows_of
from agentrun.spec.each_told import Told, names_used
from agentrun.spec.nodes import Node, Route
from agentrun.spec.schema import JsonSchema, accepts, branch_for, branches, member_schema
from agentrun.templates import (
    MAX_TEMPLATE_CHARS,
    MAX_TEMPLATES,
    Template,
    TemplateFailure,
    TemplateSyntax,
    UndefinedName,
    code_chars,
    compile_template,
    to_text,
)

MAX_CASES = 1_000  # out of one
MAX_VALUES = 100_000  # in all cases that are made of a file
MAX_CHARS = 4_194_304  # that are filled in
MAX_SECONDS = 5.0  # for all of a file
USES_EACH = re.compile(r"\{[{%](?:(?![%}]\}).)*?\beach\b", re.DOTALL)
_ALONE = re.compile(r"\{\{\s*each\.([A-Za-z_]\w*)\s*\}\}")


class Expanded(msgspec.Struct, frozen=True):
    """A test document in which no case has `each`.

    `origins` tells for each case which one it was as written; empty where nothing changed. `unknown` are the routes of
    values that could not be made: with one, the document is not complete.
    """

    node: Node
    found: list[Diagnostic] = []
    origins: tuple[int, ...] = ()
    unknown: frozenset[Route] = frozenset()

    def as_written(self, one: Diagnostic) -> Diagnostic:
        """A finding that counts cases as the file does: `cases[2]` is the third that was written."""
        if not self.origins:
            return one
        return msgspec.structs.replace(one, message=_CASE.sub(self._written, one.message))

    def _written(self, found: re.Match[str]) -> str:
        index = int(found.group(1))
        return f"`cases[{self.origins[index]}]" if index < len(self.origins) else found.group()


_CASE = re.compile(r"`cases\[(\d+)\]")


def expanded(document: Node) -> Expanded:
    cases = document.get("cases")
    if cases is None or not cases.is_list or not any(one.get("each") is not None for one in cases.content):
        return Expanded(document)
    bounds = _Bounds()
    made: list[Node] = []
    origins: list[int] = []
    found: list[Diagnostic] = []
    unknown: set[Route] = set()
    for index, case in enumerate(cases.content):
        rows = rows_of(case)
        if rows is None:
            own = [case]
        else:
            maker = _Maker(case, rows, bounds)
            own = maker.cases()
            found += maker.told.found
            if not own:
                unknown |= {("cases", len(made), *route) for route in maker.routes} | {("cases", len(made), "each")}
                own = [_without_each(case)]
        made += own
        origins += [index] * len(own)
    node = document.like({**document.content, "cases": cases.like(made)})
    return Expanded(node, found, tuple(origins), frozenset(unknown))


class _Bounds:
    """What is left of what one file may take."""

    def __init__(self) -> None:
        self.values = MAX_VALUES
        self.chars = MAX_CHARS
        self.templates = MAX_TEMPLATES
        self.code = MAX_TEMPLATE_CHARS
        self.until = time.monotonic() + MAX_SECONDS


class _Fails(Exception):
    """A row of which no case can be made: its finding is told."""


class _Maker:
    """Makes the cases of one that has `each`."""

    def __init__(self, case: Node, rows: Rows, bounds: _Bounds) -> None:
        self.case = _without_each(case)
        self.rows = rows
        self.bounds = bounds
        self.told = Told(rows)
        self.routes: list[Route] = []
        self._templates: dict[int, Template] = {}
        self._keys: dict[tuple[int, str], Template] = {}
        self._changing: set[int] = set()
        self._texts: set[int] = set()
        self._sizes: dict[int, int] = {}
        self._size = 0

    def cases(self) -> list[Node]:
        """Those that can be made; none where the case has a mistake in all of them."""
        if self.rows.count == 0:
            return self._none("`each` has no values, so that no case is made of it", "write at least one row")
        if self.rows.count > MAX_CASES:
            return self._none(f"`each` makes {self.rows.count:,} cases out of one: {MAX_CASES:,} are the most", None)
        self._look(self.case, (), {"$ref": "#/$defs/CaseSpec"})
        self.bounds.values -= self._size * self.rows.count
        if self.bounds.values < 0:
            return self._none(_TOO_MANY, "split the file")
        if self.bounds.templates < 0 or self.bounds.code < 0:
            message = f"more than {MAX_TEMPLATES:,} templates, or {MAX_TEMPLATE_CHARS:,} characters in them"
            self.told.found.append(Diagnostic("AR205", "error", message, self.rows.place))
            return []
        if any(one.severity == "error" for one in self.told.found):
            return []
        made = [(row, case) for row in self.rows if (case := self._case(row)) is not None]
        self.told.unused(self._all_templates())
        return _named(self.case, self._name_is_filled_in(), made)

    def _none(self, message: str, help: str | None) -> list[Node]:
        self.told.tell(message, self.rows.place, help)
        return []

    # -- what changes from case to case

    def _look(self, node: Node, route: Route, schema: JsonSchema) -> bool:
        """Compile what uses `each`; whether something at a node, or below it, does."""
        self._size += 1
        content = node.content
        changes = False
        if isinstance(content, dict):
            branch = branch_for("test", schema, content) or {}
            for key, child in content.items():
                if not route and key.startswith("x-"):
                    continue
                template = self._compiled(key, node.keys.get(key, node.span), (*route, key))
                if template is not None:
                    self._keys[id(node), key] = template
                below = self._look(child, (*route, key), member_schema(branch, key))
                changes |= below or template is not None
        elif isinstance(content, list):
            items = (branch_for("test", schema, content) or {}).get("items", {})
            for index, child in enumerate(content):
                changes |= self._look(child, (*route, index), items)
        elif isinstance(content, str):
            self.told.bare_names(node)
            template = self._compiled(content, node.span, route)
            if template is not None:
                self._templates[id(node)] = template
                changes = True
                if _is_for_text(schema):
                    self._texts.add(id(node))
        if changes:
            self._changing.add(id(node))
        return changes

    def _compiled(self, text: str, place: Span, route: Route) -> Template | None:
        if "each" not in text or USES_EACH.search(text) is None:
            return None
        self.bounds.templates -= 1
        self.bounds.code -= code_chars(text)
        if self.bounds.templates < 0 or self.bounds.code < 0:
            return None
        self.routes.append(route)
        try:
            template = compile_template(text)
        except TemplateSyntax as error:
            self.told.tell(f"the template can't be read: {error.message}", place, error.help)
            return None
        return template if "each" in template.names else None

    # -- one case

    def _case(self, row: Row) -> Node | None:
        try:
            return self._filled(self.case, row)
        except _Fails:
            return None

    def _filled(self, node: Node, row: Row) -> Node:
        if id(node) not in self._changing:
            return node
        if isinstance(node.content, list):
            return node.like([self._filled(child, row) for child in node.content])
        if not isinstance(node.content, dict):
            return self._value_node(node, row)
        content: dict[str, Node] = {}
        keys: dict[str, Span] = {**node.keys}
        for key, child in node.content.items():
            name = self._key(node, key, row)
            if name in content:
                self.told.tell(f"two keys become `{name}`", node.keys[key], "give them names that differ")
                raise _Fails
            content[name] = self._filled(child, row)
            keys[name] = node.keys.get(key, child.span)
        return Node(content, node.span, keys=keys, style=node.style, source=node.source)

    def _key(self, node: Node, key: str, row: Row) -> str:
        template = self._keys.get((id(node), key))
        return key if template is None else to_text(self._value(template, None, node.keys[key], row))

    def _value_node(self, node: Node, row: Row) -> Node:
        """A number, or true or false, becomes a text where only a text may stand."""
        alone = _ALONE.fullmatch(node.content)
        written = row.nodes.get(alone[1]) if alone is not None else None
        if written is None:
            made = _node_of(self._value(self._templates[id(node)], node, node.span, row), node.span)
        else:
            made = written
            self.bounds.values -= self._size_of(written)
        if self.bounds.values < 0:
            self.told.tell(_TOO_MANY, self.rows.place, "split the file")
            raise _Fails
        if id(node) in self._texts and isinstance(made.content, (bool, int, float)):
            return Node(to_text(made.content), made.span)
        return made

    def _size_of(self, node: Node) -> int:
        if id(node) not in self._sizes:
            self._sizes[id(node)] = sum(1 for _ in node.walk()) - 1
        return self._sizes[id(node)]

    def _value(self, template: Template, node: Node | None, place: Span, row: Row) -> Any:
        if time.monotonic() > self.bounds.until or self.bounds.chars < 0:
            self.told.tell("the values of `each` take too long to fill in, or are too long", self.rows.place)
            raise _Fails
        try:
            value = template.value({"each": row.values})
        except UndefinedName as error:
            self.told.undefined(error, template, names_used(self._all_templates()), node, place, row)
        except TemplateFailure as error:
            self.told.failed(error, place, row)
        else:
            self.bounds.chars -= len(value) if isinstance(value, str) else 0
            return value
        raise _Fails

    def _all_templates(self) -> list[Template]:
        return [*self._templates.values(), *self._keys.values()]

    def _name_is_filled_in(self) -> bool:
        name = self.case.get("name")
        return name is not None and id(name) in self._templates


_TOO_MANY = f"`each` makes more than {MAX_VALUES:,} values of this file"


def _is_for_text(schema: JsonSchema) -> bool:
    """Whether a text may stand at a place, and no number, true or false."""
    options = list(branches("test", schema))
    others = ("number", "integer", "boolean")
    return any(accepts(one, "string") for one in options) and not any(
        accepts(one, other) for one in options for other in others
    )


def _named(case: Node, is_filled_in: bool, made: Sequence[tuple[Row, Node]]) -> list[Node]:
    """The cases with their values behind the name, where it has none of them: `sells [city=Oslo, n=1]`."""
    name = case.get("name")
    if name is None or not isinstance(name.content, str):
        return [one for _, one in made]
    if is_filled_in:
        return [_with_name(one, to_text(one.content["name"].content), name.span) for _, one in made]
    labels = [label(row.values) for row, _ in made]
    seen: dict[str, int] = {}
    named = []
    for text, (_, one) in zip(labels, made, strict=True):
        seen[text] = seen.get(text, 0) + 1
        more = f" #{seen[text]}" if seen[text] > 1 else ""
        named.append(_with_name(one, f"{name.content} {text}{more}", name.span))
    return named


def _with_name(case: Node, name: str, place: Span) -> Node:
    return case.like({**case.content, "name": Node(name, place)})


def _without_each(case: Node) -> Node:
    return case.like({key: child for key, child in case.content.items() if key != "each"})


def _node_of(value: Any, place: Span) -> Node:
    """A value that was made, with everything in it at one place."""
    if isinstance(value, dict):
        return Node({key: _node_of(one, place) for key, one in value.items()}, place, keys=dict.fromkeys(value, place))
    if isinstance(value, list):
        return Node([_node_of(one, place) for one in value], place)
    return Node(value, place)
