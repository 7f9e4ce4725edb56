"""What calling a tool means: whether it reads or changes, may be repeated, and may bring hostile text.

What the author wrote wins; the rest follows from the backend. Pure.
"""

from __future__ import annotations

from agentrun.spec.types import ToolSpec


def http_method(spec: ToolSpec) -> str:
    http = spec.http
    if http is None:
        return ""
    has_body = any(part is not None for part in (http.json, http.form, http.multipart, http.body))
    return http.method or ("POST" if has_body else "GET")


def is_read_only(spec: ToolSpec) -> bool:
    return spec.read_only if spec.read_only is not None else http_method(spec) in ("GET", "HEAD")


def is_idempotent(spec: ToolSpec) -> bool:
    return spec.idempotent if spec.idempotent is not None else http_method(spec) in ("GET", "HEAD", "PUT", "DELETE")


def has_untrusted_output(spec: ToolSpec) -> bool:
    if spec.untrusted_output is not None:
        return spec.untrusted_output
    return spec.http is not None or spec.openapi is not None or spec.mcp is not None
