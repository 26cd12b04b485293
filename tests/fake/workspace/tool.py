"""What the fake `databricks` and `az` share. Only modules that start fast: each refresh starts one."""

import json
import os
import socket
import sys
import time


def load(path):
    """The behaviour that the test wrote, and this run added to its record: arguments and environment as they were."""
    with open(path, encoding="utf-8") as file:
        behaviour = json.load(file)
    if behaviour.get("record"):
        line = json.dumps({"pid": os.getpid(), "argv": sys.argv[2:], "environ": dict(os.environ), "stdin_is_tty": os.isatty(0),
                           "group": os.getpgid(0)})
        with open(behaviour["record"], "a", encoding="utf-8") as file:
            file.write(line + "\n")
    time.sleep(behaviour.get("delay", 0))
    return behaviour


def mint(behaviour, kind, subject, claims):
    """A token that the workspace will know, from its control port."""
    body = json.dumps({"kind": kind, "subject": subject, "claims": claims}).encode()
    with socket.create_connection(("127.0.0.1", behaviour["control_port"]), 20) as sock:
        sock.sendall(b"POST /token/mint HTTP/1.1\r\nhost: control\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
                     % (len(body), body))
        answer = b""
        while part := sock.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        fail(f"Error: the fake workspace said: {body.decode()}")
    return json.loads(body)


def fail(text, code=1):
    sys.stderr.write(text + "\n")
    sys.exit(code)


def hang():
    while True:
        time.sleep(3600)


def option(arguments, name):
    """The value of `--name VALUE`; None when it is not there."""
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else None
