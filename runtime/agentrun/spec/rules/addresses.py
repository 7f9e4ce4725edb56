"""Addresses that a model chooses for a command, past the checks of an `http` tool."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node
from agentrun.spec.rules.command_line import Element, elements, place_of, uses_of
from agentrun.spec.rules.parameters import declared
from agentrun.spec.rules.shell_values import landed_values, source_of
from agentrun.spec.values import chooses_host, is_free


def addresses_from_the_model(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for node, name, program in chosen_addresses(document):
        who = "the script" if program == "script" else f"`{program}`"
        message = f"`args.{name}` chooses whom {who} talks to, and none of the checks of an `http` tool are made"
        if program in ("ssh", "rsh", "scp", "rsync", "sftp", "git"):
            help = "list what is allowed in an `enum`, or hold it to your hosts with a `pattern`"
        else:
            help = 'use an `http` tool with `url: "{url}"` and `hosts`, or hold it to your hosts with a `pattern`'
        yield Diagnostic("AR805", "warning", message, place_of(node, name), help)


def chosen_addresses(document: Document) -> Iterator[tuple[Node, str, str]]:
    """Where the model chooses whom a command talks to: the element, the parameter, the program."""
    if document.kind != "tool" or not has_network(document):
        return
    row = elements(document)
    for use in uses_of(row):
        if use.index is None or use.how not in ("address", "place"):
            continue
        element = row[use.index]
        hosts = sorted(name for name, schema in element.schemas.items() if chooses_host(schema) and is_free(schema))
        if hosts and (use.how == "address" or "}}:" in str(element.node.content)):
            yield element.node, hosts[0], use.program
    yield from _addresses_in_texts(document, row)


def _addresses_in_texts(document: Document, row: list[Element]) -> Iterator[tuple[Node, str, str]]:
    """`curl "$URL"` in a script, and `curl "$1"` behind `sh -c`."""
    properties = declared(document) or {}
    told: set[str] = set()
    for one in landed_values(document, row):
        node, taken = source_of(document, row, one.source)
        hosts = [name for name in taken if chooses_host(properties.get(name, True))]
        if one.how == "address" and one.source not in told and node is not None and hosts:
            told.add(one.source)
            yield node, hosts[0], "script"


def has_network(document: Document) -> bool:
    """Whether a command can reach anything: a sandbox has no network unless it says so."""
    sandbox = document.node.get("shell", "sandbox")
    if sandbox is None or sandbox.content is False:
        return True
    network = sandbox.get("network") if sandbox.is_mapping else None
    return network is not None and network.content is not False


RULES = (addresses_from_the_model,)
