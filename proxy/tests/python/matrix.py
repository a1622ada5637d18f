"""The conformance matrix: every official client before every kind of upstream, through the gateway.

  matrix.py BASE KEY UPSTREAMS_JSON [--json | --table] [--only PLACE]

BASE is the gateway's root, UPSTREAMS_JSON names its model for each kind of upstream:
`{"openai": "gpt", "anthropic": "claude", …}`, all before `upstreams.py`. A cell is `passed`, or
`refused` with the message of a 400 whose `lattice.code` is `caller_unsupported`; anything else is
a failure with its reason, and the exit code is then 1. `--only` keeps the cells whose place
("chat openai tools") begins so.
"""

import concurrent.futures
import json
import sys
import textwrap

sys.dont_write_bytecode = True

import other_routes
from clients import CLIENTS
from features import FEATURES, Case, Refused, refused

THREADS = 4


def outcome(client, check, *arguments):
    """What became of one cell, as a value."""
    try:
        check(*arguments)
    except Refused as refusal:
        return {"result": "refused", "message": str(refusal)}
    except Exception as error:
        failure = client.failure(error)
        if failure is None:
            return {"result": "FAILED", "message": f"{type(error).__name__}: {error}"}
        try:
            refused(failure)
        except Refused as refusal:
            return {"result": "refused", "message": str(refusal)}
        return {"result": "FAILED", "message": f"{failure.kind} {failure.status}: {failure.message}"}
    return {"result": "passed"}


def cells(base, key, upstreams):
    """`(table, row, column, client, check, arguments)` of every cell."""
    for kind in CLIENTS:
        client = kind(base, key)
        for upstream, model in upstreams.items():
            for name, check in FEATURES.items():
                yield "features", f"{client.name} {upstream}", name, client, check, (Case(client, model, upstream),)
    for table, row, column, client, check, arguments in other_routes.cells(base, key, upstreams):
        yield table, row, column, client, check, arguments


def run(base, key, upstreams, only=""):
    chosen = [cell for cell in cells(base, key, upstreams) if f"{cell[1]} {cell[2]}".startswith(only)]
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        outcomes = pool.map(lambda cell: outcome(cell[3], cell[4], *cell[5]), chosen)
        return [{"table": cell[0], "row": cell[1], "column": cell[2]} | found for cell, found in zip(chosen, outcomes)]


MARKS = {"passed": "passed", "refused": "refused", "FAILED": "FAILED"}


def table_of(found):
    """The cells as tables, and below them what was refused or failed, and why."""
    lines = []
    for table in dict.fromkeys(cell["table"] for cell in found):
        here = [cell for cell in found if cell["table"] == table]
        rows, columns = (list(dict.fromkeys(cell[name] for cell in here)) for name in ("row", "column"))
        results = {(cell["row"], cell["column"]): MARKS[cell["result"]] for cell in here}
        width = max(map(len, rows))
        lines.append(" ".join([table.ljust(width)] + [column.ljust(max(8, len(column))) for column in columns]).rstrip())
        for row in rows:
            marks = [results.get((row, column), "").ljust(max(8, len(column))) for column in columns]
            lines.append(" ".join([row.ljust(width)] + marks).rstrip())
        lines.append("")
    for result in ("refused", "FAILED"):
        for cell in found:
            if cell["result"] == result:
                said = f"{result}: {cell['row']}, {cell['column']}: {cell['message']}"
                lines += textwrap.wrap(said, 160, subsequent_indent="    ")
    return "\n".join(lines)


def main(arguments):
    only = ""
    if "--only" in arguments:
        place = arguments.index("--only")
        only = arguments[place + 1]
        del arguments[place : place + 2]
    forms = [arguments.pop(arguments.index(form)) for form in ("--json", "--table") if form in arguments]
    base, key, upstreams = arguments
    found = run(base, key, json.loads(upstreams), only)
    print(json.dumps(found, ensure_ascii=False) if "--json" in forms else table_of(found))
    sys.exit(any(cell["result"] == "FAILED" for cell in found))


if __name__ == "__main__":
    main(sys.argv[1:])
