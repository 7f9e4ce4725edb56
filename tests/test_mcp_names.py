"""What a server that is a command is called: what it runs, not what runs that."""

import pytest

from agentrun.tools.mcp.launch import HttpLaunch, StdioLaunch
from agentrun.tools.mcp.named import program_name, server_name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/bin/github-mcp-server stdio", "github-mcp-server"),
        (
            "npx -y @example/server-files@1.2 .",
            "@example/server-files@1.2",
        ),
        ("npx --package some-package some-server", "some-server"),
        ("uvx --from git+https://example.com/x mcp-server-git --repository .", "mcp-server-git"),
        ("uv run --directory /srv/notes notes.py", "notes.py"),
        ("pipx run some-server", "some-server"),
        (
            "docker run -i --rm -e GITHUB_TOKEN -v /srv:/srv ghcr.io/github/github-mcp-server",
            "ghcr.io/github/github-mcp-server",
        ),
        ("docker run -i --rm -e KEY=value mcp/time", "mcp/time"),
        ("docker", "docker"),
        ("python notes.py --port 1", "notes.py"),
        ("/opt/venv/bin/python3.11 -u -X utf8 /srv/tests/server.py", "server.py"),
        ("python -m mcp_server_time", "mcp_server_time"),
        ("python -c pass", "python"),
        ("node -e 1 x", "node"),
        ("node node_modules/@modelcontextprotocol/server-everything/dist/index.js stdio", "server-everything"),
        ("node --require dotenv/config dist/index.js", "index.js"),
        ("python", "python"),
        ("sh -c something", "sh"),
    ],
)
def test_a_server_is_called_by_what_its_command_runs(command, name):
    assert server_name(command.split()) == name
    assert StdioLaunch(tuple(command.split()), "/", {}).name == name


def test_a_program_is_called_by_its_own_name():
    assert program_name(["/bin/grep", "-n", "x"]) == "grep"
    assert program_name(["python", "x.py"]) == "python"
    assert program_name(["npx", "-y", "prettier", "."]) == "prettier"


def test_a_server_at_an_address_is_called_by_its_host():
    assert HttpLaunch("https://me:secret@example.com:8443/mcp?key=x").name == "example.com:8443"
