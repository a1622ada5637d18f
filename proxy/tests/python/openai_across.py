"""Asks the gateway with OpenAI's own client, which cannot know that Claude, Gemini or a model
in the gateway's own process answers.

Each argument is one JSON object: a request as `chat.completions.create` takes it, and
  how      "whole", "stream", "helper" (the client's own gathering of a stream) or "parse"
  answer   for "parse": the members of a pydantic model, name to Python type
  results  what the tools return: a second request gives the calls back with these
  keep     what the second request keeps of that which OpenAI does not know, of
           "reasoning_details" and "extra_content"; without it the client's own object of the
           message is given back, whatever is in it
  other    the second request comes from the key OTHER, which was told nothing so far
Each prints one JSON line of what the client made of the reply; with `results`, of both.
"models" prints the names of the models. GATEWAY, KEY and OTHER come from the environment.
"""

import json
import os
import sys

import openai
import pydantic

client = openai.OpenAI(base_url=os.environ["GATEWAY"], api_key=os.environ["KEY"], max_retries=0, timeout=120)
other = client.with_options(api_key=os.environ.get("OTHER", "none"))
TYPES = {"str": str, "int": int}
UNKNOWN_TO_OPENAI = ("reasoning_content", "reasoning_details", "extra_content")


def told(message, finish, usage, headers):
    """`message` is the client's own, or what was gathered by hand."""
    given_back, message = message, message if isinstance(message, dict) else message.to_dict(warnings=False)
    calls = [call["function"] | {"id": call["id"]} for call in message.get("tool_calls") or []]
    return {
        "text": message.get("content"),
        "refusal": message.get("refusal"),
        "reasoning": message.get("reasoning_content"),
        "calls": [[call["id"], call["name"], json.loads(call["arguments"])] for call in calls],
        "finish": finish,
        "usage": usage and usage.model_dump(),
        "headers": dict(headers),
        "given_back": given_back,
    }


def whole(asking, ask):
    raw = asking.chat.completions.with_raw_response.create(**ask)
    completion = raw.parse()
    [choice] = completion.choices
    return told(choice.message, choice.finish_reason, completion.usage, raw.headers)


def stream(asking, ask):
    """As a program gathers a stream by hand; lists of what OpenAI does not know just grow."""
    raw = asking.chat.completions.with_raw_response.create(**ask, stream=True)
    message, calls, seen = {"role": "assistant"}, {}, {"pieces": 0, "usage_chunks": 0}
    finish = usage = None
    try:
        for chunk in raw.parse():
            seen["usage_chunks"] += chunk.usage is not None
            usage = chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                seen["pieces"] += bool(choice.delta.content)
                gather(message, calls, choice.delta.to_dict())
    except openai.APIError as error:
        return refused(error) | {"before": message.get("content")}
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return told(message, finish, usage, raw.headers) | seen


def gather(message, calls, delta):
    for name in ("content", "refusal", "reasoning_content"):
        if delta.get(name) is not None:
            message[name] = message.get(name, "") + delta[name]
    for entry in delta.get("reasoning_details", []):
        message.setdefault("reasoning_details", []).append(entry)
    for piece in delta.get("tool_calls", []):
        call = calls.setdefault(piece["index"], {"function": {"name": "", "arguments": ""}})
        call |= {name: piece[name] for name in ("id", "type", "extra_content") if name in piece}
        for name, text in piece.get("function", {}).items():
            call["function"][name] += text


def helper(asking, ask):
    with asking.chat.completions.stream(**ask) as events:
        parsed = [event.parsed_arguments for event in events if event.type == "tool_calls.function.arguments.done"]
        completion = events.get_final_completion()
        [choice] = completion.choices
        return told(choice.message, choice.finish_reason, completion.usage, events._response.headers) | {"parsed": parsed}


def parse(asking, ask):
    members = {name: (TYPES[kind], ...) for name, kind in ask.pop("answer").items()}
    answer = pydantic.create_model("Answer", **members)
    raw = asking.chat.completions.with_raw_response.parse(**ask, response_format=answer)
    completion = raw.parse()
    [choice] = completion.choices
    parsed = choice.message.parsed.model_dump()
    return told(choice.message, choice.finish_reason, completion.usage, raw.headers) | {"parsed": parsed}


HOW = {"whole": whole, "stream": stream, "helper": helper, "parse": parse}


def kept(value, keep):
    """A copy without what the client loses."""
    if isinstance(value, list):
        return [kept(item, keep) for item in value]
    if isinstance(value, dict):
        lost = set(UNKNOWN_TO_OPENAI) - set(keep)
        return {name: kept(item, keep) for name, item in value.items() if name not in lost}
    return value


def follow_up(ask, first, results, keep):
    message = first["given_back"]
    if keep is not None:
        message = kept(message if isinstance(message, dict) else message.to_dict(warnings=False), keep)
    answers = [
        {"role": "tool", "tool_call_id": call[0], "content": result}
        for call, result in zip(first["calls"], results, strict=True)
    ]
    return ask | {"messages": ask["messages"] + [message] + answers}


def refused(error):
    """The exception that a request ends with."""
    said = {"class": type(error).__name__, "message": error.message, "code": error.code, "param": error.param}
    if isinstance(error, openai.APIStatusError):
        said |= {
            "status": error.status_code,
            "message": error.body["message"],
            "lattice": error.response.json().get("lattice"),
            "retry_after": error.response.headers.get("retry-after"),
            "headers": dict(error.response.headers),
        }
    return said


def asked(asking, how, ask):
    try:
        return HOW[how](asking, dict(ask))
    except openai.APIError as error:
        return refused(error)


def exchange(ask):
    how, results, keep = ask.pop("how"), ask.pop("results", None), ask.pop("keep", None)
    second = other if ask.pop("other", False) else client
    first = asked(client, how, ask)
    if results is None:
        return shown(first)
    return [shown(first), shown(asked(second, how, follow_up(ask, first, results, keep)))]


def shown(told):
    return {name: value for name, value in told.items() if name != "given_back"}


for argument in sys.argv[1:]:
    found = [model.id for model in client.models.list()] if argument == "models" else exchange(json.loads(argument))
    print(json.dumps(found), flush=True)
