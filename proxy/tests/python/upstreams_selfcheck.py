"""Shows that `upstreams.py` is right before a gateway is put between: every official client gets
from it directly what the matrix expects through the gateway, what it says fits the reply types of
the official packages to the letter, and what is broken is refused with its reason.

UPSTREAMS is its base URL, KEY its key.
"""

import dataclasses
import json
import os
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.dont_write_bytecode = True

import other_routes
import pydantic
from anthropic.types import Message, RawMessageStreamEvent
from clients import Chat, Generate, Messages, Responses, Wish
from features import FEATURES, Case
from google.genai import types
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from wires import scenario

BASE, KEY = os.environ["UPSTREAMS"], os.environ["KEY"]
DIRECT = [
    (Chat, BASE, "openai"),
    (Chat, f"{BASE}/compat", "compatible"),
    (Responses, BASE, "openai"),
    (Messages, BASE, "anthropic"),
    (Generate, BASE, "gemini"),
]
HEADERS = {
    "chat": {"authorization": f"Bearer {KEY}"},
    "messages": {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    "generate": {"x-goog-api-key": KEY},
}


def opened(path, body, headers=None):
    headers = {"content-type": "application/json"} | headers_of(path) | (headers or {})
    return urllib.request.urlopen(urllib.request.Request(BASE + path, json.dumps(body).encode(), headers), timeout=20)


def post(path, body, headers=None):
    """Status and body, as they came."""
    try:
        with opened(path, body, headers) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def headers_of(path):
    kind = "messages" if "messages" in path else "generate" if "/models/" in path else "chat"
    return HEADERS[kind]


def log():
    with urllib.request.urlopen(BASE + "/_log", timeout=20) as reply:
        return json.load(reply)


def events(text):
    """The JSON of each event of a stream."""
    data = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in data if line != "[DONE]"]


def unknown(kind, value):
    """Paths of what the official type does not know, which it keeps as extra."""
    return extras(pydantic.TypeAdapter(kind).validate_python(value), "")


def extras(value, path):
    if isinstance(value, list):
        return [found for item in value for found in extras(item, path)]
    if not isinstance(value, pydantic.BaseModel):
        return []
    members = {name: getattr(value, name) for name in type(value).model_fields}
    own = [f"{path}.{name}" for name in value.model_extra or {}]
    return own + [found for name, item in members.items() for found in extras(item, f"{path}.{name}")]


CHAT = {"model": "m", "messages": [{"role": "user", "content": "[text]"}]}
MESSAGES = CHAT | {"max_tokens": 64}
RESPONSES = {"model": "m", "input": "[text]"}
GENERATE = {"contents": [{"role": "user", "parts": [{"text": "[text]"}]}]}
FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


def asked(wire, text, stream):
    """The same question on each wire: path and body."""
    if wire == "generate":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        config = {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "HIGH"}}
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config}
        return f"/v1beta/models/m:{verb}", body | {"tools": [{"functionDeclarations": [FUNCTION]}]}
    more = {"stream": True} if stream else {}
    if wire == "responses":
        more |= {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        return "/v1/responses", {"model": "m", "input": text, "tools": [{"type": "function", "strict": False} | FUNCTION]} | more
    if wire == "messages":
        tools = [{"name": "weather", "input_schema": FUNCTION["parameters"]}]
        return "/v1/messages", MESSAGES | {"messages": [{"role": "user", "content": text}], "tools": tools, "thinking": {"type": "adaptive"}} | more
    body = CHAT | {"messages": [{"role": "user", "content": text}], "tools": [{"type": "function", "function": FUNCTION}], "reasoning_effort": "high"}
    prefix = "/compat" if wire == "compatible" else ""
    return f"{prefix}/v1/chat/completions", body | more | ({"stream_options": {"include_usage": True}} if stream else {})


REPLIES = {
    "chat": (ChatCompletion, ChatCompletionChunk),
    "responses": (Response, ResponseStreamEvent),
    "messages": (Message, RawMessageStreamEvent),
    "generate": (types.GenerateContentResponse, types.GenerateContentResponse),
}


class Upstreams(unittest.TestCase):
    def test_every_client_gets_what_the_matrix_expects(self):
        for kind, base, upstream in DIRECT:
            for name, check in FEATURES.items():
                with self.subTest(client=kind.name, upstream=upstream, feature=name):
                    check(Case(kind(base, KEY), "some-model", upstream))

    def test_embeddings_and_counts(self):
        for kind, base, upstream in ((Chat, BASE, "openai"), (Chat, f"{BASE}/compat", "compatible"), (Generate, BASE, "gemini")):
            for name, check in other_routes.EMBEDDINGS[kind].items():
                with self.subTest(upstream=upstream, embedding=name):
                    check(kind(base, KEY), "some-model")
        other_routes.anthropic_count(Messages(BASE, KEY), "m", "anthropic")
        other_routes.gemini_count(Generate(BASE, KEY), "m", "gemini")
        counted = Chat(BASE, KEY).client.responses.input_tokens.count(model="m", input="How many?")
        self.assertEqual(counted.input_tokens, scenario.COUNTED)

    def test_replies_fit_the_official_types(self):
        for wire, (whole, chunk) in REPLIES.items():
            for text in ("[text]", "[tools]", "[thinking]", "[usage]"):
                for stream in (False, True):
                    with self.subTest(wire=wire, text=text, stream=stream):
                        path, body = asked(wire, text, stream)
                        status, said = post(path, body)
                        self.assertEqual(status, 200, said)
                        values = events(said) if stream else [json.loads(said)]
                        # Anthropic's types leave the pings out.
                        values = [value for value in values if value.get("type") != "ping"]
                        for value in values:
                            self.assertEqual(unknown(chunk if stream else whole, value), [])
        _, said = post("/v1/embeddings", {"model": "m", "input": "a"})
        self.assertEqual(unknown(CreateEmbeddingResponse, json.loads(said)), [])

    def test_the_compatible_one_is_like_vllm(self):
        path, body = asked("compatible", "[tools]", True)
        chunks = events(post(path, body)[1])
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        [call] = [call for delta in deltas for call in delta.get("tool_calls", [])]
        self.assertEqual(set(json.loads(call["function"]["arguments"])), {"city"})
        self.assertEqual(chunks[-1]["choices"], [])
        path, body = asked("compatible", "[thinking]", True)
        del body["tools"], body["stream_options"]
        chunks = events(post(path, body)[1])
        self.assertEqual([chunk for chunk in chunks if "usage" in chunk], [])
        self.assertEqual(chunks[-1]["choices"][0]["finish_reason"], "stop")
        self.assertTrue(chunks[-1]["choices"][0]["delta"]["content"])
        thought = "".join(chunk["choices"][0]["delta"].get("reasoning_content", "") for chunk in chunks)
        self.assertEqual(thought, scenario.THOUGHT)
        self.assertEqual(post("/compat/v1/responses", RESPONSES)[0], 404)

    def test_a_client_that_leaves_is_noticed(self):
        for wire in (*REPLIES, "compatible"):
            with self.subTest(wire=wire):
                path, body = asked(wire, "[long]", True)
                with opened(path, body) as stream:
                    self.assertTrue(stream.read(2000))
                for _ in range(200):
                    ended = log()[-1]["ended"]
                    if ended != "whole":
                        break
                    time.sleep(0.05)
                self.assertRegex(ended, r"client left after \d{1,3} pieces")

    def test_a_broken_request_is_refused_with_its_reason(self):
        call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        thought = {"type": "thinking", "thinking": "x", "signature": "c2ln"}
        used = {"type": "tool_use", "id": "call.1", "name": "weather", "input": {}}
        answered = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call.1", "content": "x"}]}
        called = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"}
        signed = {"role": "model", "parts": [{"text": "x", "thoughtSignature": "c2ln"}]}

        def user(content):
            return {"messages": [{"role": "user", "content": content}]}

        def picture(url):
            return user([{"type": "text", "text": "[image]"}, {"type": "image_url", "image_url": {"url": url}}])

        chat, responses, generate = "/v1/chat/completions", "/v1/responses", "/v1beta/models/m:generateContent"
        broken = [
            (chat, CHAT | {"top_k": 1}, "top_k: Extra inputs"),
            (chat, CHAT | user([{"type": "text", "text": "x", "foo": 1}]), "foo: Extra inputs"),
            (chat, CHAT | {"messages": CHAT["messages"] + [{"role": "assistant", "tool_calls": [call]}]}, "are not answered"),
            (chat, CHAT | {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "answers no call"),
            (chat, CHAT | {"messages": [{"role": "assistant", "content": "x", "reasoning_content": "y"}]}, "reasoning_content: Extra inputs"),
            (chat, CHAT | picture("data:image/png;base64,aGk="), "is no 'image/png'"),
            (chat, CHAT | picture("https://example.com/x.png"), "is not fetched"),
            (chat, CHAT | user("[schema]"), "none is asked for"),
            (chat, CHAT | user("[image]"), "there is none"),
            (chat, CHAT | user("[tools]"), "none are offered"),
            (chat, CHAT | user("[thinking]"), "not asked for"),
            ("/compat/v1/chat/completions", CHAT | {"max_completion_tokens": 1}, "max_tokens alone"),
            (responses, RESPONSES | {"messages": []}, "messages: Extra inputs"),
            (responses, RESPONSES | {"input": [{"role": "user", "content": "x", "foo": 1}]}, "foo: Extra inputs"),
            (responses, RESPONSES | {"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "no call 'c'"),
            (responses, RESPONSES | {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}]}, "not made here"),
            ("/v1/messages", MESSAGES | {"seed": 1}, "seed: Extra inputs"),
            ("/v1/messages", MESSAGES | {"messages": MESSAGES["messages"] + [{"role": "assistant", "content": [thought]}]}, "not made here"),
            ("/v1/messages", MESSAGES | {"thinking": {"type": "adaptive"}} | user("[schema]"), "none is asked for"),
            ("/v1/messages", MESSAGES | {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "less than max_tokens"),
            ("/v1/messages", MESSAGES | {"messages": [{"role": "assistant", "content": [used]}, answered]}, "does not match"),
            (chat, CHAT | {"messages": [{"role": "assistant", "tool_calls": [call | {"id": "c" * 41}]}]}, "does not match"),
            (responses, RESPONSES | {"input": [called | {"id": "x"}]}, "does not match"),
            (generate, GENERATE | {"model": "m"}, "model: Extra inputs"),
            (generate, GENERATE | {"contents": GENERATE["contents"] + [signed]}, "not made here"),
            (generate, GENERATE | {"generationConfig": {"responseJsonSchema": {"type": "object"}}}, "response_mime_type"),
        ]
        for path, body, reason in broken:
            with self.subTest(reason=reason, path=path):
                status, said = post(path, body)
                self.assertEqual(status, 400, said)
                self.assertIn(reason, json.loads(said)["error"]["message"])
        self.assertIn("own key", post(chat, CHAT, {"x-forwarded-key": "lat_0123"})[1])
        self.assertEqual(post(chat, CHAT, {"authorization": "Bearer another"})[0], 401)
        self.assertEqual(post("/v1/messages", MESSAGES, {"x-api-key": "another"})[0], 401)
        self.assertIn("API_KEY_INVALID", post(generate, GENERATE, {"x-goog-api-key": "another"})[1])
        self.assertEqual(post("/v1/completions", {})[0], 404)

    def test_thoughts_have_to_come_back_unchanged(self):
        for kind, base, upstream in DIRECT:
            if upstream in ("openai", "compatible") and kind is Chat:
                continue
            client = kind(base, KEY)
            said = client.ask("m", client.user("[thinking]"), Wish(thinking=True))
            for spoiled, reason in ((said, None), (spoil(said), "stands for|not made here"), (drop(said), "without its signed thought")):
                with self.subTest(client=kind.name, reason=reason):
                    more = client.user("[thinking]") + client.given_back(spoiled) + client.user("[thinking]")
                    if reason is None:
                        self.assertEqual(client.ask("m", more, Wish(thinking=True)).text, scenario.AGAIN)
                        continue
                    with self.assertRaises(Exception) as caught:
                        client.ask("m", more, Wish(thinking=True))
                    self.assertRegex(client.failure(caught.exception).message, reason)


def spoil(said):
    """The same with a changed thought."""
    if isinstance(said.turn, types.Content):
        parts = [part.model_copy(update={"thought_signature": b"x"} if part.thought_signature else {}) for part in said.turn.parts]
        return dataclasses.replace(said, turn=types.Content(role="model", parts=parts))
    turn = json.loads(json.dumps(said.turn).replace("First I weigh", "First I way"))
    return dataclasses.replace(said, turn=turn)


def drop(said):
    """The same without its thought."""
    if isinstance(said.turn, types.Content):
        parts = [part for part in said.turn.parts if not part.thought_signature and not part.thought]
        return dataclasses.replace(said, turn=types.Content(role="model", parts=parts))
    return dataclasses.replace(said, turn=[item for item in said.turn if item["type"] not in ("thinking", "reasoning")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
