"""An operation of a document, with every `$ref` followed: what its function takes, and where that goes in a request.

`reading.py` makes these from a document, `requests.py` makes requests of them. They hold nothing of a file's places.
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
    with its `$ref` inside `$defs`; None where the document has none.
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

    @property
    def arguments(self) -> dict[str, Any]:
        """The function's parameters: a JSON Schema (2020-12) of type object, with what it refers to in `$defs`.

        It is closed: nothing can be sent that the document doesn't name.
        """
        raise NotImplementedError
