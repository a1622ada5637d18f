"""llama.cpp's own server on the model that is named first, until standard input ends.

Prints one line: {"base_url": ...}. A parent that dies closes standard input too.
"""

import json
import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_parallel = 2
params.n_ctx = 2048
params.use_jinja = True
server = xllamacpp.Server(params)
print(json.dumps({"base_url": server.listening_address + "/v1"}), flush=True)
sys.stdin.read()
