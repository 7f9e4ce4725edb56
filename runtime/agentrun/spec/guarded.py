"""What a value from the model must never set: headers that steer a connection, variables that steer programs."""

from __future__ import annotations

_GUARDED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_GUARDED_ENV = frozenset({"BASH_ENV", "ENV", "HOME", "IFS", "NODE_OPTIONS", "PATH", "SHELLOPTS"})
_GUARDED_ENV_PREFIXES = ("LD_", "DYLD_", "PYTHON", "GIT_", "PERL5", "RUBY")


def is_guarded_header(name: str) -> bool:
    """Whether a request header steers the connection or carries credentials."""
    return name.lower() in _GUARDED_HEADERS or name.lower().startswith("proxy-")


def is_guarded_env(name: str) -> bool:
    """Whether a variable changes how programs are found, loaded or run."""
    return name.upper() in _GUARDED_ENV or name.upper().startswith(_GUARDED_ENV_PREFIXES)
