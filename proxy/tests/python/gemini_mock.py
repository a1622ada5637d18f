"""Stands in for the Gemini API: `POST /v1beta/models/{model}:generateContent` and
`:streamGenerateContent?alt=sse`, judged by the types of the official package, answered with
recorded bytes. How it is run and which recording answers is told in provider_mock.py.

Each request must be made of the models of `google.genai.types` in their camelCase form (save
where the official client itself sends it, which mixes in snake_case), with no key and no enum
value that the package does not know, at any level. It must carry the key in `x-goog-api-key`
and keep the rules that the types cannot say: roles are user and model, a part is one thing,
declared functions have names, and each turn of calls is answered in the next one by as many
results of the same names.

By name, where no recording holds it or its request was not recorded:
  "mock: parallel"     recorded stream: thoughts, then parallel calls with a signature
  "mock: rate limit"   recorded: 429 with RetryInfo
  "mock: overloaded"   by hand: 503
  "mock: break off"    by hand: a recorded stream that ends in an error object
  "mock: cut"          by hand: a recorded stream whose connection ends in the middle
"""

import json
import re
import sys
import warnings
from typing import Optional

sys.dont_write_bytecode = True

from google.genai import _common, types
from provider_mock import Answer, Provider, Refused, main, recordings

# The package takes an enum value that it does not know for a newer one, and only warns.
warnings.filterwarnings("error", message=".* is not a valid ")
STATUSES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 503: "UNAVAILABLE"}
# A wrong key is a 400 here; only this detail tells.
WRONG_KEY = "API key not valid. Please pass a valid API key."
KEY_DETAIL = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
ROUTE = re.compile(r"/v1(beta)?/models/[^/:?]+:(generateContent|streamGenerateContent\?alt=sse)")
# What a part is; the rest of its keys say something about that.
THINGS = ("text", "inline_data", "file_data", "function_call", "function_response", "executable_code", "code_execution_result", "tool_call", "tool_response")


class GenerateContentRequest(_common.BaseModel):
    """The body, for which the package has no type of its own: it knows only what is in it."""

    contents: list[types.Content]
    system_instruction: Optional[types.Content] = None
    tools: Optional[list[types.Tool]] = None
    tool_config: Optional[types.ToolConfig] = None
    safety_settings: Optional[list[types.SafetySetting]] = None
    generation_config: Optional[types.GenerationConfig] = None
    cached_content: Optional[str] = None


def checked(raw, official):
    """The official client mixes snake_case in, which the API takes; others keep to what the
    API's documentation says."""
    try:
        return GenerateContentRequest.model_validate_json(raw, strict=True, by_alias=True, by_name=official)
    except UserWarning as warning:
        raise Refused(400, str(warning)) from warning


def parsed(body):
    """What a recorded client sent, which may be in snake_case."""
    return GenerateContentRequest.model_validate_json(json.dumps(body))


def names(content, kind):
    found = [getattr(part, kind) for part in content.parts or []]
    return sorted(thing.name for thing in found if thing)


def texts(content):
    return [part.text for part in content.parts or [] if part.text and content.role in ("user", None)]


def reasons(config):
    thinking = config.thinking_config or types.ThinkingConfig()
    return bool(thinking.include_thoughts or thinking.thinking_level or thinking.thinking_budget)


def shape_of(path, body):
    """None where it cannot be asked for: the provider's own tools, a stream that is no SSE."""
    request = parsed(body)
    asked = [content for content in request.contents if texts(content)]
    config = request.generation_config or types.GenerationConfig()
    own = [tool for tool in request.tools or [] if tool.model_fields_set != {"function_declarations"}]
    streamed = "stream" in path
    if not asked or own or streamed and "alt=sse" not in path:
        return None
    media = [part for part in asked[-1].parts if part.inline_data or part.file_data]
    return {
        "text": "\n".join(texts(asked[-1])),
        "stream": streamed,
        "tools": sorted(function.name for tool in request.tools or [] for function in tool.function_declarations),
        "results": len(names(request.contents[-1], "function_response")),
        "media": len(media),
        "thinking": reasons(config),
        "schema": bool(config.response_json_schema or config.response_schema),
    }


def check_conversation(request):
    for number, content in enumerate(request.contents):
        if content.role not in ("user", "model"):
            raise Refused(400, f"contents.{number}: role {content.role!r} is neither user nor model")
        for part in content.parts or []:
            things = [name for name in THINGS if getattr(part, name) is not None]
            if len(things) != 1:
                raise Refused(400, f"contents.{number}: a part is one thing, not {things}")
        following = request.contents[number + 1 :][:1]
        calls = names(content, "function_call")
        results = [name for turn in following for name in names(turn, "function_response")]
        if calls != results:
            raise Refused(400, f"contents.{number}: calls of {calls} are followed by results of {results}")
    declared = [function for tool in request.tools or [] for function in tool.function_declarations or []]
    if not all(function.name for function in declared):
        raise Refused(400, "tools: a function has no name")


class Gemini(Provider):
    def __init__(self, fixtures):
        answers = list(recordings(fixtures, "gemini-gemini_generateContent", shape_of))
        super().__init__(answers, by_name(answers))

    shape_of = staticmethod(shape_of)

    def check_head(self, path, headers, key):
        if not ROUTE.fullmatch(path):
            raise Refused(404, f"{path} is no route of this mock")
        if headers.get("x-goog-api-key") != key:
            raise Refused(400, WRONG_KEY)

    def check_body(self, headers, raw, body):
        check_conversation(checked(raw, "google-genai-sdk" in headers.get("x-goog-api-client", "")))

    def error(self, status, message):
        details = [KEY_DETAIL] if message == WRONG_KEY else []
        return {"error": {"code": status, "message": message, "status": STATUSES[status], "details": details}}


def by_name(answers):
    stored = {answer.name.rsplit("-", 1)[1].removesuffix(".json"): answer for answer in answers}
    plain = stored["3dd7fbc6e9"]
    start = plain.body[: plain.body.index(b"\r\n\r\n") + 4]
    overloaded = b'{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}'
    broken = start + b"data: " + overloaded + b"\r\n\r\n"
    return {
        "mock: parallel": stored["4441995675"],
        "mock: rate limit": stored["2612640567"],
        "mock: overloaded": Answer("by hand: 503", 503, {"content-type": "application/json; charset=UTF-8"}, overloaded),
        "mock: break off": Answer("by hand: error object", 200, plain.headers, broken),
        "mock: cut": Answer("by hand: cut", 200, plain.headers, start[:-20], cut=True),
    }


if __name__ == "__main__":
    main(Gemini)
