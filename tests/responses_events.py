"""Turns as OpenAI's Responses API streams them: items announced, streamed, finished, and all repeated at the end."""

import json

from servers import Response, reply_json

USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 29,
}


def message(text="", *, refusal="", item_id="msg_1", **fields):
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}] if text else []
    content += [{"type": "refusal", "refusal": refusal}] if refusal else []
    return {"type": "message", "id": item_id, "status": "completed", "role": "assistant", "content": content, **fields}


def call(name, arguments, call_id, **fields):
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": raw,
        **fields,
    }


def reasoning(*summary, encrypted="gAAAA==", item_id="rs_1"):
    parts = [{"type": "summary_text", "text": text} for text in summary]
    return {"type": "reasoning", "id": item_id, "summary": parts, "encrypted_content": encrypted}


def whole(*items, status="completed", reason=None, **fields):
    """The object that the last event holds, and that a service answers with where it does not stream."""
    details = {"reason": reason} if reason else None
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "error": None,
        "incomplete_details": details,
        "output": list(items),
        "usage": USAGE,
        **fields,
    }


def whole_json(*items, **fields):
    return reply_json(whole(*items, **fields))


def stream_of(*items, status="completed", reason=None, **fields):
    """The events of a turn. `status` None leaves out the last."""
    data = [("response.created", {"response": whole(status="in_progress", usage=None)})]
    for index, item in enumerate(items):
        begun = {**item, "status": "in_progress"}
        data.append(("response.output_item.added", {"output_index": index, "item": {**begun, **_empty(item)}}))
        data += [(kind, {"output_index": index, "item_id": item["id"], **more}) for kind, more in _pieces(item)]
        data.append(("response.output_item.done", {"output_index": index, "item": item}))
    if status:
        data.append((f"response.{status}", {"response": whole(*items, status=status, reason=reason, **fields)}))
    return [event(kind, sequence_number=number, **more) for number, (kind, more) in enumerate(data)]


def event(kind, **fields):
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


def streamed(*items, **fields):
    return Response(stream_of(*items, **fields))


def _empty(item):
    match item["type"]:
        case "message":
            return {"content": []}
        case "function_call":
            return {"arguments": ""}
        case "reasoning":
            return {"summary": [], "encrypted_content": "half"}
    return {}


def _pieces(item):
    match item["type"]:
        case "message":
            for index, part in enumerate(item["content"]):
                kind, text = (
                    ("refusal", part["refusal"]) if part["type"] == "refusal" else ("output_text", part["text"])
                )
                for piece in _halves(text):
                    yield f"response.{kind}.delta", {"content_index": index, "delta": piece}
                yield f"response.{kind}.done", {"content_index": index, kind.removeprefix("output_"): text}
        case "function_call":
            for piece in _halves(item["arguments"]):
                yield "response.function_call_arguments.delta", {"delta": piece}
            yield "response.function_call_arguments.done", {"arguments": item["arguments"], "name": item["name"]}
        case "reasoning":
            for index, part in enumerate(item["summary"]):
                yield "response.reasoning_summary_part.added", {"summary_index": index}
                yield "response.reasoning_summary_text.delta", {"summary_index": index, "delta": part["text"]}


def _halves(text):
    return [piece for piece in (text[: len(text) // 2], text[len(text) // 2 :]) if piece]
