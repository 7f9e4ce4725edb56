"""`agentrun trace --html`: what stands in the page, and what a real browser makes of it."""

import base64
import hashlib
import re
from importlib.resources import files

import pytest

from agentrun.observers.spans import spans_of
from agentrun.observers.waterfall import pieces
from agentrun.observers.waterfall_html import MAX_CHARS, MAX_SPANS, as_html
from chromium import UNDRAWN, dom, needs_chromium, pixels, screenshot
from test_cli_run import agentrun
from test_html_report import HOSTILE, POLICY, Elements, contrast, measured, page
from traced_runs import Told, a_run_with_an_expert, traced_project

TOOL_BAR = (0x12, 0x80, 0x8A)  # `--tool` in the light colours


def html(events=None, *, content=True, title="3f2a"):
    return as_html(pieces(spans_of(a_run_with_an_expert() if events is None else events, content=content)), title)


def said(text):
    """A run in which everything that somebody else writes is `text`."""
    told = Told()
    return [
        told.started(agent=text, model=text, input=text),
        told.turn(1),
        told.turned(2, message={"role": "assistant", "content": text}, finish=text),
        told.called(2, text, text, **{text: text}),
        told.result(3, text, text, result=text, error="internal"),
        told.ended(4, "model_error", text, {"type": "internal", "message": text}),
    ]


# -- what stands in it -----------------------------------------------------------------------------------------


def test_the_policy_allows_this_style_and_nothing_else():
    text = html()
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert POLICY.findall(text) == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]
    assert not re.search(r"https?://|//|url\(|@import| style=| on\w+=|<script", POLICY.sub("", text).replace("</", ""))


def test_each_span_is_a_line_that_unfolds_what_is_known_of_it():
    text = html()
    assert text.count('<details class="row') == 9
    for told in (
        "<h1>3f2a</h1>",
        'desk\n <span class="ending good">answered</span></h2>',
        "gpt-5 · 12.0 s · 4 turns · 3 calls · 1 error · 120 tokens (100 + 20) · $0.2500",
        '<span class="name d2"><span>expert</span></span>',
        '<span class="hidden-text">failed:</span><span>refund</span><span class="mark">http_status</span>',
        '<rect class="wait" x="5833" y="3" width="1667" height="6"/><rect class="time" x="7500" y="0" width="833"',
        '<th scope="row">gen_ai.response.time_to_first_chunk</th><td>1.0</td>',
        '<p class="what">arguments</p><pre>{&quot;id&quot;:7}</pre>',
        '<p class="what">user</p><pre>hi</pre>',
        '<p class="what">assistant</p><pre>hello</pre>',
    ):
        assert told in text, told


def test_without_content_nothing_of_what_was_said_is_in_the_page(tmp_path):
    project = traced_project(tmp_path)
    told = agentrun(project, "run", "desk", "CANARY-input", "-q", "--approve", "fail", "--output", "jsonl").stdout
    agentrun(project, "trace", "-", "--html", "trace.html", stdin=told)
    assert "CANARY" not in (project / "trace.html").read_text()
    agentrun(project, "trace", "-", "--html", "trace.html", "--content", stdin=told)
    text = (project / "trace.html").read_text()
    assert all(one in text for one in ("CANARY-input", "CANARY-answer", "CANARY-arguments", "CANARY-error"))


def test_no_text_of_a_run_is_anything_but_text():
    found = [name for name, _ in Elements(html(said("\n".join(HOSTILE)))).found]
    harmless = [name for name, _ in Elements(html(said("\n".join("x" * len(one) for one in HOSTILE)))).found]
    assert found == harmless


def test_a_very_long_text_is_cut_and_the_page_says_how_much_is_missing():
    text = html(said("a" * (MAX_CHARS + 1_234)))
    assert "a" * MAX_CHARS + "</pre>" in text
    assert "… 1,234 more characters are not shown" in text


def test_of_very_many_spans_the_first_are_shown():
    told = Told()
    calls = [event for at in range(MAX_SPANS) for event in (told.called(at, f"c{at}"), told.result(at, f"c{at}"))]
    text = html([told.started(), *calls, told.ended(MAX_SPANS)])
    assert text.count('<details class="row') == MAX_SPANS
    assert "… 1 more spans are not shown" in text
    assert len(text) < 4_000_000


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme):
    style = files("agentrun.observers").joinpath("waterfall.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    texts = [(text, back) for text in ("text", "soft", "good", "bad") for back in ("page", "card", "code")]
    assert [pair for pair in texts if contrast(colors[pair[0]], colors[pair[1]]) < 4.5] == []
    bars = [(bar, "card") for bar in ("agent", "chat", "tool", "bad-bar")]
    assert [pair for pair in bars if contrast(colors[pair[0]], colors[pair[1]]) < 3] == []


# -- in a browser ----------------------------------------------------------------------------------------------


@needs_chromium
def test_a_browser_shows_bars_where_their_time_is(tmp_path):
    told, console = dom(page(tmp_path, html()), tmp_path / "profile")
    assert console == []
    assert "<title>3f2a · agentrun trace</title>" in told
    script = """
        const bars = [...document.querySelectorAll(".row")].map(row => [
            row.querySelector(".name > span:not(.hidden-text)").textContent,
            row.querySelector(".time").getBoundingClientRect()]);
        const whole = bars[0][1];
        return {bars: bars.map(([name, box]) => [name, (box.left - whole.left) / whole.width, box.width / whole.width]),
                folded: document.querySelector(".body").checkVisibility()};
    """
    seen = measured(tmp_path, html(), script)
    places = [(name, round(left * 12, 1), round(width * 12, 1)) for name, left, width in seen["bars"]]
    assert places == [
        ("desk", 0, 12),
        ("chat gpt-5", 0, 2),
        ("find_order", 2, 3),
        ("ask_expert", 2, 4),
        ("expert", 2, 4),
        ("chat small", 2, 4),
        ("chat gpt-5", 6, 1),
        ("refund", 9, 1),
        ("chat gpt-5", 10, 2),
    ]
    assert seen["folded"] is False


@needs_chromium
@pytest.mark.parametrize("width", [400, 900, 1400])
def test_nothing_is_wider_than_the_screen(tmp_path, width):
    text = html(said("word " * 60 + "x" * 400)).replace("<details ", "<details open ")
    script = "return [document.documentElement.scrollWidth, innerWidth]"
    needed, there = measured(tmp_path, text, script, width=width)
    assert needed <= there == width


@needs_chromium
def test_on_a_wide_screen_tokens_and_cost_stand_beside_the_bars(tmp_path):
    script = """return [...document.querySelectorAll(".row:nth-child(2) .facts")]
        .filter(one => one.checkVisibility()).map(one => one.textContent)"""
    assert measured(tmp_path, html(), script, width=1400) == ["120", "$0.2500", "12.0 s"]
    assert measured(tmp_path, html(), script, width=900) == ["12.0 s"]


@needs_chromium
def test_a_long_name_stands_beside_its_mark(tmp_path):
    script = """const name = document.querySelector(".name"), text = name.querySelector("span:not(.hidden-text)");
        return text.getBoundingClientRect().top - name.getBoundingClientRect().top"""
    assert measured(tmp_path, html(said("x" * 150)), script, width=900) < 5


@needs_chromium
def test_a_hostile_run_runs_nothing(tmp_path):
    text = html(said("\n".join(HOSTILE)))
    told, console = dom(page(tmp_path, text), tmp_path / "profile")
    assert console == []
    assert "<title>3f2a · agentrun trace</title>" in told
    script = """return {scripts: document.scripts.length, images: document.images.length, links: document.links.length,
        heads: document.querySelectorAll("h1").length}"""
    own = 1  # the one that looks
    assert measured(tmp_path, text, script) == {"scripts": own, "images": 0, "links": 0, "heads": 1}


@needs_chromium
def test_the_bars_are_on_the_screen_and_the_page_is_dark_where_a_person_wants_it_so(tmp_path):
    seen = {}
    for dark in (False, True):
        picture = screenshot(
            page(tmp_path, html()), tmp_path / "profile", tmp_path / "shot.png", size=(900, 500 + UNDRAWN), dark=dark
        )
        rows = pixels(picture)[1]
        seen[dark] = sum(row.count(TOOL_BAR) for row in rows), sum(rows[0][0])
    assert seen[False][0] > 2_000
    assert seen[False][1] > 700
    assert seen[True][0] < 100
    assert seen[True][1] < 100
