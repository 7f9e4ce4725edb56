"""Where the model's replies of a case come from, who judges it, and what only holds for a real model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agentrun.diagnostics import Diagnostic, Related, nearest
from agentrun.spec.case_types import CaseSpec, TestSpec
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, items, name_place, text_of
from agentrun.spec.rules.case_places import agent_under_test, cases_of, expected, is_live
from agentrun.spec.wording import CASE_MODEL_HELP, shown

# Where the replies of a case come from, and what people write instead.
_MODELS = ("model", "cassette", "live")
_OTHER_MODELS = ("script", "responses", "turns")
_LOCAL = ("scripted", "offline")
# A date, or what a version of three or four digits is: `-2025-04-14`, `-20250929`, `@20250929`, `-0613`, `-002`.
_DATED = re.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{8}|\d{6}|\d{3,4})(?:-v\d+(?::\d+)?)?$")


def cases_without_a_model(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """An agent that plays a script of its own, or needs no service, brings its model along."""
    agent = agent_under_test(catalog, document)
    if agent is None or text_of(agent.node.get("model", "api")) in _LOCAL:
        return
    for_all = _has_model(document.node, TestSpec.__struct_encode_fields__)
    for case in cases_of(document):
        if for_all or _has_model(case, CaseSpec.__struct_encode_fields__):
            continue
        yield Diagnostic("AR909", "error", "the case has no model", name_place(case), CASE_MODEL_HELP)


def _has_model(node: Node, known: Sequence[str]) -> bool:
    """Where one is misspelt, the key has its own finding."""
    written = [found.content for key in _MODELS if (found := node.get(key)) is not None]
    if any(content is not False and content != [] for content in written):
        return True
    strangers = [key for key in node.content if key not in known]
    return any(key in _OTHER_MODELS or nearest(key, _MODELS) for key in strangers)


def several_models(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """In one place at most one: a case may well say it otherwise than its file."""
    for above in (document.node, *cases_of(document)) if document.kind == "test" else ():
        written = [key for key in above.content if key in _MODELS and above.content[key].content is not False]
        if len(written) > 1:
            what = "a test file" if above is document.node else "a case"
            message = f"{what} takes one of model, cassette or live, not both `{written[0]}` and `{written[1]}`"
            yield Diagnostic("AR307", "error", message, above.key_place((written[1],)))


# -- judges


def judges(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for_all = document.node.get("judge", "model") if document.kind == "test" else None
    for one in expected(document):
        judge = one.node.get("judge")
        if judge is None:
            continue
        own = judge.get("model")
        if not is_live(document, one.case):
            message = "nobody judges this case: a judge is asked about a real model's answers only"
            help = "write `live: true`, or expect something of `answer`"
            yield Diagnostic("AR916", "warning", message, one.node.key_place(("judge",)), help)
        elif own is None and for_all is None and document.node.get("judge") is None:
            message = "no model is named that judges"
            help = "write `judge: {model: NAME}` at the top of the file"
            yield Diagnostic("AR916", "error", message, one.node.key_place(("judge",)), help)
        if own is not None:
            yield from _undated(document, own)
    if for_all is not None:
        yield from _undated(document, for_all)


def _undated(document: Document, model: Node) -> Iterator[Diagnostic]:
    """Only of services that exchange what is behind a name: whoever runs a model under an address knows which."""
    name = model.get("name") if model.is_mapping else model
    if name is None or not isinstance(name.content, str) or not name.content or "$" in name.source:
        return
    if model.is_mapping and (text_of(model.get("api")) in _LOCAL or model.get("base_url") is not None):
        return
    if not _DATED.search(name.content):
        message = f"{shown(name.content)} names no dated version: another model may judge tomorrow"
        yield Diagnostic("AR916", "warning", message, name.span, "write a dated name, such as `gpt-4.1-2025-04-14`")


# -- what has no effect


def rates_of_scripts(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A script or cassette passes always or never. One at the top is for those cases that are live."""
    cases = cases_of(document)
    above = [case for case in cases if not is_live(document, case)]
    if cases and len(above) == len(cases):
        above.append(document.node)
    for one in above:
        rate = one.get("pass_rate")
        if rate is not None and type(rate.content) in (int, float) and 0 < rate.content <= 1:
            message = "`pass_rate` has no effect: without a real model each attempt is like the others"
            place = one.key_place(("pass_rate",))
            yield Diagnostic("AR918", "warning", message, place, "it is for cases with `live: true`")


def timeouts_before_the_end(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A script whose own delays are longer than the case may take."""
    for case in cases_of(document):
        script, timeout = case.get("model"), case.get("timeout") or document.node.get("timeout")
        if script is None:
            has_own = any(case.get(key) is not None for key in _MODELS)
            script = None if has_own else document.node.get("model")
        if timeout is None or script is None or type(timeout.content) not in (int, float):
            continue
        delays = [one.get("delay") for one in items(script)]
        waits = sum(one.content for one in delays if one is not None and type(one.content) in (int, float))
        if 0 < timeout.content < waits:
            message = f"the script alone waits for {waits:g} seconds, and the case ends after {timeout.content:g}"
            related = (Related("the script", script.span),)
            yield Diagnostic("AR713", "warning", message, timeout.span, "raise it, or lower a `delay`", related)


RULES = (cases_without_a_model, several_models, judges, rates_of_scripts, timeouts_before_the_end)
