"""Commands that a model's value can take over."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Severity, Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.known_programs import FILTERS, NO_DOUBLE_DASH, REMOTE_SHELLS, RUN_BY_OPTION, SQL, SQL_WITH_COMMANDS
from agentrun.spec.nodes import Node
from agentrun.spec.programs import Use
from agentrun.spec.rules.command_line import Element, elements, free_in, place_of, uses_of
from agentrun.spec.rules.shell_values import STDIN, Landed, landed_values, source_of
from agentrun.spec.values import is_free, may_lead_with_dash
from agentrun.spec.words import Word, is_shell, program_name

_HOLD = "hold what the model writes: by `sandbox: true`, or by `require_approval: always`"
_OR_HOLD = "; or hold it by `sandbox: true` or `require_approval: always`"
_PROGRAM_NAME = r"(?i)code|command|cmd|expr|program|query|script|snippet|source"


# -- AR803 --------------------------------------------------------------------------------------------------


def values_that_become_programs(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    row = elements(document)
    told: set[int | None] = set()
    for use in uses_of(row):
        if use.how not in ("text", "program") or use.index in told:
            continue
        finding = _in_stdin(document, use) if use.index is None else _in_element(document, row[use.index], use)
        if finding is not None:
            told.add(use.index)
            yield finding
    yield from _written_by_xargs(document, row)
    yield from _run_by_a_text(document, row)


def _in_element(document: Document, element: Element, use: Use) -> Diagnostic | None:
    if element.template is None or element.template.literal or (use.index == 0) or not element.free:
        return None  # a program that is no text has AR611
    if _is_meant(document, element.free, whole=element.template.expression):
        return None
    return _finding(use, element.free[0], element.node, whole=element.template.expression)


def _in_stdin(document: Document, use: Use) -> Diagnostic | None:
    node = document.node.get("shell", "stdin")
    taken = free_in(document, node)
    if node is None or not taken or _is_meant(document, taken, whole=True):
        return None
    whole = str(node.content).strip().startswith("{{") and str(node.content).strip().endswith("}}")
    return _finding(use, taken[0], node, whole=whole)


def _finding(use: Use, name: str, node: Node, *, whole: bool) -> Diagnostic | None:
    """`whole`: nothing else stands there, so the model writes the program, and that is what the tool is for."""
    place, program = place_of(node, name), f"`{use.program}`"
    if use.how == "program":
        message = f"`args.{name}` chooses the program that {program} runs"
        help = "write the program as text, or list those allowed in an `enum`"
        return _error(message, place, help + _OR_HOLD if whole else help)
    if whole and use.program in (*SQL, *FILTERS):
        mark = SQL_WITH_COMMANDS.get(use.program)
        message = f"`args.{name}` is a program for {program}, and one can run commands of the system (`{mark}`)"
        help = f"write `-safe` before it, or {_HOLD}" if use.program == "sqlite3" else _HOLD
        return Diagnostic("AR803", "warning", message, place, help) if mark else None
    if use.program in SQL and re.search(r"\|\s*replace\(", node.source):
        return None  # its quotes are doubled
    part = "a program" if whole else "part of a program"
    if use.index is None:
        message = f"`args.{name}` becomes {part} that {program} reads from its standard input"
    else:
        message = f"`args.{name}` becomes part of a program that {_runner(use.program)} runs"
    severity: Severity = "warning" if use.program in FILTERS else "error"
    return Diagnostic("AR803", severity, message, place, _help(use.program, name, whole=whole))


def _written_by_xargs(document: Document, row: list[Element]) -> Iterator[Diagnostic]:
    """xargs puts its input where `{}` stands."""
    stdin = document.node.get("shell", "stdin")
    taken = free_in(document, stdin)
    for use in uses_of(row) if taken and stdin is not None else ():
        mark = _replaced_by_xargs(row[: use.index]) if use.how == "text" and use.index is not None else ""
        if stdin is not None and mark and mark in row[use.index or 0].word.text:
            message = f"`args.{taken[0]}` becomes part of a program: xargs writes it where `{mark}` stands"
            help = "leave it out of the text, and take it as `$1`: `xargs sh -c '… \"$1\"' sh`"
            yield _error(message, place_of(stdin, taken[0]), help)


def _replaced_by_xargs(row: list[Element]) -> str:
    texts = [element.word.text for element in row]
    names = [program_name(element.word) for element in row]
    if "xargs" not in names:
        return ""
    for index, text in enumerate(texts[names.index("xargs") :], names.index("xargs")):
        if text == "-I" and index + 1 < len(texts):
            return texts[index + 1]
        if text.startswith("-I"):
            return text[2:]
        if text in ("-i", "--replace"):
            return "{}"
        if text.startswith("--replace="):
            return text.partition("=")[2]
    return ""


def _run_by_a_text(document: Document, row: list[Element]) -> Iterator[Diagnostic]:
    """Values that come to a shell as data, and are run by its text: `eval "$X"`, `sh -c 'eval "$1"' sh VALUE`."""
    told: set[str] = set()
    for one in landed_values(document, row):
        node, taken = source_of(document, row, one.source)
        if one.source in told or one.how not in ("text", "program") or node is None or not taken:
            continue
        if _is_meant(document, taken, whole=True):
            continue
        finding = _in_a_text(one, taken[0], node)
        if finding is not None:
            told.add(one.source)
            yield finding


def _in_a_text(one: Landed, name: str, node: Node) -> Diagnostic | None:
    if one.source == STDIN or (one.program != "eval" and not is_shell(Word(one.program, True))):
        return _finding(Use(None if one.source == STDIN else 1, one.program, one.how), name, node, whole=one.whole)
    if one.source.isdecimal():
        message = f"`args.{name}` is run by the shell: its text takes it for a command"
        help = f'use it as data, behind a command: `"$1"`, in quotes{_OR_HOLD}'
        return _error(message, place_of(node, name), help)
    message = f"`args.{name}` is run by the script: it takes `${one.source}` for a command"
    help = f'give it to a command of yours as an argument, in quotes: `grep -- "${one.source}" notes`{_OR_HOLD}'
    return _error(message, place_of(node, name), help)


def _is_meant(document: Document, taken: list[str], *, whole: bool) -> bool:
    """Whether running what the model writes is what the tool is for, and its author has said how it is held.

    That is an interpreter in a sandbox, or one where a person sees each call before it is made.
    """
    approval, sandbox = document.node.get("require_approval"), document.node.get("shell", "sandbox")
    is_held = (approval is not None and approval.content == "always") or (
        sandbox is not None and sandbox.content is not False
    )
    return is_held and len(taken) == 1 and (whole or re.search(_PROGRAM_NAME, taken[0]) is not None)


def _runner(program: str) -> str:
    return "the shell on the other side" if program in REMOTE_SHELLS else f"`{program}`"


def _help(program: str, name: str, *, whole: bool) -> str:
    value = f'"{{{{ args.{name} }}}}"'
    if program in REMOTE_SHELLS:
        otherwise = "; or hold it by `require_approval: always`" if whole else ""
        return f"hold the parameter to plain characters with a `pattern` or an `enum`, or send it by `stdin`{otherwise}"
    if program in ("watch", "parallel"):
        return "run the command itself, with the value as an element"
    if program.endswith("awk"):
        return f'pass it as a variable: `-v, "{name}={{{{ args.{name} }}}}"`, and read `{name}` in the program'
    if program.endswith("sed"):
        return "write `--sandbox` before it: without, a sed script can run commands (`e`) and write files (`w`)"
    if program in FILTERS:
        return f"pass it as a variable: `--arg, {name}, {value}`, and read `${name}` in the program"
    if program == "psql":
        return f"pass it as a variable: `-v, '{name}={{{{ args.{name} }}}}', -f, query.sql`, with `:'{name}'` there"
    if program in SQL:
        return "hold the parameter to plain characters with a `pattern` or an `enum`"
    if program in RUN_BY_OPTION:
        return "write the command as text, or list those allowed in an `enum`"
    if whole:
        return f"if that is meant, {_HOLD}"
    if program.startswith(("python", "pypy")):
        return f"pass it as an argument, which is data: `-c, 'import sys; … sys.argv[1] …', {value}`"
    if is_shell(Word(program, True)):
        return f"pass it as an argument, which is data: `-c, '… \"$1\" …', {program}, {value}`"
    return "pass it as an argument behind the program, or by `stdin` or `env`: there it is data"


# -- AR804 --------------------------------------------------------------------------------------------------


def values_that_become_options(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """The runtime refuses such a value: the hint is about calls that fail."""
    row = elements(document)
    if not row:
        return
    used = {use.index for use in uses_of(row)}
    run = {one.source for one in landed_values(document, row)}
    if any(program_name(element.word) in NO_DOUBLE_DASH for element in row):
        return  # there is nothing better to write
    for index, element in enumerate(row):
        template = element.template
        if (
            index == 0
            or index in used
            or str(index) in run
            or element.over
            or template is None
            or template.literal
            or not template.leads
        ):
            continue
        behind_option = row[index - 1].word.literal and row[index - 1].word.is_option
        leading = [
            name
            for name, schema in element.schemas.items()
            if may_lead_with_dash(schema) and not (behind_option and not is_free(schema))
        ]
        if element.word.text or not leading:
            continue
        name = sorted(leading)[0]
        message = f"a value of `{name}` that begins with `-` is refused: it could be taken for an option"
        help = _double_dash(row, index, name, behind_option=behind_option)
        yield Diagnostic("AR804", "info", message, element.node.span, help)


def _double_dash(row: list[Element], index: int, name: str, *, behind_option: bool) -> str:
    option = row[index - 1].word.text
    if behind_option and (option.startswith("--") or len(option) == 2):
        joined = f"{option}={{{{ … }}}}" if option.startswith("--") else f"{option}{{{{ … }}}}"
        return f"as the value of `{option}`, write both as one element: `'{joined}'`; otherwise `--` before it"
    if any(element.word.is_option for element in row[index:]):
        return f"write options first, then `--`, then the values; or give `{name}` a `pattern` such as `^[^-]`"
    return f"write `--` before it, where the program heeds that; or give `{name}` a `pattern` such as `^[^-]`"


def _error(message: str, place: Span, help: str) -> Diagnostic:
    return Diagnostic("AR803", "error", message, place, help)


RULES = (values_that_become_programs, values_that_become_options)
