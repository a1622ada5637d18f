"""Shows that the mocks judge rightly: what the official clients send passes and comes back as
it was recorded, and each kind of broken request is refused with its reason.

CLAUDE and GEMINI are the base URLs of the mocks, KEY is their key, FIXTURES the recordings.
"""

import json
import os
import pathlib
import unittest
import urllib.error
import urllib.request

import anthropic
from google import genai
from google.genai import errors, types

CLAUDE, GEMINI, KEY = os.environ["CLAUDE"], os.environ["GEMINI"], os.environ["KEY"]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
SUM = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}
ANSWER = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"], "additionalProperties": False}


RECORDINGS = pathlib.Path(os.environ["FIXTURES"]) / "wire" / "dev"


def recorded(name):
    [exchange] = exchanges(name)
    return exchange["response"]["body"]


def exchanges(name):
    return [json.loads(file.read_text("utf-8")) for file in sorted(RECORDINGS.glob(f"*{name}*.json"))]


def post(url, body, headers):
    """Status and body, as they came."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, raw, {"content-type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def received(base):
    with urllib.request.urlopen(base + "/requests", timeout=20) as reply:
        return json.load(reply)


def refusals(base, last):
    """Why the last requests were refused, where it is not only that no recording is alike."""
    answers = [request["answer"] for request in received(base)[-last:]]
    return [answer for answer in answers if answer.startswith("refused") and "no recording" not in answer]


class Claude(unittest.TestCase):
    client = anthropic.Anthropic(base_url=CLAUDE, api_key=KEY, max_retries=0, timeout=20)
    tools = [{"name": name, "description": f"{name} two numbers", "input_schema": SUM} for name in ("add", "multiply")]
    plain = {"model": "claude-sonnet-5", "max_tokens": 64, "messages": [{"role": "user", "content": "what is 1+1?"}]}
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}

    def ask(self, text, **more):
        return self.client.messages.create(**self.plain | {"messages": [{"role": "user", "content": text}]} | more)

    def streamed(self, text, **more):
        content = {"messages": [{"role": "user", "content": text}]}
        with self.client.messages.stream(**self.plain | content | more) as events:
            return events.get_final_message()

    def raw(self, body, headers=None):
        status, said = post(CLAUDE + "/v1/messages", body, self.headers if headers is None else headers)
        return status, json.loads(said)

    def test_text_and_usage(self):
        message = self.ask("what is 1+1?", system="just return the number")
        self.assertEqual((message.content[0].text, message.stop_reason), ("2", "end_turn"))
        self.assertEqual((message.usage.input_tokens, message.usage.output_tokens), (18, 5))
        asked = received(CLAUDE)[-1]
        self.assertEqual(asked["body"]["system"], "just return the number")
        self.assertEqual(asked["headers"]["authorization"], f"Bearer {KEY}")
        self.assertIn("6d6d1eb866", asked["answer"])
        message = self.streamed("Two names for a pet pelican, be brief")
        self.assertEqual((message.content[0].text, message.usage.output_tokens), ("**Pete** and **Scoop**", 12))

    def test_a_stream_is_the_recorded_bytes(self):
        content = [{"role": "user", "content": "Two names for a pet pelican, be brief"}]
        _, said = post(CLAUDE + "/v1/messages", self.plain | {"stream": True, "messages": content}, self.headers)
        self.assertEqual(said, recorded("e1fc519ebb"))

    def test_parallel_calls_and_their_results(self):
        for ask in (self.ask, self.streamed):
            message = ask("Add and multiply the number 2 and 3", tools=self.tools, tool_choice={"type": "auto"})
            calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
            self.assertEqual(calls, [("add", {"a": 2, "b": 3}), ("multiply", {"a": 2, "b": 3})])
        weather = [{"name": name, "input_schema": {"type": "object"}} for name in ("weather", "best_language_to_learn")]
        turns = [
            {"role": "user", "content": "What's the weather in Berlin and what's the best programming language?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "15 °C"}]},
        ]
        message = self.client.messages.create(**self.plain | {"messages": turns, "tools": weather})
        self.assertIn("15°C", message.content[0].text)

    def test_schema_thinking_and_image(self):
        more = {"output_config": {"format": {"type": "json_schema", "schema": ANSWER}}}
        more |= {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
        for ask in (self.ask, self.streamed):
            thinking, text = ask("Answer this question: What is 2 + 2?", **more).content
            self.assertTrue(thinking.signature)
            self.assertEqual(json.loads(text.text)["answer"], 4)
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        message = self.streamed([image, {"type": "text", "text": "Describe image in three words"}])
        self.assertEqual(message.content[0].text, "Red square, green square.")

    def test_endings_and_errors(self):
        self.assertEqual(self.ask("What does Nietzsche mean by 'God is dead'?").stop_reason, "max_tokens")
        self.assertEqual(self.streamed("mock: refusal").stop_reason, "refusal")
        with self.assertRaises(anthropic.NotFoundError):
            self.ask("who are you?", model="there-is-no-such-model")
        with self.assertRaises(anthropic.RateLimitError) as caught:
            self.ask("mock: rate limit")
        self.assertEqual(caught.exception.response.headers["retry-after"], "7")
        with self.assertRaises(anthropic.APIStatusError) as caught:
            self.ask("mock: overloaded")
        self.assertEqual(caught.exception.status_code, 529)
        with self.assertRaises(anthropic.AuthenticationError):
            self.client.with_options(api_key="another").messages.create(**self.plain)
        with self.assertRaises(anthropic.APIStatusError):
            self.streamed("mock: break off")
        with self.assertRaisesRegex(Exception, "(?i)incomplete|peer closed"):
            self.streamed("mock: cut")

    def test_a_broken_request_is_refused_with_its_reason(self):
        def turn(*content):
            return {"messages": [{"role": "user", "content": list(content)}]}

        def image(**source):
            return turn({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL} | source})

        text = {"type": "text", "text": "what is 1+1?"}
        call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "add", "input": {}}]}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": "5"}
        tool = self.tools[0]
        broken = {
            "seed: Extra inputs": {"seed": 1},
            "temperature: Extra inputs": {"temperature": 0.5},
            "text.foo: Extra inputs|TextBlockParam.foo: Extra inputs": turn(text | {"foo": 1}),
            "bmp|'image/jpeg', 'image/png'": image(media_type="image/bmp"),
            "source.*detail: Extra inputs": image(detail="low"),
            "is not base64": image(data=f"data:image/png;base64,{PIXEL}"),
            "'required' found": {"tools": [tool], "tool_choice": {"type": "required"}},
            "strict: Input should be a valid boolean": {"tools": [tool | {"strict": "yes"}]},
            "parameters: Extra inputs": {"tools": [tool | {"parameters": {}}]},
            "input_schema.type: Input should be 'object'": {"tools": [tool | {"input_schema": {"type": "string"}}]},
            "effort: Input should be": {"output_config": {"effort": "minimal"}},
            "max_tokens: Field required": {"max_tokens": None},
            "max_tokens: Input should be a valid integer": {"max_tokens": "64"},
            "'tool' found": {"messages": [{"role": "tool", "content": "5"}]},
            "text content blocks must be non-empty": turn({"type": "text", "text": " "}),
            r"must open with results of \['t1'\], not of \[\]": {"messages": [{"role": "user", "content": "x"}, call]},
            r"not of \['no tool_result'\]": {"messages": [call, {"role": "user", "content": [text, result]}]},
            r"results of \[\], not of \['t1'\]": turn(result),
            "has tools .'add', 'multiply'., not": {"messages": [{"role": "user", "content": "Add and multiply the number 2 and 3"}]},
            "no recording answers this": {"messages": [{"role": "user", "content": "Quite another question"}]},
        }
        for reason, change in broken.items():
            with self.subTest(reason):
                body = {name: value for name, value in (self.plain | change).items() if value is not None}
                status, said = self.raw(body)
                self.assertEqual((status, said["type"], said["error"]["type"]), (400, "error", "invalid_request_error"))
                self.assertRegex(said["error"]["message"], reason)
        self.assertIn("no JSON object", self.raw(b"[]")[1]["error"]["message"])
        self.assertIn("anthropic-version", self.raw(self.plain, {"x-api-key": KEY})[1]["error"]["message"])
        leaky = self.headers | {"x-forwarded-key": "lat_0123"}
        self.assertIn("x-forwarded-key", self.raw(self.plain, leaky)[1]["error"]["message"])
        self.assertEqual(self.raw(self.plain)[0], 200)


    def test_recorded_requests_pass_save_for_what_has_left_the_api(self):
        gone = r"(temperature|top_p|top_k|output_format): Extra inputs|'computer_20\d+' found|messages.0: Unable to extract"
        asked = [exchange["request"] for exchange in exchanges("anthropic_messages") if exchange["request"]["body"]]
        for request in asked:
            post(CLAUDE + "/v1/messages", request["body"], self.headers)
        refused = refusals(CLAUDE, len(asked))
        self.assertGreaterEqual(len(asked) - len(refused), 35, refused)
        for reason in refused:
            self.assertRegex(reason, gone)


class Gemini(unittest.TestCase):
    options = types.HttpOptions(base_url=GEMINI, api_version="v1beta", timeout=20_000)
    client = genai.Client(api_key=KEY, http_options=options)
    functions = [{"name": name, "parameters_json_schema": SUM} for name in ("add", "multiply")]
    tools = [{"function_declarations": functions}]
    plain = {"contents": [{"role": "user", "parts": [{"text": "Tell me a joke about a Brazilians."}]}]}
    headers = {"x-goog-api-key": KEY}

    def ask(self, contents, **config):
        return self.client.models.generate_content(model="gemini-2.5-flash", contents=contents, config=config)

    def streamed(self, contents, **config):
        stream = self.client.models.generate_content_stream(model="gemini-2.5-flash", contents=contents, config=config)
        return list(stream)

    def raw(self, body, headers=None, verb="generateContent"):
        return post(f"{GEMINI}/v1beta/models/gemini-2.5-flash:{verb}", body, self.headers if headers is None else headers)

    def test_text_and_usage(self):
        reply = self.ask("What is the capital of France?", system_instruction="You are a helpful chatbot.", temperature=0)
        self.assertIn("Paris", reply.text)
        asked = received(GEMINI)[-1]
        self.assertEqual(asked["body"]["systemInstruction"]["parts"], [{"text": "You are a helpful chatbot."}])
        self.assertIn("7ae6b04d09", asked["answer"])
        chunks = self.streamed("What is the capital of France?")
        self.assertIn("Paris", "".join(chunk.text or "" for chunk in chunks))
        self.assertTrue(chunks[-1].usage_metadata.total_token_count)

    def test_a_stream_is_the_recorded_bytes(self):
        body = {"contents": [{"role": "user", "parts": [{"text": "What is the capital of France?"}]}]}
        _, said = self.raw(body, verb="streamGenerateContent?alt=sse")
        self.assertEqual(said, recorded("3dd7fbc6e9"))

    def test_parallel_calls_and_their_results(self):
        whole = self.ask("Add and multiply the number 2 and 3", tools=self.tools)
        stream = self.streamed("Add and multiply the number 2 and 3", tools=self.tools)
        for calls in (whole.function_calls, [call for chunk in stream for call in chunk.function_calls or []]):
            self.assertEqual(sorted((call.name, call.args["a"], call.args["b"]) for call in calls), [("add", 2, 3), ("multiply", 2, 3)])
        turns = [
            types.Content(role="user", parts=[types.Part(text="What is the weather like in Paris, France?")]),
            types.Content(role="model", parts=[types.Part.from_function_call(name="get_weather", args={})]),
            types.Content(role="user", parts=[types.Part.from_function_response(name="get_weather", response={"result": "22"})]),
        ]
        weather = [{"function_declarations": [{"name": "get_weather", "parameters_json_schema": {"type": "object"}}]}]
        chunks = self.streamed(turns, tools=weather)
        self.assertIn("22 degrees", "".join(chunk.text or "" for chunk in chunks))

    def test_schema_thinking_and_media(self):
        reply = self.ask("Tell me about Tokyo", response_mime_type="application/json", response_json_schema=ANSWER)
        self.assertEqual(json.loads(reply.text)["city"], "Tokyo")
        more = {"response_mime_type": "application/json", "response_json_schema": ANSWER}
        more |= {"thinking_config": {"include_thoughts": True, "thinking_level": "LOW"}}
        chunks = self.streamed("Answer this question: What is 2 + 2?", **more)
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
        self.assertTrue(any(part.thought for part in parts))
        self.assertTrue(any(part.thought_signature for part in parts))
        sound = types.Part.from_bytes(data=b"sound", mime_type="audio/mp3")
        self.assertIn("abstractions", self.ask([types.Part(text="Repeat exactly what you hear:"), sound]).text)

    def test_endings_and_errors(self):
        self.assertEqual(self.ask("List all U.S. states.").candidates[0].finish_reason, "MAX_TOKENS")
        self.assertEqual(self.ask("Tell me a joke about a Brazilians.").candidates[0].finish_reason, "SAFETY")
        for text, status in {"hello": 404, "mock: rate limit": 429, "mock: overloaded": 503}.items():
            with self.assertRaises(errors.APIError) as caught:
                self.ask(text)
            self.assertEqual(caught.exception.code, status)
        with self.assertRaisesRegex(errors.APIError, "overloaded"):
            self.streamed("mock: break off")
        with self.assertRaises(Exception):
            self.streamed("mock: cut")
        status, said = self.raw(self.plain, {"x-goog-api-key": "another"})
        self.assertEqual((status, json.loads(said)["error"]["details"][0]["reason"]), (400, "API_KEY_INVALID"))

    def test_a_broken_request_is_refused_with_its_reason(self):
        def turn(*parts, role="user"):
            return {"role": role, "parts": list(parts)}

        def generation(**config):
            return {"generationConfig": config}

        text = {"text": "Tell me a joke about a Brazilians."}
        call = turn({"functionCall": {"name": "add", "args": {}}}, role="model")
        broken = {
            "model: Extra inputs": {"model": "gemini-2.5-flash"},
            "generation_config: Extra inputs": {"generation_config": {}},
            "parts.0.foo: Extra inputs": {"contents": [turn(text | {"foo": 1})]},
            "seeds: Extra inputs": generation(seeds=1),
            "maxOutputTokens: Input should be a valid integer": generation(maxOutputTokens="64"),
            "HUGE is not a valid ThinkingLevel": generation(thinkingConfig={"thinkingLevel": "HUGE"}),
            "SOME is not a valid": {"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            "valid base64": {"contents": [turn({"inlineData": {"mimeType": "image/png", "data": "no!"}})]},
            "contents: Field required": {"contents": None},
            "'assistant' is neither": {"contents": [turn(text, role="assistant")]},
            "a part is one thing": {"contents": [turn(text | {"functionCall": {"name": "add"}})]},
            r"calls of \['add'\] are followed by results of \[\]": {"contents": [turn(text), call]},
            "a function has no name": {"tools": [{"functionDeclarations": [{"description": "x"}]}]},
            "strict: Extra inputs": {"tools": [{"functionDeclarations": [{"name": "x", "strict": True}]}]},
            "has tools .'add', 'multiply'., not": {"contents": [turn({"text": "Add and multiply the number 2 and 3"})]},
        }
        for reason, change in broken.items():
            with self.subTest(reason):
                body = {name: value for name, value in (self.plain | change).items() if value is not None}
                status, said = self.raw(body)
                error = json.loads(said)["error"]
                self.assertEqual((status, error["code"], error["status"]), (400, 400, "INVALID_ARGUMENT"))
                self.assertRegex(error["message"], reason)
        self.assertEqual(self.raw(self.plain, verb="streamGenerateContent")[0], 404)
        self.assertEqual(self.raw(self.plain)[0], 200)

    def test_recorded_requests_pass(self):
        asked = [exchange["request"] for exchange in exchanges("gemini-gemini_generateContent") if exchange["request"]["body"]]
        asked = [request for request in asked if request["path"].endswith((":generateContent", "alt=sse"))]
        for request in asked:
            # Many were sent by the official client, whose snake_case is taken from it alone.
            post(GEMINI + request["path"], request["body"], self.headers | {"x-goog-api-client": "google-genai-sdk"})
        self.assertGreaterEqual(len(asked), 35)
        self.assertEqual(refusals(GEMINI, len(asked)), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
