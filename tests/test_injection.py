"""Values that try to be more than a value: each arrives byte for byte in its one place, or is refused.

A call takes the way of a model's call: JSON text, schema, tool, real process or request. What must not move is
compared with the call of a harmless value.
"""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentrun.cli.one_call import call_once
from agentrun.engine.approval import StandingApprover
from agentrun.project import read_project
from agentrun.resolve import resolve_tools
from loopback_http import Loopback, reply
from projects import write_project

pytestmark = pytest.mark.slow

# `MARKER` stands for a file that nothing may make; the folder in which commands run stays empty too.
PAYLOADS = """
; touch MARKER
;touch MARKER;
| touch MARKER
|| touch MARKER
& touch MARKER &
&& touch MARKER
$(touch MARKER)
`touch MARKER`
"$(touch MARKER)"
'; touch MARKER; '
"; touch MARKER; "
\\"; touch MARKER; \\"
\\'; touch MARKER; \\'
> MARKER
>> MARKER
>MARKER 2>&1
< /dev/zero
<(touch MARKER)
<<EOF
${IFS}touch${IFS}MARKER
$IFS$9touch$IFS$9MARKER
{touch,MARKER}
$'touch\\x20MARKER'
${X:=$(touch MARKER)}
$((1+1))
() { :; }; touch MARKER
!!
!touch
*
?
[a-z]*
/*
~
~root
#
\\
\\\\
'
"
''
""
$
$HOME
${HOME}
%HOME%
%s%n%x
\\0
\\n
%00
%0a
%0d%0aX-Evil: 1
%2e%2e%2f
%2e%2e
..%2f..%2fetc
..%5c
%252e%252e%252f
..
.
../
../../etc/passwd
a/../b
a/./b
a//b
/etc/passwd
//evil.example
//evil.example/x
\\\\evil.example\\x
http://evil.example/
@evil.example
x@evil.example:80
:80
:80@evil.example
?a=b
?
&a=b
&q=evil&z=evil
;a=b
=
a=b
#fragment
+
%
%zz
a b
{v}
{+v}
{{ 7 * 7 }}
{{ args.v }}
{% for x in range(9) %}x{% endfor %}
{# comment #}
{{ ''.__class__ }}
${V:-evil}
$$
","evil":"1
"}],"evil":{"
\\u0022,\\u0022evil\\u0022:1
{"a":1}
[1,2]
null
true
1e999
--x=/y
--output=MARKER
-oMARKER
-o
-
--
---
-e touch MARKER
-exec
--upload-pack=touch MARKER
--checkpoint-action=exec=touch MARKER
\N{EN DASH}-output=MARKER
\N{EM DASH}output
\N{MINUS SIGN}o
\N{FULLWIDTH HYPHEN-MINUS}o
\N{SMALL HYPHEN-MINUS}o
\N{FULLWIDTH SOLIDUS}etc
\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/x
\N{ONE DOT LEADER}\N{ONE DOT LEADER}/x
\N{FULLWIDTH SEMICOLON}touch MARKER
\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe
\N{ZERO WIDTH SPACE}
\N{GRINNING FACE}
e\N{COMBINING ACUTE ACCENT}
""".strip("\n").splitlines()
PAYLOADS += [
    "",
    " ",
    " x ",
    "\t",
    "x\ntouch MARKER\n",
    "x\rtouch MARKER\r",
    "x\r\nX-Evil: 1",
    "x\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "x\nX-Evil: 1",
    "\r\n",
    "x\0touch MARKER",
    "\0",
    "\x1b]0;evil\x07",
    "\x7f",
    "x\x85X-Evil: 1",
    "x\u2028X-Evil: 1",
    "\ufeffx",
    "\uffff",
    "\r\n--boundary\r\nContent-Disposition: form-data; name=evil\r\n\r\n1",
    '"; filename="evil',
    "a" * 5000,
]

RUN = 'printf "%s\\0" "$#" "$@"'
VALUE = {"type": "object", "properties": {"v": {"type": "string"}}, "required": ["v"]}
LIST = {"type": "object", "properties": {"v": {"type": "array", "items": {"type": "string"}}}}
COMMANDS = {
    "bare": {"command": ["sh", "-c", RUN, "sh", "{{ args.v }}"]},
    "behind": {"command": ["sh", "-c", RUN, "--", "{{ args.v }}"]},
    "part": {"command": ["sh", "-c", RUN, "sh", "--x={{ args.v }}"]},
    "env": {"command": ["sh", "-c", 'printf "%s\\0" "$V"'], "env": {"V": "{{ args.v }}"}},
    "stdin": {"command": ["cat"], "stdin": "{{ args.v }}"},
    "script": {"script": 'printf "%s\\0" "$V"; cat', "env": {"V": "{{ args.v }}"}, "stdin": "{{ args.v }}"},
    "shebang": {"script": '#!/usr/bin/env sh\nprintf %s "$V"', "env": {"V": "{{ args.v }}"}},
}
ARRIVES = {
    "bare": "1\0{}\0",
    "behind": "1\0{}\0",
    "part": "1\0--x={}\0",
    "env": "{}\0",
    "stdin": "{}",
    "script": "{0}\0{0}",
    "shebang": "{}",
}
REQUESTS = {
    "segment": {"url": "/a/{v}/b"},
    "slashes": {"url": "/a/{+v}", "query": {"z": "end"}},
    "in-query": {"url": "/a?f=1&q={v}&z=end"},
    "query": {"url": "/a?f=1", "query": {"q": "{{ args.v }}", "z": "end"}},
    "rest": {"url": "/a?f=1"},
    "header": {"url": "/a", "headers": {"X-V": "{{ args.v }}", "X-Z": "end"}},
    "json": {"url": "/a", "json": {"a": [{"b": "{{ args.v }}"}], "c": "<{{ args.v }}>"}},
    "rest-json": {"url": "/a", "method": "POST"},
    "form": {"url": "/a", "form": {"a": "{{ args.v }}", "z": "end"}},
    "text": {"url": "/a", "body": "<{{ args.v }}>"},
}


def files(url):
    made = {name: {"shell": shell | {"cwd": "../work"}} for name, shell in COMMANDS.items()}
    made |= {name: {"http": {"base_url": url} | http} for name, http in REQUESTS.items()}
    return {f"tools.d/{name}.yaml": json.dumps({"parameters": VALUE} | tool) for name, tool in made.items()}


class Desk:
    """The tools of a project, and a loopback server: `call` gives what the model got, or the members of a failure."""

    def __init__(self, folder, server, runner, tools):
        write_project(folder, tools)
        self.work = folder / "work"
        self.work.mkdir(exist_ok=True)
        self.server = server
        self._runner = runner
        environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
        project = read_project(folder, environ)
        self._tools = {name: resolve_tools(project, one, environ) for name, one in project.catalog.tools.items()}

    def call(self, name, value):
        bound = self._tools[name]
        arguments = json.dumps({"v": value})
        work = call_once(
            bound.tools[0], arguments, mask=bound.mask, approver=StandingApprover(), emit=lambda event: None
        )
        result = self._runner.run(work)
        return json.loads(result.text)["error"] if result.is_error else result.text

    def sent(self, name, value):
        """The request that arrived, or the failure."""
        before = len(self.server.requests)
        failure = self.call(name, value)
        arrived = self.server.requests[before:]
        if isinstance(failure, dict):
            assert arrived == []
            return failure
        (request,) = arrived
        return request


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with Loopback(reply(200, "ok")) as server, asyncio.Runner() as runner:
        made = Desk(tmp_path_factory.mktemp("desk"), server, runner, files(server.url))
        yield made
        assert list(made.work.iterdir()) == []


def refused(failure, *said):
    assert failure["type"] == "invalid_arguments"
    assert all(text in failure["message"] for text in said), failure["message"]


# -- commands -----------------------------------------------------------------------------------------------------


def check_commands(desk, value):
    for name, form in ARRIVES.items():
        got = desk.call(name, value)
        if "\0" in value and name != "stdin":
            refused(got, "the value of `v` holds a NUL character")
        elif name == "bare" and value.startswith("-"):
            refused(got, "the value of `v` may not begin with `-`: `sh` would take it for an option")
        else:
            assert got == form.format(value)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: ascii(payload)[1:30])
def test_a_payload_is_one_argument_variable_or_input_and_nothing_more(desk, payload):
    marker = desk.work / "marker"
    check_commands(desk, payload.replace("MARKER", str(marker)))
    check_commands(desk, payload.replace("MARKER", marker.name))
    assert list(desk.work.iterdir()) == []


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=40)
@given(TEXT)
def test_any_text_arrives_in_a_command_by_the_way_of_a_models_call(desk, value):
    check_commands(desk, value)


@pytest.mark.parametrize("value", ["\ud800", "x\udfff", "\udc80y"])
def test_half_a_surrogate_pair_is_refused_everywhere(desk, value):
    for name in COMMANDS | REQUESTS:
        refused(desk.call(name, value), "half a surrogate pair")


# -- requests -----------------------------------------------------------------------------------------------------


def shape(request):
    """All that a value in its place may not change: `…` stands where it may."""
    path, _, query = request.target.partition("?")
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    fixed = {name: value for name, value in request.headers if name not in ("X-V", "Content-Length")}
    return request.method, path.split("/")[:2], path.count("/"), names, [name for name, _ in request.headers], fixed


def query_of(request):
    return parse_qsl(request.target.partition("?")[2], keep_blank_values=True, errors="strict")


def received(name, request):
    """The value as the server reads it, all else being as it was written."""
    if name == "segment":
        return unquote(request.target.split("/")[2], errors="strict")
    if name == "slashes":
        path = request.target.partition("?")[0]
        return "/".join(unquote(piece, errors="strict") for piece in path.split("/")[2:])
    if name in ("query", "in-query"):
        (first, (key, value), last) = query_of(request)
        assert (first, key, last) == (("f", "1"), "q", ("z", "end"))
        return value
    if name == "rest":
        (first, (key, value)) = query_of(request)
        assert (first, key) == (("f", "1"), "v")
        return value
    if name == "header":
        assert request.header("X-Z") == "end"
        return request.header("X-V")
    if name == "json":
        data = json.loads(request.body)
        value = data["a"][0]["b"]
        assert data == {"a": [{"b": value}], "c": f"<{value}>"}
        return value
    if name == "rest-json":
        ((key, value),) = json.loads(request.body).items()
        assert key == "v"
        return value
    if name == "form":
        ((key, value), last) = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict")
        assert (key, last) == ("a", ("z", "end"))
        return value
    text = request.body.decode()
    assert (text[0], text[-1]) == ("<", ">")
    return text[1:-1]


def refusal(name, value):
    """What the message of a refusal says; None where the value has to arrive."""
    pieces = {"segment": [value], "slashes": value.split("/")}.get(name, ())
    bad = next((piece for piece in pieces if piece in ("", ".", "..")), None)
    if bad is not None:
        return f"`v` puts {f'the piece `{bad}`' if bad else 'an empty piece'} into the path"
    in_header = value.isascii() and value == value.strip(" \t") and all(c == "\t" or " " <= c < "\x7f" for c in value)
    return "the header X-V" if name == "header" and not in_header else None


def check_requests(desk, value):
    for name in REQUESTS:
        got = desk.sent(name, value)
        said = refusal(name, value)
        if said:
            refused(got, said)
            continue
        assert received(name, got) == value
        harmless = value if name != "slashes" else "/".join("x" for _ in value.split("/"))
        assert shape(got) == shape(desk.sent(name, "x" if name != "slashes" else harmless))
        assert got.header("host") == f"127.0.0.1:{desk.server.port}"
        assert got.target.isascii()
        assert " " not in got.target


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: ascii(payload)[1:30])
def test_a_payload_is_one_value_of_a_request_and_nothing_more(desk, payload):
    check_requests(desk, payload)


@settings(max_examples=40)
@given(TEXT | st.lists(st.sampled_from(["..", ".", "", "a", "%2e", "b c"])).map("/".join))
@example("a/b/c")
def test_any_text_arrives_in_a_request_by_the_way_of_a_models_call(desk, value):
    check_requests(desk, value)


# -- options of real programs -------------------------------------------------------------------------------------

OPTIONS = {
    "git": [
        "--output=MARKER",
        "--ext-diff",
        "-OMARKER",
        "-Otouch MARKER",
        "--open-files-in-pager=touch MARKER",
        "--upload-pack=touch MARKER",
        "-c core.pager=touch MARKER",
        "--exec=touch MARKER",
    ],
    "sort": ["-oMARKER", "-o", "--output=MARKER", "--compress-program=touch", "-T.", "--files0-from=-"],
    "tar": [
        "--checkpoint-action=exec=touch MARKER",
        "--checkpoint=1",
        "--to-command=touch MARKER",
        "-I touch MARKER",
        "--use-compress-program=touch MARKER",
        "-fMARKER",
        "--rsh-command=touch",
    ],
    "find": ["-delete", "-exec", "-execdir", "-ok", "-fprint", "-fls", "-fprintf", "-fprint0"],
    "grep": ["--file=/etc/passwd", "-f/etc/passwd", "-r", "--include=*"],
    "sed": ["-i", "--in-place", "-ftouch", "-n", "--expression=w MARKER"],
    "touch": ["-r", "--reference=/", "--no-create"],
}
TOOLS = {
    "git-log": ["git", "log", "{{ args.v }}"],
    "git-log--": ["git", "log", "--", "{{ args.v }}"],
    "git-author": ["git", "log", "--author={{ args.v }}"],
    "git-grep": ["git", "grep", "-e", "{{ args.v }}"],
    "git-grep--": ["git", "grep", "-e", "x", "--", "{{ args.v }}"],
    "git-diff": ["git", "diff", "{{ args.v }}"],
    "git-clone": ["git", "clone", "{{ args.v }}"],
    "sort": ["sort", "{{ args.v }}"],
    "sort--": ["sort", "--", "{{ args.v }}"],
    "sort-key": ["sort", "-k{{ args.v }}", "kept"],
    "tar": ["tar", "-c", "-f", "-", "{{ args.v }}"],
    "tar--": ["tar", "-c", "-f", "-", "--", "{{ args.v }}"],
    "find": ["find", ".", "-name", "{{ args.v }}"],
    "find--": ["find", "--", "{{ args.v }}"],
    "find-dot--": ["find", ".", "--", "{{ args.v }}"],
    "find-env--": ["env", "find", "--", "{{ args.v }}"],
    "find-path--": ["/usr/bin/find", "--", "{{ args.v }}"],
    "grep": ["grep", "{{ args.v }}", "kept"],
    "grep--": ["grep", "-e", "x", "--", "{{ args.v }}"],
    "sed": ["sed", "-n", "p", "{{ args.v }}"],
    "sed--": ["sed", "-n", "p", "--", "{{ args.v }}"],
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Real programs in a repository with one file, `kept`."""
    made = {
        f"tools.d/{name}.yaml": json.dumps(
            {"parameters": LIST, "shell": {"command": command, "cwd": "../work", "env": {"GIT_TERMINAL_PROMPT": 0}}}
        )
        for name, command in TOOLS.items()
        if shutil.which(command[0])
    }
    with asyncio.Runner() as runner:
        desk = Desk(tmp_path_factory.mktemp("programs"), None, runner, made)
        (desk.work / "kept").write_text("x\n")
        if shutil.which("git"):
            who = ["-c", "user.name=n", "-c", "user.email=n@example.com"]
            for words in (["init", "-q"], ["add", "kept"], [*who, "commit", "-q", "-m", "x"]):
                subprocess.run(["git", *words], cwd=desk.work, check=True)
        yield desk


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "index"}


@pytest.mark.parametrize("name", TOOLS)
def test_no_value_is_an_option_of_a_real_program(programs, name):
    command = TOOLS[name]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    before = contents(programs.work)
    program = Path(command[command[0] == "env"]).name
    guarded = name.endswith("--") and program != "find"
    embedded = command[-1] != "{{ args.v }}" and not any(part == "{{ args.v }}" for part in command)
    for option in OPTIONS[program]:
        option = option.replace("MARKER", "marker")
        for value in ([option], ["kept", option], [option, "touch", "marker", ";"], [option, "marker"]):
            got = programs.call(name, value)
            if not guarded and not embedded:
                refused(got, "may not begin with `-`", f"`{command[0]}` would take it for an option")
            assert contents(programs.work) == before, (value, got)
