"""Small projects for tests, written to a folder from a mapping of paths to texts."""

import re
import textwrap


def write_project(folder, files):
    """`files` maps a path to its text, which is dedented."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return folder


ADD = {
    "tools.d/add.yaml": """
        description: Adds two numbers.
        parameters:
          type: object
          properties:
            a: {type: integer}
            b: {type: integer, default: 2}
          required: [a]
        python: calc:add
    """,
    "calc.py": "def add(a, b):\n    return a + b\n",
}


def without_durations(text):
    """Console lines without how long their calls took."""
    return re.sub(r" \((?:\d+ ms|\d+\.\d s)\) →", " →", text)


def scripted_agent(script, *, tools="[]", more=""):
    """An agent whose model plays `script`, YAML in flow style, one turn a line."""
    turns = "\n".join(f"    - {turn}" for turn in script)
    return f"model:\n  api: scripted\n  script:\n{turns}\ntools: {tools}\n{more}\n"
