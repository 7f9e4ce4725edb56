"""Makes the picture of a conversation that README shows: `.venv/bin/python tests/chat_picture.py`.

The conversation is a real one, at a terminal, of the shipped order desk with its demo service. The model's turns are
written here and come from a server on this machine.
"""

import html
import json
import shutil
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import chromium
from agentrun.demo.orders import OrderService
from servers import ModelServer, sse
from terminals import Terminal

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "chat.png"
COLUMNS = 92
WIDTH, ROW, EDGE = 812, 18, 16  # pixels
TRIES = 5
BACK, FRONT = "#1d2430", "#d7dde8"
COLORS = {
    "default": FRONT,
    "black": "#4a5568",
    "red": "#f47174",
    "green": "#7fd39a",
    "brown": "#e5c07b",
    "blue": "#74a8f5",
    "magenta": "#d695e8",
    "cyan": "#5fc9d8",
    "white": FRONT,
    "brightblack": "#8793a6",
}
MODEL = {"name": "gpt-4.1-mini", "prices": {"input": 0.4, "output": 1.6}}
TURNS = [
    sse(calls=[("list_orders", {"customer": "Tom Becker"})], usage=(812, 21)),
    sse(
        "Tom Becker has two orders:\n\n"
        "| order | placed on | status | total |\n|---|---|---|---|\n"
        "| 1045 | 2026-03-02 | **shipped** with GLS | 119.00 EUR |\n"
        "| 1033 | 2026-02-02 | delivered | 92.50 EUR |\n",
        usage=(1204, 64),
    ),
    sse(calls=[("find_order", {"order_id": "1042"})], usage=(1290, 20)),
    sse(
        calls=[("refund_order", {"order_id": "1042", "amount": 12.5, "reason": "a mug arrived broken"})],
        usage=(1502, 34),
    ),
    sse(
        "Refunded **12.50 EUR** of order 1042, for the mug that arrived broken. 92.40 EUR could still be refunded.",
        usage=(1600, 30),
    ),
]


def conversation(root):
    """The screen of a terminal, down to the line below the prompt."""
    for folder in ("agents", "tools.d"):
        shutil.copytree(ROOT / folder, root / folder)
    with OrderService() as orders, ModelServer(TURNS) as server:
        agent = root / "agents" / "support.yaml"
        model = json.dumps(MODEL | {"base_url": server.base_url, "api_key": "unused"})
        agent.write_text(agent.read_text().replace("${AGENTRUN_MODEL:-gpt-4.1-mini}", model))
        known = {"ORDERS_URL": orders.url, "ORDERS_TOKEN": orders.token, "XDG_STATE_HOME": str(root / "state")}
        terminal = Terminal(
            root, "support", columns=COLUMNS, environ=known | {"NO_COLOR": None, "TERM": "xterm-256color"}
        )
        terminal.say("Which orders does Tom Becker have?")
        terminal.wait_for("92.50")
        terminal.say("A mug of order 1042 arrived broken: refund it, 12.50 EUR")
        terminal.wait_for("allow?")
        terminal.type("y\r")
        terminal.wait_for("92.40")
        terminal.wait_for_prompt()
        terminal.wait_until(lambda _: bool(terminal.below))
        last = terminal.screen.cursor.y + 1
        lines = [[terminal.screen.buffer[row][column] for column in range(COLUMNS)] for row in range(last + 1)]
        terminal.leave()
    return lines


def page(lines):
    rows = "\n".join(
        "".join(_piece(style, "".join(c.data for c in run)) for style, run in groupby(line, _style)) for line in lines
    )
    return (
        f"<!doctype html><meta charset=utf-8><style>body {{margin: 0; background: {BACK}; color: {FRONT}}}"
        f"pre {{margin: 0; padding: {EDGE}px; font: 14px/{ROW}px 'DejaVu Sans Mono', monospace}}</style>"
        f"<pre>{rows}</pre>"
    )


def _style(cell):
    color = COLORS.get(cell.fg, f"#{cell.fg}" if len(cell.fg) == 6 else FRONT)
    return color, cell.bold, cell.italics, cell.underscore


def _piece(style, text):
    color, bold, italic, underlined = style
    css = f"color:{color}" + ";font-weight:bold" * bold + ";font-style:italic" * italic
    css += ";text-decoration:underline" * underlined
    return f'<span style="{css}">{html.escape(text)}</span>'


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "project").mkdir()
        file = root / "chat.html"
        lines = conversation(root / "project")
        file.write_text(page(lines), encoding="utf-8")
        for _ in range(TRIES):
            chromium.screenshot(file, root / "profile", PICTURE, size=(WIDTH, len(lines) * ROW + 2 * EDGE))
            if chromium.pixels(PICTURE)[1][-1][0] == tuple(bytes.fromhex(BACK[1:])):
                return
    sys.exit("the browser never drew the whole page")


if __name__ == "__main__":
    main()
