"""Whatever README and docs show is run: files are validated, commands and programs give what the page says.

`doc_pages.py` says how a block is read. A loopback server stands in for the model service once a page has exported a
key, and nothing else can be reached.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import yaml

import agentrun
from agentrun import attachments, errors
from agentrun.cli import COMMANDS, EXIT_INTERRUPTED, run
from agentrun.cli.slash.commands import COMMANDS as TALK_COMMANDS
from agentrun.engine.attached import size_in_words
from agentrun.observers import semconv
from agentrun.project import read_project
from agentrun.sessions.address import address
from agentrun.sessions.store import open_store
from agentrun.spec.case_types import CallExpect, CallsExpect, ExpectSpec, RequestExpect, ValueExpect
from agentrun.spec.types import NAME_PATTERN
from doc_pages import PAGES, ROOT, Page, commands, exit_code, is_like, with_session
from projects import write_project
from servers import ModelServer, sse

README, *DOCS = [Page(path) for path in PAGES]
CHAT, RUNNING, TESTING, TRACING = (
    next(page for page in DOCS if page.path.stem == name) for name in ("chat", "running", "testing", "tracing")
)
ALL = [README, *DOCS, Page(ROOT / "CONTRIBUTING.md"), Page(ROOT / "CHANGELOG.md")]
BLOCKS = [block for page in (README, *DOCS) for block in page.blocks]

_ATTRIBUTE = r"(?:gen_ai|server|error|agentrun)\.[a-z_.]+"
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def blocks(*languages, words=None):
    """The blocks that are no files, perhaps those with one of these words alone."""
    found = [one for one in BLOCKS if one.language in languages and not one.file]
    return pytest.mark.parametrize(
        "block", [one for one in found if words is None or set(one.words) & set(words)], ids=str
    )


def test_every_block_is_of_a_kind_that_is_run():
    strange = [
        str(one)
        for one in BLOCKS
        if (one.language, one.words)
        not in {
            ("yaml", ("agent",)),
            ("yaml", ("tool",)),
            ("yaml", ("case",)),
            ("yaml", ("test",)),
            ("sh", ()),
            ("sh", ("repo",)),
            ("console", ()),
            ("console", ("repo",)),
            ("python", ()),
            ("text", ()),
        }
        and not one.file
    ]
    assert strange == []


# -- files and fragments --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in (README, *DOCS) if page.files], ids=lambda page: page.path.name)
def test_the_files_of_a_page_are_a_project_without_errors_and_warnings(page, tmp_path):
    write_project(tmp_path, page.files)
    variables = _variables("".join(page.files.values()))
    told = page.prose + "".join(one.text for one in page.blocks if not one.file)
    assert [name for name in variables if name not in told] == [], "the page must say which variables it needs"
    project = read_project(tmp_path, variables)
    found = project.report().diagnostics
    found = [one for one in found if one.code != "AR614"]  # the commands of the page make its folders
    assert [(one.code, one.message) for one in found if one.severity != "info"] == []


@blocks("yaml", words=("agent", "tool"))
def test_a_fragment_fits_into_a_small_agent_or_tool(block, tmp_path):
    written = yaml.safe_load(block.text)
    if block.words == ("agent",):
        agent = {"model": "gpt-4.1-mini"} | written
        path = "agents/fragment.yaml"
        files = {path: json.dumps(agent)}
    else:
        tool = {"description": "A fragment."} | written
        tool.setdefault("parameters", _parameters_for(block.text))
        path = "agents/around.yaml"
        files = {path: "model: gpt-4.1-mini\ntools: [fragment]\n", "tools.d/fragment.yaml": json.dumps(tool)}
        tool["name"] = "fragment"
    write_project(tmp_path, block.page.files | files)
    loaded = agentrun.load(tmp_path / path, environ=_variables("".join([*block.page.files.values(), block.text])))
    assert re.fullmatch(NAME_PATTERN, loaded.name)


def _variables(text):
    """A value for every variable that a text needs."""
    return {
        name: "https://example.com" if name.endswith("URL") else f"a-value-for-{name.lower()}"
        for name in _VARIABLE.findall(text)
    }


def _parameters_for(text):
    """What a fragment uses and doesn't declare: texts, those in a url required."""
    holes = re.findall(r"(?<!\{)\{\+?(\w+)\}(?!\})", text)
    names = dict.fromkeys([*holes, *re.findall(r"\bargs\.(\w+)", text)])
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": holes}


@blocks("yaml", words=("case", "test"))
def test_a_fragment_of_a_test_file_has_no_findings(block, tmp_path):
    write_project(tmp_path, block.page.files | _test_file(block))
    variables = _variables("".join([*block.page.files.values(), block.text]))
    project = read_project(tmp_path, variables)
    found = project.report(project.reached_from(project.files_under([tmp_path / "tests/fragment.test.yaml"])))
    assert [(one.code, one.message) for one in found.diagnostics if one.severity != "info"] == []


@blocks("yaml", words=("case",))
def test_a_case_passes(block, place, service):
    folder, env = place(block)
    write_project(folder, _test_file(block))
    done = execute(["agentrun", "test", "tests/fragment.test.yaml"], folder, env, service)
    assert done.returncode == 0, done.stdout


def _test_file(block):
    written = yaml.safe_load(block.text)
    file = {"cases": [{"name": "fragment"} | written]} if block.words == ("case",) else written
    return {"tests/fragment.test.yaml": json.dumps({"agent": block.page.agent} | file)}


def test_every_example_of_an_expectation_holds_of_the_pages_first_case(tmp_path, place, service):
    examples = [example for _, example in _expectations()]
    assert len(examples) > 40
    first = next(one for one in TESTING.blocks if one.file == "tests/desk.test.yaml")
    file = yaml.safe_load(first.text)
    case = file["cases"][0]
    file["cases"] = [case | {"name": one, "expect": yaml.safe_load(one)} for one in examples]
    folder, env = place(first)
    write_project(folder, {"tests/examples.test.yaml": json.dumps(file)})
    done = execute(["agentrun", "test", "tests/examples.test.yaml"], folder, env, service)
    assert done.returncode == 0, done.stdout


def test_every_expectation_stands_in_a_table_and_no_other():
    kinds = (ExpectSpec, ValueExpect, CallsExpect, CallExpect, RequestExpect)
    known = {name for kind in kinds for name in kind.__struct_encode_fields__}
    assert {key for keys, _ in _expectations() for key in re.findall(r"`(\w+)`", keys)} == known - {"judge"}


def _expectations():
    """(keys, example) of each row of the page's tables of expectations."""
    return re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| `(.+?)` \|", TESTING.text, re.MULTILINE)


# -- commands and programs ------------------------------------------------------------------------------------

_GUARD = """
    import sys

    def only_loopback(event, args):
        if event == "socket.getaddrinfo":
            host = args[0]
        elif event == "socket.connect" and isinstance(args[1], tuple):
            host = args[1][0]
        else:
            return
        host = host.decode() if isinstance(host, bytes) else host
        if host not in (None, "", "127.0.0.1", "::1", "localhost"):
            raise OSError(f"the documentation may not reach {host}")

    sys.addaudithook(only_loopback)
"""


@pytest.fixture
def place(tmp_path):
    """Makes the folder that a block is run in, and its environment."""

    def make(block):
        folder = tmp_path / "work"
        if "repo" in block.words:
            _copy_repository(folder)
            programs = folder / ".venv" / "bin"
        else:
            write_project(folder, block.page.files)
            programs = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        programs.mkdir(parents=True, exist_ok=True)
        _program(programs / "python", f'exec "{sys.executable}" "$@"')
        _program(programs / "agentrun", f'exec "{sys.executable}" -m agentrun "$@"')
        write_project(tmp_path / "guard", {"sitecustomize.py": _GUARD})
        names = ("LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
        env = {name: os.environ[name] for name in names if name in os.environ}
        env |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), "NO_COLOR": "1"}
        return folder, env | {"PYTHONPATH": str(tmp_path / "guard"), "PYTHONDONTWRITEBYTECODE": "1"} | block.exported

    return make


def _copy_repository(folder):
    """All that a first look needs. Its environment is this one, and is ready: nothing is installed."""
    for name in ("agents", "tools.d", "docs", "schemas"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Makefile", "pyproject.toml", "README.md"):
        shutil.copy2(ROOT / name, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / ".ready").touch()
    (folder / ".venv" / ".ready-dev").touch()


def _program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture
def service():
    """Answers every request to a model."""
    with ModelServer(itertools.repeat(sse("Yes, take an umbrella."))) as server:
        yield server


def execute(arguments, folder, env, service):
    if "OPENAI_API_KEY" in env:
        env = env | {"OPENAI_BASE_URL": service.base_url}
    return subprocess.run(
        arguments,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
    )


@blocks("sh")
def test_commands_succeed(block, place, service):
    done = execute(["bash", "-euo", "pipefail", "-c", block.text], *place(block), service)
    assert done.returncode == exit_code(block.text), done.stdout
    assert bool(service.requests) == ("OPENAI_API_KEY=" in block.text)


@blocks("console")
def test_commands_print_what_the_page_shows(block, place, service):
    folder, env = place(block)
    session = None
    for command, code, output in commands(block):
        done = execute(["bash", "-o", "pipefail", "-c", with_session(command, session)], folder, env, service)
        session = _last_session(env) or session
        assert is_like(with_session(output, session), done.stdout), f"$ {command}\n{done.stdout}"
        assert done.returncode == code, f"$ {command}\n{done.stdout}"


def _last_session(env):
    if not address(env).path.exists():
        return None
    store = open_store(env)
    try:
        return next((one.id for one in store.sessions(limit=1)), None)
    finally:
        store.close()


@blocks("python")
def test_programs_run_and_print_what_the_page_shows(block, place, service):
    folder, env = place(block)
    (folder / "example.py").write_text(block.text)
    done = execute([sys.executable, "example.py"], folder, env, service)
    assert done.returncode == 0, done.stdout
    output = block.page.output_of(block)
    assert output is None or is_like(output.text, done.stdout), done.stdout


@blocks("text")
def test_a_text_follows_the_program_that_prints_it(block):
    before = [one for one in block.page.blocks if one.line < block.line]
    assert before
    assert (before[-1].language, before[-1].file) == ("python", None)


def test_dots_stand_for_anything_and_nothing_else_does():
    assert is_like("a … c\n…\nz", "a b c\n1\n2\nz\n")
    assert is_like("…\nz", "z")
    assert not is_like("a.c", "abc")
    assert not is_like("a", "a\nb")


def test_commands_and_programs_reach_nothing_but_this_machine(tmp_path):
    write_project(tmp_path, {"sitecustomize.py": _GUARD})
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    env = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=30)
    assert "the documentation may not reach 192.0.2.1" in done.stderr


# -- what the pages promise -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.path.name)
def test_every_link_within_the_repository_leads_somewhere(page):
    broken = []
    for link in page.links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        if not target.exists() or (anchor and anchor not in Page(target).anchors):
            broken.append(link)
    assert broken == []


def test_readme_has_every_command_and_no_other():
    listed = set(re.findall(r"^\| `agentrun (\w+)", README.section("Commands"), re.MULTILINE))
    assert listed == set(COMMANDS)


def test_readme_links_every_page():
    assert {f"docs/{page.path.name}" for page in DOCS} <= set(README.links)


def test_running_has_every_exit_code_and_no_other():
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", RUNNING.section("Exit codes"), re.MULTILINE)}
    kinds = (errors.AgentrunError, errors.UsageError, errors.SpecError, errors.ModelError, errors.StoreError)
    known = {kind.exit_code for kind in kinds} | {EXIT_INTERRUPTED, run.EXIT_UNANSWERED}
    known |= {128 + signal.SIGTERM, 128 + signal.SIGHUP}
    assert listed == {0} | known


def test_running_has_every_type_of_event_and_every_reason():
    kinds = {kind.__struct_config__.tag for kind in vars(agentrun.events).values() if _is_event(kind)}
    reasons = set(agentrun.events.Reason.__args__)
    assert kinds <= set(re.findall(r"`(\w+)`", RUNNING.section("Events")))
    assert reasons <= set(re.findall(r"`(\w+)`", RUNNING.section("How a run ends")))


def _is_event(kind):
    return isinstance(kind, type) and issubclass(kind, agentrun.events.Event) and kind is not agentrun.events.Event


def test_chat_has_every_command_in_the_order_of_help_and_no_other():
    rows = re.findall(r"^\| `(/.+?)` \| .+ \|$", CHAT.section("Commands"), re.MULTILINE)
    assert [row.replace("\\|", "|") for row in rows] == [f"/{one.name} {one.usage}".rstrip() for one in TALK_COMMANDS]
    aliases = {f"`/{alias}` is `/{one.name}`" for one in TALK_COMMANDS for alias in one.aliases}
    assert {one for one in aliases if one not in CHAT.text} == set()


def test_chat_has_the_limits_of_attached_files():
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", CHAT.section("Files"), re.MULTILINE))
    said = {kind.split()[0].rstrip(":"): limit for kind, limit in rows.items()}
    assert said["image"] == size_in_words(attachments.MAX_IMAGE_BYTES)
    assert said["PDF"] == size_in_words(attachments.MAX_PDF_BYTES)
    assert said["text"] == size_in_words(attachments.MAX_TEXT_BYTES)
    assert said["all"] == f"{attachments.MAX_FILES} files, {size_in_words(attachments.MAX_ALL_BYTES)}"


def test_tracing_has_every_attribute_and_no_other():
    known = {value for name, value in vars(semconv).items() if name.isupper() and re.match(_ATTRIBUTE, str(value))}
    assert set(re.findall(rf"`({_ATTRIBUTE})`", TRACING.text)) == known
    content = set(re.findall(rf"`({_ATTRIBUTE})`", TRACING.section("What was said")))
    assert content == semconv.CONTENT
