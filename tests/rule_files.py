"""Files for the tests of rules, and what is found in them."""

import json

from agentrun.project import read_project

PARAMETERS = {
    "type": "object",
    "properties": {
        "x": {"type": "string"},
        "y": {"type": "string"},
        "url": {"type": "string"},
        "host": {"type": "string"},
        "code": {"type": "string"},
        "count": {"type": "integer"},
        "least": {"type": "integer", "minimum": 1},
        "kind": {"enum": ["red", "blue"]},
        "word": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        "either": {"type": "string", "pattern": "^(main|v[0-9]+)$"},
        "loose": {"type": "string", "pattern": "[a-z]"},
        "texts": {"type": "array", "items": {"type": "string"}},
        "flag": {"type": "boolean"},
        "ours": {"type": "string", "pattern": "^https://docs\\.example\\.com/"},
    },
}
ENVIRON = {"SHOP_KEY": "0123456789", "SHOP_EMPTY": ""}


def findings(folder, files):
    """(code, what stands at the place) of each finding, by the files' texts."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    project = read_project(folder, ENVIRON)
    sources = {name: text.split("\n") for name, text in project.sources.items()}
    return [
        (one.code, sources[one.span.file][one.span.line - 1][one.span.column - 1 : one.span.end_column - 1])
        for one in project.report().diagnostics
        if one.code not in ("AR634", "AR635")
    ]


def codes(folder, files, family="AR8"):
    return [code for code, _ in findings(folder, files) if code.startswith(family)]


def tool(backend, **more):
    """A tool's file, in JSON, which is YAML."""
    parameters = json.loads(json.dumps(PARAMETERS))
    return json.dumps({"description": "Does it.", "parameters": parameters} | backend | more)


def shell(command, *, more=None, **keys):
    return tool({"shell": {"command": command, **keys}}, **(more or {}))


def codes_of(folder, text):
    return codes(folder, {"tools.d/t.yaml": text})


X = "{{ args.x }}"
