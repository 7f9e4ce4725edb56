"""Makes the picture of a trace that the docs show: `.venv/bin/python tests/trace_picture.py`.

The run is a real one, with an agent behind a tool and a call that a person approved; its model is played from a script.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import chromium
from projects import write_project
from terminals import Terminal

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "trace.png"
SIZE = (1000, 548)
PAGE = (0xF6, 0xF7, 0xF9)
TRIES = 5
READING_S = 1.2  # what a person takes to read a question
PROJECT = {
    "agents/desk.yaml": """
        description: The order desk.
        model:
          api: scripted
          name: gpt-4.1-mini
          prices: {input: 0.4, output: 1.6}
          script:
            - tool_calls:
                - {name: find_order, arguments: {order_id: "1042"}}
                - {name: ask_policy, arguments: {input: "May a mug that arrived broken be refunded?"}}
              delay: 0.9
              usage: {input_tokens: 812, output_tokens: 41, total_tokens: 853}
            - tool_calls: [{name: refund_order, arguments: {order_id: "1042", amount: 12.5}}]
              delay: 0.6
              usage: {input_tokens: 1204, output_tokens: 30, total_tokens: 1234}
            - content: The mug is refunded, 12.50 EUR.
              delay: 0.7
              usage: {input_tokens: 1290, output_tokens: 18, total_tokens: 1308}
        tools: [find_order, ask_policy, refund_order]
    """,
    "agents/policy.yaml": """
        description: Knows what the shop's terms say.
        model:
          api: scripted
          name: gpt-4.1-mini
          prices: {input: 0.4, output: 1.6}
          script:
            - tool_calls: [{name: read_terms}]
              delay: 0.5
              usage: {input_tokens: 240, output_tokens: 12, total_tokens: 252}
            - content: Yes, within 30 days.
              delay: 0.6
              usage: {input_tokens: 1710, output_tokens: 9, total_tokens: 1719}
        tools: [read_terms]
    """,
    "tools.d/shop.yaml": """
        name: find_order
        description: Finds one order.
        parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
        read_only: true
        shell: {command: [sleep, "0.4"]}
        ---
        name: read_terms
        description: Reads the terms.
        read_only: true
        shell: {command: [sleep, "0.3"]}
        ---
        name: refund_order
        description: Refunds an order.
        parameters:
          type: object
          properties: {order_id: {type: string}, amount: {type: number}}
          required: [order_id, amount]
        require_approval: always
        shell: {command: [sleep, "0.5"]}
        ---
        name: ask_policy
        read_only: true
        agent: policy
    """,
}


def page(root):
    """The page of a conversation's run."""
    write_project(root, PROJECT)
    state = {"XDG_STATE_HOME": str(root / "state")}
    terminal = Terminal(root, "desk", environ=state)
    terminal.say("A mug of order 1042 arrived broken. Refund it, 12.50 EUR.")
    terminal.wait_for("allow?")
    time.sleep(READING_S)
    terminal.type("y\r")
    terminal.wait_for("is refunded")
    terminal.leave()
    agentrun = [sys.executable, "-m", "agentrun"]
    options = {"cwd": root, "env": os.environ | state, "check": True, "timeout": 30}
    found = subprocess.run([*agentrun, "sessions", "list"], capture_output=True, text=True, **options).stdout
    id = found.splitlines()[1].split()[0]
    subprocess.run([*agentrun, "trace", id, "--html", "trace.html"], **options)
    return root / "trace.html"


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "project").mkdir()
        file = page(root / "project")
        for _ in range(TRIES):
            chromium.screenshot(file, root / "profile", PICTURE, size=SIZE)
            if chromium.pixels(PICTURE)[1][-1][0] == PAGE:
                return
    sys.exit("the browser never drew the whole page")


if __name__ == "__main__":
    main()
