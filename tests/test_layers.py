"""Who may import whom. The order of the layers is what keeps each file readable alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "runtime" / "agentrun"
FOUNDATION = {"errors", "diagnostics", "visible"}

# For each module or package: what of agentrun it may import.
ALLOWED = {
    "errors": {"diagnostics"},
    "diagnostics": set(),
    "visible": set(),
    "secrets": set(),
    "arriving": set(),
    "json_schema": FOUNDATION,
    "jinja_sandbox": {"templates"} | FOUNDATION,
    "templates": {"engine.ports", "jinja_sandbox"} | FOUNDATION,
    "strict": {"strict", "json_schema"},
    "spec": {"spec", "effects", "prices", "templates", "json_schema", "strict", "secrets"} | FOUNDATION,
    "engine": {"engine", "errors"},
    "models": {
        "models",
        "arriving",
        "engine.messages",
        "engine.ports",
        "engine.exchange",
        "engine.attached",
        "engine.bm25",
        "engine.media",
        "errors",
        "spec.script_types",
        "spec.types",
    },
    "openapi": {"openapi", "json_schema", "spec.types", "state_folder"} | FOUNDATION,
    "openapi_findings": {"json_schema", "openapi", "openapi_sets", "places", "spec"} | FOUNDATION,
    "openapi_sets": {"openapi", "engine", "json_schema", "spec", "tool_sets", "tools"} | FOUNDATION,
    "mcp_schemas": {"json_schema", "visible"},
    "mcp_sets": {"approved", "mcp_schemas", "engine", "json_schema", "secrets", "spec", "tool_sets", "tools"}
    | FOUNDATION,
    "approved": {"engine.agent", "state_folder"},
    "tool_sets": {"bindings", "engine", "json_schema", "spec"},
    "foreign": {"foreign", "cassettes.yaml_text", "layout", "openapi", "spec", "json_schema", "strict", "templates"}
    | FOUNDATION,
    "tools": {
        "tools",
        "arriving",
        "openapi",
        "engine.exchange",
        "engine.messages",
        "engine.ports",
        "errors",
        "json_schema",
        "spec.guarded",
        "spec.types",
        "templates",
    },
    "observers": {
        "observers",
        "engine.events",
        "engine.exchange",
        "engine.messages",
        "errors",
        "markup.calls",
        "markup.page",
        "visible",
    },
    "attachments": {"engine.attached"} | FOUNDATION,
    "bindings": {"spec", "engine", "json_schema", "strict", "templates"} | FOUNDATION,
    "effects": {"spec.types"},
    "places": {"spec"},
    "bindable": {"spec", "tools.auth", "tools.http_request", "tools.url"} | FOUNDATION,
    "prices": {"engine.messages"},
    "discovery": {"spec"} | FOUNDATION,
    "reading": {"discovery", "spec"} | FOUNDATION,
    "overlooked": {"discovery", "spec"} | FOUNDATION,
    "on_disk": {"spec", "places", "templates"} | FOUNDATION,
    "python_source": {"discovery", "spec"} | FOUNDATION,
    "online": {"models.endpoint", "spec"} | FOUNDATION,
    "online_documents": {"openapi", "spec"} | FOUNDATION,
    "taped": {"cassettes", "spec"} | FOUNDATION,
    "attachable": {"attachments", "spec"} | FOUNDATION,
    "project": {
        "spec",
        "secrets",
        "bindable",
        "discovery",
        "overlooked",
        "reading",
        "on_disk",
        "openapi_findings",
        "python_source",
        "taped",
        "attachable",
    }
    | FOUNDATION,
    "selection": FOUNDATION,
    "settings": {"discovery", "selection"} | FOUNDATION,
    "suppress": {"explanations", "spec"} | FOUNDATION,
    "baseline": {"spec", "fingerprints"} | FOUNDATION,
    "fingerprints": {"spec"} | FOUNDATION,
    "fixes": FOUNDATION | {"spec"},
    "layout": {"layout", "spec"} | FOUNDATION,
    "explanations": set(),
    "markup": {"markup", "secrets", "spec"} | FOUNDATION,
    "lsp": {
        "lsp",
        "layout",
        "project",
        "discovery",
        "selection",
        "settings",
        "suppress",
        "explanations",
        "spec",
        "fixes",
    }
    | FOUNDATION,
    "model_wiring": {"engine.agent", "engine.exchange", "engine.ports", "models", "prices", "spec.types"},
    "tool_binding": {
        "bindings",
        "mcp_sets",
        "openapi_sets",
        "tool_sets",
        "effects",
        "places",
        "spec",
        "engine",
        "tools",
        "project",
        "secrets",
        "json_schema",
    }
    | FOUNDATION,
    "resolve": {
        "bindings",
        "tool_binding",
        "spec",
        "engine",
        "model_wiring",
        "models",
        "project",
        "suppress",
        "templates",
        "secrets",
        "json_schema",
    }
    | FOUNDATION,
    "state_folder": set(),
    "sessions": {"sessions", "engine", "markup", "state_folder"} | FOUNDATION,
    "testing": {
        "testing",
        "attachments",
        "cassettes",
        "diagnostics",
        "discovery",
        "engine",
        "errors",
        "json_schema",
        "markup",
        "models",
        "project",
        "python_source",
        "resolve",
        "secrets",
        "spec",
        "state_folder",
        "tool_sets",
        "tools",
        "visible",
    },
    "cassettes": {"cassettes", "engine", "spec", "tool_sets"} | FOUNDATION,
    "pytest_plugin": {"discovery", "testing", "visible"},
    "api": {"attachments", "discovery", "project", "resolve", "engine", "spec"} | FOUNDATION,
    "demo": {"demo"},
    "__init__": {"api", "engine", "errors"},
    "__main__": {"cli"},
}


def imports_of(file):
    """The modules of agentrun that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name.removeprefix("agentrun.") for name in names if name.startswith("agentrun."))


def files_outside_cli():
    return [file for file in sorted(PACKAGE.rglob("*.py")) if file.relative_to(PACKAGE).parts[0] != "cli"]


@pytest.mark.parametrize("file", files_outside_cli(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_layer_may_know(file):
    layer = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = ALLOWED[layer]
    strangers = [
        name
        for name in imports_of(file)
        if not name.startswith("__version__")
        and not any(name == known or name.startswith(f"{known}.") for known in allowed)
    ]
    assert strangers == []


def test_no_module_is_called_after_nothing():
    vague = {"utils", "helpers", "common", "core", "base", "manager"}
    assert [file for file in PACKAGE.rglob("*.py") if file.stem in vague] == []


def loaded_after(arguments, cwd):
    """The modules in memory after a command line ran in a process of its own."""
    code = (
        "import sys; from agentrun.cli import run_cli; code = run_cli(sys.argv[1:]); "
        "print('MODULES', code, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.partition("MODULES ")[2].split()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["validate", "agents/"], ["run", "--help"], ["chat", "--help"], ["sessions", "--help"]]
)
def test_help_and_validate_import_no_client_and_no_terminal_library(arguments):
    code, *modules = loaded_after(arguments, PACKAGE.parent.parent)
    assert code == "0"
    assert {"openai", "httpx2", "prompt_toolkit", "pydantic", "sqlalchemy"} & set(modules) == set()
