"""Stands in for every provider at once, on one loopback port, and answers what `wires/scenario.py`
says: `upstreams.py KEY`. The first line on standard output is the port; it ends when standard
input does. (The recorded answers of real providers are in claude_mock.py and gemini_mock.py.)

  OpenAI      /v1/chat/completions, /v1/responses, /v1/responses/input_tokens, /v1/embeddings
  Anthropic   /v1/messages, /v1/messages/count_tokens
  Gemini      /v1 and /v1beta: models/{m}:generateContent, :streamGenerateContent?alt=sse,
              :countTokens, :batchEmbedContents, :embedContent
  compatible  /compat/v1/chat/completions, /compat/v1/embeddings: as vLLM and llama-server

Each request is held against the request types of that provider's own package, with no key that
they do not know at any level, and is refused with 400 in the wire's own form where it does not
fit. `GET /_log` lists what was received: `[{method, path, headers, body, status, scenario,
ended}]`, header names in lower case, `ended` "whole", "faulty" or how much a client that left had
been sent.
"""

import itertools
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

sys.dont_write_bytecode = True

import pydantic
from provider_mock import CUTS, Refused, Server, explained, readable
from wires.chat import Chat, Compatible
from wires.generate import Generate
from wires.messages import Messages
from wires.responses import Responses
from wires.scenario import COUNTED, STUMBLED, play, scenario_of
from wires.vectors import BatchEmbed, CompatibleEmbeddings, EmbedOne, Embeddings

GENERATE, OPENAI_CHAT, COMPATIBLE, RESPONSES, MESSAGES = Generate(), Chat(), Compatible(), Responses(), Messages()
ROUTES = [
    (r"/v1/chat/completions", OPENAI_CHAT, "generate"),
    (r"/compat/v1/chat/completions", COMPATIBLE, "generate"),
    (r"/v1/responses", RESPONSES, "generate"),
    (r"/v1/responses/input_tokens", RESPONSES, "count"),
    (r"/v1/messages(\?beta=true)?", MESSAGES, "generate"),
    (r"/v1/messages/count_tokens(\?beta=true)?", MESSAGES, "count"),
    (r"/v1(beta)?/models/[^/:?]+:(generateContent|streamGenerateContent\?alt=sse)", GENERATE, "generate"),
    (r"/v1(beta)?/models/[^/:?]+:countTokens", GENERATE, "count"),
    (r"/v1(beta)?/models/[^/:?]+:batchEmbedContents", BatchEmbed(), "embed"),
    (r"/v1(beta)?/models/[^/:?]+:embedContent", EmbedOne(), "embed"),
    (r"/v1/embeddings", Embeddings(), "embed"),
    (r"/compat/v1/embeddings", CompatibleEmbeddings(), "embed"),
]
COUNTS = {RESPONSES: {"object": "response.input_tokens", "input_tokens": COUNTED}, MESSAGES: {"input_tokens": COUNTED}, GENERATE: {"totalTokens": COUNTED}}
JSON = {"content-type": "application/json"}
# What each stream is cut after, where it is cut.
SAID = 3


def route_of(path):
    for pattern, wire, action in ROUTES:
        if re.fullmatch(pattern, path):
            return wire, action
    raise Refused(404, f"{path} is no route of this mock")


def admit(wire, headers, body, key):
    """What every route asks of a request; raises `Refused`."""
    if leaked := [name for name, value in headers.items() if "lat_" in value]:
        raise Refused(400, f"the caller's own key was sent on in {', '.join(leaked)}")
    if not headers.get("content-type", "").startswith("application/json"):
        raise Refused(400, "content-type is not application/json")
    wire.admit(headers, key)
    if not isinstance(body, dict):
        raise Refused(400, "the body is no JSON object")


def faulted(wire, reply, frames):
    """The bytes of each event, up to where the reply goes wrong."""
    said = 0
    for frame in frames:
        said += frame.says
        if reply.fault and said > SAID:
            yield wire.stumble(STUMBLED) if reply.fault == "midstream" else frame.data[: len(frame.data) // 2]
            return
        yield frame.data


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    key = None
    received = []

    def do_HEAD(self):
        self.head(200, {"content-length": "0"})

    def do_GET(self):
        if self.path == "/_log":
            return self.reply(200, JSON, json.dumps(self.received).encode())
        self.noted(None)
        self.reply(404, JSON, b'{"error":{"message":"no route of this mock"}}')

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.record = self.noted(readable(raw))
        wire = OPENAI_CHAT
        try:
            wire, action = route_of(self.path)
            self.answer(wire, action, raw, self.record["body"])
        except pydantic.ValidationError as error:
            self.refuse(wire, Refused(400, explained(error)))
        except UserWarning as warning:
            self.refuse(wire, Refused(400, str(warning)))
        except Refused as refusal:
            self.refuse(wire, refusal)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # What the types let pass and this mock has no answer to.
            self.refuse(wire, Refused(400, f"not understood: {error!r}"))

    def noted(self, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        record = {"method": self.command, "path": self.path, "headers": headers, "body": body, "status": 200, "ended": "whole"}
        self.received.append(record)
        return record

    def answer(self, wire, action, raw, body):
        headers = self.record["headers"]
        admit(wire, headers, body, self.key)
        if action == "embed":
            return self.reply(200, JSON, json.dumps(wire.embed(raw, body)).encode())
        ask = wire.read(self.path, headers, raw, body)
        if action == "count":
            return self.reply(200, JSON, json.dumps(COUNTS[wire]).encode())
        self.record["scenario"] = scenario_of(ask)
        reply = play(ask)
        if ask.stream:
            return self.stream(wire, ask, reply)
        whole = json.dumps(wire.whole(ask, reply), ensure_ascii=False).encode()
        time.sleep(min(1, reply.pace * 50))
        self.reply(200, JSON, whole, cut=reply.fault == "cut")

    def refuse(self, wire, refusal):
        status = refusal.status or wire.busy
        self.record |= {"status": status, "ended": f"refused: {refusal}"}
        print(f"{self.path}: {status} {refusal}", file=sys.stderr, flush=True)
        body = json.dumps(wire.error(status, str(refusal))).encode()
        self.reply(status, JSON | wire.error_headers(status), body)

    def head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def reply(self, status, headers, body, cut=False):
        self.head(status, headers | {"content-length": str(len(body))})
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.broken_off()

    def broken_off(self):
        self.record["ended"] = "faulty"
        self.close_connection = True

    def stream(self, wire, ask, reply):
        self.head(200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "transfer-encoding": "chunked"})
        writes = faulted(wire, reply, wire.frames(ask, reply))
        sent = 0
        try:
            for piece in writes if reply.pace else recut(b"".join(writes)):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += 1
                time.sleep(reply.pace or 0.001)
            if reply.fault == "cut":
                return self.broken_off()
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            self.record["ended"] = f"client left after {sent} pieces"
            self.close_connection = True

    def log_message(self, *_):
        pass


def recut(body):
    """Inside lines, inside characters, and several events at once."""
    sizes, position = itertools.cycle(CUTS), 0
    while position < len(body):
        size = next(sizes)
        yield body[position : position + size]
        position += size


def main():
    [Handler.key] = sys.argv[1:]
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
