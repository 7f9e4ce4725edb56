"""The parts of a multipart example request (`-F`) as `multipart` of a tool's `http`. Pure: no file is read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from agentrun.foreign.curl_options import Part
from agentrun.foreign.curl_parameters import Parameters, argument
from agentrun.foreign.curl_values import Secrets, written
from agentrun.foreign.shell_words import VARIABLE, named

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+*-]+")


class _Given(msgspec.Struct, frozen=True):
    """What stands behind `NAME=`: a text, a file to be sent (`@`), or a file whose content is the text (`<`)."""

    kind: Literal["text", "file", "content"]
    text: str
    options: Mapping[str, str] = {}

    @property
    def folder(self) -> str:
        return posixpath.dirname(posixpath.normpath(self.text)) if self.kind == "file" else ""


class PartsReader:
    """`field` is what becomes of the values of a name; `above` leads from the folder of the tool's file to the one that
    paths of the command begin at.
    """

    def __init__(
        self, parameters: Parameters, secrets: Secrets, above: str, field: Callable[[str, list[str]], Any]
    ) -> None:
        self._parameters = parameters
        self._secrets = secrets
        self._above = above
        self._field = field
        self.notes: list[str] = []

    def read(self, parts: Iterable[Part]) -> dict[str, Any]:
        several: dict[str, list[_Given]] = {}
        for part in parts:
            name, _, content = part.text.partition("=")
            several.setdefault(name, []).append(_given(content, literal=part.literal))
        return {name: self._part(name, given) for name, given in several.items()}

    def _part(self, name: str, given: list[_Given]) -> Any:
        """Several are a list where they are plain texts, or files of one folder."""
        last = given[-1]
        if last.kind == "text" and not any(one.kind != "text" or one.options for one in given):
            return self._field(name, [one.text for one in given])
        if last.kind == "file" and self._may_choose(last):
            alike = [one for one in given if (one.kind, one.folder, one.options) == ("file", last.folder, last.options)]
            if len(alike) < len(given) or "filename" in last.options:
                alike = self._last_of(name, given)
            if (chosen := self._chosen(name, alike)) is not None:
                return chosen
        self._last_of(name, given)
        if last.kind == "text":
            shown = self._field(name, [last.text])
            return {"content": shown, "content_type": last.options["type"]} if "type" in last.options else shown
        if last.kind == "content":
            taken = self._parameters.ask((name,), {"type": "string"})
            source = f"from `{named(last.text)}`: the tool takes it as an argument"
            self.notes.append(f"curl reads the part `{named(name)}` {source}")
            return argument(taken)
        return self._own_file(last)

    def _last_of(self, name: str, given: list[_Given]) -> list[_Given]:
        if len(given) > 1:
            told = (
                f"the part `{named(name)}` stands there {len(given)} times, each in its own way: the last one is sent"
            )
            self.notes.append(told)
        return given[-1:]

    def _may_choose(self, one: _Given) -> bool:
        """Whether a model may name another file in its place: one below the folder in which the command runs."""
        is_below = one.folder and not posixpath.isabs(one.text) and not one.folder.startswith("..")
        return bool(is_below) and not VARIABLE.search(one.text)

    def _chosen(self, name: str, files: list[_Given]) -> dict[str, Any] | None:
        folder = files[0].folder
        names = [posixpath.basename(posixpath.normpath(one.text)) for one in files]
        about = f"The name of a file in `{folder}`." if len(names) == 1 else f"Names of files in `{folder}`."
        chosen = self._parameters.take("body", (name,), names[0] if len(names) == 1 else names, about=about)
        if chosen is None:
            return None
        self.notes.append(f"the tool sends any file of `{folder}` that it is told to, and none outside of it")
        root = written(posixpath.join(self._above, folder))
        return {"file": argument(chosen), "root": root, **_written_options(files[0])}

    def _own_file(self, one: _Given) -> dict[str, Any]:
        is_whole = posixpath.isabs(one.text)
        path = one.text if is_whole else posixpath.normpath(posixpath.join(self._above, one.text))
        told = f"the tool always sends the file `{named(one.text)}`: `root` lets it send those of a folder"
        self.notes.append(told)
        self._secrets.keep(one.text)
        return {"file": written(path), **_written_options(one)}


def _written_options(one: _Given) -> dict[str, Any]:
    filename = {"filename": written(one.options["filename"])} if "filename" in one.options else {}
    return filename | ({"content_type": one.options["type"]} if "type" in one.options else {})


def _given(content: str, *, literal: bool) -> _Given:
    if literal:
        return _Given("text", content)
    if content[:1] not in ("@", "<"):
        return _Given("text", *_with_options(content))
    text, options = _with_options(content[1:])
    return _Given("content" if content[0] == "<" or text == "-" else "file", text, options)


def _with_options(content: str) -> tuple[str, dict[str, str]]:
    """`VALUE;type=text/plain;filename=a.txt`; the value, and a filename, may stand in double quotes."""
    if content.startswith('"') and (end := content.find('"', 1)) > 0:
        value, rest = content[1:end], content[end + 1 :]
    else:
        found = re.search(r";\s*(?:type|filename|encoder|headers)=", content)
        value, rest = (content[: found.start()], content[found.start() :]) if found else (content, "")
    options: dict[str, str] = {}
    for name, quoted, plain in re.findall(r';\s*(type|filename)=(?:"([^"]*)"|([^;]*))', rest):
        told = quoted or plain.strip()
        if name != "type" or _MEDIA_TYPE.match(told):
            options[name] = told
    return value, options
