"""Named sessions: clients that share one server session by its name, each with its own id."""

import json
import os
import subprocess
import uuid
import zlib

import grpc

from harness import SPARK, TOKEN, expect, expect_equal
from registry import proxied
from release_cases import releases_at, wait_release_all
from wire import DATA, END_HEADERS, END_STREAM, HEADERS, RawClient, field, fields, frame, grpc_headers, grpc_message, text

NAMESPACE = uuid.UUID("5d1f0e62-3a8c-4b77-9b60-c4132e91af05")
SESSION = "5e551000-0000-4000-8000-0000000f{:04d}"
OPERATION = "0be7a000-0000-4000-8000-0000000f{:04d}"
SERVER_SESSION = "5e55104e-0000-4000-8000-00000000fa4e"
ETL = [("x-session", "etl")]
# Method, the fields of its response that are session and server-side session; as in the protocol, not as in our table.
UNARY = {"AnalyzePlan": (1, 15), "Config": (1, 4), "ArtifactStatus": (2, 3), "Interrupt": (1, 3), "ReleaseExecute": (1, 3),
         "FetchErrorDetails": (4, 3), "CloneSession": (1, 2), "GetStatus": (1, 2)}


def shared_id(name="etl", user="ann", profile="p", generation=0):
    return str(uuid.uuid5(NAMESPACE, f"{user}\0{profile}\0{name}\0" + (str(generation) if generation else "")))


def head(number, user="ann"):
    return field(1, SESSION.format(number)) + field(2, field(1, user))


def first_of(server, case):
    return bytes.fromhex(server.of_case("end", case)["first"])


def session_of(server, case):
    return text(first_of(server, case), 1)


@proxied("named: in every method the server sees the shared id, the client its own, and nothing else is changed")
def every_method(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    own, shared = SESSION.format(1), shared_id()
    for name, (session, server_session) in UNARY.items():
        more = field(3, OPERATION.format(1)) + field(31, own) + field(9, b"\xff" * 50)
        result = client.call(SPARK + name, head(1) + more, metadata=ETL)
        expect_equal(result.code, "OK", name)
        expect_equal(first_of(server, result["case"]), field(1, shared) + head(1)[len(field(1, own)):] + more, name)
        expect_equal([text(result["messages"][0], n) for n in (session, server_session)], [own, SERVER_SESSION],
                     f"the answer of {name}")
        sent = [key for key, _ in server.of_case("end", result["case"])["metadata"]]
        expect("x-session" not in sent, "x-session went to the server")


@proxied("named: a plan carries the client's tag, its results and ReattachExecute's the client's id")
def plan(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    request = head(2) + field(3, b"plan") + field(5, field(1, field(1, 1))) + field(6, OPERATION.format(2)) + field(7, "own")
    result = client.call(SPARK + "ExecutePlan", request, "messages=5,size=30000", metadata=ETL, shape="us")
    expect_equal(result.code, "OK", "ExecutePlan")
    expect_equal(len(result["messages"]), 6, "messages")
    expect_equal(text(result["messages"][-1], 1), SESSION.format(2), "the id in the last message")
    seen = first_of(server, result["case"])
    tag = "sparkbouncer-" + SESSION.format(2)
    expect_equal([value.decode() for value in fields(seen)[7]], [tag, "own"], "tags")
    expect_equal(seen, field(7, tag) + field(1, shared_id()) + request[len(field(1, SESSION.format(2))):], "the request")
    again = client.call(SPARK + "ReattachExecute", head(2) + field(3, OPERATION.format(2)), metadata=ETL, shape="us")
    expect_equal(again["messages"], result["messages"], "what reattaching gave")
    expect_equal(session_of(server, again["case"]), shared_id(), "ReattachExecute")


@proxied("named: a client that says how long its request is: with the tag it is longer")
def content_length(scene):
    server = scene.fake(token=TOKEN)
    raw = RawClient(scene.daemon(server).target)
    request = head(2) + field(3, b"plan") + field(6, OPERATION.format(2))
    raw.call(1, SPARK + "ExecutePlan", [*ETL, ("content-length", str(5 + len(request)))], request)
    end = server.wait_event("end", lambda e: e["method"] == SPARK + "ExecutePlan")
    expect_equal(fields(bytes.fromhex(end["first"]))[7], [b"sparkbouncer-" + SESSION.format(2).encode()], "tags")
    expect("content-length" not in dict(end["metadata"]), "the length went to the server, which may take it at its word")
    raw.close()


@proxied("named: the daemon's own ReattachExecute bears the shared id, its own ReleaseExecute too")
def own_calls(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server, resume_timeout="1s"))
    operation = OPERATION.format(3)
    request = head(3) + field(5, field(1, field(1, 1))) + field(6, operation)
    client.call(SPARK + "ExecutePlan", request, "messages=3,size=100,no_complete", metadata=ETL, shape="us")
    ours = [fields(bytes.fromhex(e["first"])) for e in server.finished() if e["method"] == SPARK + "ReattachExecute"]
    expect(ours, "nothing was resumed")
    expect_equal({(m[1][0], m[3][0]) for m in ours}, {(shared_id().encode(), operation.encode())}, "ReattachExecute")
    done = client.start(SPARK + "ExecutePlan", request, "messages=3,size=100", metadata=ETL, shape="us")
    ids = [text(message, 13) for message in done.call]
    for until in ids:
        released = client.call(SPARK + "ReleaseExecute", head(3) + field(3, operation) + field(6, field(1, until)),
                               metadata=ETL)
        expect_equal([text(released["messages"][0], n) for n in (1, 2, 3)], [SESSION.format(3), operation, SERVER_SESSION],
                     "the answer to release_until")
    server.wait_event("end", lambda e: e["method"] == SPARK + "ReleaseExecute")
    client.call(SPARK + "ReleaseExecute", head(3) + field(3, operation) + field(5, b""), metadata=ETL)
    wait_release_all(server, operation)
    arrived = releases_at(server, operation)
    expect(len(arrived) > 1 and arrived[-1] is None and set(arrived[:-1]) <= set(ids), f"releases at the server: {arrived}")
    expect_equal({text(bytes.fromhex(e["first"]), 1) for e in server.finished() if e["method"] == SPARK + "ReleaseExecute"},
                 {shared_id()}, "their session")


def upload(number, session):
    names = [f"file-{i}".encode() + session.encode() for i in range(4)]  # an id that is not the session's is left alone
    return [field(1, session) + field(2, field(1, "ann")) + field(3, field(1, names[i]) + field(2, b"x" * (900 * i + number)))
            for i in range(4)]


@proxied("named: AddArtifacts of several messages, ids split anywhere")
def artifacts(scene):
    server = scene.fake(token=TOKEN)
    front = scene.daemon(server)
    own, shared = SESSION.format(4), shared_id()
    sent = b"".join(grpc_message(message) for message in upload(7, own))
    expected = b"".join(message[:2] + shared.encode() + message[2 + len(own):] for message in upload(7, own))
    for step in (1, 7, 37, 1000, len(sent)):
        raw = RawClient(front.target)
        case = [("x-case", f"artifacts-{step}"), *ETL]
        raw.send(frame(HEADERS, END_HEADERS, 1, grpc_headers(SPARK + "AddArtifacts", case)))
        for at in range(0, len(sent), step):
            raw.send(frame(DATA, END_STREAM if at + step >= len(sent) else 0, 1, sent[at:at + step]))
        body = b""
        while not (got := raw.read_frame())[0] == HEADERS or not got[1] & END_STREAM:
            body += got[3] if got[0] == DATA else b""
        expect_equal([text(body[5:], n) for n in (2, 3)], [own, SERVER_SESSION], "the answer")
        event = server.of_case("end", f"artifacts-{step}")
        expect_equal((event["messages"], event["bytes"], event["crc"]), (4, len(expected), zlib.crc32(expected)),
                     f"the upload in steps of {step}")
        raw.close()


@proxied("named: ReleaseSession is answered here and never sent; what the client still runs is interrupted")
def release_session(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    client.call(SPARK + "Config", head(5), metadata=ETL)
    result = client.call(SPARK + "ReleaseSession", head(5), metadata=ETL)
    expect_equal([text(result["messages"][0], n) for n in (1, 2)], [SESSION.format(5), SERVER_SESSION], "the answer")
    client.call(SPARK + "Config", head(6), metadata=ETL)
    running = client.start(SPARK + "ExecutePlan", head(6) + field(6, OPERATION.format(6)), "hang", metadata=ETL, shape="us")
    server.wait_event("begin", lambda e: ["x-case", running.case] in e["metadata"])
    client.call(SPARK + "ReleaseSession", head(6), metadata=ETL)
    interrupt = fields(bytes.fromhex(server.wait_event("end", lambda e: e["method"] == SPARK + "Interrupt")["first"]))
    expect_equal((interrupt[1], interrupt[4], interrupt[5]),
                 ([shared_id().encode()], [2], [b"sparkbouncer-" + SESSION.format(6).encode()]), "the interrupt")
    running.cancel()
    result = client.call(SPARK + "Config", head(7), metadata=ETL)
    expect_equal(session_of(server, result["case"]), shared_id(), "the session afterwards")
    expect_equal([e["method"] for e in server.begun() if e["method"].endswith("/ReleaseSession")], [], "sent")
    expect_equal(len([e for e in server.begun() if e["method"].endswith("/Interrupt")]), 1, "interrupts")


@proxied("named: interruptAll goes by the client's tag, other interrupts as they are")
def interrupts(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    for more in (b"", field(5, "a tag"), field(6, OPERATION.format(8))):
        result = client.call(SPARK + "Interrupt", head(8) + field(4, 1) + more, metadata=ETL)
        seen = fields(first_of(server, result["case"]))
        expect_equal((seen[1], seen[4], seen[5], seen.get(6)),
                     ([shared_id().encode()], [2], [b"sparkbouncer-" + SESSION.format(8).encode()], None), "interruptAll")
        expect_equal(text(result["messages"][0], 1), SESSION.format(8), "the answer")
    for more in (field(4, 2) + field(5, "mine"), field(4, 3) + field(6, OPERATION.format(8))):
        result = client.call(SPARK + "Interrupt", head(8) + more, metadata=ETL)
        expect_equal(first_of(server, result["case"]), field(1, shared_id()) + field(2, field(1, "ann")) + more, "another")


@proxied("named: a clone is a session of its own, with the id that the client was told")
def clone(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    own = SESSION.format(10)
    # Echoed, the request is an answer with the clone's id.
    result = client.call(SPARK + "CloneSession", head(9) + field(3, own), "echo", metadata=ETL)
    expect_equal((text(result["messages"][0], 1), text(result["messages"][0], 3)), (SESSION.format(9), own), "the answer")
    for name in ("Config", "AnalyzePlan"):
        result = client.call(SPARK + name, head(10), metadata=ETL)
        expect_equal((session_of(server, result["case"]), text(result["messages"][0], 1)), (own, own), name)
    client.call(SPARK + "ReleaseSession", head(10), metadata=ETL)
    server.wait_event("end", lambda e: e["method"] == SPARK + "ReleaseSession" and text(bytes.fromhex(e["first"]), 1) == own)


@proxied("named: users, profiles and names each make another session; the profile's key does without metadata")
def which(scene):
    server = scene.fake(token=TOKEN)
    named = {"upstream": f"sc://{server.address}/;token={TOKEN}", "session": "etl"}
    client = scene.client(scene.daemon(server, others={"q": named}))
    cases = [("ann", ETL, shared_id()), ("bob", ETL, shared_id(user="bob")), ("ann", [("x-session", "a.b_c-D9")],
             shared_id("a.b_c-D9")), ("ann", [("x-profile", "q")], shared_id(profile="q")),
             ("ann", [("x-profile", "q"), ("x-session", "ml")], shared_id("ml", profile="q")), ("ann", [], None)]
    for i, (user, metadata, expected) in enumerate(cases):
        result = client.call(SPARK + "Config", head(20 + i, user), metadata=metadata)
        expect_equal(session_of(server, result["case"]), expected or SESSION.format(20 + i), f"{user} {metadata}")
        expect_equal(text(result["messages"][0], 1), SESSION.format(20 + i), "the client's")


@proxied("named: a call of the session that says no name belongs to it all the same")
def without_metadata(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    client.call(SPARK + "Config", head(30), metadata=ETL)
    result = client.call(SPARK + "AnalyzePlan", head(30))
    expect_equal(session_of(server, result["case"]), shared_id(), "the session")


@proxied("named: what is no name is refused with a sentence, and so is a request that cannot be read")
def refused(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    for name in ("", "a b", "etl/x", "x" * 200, "a;b"):
        result = client.call(SPARK + "Config", head(31), metadata=[("x-session", name)])
        expect_equal(result.code, "INVALID_ARGUMENT", name)
        expect("x-session takes letters, digits" in result.details, result.details)
    result = client.call(SPARK + "Config", head(32) + field(31, b"x" * 2000), metadata=ETL, compression=grpc.Compression.Gzip)
    expect_equal(result.code, "INVALID_ARGUMENT", "compressed")
    expect("compression" in result.details, result.details)
    expect_equal(server.begun(), [], "what the server saw")
    result = client.call(SPARK + "Config", head(31), metadata=ETL)
    expect_equal((result.code, session_of(server, result["case"])), ("OK", shared_id()), "the next call")
    sent = dict(server.of_case("end", result["case"])["metadata"])
    expect("grpc-accept-encoding" not in sent or "gzip" not in sent["grpc-accept-encoding"], f"{sent}")


@proxied("named: where the server has closed the session, its name goes on with another for clients that are new to it")
def closed(scene):
    server = scene.fake("--closed-sessions", shared_id() + "," + shared_id(generation=1), token=TOKEN)
    client = scene.client(scene.daemon(server))
    result = client.call(SPARK + "Config", head(40) + field(4, "type"), metadata=ETL)
    expect_equal(result.code, "OK", "the first call")
    expect_equal(text(result["messages"][0], 1), SESSION.format(40), "the client's id")
    tried = [text(bytes.fromhex(e["first"]), 1) for e in server.finished()]
    expect_equal(tried, [shared_id(generation=n) for n in range(3)], "sessions tried")
    request = head(41) + field(6, OPERATION.format(41))
    result = client.call(SPARK + "ExecutePlan", request, metadata=ETL, shape="us")
    expect_equal((result.code, session_of(server, result["case"])), ("OK", shared_id(generation=2)), "the next client")
    old = client.call(SPARK + "Config", head(42) + field(8, SERVER_SESSION), metadata=[("x-session", "ml")])
    expect_equal(old.code, "OK", "a client of another name")


@proxied("named: a client that has used the session is told that it was closed")
def closed_under_client(scene):
    server = scene.fake("--closed-sessions", shared_id(), token=TOKEN)
    client = scene.client(scene.daemon(server))
    result = client.call(SPARK + "Config", head(50) + field(8, SERVER_SESSION), metadata=ETL)
    expect_equal((result.code, "SESSION_CLOSED" in result.details), ("INTERNAL", True), "the server's answer")
    expect_equal(len(server.finished()), 1, "calls at the server")
    result = client.call(SPARK + "Config", head(51), metadata=ETL)
    expect_equal((result.code, session_of(server, result["case"])), ("OK", shared_id(generation=1)), "a new client")


def command(daemon, *words, code=0):
    """Standard output and standard error of a subcommand, run beside the daemon."""
    env = {"HOME": daemon.folder, "XDG_RUNTIME_DIR": daemon.folder, "XDG_CONFIG_HOME": daemon.folder, "PATH": "/usr/bin:/bin",
           **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}
    done = subprocess.run([daemon.argv[0], *words, "--config", daemon.config], env=env, capture_output=True, text=True,
                          timeout=25, check=False)
    expect_equal(done.returncode, code, f"{words}: exit code, after {done.stdout!r} {done.stderr!r}")
    return done.stdout, done.stderr


@proxied("sessions: clients that share one are one entry; release ends it at the server, so that its id can come again")
def sessions_command(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    client = scene.client(daemon)
    expect_equal(command(daemon, "sessions")[0], "no sessions\n", "before")
    for number in (60, 61):
        client.call(SPARK + "Config", head(number), metadata=ETL)
    client.call(SPARK + "Config", head(62))
    document = json.loads(command(daemon, "sessions", "--json")[0])
    expect_equal([(e["name"], e["session_id"], e["user_id"], e["profile"], e["clients"]) for e in document["sessions"]],
                 [("etl", shared_id(), "ann", "p", 2), (None, SESSION.format(62), "ann", "p", 1)], "the list")
    for number in (60, 61, 62):
        client.call(SPARK + "ReleaseSession", head(number), metadata=ETL if number < 62 else [])
    document = json.loads(command(daemon, "sessions", "--json")[0])
    expect_equal([(e["name"], e["clients"]) for e in document["sessions"]], [("etl", 0)], "when the clients have gone")
    table = command(daemon, "sessions")[0]
    expect("etl" in table and shared_id() in table, table)
    expect(shared_id() in command(daemon, "sessions", "release", "etl")[0], "the id is not shown")
    is_shared = lambda e: e["method"] == SPARK + "ReleaseSession" and text(bytes.fromhex(e["first"]), 1) == shared_id()  # noqa: E731
    request = fields(bytes.fromhex(server.wait_event("end", is_shared)["first"]))
    expect_equal(command(daemon, "sessions")[0], "no sessions\n", "afterwards")
    expect_equal((request[1], fields(request[2][0])[1], request[4]), ([shared_id().encode()], [b"ann"], [1]), "the request")
    expect_equal(dict(server.finished()[-1]["metadata"])["authorization"], "Bearer " + TOKEN, "its token")


@proxied("sessions: a release that cannot be says why")
def sessions_release_refused(scene):
    server = scene.fake("--closed-sessions", shared_id(user="eve"), token=TOKEN)
    daemon = scene.daemon(server, others={"away": {"upstream": "sc://127.0.0.1:1", "connect_timeout": "200ms"}})
    client = scene.client(daemon)
    for number, user in ((70, "ann"), (71, "bob")):
        client.call(SPARK + "Config", head(number, user), metadata=ETL)
    cases = [(["etl"], 1, "several users have a session etl"), (["ml"], 1, "no client has used session ml"),
             (["etl", "-p", "q"], 1, "there is no profile q"), (["e t l"], 1, "the name of a session"), ([], 2, "say sessions"),
             (["etl", "--user", "eve"], 1, "SESSION_CLOSED"), (["etl", "--user", "x", "-p", "away"], 1, "is not released: ")]
    for words, code, sentence in cases:
        said = command(daemon, "sessions", "release", *words, code=code)[1]
        expect(sentence in said and said.count("\n") == 1, said)
    before = len(server.finished())
    command(daemon, "sessions", "release", "etl", "--user", "bob")
    event = server.wait_event("end", lambda e: e["id"] > before)
    expect_equal(text(bytes.fromhex(event["first"]), 1), shared_id(user="bob"), "released")


def created(server, count):
    """Ids of the sessions that the daemon has made by itself, once there are that many."""
    is_ours = lambda e: b"sparkbouncer" in bytes.fromhex(e["first"])[-20:] and e["method"] == SPARK + "Config"  # noqa: E731
    since = 0
    for _ in range(count):
        server.wait_event("end", is_ours, since=since)
        since = next(i for i in range(since, server.mark()) if isinstance(server.lines[i], dict) and
                     server.lines[i]["event"] == "end" and is_ours(server.lines[i])) + 1
    return [text(bytes.fromhex(e["first"]), 1) for e in server.finished() if is_ours(e)]


def wait_ready(daemon, client, number, ids, server, user="ann"):
    """The first call of a session that gets a warm one: the daemon may not have read the server's answer yet."""
    for attempt in range(20):
        result = client.call(SPARK + "Config", head(number + attempt, user) + field(4, "_SPARK_CONNECT_PYTHON spark/4.3.0"))
        if session_of(server, result["case"]) in ids:
            return number + attempt, result
    raise AssertionError("no session was handed out")


@proxied("warm: sessions made for a user are handed out to this user's new sessions, each once, and are theirs")
def warm(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server, warm_sessions=2)
    client = scene.client(daemon)
    first = client.call(SPARK + "Config", head(100))
    expect_equal(session_of(server, first["case"]), SESSION.format(100), "the first session of all")
    ids = created(server, 2)
    expect_equal(len(set(ids)), 2, f"different ones: {ids}")
    request = fields(bytes.fromhex(next(e for e in server.finished() if text(bytes.fromhex(e["first"]), 1) == ids[0])["first"]))
    expect_equal((fields(request[2][0])[1], list(fields(request[3][0]))), ([b"ann"], [2]), "user and kind of the call")
    other = client.call(SPARK + "Config", head(140, "bob"))
    expect_equal(session_of(server, other["case"]), SESSION.format(140), "another user's")
    number, result = wait_ready(daemon, client, 101, ids, server)
    mine = session_of(server, result["case"])
    expect_equal(text(result["messages"][0], 1), SESSION.format(number), "the client's id")
    again = client.call(SPARK + "AnalyzePlan", head(number))
    expect_equal((session_of(server, again["case"]), text(again["messages"][0], 1)), (mine, SESSION.format(number)), "it stays")
    result = client.call(SPARK + "Config", head(number + 20))
    expect(session_of(server, result["case"]) not in (mine, SESSION.format(number + 20)), "the second one was not handed out")
    result = client.call(SPARK + "ReleaseSession", head(number))
    expect_equal((session_of(server, result["case"]), text(result["messages"][0], 1)), (mine, SESSION.format(number)), "release")
    document = json.loads(command(daemon, "sessions", "--json")[0])
    expect("warm" in [e["kind"] for e in document["sessions"]], f"{document}")


@proxied("warm: a session that a client has used already gets no other one, nor one that is named, nor a client of 3.5")
def warm_not_for(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server, warm_sessions=1)
    client = scene.client(daemon)
    client.call(SPARK + "Config", head(200))
    ids = created(server, 1)
    for number, more, metadata in ((201, field(8, SERVER_SESSION), []), (202, field(4, "_SPARK_CONNECT_PYTHON spark/3.5.1"), []),
                                   (203, b"", ETL)):
        result = client.call(SPARK + "Config", head(number) + more, metadata=metadata)
        expect(session_of(server, result["case"]) not in ids, f"{number} was given one")
    result = client.call(SPARK + "ReleaseSession", head(204))
    expect_equal(session_of(server, result["case"]), SESSION.format(204), "ReleaseSession of a session that is not known")
    wait_ready(daemon, client, 210, ids, server)


@proxied("warm: clones of a template; where the server has no CloneSession, empty ones")
def warm_template(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server, warm_sessions=1, warm_template="prepared"))
    client.call(SPARK + "Config", head(300))
    event = server.wait_event("end", lambda e: e["method"] == SPARK + "CloneSession")
    request = fields(bytes.fromhex(event["first"]))
    expect_equal(request[1], [shared_id("prepared").encode()], "what is cloned")
    wait_ready(None, client, 301, [request[4][0].decode()], server)
    server = scene.fake("--closed-sessions", shared_id("prepared"), token=TOKEN)
    client = scene.client(scene.daemon(server, warm_sessions=1, warm_template="prepared"))
    client.call(SPARK + "Config", head(400))
    wait_ready(None, client, 401, created(server, 1), server)
