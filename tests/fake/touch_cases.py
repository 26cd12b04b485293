"""Clients that pause for longer than the server's patience: the daemon keeps their operations alive.

The server's stream ends after `sender_ms`, unseen behind what the client has not read, and an operation without a
stream for `detached_ms` is gone: Spark's two and five minutes, made short.
"""

import contextlib
import signal
import threading

from harness import SPARK, TOKEN, WAIT_S, Failure, expect, expect_equal, growth
from registry import proxied
from reload_cases import ask
from resume_cases import EXECUTE, IDENTITY, OPERATION, await_that, response_ids, start_execute, start_reattach
from resume_line import AUTHORIZATION, Line
from wire import field, fields

PATIENCE = "sender_ms=200,detached_ms=2000"
PERIOD = {"reattach_period": "300ms"}
TOUCHES = 20  # three times detached_ms
RESULTS = "messages=150,size=200000," + PATIENCE


def touches(line, since=0):
    """ReattachExecute calls that the server has had."""
    return [event for event in line.server.events("begin", since) if event["method"].endswith("ReattachExecute")]


def await_touches(line, count):
    await_that(lambda: len(touches(line)) >= count, f"{count} touches")


def expect_all(line, call, seen, expected=151):
    seen = seen + list(call)
    expect_equal(call.code().name, "OK", f"status ({call.details()!r})")
    expect_equal([int(i[:8], 16) for i in response_ids(seen)], list(range(expected)), "responses")
    line.expect_once()
    return seen


def straight(scene, script):
    """The responses of the same operation at another server, read without a pause."""
    server = scene.fake("--operations", token=TOKEN)
    client = scene.client(server.address, metadata=[("authorization", AUTHORIZATION.split("=")[1])])
    return list(client.start(SPARK + "ExecutePlan", EXECUTE, script, shape="us").call)


def start_and_lose(line, client, script):
    """Pauses until the server has given the operation up; returns the call and what has been read of it."""
    running = start_execute(line, client, script)
    seen = [next(running.call)]
    await_that(lambda: line.counts()["abandoned"] == 1, "the server to give the operation up")
    return running.call, seen


@proxied("pause: without the daemon the operation is gone", needs_daemon=False)
def gone_directly(scene):
    line = Line(scene, direct=True)
    client = scene.client(line.server.address, metadata=[("authorization", AUTHORIZATION.split("=")[1])])
    call, seen = start_and_lose(line, client, "messages=150,size=1000000," + PATIENCE)
    seen += list(call)
    expect(len(seen) < 151, "the server did not end the stream")
    again = start_reattach(client, response_ids(seen)[-1]).finish()
    expect("OPERATION_ABANDONED" in again.details, f"reattached: {again.code}, {again.details!r}")


@proxied("pause: with reattach_period = no the operation is gone")
def gone(scene):
    line = Line(scene, reattach_period="no", record=True)
    call, seen = start_and_lose(line, scene.client(line.daemon), RESULTS)
    try:
        seen += list(call)
    except Exception:
        pass
    expect("OPERATION_ABANDONED" in call.details(), f"it ended {call.code()}, {call.details()!r}")
    expect(len(seen) < 151, "everything arrived")
    expect_equal(len(touches(line)), 1, "ReattachExecute calls")


@proxied("pause: a client that reads on after three times the server's patience gets everything once")
def pauses(scene):
    line = Line(scene, record=True, **PERIOD)
    client = scene.client(line.daemon)
    running = start_execute(line, client, RESULTS)
    seen = [next(running.call)]
    await_touches(line, TOUCHES)
    before = line.daemon.rss()
    await_touches(line, TOUCHES + 3)
    expect(line.daemon.rss() - before < growth(line.daemon, 1 << 20), "each touch leaves something in the daemon")
    seen = expect_all(line, running.call, seen)
    expect(seen == straight(scene, RESULTS), "a response is not as it is without a pause")
    expect_equal(line.daemon.log().count("is kept alive"), 1, "lines in the log")


# Touches that are not answered for a while, so that one is under way when something happens.
HELD = "messages=150,size=200000,reattach_ms=1500,detached_ms=2000"


def start_and_touch(scene, script=HELD, main=None, header=()):
    """-> line, client, the call, what was read of it; a touch is under way."""
    line = Line(scene, server=["--retained", str(1 << 30)], main=main, record=True, **PERIOD)
    client = scene.client(line.daemon, metadata=header)
    running = start_execute(line, client, script)
    seen = [next(running.call)]
    await_touches(line, 1)
    return line, client, running, seen


def expect_left(line, touch):
    """It was ended before the server had answered it."""
    end = line.server.wait_event("end", lambda e: e["id"] == touch["id"])
    expect_equal((end["cancelled"], end["sent"]), (True, 0), "the touch: cancelled, messages sent")


@proxied("pause: the client reads on while a touch is under way")
def reads_on(scene):
    line, _, running, seen = start_and_touch(scene)
    touch = touches(line)[0]
    expect_all(line, running.call, seen)
    expect_left(line, touch)


@proxied("pause: the server's stream is there still when the touch comes, and ends for it")
def disconnected(scene):
    script = "messages=150,size=200000,detached_ms=2000"
    line, _, running, seen = start_and_touch(scene, script)
    await_touches(line, 3)
    expect_equal(line.counts()["ended"], 0, "streams that the server ended by itself")
    expect(line.counts()["disconnected"] >= 1, "no touch met a stream")
    seen = expect_all(line, running.call, seen)
    expect(seen == straight(scene, script), "a response is not as it is without a pause")


@proxied("pause: the client's own ReattachExecute takes over from a touch that is under way")
def takes_over(scene):
    line, client, running, seen = start_and_touch(scene)
    touch = touches(line)[0]
    second = start_reattach(client, response_ids(seen)[-1])
    expect_all(line, second.call, seen)
    expect_left(line, touch)
    running.cancel()


def attach_late(scene, line, last):
    """What the server does when a touch reaches it after what was sent later: the newer stream ends for it."""
    client = scene.client(line.server.address, metadata=[("authorization", AUTHORIZATION.split("=")[1])])
    before = line.counts()["disconnected"]
    late = start_reattach(client, last)
    await_that(lambda: line.counts()["disconnected"] > before, "the newer stream to be disconnected")
    late.cancel()


@proxied("pause: a touch reaches the server after the resumed stream that it was ended for")
def overtaken_by_resumed(scene):
    line, _, running, seen = start_and_touch(scene)
    rest = []
    reader = threading.Thread(target=lambda: rest.extend(running.call), daemon=True)
    reader.start()
    await_touches(line, 2)
    attach_late(scene, line, response_ids(seen)[-1])
    reader.join(WAIT_S)
    expect_all(line, running.call, seen + rest)


@proxied("pause: a touch reaches the server after the client's own ReattachExecute")
def overtaken_by_client(scene):
    line, client, running, seen = start_and_touch(scene)
    second = start_reattach(client, response_ids(seen)[-1])
    await_touches(line, 2)
    attach_late(scene, line, response_ids(seen)[-1])
    expect_all(line, second.call, seen)
    running.cancel()


@proxied("pause: cancelled while a touch is under way")
def cancelled(scene):
    line, client, running, _ = start_and_touch(scene)
    touch = touches(line)[0]
    running.cancel()
    expect_left(line, touch)
    expect_equal(running.finish(2).code, "CANCELLED", "status")
    line.whole(messages=3)
    expect_equal(len(touches(line)), 1, "ReattachExecute calls")


@proxied("pause: the client dies while a touch is under way")
def client_dies(scene):
    line, client, _, _ = start_and_touch(scene)
    touch = touches(line)[0]
    client.close()
    expect_left(line, touch)
    line.whole(messages=3)
    expect_equal(len(touches(line)), 1, "ReattachExecute calls")


@proxied("pause: the client's deadline passes while a touch is under way")
def deadline(scene):
    line = Line(scene, record=True, **PERIOD)
    client = scene.client(line.daemon)
    running = client.start(SPARK + "ExecutePlan", EXECUTE, HELD, shape="us", timeout=1.5)
    line.operations += 1
    next(running.call)
    await_touches(line, 1)
    touch = touches(line)[0]
    expect_left(line, touch)
    expect_equal(running.finish(2).code, "DEADLINE_EXCEEDED", "status")
    line.whole(messages=3)


def release_all(client):
    body = IDENTITY + field(3, OPERATION) + field(5, b"")
    return client.call(SPARK + "ReleaseExecute", body)


for _coalesce in ("yes", "no"):
    @proxied(f"pause: released while a touch is under way (coalesce_releases = {_coalesce})")
    def released(scene, coalesce=_coalesce):
        line, client, running, _ = start_and_touch(scene, main={"coalesce_releases": coalesce})
        touch = touches(line)[0]
        expect_equal(release_all(client).code, "OK", "the release")
        expect_left(line, touch)
        count = len(touches(line))
        line.whole(messages=3)
        expect_equal((count, len(touches(line))), (1, 1), "ReattachExecute calls, at the release and after it")
        running.cancel()


@proxied("pause: the daemon stops while a touch is under way")
def daemon_stops(scene):
    line, client, running, _ = start_and_touch(scene, main={"drain_timeout": "1s"})
    line.daemon.signal(signal.SIGTERM)
    expect_equal(line.daemon.wait_exit(), 0, "exit code of the daemon")  # with AddressSanitizer a leak is a failure
    expect_left(line, touches(line)[0])


@proxied("pause: the profile is changed while a touch is under way")
def reloaded(scene):
    line, _, running, seen = start_and_touch(scene)
    with open(line.daemon.config, "r+", encoding="utf-8") as file:
        text = file.read().replace(PERIOD["reattach_period"], "400ms")
        file.seek(0)
        file.write(text)
    expect_equal(ask(line.daemon, "POST", "/reload")[0], 200, "reload")
    await_touches(line, 5)
    expect_all(line, running.call, seen)


@proxied("pause: the line is cut under a touch, which is then made again")
def touch_cut(scene):
    line = Line(scene, record=True, **PERIOD)
    client = scene.client(line.daemon)
    line.relay.plan("reset=2 arrival times=6 path=Reattach")
    running = start_execute(line, client, RESULTS)
    seen = [next(running.call)]
    await_that(lambda: line.faults() == 6, "six touches to fail")
    await_touches(line, 3)
    expect_all(line, running.call, seen)


@proxied("pause: much is unread, and the call waits without a stream")
def much_unread(scene):
    line = Line(scene, record=True, main={"stream_window": "64KiB"}, reattach_period="1s")
    client = scene.client(line.daemon)
    running = start_execute(line, client, "messages=150,size=200000,detached_ms=4000")
    seen = [next(running.call)]
    for _ in range(20):  # each stream brings a window full, until there are four: then there is none but the touches
        attached = line.counts()["attaches"]
        line.relay.command("now close")
        with contextlib.suppress(Failure):
            await_that(lambda: line.counts()["attaches"] > attached, "another stream", limit=0.4)
            continue
        break
    await_touches(line, len(touches(line)) + 6)
    expect_all(line, running.call, seen)


@proxied("pause: a touch is refused because the operation is gone: the client gets what there is, and is told")
def gone_before_touch(scene):
    line = Line(scene, record=True, **PERIOD)
    client = scene.client(line.daemon)
    running = start_execute(line, client, "messages=150,size=200000,sender_ms=50,detached_ms=50")
    seen = [next(running.call)]
    await_that(lambda: "is gone at the server" in line.daemon.log(), "the log to say so")
    count = len(touches(line))
    line.whole(messages=20, fake="delay_ms=60")  # four periods
    try:
        seen += list(running.call)
    except Exception:
        pass
    expect("OPERATION_ABANDONED" in running.call.details(), f"it ended {running.call.details()!r}")
    expect_equal([int(i[:8], 16) for i in response_ids(seen)], list(range(len(seen))), "responses")
    expect_equal(len(touches(line)), count + 1, "ReattachExecute calls: one for the client, and no other touch")


@proxied("pause: in a named session the touch says what a resumed call would")
def touch_says(scene):
    line, client, running, seen = start_and_touch(scene, header=[("x-mine", "1"), ("x-session", "etl")])
    event = touches(line)[0]
    first = line.server.wait_event("begin", lambda e: e["method"].endswith("ExecutePlan"))
    expect(["x-mine", "1"] in event["metadata"], "the client's own header is missing")
    expect(["authorization", "Bearer " + TOKEN] in event["metadata"], "the token is missing")
    expect(not any(key in ("x-session", "x-profile") for key, _ in event["metadata"]), "the daemon's own header is there")
    running.cancel()
    touch = line.server.wait_event("end", lambda e: e["id"] == event["id"])
    begun = line.server.wait_event("end", lambda e: e["id"] == first["id"])
    said, expected = (fields(bytes.fromhex(end["first"])) for end in (touch, begun))
    expect_equal((said[1], said[2], said[3]), (expected[1], expected[2], expected[6]), "session, user and operation")
    expect(said[1] != fields(IDENTITY)[1], "the session is not the named one")
    expect(5 in said, "the touch does not say where the client is")


@proxied("pause: a client that reads is not touched, nor one that waits for the server")
def not_touched(scene):
    line = Line(scene, record=True, reattach_period="200ms")
    line.whole(messages=60, size=1000, fake="delay_ms=30")  # nine periods
    line.whole(messages=2, size=1000, fake="first_delay_ms=1500")
    expect_equal(len(touches(line)), 0, "ReattachExecute calls")
