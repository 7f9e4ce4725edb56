"""Commands that a model's value can take over."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.guarded import is_guarded_env
from agentrun.spec.known_programs import NO_DOUBLE_DASH
from agentrun.spec.nodes import Node
from agentrun.spec.programs import Use, Word, is_shell, program_name, uses
from agentrun.spec.rules.command_line import Element, elements, free_in
from agentrun.spec.rules.parameters import declared
from agentrun.spec.values import chooses_host, is_free, may_lead_with_dash

_TEMPLATE = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
# A shell that is told to run what a parameter or variable of its holds: by `eval`, another shell, or as a command.
_RUNS_A_VALUE = (
    r"(?a)(?:\b(?:eval|(?:ba|da|k|z)?sh\s+-\w*c)\b[^;&|'\n]{0,400}?|(?:^|[;&|(\n]|\bexec\s|\bthen\s|\bdo\s)[ \t]*\"?)"
    r"\$\{?(?P<name>\w+|[@*])"
)
_CALLS_A_VARIABLE = r"(?a)\b(?:curl|wget|aria2c|lynx|w3m)\b[^;&|\n]{0,400}?[\s\"']\$\{?(?P<name>\w+)"
_ADDRESS_NAME = r"(?i)url|uri|link|address|host|site|page"
_PROGRAM_NAME = r"(?i)code|command|cmd|expr|program|query|script|snippet|source"


# -- AR803 --------------------------------------------------------------------------------------------------


def values_that_become_programs(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    row = elements(document)
    told: set[int | None] = set()
    for use in _uses(row):
        if use.how not in ("text", "program") or use.index in told:
            continue
        finding = _in_stdin(document, use) if use.index is None else _in_element(document, row[use.index], use)
        if finding is not None:
            told.add(use.index)
            yield finding
    yield from _run_by_a_shell(document, row)
    yield from _run_by_a_script(document)


def _uses(row: list[Element]) -> Iterator[Use]:
    yield from uses([element.word for element in row])


def _in_element(document: Document, element: Element, use: Use) -> Diagnostic | None:
    if element.template is None or element.template.literal or (use.index == 0) or not element.free:
        return None  # a program that is no text has AR611
    if _is_meant(document, element.free, whole=element.template.expression):
        return None
    name = element.free[0]
    if use.how == "program":
        message = f"`args.{name}` chooses the program that `{use.program}` runs"
        return _error(
            message, _place(element.node, name), "write the program as text, or list those allowed in an `enum`"
        )
    message = f"`args.{name}` becomes part of a program that {_runner(use.program)} runs"
    return _error(message, _place(element.node, name), _help(use.program, name))


def _in_stdin(document: Document, use: Use) -> Diagnostic | None:
    node = document.node.get("shell", "stdin")
    taken = free_in(document, node)
    if node is None or not taken or _is_meant(document, taken, whole=True):
        return None
    message = f"`args.{taken[0]}` becomes a program that `{use.program}` reads from its standard input"
    return _error(message, _place(node, taken[0]), "run a program of your own, and give it the value to read")


def _run_by_a_shell(document: Document, row: list[Element]) -> Iterator[Diagnostic]:
    """Texts without a template: `sh -c 'eval "$1"' sh VALUE`, and xargs, which puts its input where `{}` stands."""
    for use in _uses(row):
        if use.how != "text" or use.index is None or not row[use.index].word.literal:
            continue
        text = row[use.index].word.text
        for element in _run_by_number(row, use):
            if element.free and not _is_meant(document, element.free, whole=True):
                name = element.free[0]
                message = f"`args.{name}` is run by the shell: its text takes it for a command"
                yield _error(message, _place(element.node, name), 'use it as data, behind a command: `"$1"`, in quotes')
        mark = _replaced_by_xargs(row[: use.index])
        stdin = document.node.get("shell", "stdin")
        taken = free_in(document, stdin)
        if mark and mark in text and stdin is not None and taken:
            message = f"`args.{taken[0]}` becomes part of a program: xargs writes it where `{mark}` stands"
            help = "leave it out of the text, and take it as `$1`: `xargs sh -c '… \"$1\"' sh`"
            yield _error(message, _place(stdin, taken[0]), help)


def _run_by_number(row: list[Element], use: Use) -> list[Element]:
    """The elements behind the text of a shell that it runs as `$1`, `$2`, or as `$@`, which begins with `$1`."""
    at = use.index or 0
    if not row[at].word.literal or not any(is_shell(element.word) for element in row[:at]):
        return []
    names = {found["name"] for found in re.finditer(_RUNS_A_VALUE, row[at].word.text)}
    numbers = {1 if name in ("@", "*") else int(name) for name in names if name.isdecimal() or name in ("@", "*")}
    return [row[at + 1 + number] for number in sorted(numbers) if at + 1 + number < len(row)]


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


def _run_by_a_script(document: Document) -> Iterator[Diagnostic]:
    script, env = document.node.get("shell", "script"), document.node.get("shell", "env")
    if script is None or env is None or not isinstance(script.content, str) or not env.is_mapping:
        return
    run = {found["name"] for found in re.finditer(_RUNS_A_VALUE, script.content)}
    for name, node in env.content.items():
        taken = free_in(document, node)
        if name in run and taken and not is_guarded_env(name) and not _is_meant(document, taken, whole=True):
            message = f"`args.{taken[0]}` is run by the script: it takes `${name}` for a command"
            yield _error(message, _place(node, taken[0]), f'use `"${name}"` as data, in quotes')


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
    return {"ssh": "the shell on the other side", "rsh": "the shell on the other side"}.get(program, f"`{program}`")


def _help(program: str, name: str) -> str:
    value = f'"{{{{ args.{name} }}}}"'
    if program in ("ssh", "rsh"):
        return "hold the parameter to plain characters with a `pattern` or an `enum`, or send it by `stdin`"
    if program in ("watch", "parallel"):
        return "run the command itself, with the value as an element"
    if program.endswith("awk"):
        return f'pass it as a variable: `-v, "{name}={{{{ args.{name} }}}}"`, and read `{name}` in the program'
    if program.endswith("sed"):
        return "write `--sandbox` before it: without, a sed script can run commands (`e`) and write files (`w`)"
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
    used = {use.index for use in _uses(row)}
    run = [element for use in _uses(row) if use.how == "text" for element in _run_by_number(row, use)]
    if any(program_name(element.word) in NO_DOUBLE_DASH for element in row):
        return  # there is nothing better to write
    for index, element in enumerate(row):
        template = element.template
        if (
            index == 0
            or index in used
            or element in run
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
    if behind_option:
        joined = f"{option}={{{{ … }}}}" if option.startswith("--") else f"{option}{{{{ … }}}}"
        return f"write `--` before it; or, if it is the value of `{option}`, both as one element: `'{joined}'`"
    if any(element.word.is_option for element in row[index:]):
        return f"write options first, then `--`, then the values; or give `{name}` a `pattern` such as `^[^-]`"
    return f"write `--` before it, where the program heeds that; or give `{name}` a `pattern` such as `^[^-]`"


# -- AR805 --------------------------------------------------------------------------------------------------


def addresses_from_the_model(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for node, name, program in chosen_addresses(document):
        who = "the script" if program == "script" else f"`{program}`"
        message = f"`args.{name}` chooses whom {who} talks to, and none of the checks of an `http` tool are made"
        if program in ("ssh", "rsh", "scp", "rsync", "sftp", "git"):
            help = "list what is allowed in an `enum`, or hold it to your hosts with a `pattern`"
        else:
            help = 'use an `http` tool with `url: "{url}"` and `hosts`, or hold it to your hosts with a `pattern`'
        yield Diagnostic("AR805", "warning", message, _place(node, name), help)


def chosen_addresses(document: Document) -> Iterator[tuple[Node, str, str]]:
    """Where the model chooses whom a command talks to: the element, the parameter, the program."""
    if document.kind != "tool" or not has_network(document):
        return
    row = elements(document)
    for use in _uses(row):
        if use.index is None or use.how not in ("address", "place"):
            continue
        element = row[use.index]
        hosts = sorted(name for name, schema in element.schemas.items() if chooses_host(schema) and is_free(schema))
        if hosts and (use.how == "address" or "}}:" in str(element.node.content)):
            yield element.node, hosts[0], use.program
    yield from _addresses_in_texts(document, row)


def _addresses_in_texts(document: Document, row: list[Element]) -> Iterator[tuple[Node, str, str]]:
    """`curl "$URL"` in a script, and `curl "$1"` behind `sh -c`."""
    script, env = document.node.get("shell", "script"), document.node.get("shell", "env")
    text = script.content if script is not None and isinstance(script.content, str) else ""
    called = {found["name"] for found in re.finditer(_CALLS_A_VARIABLE, text)}
    for name, node in env.content.items() if called and env is not None and env.is_mapping else ():
        taken = [one for one in free_in(document, node) if chooses_host((declared(document) or {}).get(one, True))]
        if name in called and taken and re.search(_ADDRESS_NAME, name):
            yield node, taken[0], "script"
    for index, element in enumerate(row):
        found = re.search(_CALLS_A_VARIABLE, element.word.text) if element.word.literal else None
        if found is None or not found["name"].isdecimal():
            continue
        at = index + 1 + int(found["name"])
        if at < len(row) and any(re.search(_ADDRESS_NAME, name) for name in row[at].free):
            yield row[at].node, row[at].free[0], "script"


def has_network(document: Document) -> bool:
    """Whether a command can reach anything: a sandbox has no network unless it says so."""
    sandbox = document.node.get("shell", "sandbox")
    if sandbox is None or sandbox.content is False:
        return True
    network = sandbox.get("network") if sandbox.is_mapping else None
    return network is not None and network.content is not False


# -- shared -------------------------------------------------------------------------------------------------


def _place(node: Node, name: str) -> Span:
    """The template that takes an argument."""
    taking = re.compile(
        rf"\{{[{{%](?:(?![}}%]\}}).)*?\bargs\b(?:\.|\[\W{{1,2}})?{re.escape(name)}\b.*?[}}%]\}}", re.DOTALL
    )
    return node.find(taking) or node.find(_TEMPLATE) or node.span


def _error(message: str, place: Span, help: str) -> Diagnostic:
    return Diagnostic("AR803", "error", message, place, help)


RULES = (values_that_become_programs, values_that_become_options, addresses_from_the_model)
