"""Clients that go and do not come back: what they left running is interrupted, their session released."""

import os
import subprocess
import sys
import time
import uuid

from harness import SPARK, TOKEN, WAIT_S, Failure, expect, expect_equal
from registry import proxied
from reload_cases import ask
from wire import field, fields, text

EXECUTE, REATTACH = SPARK + "ExecutePlan", SPARK + "ReattachExecute"
INTERRUPT, RELEASE, CONFIG = SPARK + "Interrupt", SPARK + "ReleaseSession", SPARK + "Config"
USER = field(2, field(1, "someone"))
GRACE_MS = 400
RUNS_LONG = "messages=1000,size=1000,delay_ms=100"

# A client in a process of its own: it says the first message and waits to be killed.
PROCESS = """
import sys, grpc
target, path, body, fake, *session = sys.argv[1:]
metadata = [("x-fake", fake)] + [("x-session", name) for name in session]
call = grpc.insecure_channel(target).unary_stream(path)(bytes.fromhex(body), metadata=metadata)
for message in call:
    print("message", flush=True)
print("end", flush=True)
sys.stdin.read()
"""


class Ids:
    """A session and an operation in it."""

    def __init__(self):
        self.session, self.operation = str(uuid.uuid4()), str(uuid.uuid4())
        self.head = field(1, self.session) + USER

    def plan(self):
        return self.head + field(5, field(1, field(1, 1))) + field(6, self.operation)

    def reattach(self, last=None):
        return self.head + field(3, self.operation) + (field(5, last) if last else b"")


class Left:
    """A daemon on a unix socket, and a client process of it."""

    def __init__(self, scene, listen="unix", grace=f"{GRACE_MS}ms", main=None):
        self.scene = scene
        self.server = scene.fake(token=TOKEN)
        folder = scene.folder()
        os.chmod(folder, 0o700)
        address = f"unix:{folder}/s" if listen == "unix" else "127.0.0.1:0"
        self.daemon = scene.daemon(self.server, main={"listen": address, "orphan_grace": grace, **(main or {})})
        self.target = self.daemon.target
        self.ids = Ids()

    def run_process(self, fake=RUNS_LONG, session=(), wanted="message"):
        """Ends it by SIGKILL once it has said `wanted`."""
        process = subprocess.Popen([sys.executable, "-c", PROCESS, self.target, EXECUTE, self.ids.plan().hex(), fake,
                                    *session], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            for line in process.stdout:
                if line.strip() == wanted:
                    break
        finally:
            process.kill()
            process.wait(WAIT_S)
            process.stdout.close()
            process.stdin.close()

    def wait(self, method):
        """The request of the next call of this method at the server."""
        event = self.server.wait_event("end", lambda e: e["method"] == method)
        return bytes.fromhex(event["first"])

    def calls(self, method):
        return [e for e in self.server.begun() if e["method"] == method]

    def pass_grace(self):
        """Until a grace that began before this has ended for sure."""
        time.sleep(2.5 * GRACE_MS / 1000)

    def counts(self):
        return ask(self.daemon, "GET", "/status")[1]["counts"]

    def sessions(self):
        return ask(self.daemon, "GET", "/status")[1]["sessions"]

    def wait_status(self, what, is_so):
        end = time.monotonic() + WAIT_S
        while not is_so(ask(self.daemon, "GET", "/status")[1]):
            if time.monotonic() > end:
                raise Failure(f"status never showed: {what}")
            time.sleep(0.02)

    def expect_nothing(self):
        self.pass_grace()
        expect_equal((self.calls(INTERRUPT), self.calls(RELEASE)), ([], []), "calls of the daemon's own")


@proxied("orphan: a client killed in the middle of its results: interrupted, and the session released")
def killed(scene):
    left = Left(scene)
    left.run_process()
    request = left.wait(INTERRUPT)
    expect_equal(fields(request)[4], [3], "interrupt_type")
    expect_equal((text(request, 1), text(request, 6)), (left.ids.session, left.ids.operation), "what is interrupted")
    expect_equal(text(fields(request)[2][0], 1), "someone", "user")
    expect_equal(text(left.wait(RELEASE), 1), left.ids.session, "what is released")
    left.wait_status("no session", lambda status: status["sessions_total"] == 0)
    counts = left.counts()
    expect_equal((counts["operations_interrupted"], counts["sessions_released"]), (1, 1), "counts")
    log = left.daemon.log()
    expect(f"operation {left.ids.operation} is interrupted" in log and f"session {left.ids.session} is released" in log,
           "the log does not say so")


@proxied("orphan: over TCP nobody knows whose the session is: interrupted only")
def killed_tcp(scene):
    left = Left(scene, listen="tcp")
    left.run_process()
    expect_equal(text(left.wait(INTERRUPT), 6), left.ids.operation, "what is interrupted")
    left.pass_grace()
    expect_equal(left.calls(RELEASE), [], "released")


@proxied("orphan: an idle session is released when its client's process has ended")
def killed_idle(scene):
    left = Left(scene)
    left.run_process("messages=1,size=10", wanted="end")
    expect_equal(text(left.wait(RELEASE), 1), left.ids.session, "what is released")
    expect_equal(left.calls(INTERRUPT), [], "interrupted although it had ended")


@proxied("orphan: a client that lives keeps its session, also without a connection")
def alive(scene):
    left = Left(scene)
    client = scene.client(left.target)
    expect_equal(client.call(EXECUTE, left.ids.plan(), "messages=1,size=10", shape="us").code, "OK", "ExecutePlan")
    client.close()
    left.expect_nothing()
    expect_equal(len(left.sessions()), 1, "sessions")


@proxied("orphan: one that comes back in time and reattaches is left alone")
def reattached(scene):
    left = Left(scene)
    first = scene.client(left.target)
    call = first.start(EXECUTE, left.ids.plan(), RUNS_LONG, shape="us")
    last = text(next(iter(call.call)), 13)
    first.close()
    left.wait_status("orphaned", lambda status: status["sessions"][0]["state"] == "orphaned")
    second = scene.client(left.target)
    again = second.start(REATTACH, left.ids.reattach(last), RUNS_LONG, shape="us")
    next(iter(again.call))
    left.expect_nothing()
    again.cancel()


@proxied("orphan: one that comes back and calls for anything of its session is left alone")
def called(scene):
    left = Left(scene)
    first = scene.client(left.target)
    next(iter(first.start(EXECUTE, left.ids.plan(), RUNS_LONG, shape="us").call))
    first.close()
    left.wait_status("orphaned", lambda status: status["sessions"][0]["state"] == "orphaned")
    expect_equal(scene.client(left.target).call(CONFIG, left.ids.head + field(4, "x")).code, "OK", "Config")
    left.expect_nothing()


@proxied("orphan: a stream that is cancelled and reattached on its connection is none, as .NET clients do")
def cancelled(scene):
    left = Left(scene)
    client = scene.client(left.target)
    call = client.start(EXECUTE, left.ids.plan(), RUNS_LONG, shape="us")
    for _ in range(2):
        last = text(next(iter(call.call)), 13)
        call.cancel()
        left.expect_nothing()
        call = client.start(REATTACH, left.ids.reattach(last), RUNS_LONG, shape="us")
    next(iter(call.call))
    call.cancel()


@proxied("orphan: of a named session the operation is interrupted, the session stays for the others")
def named(scene):
    left = Left(scene)
    left.run_process(session=("etl",))
    request = left.wait(INTERRUPT)
    expect_equal(text(request, 6), left.ids.operation, "what is interrupted")
    plan = left.server.wait_event("end", lambda e: e["method"] == EXECUTE)
    expect_equal(text(request, 1), text(bytes.fromhex(plan["first"]), 1), "the session at the server")
    expect(text(request, 1) != left.ids.session, "the name was not used")
    left.pass_grace()
    expect_equal(left.calls(RELEASE), [], "released")


@proxied("orphan: a session that another process has used is not released")
def shared(scene):
    left = Left(scene)
    other = scene.client(left.target)
    expect_equal(other.call(CONFIG, left.ids.head + field(4, "x")).code, "OK", "Config")
    left.run_process()
    other.close()
    expect_equal(text(left.wait(INTERRUPT), 6), left.ids.operation, "what is interrupted")
    left.pass_grace()
    expect_equal(left.calls(RELEASE), [], "released")


@proxied("orphan: orphan_grace = no leaves everything as it is")
def switched_off(scene):
    left = Left(scene, grace="no")
    left.run_process()
    left.expect_nothing()


@proxied("orphan: an operation that failed at the server is not interrupted")
def failed(scene):
    left = Left(scene)
    client = scene.client(left.target)
    result = client.call(EXECUTE, left.ids.plan(), "status=13,message=boom", shape="us")
    expect_equal((result.code, result.details), ("INTERNAL", "boom"), "ExecutePlan")
    client.close()
    left.expect_nothing()


@proxied("session: forgotten when nobody has called for it for session_idle_timeout")
def expired(scene):
    left = Left(scene, main={"session_idle_timeout": "500ms"})
    client = scene.client(left.target)
    running = client.start(EXECUTE, left.ids.plan(), RUNS_LONG, shape="us")
    next(iter(running.call))
    other = Ids()
    expect_equal(client.call(CONFIG, other.head + field(4, "x")).code, "OK", "Config")
    left.wait_status("one session", lambda status: status["sessions_total"] == 1)
    expect_equal([s["session_id"] for s in left.sessions()], [left.ids.session], "the one in use stays")
    running.cancel()
    left.wait_status("no session", lambda status: status["sessions_total"] == 0)
    expect_equal(left.counts()["sessions_expired"], 2, "sessions_expired")


@proxied("session: forgotten when the server says that it is closed, or another one")
def closed(scene):
    left = Left(scene)
    client = scene.client(left.target)
    for condition in ("SESSION_CLOSED", "SESSION_CHANGED"):
        ids = Ids()
        expect_equal(client.call(CONFIG, ids.head + field(4, "x")).code, "OK", "Config")
        expect_equal(len(left.sessions()), 1, "sessions")
        said = f"[INVALID_HANDLE.{condition}] The handle is invalid."
        result = client.call(CONFIG, ids.head + field(4, "x"), f"status=13,message={said}")
        expect(result.code == "INTERNAL" and result.details.startswith(said), f"the client gets {result.code}: {result.details!r}")
        expect_equal(left.sessions(), [], "sessions")
    ids = Ids()
    client.call(CONFIG, ids.head + field(4, "x"))
    client.call(CONFIG, ids.head + field(4, "x"), "status=13,message=[INVALID_HANDLE.FORMAT] no")
    expect_equal(len(left.sessions()), 1, "sessions after another error")
    expect_equal(client.call(RELEASE, ids.head + field(3, "x")).code, "OK", "ReleaseSession")
    expect_equal(left.sessions(), [], "sessions after ReleaseSession")
