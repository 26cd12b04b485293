"""Who waits for whom: cancellation, disconnects, back-pressure."""

import threading
import time

from harness import TOKEN, WAIT_S, expect, expect_equal, growth
from registry import both, proxied
from wire import RawClient

UNKNOWN = "/some.other.Service/Method"
MIB = 1024 * 1024

# What lies between a server and a client that does not read: windows of both hops (a few MiB each), socket buffers
# (up to 6 MiB a side), and what the reference client takes in before it stops.
STALL_BYTES = 64 * MIB


@both("cancel: by the client, of each shape, reaches the server")
def client_cancels(target):
    results = []
    for shape, body in (("uu", b"x"), ("us", b"x"), ("su", [b"x"]), ("ss", [b"x"])):
        running = target.client.start(UNKNOWN, body, "hang", shape=shape)
        target.server.of_case("begin", running.case)
        running.cancel()
        result = running.finish()
        end = target.server.of_case("end", running.case)
        expect(end["cancelled"], f"{shape}: the server's call was not cancelled")
        results.append([result["code"], end["method"]])
    return results


@both("cancel: in the middle of a long answer")
def cancel_mid_stream(target):
    running = target.client.start(UNKNOWN, b"", "messages=100000,size=10000", shape="us")
    next(running.call)
    running.cancel()
    result = running.finish()
    end = target.server.of_case("end", running.case)
    expect(end["cancelled"], "the server's call was not cancelled")
    after = target.client.call(UNKNOWN, b"still there?", "echo")
    return [result["code"], after["messages"], after["code"]]


def disconnect(target, reset):
    peer = RawClient(target.address)
    case = f"disconnect-{id(peer)}"
    peer.call(1, UNKNOWN, [("x-case", case), ("x-fake", "hang"), *target.metadata], b"x")
    target.server.of_case("begin", case)
    peer.close(reset)
    expect(target.server.of_case("end", case)["cancelled"], "the server's call was not cancelled")


@both("disconnect: of the client reaches the server")
def client_disconnects(target):
    disconnect(target, False)


@both("disconnect: by a TCP reset reaches the server")
def client_resets(target):
    disconnect(target, True)


@both("disconnect: in mid-answer")
def disconnect_mid_answer(target):
    peer = RawClient(target.address)
    case = f"disconnect-{id(peer)}"
    peer.call(1, UNKNOWN, [("x-case", case), ("x-fake", "messages=100000,size=10000"), *target.metadata], b"x")
    expect(peer.read_until(lambda f: f[0] == 0 and len(f[3]) > 0), "no answer")
    peer.close()
    expect(target.server.of_case("end", case)["cancelled"], "the server's call was not cancelled")


@proxied("back-pressure: a client that does not read stops its own stream and nobody else's")
def slow_reader(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    client, other = scene.client(daemon), scene.client(daemon)
    client.call(UNKNOWN, b"", "echo")
    before = daemon.rss()
    slow = client.start(UNKNOWN, b"", f"messages=200,size={MIB},stall_ms=200", shape="us", limit=20)
    next(slow.call)
    stalled = server.of_case("stalled", slow.case)
    expect(stalled["sent_bytes"] < STALL_BYTES, f"the server could send {stalled['sent_bytes'] // MIB} MiB")
    for neighbour in (client, other):
        for running in [neighbour.start(UNKNOWN, b"n", "messages=3,size=40000", shape="us") for _ in range(20)]:
            result = running.finish(5)
            expect_equal((result.code, len(result["messages"])), ("OK", 3), "a neighbour's call")
    grown = daemon.rss() - before
    expect(grown < growth(daemon, 32 * MIB), f"the daemon grew by {grown // MIB} MiB")
    result = slow.finish()
    expect_equal((result.code, len(result["messages"])), ("OK", 199), "the slow call when it is read again")


@proxied("back-pressure: eight clients that do not read stay within the daemon's memory limit")
def slow_readers(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server, main={"stream_window": "1MiB", "buffer_limit": "16MiB"})
    clients = [scene.client(daemon) for _ in range(8)]
    clients[0].call(UNKNOWN, b"", "echo")
    before = daemon.rss()
    slow = [client.start(UNKNOWN, b"", f"messages=100,size={MIB},stall_ms=200", shape="us") for client in clients]
    for running in slow:
        next(running.call)
    for running in slow:
        server.of_case("stalled", running.case)
    grown = daemon.rss() - before
    expect(grown < growth(daemon, 40 * MIB), f"the daemon grew by {grown // MIB} MiB with 8 MiB of windows")
    for running in slow:
        running.cancel()
    for running in slow:
        expect(server.of_case("end", running.case)["cancelled"], "a call was not cancelled")
    expect_equal(clients[0].call(UNKNOWN, b"after", "echo").code, "OK", "a call afterwards")


@proxied("back-pressure: a server that does not read stops its own upload and nobody else's")
def slow_server(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    client = scene.client(daemon)
    client.call(UNKNOWN, b"", "echo")
    before = daemon.rss()
    body = b"u" * MIB
    sent = 0

    def requests():
        nonlocal sent
        for _ in range(150):
            sent += 1
            yield body

    running = client.start(UNKNOWN, requests(), "summary,consume=1,resume_ms=2500", shape="su", limit=20)
    server.of_case("begin", running.case)
    last = -1
    while last != sent:  # until it is stuck: nothing moved for as long as this
        last = sent
        time.sleep(0.25)
    expect(sent * MIB < STALL_BYTES, f"the client could send {sent} MiB")
    grown = daemon.rss() - before
    expect(grown < growth(daemon, 32 * MIB), f"the daemon grew by {grown // MIB} MiB")
    for neighbour in [client.start(UNKNOWN, b"n", "echo") for _ in range(20)]:
        expect_equal(neighbour.finish(5).code, "OK", "a neighbour's call")
    result = running.finish()
    expect_equal(result.code, "OK", "the upload")
    expect(result["messages"][0].startswith(b"count=150,"), f"the server got {result['messages']}")


@proxied("back-pressure: 100 streams on one connection all arrive whole")
def many_streams(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    client = scene.client(daemon)
    running = [client.start(UNKNOWN, b"", "messages=20,size=30000", shape="us") for _ in range(100)]
    results = [call.finish(15) for call in running]
    expect({r.code for r in results} == {"OK"}, "a stream failed")
    expect(all(r["messages"] == results[0]["messages"] for r in results), "streams differ")


@proxied("memory: 200 connections come and go, and it is given back")
def connections_come_and_go(scene):
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(server)
    scene.client(daemon).call(UNKNOWN, b"", "echo")
    before = daemon.rss()
    peers = [RawClient(daemon.target) for _ in range(200)]
    done = threading.Event()
    for peer in peers:
        peer.call(1, UNKNOWN, [("x-fake", "messages=1,size=100000")], b"x")
    for peer in peers:
        expect(peer.read_until(lambda f: f[0] == 0), "no answer")
    for peer in peers:
        peer.close()
    end = time.monotonic() + WAIT_S
    while daemon.rss() - before > growth(daemon, 4 * MIB) and time.monotonic() < end:
        done.wait(0.05)
    grown = daemon.rss() - before
    expect(grown <= growth(daemon, 4 * MIB), f"{grown // 1024} KiB more than before")
