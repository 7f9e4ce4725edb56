"""The generated files of the repository, and the script that writes them: `make golden`.

`python tests/golden.py` writes those that changed; with `--check` it writes nothing and fails where one did. A further
generated file is one more entry in `golden_files`.
"""

import sys
from pathlib import Path

from agentrun.cli.schema import KINDS, schema_text
from agentrun.spec.reference import reference

ROOT = Path(__file__).resolve().parents[1]


def golden_files():
    """What each file must hold, by its path in the repository."""
    files = {f"schemas/{kind}.schema.json": schema_text(kind) for kind in KINDS}
    files["docs/reference.md"] = reference()
    return files


def changed():
    """The paths of files that are missing or hold something else."""
    found = []
    for name, text in golden_files().items():
        path = ROOT / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            found.append(name)
    return found


def main(arguments):
    stale = changed()
    if "--check" in arguments:
        for name in stale:
            print(f"{name} is not what the code gives: run `make golden`", file=sys.stderr)
        return 1 if stale else 0
    files = golden_files()
    for name in stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(files[name], encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
