"""`agentrun tools import`: what others describe becomes files that validate, and no secret gets into one."""

import io
import json
import re
import sys

import pytest

from agentrun.cli import run_cli
from agentrun.foreign.mcp_servers import from_command
from agentrun.layout import lay_out
from agentrun.spec.yaml_nodes import read_text
from loopback_http import Loopback, reply
from openapi_documents import document, parameter
from projects import write_project

KEY = "k3y-9f8e7d6c5b4a"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(write_project(tmp_path, {"tools.d/other.yaml": "shell: {command: [date]}\n"}))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def imported(capsys, *arguments, code=0):
    found = run_cli(["tools", "import", *arguments])
    out, err = capsys.readouterr()
    assert found == code, (out, err)
    return out if code == 0 else out + err


def typed(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def data(path):
    (document,) = read_text(str(path), path.read_text()).documents
    return document.data()


def is_laid_out(path):
    return lay_out("tool", str(path), path.read_bytes()).content == path.read_bytes()


# -- curl -----------------------------------------------------------------------------------------------------


def test_curl_writes_a_tool_and_tells_what_it_did(project, capsys):
    copied = ["curl", "-sk", "https://api.shop.io/orders/1042", "-H", f"X-Api-Key: {KEY}", "-b", "a=b"]
    out = imported(capsys, "curl", "--", *copied, code=1)
    assert out.splitlines() == [
        "tools.d/get_order.yaml is written",
        "note: left out, as they are the connection's or a browser's: Cookie",
        "note: no cookies are sent: they are a browser's session: give the tool a credential of its own",
        "to be set:",
        "  SHOP_API_KEY: the value of the header X-Api-Key",
        "next: agentrun tools call get_order --args '{\"order_id\": 1042}'  # GET https://api.shop.io/orders/{order_id}",
        "warning: 1 thing could not be expressed:",
        "the command:1: -k: certificates are always checked",
    ]
    file = project / "tools.d/get_order.yaml"
    assert is_laid_out(file)
    assert KEY not in file.read_text()
    assert run_cli(["validate", "tools.d/get_order.yaml", "--ignore", "AR510"]) == 0


def test_curl_is_read_from_standard_input_and_from_one_text(project, capsys, monkeypatch):
    typed(monkeypatch, "curl 'https://a.example/x' \\\n  -d 'a=1'\n")
    imported(capsys, "curl", "--name", "first")
    imported(capsys, "curl", "--name", "second", "curl 'https://a.example/x' -d 'a=1'")
    assert data(project / "tools.d/first.yaml") == data(project / "tools.d/second.yaml")


def test_stdout_has_the_yaml_alone(project, capsys):
    assert run_cli(["tools", "import", "curl", "--stdout", "curl -k https://a.example/x"]) == 1
    out, err = capsys.readouterr()
    (document,) = read_text("x.yaml", out).documents
    assert document.data()["http"] == {"url": "https://a.example/x"}
    assert err.splitlines()[1:] == ["the command:1: -k: certificates are always checked"]
    assert [one.name for one in (project / "tools.d").iterdir()] == ["other.yaml"]


def test_a_file_that_is_there_is_written_over_only_with_force(project, capsys):
    (project / "tools.d/get_x.yaml").write_text("shell: {command: [ls]}\n")
    err = imported(capsys, "curl", "curl https://a.example/x", code=2)
    assert "the current folder already holds tools.d/get_x.yaml" in err
    assert "--force" in err
    imported(capsys, "curl", "--force", "curl https://a.example/x")
    assert "http" in data(project / "tools.d/get_x.yaml")


def test_the_output_names_the_tool_where_no_name_does(project, capsys):
    imported(capsys, "curl", "--output", "tools.d/look.yaml", "curl https://a.example/x")
    assert "name" not in data(project / "tools.d/look.yaml")
    imported(capsys, "curl", "--output", "tools.d/b.yaml", "--name", "other_look", "curl https://a.example/x")
    assert data(project / "tools.d/b.yaml")["name"] == "other_look"
    out = imported(capsys, "curl", "--output", "tools.d/c.yaml", "curl https://a.example/x")
    assert "agentrun tools call c" in out


def test_a_command_of_a_subfolder_writes_into_the_project(project, capsys, monkeypatch):
    (project / "docs").mkdir()
    monkeypatch.chdir(project / "docs")
    imported(capsys, "curl", "curl -F a=@photos/b.jpg https://a.example/up")
    assert data(project / "tools.d/post_up.yaml")["http"]["multipart"]["a"]["root"] == "../docs/photos"


def test_a_name_that_is_none_is_bad_usage(capsys):
    assert "is no name of a tool" in imported(capsys, "curl", "--name", "a b", "curl https://a.example/x", code=2)


def test_control_characters_of_a_command_are_shown_and_not_sent(project, capsys):
    out = imported(capsys, "curl", "--", "curl", "https://a.example/x", "--cert", "a", "--fo\x1b[2J", code=1)
    assert "\x1b" not in out
    assert "␛[2J" in out


def test_an_unknown_kind_of_import_suggests_the_nearest(capsys):
    assert "did you mean `curl`?" in imported(capsys, "crul", code=2)


# -- mcp: files of others -------------------------------------------------------------------------------------

CLAUDE = {
    "mcpServers": {
        "Brave Search": {
            "command": "npx",
            "args": ["-y", "@brave/server-brave", "--api-key", KEY, "--region=eu"],
            "env": {
                "BRAVE_API_KEY": KEY,
                "LOG": "info",
                "PRICE": "$5",
                "HOME_DIR": "${HOME}",
                "A_TOKEN": "<YOUR_TOKEN>",
            },
            "disabledTools": ["x"],
        },
        "off": {"command": "x", "disabled": True},
        "notes": {
            "url": f"https://mcp.notes.example/mcp?api_key={KEY}&team=x",
            "headers": {"X-Api-Key": KEY, "X-A": "b"},
        },
        "empty": {},
    }
}
VS_CODE = """
{
  // asked for when the server starts
  "inputs": [{"type": "promptString", "id": "gh-token", "description": "A GitHub // token", "password": true}],
  "servers": {
    "github": {
      "type": "http",
      "url": "https://api.githubcopilot.com/mcp/", /* the remote one */
      "headers": {"Authorization": "Bearer ${input:gh-token}"},
    },
    "files": {"command": "npx", "args": ["-y", "some-files", "${workspaceFolder}"], "env": {"A": "${env:B}"}},
  },
}
"""


def test_servers_of_claude_desktop_become_sets_without_a_secret(project, capsys):
    (project / "claude.json").write_text(json.dumps(CLAUDE, indent=1))
    out = imported(capsys, "mcp", "claude.json", code=1)
    assert data(project / "tools.d/Brave_Search.yaml")["mcp"] == {
        "command": ["npx", "-y", "@brave/server-brave", "--api-key", "${BRAVE_SEARCH_API_KEY}", "--region=eu"],
        "env": {
            "BRAVE_API_KEY": "${BRAVE_API_KEY}",
            "LOG": "info",
            "PRICE": "$5",
            "HOME_DIR": "${HOME}",
            "A_TOKEN": "${A_TOKEN}",
        },
        "cwd": "..",
    }
    assert data(project / "tools.d/notes.yaml")["mcp"] == {
        "server_url": "https://mcp.notes.example/mcp?api_key=${NOTES_API_KEY}&team=x",
        "headers": {"X-Api-Key": "${NOTES_API_KEY}", "X-A": "b"},
    }
    assert KEY not in out
    for file in (project / "tools.d").iterdir():
        assert KEY not in file.read_text()
        assert is_laid_out(file)
    line = (project / "claude.json").read_text().splitlines().index('   "disabledTools": [') + 1
    assert f"claude.json:{line}: `disabledTools` of Brave Search: leave them out of `allowed_tools`" in out
    assert "server off: it is disabled there" in out
    assert "server empty: it has neither a `command` nor a `url`" in out
    assert "  BRAVE_SEARCH_API_KEY: the option --api-key" in out


def test_a_key_in_the_path_of_a_servers_address_is_not_written(project, capsys):
    key = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    out = imported(capsys, "mcp", f"https://mcp.example.com/s/{key}/mcp?user=ann", "--no-connect")
    assert "EXAMPLE_PATH_KEY: the key in the address" in out
    address = data(project / "tools.d/example.yaml")["mcp"]["server_url"]
    assert address == "https://mcp.example.com/s/${EXAMPLE_PATH_KEY}/mcp?user=ann"


def test_servers_of_vs_code_become_sets_and_its_inputs_variables(project, capsys):
    (project / "mcp.json").write_text(VS_CODE)
    out = imported(capsys, "mcp", "mcp.json")
    assert data(project / "tools.d/github.yaml")["mcp"] == {
        "server_url": "https://api.githubcopilot.com/mcp/",
        "auth": {"bearer": "${GH_TOKEN}"},
    }
    assert data(project / "tools.d/files.yaml")["mcp"] == {
        "command": ["npx", "-y", "some-files", "."],
        "env": {"A": "${B}"},
        "cwd": "..",
    }
    assert "  GH_TOKEN: A GitHub // token" in out


def test_one_server_of_a_file_is_chosen(project, capsys):
    (project / "mcp.json").write_text(VS_CODE)
    imported(capsys, "mcp", "mcp.json", "--server", "files", "--name", "docs")
    assert [one.name for one in sorted((project / "tools.d").iterdir())] == ["docs.yaml", "other.yaml"]
    err = imported(capsys, "mcp", "mcp.json", "--server", "nope", code=2)
    assert "it has github, files" in err


def test_what_a_set_can_not_hold_is_left_with_its_line(project, capsys):
    entry = {"command": "x", "args": ["a", {}], "env": {"A": None, "B": {"c": 1}, "d e": "f", "G": True, "H": 5}}
    remote = {"url": "https://a.example", "headers": {"a b": "c", "D": "e\nf", "G": "h"}}
    (project / "mcp.json").write_text(json.dumps({"mcpServers": {"one": entry, "two": remote}}, indent=1))
    err = imported(capsys, "mcp", "mcp.json", code=1)
    assert data(project / "tools.d/one.yaml")["mcp"] == {
        "command": ["x", "a"],
        "cwd": "..",
        "env": {"G": "true", "H": "5"},
    }
    assert data(project / "tools.d/two.yaml")["mcp"]["headers"] == {"G": "h"}
    assert re.findall(r"mcp\.json:(\d+): `(\w+)` of (\w+)(?:: `(.*)`)?:", err) == [
        ("5", "args", "one", ""),
        ("9", "env", "one", "A"),
        ("9", "env", "one", "B"),
        ("9", "env", "one", "d e"),
        ("21", "headers", "two", "a b"),
        ("21", "headers", "two", "D"),
    ]


def test_servers_whose_names_are_alike_as_sets_have_a_file_each(project, capsys):
    servers = {name: {"command": "x"} for name in ("a b", "a.b", "§")}
    (project / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    imported(capsys, "mcp", "mcp.json")
    assert {one.name for one in (project / "tools.d").iterdir()} == {
        "a_b.yaml",
        "a_b_2.yaml",
        "server.yaml",
        "other.yaml",
    }


def test_a_key_beside_a_reference_is_not_written(project, capsys):
    key = "sk-a1B2c3D4e5F6g7H8i9J0k1L2"
    entry = {"command": "x", "args": [f"${{A}} {key}"], "env": {"B_TOKEN": f"${{A}}/{key}"}, "cwd": key}
    (project / "mcp.json").write_text(json.dumps({"mcpServers": {"one": entry}}))
    out = imported(capsys, "mcp", "mcp.json")
    assert "ONE_KEY: a key" in out
    assert key not in (project / "tools.d/one.yaml").read_text()
    assert data(project / "tools.d/one.yaml")["mcp"]["env"] == {"B_TOKEN": "${A}/${ONE_KEY}"}


def test_several_servers_are_printed_as_documents_with_their_names(project, capsys):
    (project / "mcp.json").write_text(VS_CODE)
    out = imported(capsys, "mcp", "mcp.json", "--stdout")
    assert [one.data()["name"] for one in read_text("x.yaml", out).documents] == ["github", "files"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("npx -y @modelcontextprotocol/server-everything@1.2.0 stdio", "everything"),
        ("uvx mcp-server-git --repository .", "git"),
        ("node /srv/npm/server-filesystem/dist/index.js docs", "filesystem"),
        ("python -m weather_server", "weather"),
        ("docker run -i --rm mcp/notes", "notes"),
        ("/usr/local/bin/github-mcp-server stdio", "github"),
    ],
)
def test_a_set_is_named_after_what_its_server_is_for(command, name):
    (server,) = from_command(command.split()).servers
    assert server.name == name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": ', "mcp.json:1:7: this is no JSON"),
        ('{"a": 1}', "names no MCP servers"),
        ('{"mcpServers": {}}', "there is no server to import"),
        ('{"mcpServers": {"a": {"command": "x", "disabled": true}}}', "it is disabled there"),
        ('{"mcpServers": {"a": {"url": "ftp://x"}}}', "its `url` is no address"),
    ],
)
def test_a_file_without_servers_says_what_is_wrong(project, capsys, text, told):
    (project / "mcp.json").write_text(text)
    assert told in imported(capsys, "mcp", "mcp.json", code=2)


def test_without_a_server_the_usage_is_told(capsys):
    assert "agentrun tools import mcp -- npx -y" in imported(capsys, "mcp", code=2)
    assert "can't be read" in imported(capsys, "mcp", "no.json", code=2)


# -- openapi --------------------------------------------------------------------------------------------------

PETS = """
    openapi: 3.0.3
    info: {title: The Pet Store API, version: "1.4"}
    servers: [{url: "https://pets.example/v1"}]
    security: [{key: []}]
    components:
      securitySchemes: {key: {type: apiKey, in: header, name: X-Api-Key}}
    paths:
      /pets:
        get:
          operationId: listPets
          summary: Lists pets.
          tags: [pets]
          parameters: [{name: limit, in: query, schema: {type: integer, minimum: 1}}]
          responses: {"200": {description: ok}}
      /pets/{id}:
        delete:
          operationId: removePet
          summary: Removes a pet.
          tags: [pets, admin]
          parameters: [{name: id, in: path, required: true, schema: {type: string}}]
          responses: {"204": {description: gone}}
"""


@pytest.fixture
def pets(project):
    return write_project(project, {"specs/pets.yaml": PETS})


def test_operations_become_tools_that_validate(pets, capsys):
    out = imported(capsys, "openapi", "specs/pets.yaml")
    assert out.splitlines()[0] == "tools.d/pets.yaml is written"
    assert "  PETS_API_KEY" in out
    read = read_text("x.yaml", (pets / "tools.d/pets.yaml").read_text())
    assert [one.data()["name"] for one in read.documents] == ["listPets", "removePet"]
    assert run_cli(["validate", "tools.d/pets.yaml", "--ignore", "AR510"]) == 0


def test_allow_chooses_operations(pets, capsys):
    out = imported(capsys, "openapi", "specs/pets.yaml", "--allow", "tag:admin", "--stdout")
    assert [one.data()["name"] for one in read_text("x.yaml", out).documents] == ["removePet"]
    err = imported(capsys, "openapi", "specs/pets.yaml", "--allow", "lstPets", code=2)
    assert "did you mean `listPets`?" in err
    err = imported(capsys, "openapi", "specs/pets.yaml", "--allow", "tag:zzz", code=2)
    assert "it has tag:admin, tag:pets" in err
    assert [one.name for one in (pets / "tools.d").iterdir()] == ["other.yaml"]


def test_a_document_without_tags_says_so(project, capsys):
    write_project(project, {"specs/pets.yaml": PETS.replace("tags: [pets", "x-tags: [pets")})
    err = imported(capsys, "openapi", "specs/pets.yaml", "--allow", "tag:*", code=2)
    assert err.endswith("help: its operations have no tags\n")


def test_what_many_operations_have_alike_is_told_in_one_line(project, capsys):
    odd = {"oneOf": [{"type": "object", "properties": {"gte": {"type": "integer"}}}, {"type": "integer"}]}
    paths = {
        f"GET /{at}": {"operationId": f"get{at}", "parameters": [parameter("created", schema=odd, explode=True)]}
        for at in range(5)
    }
    write_project(project, {"api.json": json.dumps(document(paths))})
    assert run_cli(["tools", "import", "openapi", "api.json"]) == 1
    why = "the parameter `created`: it may be an object, and something else"
    assert capsys.readouterr().err.splitlines() == [
        "warning: 5 things could not be expressed:",
        f"api.json: GET /0, GET /1, GET /2, 2 others: {why}",
    ]


def test_a_set_names_the_document_and_asks_for_its_credentials(pets, capsys, monkeypatch):
    out = imported(capsys, "openapi", "specs/pets.yaml", "--set", "--allow", "GET /pets*")
    file = pets / "tools.d/pets.yaml"
    assert data(file) == {
        "description": "Operations of The Pet Store API.",
        "openapi": {
            "spec": "../specs/pets.yaml",
            "allowed_tools": ["GET /pets*"],
            "auth": {"api_key": {"in": "header", "name": "X-Api-Key", "value": "${PETS_KEY}"}},
        },
    }
    assert is_laid_out(file)
    assert "  PETS_KEY: the key `X-Api-Key`" in out
    monkeypatch.setenv("PETS_KEY", KEY)
    assert run_cli(["validate"]) == 0
    assert run_cli(["tools", "list"]) == 0
    assert "pets_listPets" in capsys.readouterr().out


def test_a_document_at_a_url_is_fetched_only_online_and_a_set_pins_it(pets, capsys):
    with Loopback(reply(body=(pets / "specs/pets.yaml").read_bytes())) as server:
        url = f"{server.url}/pets.yaml"
        assert "--online" in imported(capsys, "openapi", url, "--set", code=2)
        assert server.requests == []
        imported(capsys, "openapi", url, "--set", "--online")
        written = data(pets / "tools.d/pets.yaml")["openapi"]
        assert written["spec"] == url
        assert len(written["sha256"]) == 64
        assert len(server.requests) == 1
        assert run_cli(["tools", "list"]) == 0
        assert "pets_removePet" in capsys.readouterr().out
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("swagger: '2.0'\n", "Swagger 2.0"),
        ("a: 1\n", "is no OpenAPI document"),
        ("openapi: 3.0.0\ninfo: {}\npaths: {}\n", "has no operations"),
    ],
)
def test_what_is_no_document_says_so(project, capsys, text, told):
    (project / "a.yaml").write_text(text)
    assert told in imported(capsys, "openapi", "a.yaml", code=2)
    assert "can't be read" in imported(capsys, "openapi", "no.yaml", code=2)
    assert "can't be read" in imported(capsys, "openapi", "tools.d", code=2)
