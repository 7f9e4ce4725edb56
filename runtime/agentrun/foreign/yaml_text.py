"""Data of others as YAML of this language, in the house layout: what is written loads as the same data.

Knows how a document looks, and how a text is written that is no template and names no variable; not what it is about.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from agentrun.cassettes.yaml_text import WIDTH, dump
from agentrun.layout import lay_out
from agentrun.spec.nodes import Route
from agentrun.spec.schema import Kind
from agentrun.spec.types import BACKENDS
from agentrun.templates import quote_jinja
from agentrun.visible import in_a_line

_VARIABLE = re.compile(r"\$(?=[${\r])|(?<=\$)\$")  # a carriage return may become a template
_LAST = re.compile(r"(?<!\$)\$\Z")
_JINJA = re.compile(r"\{[{%#]")
_ESCAPED = re.compile(r"\{[{%#]|\{(?=\r)|\r")
_LINE_ENDS = re.compile(r"[ \t]+(?=\n|\Z)")
_SILENCES = re.compile(r"(agentrun|yaml-language-server)[ \t]*:", re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")


def yaml_document(
    data: Mapping[str, Any],
    *,
    path: str = "",
    comments: Sequence[str] = (),
    beside: Mapping[Route, Sequence[str]] = MappingProxyType({}),
) -> str:
    """One document as `agentrun fmt` leaves it. `path` is the file's, such as `agents/x.yaml`: it says of what kind
    the document is. `comments` stand before it, one or more lines each; `beside` has comments for the items of lists
    of scalars, by the list's route; an empty one is none.
    """
    sound: dict[str, Any] = _sound(data)
    text = _with_items(sound, beside) if beside else dump(sound)
    head = "".join(f"{line}\n" for one in comments for line in comment_lines(one))
    return _laid_out(kind_of_file(path, sound), head + text)


def yaml_documents(several: Iterable[str]) -> str:
    """Documents of one file."""
    return "---\n".join(several)


def comment_lines(text: str) -> Iterator[str]:
    """A text as a comment, however it came here: it silences no finding and tells no editor anything."""
    for line in text.splitlines() or [""]:
        told = _SILENCES.sub(r"\1 -", in_a_line(_SURROGATES.sub("\ufffd", line))).rstrip()
        yield f"# {told}" if told else "#"


def kind_of_file(path: str, data: Any) -> Kind:
    """What a document is: by its folder, else by its keys."""
    folders: dict[str, Kind] = {"agents": "agent", "tools.d": "tool", "tests": "test"}
    for part in path.split("/")[:-1]:
        if part in folders:
            return folders[part]
    keys = set(data) if isinstance(data, Mapping) else set()
    if "cases" in keys:
        return "test"
    return "agent" if "model" in keys and not keys & set(BACKENDS) else "tool"


# -- texts that are what they say -----------------------------------------------------------------------------


def prose(text: str) -> str:
    """A text for people and models, whose line ends are plain and have no blanks before them."""
    return _LINE_ENDS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def without_variables(text: str) -> str:
    """A text where `${VAR}` is read: it names no variable."""
    return _VARIABLE.sub("$$", text)


def data_without_variables(value: Any) -> Any:
    """Data of a field that `${VAR}` is read in: its texts name none."""
    if isinstance(value, str):
        return without_variables(value)
    if isinstance(value, Mapping):
        return {key: data_without_variables(child) for key, child in value.items()}
    if isinstance(value, list):
        return [data_without_variables(child) for child in value]
    return value


def before_brace(text: str) -> str:
    """A piece without variables that a hole or template follows: a `$` at its end would join its brace."""
    return _LAST.sub("$$", text)


def without_templates(text: str) -> str:
    """A text where `{{ }}` is read: it is no template. Jinja takes a carriage return for a line end."""
    if not _JINJA.search(text):
        return text
    if _ESCAPED.fullmatch(text.strip()):
        return quote_jinja(text)  # space beside one `{{ }}` would count for nothing
    return _ESCAPED.sub(lambda found: "{{ '\\r' }}" if found[0] == "\r" else f"{{{{ '{found[0]}' }}}}", text)


def before_template(text: str) -> str:
    """The same of a piece that a `{{ }}` follows: a brace at its end would join it."""
    made = without_templates(text)
    return f"{made[:-1]}{{{{ '{{' }}}}" if made.endswith("{") else made


def literal(text: str) -> str:
    """A text where both are read."""
    return without_templates(without_variables(text))


# -- the document ---------------------------------------------------------------------------------------------


def _laid_out(kind: Kind, text: str) -> str:
    return lay_out(kind, "", text.encode()).content.decode()


def _sound(value: Any) -> Any:
    """The data as a file can hold it: keys are texts, and half a surrogate pair is no character."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_sound(str(key)): _sound(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sound(child) for child in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number that a file can hold")
    return value


def _with_items(data: Any, beside: Mapping[Route, Sequence[str]]) -> str:
    """The document, and the lists that have comments an item a line: what is as long as a line has one to itself."""
    stand_ins: dict[str, tuple[str, str]] = {}
    told = _stood_in(data, (), beside, stand_ins)
    lines: list[str] = []
    for line in dump(told).splitlines(keepends=True):
        indent, dash, rest = line.partition("- ")
        if dash and rest.rstrip("\n") in stand_ins:
            item, comment = stand_ins[rest.rstrip("\n")]
            lines += _item(item, comment, indent)
        else:
            lines.append(line)
    return "".join(lines)


def _stood_in(value: Any, route: Route, beside: Mapping[Route, Sequence[str]], made: dict[str, tuple[str, str]]) -> Any:
    """The data with a text of its own, which nobody else has, in the place of each item."""
    if isinstance(value, dict):
        return {key: _stood_in(child, (*route, key), beside, made) for key, child in value.items()}
    if not isinstance(value, list):
        return value
    comments = beside.get(route, ())
    if not any(comments):
        return [_stood_in(child, (*route, index), beside, made) for index, child in enumerate(value)]
    names = []
    for index, child in enumerate(value):
        names.append(f"item_{len(made)}_{secrets.token_hex(WIDTH // 2)}")
        made[names[-1]] = (child, comments[index] if index < len(comments) else "")
    return names


def _item(value: Any, comment: str, indent: str) -> Iterator[str]:
    """A comment stands behind an item of one line, and above one of several."""
    lines = dump([value]).splitlines(keepends=True)
    told = " ".join(comment_lines(" ".join(comment.split()))) if comment else ""
    if told and len(lines) == 1:
        lines = [f"{lines[0].rstrip()}  {told}\n"]
    elif told:
        lines = [f"{told}\n", *lines]
    yield from (f"{indent}{line}" if line.strip() else line for line in lines)
