"""Makes the picture of the HTML report that the docs show: `.venv/bin/python tests/report_picture.py`.

The run is a real one, of the shipped order desk with cases of which one fails.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

import chromium
from agentrun.project import read_project
from agentrun.testing.bench import Bench
from agentrun.testing.plan import cases_of
from agentrun.testing.reports import REPORTS
from agentrun.testing.runner import Runner
from projects import write_project

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "test-report.png"
SIZE = (1100, 1232)
PAGE = (0xF6, 0xF7, 0xF9)  # its background, down to the last row
TRIES = 5
CASES = {
    "tests/lookup.test.yaml": """
        agent: support
        env: {ORDERS_URL: "https://orders.example.com/v2", ORDERS_TOKEN: token-of-the-tests}
        tools:
          find_order: {json: {id: "1042", customer: Mara Lindqvist, status: delivered, total: 104.9, currency: EUR}}
        cases:
          - name: looks an order up before it speaks about it
            args: {input: Where is order 1042?}
            model:
              - tool_calls: [{name: find_order, arguments: {order_id: "1042"}}]
                usage: {input_tokens: 812, output_tokens: 21, total_tokens: 833}
              - content: Order 1042 was delivered.
                usage: {input_tokens: 946, output_tokens: 18, total_tokens: 964}
            expect: {answer: {contains: delivered}, calls: [find_order]}
          - name: answers in the customer's language
            skip: until the prompt says so
            args: {input: Wo ist Bestellung 1042?}
            model: [{content: Sie ist da.}]
    """,
    "tests/refunds.test.yaml": """
        agent: support
        env: {ORDERS_URL: "https://orders.example.com/v2", ORDERS_TOKEN: token-of-the-tests}
        tools:
          find_order: {json: {id: "1042", status: delivered, total: 104.9, currency: EUR}}
          refund_order: {status: 201, json: {id: rf_2, order_id: "1042", amount: 104.9, currency: EUR}}
        cases:
          - name: asks before it refunds, and takes a no
            args: {input: Refund order 1042}
            refuse: {refund_order: not without a reason}
            model:
              - tool_calls: [{name: refund_order, arguments: {order_id: "1042"}}]
                usage: {input_tokens: 806, output_tokens: 20, total_tokens: 826}
              - content: I may not refund it without a reason. What happened?
                usage: {input_tokens: 871, output_tokens: 25, total_tokens: 896}
            expect: {answer: {contains: reason}, approvals: [refund_order]}
          - name: refunds only the mug that arrived broken
            tags: [money]
            args: {input: "A mug of order 1042 arrived broken, 12.50 EUR. Refund it."}
            approve: [refund_order]
            model:
              - tool_calls: [{name: refund_order, arguments: {order_id: "1042", amount: 104.9, reason: arrived broken}}]
                usage: {input_tokens: 824, output_tokens: 31, total_tokens: 855}
              - content: Order 1042 is refunded, 104.90 EUR.
                usage: {input_tokens: 958, output_tokens: 20, total_tokens: 978}
            expect:
              calls:
                - name: refund_order
                  arguments: {order_id: "1042", amount: 12.5, reason: arrived broken}
          - name: refunds everything that is left
            tags: [money]
            args: {input: "Order 1042 never came. Refund it."}
            approve: [refund_order]
            model:
              - tool_calls: [{name: refund_order, arguments: {order_id: "1042", reason: never came}}]
                usage: {input_tokens: 811, output_tokens: 28, total_tokens: 839}
              - content: Order 1042 is refunded, 104.90 EUR.
                usage: {input_tokens: 941, output_tokens: 20, total_tokens: 961}
            expect: {answer: {contains: 104.90 EUR}}
    """,
}


def report(root):
    """The HTML of a run of the cases above."""
    for folder in ("agents", "tools.d"):
        (root / folder).mkdir()
    shutil.copy(ROOT / "agents/support.yaml", root / "agents")
    for tool in ("_orders", "find_order", "list_orders", "refund_order"):
        shutil.copy(ROOT / f"tools.d/{tool}.yaml", root / "tools.d")
    write_project(root, CASES)
    os.chdir(root)  # places are told as seen from here
    project = read_project(root, {})
    run = asyncio.run(Runner(cases_of(project.catalog.tests), Bench(project, {})).run())
    assert [one.case.name for one in run.results if one.status == "failed"] == [
        "refunds only the mug that arrived broken"
    ]
    return REPORTS["html"](run, {file: (root / file).read_text(encoding="utf-8") for file in CASES})


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        page = root / "report.html"
        (root / "project").mkdir()
        page.write_text(report(root / "project"), encoding="utf-8")
        PICTURE.parent.mkdir(exist_ok=True)
        for _ in range(TRIES):
            chromium.screenshot(page, root / "profile", PICTURE, size=SIZE)
            if chromium.pixels(PICTURE)[1][-1][0] == PAGE:
                return
    sys.exit("the browser never drew the whole page")


if __name__ == "__main__":
    main()
