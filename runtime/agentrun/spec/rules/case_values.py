"""What test cases say of values: patterns, schemas, JMESPath expressions and bounds that can hold for something."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from agentrun.diagnostics import Diagnostic, Related, Span, counted, did_you_mean
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node, members
from agentrun.spec.rules.case_places import calls_in, expected, expected_calls, values_in
from agentrun.spec.schema_problems import problems_of
from agentrun.spec.wording import shown

# A name alone is that member, whatever signs it has, and most expressions are names with dots: these need no parser.
_MEMBER = re.compile(r"[\w-]+")
_NAMES = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
# The children of a JMESPath expression that look at the same data as it does; of all others, only the first does.
_ALL_CHILDREN = frozenset(
    (
        *("and_expression", "comparator", "function_expression", "key_val_pair", "multi_select_dict"),
        *("multi_select_list", "not_expression", "or_expression"),
    )
)


def patterns(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for value in _values(document):
        pattern = value.get("matches")
        problem = _pattern_problem(pattern.content) if pattern is not None else None
        if pattern is not None and problem is not None:
            yield _error("AR908", f"`matches` is no regular expression: {problem}", pattern.span, _help(problem))
        elif pattern is not None and (of_js := _OF_JAVASCRIPT.fullmatch(str(pattern.content))):
            help = f"write it without them: `(?{of_js[2]}){of_js[1]}`" if of_js[2] in ("i", "m", "s") else None
            message = "the slashes and what stands behind them belong to the pattern here"
            yield Diagnostic("AR908", "warning", message, pattern.span, help or "write it without them")


_OF_JAVASCRIPT = re.compile(r"/(.+)/([gimsuy]+)")
_HELP = {
    "unknown extension ?<": "a group is named by `(?P<name>…)`",
    "bad escape \\p": "Python has no `\\p{…}`: write `[^\\W\\d_]` for a letter",
    "global flags": "write the flags first: `(?i)…`",
    "nothing to repeat": "write `\\*`, `\\+` or `\\?` for the sign itself",
    "missing )": "write `\\(` for the sign itself",
    "unbalanced parenthesis": "write `\\)` for the sign itself",
    "unterminated character set": "write `\\[` for the sign itself",
}


def _help(problem: str) -> str | None:
    return next((help for start, help in _HELP.items() if problem.startswith(start)), None)


def _pattern_problem(pattern: Any) -> str | None:
    if not isinstance(pattern, str):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error as error:
        return str(error)
    except (OverflowError, RecursionError):
        return "it is too large"
    return None


def schemas(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for value in _values(document):
        schema = value.get("schema")
        for problem in problems_of(schema.data()) if schema is not None and schema.is_mapping else ():
            yield _error(problem.code, problem.message, value.place(("schema", *problem.route)), problem.help)


def paths(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    above = [*_values(document), *(call.node for call in expected_calls(document) if call.node is not None)]
    for node in above:
        for text in members(node.get("where")):
            problem = path_problem(text)
            if problem is not None:
                place = node.key_place(("where", text))
                yield _error("AR914", f"{shown(text)} is no JMESPath expression: {problem}", place, _path_help(text))


def _path_help(text: str) -> str | None:
    if text.startswith("$"):
        return f"leave `$` out: {shown(text.lstrip('$.'))}"
    if re.search(r"[^=!<>]=[^=]", text):
        return "write `==`"
    if re.search(r"[=<>]\s*\d", text):
        return "a number stands in backquotes: `` `1` ``"
    is_call = re.search(r"\w\(.*\)", text)
    return None if is_call else "join names with `.`; put one with other characters in double quotes"


@lru_cache(maxsize=1024)
def path_problem(text: str) -> str | None:
    """Why a text is no JMESPath expression."""
    if _MEMBER.fullmatch(text) or _NAMES.fullmatch(text):
        return None
    if len(text) > _MAX_PATH_CHARS:
        return f"it is longer than {_MAX_PATH_CHARS:,} characters"
    import jmespath
    from jmespath.exceptions import EmptyExpressionError, IncompleteExpressionError, JMESPathError, ParseError

    try:
        tree = jmespath.compile(text).parsed
    except EmptyExpressionError:
        return "it is empty"
    except IncompleteExpressionError:
        return "it ends too early"
    except ParseError as error:
        return f"`{error.token_value}` can't stand at character {error.lex_position + 1}"
    except JMESPathError as error:
        return str(error).partition("\n")[0]
    except RecursionError:
        return "it is nested too deeply"
    return next(_wrong_functions(tree), None)


_MAX_PATH_CHARS = 4_096


def _wrong_functions(tree: Any) -> Iterator[str]:
    """The parser takes any name for a function, and any number of arguments."""
    from jmespath.functions import Functions

    waiting: list[Any] = [tree]
    while waiting:
        one = waiting.pop()
        children = [child for child in one.get("children", []) if isinstance(child, dict)]
        waiting += children
        if one["type"] != "function_expression":
            continue
        known = Functions.FUNCTION_TABLE.get(one["value"])
        if known is None:
            near = did_you_mean(one["value"], Functions.FUNCTION_TABLE)
            yield f"there is no function `{one['value']}`" + (f" ({near})" if near else "")
            continue
        signature = known["signature"]
        takes_more = bool(signature) and bool(signature[-1].get("variadic"))
        if len(children) < len(signature) or (len(children) > len(signature) and not takes_more):
            least = "at least " if takes_more else ""
            yield f"`{one['value']}` takes {least}{counted(len(signature), 'argument')}, not {len(children)}"


@lru_cache(maxsize=1024)
def names_asked(text: str) -> frozenset[str]:
    """The members of the data itself that a JMESPath expression asks for; none of one that is wrong."""
    if path_problem(text) is not None:
        return frozenset()
    if _MEMBER.fullmatch(text) or _NAMES.fullmatch(text):
        return frozenset({text.partition(".")[0]})
    import jmespath

    names: set[str] = set()
    waiting = [jmespath.compile(text).parsed]
    while waiting:
        one = waiting.pop()
        children = one.get("children", [])
        if one["type"] == "field":
            names.add(one["value"])
        elif one["type"] in _ALL_CHILDREN:
            waiting += [child for child in children if isinstance(child, dict)]
        elif one["type"] not in ("literal", "current", "identity", "expref"):
            waiting += children[:1]
    return frozenset(names)


def bounds(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Two that no number lies between."""
    for node in _bounds_in(document):
        least, most = node.get("at_least"), node.get("at_most")
        if least is None or most is None or not (_is_number(least) and _is_number(most)):
            continue
        if least.content > most.content:
            message = f"nothing is at least {least.content:g} and at most {most.content:g}"
            related = (Related("`at_most`", most.span),)
            yield Diagnostic("AR915", "error", message, least.span, "exchange them, or mend one", related)


def _bounds_in(document: Document) -> Iterator[Node]:
    for one in expected(document):
        found = [one.node.get(key) for key in ("turns", "tokens", "cost_usd", "latency")]
        found += members(one.node.get("calls", "count")).values()
        found += [call.node.get("count") for call in calls_in(one) if call.node is not None]
        for value in values_in(one):
            found += [value, value.get("length")]
        yield from (node for node in found if node is not None and node.is_mapping)


def _values(document: Document) -> Iterator[Node]:
    for one in expected(document):
        yield from values_in(one)


def _is_number(node: Node) -> bool:
    return type(node.content) in (int, float)


def _error(code: str, message: str, place: Span, help: str | None = None) -> Diagnostic:
    return Diagnostic(code, "error", message, place, help)


RULES = (patterns, schemas, paths, bounds)
