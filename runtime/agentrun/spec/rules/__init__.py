"""Checks across documents, one family a file. A rule reads a document's data and speaks in routes.

Each rule is a function (catalog, document) -> findings, entered in `RULES`, or in `TEST_RULES` where it is about test
files alone; one that looks at the project as a whole is a function (catalog) -> findings in `WHOLE_RULES`. A rule may
meet data that the schema already refused: it says nothing about what it can't read. What a code means, with an example
that has it and one that mends it, stands in `explain/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from agentrun.diagnostics import MAX_TOLD, Diagnostic
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.rules import (
    addresses,
    agent_trees,
    agents,
    case_arguments,
    case_effects,
    case_models,
    case_outcomes,
    case_requests,
    case_stubs,
    case_tools,
    case_values,
    cases,
    commands,
    credentials,
    descriptions,
    exposure,
    handoffs,
    model_settings,
    models,
    names,
    parameters,
    permissions,
    references,
    schema_words,
    schemas,
    script_texts,
    scripts,
    sets,
    strict,
    templates,
    timeouts,
    tool_search,
    tools,
    traps,
    unused,
    wishes,
    written_credentials,
)

RULES = (
    *references.RULES,
    *parameters.RULES,
    *schemas.RULES,
    *schema_words.RULES,
    *descriptions.RULES,
    *strict.RULES,
    *templates.RULES,
    *wishes.RULES,
    *script_texts.RULES,
    *tools.RULES,
    *sets.RULES,
    *commands.RULES,
    *addresses.RULES,
    *credentials.RULES,
    *written_credentials.RULES,
    *agents.RULES,
    *agent_trees.RULES,
    *handoffs.RULES,
    *models.RULES,
    *tool_search.RULES,
    *model_settings.RULES,
    *timeouts.RULES,
    *names.RULES,
    *permissions.RULES,
    *exposure.RULES,
    *scripts.RULES,
    *traps.RULES,
    *unused.RULES,
)
TEST_RULES = (
    *cases.RULES,
    *case_tools.RULES,
    *case_stubs.RULES,
    *case_arguments.RULES,
    *case_values.RULES,
    *case_requests.RULES,
    *case_models.RULES,
    *case_outcomes.RULES,
    *case_effects.RULES,
)
WHOLE_RULES = unused.WHOLE_RULES


def cross_check(catalog: Catalog) -> dict[Document, list[Diagnostic]]:
    """The findings of all rules, by the document they are about.

    What a rule finds in one document is bounded: who has that many mends these first, and a file that was made to
    have as many as it can takes no longer for it.
    """
    return {
        document: _checked(catalog, document)
        for document in catalog.documents()
        if document.complete and not document.is_base and document.node.is_mapping
    }


def _checked(catalog: Catalog, document: Document) -> list[Diagnostic]:
    if document.kind != "test":
        return [found for rule in RULES for found in islice(rule(catalog, document), MAX_TOLD)]
    rules = (*RULES, *TEST_RULES)
    return [found for rule in rules for found in islice(_once(rule(catalog, document)), MAX_TOLD)]


def _once(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """What is found in each case that one with `each` makes, only in the first of them."""
    told = set()
    for one in found:
        key = (one.code, one.span, one.message)
        if key not in told:
            told.add(key)
            yield one


def check_whole(catalog: Catalog) -> list[Diagnostic]:
    """The findings that hold of the project as a whole."""
    return [found for rule in WHOLE_RULES for found in rule(catalog)]
