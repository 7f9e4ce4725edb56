"""Random YAML texts for the formatter: every style, any indentation, comments in every place."""

KEYS = {
    "agent": [
        "model",
        "description",
        "name",
        "tools",
        "limits",
        "system_prompt",
        "x-a",
        "x-b",
        "permissions",
        "context",
    ],
    "tool": ["name", "http", "shell", "description", "output", "parameters", "extends", "timeout", "x-a", "read_only"],
    "test": ["cases", "agent", "model", "tools", "approve", "live", "x-a"],
}
INSIDE = ["url", "base_url", "json", "name", "api", "expect", "max_turns", "timeout", "command", "env", "x-n", "other"]
PLAIN = [
    "a",
    "two words",
    "1",
    "0.5",
    "true",
    "null",
    "~",
    "",
    "a:b",
    "x#y",
    "-1",
    "gpt-4.1-mini",
    "a\n{}b",
    "a\n{} b\n{}c",
]
QUOTED = ['"a"', "'it''s'", '"a # b"', '"a\\tb"', '"a\n{}b"', '"a  \n\n{}  b"', "'x\n{}# y'", '"a\\\n{}b"']
FLOW = [
    "[]",
    "{}",
    "[a, b]",
    "{b: 1, a: [2]}",
    "[a,\n{}b]",
    "{b: 1, # @\n{}a: 2,\n{}}",
    "[\n{}# @\n{}a,\n\n{}b\n{}]",
    '["x\n{}y"]',
]
TEXT_LINES = [
    "text",
    "  more",
    "# no comment",
    "",
    "",
    "- a: b",
    "\tx",
    "   ",
    "last  ",
    "{{ x }}",
    "\t",
    "\u00a0",
    "\u00a0x",
]


class Writer:
    """One random text. `random` decides everything."""

    def __init__(self, random, kind):
        self.random = random
        self.kind = kind
        self.comments = 0
        self.anchors = []

    def chance(self, share):
        return self.random.random() < share

    def comment(self):
        self.comments += 1
        return f"# comment {self.comments}"

    def document(self):
        keys = self.random.sample(KEYS[self.kind], self.random.randint(1, 5))
        lines = self.gap(0) + self.mapping(keys, self.random.choice([0, 0, 0, 2]), 0) + self.gap(0)
        return "\n".join(lines).replace("@", "inside") + "\n"

    def text(self):
        documents = [self.document()]
        while self.kind == "tool" and self.chance(0.4):
            mark = self.random.choice(["---\n", "--- # @\n", "...\n---\n", "---\n\n", "---\n# @\n---\n"])
            documents += [mark.replace("@", "mark"), self.document()]
        text = "".join(documents)
        if self.chance(0.2):
            text = self.random.choice(["---\n", "%YAML 1.2\n---\n", "# first\n---\n", "\n\n"]) + text
        if self.chance(0.3):
            text = text.rstrip("\n") if self.chance(0.7) else text + self.random.choice(["...\n", "\n\n", "# end"])
        if self.chance(0.3):
            text = text.replace("\n", "\r\n")
        return text

    def gap(self, column):
        """Comments and blank lines, in any columns."""
        lines = []
        while self.chance(0.3):
            width = max(0, column + self.random.choice([-4, -2, 0, 0, 0, 0, 1, 2, 4]))
            lines.append(
                self.random.choice(["", "", "", " " * width]) if self.chance(0.4) else " " * width + self.comment()
            )
        return lines

    def end(self):
        """What stands behind a value in its line."""
        if self.chance(0.15):
            return self.random.choice(["  ", " ", "\t", " \t "]) + self.comment()
        return self.random.choice(["", "", "", " ", "\t"])

    def mapping(self, keys, column, depth):
        lines = []
        for number, key in enumerate(keys):
            lines += (self.gap(column) if number else []) + self.entry(" " * column + key + ":", column, depth)
        return lines

    def items(self, column, depth):
        lines = []
        for number in range(self.random.randint(1, 3)):
            lines += self.gap(column) if number else []
            dash = " " * column + "-" + " " * self.random.choice([1, 1, 1, 2, 3])
            if depth < 4 and self.chance(0.5):
                keys = self.random.sample(INSIDE, self.random.randint(1, 3))
                inside = (
                    self.mapping(keys, len(dash), depth + 1) if self.chance(0.8) else self.items(len(dash), depth + 1)
                )
                lines += [dash + inside[0][len(dash) :], *inside[1:]]
            else:
                lines += self.entry(" " * column + "-", column, depth)
        return lines

    def entry(self, head, column, depth):
        width = self.random.choice([1, 2, 2, 3, 4])
        choice = self.random.random()
        if depth < 4 and choice < 0.35:
            prop = f" &{self.anchor()}" if self.chance(0.1) else ""
            inner = column + width
            keys = self.random.sample(INSIDE, self.random.randint(1, 4))
            if self.chance(0.6):
                inside = self.mapping(keys, inner, depth + 1)
            else:
                is_indentless = self.chance(0.4) and not head.lstrip().startswith("-")
                inside = self.items(column if is_indentless else inner, depth + 1)
            return [head + prop + self.end(), *self.gap(inner), *inside]
        if choice < 0.5:
            return self.block_scalar(head, column, width)
        value = self.random.choice(self.random.choice([PLAIN, QUOTED, FLOW]))
        if self.anchors and self.chance(0.15):
            value = f"*{self.random.choice(self.anchors)}"
        elif self.chance(0.1):
            value = f"&{self.anchor()} {value}".rstrip()
        parts = value.split("{}")
        filled = parts[0] + "".join(" " * (column + self.random.randint(1, 5)) + part for part in parts[1:])
        if value and self.chance(0.1):
            return [head, *self.gap(column + width), *(" " * (column + width) + filled + self.end()).split("\n")]
        return (f"{head}{' ' * self.random.choice([1, 1, 3])}{filled}{self.end()}").split("\n")

    def anchor(self):
        name = self.random.choice(["m", "n", "o"])
        self.anchors.append(name)
        return name

    def block_scalar(self, head, column, width):
        indicator = self.random.choice(["", "", "", str(width)])
        marks = self.random.choice(["", "-", "+"])
        marks = self.random.choice([indicator + marks, marks + indicator])
        comment = f" {self.comment()}" if self.chance(0.1) else ""
        texts = [self.random.choice(TEXT_LINES) for _ in range(self.random.randint(0, 5))]
        inside = [" " * (column + width) + text if text.strip(" ") else text for text in texts]
        return [f"{head} {self.random.choice('|>')}{marks}{comment}", *inside]
