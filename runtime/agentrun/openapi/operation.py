"""An operation of a document, with every `$ref` followed: what its function takes, and where that goes in a request.

`document.py` makes these from a document, `placing.py` makes requests of them. They hold nothing of a file's places.

Each schema is JSON Schema 2020-12 and whole in itself: what it refers to stands in its own `$defs`, and a name there
means the same in all schemas of an operation's request. Its root is never a `$ref`, nor is that of a member of a form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Place = Literal["path", "query", "header", "cookie"]
Style = Literal["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject"]
Schema = Mapping[str, Any]


class Parameter(msgspec.Struct, frozen=True):
    """`name` is the document's, `argument` the model's. `content_type` is set where the value is sent encoded so (a
    parameter with `content`), and `style` then means nothing.
    """

    name: str
    argument: str
    place: Place
    required: bool
    schema: Schema
    style: Style
    explode: bool
    allow_reserved: bool = False
    content_type: str | None = None


class FieldEncoding(msgspec.Struct, frozen=True):
    """How a member of a form or multipart body is sent, where the document says so."""

    content_type: str | None = None
    style: Style = "form"
    explode: bool = True


class Body(msgspec.Struct, frozen=True):
    """`argument` is the model's name for the whole body. `encoding` is by member, of forms."""

    argument: str
    media_type: str
    schema: Schema
    required: bool
    encoding: Mapping[str, FieldEncoding] = {}


class SecurityScheme(msgspec.Struct, frozen=True):
    """`kind` is the key of `auth` that serves it; None: agentrun has none, such as mutual TLS. `place` and `name` are
    those of an `api_key`, `token_url` and `scopes` those of `oauth2`.
    """

    title: str
    kind: Literal["bearer", "basic", "api_key", "oauth2"] | None
    place: str = ""
    name: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True):
    """`name` is the operationId, or made from method and path where there is none or it is another's too.

    `server` is a URL without a closing slash; empty where the document names none. `security` are the alternatives,
    each a list of what is needed together; empty: nothing is needed. `response` is the schema of the JSON of a success,
    whose `$defs` are made when they are asked for; None where the document has none. `accepts` are the media types of
    successes, in the document's order.
    """

    name: str
    method: str
    path: str
    tags: tuple[str, ...]
    description: str
    deprecated: bool
    parameters: tuple[Parameter, ...]
    body: Body | None
    server: str
    security: tuple[tuple[SecurityScheme, ...], ...]
    response: Schema | None
    accepts: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The function's parameters: a JSON Schema (2020-12) of type object, with what it refers to in `$defs`.

        It is closed: nothing can be sent that the document doesn't name.
        """
        members: dict[str, Any] = {}
        needed: list[str] = []
        shared: dict[str, Any] = {}
        for one in (*self.parameters, *([self.body] if self.body is not None else ())):
            schema = dict(one.schema)
            shared |= schema.pop("$defs", {})
            members[one.argument] = schema
            if one.required:
                needed.append(one.argument)
        whole: dict[str, Any] = {"type": "object", "properties": members}
        if needed:
            whole["required"] = needed
        whole["additionalProperties"] = False
        if shared:
            whole["$defs"] = shared
        return whole
