"""What a client can be asked to do with a model, one function a feature. Each takes a `Case`, puts
the question of `wires/scenario.py` through the client, whole and streamed, and asserts what comes
back; it returns nothing.
"""

import dataclasses
import json
import struct
import zlib

from clients import Wish
from wires import scenario


def png():
    """A picture of one red pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return scenario.SIGNS["image/png"] + head + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


def parameters(**properties):
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


WEATHER = {"name": "weather", "description": "The weather of a city", "parameters": parameters(city="string", days="integer")}
CLOCK = {"name": "clock", "description": "The time in a city", "parameters": parameters(city="string")}
ANSWER = parameters(city="string", population="integer")
RESULTS = {"weather": "15 °C, ☀", "clock": "12:00"}
PNG = png()
FORMS = (False, True)


@dataclasses.dataclass
class Case:
    """`upstream` is the kind of provider behind the model."""

    client: object
    model: str
    upstream: str

    def ask(self, conversation, stream, **wish):
        return self.client.ask(self.model, conversation, Wish(stream=stream, old_cap=self.upstream == "compatible", **wish))

    def user(self, text, image=None):
        return self.client.user(text, image)

    def fails(self, text, stream):
        """How the client takes it; never with an answer."""
        try:
            said = self.ask(self.user(text), stream)
        except Exception as error:
            failure = self.client.failure(error)
            if failure is None:
                raise
            return failure
        raise AssertionError(f"ends as if all were well: {said.text!r}")


def equal(what, found, expected):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def text(case):
    said = case.ask(case.user("[text] Say something."), False, system="Be brief.", max_output=512)
    equal("text", said.text, scenario.SENTENCE)
    equal("finish", said.finish, "stop")
    more = case.user("[text] Say something.") + case.client.given_back(said) + case.user("[text] And again: «ß»?")
    equal("second text", case.ask(more, False).text, scenario.SENTENCE)


def stream(case):
    said = case.ask(case.user("[text] Say something."), True, system="Be brief.", max_output=512)
    equal("text", said.text, scenario.SENTENCE)
    equal("finish", said.finish, "stop")


def said_of_tools(said, results):
    """Each tool's result stands behind its own name."""
    head, _, told = said.text.removeprefix(scenario.UNSHOWN).partition(": ")
    equal("answer", head, "The tools said")
    quotes = dict(quote.split(" -> ", 1) for quote in told.split("; "))
    equal("tools quoted", sorted(quotes), sorted(results))
    for name, result in results.items():
        assert result in quotes[name], f"{name} is quoted with {quotes[name]!r}"
    equal("finish", said.finish, "stop")


def called(said, tools):
    equal("finish", said.finish, "tools")
    expected = [(tool["name"], scenario.fitting(tool["parameters"])) for tool in tools]
    equal("calls", [(name, arguments) for _, name, arguments in said.calls], expected)


def with_tools(case, marker, offered, expected, **wish):
    """A call or two and their results, which come in the other order."""
    for form in FORMS:
        question = case.user(f"{marker} How is it there?")
        said = case.ask(question, form, tools=offered, **wish)
        called(said, expected)
        yield said
        results = [(tool["name"], RESULTS[tool["name"]]) for tool in reversed(expected)]
        more = question + case.client.given_back(said) + case.client.results(said, results)
        said = case.ask(more, form, tools=offered, **wish)
        said_of_tools(said, dict(results))
        yield said


def tools(case):
    for said in with_tools(case, "[tools]", [WEATHER, CLOCK], [WEATHER]):
        assert said.text, "the text before the call is lost"


def parallel(case):
    for said in with_tools(case, "[parallel]", [WEATHER, CLOCK], [WEATHER, CLOCK]):
        ids = [id for id, *_ in said.calls]
        assert None in ids or len(set(ids)) == len(ids), f"ids of calls: {ids}"


def image(case):
    expected = scenario.described("image/png", PNG)
    for form in FORMS:
        equal("answer", case.ask(case.user("[image] What is it?", ("image/png", PNG)), form).text, expected)


def schema(case):
    for form in FORMS:
        said = case.ask(case.user("[schema] Which city?"), form, schema=ANSWER)
        equal("answer", json.loads(said.text), scenario.fitting(ANSWER))


def thinks(said, thought):
    """Where the provider keeps its thoughts to itself, its answer says so."""
    if not said.text.startswith(scenario.UNSHOWN):
        equal("thought", said.thought, thought)


def thinking(case):
    for form in FORMS:
        question = case.user("[thinking] What is the answer?")
        said = case.ask(question, form, thinking=True)
        equal("answer", said.text.removeprefix(scenario.UNSHOWN), scenario.ANSWER)
        thinks(said, scenario.THOUGHT)
        more = question + case.client.given_back(said) + case.user("[thinking] And then?")
        said = case.ask(more, form, thinking=True)
        equal("second answer", said.text.removeprefix(scenario.UNSHOWN), scenario.AGAIN)
    thoughts = [said.thought for said in with_tools(case, "[thinking]", [WEATHER], [WEATHER], thinking=True)]
    shown = [scenario.THOUGHT, scenario.AFTERTHOUGHT] * len(FORMS)
    if case.upstream != "openai" or any(thoughts):
        equal("thoughts around tools", thoughts, shown)


# What a provider does not count; and what a client's dialect has no counter for.
UNCOUNTED = {"gemini": ["written"], "compatible": ["written", "reasoning"]}
UNTOLD = {"generate": ["written"]}


def usage(case):
    missing = UNCOUNTED.get(case.upstream, []) + UNTOLD.get(case.client.name, [])
    expected = dataclasses.asdict(scenario.COUNTERS) | dict.fromkeys(missing, 0)
    for form in FORMS:
        told = dict(case.ask(case.user("[usage] Count."), form).usage)
        total = told.pop("total")
        equal("usage", told, expected)
        assert total in (None, expected["input"] + expected["output"]), f"total: {total}"


# The exception of each client.
REJECTED = {"chat": "BadRequestError", "responses": "BadRequestError", "messages": "BadRequestError", "generate": "ClientError"}
BUSY = {
    "chat": {429: "RateLimitError", 503: "InternalServerError", 529: "InternalServerError"},
    "messages": {429: "RateLimitError", 503: "ServiceUnavailableError", 529: "OverloadedError"},
    "generate": {429: "ClientError", 503: "ServerError", 529: "ServerError"},
}


def error(case):
    for form in FORMS:
        failure = case.fails("[error] Anything.", form)
        refused(failure)
        equal("exception", (failure.status, failure.kind), (400, REJECTED[case.client.name]))
        assert scenario.REJECTED in failure.message, f"message: {failure.message!r}"
        failure = case.fails("[overloaded] Anything.", form)
        kinds = BUSY["chat" if case.client.name == "responses" else case.client.name]
        equal("exception when busy", failure.kind, kinds.get(failure.status, f"one of {kinds}, not of {failure.status}"))


class Refused(Exception):
    """The gateway's own refusal of what the target cannot be asked for."""


def refused(failure):
    if failure.status == 400 and (failure.lattice or {}).get("code") == "caller_unsupported":
        raise Refused(failure.message)


def cut_stream(case):
    for form in FORMS:
        failure = case.fails("[cut] Anything.", form)
        refused(failure)
        assert failure.status is None or failure.status >= 500, f"cut: {failure}"
    failure = case.fails("[midstream] Anything.", True)
    assert failure.status is None or failure.status >= 500, f"midstream: {failure}"
    assert failure.message, "an error event without a word"


FEATURES = {
    "text": text,
    "stream": stream,
    "tools": tools,
    "parallel tools": parallel,
    "image": image,
    "JSON schema": schema,
    "thinking": thinking,
    "usage": usage,
    "error": error,
    "cut stream": cut_stream,
}
