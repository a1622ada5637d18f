"""Embeddings as OpenAI and Gemini ask for them. The vector of a text (or of its tokens) is the
same on every wire, and exact in float32."""

import array
import base64
import hashlib
import json
from typing import Optional

import pydantic
from closed_types import closed
from google.genai import _common, types
from openai.types import embedding_create_params
from provider_mock import Refused

from .chat import Chat, Compatible
from .generate import Generate

OPENAI = pydantic.TypeAdapter(closed(embedding_create_params.EmbeddingCreateParams))
DIMENSIONS = 8


def vector(item, dimensions=None):
    """`item` is a text or a list of token ids."""
    digest = hashlib.sha256(json.dumps(item).encode()).digest()
    return [(byte - 128) / 128 for byte in digest[: dimensions or DIMENSIONS]]


def items_of(given):
    """One text or list of tokens, or several."""
    one = isinstance(given, str) or isinstance(given[0], int)
    return [given] if one else given


def openai_embeddings(body):
    OPENAI.validate_python(body, strict=True)
    items = items_of(body["input"])
    vectors = [vector(item, body.get("dimensions")) for item in items]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(array.array("f", values).tobytes()).decode() for values in vectors]
    data = [{"object": "embedding", "index": index, "embedding": values} for index, values in enumerate(vectors)]
    tokens = sum(len(item) if isinstance(item, list) else len(item.split()) for item in items)
    return {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


class Embeddings(Chat):
    def embed(self, raw, body):
        if not body.get("input"):
            raise Refused(400, "input: there is none")
        return openai_embeddings(body)


class CompatibleEmbeddings(Embeddings, Compatible):
    pass


class EmbedContentRequest(_common.BaseModel):
    model: str
    content: types.Content
    task_type: Optional[str] = None
    title: Optional[str] = None
    output_dimensionality: Optional[int] = None


class BatchEmbedContentsRequest(_common.BaseModel):
    requests: list[EmbedContentRequest]


class BatchEmbed(Generate):
    def embed(self, raw, body):
        asked = BatchEmbedContentsRequest.model_validate_json(raw, strict=True, by_alias=True, by_name=True)
        return {"embeddings": [values_of(request) for request in asked.requests]}


class EmbedOne(Generate):
    def embed(self, raw, body):
        return {"embedding": values_of(EmbedContentRequest.model_validate_json(raw, strict=True, by_alias=True, by_name=True))}


def values_of(request):
    text = "".join(part.text for part in request.content.parts)
    if not text:
        raise Refused(400, "requests: a content is empty")
    if not request.model.startswith("models/"):
        raise Refused(400, "requests: a model is no models/…")
    return {"values": vector(text, request.output_dimensionality)}
