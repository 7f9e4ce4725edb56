"""A document that was read: its operations by name, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from agentrun.json_schema import compile_schema
from agentrun.openapi.discriminators import Discriminators
from agentrun.openapi.media import body_of, response_of
from agentrun.openapi.operation import Operation, Schema
from agentrun.openapi.outline import Outline, outlines_of
from agentrun.openapi.parameters import free_name, parameters_of
from agentrun.openapi.placing import fixed_path
from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.prose import joined, one_text
from agentrun.openapi.references import References
from agentrun.openapi.schemas import Schemas
from agentrun.openapi.security import Security
from agentrun.openapi.selection import Selected, selected
from agentrun.openapi.servers import relative_server, server_of


class Unusable(msgspec.Struct, frozen=True):
    """A chosen operation that can't be expressed. `why` is a sentence's end; `where` a JSON pointer in the document."""

    outline: Outline
    why: str
    where: str


class Chosen(msgspec.Struct, frozen=True):
    """What `allowed_tools` choose, in the document's order. `unmatched` are entries that choose no operation."""

    operations: tuple[Operation, ...]
    unusable: tuple[Unusable, ...]
    unmatched: tuple[str, ...]


class ApiDocument:
    """`address` is the URL that the document came from; empty for a file."""

    def __init__(self, root: dict[str, Any], address: str = "") -> None:
        info = root.get("info")
        about: dict[str, Any] = info if isinstance(info, dict) else {}
        self.title = str(about.get("title", ""))
        self.version = str(about.get("version", ""))
        self.address = address
        self._root = root
        self._references = References(root, address)
        families = Discriminators(self._references)
        self._sent = Schemas(self._references, families, "request")
        self._received = Schemas(self._references, families, "response")
        self._security = Security(self._references)
        self._made: dict[str, Operation | OperationProblem] = {}
        self.outlines = outlines_of(self._references)
        self._by_name = {one.name: one for one in self.outlines}

    def select(self, allowed_tools: Iterable[str]) -> Selected:
        """What `allowed_tools` choose, without making it."""
        return selected(self.outlines, allowed_tools)

    def chosen(self, allowed_tools: Iterable[str]) -> Chosen:
        found = self.select(allowed_tools)
        operations, unusable = [], []
        for one in found.outlines:
            try:
                operations.append(self.operation(one.name))
            except OperationProblem as problem:
                unusable.append(Unusable(one, problem.reason, problem.where))
        return Chosen(tuple(operations), tuple(unusable), found.unmatched)

    def operations(self) -> list[Operation]:
        """All that can be expressed, those too that are deprecated."""
        found = []
        for one in self.outlines:
            try:
                found.append(self.operation(one.name))
            except OperationProblem:
                continue
        return found

    def operation(self, name: str) -> Operation:
        """Raises `OperationProblem` where it can't be expressed, `KeyError` where there is none of the name."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._attempt(self._by_name[name])
        if isinstance(made, OperationProblem):
            raise made
        return made

    def _attempt(self, outline: Outline) -> Operation | OperationProblem:
        try:
            made = self._operation(outline)
            compile_schema(made.arguments)
        except OperationProblem as problem:
            return problem
        except RecursionError:
            return OperationProblem("its schemas are nested too deeply", outline.pointer)
        except ValueError as error:
            return OperationProblem(f"its schemas can't be used: {' '.join(str(error).split())[:200]}", outline.pointer)
        return made

    def _operation(self, outline: Outline) -> Operation:
        if outline.method == "TRACE":
            raise OperationProblem("TRACE is not sent", outline.pointer)
        item = self._references.resolve(f"#{outline.item}", outline.item).value
        operation = item[outline.method.lower()]
        path = outline.path.partition("#")[0]  # some documents tell operations of one path apart by what follows it
        try:
            fixed_path(path)
        except ValueError as error:
            raise OperationProblem(str(error), outline.pointer) from None
        written = [
            *_listed(item.get("parameters"), f"{outline.item}/parameters"),
            *_listed(operation.get("parameters"), f"{outline.pointer}/parameters"),
        ]
        parameters = parameters_of(self._references, self._sent, path, written, self._security.carried)
        taken = {one.argument for one in parameters}
        body = None
        if "requestBody" in operation:
            where = self._references.follow(operation["requestBody"], f"{outline.pointer}/requestBody")
            body = body_of(self._references, self._sent, where, free_name(taken, "body", "request_body"))
        said = joined(operation.get("summary") or item.get("summary"), operation.get("description"))
        said = said or f"{outline.method} {path}"
        response, accepts = self._answer(operation.get("responses"), f"{outline.pointer}/responses")
        return Operation(
            name=outline.name,
            method=outline.method,
            path=path,
            tags=outline.tags,
            description=one_text("Deprecated.", said, max_chars=1000) if outline.deprecated else said,
            deprecated=outline.deprecated,
            parameters=parameters,
            body=body,
            server=server_of(self._servers(outline, item), self.address),
            security=self._security.of(operation),
            response=response,
            accepts=accepts,
        )

    def _answer(self, responses: Any, pointer: str) -> tuple[Schema | None, tuple[str, ...]]:
        """An operation can be called though it is not clear what comes back."""
        try:
            return response_of(self._references, self._received, responses, pointer)
        except (OperationProblem, RecursionError):
            return None, ()

    def written_server(self, name: str) -> str:
        """The address of an operation's server as the document writes it, which may be no whole one."""
        outline = self._by_name[name]
        return relative_server(self._servers(outline, self._references.resolve(f"#{outline.item}", "").value))

    def _servers(self, outline: Outline, item: dict[str, Any]) -> list[Any]:
        return [item[outline.method.lower()].get("servers"), item.get("servers"), self._root.get("servers")]


def _listed(value: Any, pointer: str) -> list[tuple[Any, str]]:
    return [(one, f"{pointer}/{index}") for index, one in enumerate(value)] if isinstance(value, list) else []
