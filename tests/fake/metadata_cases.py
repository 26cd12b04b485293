"""The metadata service: the daemon's logins for other programs, as Databricks' own SDK asks for them."""

import contextlib
import http.client
import http.server
import json
import os
import socket
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

from harness import TOKEN, Skipped, expect, expect_equal
from registry import proxied

HERE = Path(__file__).resolve().parent
SDK = HERE.parents[1] / "build" / "venvs" / "sdk" / "bin" / "python"  # tests/run.sh makes it
SERVICE = {"metadata_service": "127.0.0.1:0"}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


def status(daemon):
    with contextlib.closing(UnixConnection(os.path.join(daemon.folder, "sparkbouncer", "control.sock"))) as connection:
        connection.request("GET", "/status")
        return json.load(connection.getresponse())


def ask(url, method="GET", **headers):
    """Status and document; `x_databricks_host` becomes X-Databricks-Host."""
    parts = urllib.parse.urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)) as connection:
        headers = {"X-Databricks-Metadata-Version": "1",
                   **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, parts.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@contextlib.contextmanager
def workspace(token):
    """The least that the SDK asks for: who am I, for those who have the token."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers.get("Authorization") == "Bearer " + token
            is_me = self.path == "/api/2.0/preview/scim/v2/Me"
            body = json.dumps({"userName": "me@example.com"} if is_me and known else
                              {"error_code": "NO", "message": "no"}).encode()
            self.send_response((200 if known else 401) if is_me else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@proxied("metadata service: off unless it is asked for")
def off(scene):
    expect_equal(status(scene.daemon("sc://127.0.0.1:1"))["metadata_service"], None, "its address")


@proxied("metadata service: a token for the workspace of a profile, for nobody else, and not in the log")
def dialect(scene):
    daemon = scene.daemon(f"sc://127.0.0.1:1/;token={TOKEN}", main=SERVICE)
    url = status(daemon)["metadata_service"]
    host = {"X_Databricks_Host": "http://127.0.0.1:1/"}
    code, answer = ask(url, **host)
    expect_equal((code, answer.get("access_token"), answer.get("token_type")), (200, TOKEN, "Bearer"), "answer")
    expect(isinstance(answer["expires_on"], int) and answer["expires_on"] > time.time(), "expires_on is no later time")
    expect_equal(ask(url + "/p", **host)[0], 200, "by the profile's name")
    for what, wanted, answered in [
            ("another profile", 404, ask(url + "/q", **host)),
            ("another host", 404, ask(url, X_Databricks_Host="http://127.0.0.2:1")),
            ("no host", 400, ask(url)),
            ("another path", 404, ask(url[:-1] + "!", **host)),
            ("another version", 400, ask(url, X_Databricks_Metadata_Version="2", **host)),
            ("a page in a browser", 403, ask(url, Origin="http://localhost", **host)),
            ("a name that resolves to us", 403, ask(url, Host="rebound.example", **host)),
            ("POST", 405, ask(url, "POST", **host))]:
        expect_equal(answered[0], wanted, what)
        expect(TOKEN not in json.dumps(answered[1]), f"{what}: the token")
    expect(TOKEN not in daemon.log() and url.rsplit("/", 1)[1] not in daemon.log(), "a secret is in the log")


@proxied("metadata service: databricks-sdk logs in by it", limit=60.0)
def sdk(scene):
    if not SDK.exists():
        raise Skipped(f"there is no databricks-sdk ({SDK.parent.parent.name} in build/)")
    with workspace(TOKEN) as port:
        daemon = scene.daemon(f"sc://127.0.0.1:{port}/;token={TOKEN}", main=SERVICE)
        env = {"HOME": scene.folder(), "PATH": os.environ.get("PATH", ""), "NO_PROXY": "127.0.0.1,localhost"}
        ran = subprocess.run([SDK, HERE / "metadata_sdk.py", status(daemon)["metadata_service"],
                              f"http://127.0.0.1:{port}"], env=env, capture_output=True, text=True, timeout=50)
        expect_equal((ran.returncode, ran.stdout.strip()), (0, "metadata-service me@example.com"),
                     f"the SDK ({ran.stderr[-300:]})")
