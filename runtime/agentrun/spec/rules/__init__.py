"""Checks across documents, one family a file. A rule reads a document's data and speaks in routes.

Each rule is a function (catalog, document) -> findings, entered in `RULES`. A rule may meet data that the schema
already refused: it says nothing about what it can't read.
"""

from __future__ import annotations

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog
from agentrun.spec.rules import agents, parameters, references, strict, templates, tools

RULES = (*references.RULES, *parameters.RULES, *strict.RULES, *templates.RULES, *tools.RULES, *agents.RULES)


def cross_check(catalog: Catalog) -> dict[int, list[Diagnostic]]:
    """The findings of all rules, by `id` of the document they are about."""
    return {
        id(document): [found for rule in RULES for found in rule(catalog, document)]
        for document in catalog.documents()
        if document.complete and not document.is_base and document.node.is_mapping
    }
