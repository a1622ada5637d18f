"""The official clients of OpenAI (chat and Responses), Anthropic and Google behind one face, so
that one list of questions can be put to any model through each of them.

A conversation is a list in the client's own form: `user` opens it, `given_back` adds what the
model said as this client keeps it, `results` what the tools said. `ask` returns a `Said`, and
raises what the client raises, `Told` or `Broken`.
"""

import base64
import dataclasses
import json

import anthropic
import openai
from google import genai
from google.genai import errors, types

TIMEOUT = 60


class Broken(Exception):
    """A reply breaks the rules of its dialect, which the client itself does not notice."""


class Told(Exception):
    """A stream tells of an error, in an event that the client hands on without raising."""


@dataclasses.dataclass
class Said:
    """What the client made of a reply. `finish` is "stop" or "tools"; `usage` counts as
    wire.md's canonical form does; `turn` is what is given back."""

    text: str
    thought: str
    calls: list
    finish: str
    usage: dict
    turn: object


@dataclasses.dataclass
class Wish:
    """What a request asks for besides an answer."""

    system: str = None
    tools: list = dataclasses.field(default_factory=list)
    schema: dict = None
    thinking: bool = False
    stream: bool = False
    max_output: int = None
    # `max_completion_tokens` is not read by every server with OpenAI's chat route.
    old_cap: bool = False


@dataclasses.dataclass
class Failure:
    """An exception of a client; `status` None where a stream or a connection broke."""

    status: int
    kind: str
    message: str
    lattice: dict


def counted(input, output, cached=0, written=0, reasoning=0, total=None):
    counters = {"input": input, "output": output, "cached": cached or 0, "written": written or 0, "reasoning": reasoning or 0}
    return counters | {"total": total}


def is_transport(error):
    """Some clients let what broke the connection, or a body that is half there, through as it is."""
    return type(error).__module__.split(".")[0].startswith(("httpx", "httpcore", "json", "pydantic"))


class OpenAiBased:
    def __init__(self, base, key):
        self.client = openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=TIMEOUT)

    def models(self):
        return [model.id for model in self.client.models.list()]

    def model(self, name):
        return self.client.models.retrieve(name).id

    @staticmethod
    def failure(error):
        if isinstance(error, openai.APIStatusError):
            body = readable(error.response)
            said = body.get("error") if isinstance(body.get("error"), dict) else {}
            return Failure(error.status_code, type(error).__name__, said.get("message", error.message), body.get("lattice"))
        if isinstance(error, (openai.APIError, Told)):
            return Failure(None, type(error).__name__, str(error), None)
        return None


def readable(response):
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


class Chat(OpenAiBased):
    name = "chat"

    def user(self, text, image=None):
        if image is None:
            return [{"role": "user", "content": text}]
        url = f"data:{image[0]};base64,{base64.b64encode(image[1]).decode()}"
        return [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]}]

    def given_back(self, said):
        return [said.turn]

    def results(self, said, results):
        ids = {name: id for id, name, _ in said.calls}
        return [{"role": "tool", "tool_call_id": ids[name], "content": result} for name, result in results]

    def request(self, model, conversation, wish):
        ask = {"model": model, "messages": conversation}
        if wish.system:
            ask["messages"] = [{"role": "system", "content": wish.system}, *conversation]
        if wish.tools:
            ask["tools"] = [{"type": "function", "function": tool} for tool in wish.tools]
        if wish.schema:
            ask["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": wish.schema, "strict": True}}
        if wish.thinking:
            ask["reasoning_effort"] = "medium"
        if wish.max_output:
            ask["max_tokens" if wish.old_cap else "max_completion_tokens"] = wish.max_output
        return ask

    def ask(self, model, conversation, wish):
        ask = self.request(model, conversation, wish)
        create = self.client.chat.completions.create
        if wish.stream:
            return self.gathered(create(**ask, stream=True, stream_options={"include_usage": True}))
        completion = create(**ask)
        [choice] = completion.choices
        return self.said(choice.message.to_dict(warnings=False), choice.finish_reason, completion.usage)

    def gathered(self, chunks):
        """As a program gathers a stream by hand; lists of what OpenAI does not know just grow."""
        message, finishes, usages = {"role": "assistant"}, [], []
        for chunk in chunks:
            usages += [chunk.usage] if chunk.usage else []
            for choice in chunk.choices:
                if finishes:
                    raise Broken("something was said after the finish reason")
                finishes += [choice.finish_reason] if choice.finish_reason else []
                gather(message, choice.delta.to_dict())
        if (len(finishes), len(usages)) != (1, 1):
            raise Broken(f"{len(finishes)} finish reasons and {len(usages)} usages in a stream")
        return self.said(message, finishes[0], usages[0])

    def said(self, message, finish, usage):
        calls = [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in message.get("tool_calls") or []]
        into, out = usage.prompt_tokens_details, usage.completion_tokens_details
        told = counted(
            usage.prompt_tokens,
            usage.completion_tokens,
            into and into.cached_tokens,
            into and into.cache_write_tokens,
            out and out.reasoning_tokens,
            usage.total_tokens,
        )
        thought = message.get("reasoning_content") or ""
        return Said(message.get("content") or "", thought, calls, {"tool_calls": "tools"}.get(finish, finish), told, message)


def gather(message, delta):
    for name in ("content", "reasoning_content"):
        if delta.get(name):
            message[name] = message.get(name, "") + delta[name]
    for entry in delta.get("reasoning_details", []):
        message.setdefault("reasoning_details", []).append(entry)
    for piece in delta.get("tool_calls", []):
        calls = message.setdefault("tool_calls", [])
        if piece["index"] == len(calls):
            calls.append({"id": piece["id"], "type": "function", "function": {"name": piece["function"]["name"], "arguments": ""}})
        elif piece["index"] != len(calls) - 1:
            raise Broken(f"index {piece['index']} of a call where {len(calls)} have begun")
        call = calls[piece["index"]]
        call |= {name: piece[name] for name in ("extra_content",) if name in piece}
        call["function"]["arguments"] += piece.get("function", {}).get("arguments") or ""


class Responses(OpenAiBased):
    name = "responses"

    def user(self, text, image=None):
        if image is None:
            return [{"role": "user", "content": text}]
        url = f"data:{image[0]};base64,{base64.b64encode(image[1]).decode()}"
        return [{"role": "user", "content": [{"type": "input_text", "text": text}, {"type": "input_image", "detail": "auto", "image_url": url}]}]

    def given_back(self, said):
        return said.turn

    def results(self, said, results):
        ids = {name: id for id, name, _ in said.calls}
        return [{"type": "function_call_output", "call_id": ids[name], "output": result} for name, result in results]

    def request(self, model, conversation, wish):
        ask = {"model": model, "input": conversation, "store": False}
        if wish.system:
            ask["instructions"] = wish.system
        if wish.tools:
            ask["tools"] = [{"type": "function", "strict": True} | tool for tool in wish.tools]
        if wish.schema:
            ask["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": wish.schema, "strict": True}}
        if wish.thinking:
            ask |= {"reasoning": {"effort": "medium", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        if wish.max_output:
            ask["max_output_tokens"] = wish.max_output
        return ask

    def ask(self, model, conversation, wish):
        ask = self.request(model, conversation, wish)
        if wish.stream:
            return self.said(self.gathered(self.client.responses.create(**ask, stream=True)))
        return self.said(self.client.responses.create(**ask))

    def gathered(self, events):
        items, texts, number, final = {}, {}, -1, None
        for event in events:
            if event.type in ("error", "response.failed"):
                error = event if event.type == "error" else event.response.error
                raise Told(error.message)
            if event.sequence_number <= number or final:
                raise Broken(f"{event.type} is out of order")
            number = event.sequence_number
            if event.type == "response.output_item.added":
                if event.output_index != len(items):
                    raise Broken(f"item {event.output_index} opens where {len(items)} have")
                items[event.output_index] = None
            elif event.type in ("response.output_text.delta", "response.function_call_arguments.delta", "response.reasoning_summary_text.delta"):
                texts[event.output_index] = texts.get(event.output_index, "") + event.delta
            elif event.type == "response.output_item.done":
                if items.get(event.output_index, "") is not None:
                    raise Broken(f"item {event.output_index} closes unopened")
                items[event.output_index] = event.item
            elif event.type in ("response.completed", "response.incomplete"):
                final = event.response
        if final is None:
            raise Broken("the stream ends without its last event")
        agrees(final.output, items, texts)
        return final

    def said(self, response):
        if response.status != "completed":
            raise Broken(f"status {response.status}")
        calls = [(item.call_id, item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]
        thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
        thoughts += [part.text for item in response.output if item.type == "reasoning" for part in item.content or []]
        usage = response.usage
        told = counted(
            usage.input_tokens,
            usage.output_tokens,
            usage.input_tokens_details.cached_tokens,
            usage.input_tokens_details.cache_write_tokens,
            usage.output_tokens_details.reasoning_tokens,
            usage.total_tokens,
        )
        turn = [item.to_dict(warnings=False) for item in response.output]
        return Said(response.output_text, "".join(thoughts), calls, "tools" if calls else "stop", told, turn)


def written(item):
    """What the deltas of an item have to come to."""
    if item.type == "function_call":
        return item.arguments
    return "".join(part.text for part in (item.content if item.type == "message" else item.summary))


def agrees(output, items, texts):
    """The last event, the items and the deltas tell the same."""
    if [item.to_dict(warnings=False) for item in output] != [item and item.to_dict(warnings=False) for item in items.values()]:
        raise Broken("the last event tells of other items than the stream")
    for index, item in items.items():
        if item.type in ("function_call", "message", "reasoning") and written(item) != texts.get(index, ""):
            raise Broken(f"the deltas of item {index} are {texts.get(index)!r}, its text {written(item)!r}")


class Messages:
    name = "messages"

    def __init__(self, base, key):
        self.client = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, timeout=TIMEOUT)

    def models(self):
        page = self.client.models.list()
        listed = list(page)
        if page.has_more is None or any(model.type != "model" or not model.created_at for model in listed):
            raise Broken(f"not a page of Anthropic's: {page}")
        return [model.id for model in listed]

    def model(self, name):
        return self.client.models.retrieve(name).id

    def user(self, text, image=None):
        if image is None:
            return [{"role": "user", "content": text}]
        source = {"type": "base64", "media_type": image[0], "data": base64.b64encode(image[1]).decode()}
        return [{"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": text}]}]

    def given_back(self, said):
        return [{"role": "assistant", "content": said.turn}]

    def results(self, said, results):
        ids = {name: id for id, name, _ in said.calls}
        return [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": ids[name], "content": result} for name, result in results]}]

    def request(self, model, conversation, wish):
        ask = {"model": model, "messages": conversation, "max_tokens": wish.max_output or 4096}
        if wish.system:
            ask["system"] = wish.system
        if wish.tools:
            ask["tools"] = [{"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]} for tool in wish.tools]
        output = {"format": {"type": "json_schema", "schema": wish.schema}} if wish.schema else {}
        if wish.thinking:
            ask["thinking"], output = {"type": "adaptive"}, output | {"effort": "medium"}
        return ask | ({"output_config": output} if output else {})

    def ask(self, model, conversation, wish):
        ask = self.request(model, conversation, wish)
        if not wish.stream:
            return self.said(self.client.messages.create(**ask))
        kinds, opened = [], []
        with self.client.messages.stream(**ask) as events:
            for event in events:
                kinds.append(event.type)
                if event.type == "content_block_start":
                    opened.append(event.index)
            message = events.get_final_message()
        once = ("message_start", "message_delta", "message_stop")
        if [kinds.count(kind) for kind in once] != [1, 1, 1] or kinds.count("content_block_stop") != len(opened):
            raise Broken(f"out of order: {kinds}")
        if opened != list(range(len(opened))):
            raise Broken(f"blocks open as {opened}")
        return self.said(message)

    def said(self, message):
        def of(kind):
            return [block for block in message.content if block.type == kind]

        usage = message.usage
        cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        told = counted(
            usage.input_tokens + cached + written,
            usage.output_tokens,
            cached,
            written,
            usage.output_tokens_details and usage.output_tokens_details.thinking_tokens,
        )
        return Said(
            "".join(block.text for block in of("text")),
            "".join(block.thinking for block in of("thinking")),
            [(block.id, block.name, block.input) for block in of("tool_use")],
            {"end_turn": "stop", "tool_use": "tools"}.get(message.stop_reason, message.stop_reason),
            told,
            [block.to_dict(warnings=False) for block in message.content],
        )

    @staticmethod
    def failure(error):
        if isinstance(error, anthropic.APIStatusError):
            body = error.body if isinstance(error.body, dict) else {}
            said = body.get("error") if isinstance(body.get("error"), dict) else {}
            # An error event of a stream comes with the status of the stream, which was well.
            status = error.status_code if error.status_code >= 400 else None
            return Failure(status, type(error).__name__, said.get("message", str(error)), body.get("lattice"))
        if isinstance(error, anthropic.APIError) or is_transport(error):
            return Failure(None, type(error).__name__, str(error), None)
        return None


class Generate:
    name = "generate"

    def __init__(self, base, key):
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base, timeout=TIMEOUT * 1000))

    def models(self):
        return [model.name.removeprefix("models/") for model in self.client.models.list()]

    def model(self, name):
        return self.client.models.get(model=name).name.removeprefix("models/")

    def user(self, text, image=None):
        parts = [types.Part(text=text)] + ([types.Part.from_bytes(data=image[1], mime_type=image[0])] if image else [])
        return [types.Content(role="user", parts=parts)]

    def given_back(self, said):
        return [said.turn]

    def results(self, said, results):
        ids = {name: id for id, name, _ in said.calls}
        parts = [types.Part(function_response=types.FunctionResponse(id=ids[name], name=name, response={"result": result})) for name, result in results]
        return [types.Content(role="user", parts=parts)]

    def request(self, wish):
        config = {}
        if wish.system:
            config["system_instruction"] = wish.system
        if wish.tools:
            declared = [{"name": tool["name"], "description": tool["description"], "parameters_json_schema": tool["parameters"]} for tool in wish.tools]
            config["tools"] = [{"function_declarations": declared}]
        if wish.schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": wish.schema}
        if wish.thinking:
            config["thinking_config"] = {"include_thoughts": True, "thinking_level": "MEDIUM"}
        if wish.max_output:
            config["max_output_tokens"] = wish.max_output
        return config

    def ask(self, model, conversation, wish):
        ask = {"model": model, "contents": conversation, "config": self.request(wish)}
        if not wish.stream:
            return self.said([self.client.models.generate_content(**ask)])
        return self.said(list(self.client.models.generate_content_stream(**ask)))

    def said(self, chunks):
        parts, finishes = [], []
        for chunk in chunks:
            for candidate in chunk.candidates or []:
                if finishes:
                    raise Broken("something was said after the finish reason")
                parts += candidate.content.parts or [] if candidate.content else []
                finishes += [candidate.finish_reason.name] if candidate.finish_reason else []
        if len(finishes) != 1:
            raise Broken(f"{len(finishes)} finish reasons")
        calls = [(part.function_call.id, part.function_call.name, part.function_call.args) for part in parts if part.function_call]
        usage = chunks[-1].usage_metadata
        thoughts = usage.thoughts_token_count or 0
        told = counted(
            usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0),
            (usage.candidates_token_count or 0) + thoughts,
            usage.cached_content_token_count,
            None,
            thoughts,
            usage.total_token_count,
        )
        finish = {"STOP": "tools" if calls else "stop"}.get(finishes[0], finishes[0])
        return Said(
            "".join(part.text for part in parts if part.text and not part.thought),
            "".join(part.text for part in parts if part.text and part.thought),
            calls,
            finish,
            told,
            types.Content(role="model", parts=parts),
        )

    @staticmethod
    def failure(error):
        if isinstance(error, errors.APIError):
            body = error.details if isinstance(error.details, dict) else {}
            inner = body.get("error") if isinstance(body.get("error"), dict) else {}
            return Failure(error.code, type(error).__name__, error.message or "", body.get("lattice") or inner.get("lattice"))
        if is_transport(error):
            return Failure(None, type(error).__name__, str(error), None)
        return None


CLIENTS = (Chat, Responses, Messages, Generate)
