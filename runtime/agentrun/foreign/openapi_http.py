"""One operation of an OpenAPI document as the `http:` block of a tool, and the parameters that it takes.

What `http` has no form for is left, with the reason: a parameter that may be left out, or the whole operation where
it is needed. A form's members are parameters of the tool; a JSON body is one parameter, `body`, as the document has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentrun.foreign.openapi_values import Inexpressible, Kinds, joined, spread, template, with_sound_examples
from agentrun.foreign.yaml_text import literal, prose, without_variables
from agentrun.openapi.accept import ANY, accepted
from agentrun.openapi.bodies import file_members
from agentrun.openapi.media import kind_of
from agentrun.openapi.operation import Body, FieldEncoding, Operation, Parameter
from agentrun.openapi.shapes import definitions, lists_members
from agentrun.spec.guarded import is_guarded_header, is_header_name

_HOLE = re.compile(r"\{([^{}]*)\}")
_NO_IDENTIFIER = re.compile(r"[^A-Za-z0-9_]+")
_STEERED = ("accept", "accept-encoding", "content-type")
_BODY = "The body of the request."
_FILE = "The content of a text file."


class HttpOf:
    """`left` are what was left out and why; `http` and `parameters` go into a tool. Raises `Inexpressible`."""

    def __init__(self, operation: Operation) -> None:
        self.left: list[tuple[str, str]] = []
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []
        self._defs: dict[str, Any] = {}
        self._query: dict[str, Any] = {}
        self._headers: dict[str, Any] = {}
        self._method = operation.method
        self._url = self._path(operation)
        if (accept := accepted(operation)) != ANY:
            self._headers["Accept"] = accept
        for one in operation.parameters:
            if one.place != "path":
                self._optional(one.required, f"the parameter `{one.name}`", lambda one=one: self._parameter(one))
        self._body: dict[str, Any] = {}
        body = operation.body
        if body is not None:
            self._optional(body.required, "the body", lambda: self._with_body(body))

    @property
    def http(self) -> dict[str, Any]:
        made: dict[str, Any] = {"url": self._url}
        if self._method != ("POST" if self._body else "GET"):
            made["method"] = self._method
        made |= {"query": self._query} if self._query or self._would_place_the_rest else {}
        made |= {"headers": self._headers} if self._headers else {}
        return made | self._body

    @property
    def _would_place_the_rest(self) -> bool:
        """Where neither query nor body is written, `http` sends what else there is: a header's argument too."""
        in_url = set(_HOLE.findall(self._url))
        return not self._body and bool(self._properties.keys() - in_url)

    @property
    def parameters(self) -> dict[str, Any] | None:
        if not self._properties:
            return None
        made: dict[str, Any] = {"type": "object", "properties": self._properties}
        made |= {"required": self._required} if self._required else {}
        made |= {"additionalProperties": False}
        return made | ({"$defs": self._defs} if self._defs else {})

    def _optional(self, is_needed: bool, what: str, convert: Any) -> None:
        """A part that is converted, or left where it is not needed."""
        before = dict(self._properties), list(self._required), dict(self._query), dict(self._headers)
        try:
            convert()
        except Inexpressible as error:
            self._properties, self._required, self._query, self._headers = before
            if is_needed:
                raise Inexpressible(f"{what}: {error.reason}") from None
            self.left.append((what, error.reason))

    def _argument(self, name: str, schema: Mapping[str, Any], *, required: bool) -> str:
        """The parameter of the tool; how a template names it is `args.` and this."""
        own = _NO_IDENTIFIER.sub("_", name).strip("_") or "value"
        own = f"_{own}" if own[0].isdigit() else own
        chosen, number = own, 1
        while chosen in self._properties:
            number += 1
            chosen = f"{own}_{number}"
        made = with_sound_examples(schema, definitions(schema))
        self._defs |= made.pop("$defs", {})
        if isinstance(made.get("description"), str):
            made["description"] = prose(made["description"])
        self._properties[chosen] = made
        if required:
            self._required.append(chosen)
        return chosen

    # -- the url

    def _path(self, operation: Operation) -> str:
        parameters = {one.name: one for one in operation.parameters if one.place == "path"}
        names: dict[str, str] = {}
        pieces = _HOLE.split(operation.path)
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                continue
            one = parameters.get(piece)
            if one is None:
                raise Inexpressible(f"its path has `{{{piece}}}`, and no parameter fills it")
            if one.content_type is not None or Kinds(one.schema).several:
                raise Inexpressible(f"the parameter `{one.name}`: a hole of a url takes a text or a number")
            name = names[piece] = names.get(piece) or self._argument(one.argument, one.schema, required=True)
            before = {"label": ".", "matrix": f";{one.name}="}.get(one.style, "")
            pieces[index] = f"{before}{{{name}}}"
        url = without_variables("".join(pieces))  # a hole behind a `$` would name one
        return url if url.startswith("/") else f"/{url}"

    # -- parameters

    def _parameter(self, one: Parameter) -> None:
        if one.place == "cookie":
            raise Inexpressible("an argument sets no cookie")
        if one.place == "header":
            if not is_header_name(one.name):
                raise Inexpressible("that is no name of a header")
            if is_guarded_header(one.name) or one.name.lower() in _STEERED:
                raise Inexpressible("an argument does not set this header")
            self._header(one)
            return
        name = self._argument(one.argument, one.schema, required=one.required)
        if one.content_type is not None:
            self._query[one.name] = template(f"args.{name} | tojson")
            return
        for key, value in spread(one.name, f"args.{name}", one.schema, one.style, explode=one.explode):
            if key in self._query:
                raise Inexpressible(f"it would set `{key}` a second time")
            self._query[key] = value

    def _header(self, one: Parameter) -> None:
        kinds = Kinds(one.schema)
        name = self._argument(one.argument.lower(), one.schema, required=one.required)
        if one.content_type is not None:
            self._headers[one.name] = template(f"args.{name} | tojson")
        elif not kinds.several:
            self._headers[one.name] = template(f"args.{name}")
        else:
            self._headers[one.name] = joined(f"args.{name}", kinds, ",")

    # -- the body

    def _with_body(self, body: Body) -> None:
        kind = kind_of(body.media_type)
        if kind == "form":
            fields = self._form(body)
            self._body = {"form": fields} if fields else {}
        elif kind == "multipart":
            fields = self._multipart(body)
            self._body = {"multipart": fields} if fields else {}
        elif kind in ("json", "text", "bytes"):
            plain = {"json": "application/json", "text": "text/plain"}.get(kind)
            schema = body.schema
            if kind == "bytes":
                self.left.append(("the body", "it is bytes: a parameter sends text"))
                schema = {"type": "string", "description": _FILE}
            name = self._argument(body.argument, {"description": _BODY, **schema}, required=body.required)
            self._body = {"json" if kind == "json" else "body": template(f"args.{name}")}
            if body.media_type.strip().lower() != plain:
                self._headers["Content-Type"] = body.media_type.strip()
        else:
            raise Inexpressible(f"it is `{body.media_type}`")

    def _members(self, body: Body) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
        defs = definitions(body.schema)
        named = body.schema.get("properties")
        if not named and not body.required:
            return  # some documents give every operation a form
        if not isinstance(named, Mapping) or not named or not lists_members([body.schema], defs):
            raise Inexpressible("its members are not known")
        required = body.schema.get("required", ()) if body.required else ()
        for name, schema in named.items():
            if isinstance(schema, Mapping):
                yield name, {**schema, **({"$defs": defs} if defs else {})}, name in required

    def _form(self, body: Body) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, schema, required in self._members(body):
            encoding = body.encoding.get(name)
            self._optional(
                required,
                f"the member `{name}` of the form",
                lambda name=name, schema=schema, required=required, encoding=encoding: made.update(
                    self._field(name, schema, encoding, required=required)
                ),
            )
        return made

    def _field(
        self, name: str, schema: Mapping[str, Any], encoding: FieldEncoding | None, *, required: bool
    ) -> dict[str, Any]:
        own = self._argument(name, schema, required=required)
        if encoding is not None and encoding.content_type is not None:
            kinds = Kinds(schema)
            return {name: template(f"args.{own} | tojson") if kinds.several else template(f"args.{own}")}
        if encoding is None:
            return {name: template(f"args.{own}")}
        return dict(spread(name, f"args.{own}", schema, encoding.style, explode=encoding.explode))

    def _multipart(self, body: Body) -> dict[str, Any]:
        files = file_members(body)
        made: dict[str, Any] = {}
        for name, schema, required in self._members(body):
            encoding = body.encoding.get(name)
            content_type = encoding.content_type if encoding is not None else None
            if content_type is not None and ("*" in content_type or "," in content_type):
                content_type = None
            if name in files:
                self.left.append(
                    (f"the part `{name}`", "it is a file: a parameter sends text, `file` and `root` send files")
                )
                told = {"description": prose(schema["description"]) if "description" in schema else _FILE}
                schema = {"type": "string", **told}
                if files[name]:
                    schema = {"type": "array", "items": schema}
            own = self._argument(name, schema, required=required)
            part: dict[str, Any] = {"content": template(f"args.{own}")}
            part |= {"filename": literal(name)} if name in files else {}
            if content_type is not None or name in files:
                part["content_type"] = content_type or "application/octet-stream"
            made[name] = part if len(part) > 1 else part["content"]
        return made
