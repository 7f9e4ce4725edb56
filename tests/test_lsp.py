"""`agentrun lsp`, driven over its own standard input and output by the client that the protocol's library brings."""

import asyncio
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from agentrun.diagnostics import Span
from agentrun.lsp.desk import Desk
from agentrun.lsp.methods import make_server
from agentrun.lsp.outline import cursor_at, tokens_of
from agentrun.lsp.positions import Positions
from agentrun.spec.yaml_nodes import read_text
from projects import write_project

WAIT_S = 20
ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "agents/support.yaml": """
        model: gpt-4.1-mini
        description: Answers questions about orders.
        system_prompt: Today is {{ run.date }}.
        tools: [find_order]
        """,
    "agents/_base.yaml": "model: gpt-4.1-mini\n",
    "tools.d/find_order.yaml": """
        description: Finds an order.
        parameters:
          type: object
          properties:
            order_id: {type: string, description: The order's number.}
            lang: {type: string, enum: [en, de], default: en}
          required: [order_id]
        http:
          url: https://orders.example.com/orders/{order_id}
          query: {lang: "{{ args.lang }}"}
        """,
    "tools.d/refund_order.yaml": """
        description: Refunds an order.
        parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
        require_approval: always
        http: {url: "https://orders.example.com/orders/{order_id}/refunds", method: POST}
        """,
}


class Editor:
    """A client with a server process of its own, and a loop to wait on it."""

    def __init__(self, cwd, encodings=None, process_id=None):
        self.loop = asyncio.new_event_loop()
        self.client = LanguageClient("test-editor", "1")
        self.published = {}
        self.news = asyncio.Event()
        self.versions = {}

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _(params):
            self.published[params.uri] = params
            self.news.set()

        self.wait(self.client.start_io(sys.executable, "-m", "agentrun", "lsp", cwd=cwd))
        general = types.GeneralClientCapabilities(position_encodings=encodings) if encodings else None
        params = types.InitializeParams(types.ClientCapabilities(general=general), process_id=process_id)
        self.server = self.wait(self.client.initialize_async(params))
        self.client.initialized(types.InitializedParams())

    def wait(self, awaitable):
        async def bounded():
            return await asyncio.wait_for(awaitable, WAIT_S)

        return self.loop.run_until_complete(bounded())

    def open(self, path, text=None):
        uri = path.as_uri()
        content = path.read_text(encoding="utf-8") if text is None else text
        self.versions[uri] = 1
        document = types.TextDocumentItem(uri, "yaml", 1, content)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return uri

    def change(self, uri, text, begin=None, end=None):
        """The whole text, or a stretch of it."""
        self.versions[uri] += 1
        change = types.TextDocumentContentChangeWholeDocument(text)
        if begin is not None:
            place = types.Range(types.Position(*begin), types.Position(*end))
            change = types.TextDocumentContentChangePartial(place, text)
        document = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    def close(self, uri):
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))

    def findings(self, uri, version=None):
        """What is published for the text as it is now."""
        wanted = self.versions[uri] if version is None else version

        async def arrive():
            while uri not in self.published or self.published[uri].version != wanted:
                self.news.clear()
                await self.news.wait()
            return list(self.published[uri].diagnostics)

        return self.wait(arrive())

    def codes(self, uri):
        return [one.code for one in self.findings(uri)]

    def next_publication(self, uri):
        before = self.published.get(uri)

        async def arrive():
            while self.published.get(uri) is before:
                self.news.clear()
                await self.news.wait()
            return list(self.published[uri].diagnostics)

        return arrive

    def complete(self, uri, position):
        params = types.CompletionParams(types.TextDocumentIdentifier(uri), types.Position(*position))
        found = self.wait(self.client.text_document_completion_async(params))
        return list(found.items) if found is not None else []

    def hover(self, uri, position):
        params = types.HoverParams(types.TextDocumentIdentifier(uri), types.Position(*position))
        return self.wait(self.client.text_document_hover_async(params))

    def definition(self, uri, position):
        params = types.DefinitionParams(types.TextDocumentIdentifier(uri), types.Position(*position))
        return self.wait(self.client.text_document_definition_async(params))

    def actions(self, uri, place, only=None):
        context = types.CodeActionContext([], only)
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), place, context)
        return list(self.wait(self.client.text_document_code_action_async(params)))

    def format(self, uri):
        params = types.DocumentFormattingParams(types.TextDocumentIdentifier(uri), types.FormattingOptions(2, True))
        return list(self.wait(self.client.text_document_formatting_async(params)))

    def symbols(self, uri):
        params = types.DocumentSymbolParams(types.TextDocumentIdentifier(uri))
        return list(self.wait(self.client.text_document_document_symbol_async(params)))

    def send(self, text):
        """Bytes that the client would not send."""
        self.client._server.stdin.write(text.encode())

    def leave(self, *, politely=True):
        """The exit code of the server."""
        if politely:
            self.wait(self.client.shutdown_async(None))
        self.client.exit(None)
        code = self.wait(self.client._server.wait())
        self.wait(self.client.stop())
        self.loop.close()
        return code


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    one = Editor(tmp_path_factory.mktemp("elsewhere"))
    yield one
    assert one.leave() == 0


@pytest.fixture
def project(tmp_path):
    write_project(tmp_path, FILES)
    return tmp_path


def at_cursor(marked):
    """A text without its `¦`, and the place of it."""
    before, _, after = marked.partition("¦")
    return before + after, (before.count("\n"), len(before) - (before.rfind("\n") + 1))


def completed(editor, project, path, marked):
    """The labels offered at the `¦` of a text that stands in a file nobody saved."""
    text, position = at_cursor(marked)
    uri = editor.open(project / path, text)
    items = editor.complete(uri, position)
    editor.close(uri)
    return items


def labels(items):
    return [item.label for item in items]


def applied(text, edits):
    positions = Positions(text)
    for edit in sorted(edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True):
        begin = positions.offset((edit.range.start.line, edit.range.start.character))
        end = positions.offset((edit.range.end.line, edit.range.end.character))
        text = text[:begin] + edit.new_text + text[end:]
    return text


# -- findings -------------------------------------------------------------------------------------------------


def test_a_file_is_checked_when_it_is_opened_and_again_when_it_is_mended(editor, project):
    uri = editor.open(project / "agents/support.yaml", "model: gpt-4.1-mini\ntools: [find_ordr]\n")
    (found,) = editor.findings(uri)
    assert (found.code, found.source, found.severity) == ("AR401", "agentrun", types.DiagnosticSeverity.Error)
    assert found.range == types.Range(types.Position(1, 8), types.Position(1, 17))
    assert "did you mean `find_order`?" in found.message
    editor.change(uri, "find_order", (1, 8), (1, 17))
    assert editor.findings(uri) == []
    editor.close(uri)


def test_an_unsaved_tool_mends_the_agent_that_names_it(editor, project):
    agent = editor.open(project / "agents/support.yaml", "model: gpt-4.1-mini\ntools: [find_order, cancel_order]\n")
    assert editor.codes(agent) == ["AR401"]
    changed = editor.next_publication(agent)
    tool = editor.open(project / "tools.d/cancel_order.yaml", "description: Cancels.\nfinal: true\n")
    assert editor.wait(changed()) == []
    changed = editor.next_publication(agent)
    editor.close(tool)
    assert [one.code for one in editor.wait(changed())] == ["AR401"]
    editor.close(agent)


def test_closing_a_file_takes_its_findings_away(editor, project):
    uri = editor.open(project / "agents/support.yaml", "model: gpt-4.1-mini\ntols: []\n")
    assert editor.codes(uri) == ["AR301"]
    gone = editor.next_publication(uri)
    editor.close(uri)
    assert editor.wait(gone()) == []


def test_of_many_quick_changes_the_last_one_is_told(editor, project):
    uri = editor.open(project / "agents/support.yaml")
    for number in range(20):
        editor.change(uri, f"model: gpt-4.1-mini\ntools: [missing_{number}]\n")
    assert "missing_19" in editor.findings(uri)[0].message
    editor.close(uri)


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\x1c", "\x0b", "🙂"])
def test_a_change_is_made_where_the_editor_made_it(editor, project, char):
    text = f"description: |\n  a{char}\n  b\nmodel: gpt-4.1-mini\ntools: [nothing_here]\n"
    uri = editor.open(project / "agents/support.yaml", text)
    editor.change(uri, "🙂", (1, 3), (1, 99))
    editor.change(uri, "find_order", (4, 8), (4, 20))
    editor.change(uri, "limits: {max_turns: 0}", (99, 0), (99, 0))
    (found,) = editor.findings(uri)
    assert found.range.start == types.Position(5, 20)
    editor.close(uri)


def test_a_change_that_comes_as_a_check_ends_is_checked_too(tmp_path, monkeypatch):
    server = make_server(Desk({}, (), lambda root, found: found))
    checked = []

    async def check(root, pause):
        server._stale.discard(root)
        checked.append(root)
        if len(checked) == 1:
            server.want_check(root)

    async def change():
        server.want_check(tmp_path)
        while server._running:
            await asyncio.wait(list(server._running.values()))

    monkeypatch.setattr(server, "_check_until_fresh", check)
    asyncio.run(change())
    assert checked == [tmp_path, tmp_path]


def test_a_change_of_a_file_that_is_not_open_is_nothing(editor, project):
    uri = (project / "agents/support.yaml").as_uri()
    editor.versions[uri] = 1
    editor.change(uri, "x", (0, 0), (0, 1))
    editor.open(project / "agents/support.yaml")
    assert editor.findings(uri) == []
    editor.close(uri)


def test_many_findings_of_a_long_file_are_told_soon(editor, project):
    names = "".join(f"  - missing_{number}\n" for number in range(200))
    uri = editor.open(project / "agents/support.yaml", f"model: gpt-4.1-mini\ntools:\n{names}" + "#\n" * 400_000)
    assert len(editor.findings(uri)) == 200
    whole = types.Range(types.Position(0, 0), types.Position(9999, 0))
    assert len(editor.actions(uri, whole, ["quickfix"])) == 200
    editor.close(uri)


def test_columns_are_utf_16_where_nothing_else_was_agreed(editor, project):
    uri = editor.open(
        project / "agents/support.yaml", 'model: gpt-4.1-mini\ntools: [find_order]\nstarters: ["🙂🙂", 1042]\n'
    )
    (found,) = editor.findings(uri)
    line = 'starters: ["🙂🙂", 1042]'
    begin = len(line[: line.index("1042")].encode("utf-16-le")) // 2
    assert (found.range.start.character, found.range.end.character) == (begin, begin + 4)
    editor.close(uri)


def test_a_text_that_is_no_yaml_has_its_finding_and_the_rest_goes_on(editor, project):
    uri = editor.open(project / "agents/support.yaml", "model: gpt-4.1-mini\ntools: [find_order\n")
    assert editor.codes(uri)[0].startswith("AR2")
    editor.change(uri, "model: gpt-4.1-mini\ntools: [find_order]\n")
    assert editor.findings(uri) == []
    editor.close(uri)


def test_a_second_definition_points_to_the_first(editor, project):
    uri = editor.open(project / "tools.d/twice.yaml", "name: find_order\ndescription: Another.\nfinal: true\n")
    (found,) = [one for one in editor.findings(uri) if one.code == "AR406"]
    assert found.related_information[0].location.uri == (project / "tools.d/find_order.yaml").as_uri()
    editor.close(uri)


def test_files_that_are_not_agentruns_are_left_alone(editor, project):
    uri = editor.open(project / "compose.yaml", "services: {web: {image: nginx}}\nmodel: [\n")
    own = editor.open(project / "agents/support.yaml")
    assert editor.findings(own) == []
    assert editor.findings(uri) == []
    assert editor.complete(uri, (0, 0)) == []
    editor.close(uri)
    editor.close(own)


def test_the_settings_of_the_project_and_its_comments_hold(editor, project):
    text = "description: d\nparameters:\n  type: object\n  properties: {}\n  required: [a]\nfinal: true\n"
    uri = editor.open(project / "tools.d/t.yaml", text)
    assert "AR605" in editor.codes(uri)
    editor.change(uri, "  # agentrun: ignore[AR605] kept for now\n", (4, 0), (4, 0))
    assert "AR605" not in editor.codes(uri)
    editor.change(uri, text)
    assert "AR605" in editor.codes(uri)
    (project / "agentrun.toml").write_text('ignore = ["AR6"]\n')
    editor.change(uri, text + "\n")
    assert [code for code in editor.codes(uri) if code.startswith("AR6")] == []
    editor.close(uri)


def test_a_baseline_holds_and_settings_that_cannot_be_read_do_not(editor, project):
    text = "model: gpt-4.1-mini\ntools: [nothing_here]\n"
    (project / "agents/support.yaml").write_text(text)
    write = ["validate", "--write-baseline", "known.json"]
    subprocess.run([sys.executable, "-m", "agentrun", *write], cwd=project, check=True, timeout=WAIT_S)
    (project / "agentrun.toml").write_text('baseline = "known.json"\n')
    uri = editor.open(project / "agents/support.yaml")
    assert editor.findings(uri) == []
    (project / "agentrun.toml").write_text("baseline = [\n")
    editor.change(uri, text + "\n")
    assert editor.codes(uri) == ["AR401"]
    editor.close(uri)


def test_a_text_that_was_never_saved_anywhere_is_left_alone(editor, project):
    document = types.TextDocumentItem("untitled:Untitled-1", "yaml", 1, "model: [\n")
    editor.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    assert editor.complete("untitled:Untitled-1", (0, 0)) == []


# -- completion -----------------------------------------------------------------------------------------------

T = "tests/t.test.yaml"
CASE = "agent: support\ncases:\n  - name: a\n"


@pytest.mark.parametrize(
    ("path", "text", "offered", "not_offered"),
    [
        ("agents/a.yaml", "¦", ["model", "tools", "system_prompt"], ["http"]),
        ("agents/a.yaml", "model: gpt-4.1-mini\ntoo¦\n", ["tools", "limits"], ["model"]),
        ("agents/a.yaml", "model: gpt-4.1-mini\ntoo¦\ninput: hello\n", ["tools"], ["input", "model"]),
        ("agents/a.yaml", "model:\n  na¦\n", ["name", "api", "base_url"], ["tools"]),
        ("agents/a.yaml", "model:\n  name: x\n  ¦\n", ["api", "base_url"], ["name", "tools"]),
        ("agents/a.yaml", "model: {name: x, ¦}\n", ["api"], ["name"]),
        ("agents/a.yaml", "model: {name: x, a¦\nlimits: {}\n", ["api"], ["name"]),
        ("agents/a.yaml", "model: {name: x, api: ¦}\n", ["chat_completions", "scripted"], ["api"]),
        ("agents/a.yaml", "model: x\nparallel_tool_calls: ¦\n", ["true", "false"], []),
        ("agents/a.yaml", "model: x\nlimits:\n  on_limit: a¦\n", ["stop", "answer"], []),
        ("agents/a.yaml", "model: x\ntools: [¦", ["find_order", "refund_order"], []),
        ("agents/a.yaml", "model: x\ntools: [find_order, ¦]\n", ["refund_order"], ["find_order"]),
        ("agents/a.yaml", "model: x\ntools:\n  - find_order\n  - ¦\n", ["refund_order"], ["find_order"]),
        ("agents/a.yaml", "model: x\ntools:\n- ref¦\n", ["refund_order"], []),
        ("agents/a.yaml", "model: x\ntools:\n  - extends: ¦\n", ["refund_order", "find_order"], []),
        ("agents/a.yaml", "model: x\ntools:\n  - name: t\n    ¦\n", ["http", "description"], ["name", "model"]),
        ("agents/a.yaml", "model: x\ntools:\n  - agent: ¦\n", ["support"], ["find_order"]),
        ("agents/a.yaml", "model: x\nhandoffs: [¦]\n", ["support"], ["find_order"]),
        ("agents/a.yaml", "extends: ¦\n", ["_base", "support"], ["find_order"]),
        ("agents/a.yaml", "model: x\ntools: [find_order]\ntool_choice: ¦\n", ["auto", "required", "find_order"], []),
        ("agents/a.yaml", "model: x\npermissions:\n  - ¦\n", ["deny", "ask", "allow", "when"], ["tools"]),
        ("agents/a.yaml", "model: x\npermissions:\n  - {ask: ¦}\n", ["refund_order"], []),
        ("agents/a.yaml", "model: x\nhandoffs: [support]\npermissions:\n  - {ask: ¦}\n", ["transfer_to_support"], []),
        ("agents/a.yaml", "model: x\nhandoffs: [support]\ntool_choice: ¦\n", ["transfer_to_support", "auto"], []),
        ("agents/a.yaml", "model: x\nhandoffs: [support]\ntools: [¦]\n", ["find_order"], ["transfer_to_support"]),
        ("agents/a.yaml", "model: x\npermissions:\n  - {ask: refund_order, ¦}\n", ["when"], ["deny", "allow"]),
        ("agents/a.yaml", "model: x\ninput: \"{{ args.¦\n", ["input"], []),
        ("agents/a.yaml", "model: x\nsystem_prompt: |\n  Hello.\n  Today is {{ run.¦\n", ["date", "id"], ["turn"]),
        ("agents/a.yaml", "model: x\nparameters:\n  ¦\n", ["type", "properties", "required"], ["model"]),
        ("agents/a.yaml", "model: x\nparameters:\n  properties:\n    a: {type: ¦}\n", ["string", "integer"], []),
        ("tools.d/t.yaml", "description: d\n¦", ["http", "shell", "parameters"], ["model", "description"]),
        ("tools.d/t.yaml", "description: d\nhttp:\n  url: /x\n¦", ["parameters", "timeout"], ["shell", "http"]),
        ("tools.d/t.yaml", "http:\n  ¦\n", ["url", "method", "json"], ["command"]),
        ("tools.d/t.yaml", "http:\n  url: /x\n  json: {}\n  ¦\n", ["method"], ["body", "form", "url"]),
        ("tools.d/t.yaml", "http:\n  url: /x\n  method: ¦\n", ["GET", "POST"], []),
        ("tools.d/t.yaml", "agent: ¦\n", ["support"], ["find_order"]),
        ("tools.d/t.yaml", "require_approval: ¦\n", ["auto", "always", "never"], []),
        ("tools.d/t.yaml", "name: one\nfinal: true\n---\nname: two\n¦", ["http", "final"], ["name"]),
        ("tests/t.test.yaml", "agent: ¦\n", ["support"], []),
        ("tests/t.test.yaml", "agent: support\ntools:\n  ¦\n", ["find_order"], ["refund_order"]),
        ("tests/t.test.yaml", "agent: support\ntools: {find_order: {¦}}\n", ["status", "json", "when"], ["stdout"]),
        (T, CASE + "    tools: {find_order: [{when: {¦}}]}\n", ["order_id", "lang"], ["status"]),
        (T, CASE + "    tools: {find_order: [{when: {lang: ¦}}]}\n", ["en", "de"], []),
        (T, CASE + "    expect: {calls: [{name: find_order, request: {¦}}]}\n", ["method", "query"], ["argv", "stdin"]),
        (T, CASE + "    expect: {calls: [{name: find_order, request: {query: {¦}}}]}\n", [], ["method", "argv"]),
        (T, CASE + "    expect: {answer: {schema: {type: ¦}}}\n", ["object", "integer"], []),
        ("tests/t.test.yaml", "agent: support\ncases:\n  - name: a\n    ¦\n", ["expect", "args"], ["name"]),
        ("tests/t.test.yaml", "agent: support\ncases:\n  - name: a\n    args: {¦}\n", ["input"], []),
        ("tests/t.test.yaml",
         "agent: support\ncases:\n  - name: a\n    expect:\n      calls: [{name: ¦}]\n", ["find_order"], []),
        ("tests/t.test.yaml",
         "agent: support\ncases:\n  - name: a\n    expect:\n      calls: [{name: find_order, arguments: {¦}}]\n",
         ["order_id", "lang"], []),
        (T, CASE + "    ¦\n", ["each", "conversation", "cassette", "refuse", "pass_rate"], ["name", "cases"]),
        (T, CASE + "    conversation:\n      - ¦\n", ["user", "expect"], ["answer"]),
        (T, CASE + "    expect:\n      ¦\n", ["answer", "calls", "approvals"], ["name", "find_order"]),
        (T, CASE + "    expect: {calls: [¦]}\n", ["find_order"], ["refund_order"]),
        (T, CASE + "    expect: {calls: {exact: [¦]}}\n", ["find_order"], ["refund_order"]),
        (T, CASE + "    expect: {calls: {in_order: [{name: ¦}]}}\n", ["find_order"], []),
        (T, CASE + "    expect: {calls: {never: [find¦]}}\n", ["find_order"], []),
        (T, CASE + "    expect: {calls: {same_turn: [find_order, ¦]}}\n", [], ["find_order"]),
        (T, CASE + "    expect: {calls: {count: {¦}}}\n", ["find_order"], ["exact"]),
        (T, CASE + "    expect: {calls: [{name: find_order, after: ¦}]}\n", ["find_order"], []),
        (T, CASE + "    expect: {calls: [{name: find_order, error: ¦}]}\n", ["denied", "timeout"], []),
        (T, CASE + "    expect: {calls: [{name: find_order, where: {¦}}]}\n", ["order_id", "lang"], []),
        (T, CASE + "    expect: {approvals: [¦]}\n", ["find_order"], []),
        (T, CASE + "    expect: {reason: ¦}\n", ["answered", "max_turns"], ["find_order"]),
        (T, CASE + "    expect: {agent: ¦}\n", ["support"], ["find_order"]),
        (T, CASE + "    conversation:\n      - {user: a, expect: {calls: [¦]}}\n", ["find_order"], []),
        (T, CASE + "    refuse: {¦}\n", ["find_order"], []),
        (T, CASE + "    refuse: [¦]\n", ["find_order"], []),
        (T, CASE + "    tools: {find_order: [{when: {¦}}]}\n", ["order_id", "lang"], []),
        (T, CASE + "    tools: {find_order: {when: {¦}}}\n", ["order_id", "lang"], []),
        (T, CASE + "    each: [{city: Oslo, n: 1}]\n    args: {input: \"{{ each.¦\"}\n", ["city", "n"], ["args"]),
        (T, CASE + "    each: {city: [Oslo]}\n    args:\n      input: \"{{ ¦\n", ["each"], ["args", "run"]),
        (T, CASE + "    args: {input: \"{{ each.¦\"}\n", [], ["city"]),
    ],
)  # fmt: skip
def test_what_may_stand_at_a_place_is_offered_and_nothing_else(editor, project, path, text, offered, not_offered):
    found = labels(completed(editor, project, path, text))
    assert [one for one in offered if one not in found] == []
    assert [one for one in not_offered if one in found] == []


TOOL = """\
description: Finds an order.
parameters:
  type: object
  properties:
    order_id: {type: string, description: The order's number.}
  required: [order_id]
"""


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("http:\n  url: https://example.com/{¦\n", ["order_id"]),
        ("http:\n  url: /x\n  query: {id: \"{{ args.¦ }}\"}\n", ["order_id"]),
        ("http:\n  url: /x\n  query: {id: \"{{ args.¦\n", ["order_id"]),
        ("http:\n  url: /x\n  query: {id: \"{{ ¦\"}\n", ["args", "run", "call"]),
        ("http:\n  url: /x\n  headers: {X-Id: \"{{ call.¦ }}\"}\n", ["id", "name", "turn"]),
        ("http:\n  url: /x\noutput: \"{{ ¦ }}\"\n", ["body", "status", "args"]),
        ("output: \"{{ std¦ }}\"\nshell:\n  command: [date]\n", ["stdout", "exit_code"]),
        ("output: \"{{ ¦ }}\"\npython: a:b\n", ["result"]),
        ("output: {{ args.¦\nhttp: {url: /x}\n", ["order_id"]),
        ("shell:\n  command: [echo, --, \"{{ args.o¦\"]\n", ["order_id"]),
    ],
)  # fmt: skip
def test_a_template_is_offered_what_it_can_name(editor, project, text, offered):
    found = labels(completed(editor, project, "tools.d/typed.yaml", TOOL + text))
    assert [one for one in offered if one not in found] == []
    assert "description" not in found


def test_an_argument_is_offered_with_its_type_and_description(editor, project):
    (item,) = completed(editor, project, "tools.d/typed.yaml", TOOL + 'output: "{{ args.¦ }}"\n')
    assert (item.label, item.detail) == ("order_id", "string")
    assert item.documentation.value == "The order's number."


def test_required_keys_come_first_with_their_type_and_description(editor, project):
    first, *others = sorted(completed(editor, project, "agents/a.yaml", "¦"), key=lambda item: item.sort_text)
    assert (first.label, first.text_edit.new_text) == ("model", "model: ")
    assert "required" in first.detail
    assert first.documentation.value == "The model's name, or a mapping."
    assert all("required" not in item.detail for item in others)


def test_a_completion_replaces_the_word_and_keeps_its_colon(editor, project):
    items = completed(editor, project, "agents/a.yaml", "model: x\nto¦ols: []\n")
    (item,) = [one for one in items if one.label == "tools"]
    assert item.text_edit == types.TextEdit(types.Range(types.Position(1, 0), types.Position(1, 5)), "tools")


@pytest.mark.parametrize("text", ["model: x\nparallel_tool_calls:¦\n", "model: x\ntools: [{name: a, strict:¦}]\n"])
def test_a_value_keeps_its_distance_from_the_colon(editor, project, text):
    items = completed(editor, project, "agents/a.yaml", text)
    assert [one.text_edit.new_text for one in items] == [" true", " false"]


def test_a_list_that_has_no_dash_yet_is_given_one(editor, project):
    items = completed(editor, project, "agents/a.yaml", "model: x\ntools:\n  ¦\n")
    assert [one.text_edit.new_text for one in items if one.label == "find_order"] == ["- find_order"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("model: x\ntools: ¦\n", ["[find_order]", "[refund_order]"]),
        ("model: x\ntools: fin¦\n", ["[find_order]", "[refund_order]"]),
        ("model: x\ntools: ¦\n  - find_order\n", []),
        ("model: x\ntools: [¦]\n", ["find_order", "refund_order"]),
        ("model: x\ntools: [find_order, ¦]\n", ["refund_order"]),
        ("model: x\npermissions:\n  ¦\n", ["- deny: ", "- ask: ", "- allow: ", "- when: "]),
        ("model: x\ntools: [{shell: {command: [¦]}}]\n", []),
    ],
)
def test_a_list_is_written_as_a_list_and_its_elements_alone(editor, project, text, written):
    items = completed(editor, project, "agents/a.yaml", text)
    assert [one.text_edit.new_text for one in items] == written


@pytest.mark.parametrize("text", ["model: " + "[" * 30_000, "tools:\n" + "- " * 30_000, "tools: " + "{a: " * 30_000])
def test_what_is_nested_without_end_is_no_burden(text):
    assert len(tokens_of(text)) < 200


def test_a_completion_after_an_emoji_stands_at_the_right_unit(editor, project):
    text, position = at_cursor('model: x\nstarters: ["🙂"]\ntools: [{description: "🙂", final: ¦}]\n')
    uri = editor.open(project / "agents/a.yaml", text)
    (line, character) = position
    (item,) = editor.complete(uri, (line, character + 1))
    assert item.label == "true"
    assert item.text_edit.range.start.character == character + 1
    editor.close(uri)


def test_in_prose_and_comments_nothing_is_offered(editor, project):
    assert completed(editor, project, "agents/a.yaml", "model: x\nsystem_prompt: |\n  Hello, ¦\n") == []
    assert completed(editor, project, "agents/a.yaml", "model: x # to¦\n") == []


# -- hover and definition -------------------------------------------------------------------------------------


def hovered(editor, project, path, marked):
    text, position = at_cursor(marked)
    uri = editor.open(project / path, text)
    found = editor.hover(uri, position)
    editor.close(uri)
    return found.contents.value if found is not None else None


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("agents/a.yaml", "model: x\nlimits: {max_tu¦rns: 3}\n", ["Model turns.", "Default: `25`", "a whole number"]),
        ("agents/a.yaml", "model: {name: x, a¦pi: offline}\n", ["Allowed:", "`chat_completions`"]),
        ("agents/a.yaml", "model: x\ntools: [find_¦order]\n", ["Finds an order.", "find_order.yaml"]),
        ("tools.d/t.yaml", "agent: supp¦ort\n", ["Answers questions about orders."]),
        ("tools.d/t.yaml", TOOL + "output: \"{{ args.order¦_id }}\"\n", ["The order's number.", '"type": "string"']),
        ("tools.d/t.yaml", TOOL + "http: {url: \"https://example.com/{order¦_id}\"}\n", ["The order's number."]),
        ("tools.d/t.yaml", "param¦eters: {type: object}\n", ["JSON Schema 2020-12"]),
        ("tests/t.test.yaml", "agent: support\ntools: {find¦_order: {}}\n", ["Finds an order."]),
        (T, CASE + "    expect: {calls: {never: [find_or¦der]}}\n", ["Finds an order."]),
        (T, CASE + "    expect: {calls: {cou¦nt: {}}}\n", ["How often a tool"]),
        (T, CASE + "    tools: {find_order: {when: {order¦_id: a}}}\n", ["The order's number."]),
        (T, CASE + "    each: [{n: 1}]\n    args: {input: \"{{ ea¦ch.n }}\"}\n", ["`each.n`"]),
    ],
)  # fmt: skip
def test_the_thing_under_the_pointer_is_explained(editor, project, path, text, told):
    found = hovered(editor, project, path, text)
    assert [one for one in told if one not in found] == []


def test_nothing_is_told_of_a_value_that_is_no_name(editor, project):
    assert hovered(editor, project, "agents/a.yaml", "model: gpt¦\n") is None


def defined(editor, project, path, marked):
    text, position = at_cursor(marked)
    uri = editor.open(project / path, text)
    found = editor.definition(uri, position)
    editor.close(uri)
    return [(Path(one.uri.removeprefix("file://")).relative_to(project).as_posix(), one.range.start) for one in found]


def test_names_lead_to_their_files(editor, project):
    write_project(project, {"prompts/a.md": "Hello.\n", "shop/fx.py": "import os\n\ndef rate(a):\n    return a\n"})
    write_project(project, {"tools.d/own.yaml": "description: d\nname: own_name\nfinal: true\n"})
    start = types.Position(0, 0)
    for path, text, target in [
        ("agents/a.yaml", "model: x\ntools: [find¦_order]\n", ("tools.d/find_order.yaml", start)),
        ("agents/a.yaml", "model: x\ntools: [own¦_name]\n", ("tools.d/own.yaml", types.Position(1, 6))),
        ("agents/a.yaml", "extends: _ba¦se\n", ("agents/_base.yaml", start)),
        ("agents/a.yaml", "model: x\nsystem_prompt: {file: ../prom¦pts/a.md}\n", ("prompts/a.md", start)),
        ("tools.d/t.yaml", "agent: supp¦ort\n", ("agents/support.yaml", start)),
        ("tools.d/t.yaml", "python: shop.fx:ra¦te\n", ("shop/fx.py", types.Position(2, 4))),
        ("tests/t.test.yaml", "agent: sup¦port\n", ("agents/support.yaml", start)),
        ("tests/t.test.yaml", "agent: support\napprove: [find¦_order]\n", ("tools.d/find_order.yaml", start)),
        (T, CASE + "    expect: {calls: [find¦_order]}\n", ("tools.d/find_order.yaml", start)),
        (T, CASE + "    expect: {calls: [transfer_to_supp¦ort]}\n", ("agents/support.yaml", start)),
        (T, CASE + '    each: [{n: 1}]\n    args: {input: "{{ each.¦n }}"}\n', (T, types.Position(3, 12))),
    ]:
        assert defined(editor, project, path, text) == [target], text


def test_a_glob_leads_to_every_tool_that_it_stands_for(editor, project):
    found = defined(editor, project, "agents/a.yaml", "model: x\ntools: ['*_or¦der']\n")
    assert [path for path, _ in found] == ["tools.d/find_order.yaml", "tools.d/refund_order.yaml"]


def test_an_argument_leads_to_its_property(editor, project):
    text, position = at_cursor(TOOL + 'output: "{{ args.order_¦id }}"\nfinal: true\n')
    uri = editor.open(project / "tools.d/typed.yaml", text)
    editor.findings(uri)
    (found,) = editor.definition(uri, position)
    assert (found.uri, found.range.start) == (uri, types.Position(4, 4))
    editor.close(uri)


# -- actions --------------------------------------------------------------------------------------------------


IDLE = "model: gpt-4.1-mini\ntools: [find_order]\n# agentrun: ignore[AR605] no longer so\nstarters: [Hello]\n"


@pytest.mark.parametrize("kind", ["quickfix", "source.fixAll"])
def test_a_fix_that_is_taken_leaves_a_clean_file(editor, project, kind):
    uri = editor.open(project / "agents/support.yaml", IDLE)
    (found,) = editor.findings(uri)
    assert list(found.tags) == [types.DiagnosticTag.Unnecessary]
    (fix,) = editor.actions(uri, found.range, [kind])
    assert fix.kind.startswith(kind)
    editor.change(uri, applied(IDLE, fix.edit.changes[uri]))
    assert editor.findings(uri) == []
    editor.close(uri)


def test_a_fix_that_is_a_guess_is_offered_and_not_preferred(editor, project):
    text = "model: gpt-4.1-mini\ntools: [find_ordr]\n"
    uri = editor.open(project / "agents/support.yaml", text)
    (found,) = editor.findings(uri)
    fix, ignore = editor.actions(uri, found.range, ["quickfix"])
    assert (fix.is_preferred, ignore.title) == (None, "Ignore AR401 here")
    assert editor.actions(uri, found.range, ["source.fixAll"]) == []
    editor.change(uri, applied(text, fix.edit.changes[uri]))
    assert editor.findings(uri) == []
    editor.close(uri)


def test_a_fix_belongs_to_its_finding_and_a_place_without_one_has_none(editor, project):
    uri = editor.open(project / "agents/support.yaml", IDLE)
    (found,) = editor.findings(uri)
    (fix,) = editor.actions(uri, found.range, ["quickfix"])
    assert (fix.title, fix.is_preferred, [one.code for one in fix.diagnostics]) == (
        "Remove the comment",
        True,
        ["AR106"],
    )
    start = types.Position(0, 0)
    assert editor.actions(uri, types.Range(start, start), ["quickfix"]) == []
    editor.close(uri)


@pytest.mark.parametrize(
    "text",
    [
        "model: gpt-4.1-mini\ntools:\n  - find_order\n  - nothing_here\n",
        "model: gpt-4.1-mini\nsystem_prompt: |\n  Hello.\n  It is {{ run.dat }}.\n",
    ],
)
def test_a_finding_can_be_let_stand_with_a_comment(editor, project, text):
    uri = editor.open(project / "agents/support.yaml", text)
    (found,) = [one for one in editor.findings(uri) if one.severity == types.DiagnosticSeverity.Error]
    (ignore,) = [one for one in editor.actions(uri, found.range) if one.title == f"Ignore {found.code} here"]
    editor.change(uri, applied(text, ignore.edit.changes[uri]))
    assert found.code not in editor.codes(uri)
    editor.close(uri)


def test_actions_of_an_older_text_are_not_offered(editor, project):
    uri = editor.open(project / "agents/support.yaml", "model: gpt-4.1-mini\ntools: [nothing_here]\n")
    (found,) = editor.findings(uri)
    editor.change(uri, "# moved\n", (0, 0), (0, 0))
    assert editor.actions(uri, found.range) == []
    editor.findings(uri)
    editor.close(uri)


# -- layout and outline ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_file_is_put_in_the_house_layout(editor, project, line_end):
    text = "model: gpt-4.1-mini\ntools:\n- find_order\ndescription: It helps.  # 🙂\n".replace("\n", line_end)
    wanted = "description: It helps.  # 🙂\nmodel: gpt-4.1-mini\ntools:\n  - find_order\n".replace("\n", line_end)
    uri = editor.open(project / "agents/support.yaml", text)
    made = applied(text, editor.format(uri))
    assert made == wanted
    editor.change(uri, made)
    assert editor.format(uri) == []
    editor.close(uri)


@pytest.mark.parametrize(("path", "text"), [("agents/a.yaml", "tools: [\nmodel: x\n"), ("b.yaml", "b:\n- 1\na: 2\n")])
def test_no_yaml_and_no_file_of_ours_has_no_layout(editor, project, path, text):
    uri = editor.open(project / path, text)
    assert editor.format(uri) == []
    editor.close(uri)


def test_only_the_lines_that_move_are_written(editor, project):
    uri = editor.open(project / "agents/support.yaml", "model: gpt-4.1-mini\ntools:\n- find_order\nstarters: [Hello]\n")
    (edit,) = editor.format(uri)
    assert edit.range == types.Range(types.Position(2, 0), types.Position(3, 0))
    editor.close(uri)


def outline_of(symbols):
    return [(one.name, outline_of(one.children)) if one.children else one.name for one in symbols]


def test_the_outline_names_keys_and_elements(editor, project):
    text = "model: {name: x}\ntools:\n  - find_order\n  - name: own\n    final: true\npermissions: [{ask: find_*}]\n"
    uri = editor.open(project / "agents/support.yaml", text)
    assert outline_of(editor.symbols(uri)) == [
        ("model", ["name"]),
        ("tools", ["find_order", ("own", ["name", "final"])]),
        ("permissions", [("find_*", ["ask"])]),
    ]
    editor.close(uri)


def test_several_tools_of_a_file_stand_side_by_side_in_its_outline(editor, project):
    uri = editor.open(project / "tools.d/two.yaml", "name: one\nfinal: true\n---\nname: two\nfinal: true\n")
    assert [one.name for one in editor.symbols(uri)] == ["one", "two"]
    editor.close(uri)


def test_in_an_outline_each_place_lies_within_the_one_around_it(editor, project):
    text = "model: &m {name: x, api: offline}\nlimits:\n  a: *m\n  <<: *m\n  b: [*m, {name: '🙂'}]\nstarters:\n"
    uri = editor.open(project / "agents/support.yaml", text)
    waiting = [(one, None) for one in editor.symbols(uri)]
    names = []
    while waiting:
        one, around = waiting.pop()
        names.append(one.name)
        for inner, outer in [(one.selection_range, one.range), (one.range, around.range if around else one.range)]:
            assert outer.start <= inner.start <= inner.end <= outer.end
        waiting += [(child, one) for child in one.children or ()]
    assert sorted(names) == ["a", "api", "b", "limits", "model", "name", "name", "starters", "🙂"]
    editor.close(uri)


# -- the server -----------------------------------------------------------------------------------------------


def test_a_request_about_a_file_that_is_not_open_or_a_place_that_is_not_there_is_answered(editor, project):
    assert editor.complete((project / "agents/never.yaml").as_uri(), (3, 3)) == []
    uri = editor.open(project / "agents/support.yaml")
    assert editor.complete(uri, (999, 999)) is not None
    assert editor.hover(uri, (999, 0)) is None
    editor.close(uri)


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc": "2.0", "id": 9001, "method": "textDocument/hover", "params": {"nonsense": 1}}',
        '{"jsonrpc": "2.0", "id": 9002, "method": "textDocument/nothing", "params": {}}',
        '{"jsonrpc": "2.0", "method": "textDocument/didChange", "params": {"textDocument": null}}',
        "{ no JSON",
    ],
)
def test_a_broken_request_does_not_end_the_server(editor, project, body):
    editor.send(f"Content-Length: {len(body)}\r\n\r\n{body}")
    uri = editor.open(project / "agents/support.yaml")
    assert editor.findings(uri) == []
    editor.close(uri)


@pytest.mark.parametrize("encoding", list(types.PositionEncodingKind))
def test_an_agreed_encoding_is_used_and_leaving_ends_well(encoding, project):
    editor = Editor(project, [encoding])
    assert editor.server.capabilities.position_encoding == encoding
    uri = editor.open(project / "agents/support.yaml", 'model: gpt-4.1-mini\ntools: ["é🙂", find_order]\n')
    (found,) = editor.findings(uri)
    width = {"utf-8": 8, "utf-16": 5, "utf-32": 4}[encoding.value]
    assert found.range.end.character - found.range.start.character == width
    assert editor.leave() == 0


def answered(project, *messages):
    """The codes of the errors that these messages are answered with, by their id."""
    bodies = [json.dumps({"jsonrpc": "2.0", **one}) for one in messages]
    sent = "".join(f"Content-Length: {len(body)}\r\n\r\n{body}" for body in bodies)
    command = [sys.executable, "-m", "agentrun", "lsp"]
    done = subprocess.run(command, cwd=project, input=sent, capture_output=True, text=True, timeout=WAIT_S)
    answers = [json.loads(found) for found in re.findall(r"\{.*?\}(?=Content-Length|\Z)", done.stdout, re.DOTALL)]
    return {one["id"]: one["error"]["code"] for one in answers if "error" in one}


def test_each_request_is_answered_also_one_that_comes_too_early_or_too_late_or_is_malformed(project):
    begin = {"method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}}
    hover = {"method": "textDocument/hover", "params": {"nonsense": 1}}
    place = {"textDocument": {"uri": "file:///a.yaml"}, "position": {"line": 0, "character": 0}}
    good = {"method": "textDocument/hover", "params": place}
    messages = [good, begin, hover, {"method": "shutdown"}, good]
    numbered = [{"id": number, **one} for number, one in enumerate(messages, 1)]
    assert answered(project, *numbered, {"method": "exit"}) == {1: -32002, 3: -32602, 5: -32600}


def test_a_server_ends_when_the_process_of_its_editor_has(project):
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    editor = Editor(project, process_id=parent.pid)
    parent.communicate(b"")
    assert editor.wait(editor.client._server.wait()) == 1
    editor.wait(editor.client.stop())
    editor.loop.close()


def test_leaving_without_a_word_is_told_by_the_exit_code(project):
    assert Editor(project).leave(politely=False) == 1


def test_a_server_whose_editor_is_gone_ends(project):
    editor = Editor(project)
    editor.client._server.stdin.close()
    assert editor.wait(editor.client._server.wait()) == 1
    editor.wait(editor.client.stop())
    editor.loop.close()


def run_without(module, *arguments):
    code = "import sys; sys.modules[sys.argv.pop(1)] = None; from agentrun.cli import run_cli; sys.exit(run_cli())"
    command = [sys.executable, "-c", code, module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, stdin=subprocess.DEVNULL)


def test_without_its_extra_the_command_says_how_to_install_it():
    done = run_without("lsprotocol", "lsp")
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'pygls>=2,<3'" in done.stderr


def test_no_other_command_needs_the_extra(project):
    assert run_without("lsprotocol", "validate", str(project)).returncode == 0


# -- places ---------------------------------------------------------------------------------------------------


@given(st.text(st.sampled_from("ab é🙂\n\r\x85\u2028"), max_size=30), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_a_place_and_its_offset_are_two_ways_to_say_the_same(text, encoding):
    positions = Positions(text, encoding)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] == "\r\n":
            continue  # between the two no line has a place
        assert positions.offset(positions.place(offset)) == offset
        assert positions.offset_of(*positions.line_and_column(offset)) == offset


def test_a_byte_order_mark_belongs_to_no_column():
    assert Positions("\ufeffmodel: x\n").range(Span("a", 1, 1, 1, 6)) == ((0, 1), (0, 6))


def _examples():
    folders = [ROOT / "tests/specs/ok", ROOT / "tests/specs/ground", ROOT / "agents", ROOT / "tools.d"]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]
    return [path for path in paths if "&" not in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", _examples(), ids=lambda path: path.name)
def test_the_outline_gives_every_key_and_value_the_route_that_the_reader_gives_it(path):
    text = path.read_text(encoding="utf-8-sig")
    tokens, positions = tokens_of(text), Positions(text)
    for number, document in enumerate(read_text("", text).documents):
        for route, node in document.walk():
            for key, span in node.keys.items():
                start = positions.offset_of(span.line, span.column)
                assert any(one.role == "key" and one.start == start and one.route == (*route, key) for one in tokens)
            if route and not (node.is_mapping or node.is_list):
                start = positions.offset_of(node.span.line, node.span.column)
                at = [one for one in tokens if one.role != "key" and one.start <= start <= one.end]
                assert (number, route) in [(one.document, one.route) for one in at]


@given(st.text(st.sampled_from("ab:- \n[]{},'\"|#&*\\\t"), max_size=40))
def test_any_text_has_an_outline(text):
    for offset in range(len(text) + 1):
        cursor = cursor_at(text, offset)
        assert cursor is None or cursor.token.start <= offset <= cursor.token.end


# -- the page -------------------------------------------------------------------------------------------------


def _configured(heading):
    """The indented block of a part of docs/editors.md."""
    part = (
        (ROOT / "docs/editors.md").read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    )
    part = re.sub(r"^```.*?^```$", "", part, flags=re.MULTILINE | re.DOTALL)
    return textwrap.dedent("".join(re.findall(r"^(?: {4}.*)?\n", part, re.MULTILINE))).strip()


def test_the_page_starts_the_server_as_it_is_started():
    helix = tomllib.loads(_configured("Helix"))
    server = helix["language-server"]["agentrun"]
    assert [server["command"], *server["args"]] == ["agentrun", "lsp"]
    assert "agentrun" in helix["language"][0]["language-servers"]
    code = json.loads(_configured("VS Code"))
    assert [code["glspc.server.command"], *code["glspc.server.commandArguments"]] == ["agentrun", "lsp"]
    assert "cmd = { 'agentrun', 'lsp' }" in _configured("Neovim")


def test_the_page_names_a_schema_for_each_kind_of_file():
    named = json.loads(_configured("With schemas alone"))["yaml.schemas"]
    assert {Path(name).name for name in named} == {path.name for path in (ROOT / "schemas").glob("*.json")}
