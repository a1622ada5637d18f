"""What OPA itself says, for the tests that compare the gateway's engine with it.

Reads one JSON object from standard input and writes one JSON line for each question:
{"value": ...}, {} where the answer is undefined, or {"error": text}.

{"policies": {name: text}, "groups": [{"data": {...}, "questions": [{"path", "input"}]}]}

An engine that cannot take the policies or the data answers all questions of the group
with that error. `path` is dotted and without `data.`.
"""

import json
import sys

from opa_bindings import OpaEngine, OpaError, OpaUndefinedError


def answer(engine, question):
    try:
        return {"value": engine.eval_document(question["path"], question["input"])}
    except OpaUndefinedError:
        return {}
    except OpaError as error:
        return {"error": str(error)}


def answers(policies, group):
    with OpaEngine() as engine:
        engine.print_handler = lambda message, location: None
        try:
            for name, text in policies.items():
                engine.add_policy(name, text)
            engine.add_data(group["data"])
        except OpaError as error:
            return [{"error": str(error)} for _ in group["questions"]]
        return [answer(engine, question) for question in group["questions"]]


def main():
    asked = json.load(sys.stdin)
    for group in asked["groups"]:
        for found in answers(asked["policies"], group):
            print(json.dumps(found))


if __name__ == "__main__":
    main()
