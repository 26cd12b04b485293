"""Clients that pause for longer than the server's patience: the daemon keeps their operations alive.

The server's stream ends after `sender_ms`, unseen behind what the client has not read, and an operation without a
stream for `detached_ms` is gone: Spark's two and five minutes, made short.
"""

from harness import SPARK, TOKEN, expect, expect_equal
from registry import proxied
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
    expect(line.daemon.rss() - before < 1 << 20, "each touch leaves something in the daemon")
    seen = expect_all(line, running.call, seen)
    expect(seen == straight(scene, RESULTS), "a response is not as it is without a pause")
    expect_equal(line.daemon.log().count("is kept alive"), 1, "lines in the log")
