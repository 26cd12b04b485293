"""The local Spark server: for sessions of a profile that leads nowhere, and for those that never had another."""

import contextlib
import json
import os
import re
import signal
import socket
import threading

from harness import SPARK, TOKEN, WAIT_S, expect, expect_equal
from policy_cases import USER
from registry import proxied
from reload_cases import Edited, ask
from wire import field, text

SESSION = "5e551000-0000-4000-8000-0000000009{:02d}"
NOWHERE = "sc://127.0.0.1:1/;token=" + TOKEN
OBSERVED = field(8, "5e55104e-0000-4000-8000-00000000fa4e")  # client_observed_server_side_session_id of Config


class Local:
    """What the daemon may start: a fake server; its events go to a file, and its process ids to another."""

    def __init__(self, scene, options="", before=""):
        self.scene = scene
        self.folder = scene.folder()
        self.events_path = os.path.join(self.folder, "events")
        self.pids_path = os.path.join(self.folder, "pids")
        script = os.path.join(self.folder, "local-spark")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho $$ >>{self.pids_path}\n{before}\n"
                       f"exec {scene.ring.program('fake-server')} --host 127.0.0.1 --port $1 "
                       f"--token \"$SPARK_CONNECT_AUTHENTICATE_TOKEN\" --record {self.events_path} {options}\n")
        os.chmod(script, 0o700)
        self.command = f"exec {script} {{port}}"

    def pids(self):
        with contextlib.suppress(FileNotFoundError), open(self.pids_path, encoding="ascii") as file:
            return [int(line) for line in file]
        return []

    def events(self, event="end"):
        found = []
        with contextlib.suppress(FileNotFoundError), open(self.events_path, encoding="utf-8") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    found += [entry] if entry["event"] == event else []
        return found

    def has(self, result):
        """Whether the call of that result came to the local server."""
        return any(["x-case", result["case"]] in e["metadata"] for e in self.events("begin"))


def config(client, number, more=b"", **keywords):
    return client.call(SPARK + "Config", field(1, SESSION.format(number)) + USER + more, **keywords)


def daemon(scene, upstream, local, main=None, **profile):
    return scene.daemon(upstream, main={"local_spark": local.command, **(main or {})},
                        **{"connect_timeout": "500ms", **profile})


def status(front):
    code, document = ask(front, "GET", "/status")
    expect_equal(code, 200, "status of /status")
    return document


def logged(front, pattern):
    """Waits for a line of the log that matches."""
    deadline = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        found = re.search(pattern, front.log())
        if found:
            return found
        deadline.wait(0.02)
    expect(False, f"the log has no {pattern}: {front.log()[-800:]}")


def gone(pid):
    """Waits for the end of a process that is nobody's child here."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            import select
            expect(select.select([descriptor], [], [], WAIT_S)[0], f"process {pid} still runs")
        finally:
            os.close(descriptor)


def expect_ok(result):
    expect_equal((result.code, result.details), ("OK", ""), "the call")


@proxied("local: a new session of a server that cannot be reached goes there, its later calls follow")
def falls_back(scene):
    local = Local(scene)
    front = daemon(scene, NOWHERE, local, fallback="local")
    client = scene.client(front)
    first = config(client, 1)
    expect_ok(first)
    expect(local.has(first), "the call did not come to the local server")
    second = config(client, 1, more=OBSERVED)
    expect_ok(second)
    plan = client.call(SPARK + "ExecutePlan", field(1, SESSION.format(1)) + USER, shape="us")
    expect_ok(plan)
    expect(local.has(second) and local.has(plan), "later calls did not follow")
    tokens = {value for e in local.events() for key, value in e["metadata"] if key == "authorization"}
    expect(len(tokens) == 1 and TOKEN not in "".join(tokens), f"tokens at the local server: {len(tokens)}")
    logged(front, f"session {SESSION.format(1)} goes to the local Spark server: cannot reach 127.0.0.1:1")


@proxied("local: without fallback nothing changes")
def stays(scene):
    local = Local(scene)
    result = config(scene.client(daemon(scene, NOWHERE, local)), 2)
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect_equal(local.pids(), [], "servers started")


@proxied("local: a session that its server has answered never moves; a new one does")
def never_in_the_middle(scene):
    local = Local(scene)
    server = scene.fake(token=TOKEN)
    front = daemon(scene, server, local, fallback="local")
    client = scene.client(front)
    expect_ok(config(client, 3))
    server.kill()
    old, new = config(client, 3), config(client, 4)
    expect_equal(old.code, "UNAVAILABLE", "status of the old session")
    expect("cannot reach" in old.details, f"details: {old.details}")
    expect_ok(new)
    expect(local.has(new) and not local.has(old), "who came to the local server")


@proxied("local: a client that says it has had an answer is not new, though the daemon is; nor is what ends things")
def not_new(scene):
    local = Local(scene)
    client = scene.client(daemon(scene, NOWHERE, local, fallback="local"))
    expect_equal(config(client, 5, more=OBSERVED).code, "UNAVAILABLE", "status")
    body = field(1, SESSION.format(6)) + USER
    for method in ("ReleaseSession", "Interrupt", "FetchErrorDetails"):
        expect_equal(client.call(SPARK + method, body).code, "UNAVAILABLE", method)
    expect_equal(client.call("/some.other.Service/Method", b"").code, "UNAVAILABLE", "a call without a session")
    expect_equal(local.pids(), [], "servers started")


@proxied("local: when the server is back new sessions go there; what is local stays local")
def comes_back(scene):
    local = Local(scene)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    front = daemon(scene, f"sc://127.0.0.1:{port}/;token={TOKEN}", local, fallback="local")
    client = scene.client(front)
    expect_ok(config(client, 7))
    server = scene.fake(token=TOKEN, port=port)
    ask(front, "POST", "/probe", {"profile": "p"})
    for number in range(8, 40):  # those that come before the connection is there go to the local one still
        result = config(client, number)
        expect_ok(result)
        if not local.has(result):
            break
        threading.Event().wait(0.05)
    expect(not local.has(result), "new sessions still go to the local server")
    expect(server.of_case("end", result["case"]), "the server has not seen it")
    logged(front, "is reached again; new sessions go there")
    again = config(client, 7)
    expect_ok(again)
    expect(local.has(again), "the local session has moved")


@proxied("local: scripts that come together share one server, and wait for it without an answer")
def shared(scene):
    local = Local(scene, before="sleep 0.5")
    front = daemon(scene, "local", local)
    clients = [scene.client(front) for _ in range(5)]
    running = [client.start(SPARK + "Config", field(1, SESSION.format(40 + i)) + USER)
               for i, client in enumerate(clients)]
    results = [call.finish() for call in running]
    for i, result in enumerate(results):
        expect_equal((result.code, text(result["messages"][0], 1)), ("OK", SESSION.format(40 + i)), "answer")
    expect_equal(len(local.pids()), 1, "servers started")
    document = status(front)["local_spark"]
    expect_equal((document["state"], document["pid"], document["sessions"]), ("ready", local.pids()[0], 5), "status")
    expect_equal({s["is_local"] for s in status(front)["sessions"]}, {True}, "is_local of the sessions")


@proxied("local: upstream = local needs no other, and serves calls without a session; a profile's fallback shares it")
def always(scene):
    local = Local(scene)
    front = scene.daemon("local", main={"local_spark": local.command},
                         others={"q": {"upstream": NOWHERE, "fallback": "local", "connect_timeout": "500ms"}})
    expect("a local Spark server" in "".join(line for line in front.lines if line.startswith("ready")),
           f"the ready line says nothing of it: {front.lines}")
    client = scene.client(front)
    expect_ok(client.call("/some.other.Service/Method", b"x", "echo"))
    other = config(client, 10, metadata=[("x-profile", "q")])
    expect_ok(other)
    expect(local.has(other), "not at the local server")
    expect_equal(len(local.pids()), 1, "servers started")


@proxied("local: a profile that cannot be used falls back too, and says so when the daemon is ready")
def unusable(scene):
    local = Local(scene)
    front = scene.daemon(NOWHERE, main={"local_spark": local.command, "profile": "q"}, others={"q": {"fallback": "local"}})
    expect("unusable" in "".join(line for line in front.lines if line.startswith("ready")),
           f"the ready line says nothing of it: {front.lines}")
    client = scene.client(front)
    expect_ok(config(client, 11))
    expect_ok(config(client, 11))
    expect_equal(client.call("/some.other.Service/Method", b"").code, "FAILED_PRECONDITION", "without a session")


@proxied("local: a profile that gets no credential falls back too")
def without_credential(scene):
    local = Local(scene)
    server = scene.fake(token=TOKEN)
    front = daemon(scene, f"sc://{server.address}", local, fallback="local", exec="exit 3")
    result = config(scene.client(front), 30)
    expect_ok(result)
    expect(local.has(result), "not at the local server")
    logged(front, "goes to the local Spark server: .*exec: the command")


@proxied("local: so does one whose token is refused, for sessions that have had nothing there")
def token_refused(scene):
    local = Local(scene)
    server = scene.fake(token="another")
    front = daemon(scene, server, local, fallback="local")
    client = scene.client(front)
    result = config(client, 31)
    expect_ok(result)
    expect(local.has(result), "not at the local server")
    plan = client.call(SPARK + "ExecutePlan", field(1, SESSION.format(31)) + USER, shape="us")
    expect_ok(plan)
    expect(local.has(plan), "not at the local server")


@proxied("local: so does one where a page of something in between answers")
def page(scene):
    local = Local(scene)
    front = daemon(scene, scene.raw("--fault", "http=503"), local, fallback="local")
    result = config(scene.client(front), 32)
    expect_ok(result)
    expect(local.has(result), "not at the local server")


@proxied("local: a command that fails is told in one sentence, with its last line, and not repeated at once")
def fails(scene):
    local = Local(scene, before="echo 'Exception: no Java here' >&2\nprintf '\\tat Some.java:1\\n'\nexit 3")
    front = daemon(scene, NOWHERE, local, fallback="local")
    client = scene.client(front)
    for number in (12, 13):
        result = config(client, number)
        expect_equal(result.code, "UNAVAILABLE", "status")
        expect("local Spark server ended before it was ready (exit code 3): Exception: no Java here" in result.details,
               f"details: {result.details}")
    expect_equal(len(local.pids()), 1, "times started")
    document = status(front)["local_spark"]
    expect_equal(document["state"], "failed", "state")
    expect("no Java here" in document["problem"], f"problem: {document['problem']}")


@proxied("local: it stops when nobody uses it, its sessions are told, new ones start another")
def idle(scene):
    local = Local(scene)
    front = daemon(scene, "local", local, main={"local_idle_timeout": "300ms"})
    client = scene.client(front)
    expect_ok(config(client, 15))
    gone(local.pids()[0])
    logged(front, "stopping the local Spark server: no call for local_idle_timeout")
    logged(front, "the local Spark server has stopped")
    expect_equal(status(front)["local_spark"]["state"], "none", "state")
    lost = config(client, 15)
    expect_equal(lost.code, "FAILED_PRECONDITION", "status of the session that is gone")
    expect("make a new session" in lost.details, f"details: {lost.details}")
    expect_ok(config(client, 16))
    expect_equal(len(local.pids()), 2, "servers started")


@proxied("local: a call that runs keeps it")
def busy(scene):
    local = Local(scene)
    front = daemon(scene, "local", local, main={"local_idle_timeout": "200ms"})
    client = scene.client(front)
    result = client.call(SPARK + "Config", field(1, SESSION.format(17)) + USER, "first_delay_ms=1500")
    expect_ok(result)
    expect_equal(len(local.pids()), 1, "servers started")


@proxied("local: the end of the server in the middle is told, at once")
def dies(scene):
    local = Local(scene)
    front = daemon(scene, "local", local)
    client = scene.client(front)
    expect_ok(config(client, 18))
    os.kill(local.pids()[0], signal.SIGKILL)
    logged(front, r"the local Spark server has ended by itself \(signal 9\)")
    result = config(client, 18)
    expect_equal(result.code, "FAILED_PRECONDITION", "status")
    expect("has ended by itself" in result.details, f"details: {result.details}")


@proxied("local: it ends with the daemon, whether that stops or is killed, and what it left behind with it")
def ends_with_daemon(scene):
    for number in (signal.SIGTERM, signal.SIGKILL):
        local = Local(scene, before="sleep 300 &\necho $! >>" + "$0.child\npwd >$0.folder")
        front = daemon(scene, "local", local)
        client = scene.client(front)
        expect_ok(config(client, 19))
        client.close()
        script = local.command.split()[1]
        with open(script + ".child", encoding="ascii") as file:
            child = int(file.read())
        with open(script + ".folder", encoding="utf-8") as file:
            folder = file.read().strip()
        expect_equal(os.stat(folder).st_mode & 0o777, 0o700, "mode of its folder")
        front.signal(number)
        expect_equal(front.wait_exit(), 0 if number == signal.SIGTERM else -number, "exit code")
        gone(local.pids()[0])
        gone(child)
        for _ in range(400):
            if not os.path.exists(folder):
                break
            threading.Event().wait(0.02)
        expect(not os.path.exists(folder), "its folder is left")


@proxied("local: the daemon stops also while the server starts, and says so to those who wait")
def stops_while_it_starts(scene):
    local = Local(scene, before="sleep 60")
    front = daemon(scene, "local", local, main={"drain_timeout": "0"})
    waiting = scene.client(front).start(SPARK + "Config", field(1, SESSION.format(25)) + USER)
    logged(front, "starting a local Spark server")
    front.signal(signal.SIGTERM)
    expect_equal(waiting.finish().code, "UNAVAILABLE", "status of the call that waited")
    expect_equal(front.wait_exit(), 0, "exit code")


@proxied("local: a client that joins a named session goes where that is")
def named(scene):
    local = Local(scene)
    server = scene.fake(token=TOKEN)
    front = daemon(scene, server, local, fallback="local")
    client = scene.client(front)
    etl, other = [("x-session", "etl")], [("x-session", "other")]
    expect_ok(config(client, 26, metadata=etl))
    server.kill()
    expect_equal(config(client, 27, metadata=etl).code, "UNAVAILABLE", "who joins a session of the server")
    first, second = config(client, 28, metadata=other), config(client, 29, metadata=other)
    expect_ok(first)
    expect_ok(second)
    ids = {e["first"] for e in local.events()}
    expect_equal(len(ids), 1, "sessions at the local server")


@proxied("local: its token is random, nobody's without it, and in no log")
def token(scene):
    local = Local(scene, before="echo \"the token is $SPARK_CONNECT_AUTHENTICATE_TOKEN\"")
    front = daemon(scene, "local", local)
    expect_ok(config(scene.client(front), 20))
    secret = {value for e in local.events() for key, value in e["metadata"] if key == "authorization"}
    (value,) = secret
    expect(len(value) == len("Bearer ") + 32, f"length of the token: {len(value)}")
    expect(value.split()[1] not in front.log(), "the token is in the log")
    logged(front, r"the token is \*+")
    stranger = scene.client(f"127.0.0.1:{status(front)['local_spark']['port']}")
    expect_equal(config(stranger, 21).code, "UNAUTHENTICATED", "status without the token")


@proxied("local: a client's deadline ends its wait, and the server goes on starting for the others")
def deadline(scene):
    local = Local(scene, before="sleep 1")
    front = daemon(scene, "local", local)
    client = scene.client(front)
    other = client.start(SPARK + "Config", field(1, SESSION.format(22)) + USER)
    result = config(client, 23, timeout=0.3)
    expect_equal(result.code, "DEADLINE_EXCEEDED", "status")
    expect_ok(other.finish())


@proxied("local: a reload that changes the profile leaves the server and its sessions alone")
def reloaded(scene):
    local = Local(scene)
    edited = Edited(scene, NOWHERE, main={"local_spark": local.command}, fallback="local", connect_timeout="500ms")
    client = scene.client(edited.daemon)
    expect_ok(config(client, 24))
    edited.sections["profile p"]["connect_timeout"] = "600ms"
    edited.write()
    edited.reload()
    again = config(client, 24)
    expect_ok(again)
    expect(local.has(again), "not at the local server")
    expect_equal(len(local.pids()), 1, "servers started")
