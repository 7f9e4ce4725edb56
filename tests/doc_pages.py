"""The pages that users read, taken apart: blocks, files, links, headings. Runs nothing; `test_docs.py` does.

How a block is read follows from its first line:

    ```yaml             begins with `# agents/NAME.yaml`, `# tools.d/…`: a whole file of the page's project
    ```python           begins with `# NAME.py`: a file of that project too; else a program that is run
    ```text             begins with `# NAME.txt`: a file of that project too
    ```yaml agent|tool  a fragment: merged into a small agent or tool
    ```yaml case        a case, without its name, of the page's first agent: it is run, and passes
    ```yaml test        keys of a test file of that agent: it has no findings
    ```sh               commands that succeed
    ```console          commands after `$ `, each with all that it prints; `…` stands for anything
    ```text             what the program above it prints; `…` as before

`repo` after `sh` or `console` means the repository instead of the page's own project. `# exit N` at the end of a
command is its exit code. What one block exports holds for the blocks after it. `3f2a91c0de`, or `3f2a`, stands for the
id of the session that was changed last.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

SESSION = "3f2a91c0de"
_FENCE = re.compile(r"^```(\w*)(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
_FILE = re.compile(r"# ([\w./-]+\.(?:yaml|py|txt))\n")
_EXPORT = re.compile(r"^export (\w+)=([\w.-]+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: "Page"
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def file(self):
        """The path of the file that the block is, or None."""
        found = _FILE.match(self.text)
        return found[1] if found and self.language in ("yaml", "python", "text") and not self.words else None

    @property
    def exported(self):
        """What the page exported up to and with this block."""
        return dict(pair for one in self.page.blocks if one.line <= self.line for pair in _EXPORT.findall(one.text))

    def __str__(self):
        return f"{self.page.path.name}:{self.line}"


class Page:
    def __init__(self, path):
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.blocks = [
            Block(self, self.text.count("\n", 0, found.start()) + 1, found[1], tuple(found[2].split()), found[3])
            for found in _FENCE.finditer(self.text)
        ]
        self.prose = _FENCE.sub("", self.text)

    @property
    def files(self):
        return {one.file: one.text for one in self.blocks if one.file}

    @property
    def links(self):
        return _LINK.findall(self.prose)

    @property
    def anchors(self):
        """The names that GitHub gives to the headings."""
        seen = {}
        names = []
        for heading in _HEADING.findall(self.prose):
            name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            seen[name] = seen.get(name, -1) + 1
            names.append(f"{name}-{seen[name]}" if seen[name] else name)
        return names

    @property
    def agent(self):
        """The name of the page's first agent."""
        return next(Path(file).stem for file in self.files if file.startswith("agents/"))

    def output_of(self, program):
        """The text block that follows a program, or None."""
        after = [one for one in self.blocks if one.line > program.line]
        return after[0] if after and after[0].language == "text" and not after[0].file else None

    def section(self, heading):
        """The text below a heading, up to the next one."""
        return re.split(rf"^#+ {re.escape(heading)}$", self.text, flags=re.MULTILINE)[1].partition("\n## ")[0]


def commands(block):
    """(command, exit code, expected output) of each command of a console block."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield line, exit_code(line), output


def with_session(text, id):
    """A text of a page that means this session; None: there is none yet."""
    return text if id is None else text.replace(SESSION, id).replace(SESSION[:4], id[:4])


def exit_code(command):
    found = re.search(r"# exit (\d+)\s*$", command)
    return int(found[1]) if found else 0


DURATION = re.compile(r" \((?:\d+ ms|\d+\.\d s)(?:, [\d.]+ [KM]?B)?\) →")


def is_like(expected, actual):
    """Whether a text is what a page says. `…` stands for anything within a line, alone on a line for any lines.

    How long a call took differs from run to run: it is left out on both sides, with the size of what it gave.
    """
    expected, actual = (DURATION.sub(" →", text) for text in (expected, actual))
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in expected.rstrip().splitlines()
    )
    tidy = "".join(line.rstrip() + "\n" for line in actual.rstrip().splitlines())
    return re.fullmatch(pattern, tidy) is not None
