"""What is found wrong with the `each` of a case, while its cases are made."""

from __future__ import annotations

import re
from collections.abc import Collection

from agentrun.diagnostics import MAX_TOLD, Diagnostic, Edit, Fix, Span, did_you_mean, nearest, one_of
from agentrun.spec.each_rows import Row, Rows, label
from agentrun.spec.nodes import Node
from agentrun.spec.spelling import is_same_word
from agentrun.templates import Template, TemplateFailure

_AS_A_WHOLE = re.compile(r"\beach\b(?!\s*(?:\.\s*\w|\[\s*[\"']))")
_CODE = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
# `{{ city }}`, `{{ row.city }}`, `{city}`, `${city}`
_BARE = re.compile(
    r"\{\{\s*(?!(?:args|call|each|run)\b)(?:[A-Za-z_]\w*\s*\.\s*)?([A-Za-z_]\w*)\s*\}\}"
    r"|(?<!\{)\$?\{(?:each\.)?([A-Za-z_]\w*)\}"
)


class Told:
    """The findings of one `each`, each of them once."""

    def __init__(self, rows: Rows) -> None:
        self.found: list[Diagnostic] = []
        self._rows = rows
        self._once: set[tuple[Span, str]] = set()
        self._meant: set[str] = set()
        self._warnings = 0

    def tell(self, message: str, place: Span, help: str | None = None, fix: Fix | None = None) -> None:
        if (place, message) not in self._once and len(self._once) < MAX_TOLD:
            self._once.add((place, message))
            self.found.append(Diagnostic("AR910", "error", message, place, help, fix=fix))

    def bare_names(self, node: Node) -> None:
        """Names of values that stand in another form of template, which nothing fills in: `{{ city }}`, `${city}`."""
        for one in _BARE.finditer(node.content) if "{" in node.content else ():
            name = one[1] or one[2]
            if name not in self._rows.names:
                continue
            exact = node.find(re.compile(re.escape(one[0]))) if node.style != "file" else None
            wanted = f"{{{{ each.{name} }}}}"
            is_plain = exact is not None and node.style in ("'", '"')
            fix = Fix(f"write `{wanted}`", (Edit(exact, wanted),), safe=False) if exact and is_plain else None
            self._meant.add(name)
            self._warn(f"`{one[0]}` is not filled in", exact or node.span, f"write `{wanted}`", fix)

    def undefined(
        self,
        error: TemplateFailure,
        template: Template,
        used: Collection[str],
        node: Node | None,
        place: Span,
        row: Row,
    ) -> None:
        """A value that no row has, or not this one; else what is missing is told by the template itself."""
        asked = sorted(name for owner, name in template.attributes if owner == "each")
        missing = [name for name in asked if name not in row.values]
        unknown = [name for name in missing if name not in self._rows.names]
        others = sorted(template.names - {"each"}) + ["args"] * (bool(template.args) or template.uses_all_args)
        if unknown:
            for name in unknown:
                self._unknown(name, node, place)
        elif missing:
            self._missing(missing[0], used, row)
        elif others:
            help = "write it as a value of `each`"
            self.tell(f"`{others[0]}` is not known here: a case is filled in from `each` alone", place, help)
        else:
            self.failed(error, place, row)

    def _unknown(self, name: str, node: Node | None, place: Span) -> None:
        known = self._rows.names
        pattern = re.compile(rf"\beach\s*(?:\.\s*|\[\s*[\"'])({re.escape(name)})\b")
        exact = node.find(pattern) if node is not None and node.style != "file" else None
        meant = nearest(name, known)
        fix = None
        if exact is not None and meant is not None:
            fix = Fix(f"write `{meant}`", (Edit(exact, meant),), is_same_word(name, meant))
        help = did_you_mean(name, known, f"its values: {one_of(known)}")
        self.tell(f"`each` has no value `{name}`", exact or place, help, fix)

    def _missing(self, name: str, used: Collection[str], row: Row) -> None:
        """Unless it is there under a name that nothing uses."""
        message = f"this row of `each` gives no `{name}`, which the case uses"
        meant = nearest(name, [one for one in row.keys if one not in used])
        if meant is not None:
            self._meant.add(meant)
            fix = Fix(f"write `{name}`", (Edit(row.keys[meant], name),), is_same_word(meant, name))
            self.tell(message, row.keys[meant], f"did you mean `{name}`?", fix)
        else:
            self.tell(message, row.place, f"it has {one_of(row.values) if row.values else 'nothing'}")

    def failed(self, error: TemplateFailure, place: Span, row: Row) -> None:
        """Told for the first row that it fails with."""
        if (place, "fails") not in self._once:
            self._once.add((place, "fails"))
            self.tell(f"the template fails with {label(row.values)}: {error}", place)

    def unused(self, templates: Collection[Template]) -> None:
        """Where one is misspelt in the case, that is the use of another."""
        if (self.found and not self._meant) or any(map(_takes_all, templates)):
            return
        used = names_used(templates) | self._meant
        unused = {name: place for name, place in self._rows.names.items() if name not in used}
        if unused and len(unused) == len(self._rows.names):
            name = next(iter(unused))
            message = "the case uses no value of `each`: all that it makes are alike"
            self._warn(message, self._rows.place, f"write `{{{{ each.{name} }}}}` where they differ")
            return
        for name, place in unused.items():
            help = f"write `{{{{ each.{name} }}}}` where the case should have it, or take it out"
            self._warn(f"the case doesn't use the value `{name}` of `each`", place, help)

    def _warn(self, message: str, place: Span, help: str, fix: Fix | None = None) -> None:
        self._warnings += 1
        if self._warnings > MAX_TOLD:
            return
        self.found.append(Diagnostic("AR911", "warning", message, place, help, fix=fix))


def names_used(templates: Collection[Template]) -> set[str]:
    return {name for template in templates for owner, name in template.attributes if owner == "each"}


def _takes_all(template: Template) -> bool:
    """Whether a template uses `each` otherwise than by a name: `{{ each }}`, `{{ each[name] }}`."""
    return any(_AS_A_WHOLE.search(code) for code in _CODE.findall(template.source))
