"""`each`: a case of a test file that stands for many, one for each row of values.

Works on nodes, before a test document is checked, so that all else sees plain cases: `{{ each.name }}` is filled in,
and what it gives is judged as if it had been written. Every node keeps its place in the file. What was filled in has no
`source`: no fix can be made of it. An `each` that is no list of rows, and no mapping of lists, is the schema's to tell.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic, Edit, Fix, Span, did_you_mean, nearest, one_of
from agentrun.spec.each_rows import Row, Rows, label, rows_of
from agentrun.spec.nodes import Node, Route
from agentrun.spec.spelling import is_same_word
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
_AS_A_WHOLE = re.compile(r"\beach\b(?!\s*(?:\.\s*\w|\[\s*[\"']))")
_CODE = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)


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
            found += maker.found
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
        self.found: list[Diagnostic] = []
        self.routes: list[Route] = []
        self._told: set[tuple[Span, str]] = set()
        self._templates: dict[int, Template] = {}
        self._keys: dict[tuple[int, str], Template] = {}
        self._changing: set[int] = set()
        self._size = 0

    def cases(self) -> list[Node]:
        """Those that can be made; none where the case has a mistake in all of them."""
        if self.rows.count == 0:
            return self._none("`each` has no values, so that no case is made of it", "write at least one row")
        if self.rows.count > MAX_CASES:
            return self._none(f"`each` makes {self.rows.count:,} cases out of one: {MAX_CASES:,} are the most", None)
        self._look(self.case, ())
        self.bounds.values -= self._size * self.rows.count
        if self.bounds.values < 0:
            return self._none(f"`each` makes more than {MAX_VALUES:,} values of this file", "split the file")
        if self.bounds.templates < 0 or self.bounds.code < 0:
            message = f"more than {MAX_TEMPLATES:,} templates, or {MAX_TEMPLATE_CHARS:,} characters in them"
            self.found.append(Diagnostic("AR205", "error", message, self.rows.place))
            return []
        if self.found:
            return []
        made = [(row, case) for row in self.rows if (case := self._case(row)) is not None]
        self._unused()
        return _named(self.case, self._name_is_filled_in(), made)

    def _none(self, message: str, help: str | None) -> list[Node]:
        self._tell(message, self.rows.place, help)
        return []

    # -- what changes from case to case

    def _look(self, node: Node, route: Route) -> bool:
        """Compile what uses `each`; whether something at a node, or below it, does."""
        self._size += 1
        content = node.content
        changes = False
        if isinstance(content, dict):
            for key, child in content.items():
                if not route and key.startswith("x-"):
                    continue
                template = self._compiled(key, node.keys.get(key, node.span), (*route, key))
                if template is not None:
                    self._keys[id(node), key] = template
                changes |= self._look(child, (*route, key)) | (template is not None)
        elif isinstance(content, list):
            for index, child in enumerate(content):
                changes |= self._look(child, (*route, index))
        elif isinstance(content, str):
            template = self._compiled(content, node.span, route)
            if template is not None:
                self._templates[id(node)] = template
                changes = True
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
            self._tell(f"the template can't be read: {error.message}", place, error.help)
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
            return _node_of(self._value(self._templates[id(node)], node, node.span, row), node.span)
        content: dict[str, Node] = {}
        keys: dict[str, Span] = {**node.keys}
        for key, child in node.content.items():
            name = self._key(node, key, row)
            if name in content:
                self._tell(f"two keys become `{name}`", node.keys[key], "give them names that differ")
                raise _Fails
            content[name] = self._filled(child, row)
            keys[name] = node.keys.get(key, child.span)
        return Node(content, node.span, keys=keys, style=node.style, source=node.source)

    def _key(self, node: Node, key: str, row: Row) -> str:
        template = self._keys.get((id(node), key))
        if template is None:
            return key
        value = self._value(template, None, node.keys[key], row)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def _value(self, template: Template, node: Node | None, place: Span, row: Row) -> Any:
        if time.monotonic() > self.bounds.until or self.bounds.chars < 0:
            self._tell("the values of `each` take too long to fill in, or are too long", self.rows.place, None)
            raise _Fails
        try:
            value = template.value({"each": row.values})
        except UndefinedName as error:
            self._undefined(error, template, node, place, row)
        except TemplateFailure as error:
            self._failed(error, place, row)
        else:
            self.bounds.chars -= len(value) if isinstance(value, str) else 0
            return value
        raise _Fails

    def _undefined(self, error: UndefinedName, template: Template, node: Node | None, place: Span, row: Row) -> None:
        """A value that no row has, or not this one; else what is missing is told by the template itself."""
        asked = sorted(name for owner, name in template.attributes if owner == "each")
        missing = [name for name in asked if name not in row.values]
        unknown = [name for name in missing if name not in self.rows.names]
        others = sorted(template.names - {"each"}) + ["args"] * (bool(template.args) or template.uses_all_args)
        if unknown:
            for name in unknown:
                self._unknown(name, node, place)
        elif missing:
            have = one_of(row.values) if row.values else "nothing"
            self._tell(f"this row of `each` gives no `{missing[0]}`, which the case uses", row.place, f"it has {have}")
        elif others:
            self._tell(f"`{others[0]}` is not known here: a case is filled in from `each` alone", place, None)
        else:
            self._failed(error, place, row)

    def _unknown(self, name: str, node: Node | None, place: Span) -> None:
        known = self.rows.names
        pattern = re.compile(rf"\beach\s*(?:\.\s*|\[\s*[\"'])({re.escape(name)})\b")
        exact = node.find(pattern) if node is not None and node.style != "file" else None
        meant = nearest(name, known)
        fix = None
        if exact is not None and meant is not None:
            fix = Fix(f"write `{meant}`", (Edit(exact, meant),), is_same_word(name, meant))
        help = did_you_mean(name, known, f"its values: {one_of(known)}")
        self._tell(f"`each` has no value `{name}`", exact or place, help, fix)

    def _failed(self, error: TemplateFailure, place: Span, row: Row) -> None:
        """Told for the first row that it fails with."""
        if (place, "fails") not in self._told:
            self._told.add((place, "fails"))
            self._tell(f"the template fails with {label(row.values)}: {error}", place, None)

    def _tell(self, message: str, place: Span, help: str | None, fix: Fix | None = None) -> None:
        if (place, message) not in self._told:
            self._told.add((place, message))
            self.found.append(Diagnostic("AR910", "error", message, place, help, fix=fix))

    # -- the rows as a whole

    def _unused(self) -> None:
        """Where one is misspelt in the case, that is the use of another."""
        templates = [*self._templates.values(), *self._keys.values()]
        if self.found or any(_takes_all(template.source) for template in templates):
            return
        used = {name for template in templates for owner, name in template.attributes if owner == "each"}
        unused = [name for name in self.rows.names if name not in used]
        if unused and len(unused) == len(self.rows.names):
            message, unused = "the case uses no value of `each`: all that it makes are alike", unused[:1]
            help = f"write `{{{{ each.{unused[0]} }}}}` where they differ"
            self.found.append(Diagnostic("AR911", "warning", message, self.rows.place, help))
            return
        for name in unused:
            help = f"write `{{{{ each.{name} }}}}` where the case should have it, or take it out"
            message = f"the case doesn't use the value `{name}` of `each`"
            self.found.append(Diagnostic("AR911", "warning", message, self.rows.names[name], help))

    def _name_is_filled_in(self) -> bool:
        name = self.case.get("name")
        return name is not None and id(name) in self._templates


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


def _takes_all(source: str) -> bool:
    """Whether a template uses `each` otherwise than by a name: `{{ each }}`, `{{ each[name] }}`."""
    return any(_AS_A_WHOLE.search(code) for code in _CODE.findall(source))


def _without_each(case: Node) -> Node:
    return case.like({key: child for key, child in case.content.items() if key != "each"})


def _node_of(value: Any, place: Span) -> Node:
    """A value that was made, with everything in it at one place."""
    if isinstance(value, dict):
        return Node({key: _node_of(one, place) for key, one in value.items()}, place, keys=dict.fromkeys(value, place))
    if isinstance(value, list):
        return Node([_node_of(one, place) for one in value], place)
    return Node(value, place)
