"""What a test file says without effect: expectations that hold whatever happens, and what something else overrules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from agentrun.diagnostics import Diagnostic, Related, Severity, Span, did_you_mean, nearest, one_of
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import rename_key
from agentrun.spec.nodes import Node, items, members, text_of, texts
from agentrun.spec.rules.case_places import (
    ORDERED,
    Expected,
    agent_under_test,
    calls_in,
    cases_of,
    expected,
    sound_cases,
    texts_listed,
    values_in,
)
from agentrun.spec.rules.permissions import MAX_RULES, covers
from agentrun.spec.spelling import is_same_word
from agentrun.templates import template_of

_COUNTS = ("turns", "tokens", "cost_usd", "latency")
_TEXTS = ("contains", "icontains", "starts_with", "ends_with", "matches")
_USAGE: dict[str, tuple[str, ...]] = {
    "input_tokens": ("prompt_tokens", "input", "prompt"),
    "output_tokens": ("completion_tokens", "output", "completion"),
    "total_tokens": ("total", "tokens"),
    "cached_tokens": ("cached", "cache_read_input_tokens"),
}
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)")
_VALUES = ("answer", "system_prompt", "result", "not")
_HELP = "write what is expected, or leave it out"


def expectations_that_always_hold(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    sound = {id(case) for case in sound_cases(document)}
    for one in expected(document):
        if id(one.case) not in sound:
            continue
        if not one.node.content and not one.node.keys:
            message = "nothing is expected here but that the run ends with an answer"
            yield _finding(message, one.node.span, _HELP, severity="info")
        for above, key in _said(one):
            if key in above.content and _always_holds(key, above.content[key]):
                what = "the count of " if above is one.node.get("calls", "count") else ""
                yield _finding(f"{what}`{key}` holds whatever happens", above.key_place((key,)), _HELP)
        for value in values_in(one):
            empty = next(iter(value.keys), None)
            if empty is not None and not value.content and not _is_filled_in(catalog, value.keys[empty]):
                help = "of data, `schema: {type: 'null'}` says that it is null" if empty == "equals" else _HELP
                yield _finding(f"`{empty}` has no value, and says nothing", value.keys[empty], help)


def _is_filled_in(catalog: Catalog, key: Span) -> bool:
    """Whether `each` may give the value of a key, and no value in this row."""
    lines = catalog.texts.get(key.file, "").split("\n")
    return "{{" in "".join(lines[key.line - 1 : key.line])


def _said(one: Expected) -> Iterator[tuple[Node, str]]:
    """Whatever may be empty, by the mapping that it stands in."""
    calls = one.node.get("calls")
    yield from ((one.node, key) for key in (*_COUNTS, *_VALUES[:2]))
    if calls is not None and calls.is_mapping:
        yield one.node, "calls"
        yield from ((calls, key) for key in (*ORDERED[1:], "never", "same_turn", "count"))
        counts = calls.get("count")
        yield from ((counts, name) for name in members(counts) if counts is not None)
    for call in calls_in(one):
        if call.node is not None:
            yield from ((call.node, key) for key in ("count", "where", "result"))
    for value in values_in(one):
        yield from ((value, key) for key in (*_TEXTS, "length", "where", "not"))


def _always_holds(key: str, node: Node) -> bool:
    if node.is_mapping:
        least = node.get("at_least")
        is_all = least is not None and type(least.content) in (int, float) and least.content <= 0
        return not (node.content or node.keys) or (
            is_all and node.content.keys() == {"at_least"} and key not in _VALUES
        )
    if node.is_list:
        is_alone = key == "same_turn" and len(node.content) == 1
        return key != "calls" and (not node.content or is_alone or (key in _TEXTS and "" in texts(node)))
    return key in _TEXTS and node.content == ""


def approvals_that_are_refused(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """`refuse` is asked first, that of the file too. That a case refuses what its file approves is well meant."""
    for above in (document.node, *cases_of(document)) if document.kind == "test" else ():
        refused = [*_refused(document.node), *(_refused(above) if above is not document.node else ())]
        for node in islice(texts_listed(above.get("approve")), MAX_RULES):
            other = next((span for pattern, span in refused[:MAX_RULES] if covers(pattern, node.content)), None)
            if other is not None:
                message = f"`approve` has no effect for `{node.content}`: `refuse` says no before it"
                yield _finding(message, node.span, "write one of them", Related("refused here", other))


def _refused(above: Node) -> list[tuple[str, Span]]:
    refuse = above.get("refuse")
    listed = [(node.content, node.span) for node in texts_listed(refuse)]
    return listed + [(name, above.key_place(("refuse", name))) for name in members(refuse)]


def inputs_of_conversations(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """The message of an agent without parameters of its own, where the case has messages."""
    agent = agent_under_test(catalog, document)
    if agent is None or not agent.complete or agent.node.get("parameters") is not None:
        return
    prompt = agent.node.get("system_prompt")
    template = template_of(text_of(prompt))
    if prompt is not None and (template is None or template.uses_all_args or "input" in template.args):
        return
    for case in cases_of(document):
        if items(case.get("conversation")) and case.get("args", "input") is not None:
            message = "`input` is not used: the `conversation` has what the user says"
            yield _finding(message, case.key_place(("args", "input")), "leave it out, or write it as a message")


def files_of_conversations(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """What goes with `input` goes with no message of a conversation."""
    for case in cases_of(document):
        if items(case.get("conversation")) and items(case.get("attach")):
            message = "`attach` of the case is not used: the `conversation` has what the user says"
            yield _finding(message, case.key_place(("attach",)), "write it beside the `user` message that it goes with")


def other_usage(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Counts of a turn under names that nothing reads, such as those of OpenAI's API."""
    for above in (document.node, *cases_of(document)) if document.kind == "test" else ():
        for turn in items(above.get("model")):
            for name in members(turn.get("usage")).keys() - _USAGE.keys():
                place = turn.key_place(("usage", name))
                meant = next((key for key, others in _USAGE.items() if name in others), None)
                fix = rename_key(catalog.texts, place, name, meant, safe=True) if meant else None
                help = f"write `{meant}`" if meant else f"it has {one_of(_USAGE)}"
                yield Diagnostic("AR918", "warning", f"nothing reads `{name}` of `usage`", place, help, fix=fix)


def misspelt_variables(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A program or a function may read any variable: only one that is nearly known is told."""
    written = members(document.node.get("env"))
    tests = {one.path for one in catalog.tests}
    written_files = [text for path, text in catalog.texts.items() if path not in tests] if written else []
    used = {name for text in written_files for name in _VARIABLE.findall(text)}
    for name in written:
        meant = nearest(name, used - written.keys()) if name not in used else None
        if meant is not None:
            place = document.node.key_place(("env", name))
            fix = rename_key(catalog.texts, place, name, meant, safe=is_same_word(name, meant))
            message = f"no file of an agent or a tool uses the variable `{name}`"
            yield Diagnostic("AR918", "warning", message, place, did_you_mean(name, [meant]), fix=fix)


def _finding(
    message: str, place: Span, help: str, related: Related | None = None, severity: Severity = "warning"
) -> Diagnostic:
    return Diagnostic("AR918", severity, message, place, help, (related,) if related else ())


RULES = (
    expectations_that_always_hold,
    approvals_that_are_refused,
    inputs_of_conversations,
    files_of_conversations,
    other_usage,
    misspelt_variables,
)
