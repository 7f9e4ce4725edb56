"""Programs that run or fetch what they are given: facts about their command lines, without logic.

Where letters are listed they are the one-letter options that take the next element.
"""

from __future__ import annotations

SHELLS = frozenset(("ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "oksh", "rbash", "sh", "tcsh", "yash", "zsh"))
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
    "bun": (_NODE, "r"),
    "elixir": (_E, "r"),
    "emacs": ("--?eval|--?execute", "lL"),
    "erl": ("-eval", ""),
    "expect": ("-c", ""),
    "gnuplot": ("-e", ""),
    "groovy": ("-e", ""),
    "guile": ("-c", "lL"),
    "julia": (_E, "L"),
    "lua": ("-e", "l"),
    "luajit": ("-e", "l"),
    "mongosh": ("--eval", ""),
    "node": (_NODE, "rC"),
    "nodejs": (_NODE, "rC"),
    "osascript": ("-e", "l"),
    "perl": (_E, "I"),
    "php": ("-[rBRE]|--run|--process-(?:begin|code|end)", "cdz"),
    "pypy": ("-[A-Za-z]*c", "WX"),
    "python": ("-[A-Za-z]*c", "WX"),
    "rscript": ("-e", ""),
    "ruby": ("-[A-Za-z0-9]*e", "rI"),
    "tsx": (_NODE, ""),
}
INTERPRETER_NAMES_WITH_VALUE = frozenset(
    ("--conditions", "--import", "--init-file", "--loader", "--preload", "--rcfile", "--require")
)
# Programs that hand the text behind an option to a shell.
HAND_TO_A_SHELL = dict.fromkeys(("flock", "runuser", "script", "su"), "-[a-z]*c|--command")
# Programs that join their operands for a shell: letters.
JOIN_FOR_A_SHELL = {"parallel": "aIjJLnNPSs", "rsh": "l", "ssh": "BbcDEeFIiJLlmOopQRSWw", "watch": "n"}

# What runs another program: letters, and the number of operands before the program.
WRAPPERS: dict[str, tuple[str, int]] = {
    "busybox": ("", 0),
    "catchsegv": ("", 0),
    "chroot": ("", 1),
    "chrt": ("TPD", 1),
    "doas": ("uC", 0),
    "env": ("uC", 0),
    "firejail": ("", 0),
    "flock": ("wE", 1),
    "ionice": ("cnpPu", 0),
    "nice": ("n", 0),
    "nohup": ("", 0),
    "setarch": ("", 0),
    "setpriv": ("", 0),
    "setsid": ("", 0),
    "stdbuf": ("ioe", 0),
    "strace": ("abeIoOpPsSuUX", 0),
    "sudo": ("CDghpRrTtUu", 0),
    "taskset": ("", 1),
    "time": ("fo", 0),
    "timeout": ("ks", 1),
    "toybox": ("", 0),
    "unbuffer": ("", 0),
    "unshare": ("SGR", 0),
    "xargs": ("adEILnPs", 0),
    "xvfb-run": ("enps", 0),
}
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
    "curl": "AbCcDdEeFHhKmoPQrTtUuwXxYyz",
    "elinks": "",
    "links": "",
    "links2": "",
    "lynx": "",
    "w3m": "TIO",
    "wget": "aABDeGIlOoPQRtTUwXi",
    "wget2": "aABDeGIlOoPQRtTUwXi",
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
# Programs that neither read a file nor reach anything: what they print was given to them, or is known to all.
INERT = frozenset(
    ("cal", "date", "echo", "expr", "factor", "false", "printf", "seq", "sleep", "true", "uname", "uptime")
)
NO_DOUBLE_DASH = frozenset(("[", "dd", "echo", "expr", "find", "gfind", "printf", "test"))
