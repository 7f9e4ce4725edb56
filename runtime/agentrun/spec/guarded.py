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
_GUARDED_ENV = frozenset(
    {
        *(
            "BASH_ENV",
            "CDPATH",
            "ENV",
            "GLOBIGNORE",
            "HOME",
            "IFS",
            "PATH",
            "PROMPT_COMMAND",
            "PS4",
            "SHELL",
            "SHELLOPTS",
        ),
        *("BROWSER", "EDITOR", "LESSCLOSE", "LESSOPEN", "MANPAGER", "PAGER", "VISUAL"),
        *("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "DOTNET_STARTUP_HOOKS"),
        *("GCONV_PATH", "LOCPATH", "NLSPATH", "OPENSSL_CONF", "TERMINFO"),
        *("NODE_OPTIONS", "NODE_PATH", "PERLLIB"),
    }
)
_GUARDED_ENV_PREFIXES = ("LD_", "DYLD_", "PYTHON", "GIT_", "PERL5", "RUBY", "LUA_", "BASH_FUNC_", "NPM_CONFIG_")


def is_guarded_header(name: str) -> bool:
    """Whether a request header steers the connection or carries credentials."""
    return name.lower() in _GUARDED_HEADERS or name.lower().startswith("proxy-")


def is_guarded_env(name: str) -> bool:
    """Whether a variable changes how programs are found, loaded or run."""
    return name.upper() in _GUARDED_ENV or name.upper().startswith(_GUARDED_ENV_PREFIXES)
