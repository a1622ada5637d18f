"""Anthropic's Messages, with the beta types where a client speaks of betas."""

import json

import pydantic
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_create_params as beta_create_params
from claude_mock import blocks, check_conversation
from closed_types import closed
from provider_mock import Refused

from .chat import pieces_of
from .scenario import Ask, Call, Frame, Image, Result, Seals, Text, Thought, Turn, pieces
from .wire import Wire, check_id, data_frame, fresh, texts_of

WHOLE = pydantic.TypeAdapter(closed(message_create_params.MessageCreateParamsNonStreaming))
STREAMED = pydantic.TypeAdapter(closed(message_create_params.MessageCreateParamsStreaming))
BETA_WHOLE = pydantic.TypeAdapter(closed(beta_create_params.MessageCreateParamsNonStreaming))
BETA_STREAMED = pydantic.TypeAdapter(closed(beta_create_params.MessageCreateParamsStreaming))
COUNT = pydantic.TypeAdapter(closed(message_count_tokens_params.MessageCountTokensParams))
KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}


class Messages(Wire):
    busy = 529

    def __init__(self):
        self.seals = Seals("Eqo")

    def admit(self, headers, key):
        given = [headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer ")]
        if set(filter(None, given)) != {key}:
            raise Refused(401, "invalid x-api-key")
        if not headers.get("anthropic-version"):
            raise Refused(400, "anthropic-version: header is required")

    def read(self, path, headers, raw, body):
        beta, stream = "anthropic-beta" in headers, bool(body.get("stream"))
        if "/count_tokens" in path:
            COUNT.validate_json(raw)
        else:
            types = (BETA_WHOLE, BETA_STREAMED) if beta else (WHOLE, STREAMED)
            types[stream].validate_json(raw)
        check_conversation([message for message in body["messages"] if message["role"] != "system"])
        thinking = body.get("thinking") or {"type": "disabled"}
        if thinking["type"] == "enabled" and not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
            raise Refused(400, "thinking.budget_tokens: at least 1024, and less than max_tokens")
        form = (body.get("output_config") or {}).get("format") or {}
        return Ask(
            model=body["model"],
            turns=self.turns(body["messages"]),
            stream=stream,
            tools={tool["name"]: tool["input_schema"] for tool in body.get("tools", []) if "input_schema" in tool},
            schema=form.get("schema"),
            thinks=thinking["type"] != "disabled",
            shows=thinking.get("display") != "omitted",
        )

    def turns(self, messages):
        names, turns = {}, []
        for message in messages:
            turn = Turn({"assistant": "model"}.get(message["role"], message["role"]), texts_of(message["content"]))
            for position, block in enumerate(blocks(message)):
                kind = block["type"]
                if kind == "tool_use":
                    check_id(block["id"], r"[a-zA-Z0-9_-]+", "tool_use.id")
                    names[block["id"]] = block["name"]
                    turn.calls.append(Call(block["name"], block["input"], block["id"]))
                elif kind == "tool_result":
                    turn.results.append(Result(names[block["tool_use_id"]], "".join(texts_of(block.get("content")))))
                elif kind == "image":
                    turn.images.append(Image(block["source"]["media_type"], block["source"]["data"]))
                elif kind == "thinking":
                    self.seals.check(block["signature"], block["thinking"])
                    turn.signed = turn.signed or position == 0
                elif kind == "redacted_thinking":
                    raise Refused(400, "redacted_thinking: this mock never redacts")
            turns.append(turn)
        return turns

    def usage(self, usage):
        short = usage.written // 3
        return {
            "input_tokens": usage.input - usage.cached - usage.written,
            "cache_read_input_tokens": usage.cached,
            "cache_creation_input_tokens": usage.written,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": usage.written - short},
            "output_tokens": usage.output,
            "output_tokens_details": {"thinking_tokens": usage.reasoning},
            "service_tier": "standard",
        }

    def block(self, ask, part):
        if isinstance(part, Text):
            return {"type": "text", "text": part.text}
        if isinstance(part, Call):
            return {"type": "tool_use", "id": fresh("toolu_"), "name": part.name, "input": part.arguments}
        text = part.text if ask.shows else ""
        return {"type": "thinking", "thinking": text, "signature": self.seals.give(text)}

    def envelope(self, ask):
        return {"id": fresh("msg_"), "type": "message", "role": "assistant", "model": ask.model, "content": [], "stop_reason": None, "stop_sequence": None}

    def whole(self, ask, reply):
        content = [self.block(ask, part) for part in reply.parts]
        stop = "tool_use" if reply.calls() else "end_turn"
        return self.envelope(ask) | {"content": content, "stop_reason": stop, "usage": self.usage(reply.usage)}

    def frames(self, ask, reply):
        def frame(kind, says=False, **more):
            return Frame(data_frame({"type": kind} | more, kind), says)

        told = self.usage(reply.usage)
        start = told | {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
        yield frame("message_start", message=self.envelope(ask) | {"usage": start})
        yield frame("ping")
        for index, part in enumerate(reply.parts):
            block = self.block(ask, part)
            empty = {"text": "", "input": {}, "thinking": "", "signature": ""}
            yield frame("content_block_start", index=index, content_block={name: empty.get(name, value) for name, value in block.items()})
            for delta in deltas(block, part, reply):
                yield frame("content_block_delta", says=delta["type"] == "text_delta", index=index, delta=delta)
            yield frame("content_block_stop", index=index)
        stop = "tool_use" if reply.calls() else "end_turn"
        final = {name: value for name, value in told.items() if name not in ("cache_creation", "service_tier")}
        yield frame("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=final)
        yield frame("message_stop")

    def stumble(self, message):
        return data_frame({"type": "error", "error": {"type": "api_error", "message": message}, "request_id": "req_mock"}, "error")

    def error(self, status, message):
        return {"type": "error", "error": {"type": KINDS[status], "message": message}, "request_id": "req_mock"}


def deltas(block, part, reply):
    if isinstance(part, Text):
        return [{"type": "text_delta", "text": piece} for piece in pieces_of(part, reply)]
    if isinstance(part, Call):
        arguments = ["", *pieces(json.dumps(part.arguments, ensure_ascii=False))]
        return [{"type": "input_json_delta", "partial_json": piece} for piece in arguments]
    thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
    return [*thoughts, {"type": "signature_delta", "signature": block["signature"]}]
