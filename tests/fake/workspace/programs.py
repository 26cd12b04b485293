"""Puts the fake `databricks` and `az` into a folder for PATH; each does what its behaviour file says when it is run."""

import json
import os
import shlex
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE_OF_THE_REAL_ONE = 1 << 20  # anything smaller is taken for the old Python CLI
TENANT = "99999999-8888-7777-6666-555555555555"


class Tool:
    name, script, size = "", "", 0
    behaviour = {"record": None, "delay": 0.0, "login": "ok", "user": "someone@example.com"}

    def __init__(self, folder, control_port, record=None):
        self.path = os.path.join(folder, self.name)
        self.behaviour_path = self.path + ".json"
        self.record_path = record
        self.facts = {**Tool.behaviour, **self.behaviour, "control_port": control_port, "record": record}
        self.set()
        # The interpreter's own start is most of a refresh, so it gets no site. The shell reads nothing beyond `exec`.
        text = (f"#!/bin/sh\nexec {shlex.quote(os.path.realpath(sys.executable))} -S -E -s {shlex.quote(os.path.join(HERE, self.script))} "
                f"{shlex.quote(self.behaviour_path)} \"$@\"\n")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text + "#" * (self.size - len(text)))
        os.chmod(self.path, 0o755)

    def set(self, **facts):
        """At once for the next run: the file is replaced whole."""
        unknown = facts.keys() - self.facts.keys()
        if unknown:
            raise ValueError(f"{self.name} has no {unknown}")
        self.facts.update(facts)
        with open(self.behaviour_path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.facts, file)
        os.replace(self.behaviour_path + ".new", self.behaviour_path)

    def runs(self):
        """What is known of each run: pid, argv, environ, stdin_is_tty, group."""
        if not self.record_path or not os.path.exists(self.record_path):
            return []
        with open(self.record_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


class DatabricksCli(Tool):
    """login: ok, lapsed, none, m2m, hang, garbage, flood, crash. expiry: nanoseconds, whole, offset. profiles: known ones."""
    name, script, size = "databricks", "databricks_cli.py", SIZE_OF_THE_REAL_ONE + 4096
    behaviour = {"version": [0, 298, 0], "profiles": None, "expiry": "nanoseconds", "scope": "all-apis offline_access"}


class AzureCli(Tool):
    """login: ok, none, lapsed, hang. identity: person, service-principal, managed-identity. is_old: no expires_on."""
    name, script = "az", "azure_cli.py"
    behaviour = {"identity": "person", "tenant": TENANT, "subscription": "5ub", "is_old": False}


class Vault(Tool):
    """A company's own program for `exec`: prints JSON with expires_on. login: ok, none, hang."""
    name, script = "vault", "vault.py"
