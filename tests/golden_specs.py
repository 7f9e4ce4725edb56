"""What `agentrun validate` says about each case in `specs/bad`, and how the expected outputs are written anew.

    specs/ground/           a clean project that single files are put into
    specs/bad/agents/       one mistake a file, checked as `agents/NAME.yaml` of the ground project
    specs/bad/tools.d/      the same for tools
    specs/bad/tests/        the same for tests
    specs/bad/projects/     a folder each, checked as a whole
    specs/ok/               the same places; nothing is to be found there

The expected output stands beside a case as NAME.txt. A name begins with the code of the finding. A line that ends in
`# good: …` tells what should stand there instead.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from agentrun.cli import run_cli

SPECS = Path(__file__).parent / "specs"
KINDS = ("agents", "tools.d", "tests")
ENVIRON = {"PATH": os.defpath, "HOME": "/home/user", "SHOP_WORD": "many", "SHOP_PIN": "1234", "SHOP_EMPTY": ""}
_GOOD = re.compile(r"^( *)(?:.*?)# good: *(.*)\n", re.MULTILINE)


def cases(folder):
    """The cases of `bad` or `ok`: files and folders."""
    files = [path for kind in KINDS for path in sorted((SPECS / folder / kind).glob("*.yaml"))]
    return files + [path for path in sorted((SPECS / folder / "projects").glob("*")) if path.is_dir()]


def expected_file(case):
    return case.parent / f"{case.name.removesuffix('.yaml')}.txt"


def output_of(case, content=None):
    """The exit code and what `agentrun validate` prints for a case, or for other content in its place."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        if case.is_dir():
            shutil.copytree(case, root, dirs_exist_ok=True)
            return validate(root)
        shutil.copytree(SPECS / "ground", root, dirs_exist_ok=True)
        place = root / case.parent.name / case.name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(case.read_bytes() if content is None else content)
        return validate(root, place.relative_to(root).as_posix())


def validate(root, *arguments):
    """Exit code and output of `agentrun validate` in a folder, with a known environment."""
    out = io.StringIO()
    with contextlib.chdir(root), contextlib.redirect_stdout(out), _environment(ENVIRON):
        code = run_cli(["validate", *arguments])
    return code, out.getvalue()


def findings_in(root, files, *options):
    """What is found in the ground project with further files, by path: the findings of these files, as JSON."""
    shutil.copytree(SPECS / "ground", root, dirs_exist_ok=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    _, output = validate(root, "--preset", "strict", "--format", "json", *options)
    return [one for one in json.loads(output)["findings"] if one["file"] in files]


@contextlib.contextmanager
def _environment(variables):
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def good_twin(case):
    """The case with its mistake mended, or None where it doesn't say how."""
    content = b"" if case.is_dir() else case.read_bytes()
    if b"# good:" not in content:
        return None
    return _GOOD.sub(lambda line: f"{line[1]}{line[2]}\n" if line[2] else "", content.decode()).encode()


def stale():
    """Expected outputs whose case is gone."""
    return sorted(set((SPECS / "bad").glob("*/*.txt")) - {expected_file(case) for case in cases("bad")})


def write():
    for case in cases("bad"):
        expected_file(case).write_text(output_of(case)[1], encoding="utf-8")
    for path in stale():
        path.unlink()


if __name__ == "__main__":  # shows cases without writing: python tests/golden_specs.py CASE...
    for name in sys.argv[1:]:
        shown = Path(name).resolve()
        print(*output_of(shown), sep="\n")
        mended = good_twin(shown)
        print("-- mended:", *(output_of(shown, mended) if mended is not None else ["(no `# good:`)"]), sep="\n")
