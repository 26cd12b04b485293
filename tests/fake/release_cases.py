"""ReleaseExecute: release_until is answered by the daemon, the newest travels, release_all always does."""

import json
import subprocess

from harness import SPARK, TOKEN, expect, expect_equal
from registry import proxied
from wire import field, fields, text

SESSION = "5e551000-0000-4000-8000-00000000e1ea"
OPERATION = "0be7a000-0000-4000-8000-0000000000{:02d}"
SERVER_SESSION = "5e55104e-0000-4000-8000-00000000fa4e"
USER = field(2, field(1, "someone"))


def release(client, operation, until=None):
    what = field(6, field(1, until)) if until else field(5, b"")
    return client.start(SPARK + "ReleaseExecute", field(1, SESSION) + USER + field(3, operation) + what)


def expect_answer(result, operation):
    expect_equal((result.code, result.details), ("OK", ""), "ReleaseExecute")
    answer = result["messages"][0]
    expect_equal([text(answer, n) for n in (1, 2, 3)], [SESSION, operation, SERVER_SESSION], "its ids")


def releases_at(server, operation):
    """Response ids of the operation's ReleaseExecute calls in the order of their arrival; None: release_all."""
    found = []
    for event in server.finished():
        message = fields(bytes.fromhex(event["first"])) if event["method"] == SPARK + "ReleaseExecute" else {}
        if message.get(3) == [operation.encode()]:
            found.append((event["first_at"], text(message[6][-1], 1) if 6 in message else None))
    return [until for _, until in sorted(found, key=lambda pair: pair[0])]


def collect(client, operation, messages=60):
    """ExecutePlan as PySpark does it; the ids it got."""
    head = field(1, SESSION) + USER
    running = client.start(SPARK + "ExecutePlan", head + field(5, field(1, field(1, 1))) + field(6, operation),
                           f"messages={messages},size=30000", shape="us")
    ids, releases = [], []
    for message in running.call:
        ids.append(text(message, 13))
        releases.append(release(client, operation, ids[-1]))
    expect_equal(running.finish().code, "OK", "ExecutePlan")
    for one in releases:
        expect_answer(one.finish(), operation)
    expect_answer(release(client, operation).finish(), operation)
    return ids


def wait_release_all(server, operation):
    server.wait_event("end", lambda e: e["method"] == SPARK + "ReleaseExecute" and
                      fields(bytes.fromhex(e["first"])).get(3) == [operation.encode()] and
                      5 in fields(bytes.fromhex(e["first"])))


@proxied("release: answered here with the right ids, only the newest travel, release_all last")
def coalesced(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    for i in range(3):
        operation = OPERATION.format(i)
        ids = collect(client, operation)
        wait_release_all(server, operation)
        arrived = releases_at(server, operation)
        expect_equal(arrived.count(None), 1, "release_all at the server")
        expect(arrived[-1] is None, "release_all was not the last")
        order = [ids.index(until) for until in arrived[:-1]]
        expect_equal(order, sorted(set(order)), "order of release_until at the server")
        expect(len(order) < len(ids) // 2, f"{len(order)} of {len(ids)} release_until went to the server")


@proxied("release: coalesce_releases = no relays all of them")
def not_coalesced(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server, main={"coalesce_releases": "no"}))
    operation = OPERATION.format(50)
    ids = collect(client, operation, 20)
    wait_release_all(server, operation)
    expect_equal(sorted(u for u in releases_at(server, operation) if u), sorted(ids), "release_until at the server")


@proxied("release: of an operation that the daemon does not know is relayed")
def unknown_operation(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    operation = OPERATION.format(60)
    for until in ("00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000"):
        expect_answer(release(client, operation, until).finish(), operation)
    expect_equal(len(releases_at(server, operation)), 2, "release_until at the server")


@proxied("release: an error of the server for release_all reaches the client")
def release_error(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    collect(client, OPERATION.format(70), 3)
    request = field(1, SESSION) + USER + field(3, OPERATION.format(70)) + field(5, b"")
    result = client.call(SPARK + "ReleaseExecute", request, "status=13,message=lost")
    expect_equal((result.code, result.details), ("INTERNAL", "lost"), "release_all")


@proxied("release: malformed requests are relayed untouched")
def malformed(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    for body in (b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", field(1, SESSION)[:-3], b"\x08"):
        result = client.call(SPARK + "ReleaseExecute", body)
        event = server.of_case("end", result["case"])
        expect_equal((event["first"], event["messages"]), (body.hex(), 1), "the request at the server")
        expect_equal(result.code, "INTERNAL", "the server's answer")


@proxied("release: the load client, 4 collects of 500 messages at once", limit=60)
def load(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    done = subprocess.run([scene.ring.program("load-client"), "--target", daemon.target, "--method", "ExecutePlan",
                           "--connections", "2", "--calls", "2", "--count", "8", "--messages", "500", "--size",
                           "20000", "--release", "--timeout", "25"], capture_output=True, text=True, timeout=40,
                          check=False)
    totals = json.loads(done.stdout)
    expect_equal((totals["errors"], totals["first_error"]), (0, ""), "errors")
    expect_equal((totals["messages"], totals["releases"]), (8 * 501, 8 * 502), "messages and releases")
    arrived = [e for e in server.begun() if e["method"] == SPARK + "ReleaseExecute"]
    expect(len(arrived) < totals["releases"] // 2, f"{len(arrived)} of {totals['releases']} went to the server")
