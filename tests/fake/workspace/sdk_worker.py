"""Databricks' own Python SDK at our orders: reads a line of JSON, makes a client so configured, answers with a line.

Question: {"environ": {…}, "config": {Config's arguments}, "calls": [["current_user.me", {…}], …], "pause": bool}.
Answer: {"auth_type", "headers", "results": [value or {"error": class, "message": text}]} or {"error", "message"}.
"""

import json
import os
import sys

KEPT = dict(os.environ)


def plain(value):
    if hasattr(value, "as_dict"):
        return value.as_dict()
    return value if isinstance(value, (str, int, float, bool, type(None), dict, list)) else str(value)


def describe(error):
    return {"error": type(error).__name__, "message": str(error)}


def call(client, name, arguments):
    try:
        target = client
        for part in name.split("."):
            target = getattr(target, part)
        return plain(target(**arguments))
    except Exception as error:  # what the SDK raises is the answer
        return describe(error)


def answer(question, clients):
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config
    os.environ.clear()
    os.environ.update({**KEPT, **question.get("environ", {})})
    try:
        name = question.get("client", "")
        client = clients.get(name) if name else None
        if client is None:
            arguments = {"retry_timeout_seconds": 5, **question.get("config", {})}
            client = clients[name] = WorkspaceClient(config=Config(**arguments))
        return {"auth_type": client.config.auth_type, "headers": client.config.authenticate(),
                "results": [call(client, *one) for one in question.get("calls", [])]}
    except Exception as error:  # as above
        return describe(error)


def main():
    clients = {}
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), clients)), flush=True)


main()
