"""The HTTP servers behind Envoy and beside it: verdicts and refusals, REST, the local metadata services, control."""

import contextlib
import dataclasses
import email.utils
import json
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import refusals
import rest
from tokens import KINDS

VERDICT = "x-fake-workspace-verdict"
AUTHORIZE = "/authorize"
BODY_LIMIT = 1 << 20
REQUEST_PAUSE_S, LINGER_S = 0.5, 2.0
SPARK = "/spark.connect.SparkConnectService/"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address, handler, workspace, **more):
        super().__init__(address, handler)
        self.workspace = workspace
        self.__dict__.update(more)

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self.server_address[1]

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one write
    disable_nagle_algorithm = True
    server_version, sys_version = "databricks", ""

    def log_message(self, *arguments):
        pass

    def date_time_string(self, timestamp=None):
        workspace = self.server.workspace
        return email.utils.formatdate(timestamp or workspace.clock.now() + workspace["date_offset"], usegmt=True)

    def version_string(self):
        return "databricks"

    def lower_headers(self):
        return {name.lower(): value for name, value in self.headers.items()}

    def read_body(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return self._read_chunks()
        return self.rfile.read(min(int(self.headers.get("content-length") or 0), BODY_LIMIT))

    def _read_chunks(self):
        body = b""
        while (size := int(self.rfile.readline().split(b";")[0] or b"0", 16)) > 0:
            body = (body + self.rfile.read(size))[:BODY_LIMIT]
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def reply_json(self, value, status=200):
        self.reply(status, {"content-type": "application/json"}, json.dumps(value).encode())

    def answer_rest(self, routes, scheme):
        url = urllib.parse.urlsplit(self.path)
        host = self.headers.get("host", "")
        request = rest.Request(self.server.workspace, self.command, host, url.path,
                               dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)), self.lower_headers(),
                               self.read_body(), f"{scheme}://{host}")
        answer = rest.handle(request, routes)
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.reply(answer.status, answer.headers, answer.body)


def session_of(body):
    """Field 1 of the first gRPC message in `body`, where Spark Connect's requests have their session id; or None."""
    at, found = 5, None
    while at < len(body) and body[at] == 0x0A and at + 1 < len(body) and body[at + 1] < 0x80:
        end = at + 2 + body[at + 1]
        found, at = body[at + 2:end].decode("ascii", "replace"), end
    return found


class Front(Handler):
    """What Envoy asks (may this call pass?), where it sends those that may not, and all that is not gRPC."""
    has_request = False  # read to its end

    def respond(self):
        if self.path.startswith(AUTHORIZE):
            self._authorize()
        elif self.headers.get(VERDICT, "allow") != "allow":
            self._refuse()
        else:
            self.answer_rest(rest.FRONT_ROUTES, "https")

    def _authorize(self):
        path, body = self.path[len(AUTHORIZE):], self.read_body()
        session = session_of(body) if body and path.startswith(SPARK) else None
        name, form, words = self.server.workspace.judge_call(path, self.lower_headers(), session)
        verdict = "allow"
        if name:
            verdict = urllib.parse.urlencode({"name": name, "form": form or "", **words})
        self.reply(200, {VERDICT: verdict})

    def _refuse(self):
        """Answered once the request is there: an answer that overtakes it ends in a reset stream, which gRPC's own client
        has been seen to take for OK. Of a stream that waits for its answer what comes at once."""
        self.close_connection = True
        self._await_request(REQUEST_PAUSE_S)
        words = dict(urllib.parse.parse_qsl(self.headers[VERDICT], keep_blank_values=True))
        status, headers, body = refusals.respond(**words)
        # Said, so that Envoy sends nothing more on a connection that ends here.
        self.reply(status, {**headers, "connection": "close"}, body)
        self._await_request(LINGER_S)

    def _await_request(self, pause):
        """Reads and forgets, until the end or until nothing has come for a while."""
        self.connection.settimeout(pause)
        with contextlib.suppress(OSError, ValueError):
            if not self.has_request:
                self.read_body()
                self.has_request = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = respond


class Local(Handler):
    """The metadata services of this machine, in the clear."""

    def respond(self):
        self.answer_rest(rest.LOCAL_ROUTES, "http")

    do_GET = do_POST = respond


class Control(Handler):
    """For tests only. Everything is JSON; an answer other than 200 says what was wrong with the question."""

    def respond(self):
        try:
            body = json.loads(self.read_body() or b"{}")
            value = getattr(self, "do_" + self.path.strip("/").replace("/", "_"), self.no_such_thing)(**body)
            self.reply_json({} if value is None else value)
        except (TypeError, ValueError, KeyError) as error:
            self.reply_json({"error": str(error)}, 400)

    @property
    def workspace(self):
        return self.server.workspace

    def no_such_thing(self, **_):
        raise ValueError(f"there is no {self.path}")

    def do_counters(self):
        with self.workspace.lock:
            return {"counters": dict(self.workspace.counters), "requests": list(self.workspace.requests)}

    def do_forget(self):
        with self.workspace.lock:
            self.workspace.counters.clear()
            self.workspace.requests.clear()

    def do_settings(self, **values):
        self.workspace.set(**values)

    def do_reset(self):
        """As it was at the start but for counters and clusters; no token is known any more."""
        from workspace import SETTINGS
        with self.workspace.lock:
            self.workspace.settings = dict(SETTINGS)
            self.workspace.faults.clear()
        self.workspace.tokens.clear()
        self.workspace.clock.offset = 0.0

    def do_clock(self, offset):
        self.workspace.clock.offset = float(offset)

    def do_marker(self, text):
        self.workspace.tokens.marker = text

    def do_token_add(self, value, kind="pat", subject="", life=None):
        if kind not in KINDS:
            raise ValueError(f"there is no kind of token {kind}")
        return {"print": self.workspace.tokens.add(value, kind, subject, life).print}

    def do_token_mint(self, kind, subject="", claims=None):
        """For the fake command line tools, which in life talk to these servers themselves."""
        self.workspace.wait("tool")
        token = self.workspace.mint(kind, subject or self.workspace["user"], **(claims or {}))
        return {"value": token.value, "expires": token.expires, "life": self.workspace.life(kind)}

    def do_revoke(self, kind=None, value=None):
        return {"revoked": self.workspace.tokens.revoke(
            lambda token: (kind is None or token.kind == kind) and (value is None or token.value == value))}

    def do_cluster(self, id, **facts):
        cluster = self.workspace.clusters.put(id, **facts)
        return dataclasses.asdict(cluster)

    def do_cluster_remove(self, id):
        self.workspace.clusters.remove(id)

    def do_fail(self, place, **facts):
        self.workspace.add_fault(place=place, **facts)

    def do_now(self):
        return {"now": self.workspace.clock.now(), "real": time.time()}

    do_GET = do_POST = respond
