"""OpenAI's chat completions, and the same as vLLM and llama-server have it."""

import json
import re

import pydantic
from closed_types import closed
from openai.types.chat import completion_create_params
from provider_mock import Refused

from .scenario import Ask, Call, Frame, Image, Result, Text, Turn, pieces
from .wire import Wire, check_id, data_frame, fresh, texts_of

WHOLE = pydantic.TypeAdapter(closed(completion_create_params.CompletionCreateParamsNonStreaming))
STREAMED = pydantic.TypeAdapter(closed(completion_create_params.CompletionCreateParamsStreaming))
DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
ID = r".{1,40}"
TYPES = {401: "invalid_request_error", 404: "invalid_request_error", 429: "requests", 500: "server_error"}


def openai_error(status, message):
    code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
    return {"error": {"message": message, "type": TYPES.get(status, "invalid_request_error"), "param": None, "code": code}}


def data_image(url):
    """An image that is in the request itself."""
    found = DATA_URL.fullmatch(url)
    if not found:
        raise Refused(400, f"image_url: {url[:40]!r} is not fetched by this mock")
    return Image(found[1], found[2])


def arguments_of(call):
    try:
        arguments = json.loads(call["function"]["arguments"])
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise Refused(400, f"tool_calls: the arguments of {call['id']} are no JSON object")
    return arguments


def turns_of(messages):
    """Also keeps the rules that the types cannot say: each call is answered, right behind it."""
    turns, open_calls = [], {}
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            name = open_calls.pop(message["tool_call_id"], None)
            if name is None:
                raise Refused(400, f"messages.{number}: {message['tool_call_id']!r} answers no call before it")
            if not turns[-1].results:
                turns.append(Turn("user"))
            turns[-1].results.append(Result(name, "".join(texts_of(message["content"]))))
            continue
        if open_calls:
            raise Refused(400, f"messages.{number}: the calls {list(open_calls)} are not answered")
        turns.append(turn_of(message, role))
        open_calls = {call.id: call.name for call in turns[-1].calls}
    if open_calls:
        raise Refused(400, f"messages: the calls {list(open_calls)} are not answered")
    return turns


def turn_of(message, role):
    content = message.get("content")
    turn = Turn({"assistant": "model"}.get(role, role), texts_of(content))
    for part in content if isinstance(content, list) else []:
        if part["type"] == "image_url":
            turn.images.append(data_image(part["image_url"]["url"]))
    for call in message.get("tool_calls") or []:
        check_id(call["id"], ID, "tool_calls.id")
    turn.calls = [Call(call["function"]["name"], arguments_of(call), call["id"]) for call in message.get("tool_calls") or []]
    return turn


def known_to_servers(body, message_keys=(), body_keys=()):
    """A copy without the keys that a server takes although the types of requests lack them."""
    strip = lambda message: {key: value for key, value in message.items() if key not in message_keys or message.get("role") != "assistant"}
    messages = body.get("messages")
    if isinstance(messages, list):
        messages = [strip(message) if isinstance(message, dict) else message for message in messages]
    return {key: value for key, value in body.items() if key not in body_keys} | {"messages": messages}


class Chat(Wire):
    # `annotations` is in the replies of the API, which its clients give back.
    message_keys = ("annotations",)
    body_keys = ()

    def read(self, path, headers, raw, body):
        known = known_to_servers(body, self.message_keys, self.body_keys)
        (STREAMED if body.get("stream") else WHOLE).validate_json(json.dumps(known))
        return self.asked(body)

    def asked(self, body):
        form = body.get("response_format") or {}
        return Ask(
            model=body["model"],
            turns=turns_of(body["messages"]),
            stream=bool(body.get("stream")),
            usage=bool((body.get("stream_options") or {}).get("include_usage")),
            tools={tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in body.get("tools", [])},
            schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else None,
            thinks=self.thinks(body),
            shows=False,
            signs=False,
        )

    def thinks(self, body):
        return body.get("reasoning_effort") not in (None, "none")

    def message(self, reply):
        calls = [self.call(call) for call in reply.calls()]
        message = {"role": "assistant", "content": reply.text() or None, "refusal": None, "annotations": []}
        return message | ({"tool_calls": calls} if calls else {})

    def call(self, call):
        return {"id": fresh("call_"), "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}}

    def usage(self, usage):
        return {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        }

    def whole(self, ask, reply):
        finish = "tool_calls" if reply.calls() else "stop"
        choice = {"index": 0, "message": self.message(reply), "logprobs": None, "finish_reason": finish}
        return self.head(ask, "chat.completion") | {"choices": [choice], "usage": self.usage(reply.usage)}

    def head(self, ask, kind):
        return {"id": fresh("chatcmpl-"), "object": kind, "created": 1790000000, "model": ask.model, "service_tier": "default", "system_fingerprint": "fp_mock"}

    def frames(self, ask, reply):
        head = self.head(ask, "chat.completion.chunk") | ({"usage": None} if ask.usage else {})

        def frame(delta, finish=None, says=False):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return Frame(data_frame(head | {"choices": [choice]}), says)

        yield from self.deltas(reply, frame)
        if ask.usage:
            yield Frame(data_frame(head | {"choices": [], "usage": self.usage(reply.usage)}))
        yield Frame(b"data: [DONE]\n\n")

    def deltas(self, reply, frame):
        yield frame({"role": "assistant", "content": "", "refusal": None})
        index = 0
        for part in reply.parts:
            if isinstance(part, Text):
                yield from (frame({"content": piece}, says=True) for piece in pieces_of(part, reply))
            elif isinstance(part, Call):
                call = self.call(part)
                arguments = call["function"]["arguments"]
                call["function"]["arguments"] = ""
                yield frame({"tool_calls": [{"index": index} | call]})
                for piece in pieces(arguments):
                    yield frame({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
                index += 1
        yield frame({}, "tool_calls" if index else "stop")

    def stumble(self, message):
        return data_frame(openai_error(500, message))

    def error(self, status, message):
        return openai_error(status, message)


def pieces_of(part, reply):
    """Slow answers come in many pieces."""
    return pieces(part.text, 400) if reply.pace else pieces(part.text)


class Compatible(Chat):
    """As vLLM and llama-server: `max_tokens` is the only cap they read, thoughts come as
    `reasoning_content`, a tool call in one delta, the finish reason with the last content."""

    message_keys = ("annotations", "reasoning_content", "reasoning")
    body_keys = ("chat_template_kwargs", "top_k", "min_p", "repetition_penalty")

    def admit(self, headers, key):
        if headers.get("authorization", f"Bearer {key}") != f"Bearer {key}":
            raise Refused(401, "the credential is not this server's")

    def read(self, path, headers, raw, body):
        if "max_completion_tokens" in body and "max_tokens" not in body:
            raise Refused(400, "max_completion_tokens: this server reads max_tokens alone")
        return super().read(path, headers, raw, body)

    def asked(self, body):
        ask = super().asked(body)
        ask.shows = True
        return ask

    def thinks(self, body):
        return super().thinks(body) or (body.get("chat_template_kwargs") or {}).get("enable_thinking") is True

    def message(self, reply):
        thought = reply.thought()
        message = {"role": "assistant", "content": reply.text() or None, "tool_calls": [self.call(call) for call in reply.calls()]}
        return message | ({"reasoning_content": thought} if thought else {})

    def call(self, call):
        return super().call(call) | {"id": fresh("chatcmpl-tool-")}

    def usage(self, usage):
        """Neither cache writes nor reasoning are counted."""
        return {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached} if usage.cached else None,
        }

    def head(self, ask, kind):
        return {"id": fresh("chatcmpl-"), "object": kind, "created": 1790000000, "model": ask.model}

    def deltas(self, reply, frame):
        yield frame({"role": "assistant", "content": ""})
        spoken, calls = [], []
        for part in reply.parts:
            if isinstance(part, Call):
                calls.append({"index": len(calls)} | self.call(part))
            else:
                name = "content" if isinstance(part, Text) else "reasoning_content"
                spoken += [(name, piece) for piece in pieces_of(part, reply)]
        for number, (name, piece) in enumerate(spoken, 1):
            last = number == len(spoken) and not calls
            yield frame({name: piece}, "stop" if last else None, says=name == "content")
        for number, call in enumerate(calls, 1):
            yield frame({"tool_calls": [call]}, "tool_calls" if number == len(calls) else None)

    def error(self, status, message):
        return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}
