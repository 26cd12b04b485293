"""ReleaseSession is answered by the daemon; the server is told meanwhile, and what comes for the session waits for that."""

from harness import SPARK, TOKEN, expect, expect_equal
from orphan_cases import CONFIG, EXECUTE, RELEASE, RUNS_LONG, Ids
from registry import proxied
from wire import field, text

NEVER = "first_delay_ms=600000"
RELEASE_ALL = field(3, "python")
SERVER_SESSION = "5e55104e-0000-4000-8000-00000000fa4e"


class Parted:
    """A daemon, and a client whose session the server knows."""

    def __init__(self, scene, **main):
        self.server = scene.fake(token=TOKEN)
        self.daemon = scene.daemon(self.server, main=main)
        self.client = scene.client(self.daemon)
        self.ids = Ids()
        self.config().finish()

    def config(self, ids=None, more=b"", **keywords):
        return self.client.start(CONFIG, (ids or self.ids).head + field(4, "x") + more, **keywords)

    def release(self, fake=None, more=b""):
        return self.client.call(RELEASE, self.ids.head + RELEASE_ALL + more, fake)

    def begun(self, method):
        return [e for e in self.server.begun() if e["method"] == method]

    def expect_order(self, result):
        """The call that came after the release began at the server when the release had ended there."""
        self.server.of_case("end", result["case"])
        order = [(e["event"], e["method"]) for e in self.server.lines
                 if isinstance(e, dict) and e["event"] in ("begin", "end") and e["method"] in (RELEASE, CONFIG)]
        expect(order.index(("end", RELEASE)) < len(order) - 1 - order[::-1].index(("begin", CONFIG)), f"the order was {order}")


@proxied("parting: answered before the server has, which gets the client's own request once")
def answered(scene):
    parted = Parted(scene)
    result = parted.release(NEVER)
    expect_equal((result.code, result.details), ("OK", ""), "ReleaseSession")
    expect_equal([text(result["messages"][0], n) for n in (1, 2)], [parted.ids.session, SERVER_SESSION], "its ids")
    other = parted.config(Ids()).finish()
    expect_equal(other.code, "OK", "Config of another session")
    sent, = parted.begun(RELEASE)
    expect(["x-case", result["case"]] in sent["metadata"], "the client's metadata")
    expect_equal(dict(map(tuple, sent["metadata"]))["authorization"], f"Bearer {TOKEN}", "authorization")


@proxied("parting: what comes for the session waits, its own deadline and its client's leaving included")
def held(scene):
    parted = Parted(scene)
    expect_equal(parted.release(NEVER).code, "OK", "ReleaseSession")
    expect_equal(parted.config(timeout=0.3).finish().code, "DEADLINE_EXCEEDED", "Config with a deadline")
    leaving = scene.client(parted.daemon)
    leaving.start(CONFIG, parted.ids.head + field(4, "x"))
    cancelled = parted.config()
    again = parted.client.start(RELEASE, parted.ids.head + RELEASE_ALL)
    expect_equal(parted.config(Ids()).finish().code, "OK", "Config of another session")
    cancelled.cancel()
    leaving.close()
    expect_equal(parted.config(Ids()).finish().code, "OK", "Config of another session")
    expect_equal((len(parted.begun(RELEASE)), len(parted.begun(CONFIG))), (1, 3), "calls at the server")
    again.cancel()


@proxied("parting: what waited goes on when the server has answered, and finds the session released")
def went_on(scene):
    parted = Parted(scene)
    expect_equal(parted.release("first_delay_ms=300").code, "OK", "ReleaseSession")
    result = parted.config().finish()
    expect_equal(result.code, "OK", "Config")
    parted.expect_order(result)
    expect_equal(len(parted.begun(RELEASE)), 1, "ReleaseSession at the server")


@proxied("parting: a server that refuses is named in the log, and what waited goes on")
def refused(scene):
    parted = Parted(scene)
    expect_equal(parted.release("first_delay_ms=300,status=13,message=no%20luck").code, "OK", "ReleaseSession")
    result = parted.config().finish()
    expect_equal(result.code, "OK", "Config")
    parted.expect_order(result)
    said, = (line for line in parted.daemon.log().splitlines() if "was released by its client" in line)
    expect(parted.ids.session in said and "no luck" in said, f"the log says {said}")


@proxied("parting: the server answers where there is more to it")
def relayed(scene):
    fails = "status=13,message=lost"

    def expect_relayed(result, what):
        expect_equal((result.code, result.details), ("INTERNAL", "lost"), what)

    parted = Parted(scene)
    expect_relayed(parted.release(fails, field(4, 1)), "allow_reconnect")
    running = parted.client.start(EXECUTE, parted.ids.plan(), RUNS_LONG, shape="us")
    next(iter(running.call))
    expect_relayed(parted.release(fails), "an operation runs")
    running.cancel()
    parted.ids = Ids()
    expect_relayed(parted.release(fails), "a session that is not known")
    parted.config(more=field(8, SERVER_SESSION)).finish()
    expect_relayed(parted.release(fails), "a session that began before the daemon saw it")
    parted = Parted(scene)
    plan = parted.ids.head + field(6, parted.ids.operation)
    expect_equal(parted.client.call(EXECUTE, plan, "messages=2,size=10", shape="us").code, "OK", "ExecutePlan")
    expect_relayed(parted.release(fails), "results that could not be followed")
    expect_relayed(Parted(scene, coalesce_releases="no").release(fails), "coalesce_releases = no")


@proxied("parting: a daemon that is to stop tells the server first")
def stopping(scene):
    parted = Parted(scene)
    expect_equal(parted.release("first_delay_ms=300").code, "OK", "ReleaseSession")
    parted.client.close()
    parted.daemon.signal(15)
    expect_equal(parted.daemon.wait_exit(), 0, "the daemon's exit code")
    end = parted.server.wait_event("end", lambda e: e["method"] == RELEASE)
    expect(not end.get("cancelled"), f"the server was not left to answer: {end}")


@proxied("parting: the daemon's time to drain is over while the server is told")
def stopped(scene):
    parted = Parted(scene, drain_timeout="100ms")
    expect_equal(parted.release(NEVER).code, "OK", "ReleaseSession")
    waiting = parted.config()
    expect_equal(parted.config(Ids()).finish().code, "OK", "Config of another session")
    parted.daemon.signal(15)
    expect_equal(waiting.finish().code, "UNAVAILABLE", "the call that waited")
    expect_equal(parted.daemon.wait_exit(), 0, "the daemon's exit code")
