"""The credential of an example request as `auth` of a tool's `http`: from `-u`, the url, `--oauth2-bearer` or a header.

A tool has one. Those of a query are `curl.py`'s.
"""

from __future__ import annotations

import base64
from typing import Any

from agentrun.foreign.curl_options import CurlCommand, Header
from agentrun.foreign.curl_values import Secrets
from agentrun.spec.credential_words import names_credential


class Credentials:
    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def of(self, command: CurlCommand, user: str | None) -> dict[str, Any] | None:
        """`user` is what the url has before its host. A header that was used is taken out of the command."""
        user = command.user if command.user is not None else user
        if not any(one.name.lower() == "authorization" for one in command.headers):  # that wins in curl, too
            if user is not None:
                return {"basic": self._basic(user)}
            if command.bearer is not None:
                return {"bearer": self._secrets.hide(command.bearer, "token", "the bearer token")}
        for header in command.headers:
            auth = self._in_header(header)
            if auth is not None:
                command.headers.remove(header)
                return auth
        return None

    def _basic(self, user: str) -> dict[str, str]:
        username, colon, password = user.partition(":")
        if not password and colon:  # the key stands where the name would
            return {
                "username": self._secrets.hide(username, "key", "the user name, which is a key here"),
                "password": "",
            }
        return {
            "username": self._secrets.hide(username, "username", "the user name"),
            "password": self._secrets.hide(password, "password", "the password"),
        }

    def _in_header(self, header: Header) -> dict[str, Any] | None:
        name, value = header.name.lower(), header.value
        if name == "authorization":
            scheme, _, credential = value.partition(" ")
            if scheme.lower() == "bearer" and credential.strip():
                return {"bearer": self._secrets.hide(credential.strip(), "token", "the bearer token")}
            if scheme.lower() == "basic" and (user := _decoded(credential)) is not None:
                return {"basic": self._basic(user)}
            return None
        if names_credential(name) and name != "cookie":
            hidden = self._secrets.hide(value, name, f"the value of the header {header.name}")
            return {"api_key": {"in": "header", "name": header.name, "value": hidden}}
        return None


def _decoded(credential: str) -> str | None:
    try:
        text = base64.b64decode(credential.strip(), validate=True).decode()
    except ValueError:
        return None
    return text if ":" in text else None
