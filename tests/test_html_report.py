"""The HTML report of `agentrun test`: what stands in it, and what a real browser makes of it."""

import base64
import hashlib
import json
import re
import time
from html import escape, unescape
from html.parser import HTMLParser
from importlib.resources import files

import msgspec
import pytest

from agentrun.diagnostics import Span
from agentrun.testing.reports import REPORTS
from agentrun.testing.reports.html_case import MAX_CHARS
from agentrun.testing.results import Failure, Judgement, Vote
from chromium import UNDRAWN, dom, needs_chromium, pixels, screenshot
from report_runs import (
    ANSWER,
    COVERAGE,
    FILE,
    REQUEST,
    SOURCES,
    a_call,
    a_hostile_run,
    a_run,
    an_attempt,
    conversed,
    failed,
    passed,
    repeated,
    skipped,
    unmeasured,
)

DIFFERENCE_BACK = (0xFD, 0xE8, 0xE8)  # `--failed-back` in the light colours
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
HOSTILE = [
    "<script>document.title='run'</script>",
    "</style><script>document.title='run'</script>",
    "</pre></details></main><h1>over</h1>",
    "<img src=x onerror=\"document.title='run'\">",
    '"><svg onload="document.title=1">',
    "<a href=\"javascript:document.title='run'\">x</a>",
    "<!--",
    "<![CDATA[",
    "<style>*{display:none}</style>",
    "<base href=//evil.example><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "https://evil.example/\x1b[31m\u202etxt",
    "&lt;b&gt; &amp; &#x3c;script&#x3e;",
]


def html(*results, **more):
    return REPORTS["html"](a_run(*results, **more), SOURCES)


def page(folder, text):
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    return path


def measured(folder, text, script, *, width=1000):
    """What a script sees of the page in a frame of a width. Only this copy of the page may run one."""
    without_policy = POLICY.sub("", text)
    assert without_policy != text
    probe = f"<script>parent.document.title = JSON.stringify((() => {{ {script} }})())</script></body>"
    inside = escape(without_policy.replace("</body>", probe))
    frame = f'<!doctype html><title></title><iframe width="{width}" height="900" frameborder="0" srcdoc="{inside}">'
    told, _ = dom(page(folder, frame), folder / "profile")
    return json.loads(unescape(re.search("<title>(.*?)</title>", told)[1]))


# -- what stands in it


class Elements(HTMLParser):
    """Every element, as (name, attributes); complains where one is closed that is not open."""

    VOID = ("meta", "input", "rect")

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.open = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def everything():
    call = a_call(requests=(REQUEST,), approved=True, arguments=None, raw_arguments="{broken")
    judgement = Judgement("gpt-5", ANSWER.span, (Vote(False, "it is rude"), Vote(True, "fine"), Vote(True, "fine")))
    attempt = an_attempt("failed", conversed(calls=[call]), [ANSWER], warnings=("old",), judgements=(judgement,))
    one = msgspec.structs.replace(failed(tags=("shop",)), attempts=(attempt,))
    return html(passed(), one, unmeasured(), skipped(), repeated("passed", "failed"), coverage=(COVERAGE,))


def test_the_page_stands_alone_and_has_no_script():
    elements = Elements(everything()).found
    assert {"script", "link", "img", "iframe", "object", "a", "form"} & {name for name, _ in elements} == set()
    attributes = {name for _, attributes in elements for name in attributes}
    assert {"src", "href", "style", "srcset", "action"} & attributes == set()
    assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_allows_this_very_style_and_nothing_else():
    text = everything()
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert POLICY.search(text)[1] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_has_landmarks_a_language_and_a_label_for_each_choice():
    elements = Elements(everything()).found
    names = [name for name, _ in elements]
    assert [names.count(one) for one in ("html", "header", "main", "h1", "title")] == [1] * 5
    assert dict(elements)["html"] == {"lang": "en"}
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for name, attributes in elements:
        if name == "section":
            assert attributes["aria-labelledby"] in ids
        if name == "label":
            assert attributes["for"] in ids
    assert names.count("input") == names.count("label") == 5


def test_all_that_is_known_of_a_case_is_told():
    text = everything()
    for told in (
        "tests/refunds.test.yaml:11:9",
        "12 ms · 2 turns · 120 tokens · $0.0021",
        '<span class="tag">shop</span>',
        "{broken",
        "approved",
        "request: POST https://orders.example.com/v2/orders/7/refunds",
        "authorization: Bearer [secret]",
        "judged by gpt-5: 2 of 3 say yes",
        "it is rude",
        "could not be measured: the service answered 503",
        "skipped: not before June",
        "attempt 2 of 2",
        "refund_order.reason",
        "system prompt · 23 characters",
    ):
        assert told in text, told


def test_the_place_is_marked_in_its_line_of_the_file():
    assert '<pre class="source"><span class="line">11</span><mark>equals</mark>: |-</pre>' in html(failed())
    inner = Failure("it is not so", Span(FILE, 6, 16, 6, 24))
    assert '<span class="line">6</span>answer: {<mark>contains</mark>: Done}</pre>' in html(failed(inner))
    long = {FILE: "a: " + "b" * 1_000_000}
    text = REPORTS["html"](a_run(failed(Failure("it is not so", Span(FILE, 1, 4, 1, 900_000)))), long)
    assert len(text) < 50_000


def test_only_cases_that_failed_are_unfolded():
    cases = re.findall(r'<details class="case is-(\w+)"( open)?>', everything())
    assert [(status, bool(is_open)) for status, is_open in cases] == [
        ("passed", False),
        ("failed", True),
        ("unmeasured", False),
        ("skipped", False),
        ("failed", True),
    ]


def test_a_very_long_text_is_cut_and_the_page_says_how_much_is_missing():
    text = html(failed(observed=conversed("a" * (MAX_CHARS + 1_234))))
    assert "a" * MAX_CHARS + "</pre>" in text
    assert "… 1,234 more characters are not shown" in text


def test_a_very_deep_result_is_shown_as_it_is():
    deep = "[" * 3_000 + "]" * 3_000
    assert deep in html(failed(observed=conversed(calls=[a_call(result=deep)])))


def test_a_thousand_cases_are_a_small_page_and_are_written_quickly():
    results = [passed(name=f"case {number}") for number in range(1_000)]
    started = time.monotonic()
    text = html(*results)
    assert time.monotonic() - started < 10
    assert len(text) < 3_000_000


def luminance(color):
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme):
    style = files("agentrun.testing.reports").joinpath("report.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    backs = ("page", "card", "code")
    pairs = [(text, back) for text in ("text", "soft", "passed", "failed", "unmeasured", "skipped") for back in backs]
    pairs += [("passed", "passed-back"), ("failed", "failed-back"), ("text", "user-back")]
    assert [pair for pair in pairs if contrast(colors[pair[0]], colors[pair[1]]) < 4.5] == []


# -- in a browser


@needs_chromium
def test_a_browser_shows_the_failed_case_with_its_difference(tmp_path):
    text = html(passed(), failed())
    told, console = dom(page(tmp_path, text), tmp_path / "profile")
    assert console == []
    assert "<title>1 passed, 1 failed in 1.2 s · agentrun test</title>" in told
    assert "<del>- Refunded 5.00 EUR.</del><ins>+ Refunded 8.00 EUR.</ins>" in told
    script = """
        const box = one => document.querySelector(one).getBoundingClientRect();
        const paint = one => getComputedStyle(document.querySelector(one)).backgroundColor;
        return {ins: box(".diff ins"), del: box(".diff del"), red: paint(".diff ins"), body: box("main"),
                folded: document.querySelector(".is-passed .body").checkVisibility(),
                unfolded: document.querySelector(".is-failed .call").checkVisibility()};
    """
    seen = measured(tmp_path, text, script)
    assert seen["red"] == f"rgb{DIFFERENCE_BACK}"
    assert seen["del"]["bottom"] == seen["ins"]["top"]
    assert 10 < seen["ins"]["height"] < 40
    assert 600 < seen["ins"]["width"] < seen["body"]["width"]
    assert (seen["folded"], seen["unfolded"]) == (False, True)


@needs_chromium
def test_the_red_of_the_difference_is_on_the_screen(tmp_path):
    for results, shown in (((passed(), failed()), True), ((passed(),), False)):
        picture = screenshot(
            page(tmp_path, html(*results)), tmp_path / "profile", tmp_path / "shot.png", size=(600, 560 + UNDRAWN)
        )
        width, rows = pixels(picture)
        assert (width, len(rows)) == (600, 560 + UNDRAWN)
        red = sum(row.count(DIFFERENCE_BACK) for row in rows)
        assert (red > 5_000) is shown


@needs_chromium
def test_a_script_in_the_page_would_be_refused_and_heard_of(tmp_path):
    """What the tests below take for silence is heard where there is something."""
    smuggled = html(passed()).replace("</body>", "<script>document.title = 'run'</script></body>")
    told, console = dom(page(tmp_path, smuggled), tmp_path / "profile")
    assert "<title>1 passed in 1.2 s · agentrun test</title>" in told
    assert any("Content Security Policy" in line for line in console)


@needs_chromium
def test_no_text_of_a_run_is_anything_but_text(tmp_path):
    run = a_hostile_run("\n".join(HOSTILE))
    text = REPORTS["html"](run, SOURCES)
    harmless = REPORTS["html"](a_hostile_run("\n".join("x" * len(one) for one in HOSTILE)), SOURCES)
    assert [name for name, _ in Elements(text).found] == [name for name, _ in Elements(harmless).found]
    told, console = dom(page(tmp_path, text), tmp_path / "profile")
    assert console == []
    assert "<title>1 failed, 1 could not be measured, 1 skipped in 1.2 s · agentrun test</title>" in told
    script = """
        return {scripts: document.scripts.length, images: document.images.length, links: document.links.length,
                heads: document.querySelectorAll("h1").length, said: document.querySelector(".user pre").textContent,
                seen: document.querySelector(".diff").checkVisibility()};
    """
    seen = measured(tmp_path, text, script)
    own = 1  # the one that looks
    assert (seen["scripts"], seen["images"], seen["links"], seen["heads"]) == (own, 0, 0, 1)
    assert seen["said"] == "\n".join(HOSTILE).replace("\x1b", "␛").replace("\u202e", "⟨U+202E⟩")
    assert seen["seen"] is True


@needs_chromium
@pytest.mark.parametrize("width", [400, 1000])
def test_long_texts_scroll_in_their_box_and_never_the_page(tmp_path, width):
    long = "\n".join(["word " * 60, "x" * 400] * 30)
    call = a_call("a_tool_with_a_name" * 8, json.dumps({"k" * 200: long}), arguments={"order_id": "7" * 300})
    text = html(failed(observed=conversed(long, long, [call]), name="n" * 200, file="tests/" + "f" * 200 + ".yaml"))
    script = """
        const said = document.querySelector(".user pre");
        return {page: document.documentElement.scrollWidth, screen: innerWidth, box: said.clientHeight,
                inside: said.scrollHeight, focus: said.tabIndex};
    """
    seen = measured(tmp_path, text, script, width=width)
    assert seen["page"] <= seen["screen"] == width
    assert seen["box"] < 500 < seen["inside"]
    assert seen["focus"] == 0


@needs_chromium
def test_one_choice_shows_only_the_cases_that_failed(tmp_path):
    text = html(passed(), failed(), passed(file="tests/b.test.yaml"))
    chosen = text.replace(' id="show-all" checked', ' id="show-all"').replace(
        'id="show-failed"', 'id="show-failed" checked'
    )
    script = """return [".is-passed", ".is-failed", ".file:last-of-type"].map(
        one => document.querySelector(one).checkVisibility())"""
    assert measured(tmp_path, text, script) == [True, True, True]
    assert measured(tmp_path, chosen, script) == [False, True, False]


@needs_chromium
def test_the_page_is_dark_where_a_person_wants_it_so(tmp_path):
    at = {}
    for dark in (False, True):
        picture = screenshot(
            page(tmp_path, html(failed())),
            tmp_path / "profile",
            tmp_path / "shot.png",
            size=(500, 100 + UNDRAWN),
            dark=dark,
        )
        at[dark] = sum(pixels(picture)[1][-1][0])
    assert at[False] > 700
    assert at[True] < 100


@needs_chromium
def test_a_thousand_cases_open_quickly(tmp_path):
    results = [passed(name=f"case {number}") for number in range(1_000)]
    started = time.monotonic()
    seen = measured(tmp_path, html(*results), "return document.querySelectorAll('.case').length")
    assert seen == 1_000
    assert time.monotonic() - started < 20
