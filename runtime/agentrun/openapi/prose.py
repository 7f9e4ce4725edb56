"""Descriptions of a document to plain text of a bounded length: they are Markdown, and often HTML. Pure."""

from __future__ import annotations

import html
import re

MAX_OPERATION_CHARS = 1000
MAX_MEMBER_CHARS = 300
_MAX_READ = 20_000  # what is looked at of a description, before it is cut
CUT = " … (cut)"

_COMMENT = re.compile(r"<!--.*?(-->|\Z)", re.DOTALL)
_SCRIPT = re.compile(r"<(script|style)\b.*?(</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|hr|/p|/div|/li|/tr|/h[1-6]|/ul|/ol|/table|/pre)\b[^<>]{0,200}>", re.IGNORECASE)
_ITEM = re.compile(r"<li\b[^<>]{0,200}>", re.IGNORECASE)
_CELL = re.compile(r"</t[dh]\s*>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:a|abbr|aside|b|big|blockquote|body|br|center|cite|code|dd|del|details|div|dl|dt|em|figure|font|h[1-6]|head|hr|"
    r"html|i|iframe|img|ins|kbd|li|note|ol|p|pre|s|samp|section|small|span|strike|strong|sub|summary|sup|svg|table|tbody|"
    r"td|tfoot|th|thead|tr|tt|u|ul|var)(?:\s[^<>]{0,1000})?/?>",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"!\[([^\[\]]{0,300})\]\([^()\s]{0,2000}[^()]{0,200}\)")
_LINK = re.compile(r"\[([^\[\]]{1,500})\](?:\([^()]{0,2000}\)|\[[^\[\]]{0,200}\])")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t|:=_*-]{3,}$", re.MULTILINE)
_QUOTE = re.compile(r"^[ \t]*>[ \t>]*(?:\[!\w+\][ \t]*)?", re.MULTILINE)
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+(.*?)[ \t]*#*$", re.MULTILINE)
_STRONG = re.compile(r"(\*\*|__)(?=\S)([^*_\n]{1,500}?)(?<=\S)\1")
_SENTENCE_END = re.compile(r"[.!?:;](?=\s)|\n")


def plain(text: object) -> str:
    """Without tags, links' addresses, headings' marks, and white space that says nothing."""
    if not isinstance(text, str):
        return ""
    text = text[:_MAX_READ]
    if "<" in text:
        for pattern, stands in ((_COMMENT, ""), (_SCRIPT, ""), (_BREAK, "\n"), (_ITEM, "\n- "), (_CELL, " ")):
            text = pattern.sub(stands, text)
        text = _TAG.sub("", text)
    if "&" in text:
        text = html.unescape(text)
    if "](" in text or "][" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    text = _QUOTE.sub("", text)
    text = _STRONG.sub(r"\2", _HEADING.sub(r"\1", _RULE.sub("", _FENCE.sub("", text))))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


def cut(text: str, max_chars: int) -> str:
    """A text that is longer ends with a sentence, and says that it goes on."""
    if len(text) <= max_chars:
        return text
    room = max_chars - len(CUT)
    ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, room + 1) if found.end() <= room]
    if ends and ends[-1] >= room // 2:
        return text[: ends[-1]].rstrip() + CUT
    word = text.rfind(" ", room // 2, room)
    return text[: word if word > 0 else room].rstrip() + CUT


def joined(summary: object, description: object, max_chars: int = MAX_OPERATION_CHARS) -> str:
    """A summary is not said twice."""
    short, long = plain(summary), plain(description)
    if not short or long.lower().startswith(short.lower().rstrip(".")):
        return cut(long, max_chars)
    if not long:
        return cut(short, max_chars)
    return cut(f"{short}{'' if short[-1] in '.!?:' else '.'}\n{long}", max_chars)


def one_text(*texts: str, max_chars: int = MAX_MEMBER_CHARS) -> str:
    """Several remarks as one text."""
    parts = [one for one in texts if one]
    whole = " ".join(one if one[-1] in ".!?:)" or one is parts[-1] else f"{one}." for one in parts)
    return cut(whole, max_chars)
