"""Fixes inside texts that hold templates: each use of a name, and nothing of the texts in quotes beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from agentrun.diagnostics import Edit, Fix
from agentrun.spec.edits import is_as_written, replace_parts
from agentrun.spec.lines import quotes_for
from agentrun.spec.nodes import Node
from agentrun.spec.spelling import is_same_word

_OPENING = re.compile(r"\{[{%#]")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
# Texts inside a template, as they look in the quotes that YAML has around it.
_STRINGS = {
    '"': r"\\\"(?:(?!\\\").)*\\\"|'(?:[^'\\]|\\[^\"])*'",
    "'": r"''(?:(?!'').)*''|\"(?:[^\"\\]|\\.)*\"",
}
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"


def rename_in_template(node: Node, name: str, new: str, *, safe: bool) -> Fix | None:
    """A name written anew wherever the templates of a text use it; of `args.x` it is the `x`."""
    owner, _, last = name.rpartition(".")
    if not all(part.isidentifier() for part in new.split(".")):
        return None
    if owner:
        before = rf"(?<![\w.]){re.escape(owner)}\s*"
        wanted = rf"{before}\.\s*({re.escape(last)})(?!\w)|{before}\[\W{{1,2}}({re.escape(last)})\W{{1,2}}\]"
    else:
        wanted = rf"(?<![\w.])({re.escape(last)})(?!\w|\s*=(?!=))()"
    pattern = re.compile(rf"{wanted}|{_STRINGS.get(node.style, _STRING)}", re.DOTALL)
    uses = (
        found.span(1 if found.group(1) else 2)
        for kind, start, end in blocks(node.source)
        if kind != "{#"
        for found in pattern.finditer(node.source, start, end)
        if found.group(1) or found.group(2)
    )
    title = f"write `{owner}.{new}`" if owner else f"write `{new}`"
    return replace_parts(node, ((use, new) for use in uses), title, safe=safe)


def blocks(source: str) -> Iterator[tuple[str, int, int]]:
    """Each `{{ }}`, `{% %}` and `{# #}`, by how it opens, up to one that is never closed."""
    at = 0
    while opening := _OPENING.search(source, at):
        at = source.find(_CLOSING[opening.group()], opening.end()) + 2
        if at == 1:
            return
        yield opening.group(), opening.start(), at


def make_expression(node: Node) -> Fix | None:
    """`{{ }}` around a text, and quotes where it has none."""
    mark = "" if node.style else quotes_for(node.source)
    if mark is None or not is_as_written(node):
        return None
    start, end = len(node.style), len(node.source) - len(node.style)
    edits = (Edit(node.part(start, start), f"{mark}{{{{ "), Edit(node.part(end, end), f" }}}}{mark}"))
    return Fix("write it as `{{ }}`", edits, safe=False)


def only_the_template(node: Node) -> Fix | None:
    """The one `{{ }}` of a text without what stands around it. Safe where that is space."""
    found = list(blocks(node.source))
    if len(found) != 1 or found[0][0] != "{{" or not is_as_written(node):
        return None
    start, end = len(node.style), len(node.source) - len(node.style)
    around = ((start, found[0][1]), (found[0][2], end))
    edits = tuple(Edit(node.part(*one), "") for one in around if one[0] < one[1])
    is_blank = not any(node.source[first:last].strip() for first, last in around)
    return Fix("take out what stands around the `{{ }}`", edits, safe=is_blank) if edits else None


_DOUBLE = re.compile(r"\{\{ *(?:args\.)?([A-Za-z_]\w*) *\}\}")
_SINGLE = re.compile(r"(?<![{$])\{\+?([A-Za-z0-9_ -]{1,64})\}(?!\})")


def as_holes(node: Node, declared: Iterable[str]) -> Fix | None:
    """Each `{{ args.x }}` of a url as `{x}`, and `{order id}` as `{order_id}`, where these are parameters.

    A url that is nothing else needs `hosts` then: it is not written without being asked.
    """
    known = frozenset(declared)
    double = list(_DOUBLE.finditer(node.source))
    if any(found.group(1) not in known for found in double):
        return None
    parts = [(found.span(), f"{{{found.group(1)}}}") for found in double]
    for found in _SINGLE.finditer(node.source):
        meant = [name for name in known if is_same_word(name, found.group(1))]
        if found.group(1) not in known and len(meant) == 1:
            parts.append((found.span(1), meant[0]))
    is_whole = len(parts) == 1 and parts[0][0] == (len(node.style), len(node.source) - len(node.style))
    return replace_parts(node, parts, "write `{name}`", safe=not is_whole)
