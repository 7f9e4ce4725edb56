"""Texts of a request as they are written in a tool's `http`, and credentials as variables instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from agentrun.foreign.shell_words import VARIABLE, named
from agentrun.foreign.yaml_text import without_templates
from agentrun.spec.credential_words import KEY, has_key, is_dummy, names_credential, without_keys

_GENERIC = ("api", "www", "app", "rest", "gateway", "v1", "dev", "staging", "sandbox", "test")


def written(text: str) -> str:
    """A text that the tool sends as it is: what would be a template in it is made none, and variables stay."""
    return _written(text, without_templates)


def written_in_url(text: str) -> str:
    """The same of a piece of a url, where a brace would be a hole."""
    return _written(text, lambda piece: piece.replace("{", "%7B").replace("}", "%7D"))


def _written(text: str, plain: Callable[[str], str]) -> str:
    pieces = VARIABLE.split(text)
    pieces[::2] = [plain(one.replace("$", "$$")) for one in pieces[::2]]
    pieces[1::2] = [f"${{{one}}}" for one in pieces[1::2]]
    return "".join(pieces)


def written_data(value: Any) -> Any:
    """The same of JSON data."""
    if isinstance(value, str):
        return written(value)
    if isinstance(value, list):
        return [written_data(one) for one in value]
    if isinstance(value, dict):
        return {key: written_data(one) for key, one in value.items()}
    return value


class Secrets:
    """Puts variables in the place of credentials. `variables` are their names, each with what it is for."""

    def __init__(self, host: str, tool: str, printed: dict[str, str]) -> None:
        self._owner = _owner(host) or re.sub(r"[^A-Za-z0-9]+", "_", tool).upper()
        self._printed = printed
        self.variables: dict[str, str] = {}

    def hide(self, value: str, what: str, about: str) -> str:
        """A text of the file in which a variable holds the credential. One that came from a variable keeps it."""
        if VARIABLE.search(value):
            self.keep(value, about)
            return written(value)
        name = self._name(what)
        self.variables[name] = about
        return f"${{{name}}}"

    def keep(self, text: str, about: str = "") -> None:
        """A text takes variables of the shell: they are the file's now."""
        for name in VARIABLE.findall(text):
            command = self._printed.get(name)
            told = f"what `{command}` prints" if command else about or "as in the shell"
            self.variables.setdefault(name, told)

    def swept(self, document: dict[str, Any]) -> dict[str, Any]:
        """The tool's document without the keys, known by their form, that are still in it."""
        return {key: self._swept(one, in_http=key == "http") for key, one in document.items()}

    def _swept(self, value: Any, *, in_http: bool) -> Any:
        """Variables are read in `http`, and nowhere else, nor in a name."""
        if isinstance(value, dict):
            return {without_keys(key): self._swept(one, in_http=in_http) for key, one in value.items()}
        if isinstance(value, list):
            return [self._swept(one, in_http=in_http) for one in value]
        if not isinstance(value, str) or not has_key(value):
            return value
        if not in_http:
            return without_keys(value)
        return KEY.sub(lambda found: self.hide(found[0], "key", "a key") if has_key(found[0]) else found[0], value)

    def _name(self, what: str) -> str:
        words = re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", what).upper()).strip("_")
        words = words.removeprefix("X_")
        name = words if words.startswith(f"{self._owner}_") else f"{self._owner}_{words}"
        name = f"_{name}" if name[0].isdigit() else name
        number, free = 2, name
        while free in self.variables:
            free, number = f"{name}_{number}", number + 1
        return free


def is_secret(name: str, value: str) -> bool:
    """Whether a member of this name and value carries a credential."""
    return bool(value) and ((names_credential(name) and not is_dummy(value)) or has_key(value))


def holds_secret(name: str, value: Any) -> bool:
    """The same of JSON data, at any depth."""
    if isinstance(value, str):
        return is_secret(name, value)
    if isinstance(value, list):
        return any(holds_secret(name, one) for one in value)
    return isinstance(value, dict) and any(holds_secret(key, one) for key, one in value.items())


def _owner(host: str) -> str:
    """The word of a host that says whose it is: `GITHUB` of api.github.com; none of an address."""
    labels = named(host).lower().split(":")[0].split(".")
    if len(labels) < 2 or labels[-1].isdigit():
        return ""
    others = [one for one in labels[:-1] if one not in _GENERIC and len(one) > 2] or labels[:-1]
    word = re.sub(r"[^A-Z0-9]+", "_", others[-1].upper()).strip("_")
    return f"_{word}" if word[:1].isdigit() else word
