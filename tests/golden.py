"""The generated files of the repository, and the script that writes them: `make golden`.

`python tests/golden.py` writes those that changed; with `--check` it writes nothing and fails where one did. A further
generated file is one more entry in `golden_files`.
"""

import sys
from pathlib import Path

import golden_runs
import golden_specs
from agentrun.cli.schema import KINDS, schema_text
from agentrun.spec.reference import reference

ROOT = Path(__file__).resolve().parents[1]


def golden_files():
    """What each file must hold, by its path in the repository."""
    return definitions() | findings() | event_streams()


def definitions():
    """What is generated from the definition of the language."""
    return {f"schemas/{kind}.schema.json": schema_text(kind) for kind in KINDS} | {"docs/reference.md": reference()}


def findings():
    """What `agentrun validate` prints for each bad file."""
    return {
        golden_specs.expected_file(case).relative_to(ROOT).as_posix(): golden_specs.output_of(case)[1]
        for case in golden_specs.cases("bad")
    }


def event_streams():
    """What each run of `tests/runs` tells."""
    return {path.relative_to(ROOT).as_posix(): text for path, text in golden_runs.files().items()}


def main(arguments):
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
