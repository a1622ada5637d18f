"""Gemini's generateContent and streamGenerateContent."""

import json
import re
from typing import Optional

from gemini_mock import KEY_DETAIL, WRONG_KEY, GenerateContentRequest, check_conversation, checked
from google.genai import _common, types
from provider_mock import Refused

from .chat import pieces_of
from .scenario import RETRY_AFTER, Ask, Call, Frame, Image, Result, Seals, Text, Turn
from .wire import Wire, data_frame, fresh

STATUSES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}
MODEL = re.compile(r"/models/([^/:?]+):")


class CountedRequest(GenerateContentRequest):
    model: str


class CountTokensRequest(_common.BaseModel):
    contents: Optional[list[types.Content]] = None
    generate_content_request: Optional[CountedRequest] = None


class Generate(Wire):
    def __init__(self):
        self.seals = Seals("CsU")

    def admit(self, headers, key):
        if headers.get("x-goog-api-key") != key:
            raise Refused(400, WRONG_KEY)

    def read(self, path, headers, raw, body):
        # Both spellings of a key are the API's, and the official client mixes them.
        if ":countTokens" in path:
            return self.asked(path, counted(raw))
        request = checked(raw, True)
        check_conversation(request)
        return self.asked(path, request)

    def asked(self, path, request):
        config = request.generation_config or types.GenerationConfig()
        thinking = config.thinking_config or types.ThinkingConfig()
        declared = [function for tool in request.tools or [] for function in tool.function_declarations or []]
        schema = config.response_json_schema or config.response_schema and schema_of(config.response_schema)
        if schema and config.response_mime_type != "application/json":
            raise Refused(400, "generation_config.response_schema: only with response_mime_type application/json")
        return Ask(
            model=MODEL.search(path)[1],
            turns=[self.turn(content) for content in request.contents],
            stream=":stream" in path,
            tools={function.name: function.parameters_json_schema or schema_of(function.parameters) for function in declared},
            schema=schema,
            thinks=thinking.thinking_level is not None or thinking.thinking_budget not in (None, 0),
            shows=bool(thinking.include_thoughts),
        )

    def turn(self, content):
        turn = Turn(content.role or "user")
        for part in content.parts or []:
            if part.text and not part.thought:
                turn.texts.append(part.text)
            if part.inline_data:
                turn.images.append(Image(part.inline_data.mime_type, base64_of(part.inline_data)))
            if part.function_call:
                turn.calls.append(Call(part.function_call.name, part.function_call.args or {}))
            if part.function_response:
                turn.results.append(Result(part.function_response.name, said(part.function_response.response)))
            if part.thought_signature:
                self.check_signature(part, content)
                turn.signed = True
        first_call = next((part for part in content.parts or [] if part.function_call), None)
        # Of a turn that calls, the signature stands on the first call.
        turn.signed = turn.signed and (first_call is None or first_call.thought_signature is not None)
        return turn

    def check_signature(self, part, content):
        """One of a call stands for it, another for all that the turn says."""
        call = part.function_call
        seal = part.model_dump(mode="json")["thought_signature"].replace("-", "+").replace("_", "/")
        text = "".join(part.text for part in content.parts if part.text and not part.thought)
        self.seals.check(seal, sealed(call.name, call.args or {}) if call else text)

    def usage(self, usage):
        return {
            # What tools have put into the prompt is counted apart.
            "promptTokenCount": usage.input - usage.input // 100,
            "toolUsePromptTokenCount": usage.input // 100,
            "cachedContentTokenCount": usage.cached,
            "candidatesTokenCount": usage.output - usage.reasoning,
            "thoughtsTokenCount": usage.reasoning,
            "totalTokenCount": usage.input + usage.output,
        }

    def envelope(self, ask, reply, parts, finish=None):
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}} | ({"finishReason": finish} if finish else {})
        usage = {name: count for name, count in self.usage(reply.usage).items() if count}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": ask.model, "responseId": fresh("r")}

    def parts(self, ask, reply, split):
        """Signatures come with the first call, or with an empty text behind the others."""
        thinks, unsigned = bool(reply.thought()), True
        for part in reply.parts:
            if isinstance(part, Call):
                call = {"functionCall": {"name": part.name, "args": part.arguments}}
                if thinks and unsigned:
                    call["thoughtSignature"], unsigned = self.seals.give(sealed(part.name, part.arguments)), False
                yield call, False
            elif isinstance(part, Text):
                yield from (({"text": piece}, True) for piece in split(part))
            elif ask.shows:
                yield from (({"text": piece, "thought": True}, False) for piece in split(part))
        if thinks and unsigned:
            yield {"text": "", "thoughtSignature": self.seals.give(reply.text())}, False

    def whole(self, ask, reply):
        parts = [part for part, _ in self.parts(ask, reply, lambda part: [part.text])]
        return self.envelope(ask, reply, parts, "STOP")

    def frames(self, ask, reply):
        parts = list(self.parts(ask, reply, lambda part: pieces_of(part, reply)))
        for number, (part, says) in enumerate(parts, 1):
            chunk = self.envelope(ask, reply, [part], "STOP" if number == len(parts) else None)
            yield Frame(data_frame(chunk, end="\r\n"), says)

    def stumble(self, message):
        return data_frame(self.error(500, message), end="\r\n")

    def error(self, status, message):
        status = 400 if status == 401 else status
        details = [KEY_DETAIL] if message == WRONG_KEY else []
        if status == 429:
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{RETRY_AFTER}s"}]
        return {"error": {"code": status, "message": message, "status": STATUSES[status], "details": details}}

    def error_headers(self, status):
        return {}


def counted(raw):
    request = CountTokensRequest.model_validate_json(raw, strict=True, by_alias=True, by_name=True)
    inner = request.generate_content_request
    if (inner is None) == (request.contents is None):
        raise Refused(400, "contents, or generate_content_request")
    return inner or GenerateContentRequest(contents=request.contents)


def sealed(name, arguments):
    return {"name": name, "args": arguments}


def schema_of(schema):
    """The API's own form of a schema, as a JSON schema."""
    return json.loads(json.dumps(schema.model_dump(mode="json", exclude_none=True))) if schema else {}


def base64_of(blob):
    return blob.model_dump(mode="json")["data"].replace("-", "+").replace("_", "/")


def said(response):
    """What a function returned; the API wants an object, in which a text has to be wrapped."""
    for name in ("result", "output"):
        if isinstance(response, dict) and list(response) == [name] and isinstance(response[name], str):
            return response[name]
    return json.dumps(response, ensure_ascii=False)
