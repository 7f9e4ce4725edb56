"""The least that checks a folder of agents and tools: PyYAML's C loader, and jsonschema with the published schemas.

    python -m benchmarks.plain_check FOLDER

No positions, no templates, no references between files. Kept free of all else: its imports are measured too.
"""

import json
import sys
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

SCHEMAS = Path(__file__).parent.parent / "schemas"


def main(folder: Path) -> int:
    findings = files = 0
    for place, kind in (("agents", "agent"), ("tools.d", "tool")):
        validator = Draft7Validator(json.loads((SCHEMAS / f"{kind}.schema.json").read_text()))
        for file in sorted((folder / place).glob("*.yaml")):
            files += 1
            for document in yaml.load_all(file.read_bytes(), yaml.CSafeLoader):
                findings += sum(1 for _ in validator.iter_errors(document))
    print(f"{files} files, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
