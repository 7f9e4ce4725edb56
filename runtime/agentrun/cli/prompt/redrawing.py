"""How what stands at the prompt is drawn again: in the rows that it needs, and none of those that it had stays behind.

Most terminals break rows anew where a window is made narrower, and then what was drawn takes more rows than it had.
Others cut the rows off: there, going up further would take away what stands above. Nobody can be asked which it is, so
it is known by the variables that terminals set, and one that is not known is taken for one that cuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import Output
from prompt_toolkit.renderer import Renderer
from prompt_toolkit.styles import BaseStyle

_CUTS = ("STY", "INSIDE_EMACS", "XTERM_VERSION")  # these may have inherited what others set
_BREAKS = ("TMUX", "VTE_VERSION", "KITTY_WINDOW_ID", "ALACRITTY_WINDOW_ID", "WEZTERM_PANE")
_KINDS = ("alacritty", "foot", "foot-extra", "xterm-kitty", "xterm-ghostty", "wezterm")
_PROGRAMS = ("iTerm.app", "ghostty")


def breaks_rows_anew(environ: Mapping[str, str]) -> bool:
    """Whether this terminal is known to do so, and to keep the cursor where it stands in the text."""
    if any(environ.get(name) for name in _CUTS):
        return False
    return (
        any(environ.get(name) for name in _BREAKS)
        or environ.get("TERM") in _KINDS
        or environ.get("TERM_PROGRAM") in _PROGRAMS
    )


class PromptRenderer(Renderer):
    """`breaks_rows` says that the terminal breaks rows anew."""

    def __init__(self, style: BaseStyle, output: Output, *, breaks_rows: bool) -> None:
        self._breaks_rows = breaks_rows
        self._columns = 0
        self._drawn: tuple[Mapping[int, Char], ...] = ()  # rows down to the one in which the cursor stands, at `_x`
        self._x = 0
        super().__init__(style, output)

    def render(self, app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        size = self.output.get_size()
        before = self.last_rendered_screen
        needed = layout.container.preferred_height(size.columns, size.rows).preferred
        if self._is_broken() or (before is not None and before.height > min(needed, size.rows)):
            self.erase(leave_alternate_screen=False)
        super().render(app, layout, is_done)
        screen = self.last_rendered_screen
        if screen is not None:
            cursor = screen.get_cursor_position(layout.current_window)
            self._columns, self._x = size.columns, cursor.x
            self._drawn = tuple(screen.data_buffer[y] for y in range(cursor.y + 1))

    def erase(self, leave_alternate_screen: bool = True) -> None:
        if self._is_broken():
            columns = self.output.get_size().columns
            *whole, last = self._drawn
            more = sum(breaks_in(row, used(row), columns) for row in whole)
            self.output.cursor_up(more + breaks_in(last, self._x, columns))
        super().erase(leave_alternate_screen)

    def reset(self, _scroll: bool = False, leave_alternate_screen: bool = True) -> None:
        self._drawn = ()
        super().reset(_scroll, leave_alternate_screen)

    def _is_broken(self) -> bool:
        return self._breaks_rows and bool(self._drawn) and self.output.get_size().columns < self._columns


def used(row: Mapping[int, Char]) -> int:
    """Cells that were drawn: without the spaces at the end."""
    return 1 + max((x for x, char in row.items() if char.char != " "), default=0)


def breaks_in(row: Mapping[int, Char], cells: int, columns: int) -> int:
    """How often a row is broken in its first so many cells."""
    breaks = taken = 0
    for x in range(cells):
        width = row[x].width if x in row else 1
        if taken + width > columns:
            breaks, taken = breaks + 1, 0
        taken += width
    return breaks
