"""Stands in for Anthropic's Messages API: `POST /v1/messages`, judged by the types of the
official package, answered with recorded bytes. How it is run and which recording answers is
told in provider_mock.py.

Each request must be a `MessageCreateParams` with no key that the package does not know, at any
level, must carry the key (`x-api-key` or Bearer) and an `anthropic-version`, and must keep the
rules of a conversation that the types cannot say: every tool call is answered in the next
turn, its results first there, no text is blank, and what is called base64 is base64.

By name, where no recording holds it or its request was not recorded:
  "mock: refusal"      recorded stream: stop_reason `refusal` with its details
  "mock: rate limit"   by hand: 429 with `retry-after`
  "mock: overloaded"   by hand: 529
  "mock: break off"    by hand: a recorded stream that ends in an `error` event
  "mock: cut"          by hand: a recorded stream whose connection ends in the middle
"""

import base64
import sys

sys.dont_write_bytecode = True

import pydantic
from anthropic.types import message_create_params
from closed_types import closed
from provider_mock import Answer, Provider, Refused, main, recordings

WHOLE = pydantic.TypeAdapter(closed(message_create_params.MessageCreateParamsNonStreaming))
STREAMED = pydantic.TypeAdapter(closed(message_create_params.MessageCreateParamsStreaming))
KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
MEDIA = ("image", "document")


def blocks(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def texts(message):
    return [block["text"] for block in blocks(message) if block["type"] == "text"]


def count(message, *kinds):
    return sum(block["type"] in kinds for block in blocks(message))


def shape_of(_, body):
    """None where it cannot be asked for: the provider's own tools, no text of the user."""
    messages = body["messages"]
    asked = [message for message in messages if isinstance(message, dict) and message["role"] == "user" and texts(message)]
    tools = body.get("tools", [])
    if not asked or any(tool.get("type") not in (None, "custom") for tool in tools):
        return None
    return {
        "text": "\n".join(texts(asked[-1])),
        "stream": body.get("stream", False),
        "tools": sorted(tool["name"] for tool in tools),
        "results": count(messages[-1], "tool_result"),
        "media": count(asked[-1], *MEDIA),
        "thinking": (body.get("thinking") or {"type": "disabled"})["type"] != "disabled",
        # `output_format` is what the recorded clients called it before it left beta.
        "schema": bool((body.get("output_config") or {}).get("format") or body.get("output_format")),
    }


def is_base64(text):
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def check_conversation(messages):
    if any(not text.strip() for message in messages for text in texts(message)):
        raise Refused(400, "messages: text content blocks must be non-empty")
    for source in (block.get("source", {}) for message in messages for block in blocks(message)):
        if source.get("type") == "base64" and not is_base64(source["data"]):
            raise Refused(400, "messages: source.base64.data is not base64")
    nothing = {"content": []}
    for number, (message, following) in enumerate(zip([nothing] + messages, messages + [nothing])):
        calls = sorted(block["id"] for block in blocks(message) if block["type"] == "tool_use")
        first = blocks(following)[: count(following, "tool_result")]
        results = sorted(block.get("tool_use_id", "no tool_result") for block in first)
        if calls != results:
            raise Refused(400, f"messages.{number}: must open with results of {calls}, not of {results}")


class Claude(Provider):
    def __init__(self, fixtures):
        answers = list(recordings(fixtures, "anthropic_messages", shape_of))
        super().__init__(answers, by_name(answers))

    shape_of = staticmethod(shape_of)

    def check_head(self, path, headers, key):
        if path.split("?")[0] != "/v1/messages":
            raise Refused(404, f"{path} is no route of this mock")
        given = [headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer ")]
        if set(filter(None, given)) != {key}:
            raise Refused(401, "invalid x-api-key")
        if not headers.get("anthropic-version"):
            raise Refused(400, "anthropic-version: header is required")

    def check_body(self, headers, raw, body):
        (STREAMED if body.get("stream") else WHOLE).validate_json(raw)
        check_conversation(body["messages"])

    def error(self, status, message):
        return {"type": "error", "error": {"type": KINDS[status], "message": message}, "request_id": "req_mock"}


def by_name(answers):
    stored = {answer.name.rsplit("-", 1)[1].removesuffix(".json"): answer for answer in answers}
    plain = stored["e1fc519ebb"]
    start = plain.body[: len(plain.body) // 2]
    start = start[: start.rindex(b"\n\n") + 2]
    overloaded = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_mock"}'
    limited = b'{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your rate limit."},"request_id":"req_mock"}'
    json_type = {"content-type": "application/json"}
    broken = start + b"event: error\ndata: " + overloaded + b"\n\n"
    return {
        "mock: refusal": stored["ee6da2fed9"],
        "mock: rate limit": Answer("by hand: 429", 429, json_type | {"retry-after": "7"}, limited),
        "mock: overloaded": Answer("by hand: 529", 529, json_type, overloaded),
        "mock: break off": Answer("by hand: error event", 200, plain.headers, broken),
        "mock: cut": Answer("by hand: cut", 200, plain.headers, start, cut=True),
    }


if __name__ == "__main__":
    main(Claude)
