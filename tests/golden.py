"""The generated files of the repository, and the script that writes them: `make golden`.

`python tests/golden.py` writes those that changed; with `--check` it writes nothing and fails where one did. A further
generated file is one more entry in `golden_files`.

`python tests/golden.py --screens` writes the screens of `tests/screens` anew, as conversations in tmux show them: that
takes a minute, so here they are not compared, but by `tests/test_chat_tmux.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

import golden_runs
import golden_specs
from agentrun.cli.schema import KINDS, schema_text
from agentrun.explanations import FAMILIES, codes, explain
from agentrun.spec.reference import reference

ROOT = Path(__file__).resolve().parents[1]


def golden_files():
    """What each file must hold, by its path in the repository."""
    return definitions() | findings() | event_streams()


def definitions():
    """What is generated from the definition of the language, and from the pages of the findings."""
    schemas = {f"schemas/{kind}.schema.json": schema_text(kind) for kind in KINDS}
    return schemas | {"docs/reference.md": reference(), "docs/findings.md": index()}


def index():
    """The list of all findings, each with a link to its page."""
    lines = ["# Findings", "", _ABOUT]
    for prefix, family in FAMILIES.items():
        pages = [explain(code) for code in codes() if code.startswith(prefix)]
        lines += ["", f"## {prefix}xx: {family}", "", "| code | severity | |", "|---|---|---|"]
        for page in pages:
            severity = f"{page.severity} (strict)" if page.is_strict else page.severity
            lines.append(f"| [{page.code}](../runtime/agentrun/explain/{page.code}.md) | {severity} | {page.title} |")
    return "\n".join(lines) + "\n"


_ABOUT = """\
What `agentrun validate` finds. Each code has a page with a bad and a good example; `agentrun explain CODE` shows it.
How to choose findings and to let one stand is in [checking.md](checking.md). Those marked `strict` are told with
`--preset strict` only."""


def findings():
    """What `agentrun validate` prints for each bad file."""
    return {
        golden_specs.expected_file(case).relative_to(ROOT).as_posix(): golden_specs.output_of(case)[1]
        for case in golden_specs.cases("bad")
    }


def event_streams():
    """What each run of `tests/runs` tells."""
    return {path.relative_to(ROOT).as_posix(): text for path, text in golden_runs.files().items()}


def write_screens():
    """What each conversation shows in the end; where it does not get that far, the exit code is not 0."""
    command = [sys.executable, "-m", "pytest", "-n", "2", ROOT / "tests/test_chat_tmux.py"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"AGENTRUN_WRITE_SCREENS": "1"}).returncode


def main(arguments):
    if "--screens" in arguments:
        return write_screens()
    code = 0
    for name, text in golden_files().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            print(f"{name} is not what the code gives: run `make golden`", file=sys.stderr)
            code = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
