"""Answers as models write them, in `answers/`: at any width each is shown whole, and alike however it comes in."""

import re
from pathlib import Path

import pytest

from agentrun.observers.prose.cells import cells
from agentrun.observers.prose.markdown import Markdown

ANSWERS = sorted((Path(__file__).parent / "answers").glob("*.md"))
STYLE = re.compile(r"\x1b\[[0-9;]*m")
AS_IT_IS = re.compile(r"```|~~~|://|\$\$|\\\[|\t|^ {4}", re.MULTILINE)
WORD = re.compile(r"[A-Za-z0-9]{2,}")
HIDDEN = {"br"}  # of tables' cells


def shown(pieces, columns, *, styled=True):
    out = []
    answer = Markdown(out.append, lambda: columns, styled=styled)
    for piece in pieces:
        answer.feed(piece)
    answer.end()
    return "".join(out)


@pytest.mark.parametrize("columns", [30, 60, 100])
@pytest.mark.parametrize("file", ANSWERS, ids=lambda file: file.stem)
def test_an_answer_is_shown_whole_in_rows_that_fit(file, columns):
    text = file.read_bytes().decode()
    for styled in (True, False):
        whole = shown([text], columns, styled=styled)
        assert shown([text[at : at + 7] for at in range(0, len(text), 7)], columns, styled=styled) == whole
        rows = STYLE.sub("", whole).split("\n")
        if not AS_IT_IS.search(text):
            assert [row for row in rows if cells(row) > columns] == []
        together = re.sub(r"[\s│]", "", STYLE.sub("", whole))
        missing = [word for word in WORD.findall(text) if word not in together and word not in HIDDEN]
        assert missing == []
