"""What the scripted upstreams answer, whatever their wire: a request is read into an `Ask`,
`play` makes a `Reply` of it, and the wire writes that down in its own form.

The scenario is a marker in the last text of the user. Without one the answer is a plain word
(JSON where a schema is asked for), because real programs ask small things on the side.
"""

import base64
import dataclasses
import hashlib
import json
import re

from provider_mock import Refused

# Not ASCII, several bytes a character, several characters a sign.
SENTENCE = "Grüße aus Łódź: naïve 数据, שלום — and a duck 🦆 beside an astronaut 👩‍🚀."
PLAIN = "Understood."
THOUGHT = "First I weigh the question — 思考 — and only then I speak."
AFTERTHOUGHT = "What came back settles it."
ANSWER = "Having thought about it, I say forty-two."
AGAIN = "With my earlier thought at hand, I say forty-three."
# Where a wire does not show thoughts, the answer says so: nobody can wait for them then.
UNSHOWN = "My thoughts stay with me. "
BEFORE = "This much was said "
STUMBLED = "lattice-mock: the engine stumbled"
REJECTED = "lattice-mock: this model does not care for that question"
BUSY = "lattice-mock: come back in a second"
# Seconds that the busy ones ask for.
RETRY_AFTER = 1
COUNTED = 4242
LONG = [f"step {number} " for number in range(400)]
LONG_PACE = 0.02

MARKER = re.compile(r"\[(text|tools|parallel|image|schema|thinking|usage|error|overloaded|midstream|cut|long)\]")
SIGNS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}
# Tools of real programs, and what they are called with.
ECHO = "echo lattice-ok"
KNOWN_TOOLS = {
    "Bash": {"command": ECHO, "description": "Print a word"},
    "exec_command": {"cmd": ECHO},
    "shell_command": {"command": ECHO},
    "shell": {"command": ["bash", "-lc", ECHO]},
}


@dataclasses.dataclass
class Thought:
    text: str


@dataclasses.dataclass
class Text:
    text: str


@dataclasses.dataclass
class Call:
    name: str
    arguments: dict
    id: str = None


@dataclasses.dataclass
class Result:
    """`text` is what the tool said, as far down as the wire lets one look."""

    name: str
    text: str


@dataclasses.dataclass
class Image:
    media_type: str
    data: str

    def read(self):
        """Its bytes, which are what the media type says."""
        try:
            content = base64.b64decode(self.data, validate=True)
        except ValueError:
            raise Refused(400, "image: the data is not base64") from None
        sign = SIGNS.get(self.media_type)
        if sign is None or not content.startswith(sign):
            raise Refused(400, f"image: {content[:8]!r} is no {self.media_type!r}")
        return content


@dataclasses.dataclass
class Turn:
    """`signed` where it came with a thought that this upstream has made and nobody has changed."""

    role: str
    texts: list = dataclasses.field(default_factory=list)
    images: list = dataclasses.field(default_factory=list)
    calls: list = dataclasses.field(default_factory=list)
    results: list = dataclasses.field(default_factory=list)
    signed: bool = False


@dataclasses.dataclass
class Ask:
    model: str
    turns: list
    stream: bool = False
    usage: bool = True
    # Name to JSON schema of the arguments.
    tools: dict = dataclasses.field(default_factory=dict)
    schema: dict = None
    thinks: bool = False
    # Whether thoughts are asked to be shown, and given back signed.
    shows: bool = True
    signs: bool = True

    def results(self):
        """Of the tools that the model called last."""
        found = []
        for turn in reversed(self.turns):
            if turn.role == "model":
                break
            found = turn.results + found
        return found


@dataclasses.dataclass
class Usage:
    """`input` includes what was read from and written to the cache, `output` the reasoning."""

    input: int = 17
    cached: int = 0
    written: int = 0
    output: int = 12
    reasoning: int = 0


# Every counter differs from every other, and so do the sums that a confusion would give.
COUNTERS = Usage(input=1011, cached=307, written=53, output=97, reasoning=41)


@dataclasses.dataclass
class Reply:
    parts: list
    usage: Usage = dataclasses.field(default_factory=Usage)
    # None, "midstream" or "cut".
    fault: str = None
    pace: float = 0

    def calls(self):
        return [part for part in self.parts if isinstance(part, Call)]

    def text(self):
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    def thought(self):
        return "".join(part.text for part in self.parts if isinstance(part, Thought))


@dataclasses.dataclass
class Frame:
    """One event of a stream; `says` where a piece of the answer's text is in it."""

    data: bytes
    says: bool = False


class Seals:
    """Signatures that an upstream has given and what they stand for. One that is unknown, or
    that stands for something else now, is refused as the provider would."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.given = {}

    def give(self, thing):
        canonical = json.dumps(thing, sort_keys=True)
        digest = hashlib.sha512(f"{self.prefix}{len(self.given)}{canonical}".encode()).digest()
        seal = base64.b64encode(self.prefix.encode() + digest).decode()
        self.given[seal] = canonical
        return seal

    def check(self, seal, thing):
        if seal not in self.given:
            raise Refused(400, f"signature {str(seal)[:24]!r} was not made here")
        if self.given[seal] != json.dumps(thing, sort_keys=True):
            raise Refused(400, f"signature {seal[:24]!r} stands for {self.given[seal]}, not for {json.dumps(thing)}")


def pieces(text, count=6):
    """The text in about so many parts, cut between any two code points."""
    size = max(1, len(text) // count)
    return [text[start : start + size] for start in range(0, len(text), size)]


def fitting(schema, name="value"):
    """A value that fits a JSON schema of the plain kind."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return fitting(schema[choice][0], name)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    kind = str(kind).lower()
    if kind == "object":
        asked = schema.get("properties", {})
        return {key: fitting(asked.get(key, {}), key) for key in schema.get("required") or asked}
    if kind == "array":
        return [fitting(schema.get("items", {}), name)] * max(1, int(schema.get("minItems", 1)))
    return {"integer": 7, "number": 7.5, "boolean": True, "null": None}.get(kind, f"{name}: Zürich ☂")


def scenario_of(ask):
    asked = [text for turn in ask.turns if turn.role == "user" for text in turn.texts]
    marked = [found for text in asked for found in MARKER.findall(text)]
    return marked[-1] if marked else None


def play(ask):
    """Raises `Refused`."""
    scenario = scenario_of(ask)
    return SCENES[scenario](ask)


def plain(ask):
    return Reply([Text(json.dumps(fitting(ask.schema)) if ask.schema else PLAIN)])


def text(_):
    return Reply([Text(SENTENCE)])


def quoted(ask):
    """What the tools said, each after the name that it was asked by."""
    return "The tools said: " + "; ".join(f"{result.name} -> {result.text}" for result in ask.results())


def offered(ask):
    """A call of each tool that is offered."""
    if not ask.tools:
        raise Refused(400, "tools: none are offered")
    return [Call(name, KNOWN_TOOLS.get(name) or fitting(schema)) for name, schema in ask.tools.items()]


def chosen(ask):
    """One call, of a tool that does something where there is one."""
    calls = offered(ask)
    return next((call for call in calls if call.name in KNOWN_TOOLS), calls[0])


def tools(ask):
    if ask.results():
        return Reply([Text(quoted(ask))])
    return Reply([Text("I look it up. "), chosen(ask)])


def parallel(ask):
    results = ask.results()
    if results:
        if len(results) != 2:
            raise Refused(400, f"{len(results)} results for two calls")
        return Reply([Text(quoted(ask))])
    if len(offered(ask)) < 2:
        raise Refused(400, "tools: two are needed")
    return Reply(offered(ask)[:2])


def described(media_type, content):
    return f"{media_type}, {len(content)} bytes, {hashlib.sha256(content).hexdigest()[:16]}"


def image(ask):
    images = [image for turn in ask.turns for image in turn.images]
    if not images:
        raise Refused(400, "image: there is none")
    return Reply([Text("; ".join(described(image.media_type, image.read()) for image in images))])


def schema(ask):
    if not ask.schema:
        raise Refused(400, "schema: none is asked for")
    if not ask.schema.get("properties") or not ask.schema.get("required"):
        raise Refused(400, f"schema: {ask.schema} has lost its properties")
    return Reply([Text(json.dumps(fitting(ask.schema), ensure_ascii=False))])


def thinking(ask):
    if not ask.thinks:
        raise Refused(400, "thinking: it is not asked for")
    spoken = [turn for turn in ask.turns if turn.role == "model"]
    if ask.signs and not all(turn.signed for turn in spoken):
        raise Refused(400, "thinking: a turn of the model has come back without its signed thought")
    if ask.results():
        thought, said = AFTERTHOUGHT, Text(quoted(ask))
    elif ask.tools and not spoken:
        thought, said = THOUGHT, chosen(ask)
    else:
        thought, said = THOUGHT, Text(AGAIN if spoken else ANSWER)
    if not ask.shows and isinstance(said, Text):
        said = Text(UNSHOWN + said.text)
    return Reply([Thought(thought), said], Usage(output=30, reasoning=21))


def usage(_):
    return Reply([Text(SENTENCE)], COUNTERS)


def error(_):
    raise Refused(400, REJECTED)


def overloaded(_):
    raise Refused(None, BUSY)


def midstream(ask):
    if not ask.stream:
        raise Refused(500, STUMBLED)
    return Reply([Text(BEFORE * 4)], fault="midstream")


def cut(_):
    return Reply([Text(BEFORE * 4)], fault="cut")


def long(_):
    return Reply([Text("".join(LONG))], pace=LONG_PACE)


SCENES = {
    None: plain,
    "text": text,
    "tools": tools,
    "parallel": parallel,
    "image": image,
    "schema": schema,
    "thinking": thinking,
    "usage": usage,
    "error": error,
    "overloaded": overloaded,
    "midstream": midstream,
    "cut": cut,
    "long": long,
}
