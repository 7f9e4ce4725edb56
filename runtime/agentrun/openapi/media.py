"""Which media type of a body is used, and the schema of what is sent or comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentrun.openapi.bundling import bundled, with_definitions
from agentrun.openapi.operation import Body, FieldEncoding, Schema, Style
from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.references import Found, References, escaped
from agentrun.openapi.schemas import Schemas

FORM = "application/x-www-form-urlencoded"
_ANY = ("*/*", "application/*", "*")
_FORM_STYLES: tuple[Style, ...] = ("form", "spaceDelimited", "pipeDelimited", "deepObject")


def body_of(references: References, schemas: Schemas, written: Found, argument: str) -> Body | None:
    """None where the body is said to hold nothing. Raises `OperationProblem`."""
    if not isinstance(written.value, dict):
        raise OperationProblem("its `requestBody` is no mapping", written.pointer)
    content = written.value.get("content")
    if not isinstance(content, dict) or not content:
        return None
    media_type = best_type(content)
    if media_type is None:
        kinds = ", ".join(f"`{one}`" for one in list(content)[:3])
        raise OperationProblem(f"its body is {kinds}, which agentrun does not write", f"{written.pointer}/content")
    place = f"{written.pointer}/content/{escaped(media_type)}"
    inside = references.follow(content[media_type], place)
    media = inside.value if isinstance(inside.value, dict) else {}
    kind = kind_of(media_type)
    schema = media.get("schema", {})
    if kind in ("text", "bytes") and not schema:
        schema = {"type": "string"}
    root = bundled(schemas, schemas.schema(schema, f"{inside.pointer}/schema"))
    if kind in ("form", "multipart"):
        root = _with_members_in_place(root)
    if kind == "text" and not _may_be(root, "string"):
        raise OperationProblem(f"its body is `{media_type}`, and no text", place)
    if "description" not in root and isinstance(said := written.value.get("description"), str):
        from agentrun.openapi.prose import one_text, plain

        root |= {"description": text} if (text := one_text(plain(said))) else {}
    return Body(
        argument=argument,
        media_type=_as_sent(media_type),
        schema=root,
        required=written.value.get("required") is True,
        encoding=_encoding(media.get("encoding")) if kind in ("form", "multipart") else {},
    )


def response_of(
    references: References, schemas: Schemas, responses: Any, pointer: str
) -> tuple[Schema | None, tuple[str, ...]]:
    """The schema of the JSON of a success, of several all that differ, and the media types of successes."""
    found: list[Schema] = []
    types: list[str] = []
    for content, place in _successes(references, responses, pointer):
        types += content
        media_type = _best_json(content)
        inside = references.follow(content.get(media_type or ""), f"{place}/{escaped(media_type or '')}")
        schema = inside.value.get("schema") if isinstance(inside.value, dict) else None
        if schema is not None:
            root = with_definitions(schemas, schemas.schema(schema, f"{inside.pointer}/schema"))
            if not any(_same(root, one) for one in found):
                found.append(root)
    accepts = tuple(dict.fromkeys(types))
    if len(found) <= 1:
        return found[0] if found else None, accepts
    branches = [{key: member for key, member in one.items() if key != "$defs"} for one in found]
    shared = [one["$defs"] for one in found if "$defs" in one]  # all of the document's: each of them is the same
    return {"anyOf": branches, **({"$defs": shared[0]} if shared else {})}, accepts


def _successes(references: References, responses: Any, pointer: str) -> Iterator[tuple[dict[str, Any], str]]:
    """What each status of a success holds, by media type."""
    for status in responses if isinstance(responses, dict) else ():
        if status.startswith("2"):
            one = references.follow(responses[status], f"{pointer}/{escaped(status)}")
            content = one.value.get("content") if isinstance(one.value, dict) else None
            if isinstance(content, dict):
                yield content, f"{one.pointer}/content"


def _same(one: Schema, other: Schema) -> bool:
    return {**one, "$defs": None} == {**other, "$defs": None}


# -- media types ----------------------------------------------------------------------------------------------


def kind_of(media_type: str) -> str:
    """`json`, `form`, `multipart`, `text`, `bytes`; empty for what agentrun doesn't write."""
    bare = media_type.partition(";")[0].strip().lower()
    if bare in ("application/json", "text/json", *_ANY) or bare.endswith("+json"):
        return "json"
    if bare == FORM:
        return "form"
    if bare == "multipart/form-data":
        return "multipart"
    if bare.startswith("text/"):
        return "text"
    return "bytes" if bare == "application/octet-stream" else ""


def best_type(content: Mapping[str, Any]) -> str | None:
    """JSON before all, the plainest name of it first; then forms, text and bytes."""
    order = ("json", "form", "multipart", "text", "bytes")
    usable = [one for one in content if kind_of(one)]
    return min(usable, key=lambda one: (order.index(kind_of(one)), _plainness(one)), default=None)


def _best_json(content: Mapping[str, Any]) -> str | None:
    return min((one for one in content if kind_of(one) == "json"), key=_plainness, default=None)


def _plainness(media_type: str) -> int:
    bare = media_type.partition(";")[0].strip().lower()
    if bare in ("application/json", "text/plain"):
        return 0
    return 2 if bare in _ANY else 1


def _as_sent(media_type: str) -> str:
    return "application/json" if media_type.partition(";")[0].strip() in _ANY else media_type


# -- forms ----------------------------------------------------------------------------------------------------


def _with_members_in_place(root: dict[str, Any]) -> dict[str, Any]:
    """How a member of a form is written depends on what it is: its root is no reference."""
    shared = root.get("$defs", {})
    members = root.get("properties")
    if not isinstance(members, dict):
        return root
    made = {}
    for name, member in members.items():
        for _ in range(50):
            if not isinstance(member, dict) or "$ref" not in member:
                break
            target = shared.get(member["$ref"].removeprefix("#/$defs/"))
            beside = {key: one for key, one in member.items() if key != "$ref"}
            member = {**target, **beside} if isinstance(target, dict) else beside
        made[name] = member
    return {**root, "properties": made}


def _encoding(written: Any) -> dict[str, FieldEncoding]:
    made = {}
    for name, one in written.items() if isinstance(written, dict) else ():
        if not isinstance(one, dict):
            continue
        media_type, explode = one.get("contentType"), one.get("explode")
        style: Style = one["style"] if one.get("style") in _FORM_STYLES else "form"
        made[name] = FieldEncoding(
            content_type=media_type.partition(",")[0].strip() if isinstance(media_type, str) else None,
            style=style,
            explode=explode if isinstance(explode, bool) else style == "form",
        )
    return made


def _may_be(schema: Mapping[str, Any], kind: str) -> bool:
    kinds = schema.get("type", kind)
    return kind in kinds if isinstance(kinds, list) else kinds == kind
