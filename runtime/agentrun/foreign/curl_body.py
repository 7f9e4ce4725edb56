"""The body of an example request as keys of a tool's `http`: `json`, `form`, `multipart` or `body`. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, unquote_plus

import msgspec

from agentrun.foreign.curl_options import CurlCommand, Data
from agentrun.foreign.curl_parameters import Parameters, argument, typed
from agentrun.foreign.curl_parts import PartsReader
from agentrun.foreign.curl_values import Secrets, holds_secret, is_secret, written, written_data
from agentrun.foreign.shell_words import VARIABLE, named

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data"
Pair = tuple[str, str]
_PAIR = re.compile(r"[^=&\s{}\[\]\"<>]+(?:\[[^=&\s\]]*\])*=[^&]*")


class Body(msgspec.Struct, frozen=True):
    """`keys` are those of `http`. `media_type` is the one that is sent where no header says otherwise."""

    keys: dict[str, Any]
    media_type: str
    notes: list[str] = []


class BodyReader:
    def __init__(self, parameters: Parameters, secrets: Secrets, above: str) -> None:
        """`above` leads from the folder of the tool's file to the one that paths of the command begin at."""
        self._parameters = parameters
        self._secrets = secrets
        self._above = above

    def read(self, command: CurlCommand, content_type: str) -> Body | None:
        """`content_type` is that of the command's header, without its parameters and in lower case."""
        if command.parts:
            reader = PartsReader(self._parameters, self._secrets, self._above, partial(self._field, "body"))
            return Body({"multipart": reader.read(command.parts)}, MULTIPART, reader.notes)
        if command.get or not command.data:
            return None
        is_json = content_type.endswith(("/json", "+json")) or any(one.kind == "json" for one in command.data)
        files = [file for one in command.data if (file := file_of(one)) is not None]
        if files:
            return self._unknown(files[0], is_json, content_type)
        whole = _joined(command.data)
        if not whole:
            return None
        found, data = _as_json(whole)
        if found and (is_json or (not content_type and isinstance(data, (dict, list)))):
            notes = [] if is_json else [f"the body is JSON, and curl would have called it {FORM}: the tool says {JSON}"]
            return Body({"json": self.data((), data)}, JSON, notes)
        if content_type in ("", FORM) and (pairs := _form(command.data)):
            return Body({"form": self.fields("body", pairs)}, FORM)
        return self._text(whole, content_type or FORM)

    def fields(self, place: str, pairs: Iterable[Pair]) -> dict[str, Any]:
        """Entries of a query or form; a name that stands there several times has a list."""
        several: dict[str, list[str]] = {}
        for name, value in pairs:
            several.setdefault(name, []).append(value)
        return {name: self._field(place, name, values) for name, values in several.items()}

    def _field(self, place: str, name: str, values: list[str]) -> Any:
        if any(is_secret(name, one) or VARIABLE.search(one) for one in values):
            shown = [self._kept(name, one) for one in values]
        else:
            value = typed(values[0]) if len(values) == 1 else _all_typed(values)
            route = [one for one in name.replace("]", "").split("[") if one] or [name]
            taken = self._parameters.take(place, route, value)
            if taken is not None:
                return argument(taken)
            shown = [written(one) for one in values]
        return shown[0] if len(shown) == 1 else shown

    def _kept(self, name: str, value: str) -> str:
        if is_secret(name, value):
            return self._secrets.hide(value, name, f"the value of `{named(name)}`")
        self._secrets.keep(value)
        return written(value)

    def data(self, route: tuple[str, ...], value: Any) -> Any:
        """JSON data with its values made parameters: each scalar, and each list as a whole."""
        if isinstance(value, dict) and value:
            return {key: self.data((*route, key), one) for key, one in value.items()}
        if value is None:
            return None
        name = route[-1] if route else "body"
        if holds_secret(name, value) or "\\u0000" in json.dumps(value):
            return self._kept_data(name, value)
        taken = self._parameters.take("body", route or (name,), value)
        return written_data(value) if taken is None else argument(taken)

    def _kept_data(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._kept(name, value)
        if isinstance(value, list):
            return [self._kept_data(name, one) for one in value]
        if isinstance(value, dict):
            return {key: self._kept_data(key, one) for key, one in value.items()}
        return value

    def _text(self, whole: str, content_type: str) -> Body:
        if VARIABLE.search(whole) or is_secret("", whole):
            self._secrets.keep(whole)
            if is_secret("", whole):
                return Body({"body": self._secrets.hide(whole, "body", "the body")}, "text/plain")
            return Body({"body": written(whole)}, "text/plain")
        about = f"The body, as {content_type}."
        taken = self._parameters.take("body", ("body",), whole, about=about)
        return Body({"body": written(whole) if taken is None else argument(taken)}, "text/plain")

    def _unknown(self, file: str, is_json: bool, content_type: str) -> Body:
        source = "standard input" if file == "-" else f"the file `{named(file)}`"
        note = f"curl reads the body from {source}: the tool takes it as an argument"
        if is_json:
            name = self._parameters.ask(("body",), {"type": "object", "description": "The JSON object of the body."})
            return Body({"json": argument(name)}, JSON, [note])
        about = f"The body, as {content_type or FORM}."
        name = self._parameters.ask(("body",), {"type": "string", "description": about})
        return Body({"body": argument(name)}, "text/plain", [note])


def file_of(one: Data) -> str | None:
    """The file that the data comes from."""
    if one.kind in ("data", "binary", "json") and one.text.startswith("@"):
        return one.text[1:]
    if one.kind == "urlencode":
        found = re.match(r"[^=]*?@(.*)", one.text, re.DOTALL)
        return found[1] if found and "=" not in one.text[: found.start(1)] else None
    return None


def pairs_of(one: Data | str) -> Iterator[Pair]:
    """The fields of data that is sent URL-encoded; of a query too, as a text."""
    if isinstance(one, Data) and one.kind == "urlencode":
        name, equals, value = one.text.partition("=")
        if equals:
            yield name, value
        return
    text = one.text if isinstance(one, Data) else one
    for piece in text.split("&"):
        name, _, value = piece.partition("=")
        if name:
            yield unquote_plus(name), unquote_plus(value)


def _form(data: Iterable[Data]) -> list[Pair]:
    """The fields of a form; none where the data is no form."""
    pairs: list[Pair] = []
    for one in data:
        text = one.text.strip("\n") if one.kind == "data" else one.text
        if one.kind == "urlencode":
            if "=" not in text or text.startswith("="):
                return []
        elif not all(_PAIR.fullmatch(piece) for piece in text.split("&")):
            return []
        pairs += pairs_of(msgspec.structs.replace(one, text=text))
    return pairs


def _joined(data: Iterable[Data]) -> str:
    """The body that curl sends."""
    whole = ""
    for one in data:
        text = encoded(one.text) if one.kind == "urlencode" else one.text
        whole += text if one.kind == "json" or not whole else f"&{text}"
    return whole


def encoded(text: str) -> str:
    """`NAME=CONTENT`, or CONTENT, with the content URL-encoded. What a variable holds is not known here."""
    name, equals, content = text.partition("=") if "=" in text else ("", "", text)
    pieces = VARIABLE.split(content)
    pieces[::2] = [quote(one, safe="") for one in pieces[::2]]
    pieces[1::2] = [f"\0{one}\0" for one in pieces[1::2]]
    return f"{name}{equals if name else ''}{''.join(pieces)}"


def _as_json(text: str) -> tuple[bool, Any]:
    if "\\u0000" in text:  # a NUL, which marks variables here
        return False, None
    try:
        return True, json.loads(text, strict=False, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return False, None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _all_typed(values: list[str]) -> list[Any]:
    """Several values of one name: as numbers where all are."""
    several = [typed(one) for one in values]
    return several if len({type(one) for one in several}) == 1 else list(values)
