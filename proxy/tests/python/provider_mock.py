"""What the mocks of Claude and Gemini share: an HTTP/1.1 server on loopback that judges
each request and answers with a provider's recorded bytes.

A mock is started as `SCRIPT FIXTURES KEY`. Its first line on standard output is its port; it
ends when standard input does, so also with a test that was killed. `GET /requests` lists what
it has received: `[{path, headers, body, answer}]`, header names in lower case, `answer` the
file of the recording or why there was none. A request that is refused is written to standard
error as well. `SCRIPT FIXTURES --list` prints each scenario as one JSON line.

Which recording answers: the one whose own request has the same *shape*, that is the last text
of the user, and whether it streams, calls for thinking or a JSON schema, the names of its
tools, how many tool results end it and how much media is in the last turn of the user. So a
test asks what was asked when the answer was recorded, and a gateway that loses the tools, the
schema or the image finds no answer. System prompt, sampling and model are free. Where two
recordings have one shape, bytes that were kept come before bytes that were rebuilt. What no
recording holds is asked for by name ("mock: ..."), and each mock lists those at its top.
"""

import dataclasses
import itertools
import json
import pathlib
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pydantic

# How a stream is cut into writes: inside lines, inside characters, and several events at once.
CUTS = (1, 40, 7, 333, 2, 1200)


class Refused(Exception):
    """The provider's own error, with the reason that a test needs."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


@dataclasses.dataclass
class Answer:
    name: str
    status: int
    headers: dict
    body: bytes
    shape: dict = None
    # The connection ends in the middle of the body.
    cut: bool = False


def recordings(fixtures, api, shape_of):
    """The recorded answers of one API, bytes that were kept first; those whose request has no
    shape that can be asked for (tools of the provider's own, no request) have none."""
    files = (pathlib.Path(fixtures) / "wire" / "dev").glob(f"*{api}-*.json")
    exchanges = [(file.name, json.loads(file.read_text("utf-8"))) for file in sorted(files)]
    exchanges.sort(key=lambda exchange: not exchange[1]["source"]["exact"])
    for name, exchange in exchanges:
        request, response = exchange["request"], exchange["response"]
        shape = request["body"] and shape_of(request["path"], request["body"])
        yield Answer(name, response["status"], response["headers"], response["body"].encode(), shape)


def explained(error):
    """A pydantic error on one line. Where a value is none of several types, the error that
    lies deepest is about the one that was meant."""
    found = sorted(error.errors(), key=lambda item: -len(item["loc"]))
    places = [".".join(str(step) for step in item["loc"] if "[" not in str(step)) for item in found]
    lines = [f"{place or 'body'}: {item['msg']}" for place, item in zip(places, found)]
    return "; ".join(lines[:6] + [f"and {len(lines) - 6} more"] * (len(lines) > 6))


class Provider:
    """What a mock says about its provider; `answers` are tried in their order."""

    def __init__(self, answers, named):
        # A wrong key is told by the key, not by what is asked with it.
        askable = [answer for answer in answers if answer.shape and answer.status != 401]
        self.answers = [answer for answer in askable if self.of_text(askable, answer.shape)[0] is answer]
        self.named = named

    def check_head(self, path, headers, key):
        """Raises `Refused`."""
        raise NotImplementedError

    def check_body(self, headers, raw, body):
        """Raises `Refused` or pydantic's error."""
        raise NotImplementedError

    def shape_of(self, path, body):
        raise NotImplementedError

    def error(self, status, message):
        """The body of an error."""
        raise NotImplementedError

    def answer(self, path, headers, raw, key):
        if leaked := [name for name, value in headers.items() if "lat_" in value]:
            raise Refused(400, f"the caller's own key was sent on in {', '.join(leaked)}")
        if not headers.get("content-type", "").startswith("application/json"):
            raise Refused(400, "content-type is not application/json")
        self.check_head(path, headers, key)
        body = readable(raw)
        if not isinstance(body, dict):
            raise Refused(400, "the body is no JSON object")
        try:
            self.check_body(headers, raw, body)
        except pydantic.ValidationError as error:
            raise Refused(400, explained(error)) from error
        shape = self.shape_of(path, body)
        if shape is None:
            raise Refused(400, "no recording answers this: no text of the user, or the provider's own tools")
        return self.named.get(shape["text"]) or self.of_shape(shape)

    @staticmethod
    def of_text(answers, wanted):
        """Those of the same text, the one of the same shape first."""
        alike = [answer for answer in answers if answer.shape["text"] == wanted["text"]]
        return sorted(alike, key=lambda answer: answer.shape != wanted)

    def of_shape(self, wanted):
        alike = self.of_text(self.answers, wanted)
        if alike and alike[0].shape == wanted:
            return alike[0]
        differing = [
            f"{answer.name} has {name} {answer.shape[name]!r}, not {wanted[name]!r}"
            for answer in alike
            for name in wanted
            if answer.shape[name] != wanted[name]
        ]
        raise Refused(400, "no recording answers this: " + ("; ".join(differing) or f"text {wanted['text']!r}"))


def handler_of(provider, key):
    received = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            found = self.path == "/requests"
            self.reply(200 if found else 404, {"content-type": "application/json"}, json.dumps(received).encode())

        def do_POST(self):
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            record = {"path": self.path, "headers": headers, "body": readable(raw)}
            received.append(record)
            try:
                answer = provider.answer(self.path, headers, raw, key)
            except Refused as refusal:
                record["answer"] = f"refused: {refusal}"
                print(f"{self.path}: {refusal}\n  {raw.decode(errors='replace')[:4000]}", file=sys.stderr, flush=True)
                body = provider.error(refusal.status, str(refusal))
                return self.reply(refusal.status, {"content-type": "application/json"}, json.dumps(body).encode())
            record["answer"] = answer.name
            if answer.headers["content-type"].startswith("text/event-stream"):
                return self.stream(answer)
            self.reply(answer.status, answer.headers, answer.body)

        def head(self, status, headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def reply(self, status, headers, body):
            self.head(status, headers | {"content-length": str(len(body))})
            self.wfile.write(body)

        def stream(self, answer):
            self.head(answer.status, answer.headers | {"transfer-encoding": "chunked"})
            sizes, position = itertools.cycle(CUTS), 0
            while position < len(answer.body):
                piece = answer.body[position : position + next(sizes)]
                position += len(piece)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                # Lets the reader see the pieces apart.
                time.sleep(0.001)
            if answer.cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_):
            pass

    return Handler


def readable(raw):
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A client that leaves is part of what is tested.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main(provider_of):
    fixtures, key = sys.argv[1:]
    provider = provider_of(fixtures)
    if key == "--list":
        for answer in provider.answers:
            print(json.dumps({"recording": answer.name, "status": answer.status} | answer.shape, ensure_ascii=False))
        for text, answer in provider.named.items():
            print(json.dumps({"recording": answer.name, "status": answer.status, "text": text}))
        return
    server = Server(("127.0.0.1", 0), handler_of(provider, key))
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
