"""OpenAI's Responses, without state: nothing is stored, so thoughts go to and fro encrypted."""

import json

import pydantic
from closed_types import closed
from openai.types.responses import input_token_count_params, response_create_params
from provider_mock import Refused

from .chat import data_image, openai_error, pieces_of
from .scenario import Ask, Call, Frame, Result, Seals, Text, Thought, Turn, pieces
from .wire import Wire, check_id, data_frame, fresh, texts_of

WHOLE = pydantic.TypeAdapter(closed(response_create_params.ResponseCreateParamsNonStreaming))
STREAMED = pydantic.TypeAdapter(closed(response_create_params.ResponseCreateParamsStreaming))
COUNT = pydantic.TypeAdapter(closed(input_token_count_params.InputTokenCountParams))
PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs"}
ENCRYPTED = "reasoning.encrypted_content"


def lenient(value):
    """A copy with what the types require and the API does not: clients in other languages leave
    much of it out."""
    if isinstance(value, list):
        return [lenient(item) for item in value]
    if not isinstance(value, dict):
        return value
    missing = MISSING.get(value.get("type"), {})
    if value.get("role") == "assistant" and isinstance(value.get("content"), list):
        missing = {"type": "message", "id": "msg_0", "status": "completed"}
    elif value.get("type") == "function" and "parameters" not in value:
        missing = {}
    return missing | {name: item if name in ("parameters", "schema") else lenient(item) for name, item in value.items()}


def without_codex(body):
    """A copy without what Codex alone says: ids of its own on messages, and about itself."""
    items = [{name: value for name, value in item.items() if name != "id" or item.get("type") != "message"} for item in body["input"]]
    return {name: value for name, value in body.items() if name != "client_metadata"} | {"input": items}


MISSING = {"function": {"strict": None}, "input_image": {"detail": "auto"}, "output_text": {"annotations": []}}


class Responses(Wire):
    def __init__(self):
        self.seals = Seals("gAAA")

    def read(self, path, headers, raw, body):
        if path.endswith("/input_tokens"):
            COUNT.validate_json(raw)
        else:
            known = without_codex(body) if headers.get("originator", "").startswith("codex") else body
            (STREAMED if body.get("stream") else WHOLE).validate_json(json.dumps(lenient(known)))
        reasoning = body.get("reasoning") or {}
        form = (body.get("text") or {}).get("format") or {}
        return Ask(
            model=body["model"],
            turns=self.turns(body.get("input")),
            stream=bool(body.get("stream")),
            tools={tool["name"]: tool.get("parameters") or {} for tool in body.get("tools") or [] if tool["type"] == "function"},
            schema=form.get("schema") if form.get("type") == "json_schema" else None,
            thinks=reasoning.get("effort") not in (None, "none"),
            shows=reasoning.get("summary") is not None,
            signs=ENCRYPTED in (body.get("include") or []),
        )

    def turns(self, items):
        if isinstance(items, str):
            return [Turn("user", [items])]
        turns, open_calls, thought = [], {}, False

        def turn(role):
            if not turns or turns[-1].role != role:
                turns.append(Turn(role))
            return turns[-1]

        for number, item in enumerate(items):
            kind = item.get("type", "message")
            if "id" in item and kind in PREFIXES:
                check_id(item["id"], rf"{PREFIXES[kind]}_?[\w-]{{1,60}}", f"input.{number}.id")
            if "call_id" in item:
                check_id(item["call_id"], r".{1,64}", f"input.{number}.call_id")
            if open_calls and kind not in ("function_call", "function_call_output"):
                raise Refused(400, f"input.{number}: no output for the calls {list(open_calls)}")
            if kind == "reasoning":
                self.seals.check(item.get("encrypted_content"), [item["id"], item["summary"]])
                thought = True
            elif kind == "function_call":
                turn("model").calls.append(Call(item["name"], json.loads(item["arguments"]), item["call_id"]))
                open_calls[item["call_id"]] = item["name"]
            elif kind == "function_call_output":
                name = open_calls.pop(item["call_id"], None)
                if name is None:
                    raise Refused(400, f"input.{number}: no call {item['call_id']!r} before its output")
                turn("user").results.append(Result(name, "".join(texts_of(item["output"], "input_text"))))
            elif kind == "message":
                self.message(turn({"assistant": "model"}.get(item["role"], item["role"])), item)
            if kind in ("message", "function_call") and turns[-1].role == "model" and thought:
                turns[-1].signed, thought = True, False
        if open_calls:
            raise Refused(400, f"input: no output for the calls {list(open_calls)}")
        if thought:
            raise Refused(400, "input: a reasoning item without the item that followed it")
        return turns

    def message(self, turn, item):
        content = item["content"]
        turn.texts += texts_of(content, "output_text" if turn.role == "model" and not isinstance(content, str) else "input_text")
        for part in content if isinstance(content, list) else []:
            if part["type"] == "input_image":
                turn.images.append(data_image(part["image_url"]))

    def usage(self, usage):
        return {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.written},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        }

    def envelope(self, ask):
        tools = [{"type": "function", "name": name, "parameters": schema, "strict": True} for name, schema in ask.tools.items()]
        return {
            "id": fresh("resp_"),
            "object": "response",
            "created_at": 1790000000,
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": ask.model,
            "output": [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": tools,
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None,
        }

    def item(self, ask, part):
        if isinstance(part, Thought):
            item = {"id": fresh("rs_"), "type": "reasoning", "summary": []}
            if ask.shows:
                item["summary"] = [{"type": "summary_text", "text": part.text}]
            if ask.signs:
                item["encrypted_content"] = self.seals.give([item["id"], item["summary"]])
            return item
        if isinstance(part, Call):
            arguments = json.dumps(part.arguments, ensure_ascii=False)
            return {"id": fresh("fc_"), "type": "function_call", "status": "completed", "call_id": fresh("call_"), "name": part.name, "arguments": arguments}
        content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": part.text}]
        return {"id": fresh("msg_"), "type": "message", "status": "completed", "role": "assistant", "content": content}

    def whole(self, ask, reply):
        output = [self.item(ask, part) for part in reply.parts]
        return self.envelope(ask) | {"status": "completed", "output": output, "usage": self.usage(reply.usage)}

    def frames(self, ask, reply):
        response, number = self.envelope(ask), iter(range(100_000))

        def frame(kind, says=False, **more):
            event = {"type": kind, "sequence_number": next(number)} | more
            return Frame(data_frame(event, kind), says)

        yield frame("response.created", response=response)
        yield frame("response.in_progress", response=response)
        output = []
        for index, part in enumerate(reply.parts):
            item = self.item(ask, part)
            place = {"output_index": index, "item_id": item["id"]}
            hidden = {"content": [], "arguments": "", "summary": []}
            opened = {name: hidden.get(name, value) for name, value in item.items()}
            if "status" in opened:
                opened["status"] = "in_progress"
            yield frame("response.output_item.added", output_index=index, item=opened)
            yield from INSIDE[item["type"]](frame, place, item, part, reply)
            yield frame("response.output_item.done", output_index=index, item=item)
            output.append(item)
        done = response | {"status": "completed", "output": output, "usage": self.usage(reply.usage)}
        yield frame("response.completed", response=done)

    def stumble(self, message):
        event = {"type": "error", "sequence_number": 99, "code": "server_error", "message": message, "param": None}
        return data_frame(event, "error")

    def error(self, status, message):
        return openai_error(status, message)


def inside_message(frame, place, item, part, reply):
    place = place | {"content_index": 0}
    [content] = item["content"]
    yield frame("response.content_part.added", **place, part=content | {"text": ""})
    for piece in pieces_of(part, reply):
        yield frame("response.output_text.delta", says=True, **place, delta=piece, logprobs=[])
    yield frame("response.output_text.done", **place, text=part.text, logprobs=[])
    yield frame("response.content_part.done", **place, part=content)


def inside_call(frame, place, item, *_):
    for piece in pieces(item["arguments"]):
        yield frame("response.function_call_arguments.delta", **place, delta=piece)
    yield frame("response.function_call_arguments.done", **place, arguments=item["arguments"])


def inside_reasoning(frame, place, item, *_):
    for index, summary in enumerate(item["summary"]):
        place = place | {"summary_index": index}
        yield frame("response.reasoning_summary_part.added", **place, part=summary | {"text": ""})
        for piece in pieces(summary["text"]):
            yield frame("response.reasoning_summary_text.delta", **place, delta=piece)
        yield frame("response.reasoning_summary_text.done", **place, text=summary["text"])
        yield frame("response.reasoning_summary_part.done", **place, part=summary)


INSIDE = {"message": inside_message, "function_call": inside_call, "reasoning": inside_reasoning}
