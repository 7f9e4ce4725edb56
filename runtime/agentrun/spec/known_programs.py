"""Programs that run or fetch what they are given: facts about their command lines, without logic.

Where letters are listed they are the one-letter options that take the next element.
"""

from __future__ import annotations

_SHELLS = "ash bash csh dash elvish fish ksh mksh nu oksh rbash sh tcsh xonsh yash zsh"
SHELLS = frozenset(_SHELLS.split())
POWERSHELLS = frozenset(("powershell", "pwsh"))
AWKS = frozenset(("awk", "gawk", "mawk", "nawk", "original-awk"))
SEDS = frozenset(("gsed", "sed"))
FINDS = frozenset(("fd", "fdfind", "find", "gfind"))

SHELL_TEXT = r"[-+][A-Za-z]*c[A-Za-z]*|--command|--init-command"
POWERSHELL_TEXT = r"(?i:-c(?:ommand)?|-e(?:c|ncodedcommand)?)"
_E = r"-[A-Za-z0-9]*[eE]|--eval|--execute"
_NODE = r"-[pe]{1,2}|--eval|--print"
# Interpreters: the options whose next element is a program, and letters.
INTERPRETERS: dict[str, tuple[str, str]] = {
    "bb": (_E, ""),
    "bun": (_NODE, "r"),
    "clojure": (_E, ""),
    "elixir": (_E, "r"),
    "emacs": ("--?eval|--?execute", "lL"),
    "erl": ("-eval", ""),
    "expect": ("-c", ""),
    "gnuplot": ("-e", ""),
    "groovy": ("-e", ""),
    "guile": ("-c", "lL"),
    "ipython": ("-c", ""),
    "julia": (_E, "L"),
    "lua": ("-e", "l"),
    "luajit": ("-e", "l"),
    "mongo": ("--eval", ""),
    "mongosh": ("--eval", ""),
    "node": (_NODE, "rC"),
    "nodejs": (_NODE, "rC"),
    "octave": ("--eval", ""),
    "osascript": ("-e", "l"),
    "perl": (_E, "I"),
    "php": ("-[rBRE]|--run|--process-(?:begin|code|end)", "cdz"),
    "pypy": ("-[A-Za-z]*c", "WX"),
    "python": ("-[A-Za-z]*c", "WX"),
    "r": ("-e", "f"),
    "rscript": ("-e", ""),
    "ruby": ("-[A-Za-z0-9]*e", "rI"),
    "scala": ("-e", ""),
    "tclsh": ("(?!)", ""),
    "tsx": (_NODE, ""),
}
INTERPRETER_NAMES_WITH_VALUE = frozenset(
    ("--conditions", "--import", "--init-file", "--loader", "--preload", "--rcfile", "--require")
)
# Options whose value is run: with `=`, also where it is the next element, and with what of the value must be known.
_SSH = r"-o=?(?:$|(?i:KnownHostsCommand|LocalCommand|ProxyCommand)\b)"
_TO_A_SHELL = r"-[a-z]*c=|--command="
RUN_BY_OPTION: dict[str, str] = {
    "ansible": r"-a=|--args=",
    "autossh": _SSH,
    "env": r"-[A-Za-z0]*S=?|--split-string=|(?:BASH_ENV|GIT_SSH_COMMAND|LD_[A-Z_]+|PYTHONSTARTUP|[A-Z_]*PAGER)=",
    "flock": _TO_A_SHELL,
    "gcloud": r"--command=",
    "gdb": r"--?ex=|--?eval-command=",
    "git": r"-c=(?i:core\.(?:editor|fsmonitor|hookspath|pager|sshcommand)|alias\.\S*)=|--exec=|--exec-path="
    r"|--open-files-in-pager=|--(?:receive|upload)-pack=",
    "make": r"--eval=",
    "man": r"-P=|--pager=",
    "nix-shell": r"--(?:command|run)=",
    "npm": r"-c=|--call=",
    "npx": r"-c=|--call=",
    "nvim": r"-c=|--cmd=",
    "rsync": r"-[A-Za-df-z]*e=|--rsh=|--rsync-path=",
    "runuser": _TO_A_SHELL,
    "scp": rf"-S=|{_SSH}",
    "script": _TO_A_SHELL,
    "sftp": rf"-S=|{_SSH}",
    "sort": r"--compress-program=",
    "split": r"--filter=",
    "ssh": _SSH,
    "su": _TO_A_SHELL,
    "tar": r"-[FI]=|--(?:checkpoint-action|info-script|new-volume-script|rsh-command|to-command|use-compress-program)=",
    "vagrant": r"-c=|--command=",
    "vi": r"-c=|--cmd=",
    "vim": r"-c=|--cmd=",
}
# Clients of databases: the options whose value is a program, letters, and how many operands stand before one.
_MYSQL = (r"-[ABCEfHiLNnqrstvVwXc]*e=?|--execute=", "", None)
_SQLITE = (r"--?c(?:md)?=|-s=", "", 1)
SQL: dict[str, tuple[str, str, int | None]] = {
    "clickhouse-client": (r"-q=|--query=", "", None),
    "cqlsh": (r"-e=|--execute=", "", None),
    "duckdb": _SQLITE,
    "mariadb": _MYSQL,
    "mysql": _MYSQL,
    "psql": (r"-[AabEeHnPqSstXxwWz01]*c=?|--command=", "", None),
    "sqlcmd": (r"-[qQ]=?", "", None),
    "sqlite3": _SQLITE,
}
# Those of them that run commands of the system as well, and how one writes that.
SQL_WITH_COMMANDS = {"duckdb": ".shell", "mariadb": "\\!", "mysql": "\\!", "psql": "\\!", "sqlite3": ".shell"}
SQL_NAMES_WITH_VALUE = frozenset(("-cmd", "-init", "-mode", "-newline", "-nullvalue", "-separator"))
# Filters, whose programs can run nothing: letters.
FILTERS = {"gojq": "L", "jaq": "L", "jq": "L", "yq": "Iop"}
FILTER_NAMES_WITH_VALUE = frozenset(("--indent", "--input-format", "--output-format"))
TAKE_TWO = frozenset(("--arg", "--argjson", "--rawfile", "--slurpfile"))
# Programs that join their operands for a shell: letters.
_SSH_LETTERS = "BbcDEeFIiJLlmOopQRSWw"
JOIN_FOR_A_SHELL = {
    "autossh": f"M{_SSH_LETTERS}",
    "eval": "",
    "parallel": "aIjJLnNPSs",
    "rsh": "l",
    "ssh": _SSH_LETTERS,
    "watch": "n",
}
REMOTE_SHELLS = ("autossh", "rsh", "ssh")

# What runs another program: letters, and the number of operands before the program.
WRAPPERS: dict[str, tuple[str, int]] = {
    "builtin": ("", 0),
    "bunx": ("", 0),
    "busybox": ("", 0),
    "catchsegv": ("", 0),
    "chroot": ("", 1),
    "chrt": ("TPD", 1),
    "command": ("", 0),
    "doas": ("uC", 0),
    "env": ("uC", 0),
    "exec": ("a", 0),
    "firejail": ("", 0),
    "flock": ("wE", 1),
    "ionice": ("cnpPu", 0),
    "nice": ("n", 0),
    "nohup": ("", 0),
    "npx": ("cp", 0),
    "setarch": ("", 0),
    "setpriv": ("", 0),
    "setsid": ("", 0),
    "sshpass": ("dfPp", 0),
    "stdbuf": ("ioe", 0),
    "strace": ("abeIoOpPsSuUX", 0),
    "sudo": ("CDghpRrTtUu", 0),
    "systemd-run": ("EGHMpu", 0),
    "taskset": ("", 1),
    "time": ("fo", 0),
    "timeout": ("ks", 1),
    "toybox": ("", 0),
    "unbuffer": ("", 0),
    "unshare": ("SGR", 0),
    "uvx": ("pw", 0),
    "xargs": ("adEILnPs", 0),
    "xvfb-run": ("enps", 0),
}
BEHIND_DASHES = ("kubectl", "lxc", "oc")  # the program stands behind `--`, if they are told to run one
RUN_INSIDE = ("debug", "exec", "run")
TAKE_ASSIGNMENTS = ("doas", "env", "sudo")
WRAPPER_NAMES_WITH_VALUE = frozenset(
    (
        *("--adjustment", "--arg-file", "--chdir", "--class", "--classdata", "--delimiter", "--group"),
        *("--kill-after", "--max-args", "--max-procs", "--signal", "--unset", "--user"),
    )
)
FIND_RUNS = frozenset(("-exec", "-execdir", "-ok", "-okdir", "-x", "--exec", "-X", "--exec-batch"))

# Clients of the network whose operands are addresses: letters.
CLIENTS: dict[str, str] = {
    "aria2c": "dioSsxjMkpTUV",
    "chromium": "",
    "curl": "AbCcDdEeFHhKmoPQrTtUuwXxYyz",
    "elinks": "",
    "google-chrome": "",
    "links": "",
    "links2": "",
    "lynx": "",
    "nc": "GgIiMmOPpqsTVWwXx",
    "ncat": "cdegGhHimopqsTwx",
    "telnet": "bel",
    "w3m": "TIO",
    "wget": "aABDeGIlOoPQRtTUwXi",
    "wget2": "aABDeGIlOoPQRtTUwXi",
    "wkhtmltoimage": "",
    "wkhtmltopdf": "",
    "youtube-dl": "fop",
    "yt-dlp": "fop",
}
HTTPIE = frozenset(("http", "httpie", "https", "xh", "xhs"))
COPIERS = frozenset(("rsync", "scp", "sftp"))
CLIENT_NAMES_WITH_VALUE = frozenset(
    (
        *("--body-data", "--cacert", "--cert", "--connect-timeout", "--connect-to", "--cookie", "--cookie-jar"),
        *("--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--dir", "--form"),
        *("--form-string", "--format", "--header", "--json", "--key", "--limit-rate", "--max-redirs", "--max-time"),
        *("--method", "--output", "--output-document", "--post-data", "--range", "--referer", "--request"),
        *("--resolve", "--retry", "--retry-delay", "--timeout", "--tries", "--upload-file", "--user", "--user-agent"),
        "--write-out",
    )
)
# What a shell script has before a command, and programs that give on what they get.
RESERVED = frozenset(["!", "do", "elif", "else", "if", "then", "time", "until", "while"])
DECLARE = ("declare", "export", "local", "readonly", "typeset")
PRINT = ("echo", "printf")
PASS_ON = ("base", "cat", "envsubst", "tee", "tr")  # `base64` without its version
READ_A_FILE = (".", "source")
# Programs that neither read a file nor reach anything: what they print was given to them, or is known to all.
INERT = frozenset(
    ("cal", "date", "echo", "expr", "factor", "false", "printf", "seq", "sleep", "true", "uname", "uptime")
)
NO_DOUBLE_DASH = frozenset(("[", "dd", "echo", "expr", "find", "gfind", "printf", "test"))
