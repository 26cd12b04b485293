"""Upstreams that fail: every fault gives the status it should, and no call ever hangs."""

import signal
import socket
import threading
import time

from harness import SPARK, TOKEN, Failure, expect, expect_equal
from registry import proxied
from wire import field

UNKNOWN = "/some.other.Service/Method"
EXECUTE = SPARK + "ExecutePlan"
PLAN = (field(1, "5e551000-0000-4000-8000-0000000fa017") + field(2, field(1, "someone")) +
        field(6, "0be7a000-0000-4000-8000-0000000fa017"))
QUICK = {"connect_timeout": "1s"}

# HTTP/2 error codes
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 8, 11

# How an answer may fail: raw-server's options, the statuses allowed, what the message must contain ({host}: the
# upstream's). Where stock clients give up on what the library would say, UNAVAILABLE is right: it makes them
# reattach.
FAULTS = {
    "dies before the answer": (["--fault", "die"], {"UNAVAILABLE"}, "{host}"),
    "dies after the headers": (["--fault", "die", "--when", "headers"], {"UNAVAILABLE"}, "{host}"),
    "dies in a message": (["--fault", "die", "--when", "message"], {"UNAVAILABLE"}, "{host}"),
    "dies after a message": (["--fault", "die", "--when", "after"], {"UNAVAILABLE"}, "{host}"),
    "aborts before the answer": (["--fault", "abort"], {"UNAVAILABLE"}, "{host}"),
    "aborts in a message": (["--fault", "abort", "--when", "message"], {"UNAVAILABLE"}, "{host}"),
    "resets with INTERNAL_ERROR": (["--fault", f"reset={INTERNAL_ERROR}"], {"UNAVAILABLE"}, "{host}"),
    "resets with INTERNAL_ERROR in a message":
        (["--fault", f"reset={INTERNAL_ERROR}", "--when", "message"], {"UNAVAILABLE"}, "{host}"),
    "resets with PROTOCOL_ERROR after the headers":
        (["--fault", f"reset={PROTOCOL_ERROR}", "--when", "headers"], {"UNAVAILABLE"}, "{host}"),
    "resets with NO_ERROR after a message":
        (["--fault", f"reset={NO_ERROR}", "--when", "after"], {"UNAVAILABLE"}, "{host}"),
    "resets with CANCEL": (["--fault", f"reset={CANCEL}"], {"UNAVAILABLE", "CANCELLED"}, "{host}"),
    "resets with ENHANCE_YOUR_CALM":
        (["--fault", f"reset={ENHANCE_YOUR_CALM}"], {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}, "{host}"),
    "goes away in the middle of it": (["--fault", "goaway-cut"], {"UNAVAILABLE"}, "{host}"),
    "ends without trailers": (["--fault", "no-trailers"], {"UNAVAILABLE"}, "{host}"),
    "ends without a status": (["--fault", "no-status"], {"UNAVAILABLE", "UNKNOWN"}, ""),
    "answers 503 with a page": (["--fault", "http=503"], {"UNAVAILABLE"}, "503"),
    "answers 502 with a page": (["--fault", "http=502"], {"UNAVAILABLE"}, "502"),
    "answers 404 with a page": (["--fault", "http=404"], {"UNIMPLEMENTED", "UNAVAILABLE"}, "404"),
    "answers 500 with a page": (["--fault", "http=500"], {"UNKNOWN", "UNAVAILABLE"}, "500"),
    "answers 302 with a page": (["--fault", "http=302"], {"UNKNOWN", "UNAVAILABLE"}, "302"),
    "answers 100 KB of headers":
        (["--fault", "big-headers=100000"], {"UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN"}, ""),
}


def add_fault(name, options, codes, said):
    @proxied(f"fault: upstream {name}")
    def _(scene):
        raw = scene.raw(*options)
        client = scene.client(scene.daemon(raw, **QUICK))
        for path, body, shape in ((EXECUTE, PLAN, "us"), (UNKNOWN, b"x", "uu")):
            result = client.call(path, body, shape=shape)
            expect(result.code in codes, f"status {result.code}, {result.details!r}; allowed: {sorted(codes)}")
            expect(said.format(host="127.0.0.1") in result.details, f"the message does not say it: {result.details!r}")
        calls = raw.settled("call")
        expect(len(calls) == 2, f"{len(calls)} calls went upstream for 2: what may have run must not run again")


for _name, _fault in FAULTS.items():
    add_fault(_name, *_fault)

# A token that was refused is not shown again: the second call is answered here.
for _status in ("401", "403"):
    @proxied(f"fault: upstream answers {_status} with a page")
    def _(scene, status=_status):
        raw = scene.raw("--fault", f"http={status}")
        client = scene.client(scene.daemon(raw, **QUICK))
        for _ in range(2):
            result = client.call(UNKNOWN, b"x")
            expect_equal(result.code, "UNAUTHENTICATED", "status")
            expect("127.0.0.1" in result.details and "profile p" in result.details, f"said: {result.details!r}")
        expect_equal(len(raw.settled("call")), 1, "calls that went upstream")

# What goes wrong before any call: the greeting.
GREETINGS = {
    "says nothing": ["--fault", "silent"],
    "closes at once": ["--fault", "close-accept"],
    "closes after 10 bytes": ["--fault", "close-after=10"],
    "speaks HTTP/1": ["--fault", "html1"],
    "speaks something else": ["--fault", "garbage"],
    "sends settings that are not allowed": ["--fault", "bad-settings"],
}


def add_greeting(name, options):
    @proxied(f"fault: upstream {name}")
    def _(scene):
        client = scene.client(scene.daemon(scene.raw(*options), **QUICK))
        running = [client.start(UNKNOWN, b"x") for _ in range(3)]
        for call in running:
            result = call.finish(6)
            expect_equal(result.code, "UNAVAILABLE", "status")
            expect("127.0.0.1" in result.details, f"the host is not named: {result.details!r}")


for _name, _options in GREETINGS.items():
    add_greeting(_name, _options)

# What a call must survive.
HARMLESS = {
    "sends 103 first": ["--fault", "informational"],
    "pads its frames": ["--padded"],
    "answers byte by byte": ["--fault", "empty-frames"],
    "answers as the request arrives": ["--fault", "echo-open"],
    "allows one stream at a time": ["--max-streams", "1"],
    "has a window of 100 bytes": ["--window", "100"],
}


def add_harmless(name, options):
    @proxied(f"fault: upstream {name}, and nothing is lost")
    def _(scene):
        raw = scene.raw(*options)
        client = scene.client(scene.daemon(raw))
        body = b"good" if "empty-frames" in options else b"g" * 3000
        running = [client.start(UNKNOWN, body) for _ in range(20)]
        for call in running:
            result = call.finish()
            expect_equal((result.code, result.details), ("OK", ""), "status")
            expect(len(result["messages"]) == 1, "no answer")
            if "empty-frames" not in options:
                expect_equal(result["messages"][0][0], 3000, "length of the echo")
        expect_equal(len(raw.settled("call")), 20, "calls at the upstream")


for _name, _options in HARMLESS.items():
    add_harmless(_name, _options)


@proxied("fault: upstream goes away and still answers, and nothing is lost")
def goes_away(scene):
    raw = scene.raw("--fault", "goaway-drain")
    client = scene.client(scene.daemon(raw))
    for _ in range(20):
        result = client.call(UNKNOWN, b"x")
        expect_equal((result.code, result.details, result["messages"]), ("OK", "", [b"x"]), "a call")
    expect(len({call["connection"] for call in raw.settled("call")}) == 20, "a connection was used after its GOAWAY")


def add_as_direct(name, fault):
    @proxied(f"fault: upstream {name}, no worse than without the daemon")
    def _(scene):
        raw = scene.raw("--fault", fault)
        straight, client = scene.client(raw.address), scene.client(scene.daemon(raw, **QUICK))
        for path, body, shape in ((EXECUTE, PLAN, "us"), (UNKNOWN, b"x", "us")):  # unary, the library may hang
            direct, proxied_ = straight.call(path, body, shape=shape), client.call(path, body, shape=shape)
            expect(proxied_.code in (direct.code, "UNAVAILABLE", "INTERNAL"),
                   f"status {proxied_.code}, directly {direct.code}")


add_as_direct("ends in a message", "truncated")
add_as_direct("answers twice", "overlong")


def add_replayed(name, options):
    @proxied(f"replay: {name} is tried once more, unseen")
    def _(scene):
        raw = scene.raw(*options, "--times", "1")
        client = scene.client(scene.daemon(raw))
        result = client.call(EXECUTE, PLAN, shape="us", metadata=[("x-mine", "1")])
        expect_equal((result.code, result.details), ("OK", ""), "status")
        calls, ends = raw.settled("call"), raw.settled("end")
        expect_equal(len(calls), 2, "calls at the upstream")
        mine = [[pair for pair in call["headers"] if pair[0] != "grpc-timeout"] for call in calls]
        expect_equal(mine[1], mine[0], "headers of the second try")
        expect(PLAN.hex() in ends[-1]["first"], "the second try had another body")


add_replayed("a call refused with REFUSED_STREAM", ["--fault", f"reset={REFUSED_STREAM}"])
add_replayed("a call above GOAWAY's last stream, connection closed", ["--fault", "goaway-none"])
add_replayed("a call above GOAWAY's last stream, connection open", ["--fault", "goaway-open"])


@proxied("replay: a call that is refused again and again ends UNAVAILABLE")
def refused_for_ever(scene):
    raw = scene.raw("--fault", f"reset={REFUSED_STREAM}")
    result = scene.client(scene.daemon(raw, **QUICK)).call(UNKNOWN, b"x")
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect("127.0.0.1" in result.details, f"the host is not named: {result.details!r}")
    tries = len(raw.settled("call"))
    expect(2 <= tries <= 20, f"{tries} tries")


@proxied("cancel: while the upstream does not answer, it is told so")
def cancel_stalled(scene):
    raw = scene.raw("--fault", "stall")
    running = scene.client(scene.daemon(raw)).start(UNKNOWN, b"x")
    raw.wait_event("call")
    running.cancel()
    expect_equal(raw.wait_event("end")["error"], CANCEL, "HTTP/2 error code at the upstream")


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def down(port):
    return f"sc://127.0.0.1:{port}/;token={TOKEN}"


@proxied("down: a call waits up to connect_timeout, then ends UNAVAILABLE with host and reason")
def upstream_down(scene):
    client = scene.client(scene.daemon(down(closed_port()), connect_timeout="1s"))
    result = client.call(UNKNOWN, b"x")
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect("127.0.0.1" in result.details and "refused" in result.details, f"it says {result.details!r}")
    expect(0.8 <= result["seconds"] <= 4, f"it took {result['seconds']:.1f} s")


@proxied("down: a name that does not exist is told as such")
def no_such_name(scene):
    client = scene.client(scene.daemon(f"sc://nosuch.invalid:15002/;token={TOKEN}", connect_timeout="1s"))
    result = client.call(UNKNOWN, b"x")
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect("nosuch.invalid" in result.details, f"it says {result.details!r}")


@proxied("down: a waiting call can be cancelled, and keeps its deadline")
def waiting_ends(scene):
    client = scene.client(scene.daemon(down(closed_port()), connect_timeout="20s"))
    result = client.call(UNKNOWN, b"x", timeout=0.3)
    expect_equal(result.code, "DEADLINE_EXCEEDED", "status")
    waiting = [client.start(UNKNOWN, b"x") for _ in range(3)]
    waiting[0].cancel()
    expect_equal(waiting[0].finish(2).code, "CANCELLED", "status of the cancelled call")
    for call in waiting[1:]:
        call.cancel()
    expect_equal(client.call("/grpc.health.v1.Health/Check", b"").code, "OK", "health")


@proxied("down: the upstream comes up while calls wait, and they succeed")
def comes_up(scene):
    port = closed_port()
    client = scene.client(scene.daemon(down(port), connect_timeout="20s"))
    waiting = [client.start(UNKNOWN, f"call {i}".encode(), "echo") for i in range(10)]
    scene.fake(token=TOKEN, port=port)
    for i, call in enumerate(waiting):
        result = call.finish()
        expect_equal((result.code, result["messages"]), ("OK", [f"call {i}".encode()]), "a waiting call")


@proxied("down: reconnects by itself after the upstream was away")
def comes_back(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "before")
    server.kill()
    again = scene.fake(token=TOKEN, port=server.port)
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "after")
    expect(again.begun(), "the new server got nothing")


@proxied("limits: MAX_CONCURRENT_STREAMS 1 and 20 calls at a time")
def one_stream(scene):
    server = scene.fake("--max-concurrent-streams", "1", token=TOKEN)
    client = scene.client(scene.daemon(server, connections="1", max_connections="2"))
    running = [client.start(UNKNOWN, f"call {i}".encode(), "echo,delay_ms=5") for i in range(20)]
    results = [call.finish() for call in running]
    expect_equal([r["messages"] for r in results], [[f"call {i}".encode()] for i in range(20)], "answers")


@proxied("limits: a long stream does not stand in the way where a connection has one stream")
def one_stream_long(scene):
    server = scene.fake("--max-concurrent-streams", "1", token=TOKEN)
    client = scene.client(scene.daemon(server, connections="1", max_connections="4"))
    slow = client.start(UNKNOWN, b"", "hang")
    server.of_case("begin", slow.case)
    for _ in range(5):
        expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a small call")
    slow.cancel()


def add_dying(how, moment):
    @proxied(f"no hang: upstream that {how}s every connection, {moment}, 40 times 4 calls")
    def _(scene):
        raw = scene.raw("--fault", how, "--when", moment)
        daemon = scene.daemon(raw, **QUICK)
        client = scene.client(daemon)
        for _ in range(40):
            running = [client.start(EXECUTE, PLAN, shape="us"), client.start(UNKNOWN, [b"x"] * 3, shape="ss"),
                       client.start(UNKNOWN, b"x"), client.start(UNKNOWN, b"x" * 100000)]
            for call in running:
                expect_equal(call.finish(4).code, "UNAVAILABLE", "status")
        expect(daemon.is_alive(), "the daemon ended")


for _how in ("die", "abort"):
    for _moment in ("before", "headers", "message", "after"):
        add_dying(_how, _moment)


@proxied("no hang: upstream killed with calls running, 300 times", limit=150)
def killed(scene):
    server = scene.fake(token=TOKEN)
    port = server.port
    daemon = scene.daemon(server, connect_timeout="5s")
    client = scene.client(daemon)
    kinds = [("messages=100000,size=30000,delay_ms=2", "us"), ("hang", "uu"), ("echo,headers_first", "ss"),
             ("messages=1,first_delay_ms=60000", "us")]
    for i in range(300):
        stop = threading.Event()

        def requests(stop=stop):
            yield b"x"
            stop.wait(10)

        running = [client.start(UNKNOWN, requests() if shape == "ss" else b"x", fake, shape=shape)
                   for fake, shape in kinds]
        for call in running:
            server.of_case("begin", call.case)
        server.process.send_signal(signal.SIGKILL)
        for call in running:
            result = call.finish(5)
            expect_equal(result.code, "UNAVAILABLE", f"status in round {i}")
        stop.set()
        server.kill()
        scene.things.remove(server)
        server = restart(scene, port)
    expect(daemon.is_alive(), "the daemon ended")
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "a call at the end")


def restart(scene, port):
    """The port is free again once the kernel has let go of the killed server's socket."""
    end = time.monotonic() + 3
    while True:
        try:
            return scene.fake(token=TOKEN, port=port)
        except Failure:
            if time.monotonic() > end:
                raise


@proxied("fault: upstream answers 503 with a page to several clients at once, and the daemon lives")
def page_for_many(scene):
    front = scene.daemon(scene.raw("--fault", "http=503"), **QUICK)
    for _ in range(20):
        clients = [scene.client(front) for _ in range(4)]
        results = []
        threads = [threading.Thread(target=lambda one=one: results.append(one.call(UNKNOWN, b"x").code))
                   for one in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect_equal(results, ["UNAVAILABLE"] * 4, "statuses")
    expect(front.is_alive(), "the daemon has gone")
