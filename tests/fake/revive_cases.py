"""Sessions that the server has lost: what the client is told, and what of them is made again when that is wished."""

import json
import signal
import urllib.parse

from harness import SPARK, TOKEN, expect, expect_equal
from lifecycle_cases import wait_refused
from named_cases import command
from registry import proxied
from wire import field, fields, text

SESSION = "5e551000-0000-4000-8000-0000001e{:04d}"
CHANGED = "[INVALID_HANDLE.SESSION_CHANGED] The handle ‘x’ is invalid."
CLOSED = "[INVALID_HANDLE.SESSION_CLOSED] The handle is invalid."
LOST = (" sparkbouncer: the server has lost this session (cluster restarted?): temporary views, SQL settings, cached tables "
        "and artifacts are gone; make a new session")


def head(number, user="ann"):
    return field(1, SESSION.format(number)) + field(2, field(1, user))


def status(message):
    info = field(1, "type.googleapis.com/google.rpc.ErrorInfo") + field(2, field(1, "org.apache.spark.SparkSQLException"))
    return field(1, 13) + field(2, message) + field(3, info)


def refusal(message, details=None):
    words = f"status=13,message={urllib.parse.quote(message)}"
    return words + (f",details={(details if details is not None else status(message)).hex()}")


def details_of(result):
    [value] = [value for key, value in result["trailing"] if key == "grpc-status-details-bin"]
    return value


@proxied("lost session: the server's words come first, then ours, in grpc-message and in the details alike")
def sentence(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    for shape, method in (("uu", "Config"), ("uu", "AnalyzePlan"), ("us", "ExecutePlan")):
        for more in ("", ",trailers_only"):
            result = client.call(SPARK + method, head(1), refusal(CHANGED) + more, shape=shape)
            expect_equal((result.code, result.details), ("INTERNAL", CHANGED + LOST), method)
            expect_equal(details_of(result), status(CHANGED + LOST), f"the details of {method}")
    closed = client.call(SPARK + "Config", head(1), refusal(CLOSED))
    expect(closed.details.startswith(CLOSED + " sparkbouncer: the server has closed this session"), closed.details)
    expect_equal(details_of(closed), status(closed.details), "the details")


@proxied("lost session: what cannot be told in both places, or has nothing to do with it, passes byte for byte")
def untouched(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    other = status("another message")
    result = client.call(SPARK + "Config", head(1), refusal(CHANGED, other))
    expect_equal((result.details, details_of(result)), (CHANGED, other), "details that differ")
    long = CHANGED + "x" * 3300
    result = client.call(SPARK + "Config", head(1), refusal(long))
    expect_equal((result.details, details_of(result)), (long, status(long)), "what would be too long")
    result = client.call(SPARK + "Config", head(1), refusal("[TABLE_OR_VIEW_NOT_FOUND] t"))
    expect_equal(result.details, "[TABLE_OR_VIEW_NOT_FOUND] t", "another error")


FAKE_SERVER = "5e55104e-0000-4000-8000-00000000fa4e"  # of every session, when it is not told
SERVER = "5e55104e-0000-4000-8000-00000000000{}"
OBSERVED = {"Config": 8, "ExecutePlan": 8, "AnalyzePlan": 17, "FetchErrorDetails": 5, "ReattachExecute": 6}
SERVER_SESSION = {"Config": 4, "ExecutePlan": 15, "AnalyzePlan": 15}
OPERATION = "0be7a000-0000-4000-8000-0000001e{:04d}"


def observed(method, server):
    return field(OBSERVED[method], SERVER.format(server)) if server else b""


def setting(key, value):
    return field(3, field(1, field(1, field(1, key) + field(2, value))))


def plan(body, number, reattachable=True):
    return field(3, body) + field(5, field(1, field(1, int(reattachable)))) + field(6, OPERATION.format(number))


def view(name, source="\x08range"):
    return field(2, field(3, field(1, field(15, source)) + field(2, name) + field(3, 0)))


def sql(query):
    return field(2, field(5, field(1, query)))


SMALL = ("--check-sessions", "--operations", "--messages", "1", "--size", "10")
QUERY = field(1, field(15, b"range"))


class Lost:
    """A client whose server can be replaced by one that knows nothing."""

    def __init__(self, scene, number=20, **profile):
        self.scene, self.number, self.operations = scene, number, 0
        self.server = scene.fake("--server-session", SERVER.format(1), *SMALL, token=TOKEN)
        self.daemon = scene.daemon(self.server, **{"revive": "yes", **profile})
        self.client = scene.client(self.daemon)

    def call(self, method, body, server=1, fake=None):
        if method == "ExecutePlan":
            self.operations += 1
            body = plan(body, self.number * 100 + self.operations)
        request = head(self.number) + body + observed(method, server)
        return self.client.call(SPARK + method, request, fake, shape="us" if method == "ExecutePlan" else "uu")

    def ok(self, method, body, server=1):
        result = self.call(method, body, server)
        expect_equal((result.code, result.details), ("OK", ""), method)
        for message in result["messages"]:
            expect_equal((text(message, 1), text(message, SERVER_SESSION[method])), (SESSION.format(self.number), SERVER.format(1)),
                         f"the ids in an answer to {method}")
        return result

    def restart(self, generation, *options):
        port = self.server.port
        self.server.kill()
        self.server = self.scene.fake("--server-session", SERVER.format(generation), *SMALL, *options, token=TOKEN,
                                      port=port)

    def arrived(self, result):
        """What the server got up to this call: method, message."""
        self.server.of_case("end", result["case"])
        found = sorted(self.server.finished(), key=lambda event: event["first_at"])
        return [(event["method"].rpartition("/")[2], bytes.fromhex(event["first"])) for event in found]


@proxied("revive: settings and views are made again, in order, in a new session, and the call that waited goes on")
def revived(scene):
    lost = Lost(scene)
    lost.ok("Config", setting("a", "1"), server=0)
    lost.ok("Config", field(3, field(2, field(1, "a"))))
    lost.ok("ExecutePlan", QUERY)
    lost.ok("ExecutePlan", view("v"))
    lost.ok("ExecutePlan", sql("SELECT 1"))
    lost.ok("Config", setting("b", "2"))
    for generation in (2, 3):
        lost.restart(generation)
        for method, body in (("AnalyzePlan", b""), ("Config", field(3, field(2, field(1, "a")))), ("ExecutePlan", QUERY)):
            result = lost.ok(method, body)
        seen = lost.arrived(result)
        expect_equal([method for method, _ in seen], ["AnalyzePlan", "Config", "Config", "ExecutePlan", "Config", "AnalyzePlan",
                                                      "Config", "ExecutePlan"], "calls at the new server")
        made = [fields(message) for _, message in seen[1:]]
        [session] = {message[1][0] for message in made}
        expect(session != SESSION.format(lost.number).encode(), "the new session has the old one's id")
        told = [message.get(OBSERVED[method]) for (method, _), message in zip(seen[1:], made)]
        expect_equal(told, [None] * 2 + [[SERVER.format(generation).encode()]] * 5, "what was said of the server's own id")
        expect_equal([made[i][3][0] for i in (1, 2, 3)], [setting("a", "1")[2:], view("v"), setting("b", "2")[2:]], "what was repeated")
        expect(made[2][6] != [OPERATION.format(2002).encode()], "the view's operation id is the old one")
        expect_equal(text(seen[-1][1], 6), OPERATION.format(2000 + lost.operations), "the operation id of the call that waited")
    expect(lost.daemon.log().count("made again with 3 settings") == 2, "the log does not say it")


@proxied("revive: calls that run at the same time wait together, and one that is cancelled just goes")
def together(scene):
    lost = Lost(scene, 21)
    lost.ok("Config", setting("a", "1"), server=0)
    lost.restart(2)
    request = head(21) + observed("AnalyzePlan", 1)
    running = [lost.client.start(SPARK + "AnalyzePlan", request) for _ in range(20)]
    running[7].cancel()
    results = [one.finish() for one in running]
    expect_equal({result.code for result in results} - {"CANCELLED"}, {"OK"}, "codes")
    made = [message for method, message in lost.arrived(results[0]) if method == "Config"]
    expect_equal(len(made), 2, "Config calls at the new server")


def expect_lost(result, why):
    expect_equal(result.code, "INTERNAL", "the code")
    expect(result.details.startswith("[INVALID_HANDLE.SESSION_CHANGED] it is another sparkbouncer: "), result.details)
    expect(why in result.details, f"{why!r} is not in {result.details!r}")


@proxied("revive: what the journal does not know the whole of is not made again, and the client is told why")
def gaps(scene):
    rows = (("ExecutePlan", sql("DROP VIEW v"), "SQL DROP cannot be repeated"),
            ("ExecutePlan", field(3, b"\x0a\x03abc"), "a compressed plan cannot be repeated"),
            ("ExecutePlan", view("v", "\x01insert into t"), "view v cannot be repeated"),
            ("ExecutePlan", view("v", "x" * 70000), "a view with a plan too large to keep cannot be repeated"),
            ("Config", setting("k", "x" * 64000), "setting k was more than revive_limit allows"))
    for number, (method, body, why) in enumerate(rows, 30):
        lost = Lost(scene, number, revive_limit="64KiB")
        lost.ok("Config", setting("a", "1" * 2000), server=0)
        lost.ok(method, body)
        lost.restart(2)
        result = lost.call("AnalyzePlan", b"")
        expect_lost(result, "nothing could be restored, since " + why)
        expect_equal([name for name, _ in lost.arrived(result)], ["AnalyzePlan"], "calls at the new server")
        lost.daemon.kill()
    lost = Lost(scene, 51)
    lost.ok("Config", setting("a", "1"), server=0)
    for revive in ("no", "yes"):
        lost.daemon.write_config({"sparkbouncer": {"listen": "127.0.0.1:0", "profile": "p"},
                                  "profile p": {"upstream": f"sc://{lost.server.address}/;token={TOKEN}", "revive": revive}})
        command(lost.daemon, "reload")
        lost.ok("Config", setting("b", revive))
    lost.restart(2)
    expect_lost(lost.call("AnalyzePlan", b""), "revive was off for a while")
    lost = Lost(scene, 50)
    lost.ok("AnalyzePlan", b"")
    lost.restart(2)
    expect_lost(lost.call("AnalyzePlan", b""), "the daemon has not seen the session from its beginning")


@proxied("revive: a session whose release went unanswered is not made again")
def released(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server, revive="yes"))
    client.call(SPARK + "Config", head(90) + setting("spark.a", "1"))
    release = client.call(SPARK + "ReleaseSession", head(90), "first_delay_ms=300,status=13,message=lost")
    expect_equal(release.code, "OK", "ReleaseSession, answered here")
    seen = field(OBSERVED["Config"], FAKE_SERVER)
    result = client.call(SPARK + "Config", head(90) + setting("spark.b", "2") + seen, refusal(CLOSED))
    expect(result.details.startswith(CLOSED), f"the client is told {result.details}")
    asked = [e["method"].rsplit("/", 1)[1] for e in server.begun()]
    expect_equal(asked, ["Config", "ReleaseSession", "Config"], "the calls at the server")


@proxied("revive: off by default; a ReattachExecute is not answered by a session made again")
def default(scene):
    lost = Lost(scene, 60, revive="no")
    lost.ok("Config", setting("a", "1"), server=0)
    lost.restart(2)
    expect_lost(lost.call("Config", setting("a", "1")), "make a new session")
    lost = Lost(scene, 61)
    lost.ok("Config", setting("a", "1"), server=0)
    lost.restart(2)
    request = head(61) + field(3, OPERATION.format(1)) + observed("ReattachExecute", 1)
    expect_lost(lost.client.call(SPARK + "ReattachExecute", request, shape="us"), "make a new session")


@proxied("revive: a view that cannot be made again is told in the log, in `sessions`, and to who needs it; a setting stops all")
def not_restored(scene):
    lost = Lost(scene, 70)
    lost.ok("Config", setting("a", "1"), server=0)
    lost.ok("ExecutePlan", view("orders"))
    lost.ok("ExecutePlan", view("v"))
    lost.restart(2, "--refuse", "orders")
    lost.ok("AnalyzePlan", b"")
    missing = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `{}` cannot be found."
    result = lost.call("AnalyzePlan", b"", fake=refusal(missing.format("orders")))
    words = " sparkbouncer: view orders was lost when the server lost this session, and could not be restored; make it again"
    expect_equal((result.details, details_of(result)), (missing.format("orders") + words, status(missing.format("orders") + words)),
                 "the error about the view")
    result = lost.call("AnalyzePlan", b"", fake=refusal(missing.format("other")))
    expect_equal(result.details, missing.format("other"), "the error about another")
    lost.ok("AnalyzePlan", b"")
    told = "made again with 2 settings, views and the like; not restored: view orders, cached tables and running queries"
    expect(told in lost.daemon.log(), "the log does not say it")
    [entry] = json.loads(command(lost.daemon, "sessions", "--json")[0])["sessions"]
    expect_equal(entry["revive"]["not_restored"], ["view orders"], "not_restored of the session")
    expect_equal((entry["revive"]["times"], entry["revive"]["restored"]), (1, 2), "what was restored")
    lost = Lost(scene, 71)
    lost.ok("Config", setting("zone", "1"), server=0)
    lost.restart(2, "--refuse", "zone")
    expect_lost(lost.call("AnalyzePlan", b""), "since setting zone failed: [REFUSED] not this one")


@proxied("revive: who waits keeps its deadline; the daemon stops in the middle of it, with nothing left over")
def stopped(scene):
    lost = Lost(scene, 80)
    lost.ok("Config", setting("zone", "1"), server=0)
    lost.restart(2, "--ignore", "zone")
    request = head(80) + observed("AnalyzePlan", 1)
    waiting = [lost.client.start(SPARK + "AnalyzePlan", request) for _ in range(3)]
    late = lost.client.call(SPARK + "AnalyzePlan", request, timeout=1)
    expect_equal(late.code, "DEADLINE_EXCEEDED", "the one with a deadline")
    waiting.pop().cancel()
    seen = set()
    lost.server.wait_event("begin", lambda e: e["method"] == SPARK + "Config" and (seen.add(e["id"]) or len(seen) == 2))
    lost.daemon.signal(signal.SIGTERM)
    wait_refused(lost.daemon.target)
    lost.daemon.signal(signal.SIGTERM)
    expect_equal({one.finish().code for one in waiting}, {"UNAVAILABLE"}, "those that waited")
    expect_equal(lost.daemon.wait_exit(), 0, "the daemon's exit code")


@proxied("revive: a plan that the lost server may have executed is not executed again")
def once(scene):
    lost = Lost(scene, 90)
    lost.ok("Config", setting("a", "1"), server=0)
    request = head(90) + plan(QUERY, 9001) + observed("ExecutePlan", 1)
    running = lost.client.start(SPARK + "ExecutePlan", request, "first_delay_ms=60000", shape="us")
    lost.server.wait_event("begin", lambda e: e["method"] == SPARK + "ExecutePlan")
    lost.restart(2)
    result = running.finish()
    expect_lost(result, "make a new session")
    expect_equal({event["method"] for event in lost.server.begun()}, {SPARK + "ReattachExecute"}, "calls at the new server")
