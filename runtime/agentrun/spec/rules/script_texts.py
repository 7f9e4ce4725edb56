"""`shell.script` is verbatim text for a shell: templates in it, and variables that nothing sets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Span
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node
from agentrun.spec.rules.parameters import declared

# Patterns are compiled where they are first used: most projects have few scripts.
_TEMPLATE = r"\{\{-? *(\w+)[^\n{}]*\}\}|\{%[-+]? *\w+ [^\n{}]*?\b(args|run|call)\b *[.\[][^\n{}]*%\}"


def template_in_a_script(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """`{{.Name}}` is a format of docker and its kin, and none of agentrun."""
    script = _script(document)
    names = declared(document) or {}
    for found in re.finditer(_TEMPLATE, script.source) if script is not None else ():
        owner = found.group(1) or found.group(2)
        if script is None or owner not in ("args", "run", "call", *names):
            continue
        message = "no template is read in `shell.script`: the shell gets it as it stands"
        argument = re.search(r"args\W+(\w+)", found.group())
        variable = argument.group(1) if argument else owner
        upper = variable.upper()
        help = f'write `env: {{{upper}: "{{{{ args.{variable} }}}}"}}`, and `"${upper}"` in the script'
        if owner in ("run", "call"):
            help = f"give it to the script by `env`: `{found.group()}` is read there"
        yield Diagnostic("AR517", "error", message, script.part(*found.span()), help)


# What a shell and its environment have of themselves.
_ALWAYS_SET_NAMES = (
    "EUID HOME HOSTNAME IFS LANG LC_ALL LINENO LOGNAME OLDPWD OPTARG OPTIND PATH PPID PWD RANDOM REPLY SECONDS "
    "SHELL SHLVL TERM TMPDIR TZ UID USER"
)
_ALWAYS_SET = frozenset(_ALWAYS_SET_NAMES.split())
_SHELLS = r"#!\s*\S*/(?:env\s+(?:-S\s+)?)?(?:ba|da|k|z)?sh\b"
_VARIABLE = r"\$\{(\w+)\}|\$([A-Za-z_]\w*)"
_PIECES = rf"(?ms)'[^']*'|(\"(?:[^\"\\]|\\.)*\")|\\.|(?:(?<=\s)|^)#[^\n]*|{_VARIABLE}"
_HARD_TO_READ = r"(?m)<<|\beval\b|\bsource\b|^\s*\.\s|\bset -a\b|\bgetopts\b"


def variable_that_nothing_sets(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A parameter's name as a variable of the script, where `env` doesn't pass it. Said only of plain scripts."""
    script = _script(document)
    names = {name.upper(): name for name in declared(document) or {}}
    if script is None or not names or re.search(_HARD_TO_READ, script.source):
        return
    text = script.content
    if text.startswith("#!") and not re.match(_SHELLS, text):
        return
    env = document.node.get("shell", "env")
    given = set(env.content) if env is not None and env.is_mapping else set()
    told: set[str] = set()
    for variable, place in _variables(script):
        if variable.upper() not in names or variable in told | given | _ALWAYS_SET or _is_set_in(text, variable):
            continue
        told.add(variable)
        name = names[variable.upper()]
        message = f"`${variable}` is not set: `env` doesn't give the argument `{name}` to the script"
        near = next((one for one in sorted(given) if one.upper() == variable.upper()), None)
        help = f"`env` has `{near}`" if near else f'write `env: {{{variable}: "{{{{ args.{name} }}}}"}}`'
        yield Diagnostic("AR518", "warning", message, place, help)


def _variables(script: Node) -> Iterator[tuple[str, Span]]:
    """Each variable that the shell fills in. In double quotes a `'` may quote again, as in `"$(awk '…')"`."""
    variable = re.compile(_VARIABLE)
    for piece in re.finditer(_PIECES, script.source):
        quoted = piece.group(1)
        if quoted is None or "'" not in quoted:
            for found in variable.finditer(script.source, *piece.span()) if quoted or piece.group()[0] == "$" else ():
                if script.source[found.start() - 1] != "\\":
                    yield found.group(1) or found.group(2), script.part(*found.span())


def _is_set_in(text: str, variable: str) -> bool:
    by_word = rf"(?:read|local|export|readonly|declare|typeset)\b[^\n;|&]*\b{variable}\b"
    sets = rf"(?:^|[\s;&|(])(?:{variable}\+?=|for {variable}\b|{by_word})"
    return re.search(rf"{sets}|\$\{{{variable}:?=", text) is not None


def _script(document: Document) -> Node | None:
    script = document.node.get("shell", "script") if document.kind == "tool" else None
    return script if script is not None and isinstance(script.content, str) else None


RULES = (template_in_a_script, variable_that_nothing_sets)
