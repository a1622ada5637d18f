"""A command under `lattice run`: prints what it finds in its environment, asks the gateway
the ways that clients do, and ends with the code that it is told to.

One JSON value a line. Arguments: the model, the exit code.
"""

import json
import os
import sys
import urllib.request

from openai import OpenAI


def ask(headers):
    """A chat request with these headers; its status."""
    body = {"model": sys.argv[1], "messages": [{"role": "user", "content": "Hello"}]}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", **headers},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
        return reply.status


print(json.dumps(dict(os.environ)))
reply = OpenAI().chat.completions.create(
    model=sys.argv[1], messages=[{"role": "user", "content": "Hello"}]
)
# As Anthropic's and Google's clients carry their keys.
both = {
    "x-api-key": os.environ["ANTHROPIC_API_KEY"],
    "authorization": "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"],
}
statuses = [ask(both), ask({"x-goog-api-key": os.environ["GEMINI_API_KEY"]})]
print(json.dumps({"text": reply.choices[0].message.content, "statuses": statuses}))
print(json.dumps(sys.stdin.read()))
print("said on stderr", file=sys.stderr)
sys.exit(int(sys.argv[2]))
