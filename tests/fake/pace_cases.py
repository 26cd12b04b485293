"""When to come again: what the daemon says where it has no room, and what it does where an upstream asks for a pause."""

import time

from fault_cases import closed_port, down
from harness import SPARK, Skipped, expect, expect_equal
from registry import proxied
from resume_cases import await_that
from resume_line import Line
from tls_cases import call_over_tls, certificates
from wire import ACK, END_HEADERS, GOAWAY, HEADERS, PING, RawClient, field, fields, frame, grpc_headers

UNKNOWN = "/some.other.Service/Method"
EXECUTE = SPARK + "ExecutePlan"
CONFIG = field(1, "5e551000-0000-4000-8000-00000000face") + field(2, field(1, "someone"))
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def retry_info(seconds, nanos=0):
    delay = (field(1, seconds) if seconds else b"") + (field(2, nanos) if nanos else b"")
    return field(1, RETRY_INFO) + field(2, field(1, delay))


def status(code, message, *details):
    return field(1, code) + field(2, message) + b"".join(field(3, detail) for detail in details)


def raw_details(result):
    found = [value for key, value in result["trailing"] if key == "grpc-status-details-bin"]
    expect(len(found) <= 1, f"details: {found}")
    return found[0] if found else None


def pause_of(result):
    """Seconds that the RetryInfo of an answer asks for; None: it has none."""
    details = raw_details(result)
    for detail in fields(details).get(3, []) if details else []:
        any_ = fields(detail)
        if any_[1] == [RETRY_INFO.encode()]:
            delay = fields(fields(any_[2][0])[1][0])
            return delay.get(1, [0])[0] + delay.get(2, [0])[0] / 1e9
    return None


# ---- what the daemon itself says


@proxied("pace: an upstream that cannot be reached: the client is told when the next try is made")
def unreachable(scene):
    daemon = scene.daemon(down(closed_port()), connect_timeout="1s")
    result = scene.client(daemon).call(UNKNOWN, b"x")
    expect_equal(result.code, "UNAVAILABLE", "status")
    pause = pause_of(result)
    expect(pause is not None and 0 < pause <= 10, f"RetryInfo: {pause}")


@proxied("pace: a certificate that is refused is not mended by waiting, and nothing is said of that")
def certificate(scene):
    made = certificates(scene)
    result = call_over_tls(scene, made.good, made.stranger)
    expect_equal((result.code, pause_of(result)), ("UNAVAILABLE", None), "status, RetryInfo")


@proxied("pace: the server allows too few calls at a time: the client is told to come again")
def no_stream_free(scene):
    server = scene.fake("--max-concurrent-streams", "1", token="t")
    daemon = scene.daemon(f"sc://{server.address}/;token=t", connections="1", max_connections="1", connect_timeout="1s")
    client = scene.client(daemon)
    slow = client.start(UNKNOWN, b"", "hang")
    server.of_case("begin", slow.case)
    result = client.call(UNKNOWN, b"x")
    expect_equal((result.code, pause_of(result)), ("UNAVAILABLE", 1), "status, RetryInfo")
    slow.cancel()


@proxied("pace: one client too many is told so, and comes in when there is room")
def too_many_clients(scene):
    server = scene.fake(token="t")
    daemon = scene.daemon(f"sc://{server.address}/;token=t", main={"max_client_connections": "2"})
    clients = [scene.client(daemon) for _ in range(2)]
    for client in clients:
        expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "those that were there first")
    late = scene.client(daemon)
    for _ in range(3):
        result = late.call(UNKNOWN, b"x", "echo")
        expect_equal(result.code, "UNAVAILABLE", "status")
        expect("max_client_connections" in result.details, f"it says {result.details!r}")
        pause = pause_of(result)
        expect(pause is not None and 5 <= pause < 10, f"RetryInfo: {pause}")
    for client in clients:
        expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "those that were there first, then")
    clients[0].close()
    end = time.monotonic() + 8
    while (result := late.call(UNKNOWN, b"x", "echo")).code != "OK":
        expect(time.monotonic() < end, f"there is room, and it is {result.code}: {result.details!r}")
    expect_equal(len(server.events("begin")), 5, "calls at the server")


@proxied("pace: those that are turned away and say nothing are closed, and of too many none is heard")
def turned_away(scene):
    server = scene.fake(token="t")
    daemon = scene.daemon(f"sc://{server.address}/;token=t", main={"max_client_connections": "1"})
    first = scene.client(daemon)
    expect_equal(first.call(UNKNOWN, b"x", "echo").code, "OK", "the first")
    silent = [RawClient(daemon.target) for _ in range(150)]
    for client in silent:
        expect(client.read_to_end(), "a connection stays open")
        client.close()
    again = RawClient(daemon.target)
    again.call(1, UNKNOWN)
    answer = again.read_until(lambda f: f[0] == HEADERS)
    expect(answer is not None and b"TOO_MANY" not in answer[3] and answer[2] == 1, f"no answer: {answer}")
    expect(again.read_until(lambda f: f[0] == GOAWAY) is not None, "no GOAWAY")
    again.close()
    expect_equal(first.call(UNKNOWN, b"x", "echo").code, "OK", "the first, again")


@proxied("pace: one call too many is told so, and so are a thousand", limit=90)
def too_many_calls(scene):
    server = scene.fake(token="t")
    daemon = scene.daemon(f"sc://{server.address}/;token=t", main={"log_level": "info"})
    client = scene.client(daemon)
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "before")
    block = grpc_headers(SPARK + "Config")  # whose session never comes

    def thousand_calls():
        raw = RawClient(daemon.target)
        raw.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, block) for i in range(1000)))
        raw.send(frame(PING, 0, 0, b"they are"))
        raw.read_until(lambda f: f[0] == PING and f[1] == ACK)
        return raw

    held = [thousand_calls() for _ in range(20)]
    result = client.call(UNKNOWN, b"x", "echo")
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect("20000 calls" in result.details, f"it says {result.details!r}")
    expect(1 <= (pause_of(result) or 0) < 2, f"RetryInfo: {pause_of(result)}")
    held.append(thousand_calls())  # which are told so, too, and leave nothing
    result = client.call(UNKNOWN, b"x", "echo")
    expect("20000 calls" in result.details, f"then it says {result.details!r}")
    for raw in held:
        raw.close(reset=True)
    await_that(lambda: client.call(UNKNOWN, b"x", "echo").code == "OK", "room again")


# ---- what an upstream says


def details_script(code, message, *details):
    return f"details={status(code, message, *details).hex()}"


@proxied("pace: a status with RetryInfo goes to the client at once, its details byte for byte")
def passed_on(scene):
    server = scene.fake(token="t")
    client = scene.client(scene.daemon(f"sc://{server.address}/;token=t"))
    for code, name in ((14, "UNAVAILABLE"), (8, "RESOURCE_EXHAUSTED")):
        details = status(code, "busy", field(1, "x/y.Z") + field(2, b"\0\xff"), retry_info(3600), retry_info(1)) + field(15, 7)
        for path, body in ((UNKNOWN, b"x"), (EXECUTE, CONFIG + field(5, field(1, field(1, 1))) + field(6, f"0be7a000-{code}"))):
            result = client.call(path, body, f"status={code},message=busy,details={details.hex()}", shape="us")
            expect_equal((result.code, result.details, raw_details(result)), (name, "busy", details), path)
    expect_equal(len(server.events("begin")), 4, "calls at the server")


@proxied("pace: results that break off with RetryInfo go on after that pause, not before")
def resumed_after(scene):
    line = Line(scene)
    script = "segment=5,segment_status=14,segment_times=2," + details_script(14, "busy", retry_info(0, 400000000))
    started = time.monotonic()
    line.whole(messages=20, fake=script)
    expect(time.monotonic() - started >= 0.8, "two pauses of 0.4 s were not kept")
    expect_equal(line.expect_once()["attaches"], 3, "streams at the server")


@proxied("pace: a pause longer than resume_timeout is for the client, at once")
def too_long(scene):
    line = Line(scene, resume_timeout="5s")
    client = scene.client(line.daemon)
    details = status(14, "the stream ends after 5 responses", retry_info(5))
    script = f"messages=20,size=50,segment=5,segment_status=14,details={details.hex()}"
    body = CONFIG + field(5, field(1, field(1, 1))) + field(6, "0be7a000-0000-4000-8000-0000000fa5e1")
    result = client.call(EXECUTE, body, script, shape="us", limit=4)
    expect_equal((result.code, len(result["messages"]), raw_details(result)), ("UNAVAILABLE", 5, details), "the answer")
    expect_equal(line.counts()["attaches"], 1, "streams at the server")


@proxied("pace: a client whose deadline comes before the pause is over is told at once")
def deadline_first(scene):
    line = Line(scene)
    client = scene.client(line.daemon)
    details = status(14, "the stream ends after 5 responses", retry_info(60))
    body = CONFIG + field(5, field(1, field(1, 1))) + field(6, "0be7a000-0000-4000-8000-0000000fa5e2")
    result = client.call(EXECUTE, body, f"messages=20,size=50,segment=5,segment_status=14,details={details.hex()}",
                         shape="us", timeout=30)
    expect_equal((result.code, raw_details(result)), ("UNAVAILABLE", details), "the answer")


@proxied("pace: a pause that makes no sense is none")
def senseless(scene):
    line = Line(scene)
    bad = [status(14, "", retry_info((1 << 64) - 1)), status(14, "", retry_info(1 << 40)),
           status(14, "", retry_info(3, 1 << 30)), status(14, "", retry_info(3)[:-1]), b"\xff\xff\xff", b"\x1a\x7f"]
    for details in bad:
        line.whole(messages=10, fake=f"segment=5,segment_status=14,segment_times=1,details={details.hex()}", limit=6)
    for value in ("99999999999999999999", "-5", "soon"):
        line.relay.command(f"retry-after {value}")
        line.whole("close messages=3 times=1", "page=503 times=1", messages=10, faults=2, limit=6)


@proxied("pace: a client can cancel in the pause")
def cancelled(scene):
    line = Line(scene)
    client = scene.client(line.daemon)
    script = "messages=20,size=50,segment=5,segment_status=14," + details_script(14, "busy", retry_info(120))
    body = CONFIG + field(5, field(1, field(1, 1))) + field(6, "0be7a000-0000-4000-8000-0000000fa5e3")
    running = client.start(EXECUTE, body, script, shape="us")
    for _ in range(5):
        next(running.call)
    await_that(lambda: "going on in 120000 ms" in line.daemon.log(), "the pause in the log")
    running.cancel()
    expect_equal(running.finish().code, "CANCELLED", "status")
    expect_equal(client.call(UNKNOWN, b"x", "echo").code, "OK", "the next call")
    expect_equal(line.counts()["attaches"], 1, "streams at the server")


for _status in ("429", "503"):
    @proxied(f"pace: a page with {_status} and retry-after in place of an answer is told as RetryInfo")
    def page(scene, status_=_status):
        raw = scene.raw("--fault", f"http={status_}", "--retry-after", "7")
        client = scene.client(scene.daemon(raw))
        result = client.call(UNKNOWN, b"x")
        expect_equal((result.code, pause_of(result)), ("UNAVAILABLE", 7), "status, RetryInfo")
        expect_equal(len(raw.settled("call")), 1, "calls that went upstream")


@proxied("pace: a page without retry-after, or with one that is for people, is told without RetryInfo")
def page_without(scene):
    for options in ([], ["--retry-after", "-1"], ["--retry-after", "90000"], ["--retry-after", "later"]):
        raw = scene.raw("--fault", "http=503", *options)
        result = scene.client(scene.daemon(raw)).call(UNKNOWN, b"x")
        expect_equal((result.code, pause_of(result)), ("UNAVAILABLE", None), f"status, RetryInfo with {options}")
    raw = scene.raw("--fault", "http=404", "--retry-after", "7")
    result = scene.client(scene.daemon(raw)).call(UNKNOWN, b"x")
    expect_equal((result.code, pause_of(result)), ("UNIMPLEMENTED", None), "status, RetryInfo of what is wrong for good")


@proxied("pace: results cut by a page go on after its retry-after")
def page_resumed(scene):
    line = Line(scene)
    line.relay.command("retry-after 1")
    started = time.monotonic()
    line.whole("close messages=3 times=1", "page=503 times=1", messages=10, faults=2)
    expect(time.monotonic() - started >= 1, "the pause was not kept")


@proxied("pace: a Config call is made again after the retry-after of a page, or told of it when that is too long")
def page_replayed(scene):
    raw = scene.raw("--fault", "http=503", "--times", "1", "--retry-after", "1")
    result = scene.client(scene.daemon(raw)).call(SPARK + "Config", CONFIG)
    expect_equal(result.code, "OK", "status")
    expect(result["seconds"] >= 1, "the pause was not kept")
    expect_equal(len(raw.settled("call")), 2, "calls that went upstream")
    raw = scene.raw("--fault", "http=503", "--times", "1", "--retry-after", "600")
    result = scene.client(scene.daemon(raw)).call(SPARK + "Config", CONFIG)
    expect_equal((result.code, pause_of(result)), ("UNAVAILABLE", 600), "status, RetryInfo")
    expect_equal(len(raw.settled("call")), 1, "calls that went upstream, then")


@proxied("pace: stock PySpark waits as long as the daemon says", limit=60)
def pyspark_waits(scene):
    try:
        from pyspark.sql.connect.client.retries import DefaultPolicy, Retrying
    except Exception as error:
        raise Skipped(f"no PySpark with a retry policy here: {error}") from None
    raw = scene.raw("--fault", "http=503", "--times", "2", "--retry-after", "600")
    client = scene.client(scene.daemon(raw))
    method = client.channel.unary_unary(UNKNOWN)
    waits = []
    for attempt in Retrying(DefaultPolicy(), sleep=waits.append):
        with attempt:
            method(b"x")
    expect(len(waits) == 2 and all(600 <= wait <= 601 for wait in waits), f"it waited {waits} s")
