"""Random damage to recorded streams: whatever a service sends is a reply or a failure in words, never a traceback.

    python tests/fuzz_assembly.py --seconds 60 [--seed N]

Damages bytes, events and values, cuts the result at random places and checks what must hold of every outcome.
A finding is a traceback, after the stream and the seed that lead to it.
"""

import argparse
import copy
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from agentrun.engine.messages import encode
from agentrun.errors import ModelError
from agentrun.models.assemble import Assembly
from agentrun.models.history import repair
from agentrun.models.reply_body import ReplyBody
from recorded_streams import STREAMS

CONTENT_TYPES = ["text/event-stream", "application/json", "", "text/plain; charset=utf-8", "text/html"]
FINISHES = {"stop", "tool_calls", "length", "content_filter", "refusal"}
BYTES = [b"", b"\n", b"\r", b"\r\n", b"\n\n", b"data:", b"data: [DONE]\n\n", b": ping\n\n", b"event: error\n", b"\xff",
         b"\xef\xbb\xbf", b"\xc3", b"{", b"}", b"]", b'"', b"\\", b"\\ud800", b"null", b"\0", b"<html>"]  # fmt: skip
VALUES = [None, "", "x", " ", "stop", "error", "length", "\x00", "\ud800", "é" * 50, 0, -1, 1, 7, 1e308, 10**30,
          10**400, float("nan"), True, False, [], {}, [[]], [{}], {"a": {}}, [None], {"error": {"message": "m"}},
          '{"a":1}', '{"a":', {"city": "Oslo"}, [{"type": "text", "text": "t"}],
          [{"type": "thinking", "thinking": "t"}]]  # fmt: skip
KEYS = ["id", "index", "function", "name", "arguments", "content", "reasoning", "reasoning_content", "refusal",
        "usage", "finish_reason", "delta", "message", "choices", "tool_calls", "error", "object", "role", "type",
        "extra_content", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "code",
        "status", "details", "reasoning_details", "metadata", "detail", "errors", "x"]  # fmt: skip


# -- damage ---------------------------------------------------------------------------------------------------


def damaged(chance: random.Random) -> bytes:
    """A recorded stream, or two of them mixed, with some of its values, events and bytes changed."""
    chunks = _chunks(chance.choice(STREAMS).body)
    if chance.random() < 0.2:
        chunks += _chunks(chance.choice(STREAMS).body)
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        _change_value(chance, chunks)
    if chance.random() < 0.3:
        chance.shuffle(chunks)
    if chance.random() < 0.3 and chunks:
        chunks.insert(chance.randrange(len(chunks)), copy.deepcopy(chance.choice(chunks)))
    if chance.random() < 0.1:
        body = json.dumps(chance.choice(chunks) if chunks else None).encode()
    else:
        end = chance.choice(["\n\n", "\n\n", "\r\n\r\n", "\r\r"])
        body = b"".join(f"data: {json.dumps(chunk)}{end}".encode() for chunk in chunks)
        body += chance.choice([b"data: [DONE]\n\n", b""])
    for _ in range(chance.choice([0, 0, 0, 1, 3])):
        at = chance.randrange(len(body) + 1)
        body = body[:at] + chance.choice(BYTES) + body[at + chance.choice([0, 0, 1, 9]) :]
    return body[: chance.randrange(len(body) + 1)] if chance.random() < 0.2 else body


def _chunks(body):
    return [json.loads(line[6:]) for line in body.decode().split("\n\n") if line.startswith("data: {")]


def _change_value(chance, chunks):
    """Replace, remove or add one value, anywhere in the tree."""
    holder, depth = chunks, chance.randrange(1, 9)
    while holder and depth:
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if depth == 1 or not isinstance(holder[key], (dict, list)):
            break
        holder, depth = holder[key], depth - 1
    value = copy.deepcopy(chance.choice(VALUES))
    if isinstance(holder, dict):
        key = chance.choice([*holder, *KEYS])
        if chance.random() < 0.2:
            holder.pop(key, None)
        else:
            holder[key] = value
    elif holder:
        holder[chance.randrange(len(holder))] = value
    else:
        holder.append(value)


def pieces(chance, body):
    size = chance.choice([1, 3, 17, 200, 10_000])
    return [body[start : start + size] for start in range(0, len(body), size)]


# -- what must hold -------------------------------------------------------------------------------------------


def outcome(parts, content_type, used=()):
    """What the client makes of these bytes: the reply and what was told, or the failure's message."""
    told = []
    try:
        reader, assembly = ReplyBody(content_type), Assembly(3, used)
        for part in [*parts, None]:
            for chunk in reader.end() if part is None else reader.feed(part):
                told += assembly.add(chunk)
            if reader.done:
                assembly.done()
        finished = assembly.finished
        return assembly.finish(), finished, told
    except ModelError as failure:
        return failure, None, told


def check(chance, body):
    content_type = chance.choice(CONTENT_TYPES) if chance.random() < 0.2 else CONTENT_TYPES[0]
    used = {"call_a"} if chance.random() < 0.3 else set()
    result, finished, told = outcome([body], content_type, used)
    again, _, told_again = outcome(pieces(chance, body), content_type, used)
    if isinstance(result, ModelError):
        assert isinstance(again, ModelError), "cut into pieces it is a reply"
        # Of two faults in one piece either may be told.
        assert "\n" not in result.message, "the failure has more than one line"
        assert len(result.message) < 1000, "the failure is a long text"
        result.message.encode()  # can be printed
        return
    assert result == again, "cut into pieces it is another reply"
    assert told == told_again, "cut into pieces it is told otherwise"
    assert finished, "a reply without a finish"
    assert result.finish_reason in FINISHES
    assert result.finish_reason != "tool_calls" or result.calls
    assert result.finish_reason != "stop" or result.text.strip()
    ids = [call.id for call in result.calls]
    assert len(set(ids)) == len(ids), "an id twice"
    assert not used & set(ids), "an id that was used before"
    assert all(call.name for call in result.calls)
    assert json.loads(result.message.json) is not None
    for call in result.message.data.get("tool_calls", ()):
        assert isinstance(json.loads(call["function"]["arguments"]), dict), "arguments in the history are no object"
    if result.calls:
        assert len(repair([result.message])) == 1 + len(result.calls)
    encode([result.usage, *told])
    shown = "".join(one.text for one in told if type(one).__name__ == "TextProgress")
    assert shown == result.text, "what was told is not the answer"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--seed", type=int, default=None, help="play one seed again")
    chosen = options.parse_args()
    if chosen.seed is not None:
        chance = random.Random(chosen.seed)
        check(chance, damaged(chance))
        return 0
    end = time.monotonic() + chosen.seconds
    seed = first = random.randrange(10**9) * 10**6
    while time.monotonic() < end:
        chance = random.Random(seed)
        body = damaged(chance)
        try:
            check(chance, body)
        except BaseException:
            print(f"seed {seed}: {body!r}", file=sys.stderr)
            raise
        seed += 1
    print(f"{seed - first} streams, no finding")
    return 0


if __name__ == "__main__":
    sys.exit(main())
