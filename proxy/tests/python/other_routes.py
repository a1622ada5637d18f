"""The routes beside generation: embeddings, counts of tokens, and the listing of models."""

import base64
import math
import struct

from clients import Chat, Generate, Messages
from features import equal
from wires import scenario
from wires.vectors import DIMENSIONS, vector

TEXTS = ["Zażółć gęślą jaźń", "two words"]
TOKENS = [[1, 22, 333], [4444, 5]]
# Upstreams that have a route for it; elsewhere a count is an estimate.
EXACT = {"anthropic", "gemini"}


def close(found, items, dimensions=None):
    """The vectors of these items, in their order."""
    equal("vectors", len(found), len(items))
    for values, item in zip(found, items):
        expected = vector(item, dimensions)
        assert len(values) == len(expected), f"{len(values)} dimensions, not {len(expected)}"
        assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(values, expected)), f"{values} is not the vector of {item!r}"


def openai_embedding(given, **more):
    """`given` is `input`; left to itself the client asks for base64 and unpacks it."""
    items = [given] if isinstance(given, str) else given

    def check(client, model):
        reply = client.client.embeddings.create(model=model, input=given, **more)
        close([entry.embedding for entry in reply.data], items, more.get("dimensions"))
        equal("order", [entry.index for entry in reply.data], list(range(len(items))))
        assert reply.usage.prompt_tokens >= 0, "no usage"

    return check


def raw_base64(client, model):
    """Asked for in so many words, it is little-endian float32."""
    raw = client.client.embeddings.with_raw_response.create(model=model, input=TEXTS, encoding_format="base64")
    found = [entry["embedding"] for entry in raw.http_response.json()["data"]]
    assert all(isinstance(text, str) for text in found), f"no base64: {found}"
    close([[value for (value,) in struct.iter_unpack("<f", base64.b64decode(text))] for text in found], TEXTS)


def gemini_embedding(contents, **config):
    def check(client, model):
        reply = client.client.models.embed_content(model=model, contents=contents, config=config or None)
        close([embedding.values for embedding in reply.embeddings], contents if isinstance(contents, list) else [contents], config.get("output_dimensionality"))

    return check


EMBEDDINGS = {
    Chat: {
        "string": openai_embedding(TEXTS[0]),
        "list": openai_embedding(TEXTS),
        "float": openai_embedding(TEXTS, encoding_format="float"),
        "base64": raw_base64,
        "token ids": openai_embedding(TOKENS),
        "dimensions": openai_embedding(TEXTS, dimensions=DIMENSIONS // 2),
    },
    Generate: {
        "string": gemini_embedding(TEXTS[0]),
        "list": gemini_embedding(TEXTS),
        "dimensions": gemini_embedding(TEXTS, output_dimensionality=DIMENSIONS // 2),
    },
}


def is_count(found, upstream):
    if upstream in EXACT:
        equal("count", found, scenario.COUNTED)
    assert found > 0, f"count: {found}"


def anthropic_count(client, model, upstream):
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    counted = client.client.messages.count_tokens(model=model, system="Be brief.", tools=tools, messages=client.user("How many is this?"))
    is_count(counted.input_tokens, upstream)


def gemini_count(client, model, upstream):
    is_count(client.client.models.count_tokens(model=model, contents="How many is this?").total_tokens, upstream)


def listing(client, models):
    missing = set(models) - set(client.models())
    assert not missing, f"not listed: {missing}"


def retrieving(client, models):
    for model in models:
        equal("name", client.model(model), model)
    try:
        client.model("there-is-no-such-model")
    except Exception as error:
        failure = client.failure(error)
        assert failure and failure.status == 404, f"an unknown model: {failure or error!r}"
    else:
        raise AssertionError("an unknown model is there")


def cells(base, key, upstreams):
    for kind, checks in EMBEDDINGS.items():
        client = kind(base, key)
        name = "openai" if kind is Chat else "google-genai"
        for upstream in ("openai", "compatible", "gemini"):
            for column, check in checks.items():
                if upstream in upstreams:
                    yield "embeddings", f"{name} {upstream}", column, client, check, (client, upstreams[upstream])
    for kind, check in ((Messages, anthropic_count), (Generate, gemini_count)):
        client = kind(base, key)
        for upstream, model in upstreams.items():
            yield "count tokens", client.name, upstream, client, check, (client, model, upstream)
    for kind in (Chat, Messages, Generate):
        client = kind(base, key)
        name = "openai" if kind is Chat else client.name
        models = list(upstreams.values())
        yield "models", name, "list", client, listing, (client, models)
        yield "models", name, "retrieve", client, retrieving, (client, models)
