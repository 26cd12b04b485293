"""Configuration that changes while the daemon runs, and profiles that are handed over at run time."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

from harness import SPARK, TOKEN, WAIT_S, Failure, expect, expect_equal
from lifecycle_cases import wait_refused
from policy_cases import USER, config, values
from registry import proxied
from release_cases import OPERATION, release
from release_cases import SESSION as RELEASE_SESSION
from wire import field, text

UNKNOWN = "/some.other.Service/Method"
SESSION = "5e551000-0000-4000-8000-0000000007{:02d}"


class Edited:
    """The configuration of a daemon, which can be written anew."""

    def __init__(self, scene, upstream, main=None, others=None, **profile):
        self.scene = scene
        self.daemon = scene.daemon(upstream, main=main, others=others, **profile)
        address = upstream if isinstance(upstream, str) else url(upstream)
        self.sections = {"sparkbouncer": {"listen": "127.0.0.1:0", "profile": "p", "log_calls": "debug",
                                          "log_level": "debug", **(main or {})},
                         "profile p": {"upstream": address, **profile}}
        for name, keys in (others or {}).items():
            self.sections[f"profile {name}"] = dict(keys)

    def text(self):
        return "".join(f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + "\n"
                       for section, keys in self.sections.items())

    def write(self, text=None):
        """As most editors do: a new file in the place of the old one."""
        new = self.daemon.config + ".new"
        with open(new, "w", encoding="utf-8") as file:
            file.write(self.text() if text is None else text)
        os.chmod(new, 0o600)
        os.rename(new, self.daemon.config)

    def write_in_place(self, text=None):
        with open(self.daemon.config, "r+", encoding="utf-8") as file:
            file.truncate(0)
            file.write(self.text() if text is None else text)

    def reload(self):
        """By the control socket; waits for the outcome."""
        return ask(self.daemon, "POST", "/reload")


def url(server, token=TOKEN):
    return f"sc://{server.address}/;token={token}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(daemon, method, path, body=None):
    """Status and document."""
    connection = UnixConnection(os.path.join(daemon.folder, "sparkbouncer", "control.sock"))
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def wait_logged(daemon, text, count=1, limit=WAIT_S):
    end = time.monotonic() + limit
    while daemon.log().count(text) < count:
        if time.monotonic() > end or not daemon.is_alive():
            raise Failure(f"the daemon did not log {text!r} {count} times: {daemon.log()[-800:]}")
        time.sleep(0.01)


def expect_end(daemon):
    """It ends in good order; with sanitizers, exit code 0 means that nothing has leaked."""
    daemon.signal(signal.SIGTERM)
    expect_equal(daemon.wait_exit(), 0, "exit code")


def token_of(server, case):
    return values(server.of_case("begin", case), "authorization")


def profile_status(daemon, name="p"):
    document = ask(daemon, "GET", "/status")[1]
    return next((entry for entry in document["profiles"] if entry["name"] == name), None)


@proxied("reload: a changed token is for the next call, on a new connection; a running stream goes on on the old")
def changed_token(scene):
    server = scene.fake()
    edited = Edited(scene, server)
    client = scene.client(edited.daemon)
    running = client.start(UNKNOWN, b"", "messages=10,size=100,delay_ms=100", shape="us")
    expect_equal(token_of(server, running.case), ["Bearer " + TOKEN], "token before")
    edited.sections["profile p"]["upstream"] = url(server, "an0ther-token")
    edited.write()
    expect_equal(edited.reload()[0], 200, "reload")
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal((result.code, token_of(server, result["case"])), ("OK", ["Bearer an0ther-token"]), "the next call")
    expect_equal(sum(entry["calls_ever"] for entry in profile_status(edited.daemon)["connections"]), 1,
                 "calls on the connections of the changed profile")
    expect("before are closed" not in edited.daemon.log(), "the running stream lost its connection")
    result = running.finish()
    expect_equal((result.code, len(result["messages"])), ("OK", 10), "the stream of before")
    wait_logged(edited.daemon, "the connections that it had before are closed")
    said = edited.daemon.log()
    expect(TOKEN not in said and "an0ther-token" not in said, "a token was logged")
    expect_end(edited.daemon)


@proxied("reload: a release that is yet to travel goes with the token of now, and nothing of before is held up")
def pending_release(scene):
    server = scene.fake()
    edited = Edited(scene, server)
    client = scene.client(edited.daemon)
    operation = OPERATION.format(70)
    plan = field(1, RELEASE_SESSION) + USER + field(5, field(1, field(1, 1))) + field(6, operation)
    running = client.start(SPARK + "ExecutePlan", plan, "messages=5,size=100", shape="us")
    for message in running.call:
        expect_equal(release(client, operation, text(message, 13)).finish().code, "OK", "ReleaseExecute")
    expect_equal(running.finish().code, "OK", "ExecutePlan")
    edited.sections["profile p"]["upstream"] = url(server, "an0ther-token")
    edited.write()
    expect_equal(edited.reload()[0], 200, "reload")
    end = server.wait_event("end", lambda event: event["method"] == SPARK + "ReleaseExecute")
    expect_equal(values(end, "authorization"), ["Bearer an0ther-token"], "token of the release")
    wait_logged(edited.daemon, "the connections that it had before are closed")
    expect_end(edited.daemon)


@proxied("reload: a profile that has not changed keeps its connections")
def kept(scene):
    server = scene.fake()
    edited = Edited(scene, server, others={"other": {"upstream": url(server)}})
    client = scene.client(edited.daemon)
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a call")
    edited.sections["profile other"]["upstream"] = url(server, "an0ther-token")
    edited.sections["profile third"] = {"upstream": url(server)}
    edited.write()
    status, document = edited.reload()
    expect_equal((status, document["profiles"]), (200, {"kept": ["p"], "changed": ["other"], "added": ["third"],
                                                        "removed": []}), "reload")
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a call afterwards")
    expect_equal(sum(entry["calls_ever"] for entry in profile_status(edited.daemon)["connections"]), 2,
                 "calls on its connections")
    result = client.call(UNKNOWN, b"x", "echo", metadata=[("x-profile", "third")])
    expect_equal(result.code, "OK", "a call of the added profile")


@proxied("reload: SIGHUP, an editor's rename and an edit in place are each seen")
def triggers(scene):
    server = scene.fake()
    edited = Edited(scene, server)
    client = scene.client(edited.daemon)

    def expect_token(token, count):
        wait_logged(edited.daemon, "configuration reloaded", count)
        result = client.call(UNKNOWN, b"x", "echo")
        expect_equal(token_of(server, result["case"]), ["Bearer " + token], "token")

    for count, (token, write) in enumerate((("renamed-1", edited.write), ("in-place-2", edited.write_in_place),
                                            ("renamed-3", edited.write)), 1):
        edited.sections["profile p"]["upstream"] = url(server, token)
        write()
        expect_token(token, count)
    edited.daemon.signal(signal.SIGHUP)
    expect_token("renamed-3", 4)


@proxied("reload: a token_file is watched, also one behind links that are swapped")
def token_file(scene):
    server = scene.fake()
    folder = scene.folder()
    for name, token in (("..1", "t0ken-one"), ("..2", "t0ken-two")):
        os.mkdir(os.path.join(folder, name), 0o700)
        path = os.path.join(folder, name, "token")
        with open(path, "w", encoding="ascii") as file:
            file.write(token + "\n")
        os.chmod(path, 0o600)
    os.symlink("..1", os.path.join(folder, "..data"))
    os.symlink("..data/token", os.path.join(folder, "token"))
    edited = Edited(scene, f"sc://{server.address}", token_file=os.path.join(folder, "token"))
    client = scene.client(edited.daemon)
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal(token_of(server, result["case"]), ["Bearer t0ken-one"], "token before")
    os.symlink("..2", os.path.join(folder, "..new"))
    os.rename(os.path.join(folder, "..new"), os.path.join(folder, "..data"))
    wait_logged(edited.daemon, "configuration reloaded")
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal(token_of(server, result["case"]), ["Bearer t0ken-two"], "token afterwards")
    with open(os.path.join(folder, "..2", "token"), "w", encoding="ascii") as file:
        file.write("t0ken-three")
    wait_logged(edited.daemon, "configuration reloaded", 2)
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal(token_of(server, result["case"]), ["Bearer t0ken-three"], "token in the end")
    expect_end(edited.daemon)


@proxied("reload: a .databrickscfg that was not there at start is noticed when it comes")
def databrickscfg_appears(scene):
    server = scene.fake()
    daemon = scene.daemon(server)
    path = os.path.join(daemon.folder, ".databrickscfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[brick]\nhost = http://{server.address}\ntoken = from-databrickscfg\n")
    os.chmod(path, 0o600)
    wait_logged(daemon, "1 added")
    result = scene.client(daemon).call(UNKNOWN, b"x", "echo", metadata=[("x-profile", "brick")])
    expect_equal(token_of(server, result["case"]), ["Bearer from-databrickscfg"], "token")


@proxied("reload: a broken edit leaves everything as it was, and says so to all who ask")
def broken(scene):
    server = scene.fake()
    edited = Edited(scene, server)
    client = scene.client(edited.daemon)
    edited.write("[sparkbouncer]\nlissten = x\ndrain_timeout = soon\n")
    wait_logged(edited.daemon, "what was in force before stays")
    status, document = edited.reload()
    expect_equal(status, 409, "status")
    said = " ".join(document["problems"])
    expect("config.ini:2" in said and "config.ini:3" in said, f"the problems are {document}")
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal((result.code, token_of(server, result["case"])), ("OK", ["Bearer " + TOKEN]), "a call")
    done = subprocess.run([scene.ring.daemon_path, "reload", "--control-socket",
                           os.path.join(edited.daemon.folder, "sparkbouncer", "control.sock")],
                          capture_output=True, text=True, timeout=WAIT_S, check=False)
    expect(done.returncode == 2 and "lissten" in done.stderr and "stays" in done.stderr,
           f"sparkbouncer reload: exit code {done.returncode}, {done.stderr!r}")
    edited.write("")
    wait_logged(edited.daemon, "there is no profile to serve")
    edited.sections["profile p"]["upstream"] = url(server, "mended")
    edited.write()
    wait_logged(edited.daemon, "configuration reloaded")
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal(token_of(server, result["case"]), ["Bearer mended"], "token afterwards")
    expect_end(edited.daemon)


@proxied("reload: listeners come and go, those that stay keep their clients; a taken port refuses it whole")
def listeners(scene):
    server = scene.fake()
    edited = Edited(scene, server, others={"other": {"upstream": url(server, "0ther")}})
    client = scene.client(edited.daemon)
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a call")
    path = os.path.join(scene.folder(), "s")
    os.chmod(os.path.dirname(path), 0o700)
    edited.sections["sparkbouncer"]["listen"] = f"127.0.0.1:0, unix:{path};profile=other"
    edited.write()
    status, document = edited.reload()
    expect_equal((status, document["listeners"]), (200, {"opened": [f"unix:{path}"], "closed": []}), "reload")
    fixed = scene.client("unix:" + path)
    result = fixed.call(UNKNOWN, b"x", "echo")
    expect_equal(token_of(server, result["case"]), ["Bearer 0ther"], "token of the new listener")
    result = fixed.call(UNKNOWN, b"x", "echo", metadata=[("x-profile", "guest-" + 32 * "7")])
    expect(result.code == "PERMISSION_DENIED" and 32 * "7" not in result.details + edited.daemon.log(),
           f"a guest's name is shown: {result.code} {result.details}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        edited.sections["sparkbouncer"]["listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
        edited.write()
        status, document = edited.reload()
        expect(status == 409 and "port" in document["problems"][0], f"a taken port: {status}, {document}")
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a call on what stays")
    edited.sections["sparkbouncer"]["listen"] = f"unix:{path}"
    edited.write()
    expect_equal(edited.reload()[0], 200, "reload")
    wait_refused(edited.daemon.target)
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a client of the address that is gone")
    result = fixed.call(UNKNOWN, b"x", "echo")
    expect_equal(token_of(server, result["case"]), ["Bearer 0ther"], "token of a client that came before")
    result = scene.client("unix:" + path).call(UNKNOWN, b"x", "echo", metadata=[("x-one", "1")])
    expect_equal(token_of(server, result["case"]), ["Bearer " + TOKEN], "token of one that came after")
    expect_end(edited.daemon)
    expect(not os.path.exists(path), "the socket was left behind")


@proxied("reload: calls of a removed profile are told so, those of its sessions too, until it is back")
def removed(scene):
    server = scene.fake()
    edited = Edited(scene, server, others={"gone": {"upstream": url(server, "g0ne")}})
    client = scene.client(edited.daemon)
    running = client.start(UNKNOWN, b"", "messages=10,size=100,delay_ms=100", shape="us",
                           metadata=[("x-profile", "gone")])
    server.of_case("begin", running.case)
    expect_equal(config(client, SESSION.format(1), metadata=[("x-profile", "gone")]).code, "OK", "a session")
    kept_section = edited.sections.pop("profile gone")
    edited.write()
    expect_equal(edited.reload()[1]["profiles"]["removed"], ["gone"], "reload")
    for what, result in (("by name", client.call(UNKNOWN, b"x", "echo", metadata=[("x-profile", "gone")])),
                         ("by session", config(client, SESSION.format(1)))):
        expect(result.code == "NOT_FOUND" and "gone" in result.details, f"{what}: {result.code}, {result.details}")
    result = running.finish()
    expect_equal((result.code, len(result["messages"])), ("OK", 10), "the running stream")
    edited.sections["profile gone"] = {**kept_section, "upstream": url(server, "back")}
    edited.write()
    expect_equal(edited.reload()[0], 200, "reload")
    result = config(client, SESSION.format(1))
    expect_equal((result.code, token_of(server, result["case"])), ("OK", ["Bearer back"]), "the session's next call")
    expect_end(edited.daemon)


@proxied("reload: keys that cannot change are named in a warning, the log level and the default profile can")
def fixed_keys(scene):
    server = scene.fake()
    edited = Edited(scene, server, others={"other": {"upstream": url(server, "0ther")}})
    client = scene.client(edited.daemon)
    edited.sections["sparkbouncer"] |= {"stream_window": "1MiB", "control_socket": "/nowhere/c.sock",
                                        "log_format": "json", "header_limit": "32KiB", "profile": "other",
                                        "max_calls_per_connection": "7"}
    edited.write()
    status, document = edited.reload()
    expect_equal(status, 200, "status")
    said = " ".join(document["warnings"])
    for key in ("stream_window", "control_socket", "log_format", "header_limit", "max_calls_per_connection"):
        expect(key in said, f"{key} is not in {said!r}")
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal(token_of(server, result["case"]), ["Bearer 0ther"], "token of the new default profile")
    edited.sections["sparkbouncer"] = {"listen": "127.0.0.1:0", "profile": "p", "log_level": "error"}
    edited.write()
    expect_equal(edited.reload()[1]["warnings"], [], "warnings once nothing of the kind is wanted")
    before = edited.daemon.log()
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a call")
    expect_equal(edited.daemon.log(), before, "what is logged at level error")


def run_load(client, stop, failures, counts):
    while not stop.is_set():
        for fake, shape, messages in (("echo", "uu", 1), ("messages=5,size=2000,delay_ms=5", "us", 5)):
            result = client.call(UNKNOWN, b"x", fake, shape=shape)
            counts.append(result.code)
            if result.code != "OK" or len(result["messages"]) != messages:
                failures.append((result.code, result.details))


def wait_for_calls(counts, n):
    end = time.monotonic() + WAIT_S
    while len(counts) < n:
        expect(time.monotonic() < end, "no calls come through any more")
        time.sleep(0.001)


@proxied("reload: 100 of them under load, without a failed call or a leak", limit=120)
def hundred(scene):
    server = scene.fake()
    edited = Edited(scene, server, warm="yes", others={"other": {"upstream": url(server)}})
    clients = [scene.client(edited.daemon) for _ in range(4)]
    stop, failures, counts = threading.Event(), [], []
    threads = [threading.Thread(target=run_load, args=(client, stop, failures, counts)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        memory = 0
        for i in range(100):
            wait_for_calls(counts, len(counts) + 4)
            edited.sections["profile p"]["upstream"] = url(server, f"t0ken-{i}")
            edited.write()
            expect_equal(edited.reload()[0], 200, "reload")
            if i == 30:
                memory = edited.daemon.rss()
        grown = edited.daemon.rss() - memory
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)
    expect_equal(failures, [], "failed calls")
    expect(grown < 4 << 20 or edited.daemon.is_sanitized, f"70 reloads took {grown >> 10} KiB")
    profile = profile_status(edited.daemon)
    expect(len(profile["connections"]) <= 4, f"connections: {profile}")
    expect_end(edited.daemon)


@proxied("guest: host and token handed over are used by its name alone, and shown nowhere")
def guest(scene):
    server = scene.fake()
    edited = Edited(scene, server)
    daemon = edited.daemon
    status, document = ask(daemon, "POST", "/profiles",
                           {"host": f"http://{server.address}", "token": "guests-secret", "cluster_id": "0712-c"})
    expect_equal(status, 201, f"{document}")
    name = document["profile"]
    expect(name.startswith("guest-") and len(name) == 6 + 32, f"its name is {name}")
    client = scene.client(daemon)
    session = [("x-profile", name)]
    result = client.call(UNKNOWN, b"x", "echo", metadata=session)
    begin = server.of_case("begin", result["case"])
    expect_equal((result.code, values(begin, "authorization"), values(begin, "x-databricks-cluster-id")),
                 ("OK", ["Bearer guests-secret"], ["0712-c"]), "a call")
    expect_equal(ask(daemon, "POST", "/profiles", {"host": f"http://{server.address}", "token": "guests-secret",
                                                   "cluster_id": "0712-c"})[1]["profile"], name, "the same again")
    expect_equal(config(client, SESSION.format(2), metadata=session).code, "OK", "its session")
    edited.reload()
    expect_equal(config(client, SESSION.format(2)).code, "OK", "its session after a reload")
    expect_equal(ask(daemon, "POST", "/probe", {"profile": name})[0], 202, "a probe")
    status, document = ask(daemon, "GET", "/status")
    said = json.dumps(document) + daemon.log()
    expect(name not in said and name[:14] in said, "its name is shown in full, or not at all")
    expect("guests-secret" not in said, "its token is shown")
    expect_end(daemon)


@proxied("guest: one that nobody uses is forgotten, and its calls are told so")
def guest_expires(scene):
    server = scene.fake()
    daemon = scene.daemon(server, main={"guest_idle_timeout": "1s"})
    client = scene.client(daemon)
    status, document = ask(daemon, "POST", "/profiles", {"host": f"http://{server.address}", "token": "s3cret"})
    session = [("x-profile", document["profile"])]
    running = client.start(UNKNOWN, b"", "messages=20,size=10,delay_ms=100", shape="us", metadata=session)
    expect_equal(config(client, SESSION.format(3), metadata=session).code, "OK", "its session")
    server.of_case("begin", running.case)
    result = running.finish()
    expect_equal((result.code, len(result["messages"])), ("OK", 20), "a call that takes longer than the timeout")
    expect_equal(client.call(UNKNOWN, b"x", "echo", metadata=session).code, "OK", "a call after the long one")
    wait_logged(daemon, "is forgotten")
    for what, result in (("by name", client.call(UNKNOWN, b"x", "echo", metadata=session)),
                         ("by session", config(client, SESSION.format(3)))):
        expect(result.code == "NOT_FOUND" and "guest" in result.details, f"{what}: {result.code}, {result.details}")
    expect(document["profile"] not in json.dumps(ask(daemon, "GET", "/status")[1]) + daemon.log(), "its name is shown")
    expect_end(daemon)


@proxied("guest: what is wrong is told in a sentence, without the token")
def guest_refused(scene):
    daemon = scene.daemon(scene.fake())
    good = {"host": "https://dbc.example.com", "token": "s3cret"}
    for body, status, word in (({**good, "host": "ftp://x"}, 400, "host"), ({**good, "token": "s3cret\n"}, 400, "token"),
                               ({**good, "token": ""}, 400, "token"), ({"host": good["host"]}, 400, "token"),
                               ({**good, "cluster_id": "a b"}, 400, "cluster_id"),
                               ({**good, "cluster_id": "x", "serverless": True}, 400, "serverless"),
                               ({**good, "colour": "red"}, 400, "nothing else"), ({**good, "host": 7}, 400, "host"),
                               (b'{"host": "x", "token": "s3cret"', 400, "JSON"), (b"", 400, "JSON"),
                               (b'["s3cret"]', 400, "JSON"), (b"x" * 20000, 413, "large")):
        found, document = ask(daemon, "POST", "/profiles", body)
        expect(found == status and word in document["error"], f"{body[:80] if isinstance(body, bytes) else body}: "
                                                              f"{found}, {document}")
        expect("s3cret" not in document["error"], f"it quotes the token: {document}")
    expect_equal(ask(daemon, "POST", "/probe", {"profile": "nosuch"})[0], 404, "a probe of nothing")
    expect("s3cret" not in daemon.log(), "the token is in the log")
