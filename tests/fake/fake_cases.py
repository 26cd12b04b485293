"""Transparency: each case is made directly and through the daemon, and the results must be equal: messages,
initial metadata, trailers, status, and what the server saw."""

import itertools
import threading
import zlib

import grpc

from harness import SPARK, WAIT_S, expect, expect_equal
from registry import both
from wire import field

SESSION = "5e551000-0000-4000-8000-00000000cafe"
USER = field(2, field(1, "someone"))
MIB = 1024 * 1024
UNKNOWN = "/some.other.Service/Method"


def pattern(size):
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


@both("shapes: unary request, unary response")
def unary(target):
    return target.call(UNKNOWN, b"hello", "echo")


@both("shapes: unary request, streamed response")
def response_stream(target):
    return target.call(UNKNOWN, b"hello", "messages=20,size=777", shape="us")


@both("shapes: streamed request, unary response")
def request_stream(target):
    return target.call(UNKNOWN, [pattern(i * 100) for i in range(20)], "summary", shape="su")


@both("shapes: streamed both ways, in step")
def in_step(target):
    """Each request is sent only when the answer to the one before is there."""
    answered = threading.Semaphore(1)

    def requests():
        for i in range(20):
            expect(answered.acquire(timeout=WAIT_S), "an answer did not come")
            yield f"message {i}".encode()

    running = target.client.start(UNKNOWN, requests(), "echo", shape="ss")
    watchdog = threading.Timer(WAIT_S, running.cancel)
    watchdog.start()
    got = []
    for message in running.call:
        got.append(message)
        answered.release()
    watchdog.cancel()
    expect_equal(len(got), 20, "messages")
    return target.seen({**running.finish(), "got": got})


@both("shapes: streamed both ways, all at once")
def at_once(target):
    return target.call(UNKNOWN, [pattern(5000)] * 50, "echo", shape="ss")


@both("shapes: each of Spark's methods")
def spark_methods(target):
    request = field(1, SESSION) + USER + field(3, "0be7a000-0000-4000-8000-000000000001")
    names = ("AnalyzePlan", "Config", "ArtifactStatus", "Interrupt", "ReleaseSession", "FetchErrorDetails",
             "CloneSession", "GetStatus")
    results = [target.call(SPARK + name, request) for name in names]
    for result in results:
        expect_equal(result["code"], "OK", "status")
    return results


@both("shapes: AddArtifacts")
def add_artifacts(target):
    head = field(1, SESSION) + USER
    return target.call(SPARK + "AddArtifacts", [head + field(5, field(1, pattern(32768)))] * 30, shape="su")


@both("shapes: ExecutePlan and ReattachExecute")
def execute_plan(target):
    operation = "0be7a000-0000-4000-8000-0000000000ee"
    head = field(1, SESSION) + USER
    first = target.call(SPARK + "ExecutePlan", head + field(6, operation), "messages=5,size=2000", shape="us")
    again = target.call(SPARK + "ReattachExecute", head + field(3, operation), shape="us")
    missing = target.call(SPARK + "ReattachExecute", head + field(3, operation[:-2] + "00"), shape="us")
    expect_equal(again["messages"], first["messages"], "what reattaching gave")
    return [first, again, missing]


@both("shapes: reflection is a method like any other")
def reflection(target):
    return target.call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", [b"\x3a\x00", b"\x3a\x01x"],
                       "echo", shape="ss")


@both("messages: none at all from the client")
def no_request(target):
    return target.call(UNKNOWN, [], "summary", shape="su")


@both("messages: none at all from the server")
def no_response(target):
    return target.call(UNKNOWN, b"x", "messages=0", shape="us")


@both("messages: empty ones")
def empty_messages(target):
    return [target.call(UNKNOWN, b"", "messages=1,size=0"), target.call(UNKNOWN, b"", "messages=9,size=0", shape="us"),
            target.call(UNKNOWN, [b"", b"x", b"", b""], "echo", shape="ss"),
            target.call(UNKNOWN, [b""] * 7, "summary", shape="su")]


@both("messages: sizes around frame and window limits")
def odd_sizes(target):
    results = []
    for size in (1, 4, 5, 16379, 16384, 16385, 65530, 65535, 65536, 1 << 20, (1 << 22) + 3):
        result = target.call(UNKNOWN, pattern(size), "echo")
        expect_equal(result["code"], "OK", f"status at {size} bytes")
        results.append(result)
    return results


@both("messages: 128 MiB down")
def large_down(target):
    return target.call(UNKNOWN, b"", f"messages=1,size={128 * MIB}", limit=25)


@both("messages: 128 MiB up")
def large_up(target):
    body = pattern(128 * MIB)
    result = target.call(UNKNOWN, body, "summary", limit=25)
    expect_equal(result["messages"], [f"count=1,bytes={len(body)},crc={zlib.crc32(body)}".encode()], "answer")
    return result


@both("messages: 5,000 small ones each way")
def many_small(target):
    return [target.call(UNKNOWN, b"", "messages=5000,size=20", shape="us", limit=20),
            target.call(UNKNOWN, itertools.repeat(b"request", 5000), "summary", shape="su", limit=20)]


@both("messages: compressed with gzip, both ways")
def compressed(target):
    result = target.call(UNKNOWN, b"a" * 100000, "messages=5,size=100000,compress=gzip", shape="us",
                         compression=grpc.Compression.Gzip)
    echo = target.call(UNKNOWN, [b"b" * 50000, b"", b"c"], "echo", shape="ss", compression=grpc.Compression.Gzip)
    expect_equal(result["messages"][0][0], 100000, "length after decompression")
    return [result, echo]


@both("status: every code")
def every_code(target):
    results = []
    for code in range(1, 16):  # 16 is about our token, and told in our words: see the faults
        result = target.call(UNKNOWN, b"", f"status={code},message=code%20{code}")
        expect_equal(result["details"], f"code {code}", "message")
        results.append(result)
    return results


@both("status: trailers-only")
def trailers_only(target):
    metadata = [("x-echo-trailing-why", "because"), ("x-echo-trailing-more-bin", b"\x00\xff")]
    return [target.call(UNKNOWN, b"", "trailers_only,status=5,message=nothing%20here", metadata=metadata),
            target.call(UNKNOWN, b"", "trailers_only,status=13", shape="us", metadata=metadata),
            target.call(UNKNOWN, [b"1", b"2"], "trailers_only,status=9", shape="ss"),
            target.call(UNKNOWN, b"", "trailers_only,status=0", shape="us")]


@both("status: error after messages")
def error_late(target):
    return target.call(UNKNOWN, b"", "messages=3,size=10,status=13,message=broke", shape="us")


@both("status: details and a message in UTF-8")
def details(target):
    blob = (field(1, 13) + field(2, "dünn ☃") + field(3, field(1, "type.googleapis.com/x") + bytes(range(200)))).hex()
    result = target.call(UNKNOWN, b"", f"status=13,message=d%C3%BCnn%20%E2%98%83%0a100%25%2C%00%7f,details={blob}")
    expect(any(key == "grpc-status-details-bin" for key, _ in result["trailing"]), "no details in the trailers")
    return result


@both("status: a message of 2,000 characters")
def long_message(target):
    return target.call(UNKNOWN, b"", "status=13,message=" + "long%20" * 430)


@both("metadata: text and binary, repeated, both ways")
def metadata(target):
    sent = [("x-plain", "value"), ("x-repeat", "one"), ("x-repeat", "two"), ("x-repeat", "one"),
            ("x-data-bin", bytes(range(256))), ("x-data-bin", b""), ("x-data-bin", b"\x00"), ("x-empty", ""),
            ("x-spaces", "a b  c"), ("x-commas", "a,b, c"),
            ("x-echo-initial-a", "1"), ("x-echo-initial-a", "2"), ("x-echo-initial-b-bin", bytes(range(256))),
            ("x-echo-trailing-c", "3"), ("x-echo-trailing-c", "4"), ("x-echo-trailing-d-bin", b"\xff\x00\xfe")]
    results = [target.call(UNKNOWN, b"", "messages=2", metadata=sent, shape="us"),
               target.call(UNKNOWN, b"", "messages=0,status=3", metadata=sent, shape="us")]
    expect(("x-echo-initial-b-bin", bytes(range(256))) in results[0]["initial"], "binary initial metadata is lost")
    expect(("x-echo-trailing-d-bin", b"\xff\x00\xfe") in results[0]["trailing"], "binary trailers are lost")
    return results


@both("metadata: 5 KB of it")
def much_metadata(target):
    sent = [(f"x-echo-{where}-{i}", "v" * 60) for i in range(25) for where in ("initial", "trailing")]
    return target.call(UNKNOWN, b"", "messages=1", metadata=sent)


@both("metadata: arrives before the first message")
def headers_first(target):
    running = target.client.start(UNKNOWN, [], "headers_first,hang", metadata=[("x-echo-initial-early", "yes")],
                                  shape="ss")
    watchdog = threading.Timer(WAIT_S, running.cancel)
    watchdog.start()
    initial = [tuple(pair) for pair in running.call.initial_metadata()]
    watchdog.cancel()
    running.cancel()
    expect_equal(initial, [("x-echo-initial-early", "yes")], "initial metadata while the call runs")
    return initial


@both("deadline: honoured, and known to the server")
def deadline(target):
    result = target.call(UNKNOWN, b"", "hang", timeout=0.4)
    expect_equal(result["code"], "DEADLINE_EXCEEDED", "status")
    begin = target.server.of_case("begin", result["case"])
    expect(0 < begin["deadline_ms"] <= 400, f"the server was told {begin['deadline_ms']} ms")
    expect(result["server"]["cancelled"], "the server was not told of the end")
    result["details"], result["trailing"] = "", []  # both depend on who was first to notice: client or daemon
    return result


@both("deadline: of an hour, forwarded to within a second")
def long_deadline(target):
    result = target.call(UNKNOWN, b"", "echo", timeout=3600)
    begin = target.server.of_case("begin", result["case"])
    expect(3599000 <= begin["deadline_ms"] <= 3610000,  # C-core itself rounds up to three digits
           f"the server was told {begin['deadline_ms']} ms")
    return result


@both("deadline: none is made up")
def no_deadline(target):
    result = target.call(UNKNOWN, b"", "echo")
    expect_equal(target.server.of_case("begin", result["case"])["deadline_ms"], -1, "deadline at the server")
    return result


@both("end: half-close reaches the server, and answers still come")
def half_close(target):
    return target.call(UNKNOWN, [b"a", b"b"], "messages=3,size=5,first_delay_ms=50,delay_ms=20", shape="ss")


@both("end: the server answers before the request has ended")
def early_answer(target):
    stop = threading.Event()

    def requests():
        yield b"first"
        stop.wait(WAIT_S)

    result = target.call(UNKNOWN, requests(), "early,messages=2,size=5,status=7,message=enough", shape="ss")
    stop.set()
    expect_equal((result["code"], result["details"]), ("PERMISSION_DENIED", "enough"), "status")
    for key in ("messages", "bytes", "crc", "first"):  # how much of the request arrived by then is chance
        del result["server"][key]
    return result


@both("end: the server refuses in the middle of a large upload")
def early_refusal(target):
    body = pattern(64 * 1024)
    result = target.call(UNKNOWN, (body for _ in range(2000)), "early,messages=0,status=8,message=full", shape="su")
    expect_equal((result["code"], result["details"]), ("RESOURCE_EXHAUSTED", "full"), "status")
    del result["server"]
    return result


@both("order: 200 calls on one connection each get their own answer")
def many_calls(target):
    running = [target.client.start(UNKNOWN, f"call {i}".encode(), "echo") for i in range(200)]
    results = [call.finish() for call in running]
    expect_equal([r["messages"] for r in results], [[f"call {i}".encode()] for i in range(200)], "answers")
    return [{"messages": r["messages"], "code": r["code"]} for r in results]


@both("order: streams of different speed do not wait for each other")
def mixed_speed(target):
    slow = target.client.start(UNKNOWN, b"", "messages=4,size=10,delay_ms=150", shape="us")
    fast = [target.client.call(UNKNOWN, b"x", "echo") for _ in range(30)]
    expect(sum(r["seconds"] for r in fast) < 5, "quick calls waited for the slow one")
    return [slow.finish()["messages"], [r["messages"] for r in fast]]
