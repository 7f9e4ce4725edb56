"""What a value from the model must never set: headers that steer a connection, variables that steer programs."""

from __future__ import annotations

import re

_GUARDED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-http-method",  # these three change what a request does
        "x-http-method-override",
        "x-method-override",
    }
)
_GUARDED_ENV = frozenset(
    {
        # what shells and programs run, or read first
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
        *("BROWSER", "EDITOR", "LESSCLOSE", "LESSOPEN", "MANPAGER", "PAGER", "SYSTEMD_PAGER", "VIMINIT", "VISUAL"),
        *("CURL_HOME", "MAKEFLAGS", "RSYNC_RSH", "SSH_ASKPASS", "TAR_OPTIONS", "XDG_CONFIG_HOME", "ZDOTDIR"),
        # what languages load
        *("CLASSPATH", "DOTNET_STARTUP_HOOKS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "MAVEN_OPTS", "_JAVA_OPTIONS"),
        *(
            "GEM_HOME",
            "GEM_PATH",
            "GOFLAGS",
            "GUILE_LOAD_PATH",
            "NODE_OPTIONS",
            "NODE_PATH",
            "PERLLIB",
            "RUSTC_WRAPPER",
        ),
        *("GCONV_PATH", "LOCPATH", "NLSPATH", "OPENSSL_CONF", "TERMINFO"),
        # whom programs talk to, and trust
        *("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NODE_EXTRA_CA_CERTS", "NO_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    }
)
_GUARDED_ENV_PREFIXES = (
    *("LD_", "DYLD_", "PYTHON", "GIT_", "PERL5", "RUBY", "LUA_", "BASH_FUNC_"),
    *("CARGO_", "NPM_CONFIG_", "PIP_", "UV_"),
)


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def is_header_name(name: str) -> bool:
    """Whether a text can be a header's name at all."""
    return _HEADER_NAME.fullmatch(name) is not None


def is_guarded_header(name: str) -> bool:
    """Whether a request header steers the connection or carries credentials."""
    return name.lower() in _GUARDED_HEADERS or name.lower().startswith("proxy-")


def is_guarded_env(name: str) -> bool:
    """Whether a variable changes how programs are found, loaded or run."""
    return name.upper() in _GUARDED_ENV or name.upper().startswith(_GUARDED_ENV_PREFIXES)
