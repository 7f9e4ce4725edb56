"""JSON data whose texts are templates: compiled once, rendered to data again for each call.

Nothing is templated as text and parsed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentrun.errors import ToolFailure
from agentrun.templates import Absent, Template, TemplateFailure, compile_template

Shape = Any  # JSON data whose texts are compiled templates


def compile_data(data: Any) -> Shape:
    if isinstance(data, str):
        return compile_template(data)
    if isinstance(data, Mapping):
        return {name: compile_data(value) for name, value in data.items()}
    if isinstance(data, list):
        return [compile_data(item) for item in data]
    return data


def templates_of(shape: Shape) -> Iterator[Template]:
    if isinstance(shape, Template):
        yield shape
    elif isinstance(shape, (dict, list)):
        for below in shape.values() if isinstance(shape, dict) else shape:
            yield from templates_of(below)


def render(place: str, shape: Shape, variables: Mapping[str, Any]) -> Any:
    """Plain data again. A member or element that uses an absent argument is dropped, and nothing around it.

    Raises `Absent` where the whole is one absent argument, and `ToolFailure`, which names the `place`.
    """
    try:
        return _render(shape, variables)
    except TemplateFailure as error:
        raise ToolFailure("invalid_arguments", f"{place}: {error}") from None


def _render(shape: Shape, variables: Mapping[str, Any]) -> Any:
    if isinstance(shape, Template):
        return shape.value(variables)
    if isinstance(shape, dict):
        return dict(_present(shape.items(), variables))
    if isinstance(shape, list):
        return [value for _, value in _present(enumerate(shape), variables)]
    return shape


def _present(members: Iterable[tuple[Any, Shape]], variables: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    for name, shape in members:
        try:
            value = _render(shape, variables)
        except Absent:
            continue
        yield name, value
