"""Asks the gateway as users do, with OpenAI's own client.

The arguments are names of the functions below; each prints one JSON line of what
the client made of the reply. GATEWAY and KEY come from the environment.
"""

import asyncio
import json
import os
import sys

import openai
from openai.lib.streaming.chat import ContentDoneEvent

GATEWAY = {"base_url": os.environ["GATEWAY"], "api_key": os.environ["KEY"], "max_retries": 0, "timeout": 60}
MODEL = os.environ.get("MODEL", "mock")
client = openai.OpenAI(**GATEWAY)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]
USAGE = {"stream_options": {"include_usage": True}}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


ASK = {"model": MODEL, "messages": MESSAGES, "max_tokens": 48, "temperature": 0}


def create(model=MODEL, **more):
    return client.chat.completions.create(**ASK | {"model": model} | more)


def gathered(chunks):
    """What a stream came to."""
    texts, finish, usage, alone = {}, {}, None, 0
    for chunk in chunks:
        alone += not chunk.choices
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            finish[choice.index] = choice.finish_reason or finish.get(choice.index)
    return {
        "texts": [texts[index] for index in sorted(texts)],
        "finish": [finish[index] for index in sorted(finish)],
        "usage": usage and usage.model_dump(),
        "chunks_without_choices": alone,
    }


def whole(completion):
    return {
        "texts": [choice.message.content for choice in completion.choices],
        "finish": [choice.finish_reason for choice in completion.choices],
        "usage": completion.usage.model_dump(),
    }


def models():
    listed = [model.id for model in client.models.list()]
    return {"listed": listed, "retrieved": [client.models.retrieve(name).to_dict() for name in listed]}


def chat():
    raw = create_raw()
    return whole(raw.parse()) | {"headers": dict(raw.headers)}


def create_raw(**more):
    return client.chat.completions.with_raw_response.create(**ASK | more)


def stream():
    raw = create_raw(stream=True, **USAGE)
    return gathered(raw.parse()) | {"headers": dict(raw.headers)}


def stream_without_usage():
    return gathered(create(stream=True))


def choices():
    return {"whole": whole(create(n=2)), "stream": gathered(create(n=2, stream=True, **USAGE))}


def helper():
    """The client's own gathering of a stream."""
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES, **USAGE) as events:
        texts = [event.content for event in events if isinstance(event, ContentDoneEvent)]
        return {"text_events": texts} | whole(events.get_final_completion())


def tools():
    return whole(create(tools=[TOOL], tool_choice="auto", extra_body={"not_in_any_schema": {"x": [1, None]}}))


def concurrently():
    async def ask_all():
        async with openai.AsyncOpenAI(**GATEWAY) as client:

            async def ask(streamed):
                if not streamed:
                    return whole(await client.chat.completions.create(**ASK))
                chunks = await client.chat.completions.create(**ASK, stream=True, **USAGE)
                return gathered([chunk async for chunk in chunks])

            return await asyncio.gather(*[ask(number % 2) for number in range(8)])

    return asyncio.run(ask_all())


def refused(ask):
    """The exception that a request ends with, and what came before it."""
    before = []
    try:
        reply = ask()
        if isinstance(reply, openai.Stream):
            before.extend(choice.delta.content for chunk in reply for choice in chunk.choices)
        return {"class": None}
    except openai.APIError as error:
        said = {"class": type(error).__name__, "code": error.code, "type": error.type, "param": error.param}
        if isinstance(error, openai.APIStatusError):
            said |= {
                "status": error.status_code,
                "lattice": error.response.json().get("lattice"),
                "message": error.body["message"],
                "request_id": error.request_id,
                "retry_after": error.response.headers.get("retry-after"),
            }
        return said | {"before": len(before)}


def unknown_key():
    return refused(lambda: client.with_options(api_key="lat_nonsense").models.list())


def unknown_model():
    return refused(lambda: create("nothing-like-it"))


def unknown_model_retrieved():
    return refused(lambda: client.models.retrieve("nothing-like-it"))


def malformed():
    return refused(lambda: create(n=0))


def unpriced():
    return refused(lambda: create("mock/another"))


def spent():
    return refused(create)


def rejected():
    return refused(lambda: create("rejecting"))


def overloaded():
    return refused(lambda: create("overloaded"))


def broken_off():
    return refused(lambda: create("breaking", stream=True))


def failing():
    return refused(lambda: create("failing", stream=True))


for name in sys.argv[1:]:
    print(json.dumps(globals()[name]()), flush=True)
