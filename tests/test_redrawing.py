"""How many rows the prompt takes in a window that was made narrower, and in which terminals."""

import pytest
from prompt_toolkit.layout.screen import Char

from agentrun.cli.prompt.redrawing import breaks_in, breaks_rows_anew, used


def row(text):
    """As it is drawn: a wide character has two cells, and the second one is empty."""
    cells = [cell for char in text for cell in ([Char(char)] if Char(char).width == 1 else [Char(char), Char("")])]
    return dict(enumerate(cells))


@pytest.mark.parametrize(
    ("text", "columns", "breaks"),
    [
        ("", 10, 0),
        ("x" * 10, 10, 0),
        ("x" * 11, 10, 1),
        ("x" * 30, 10, 2),
        ("x" * 10 + " " * 5, 10, 0),
        ("模" * 5, 10, 0),
        ("x" + "模" * 5, 10, 1),
        ("模" * 10, 9, 2),
    ],
)
def test_a_row_is_broken_where_its_cells_end_in_the_narrower_window(text, columns, breaks):
    assert breaks_in(row(text), used(row(text)), columns) == breaks


@pytest.mark.parametrize(
    ("environ", "breaks"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, True),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM": "xterm", "XTERM_VERSION": "XTerm(390)", "VTE_VERSION": "7600"}, False),
        ({"TERM": "screen", "STY": "1.pts-0", "TMUX": "x"}, False),
    ],
)
def test_only_terminals_that_are_known_to_break_rows_anew_are_taken_for_such(environ, breaks):
    assert breaks_rows_anew(environ) is breaks
