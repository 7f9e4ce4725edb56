"""Turns as services stream them: the shapes were recorded, the words are made up. Ids and dates of chunks, which
nobody reads, are left out.

Each is a `Recorded`: its bytes, and where in them the finish is complete. Before that byte it is half a turn.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Recorded:
    """`whole_at` is how many bytes hold the whole event with the finish. `calls` is how many calls it makes."""

    name: str
    body: bytes
    whole_at: int
    calls: int


def _chunk(delta, finish=None, **fields):
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"choices": choices, **fields}


def _call(**fields):
    return {"tool_calls": [fields]}


def _usage(tokens_in, tokens_out):
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


def _recorded(name, chunks, *, calls=0):
    events = [b"data: " + _json(one) + b"\n\n" for one in chunks]
    finish = next(at for at, one in enumerate(chunks) if one["choices"] and one["choices"][0]["finish_reason"])
    body = b"".join([*events, b"data: [DONE]\n\n"])
    return Recorded(name, body, len(b"".join(events[: finish + 1])), calls)


def _json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _city(name):
    return _json({"city": name}).decode()


OPENAI_TEXT = _recorded(
    "OpenAI: text",
    [
        _chunk({"role": "assistant", "content": "", "refusal": None}),
        _chunk({"content": "Grüße aus"}),
        _chunk({"content": " Malmö."}),
        _chunk({}, "stop"),
        {"choices": [], "usage": _usage(9, 4)},
    ],
)

OPENAI_TWO_CALLS = _recorded(
    "OpenAI: two parallel calls, usage after the finish",
    [
        _chunk({"role": "assistant", "content": None}),
        _chunk(_call(index=0, id="call_a", type="function", function={"name": "weather", "arguments": ""})),
        _chunk(_call(index=0, function={"arguments": '{"city": "Os'})),
        _chunk(_call(index=0, function={"arguments": 'lo"}'})),
        _chunk(_call(index=1, id="call_b", type="function", function={"name": "weather", "arguments": ""})),
        _chunk(_call(index=1, function={"arguments": _city("Malmö")})),
        _chunk({}, "tool_calls"),
        {"choices": [], "usage": _usage(20, 11)},
    ],
    calls=2,
)

MISTRAL = _recorded(
    "Mistral: a whole call, its finish and usage in one chunk",
    [
        _chunk({"role": "assistant", "content": ""}),
        _chunk(
            {
                "content": "",
                **_call(index=0, id="D681PevKs", function={"name": "weather", "arguments": _city("Nîmes")}),
            },
            "tool_calls",
            usage=_usage(7, 9),
        ),
    ],
    calls=1,
)

GEMINI = _recorded(
    "Gemini's chat API: no index, arguments in pieces, finish `stop`",
    [
        _chunk(
            {
                "role": "assistant",
                **_call(
                    id="g-1",
                    type="function",
                    function={"name": "weather", "arguments": ""},
                    extra_content={"google": {"thought_signature": "c2ln"}},
                ),
            }
        ),
        _chunk(_call(function={"arguments": '{"city"'})),
        _chunk(_call(function={"arguments": ': "Łódź"}'})),
        _chunk({}, "stop", usage=_usage(6, 8)),
    ],
    calls=1,
)

DEEPSEEK = _recorded(
    "DeepSeek: reasoning_content before a call",
    [
        _chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
        _chunk({"content": None, "reasoning_content": "Which town? "}),
        _chunk({"content": None, "reasoning_content": "Århus."}),
        _chunk(_call(index=0, id="call_00_x", type="function", function={"name": "weather", "arguments": ""})),
        _chunk(_call(index=0, function={"arguments": _city("Århus")})),
        _chunk({"content": "", "reasoning_content": None}, "tool_calls", usage=_usage(30, 25)),
    ],
    calls=1,
)

STREAMS = [OPENAI_TEXT, OPENAI_TWO_CALLS, MISTRAL, GEMINI, DEEPSEEK]
