"""What the daemon adds, takes away and decides: credentials, cluster, profile, health."""

import os

from harness import CLUSTER, SPARK, TOKEN, expect, expect_equal
from registry import proxied
from wire import field, text

UNKNOWN = "/some.other.Service/Method"
SESSION = "5e551000-0000-4000-8000-0000000000{:02d}"
USER = field(2, field(1, "someone"))

EVIL = [("authorization", "Bearer stolen"), ("authentication", "Bearer stolen"),
        ("x-databricks-cluster-id", "9999-999999-evil"), ("x-databricks-session-id", "evil"),
        ("x-databricks-anything", "evil")]
CONSUMED = ("authentication", "x-profile", "profile")


def values(event, name):
    return [value for key, value in event["metadata"] if key == name]


def expect_clean(event, token=TOKEN, cluster=CLUSTER):
    """The headers of the profile exactly once, nothing consumed left."""
    expect_equal(values(event, "authorization"), ["Bearer " + token], "authorization at the server")
    expect_equal(values(event, "x-databricks-cluster-id"), [cluster] if cluster else [], "cluster at the server")
    for name in CONSUMED:
        expect_equal(values(event, name), [], f"{name} at the server")
    left = [key for key, _ in event["metadata"] if key.startswith("x-databricks-") and key != "x-databricks-cluster-id"]
    expect_equal(left, [], "other Databricks headers at the server")


def config(client, session, **keywords):
    """A Config call of that session."""
    return client.call(SPARK + "Config", field(1, session) + USER, **keywords)


@proxied("headers: ours exactly once, in every shape and method")
def injected(scene):
    server = scene.fake("--cluster", CLUSTER, token=TOKEN)
    client = scene.client(scene.daemon(server, cluster_id=CLUSTER))
    session = field(1, SESSION.format(1)) + USER
    calls = [("uu", b"x", UNKNOWN), ("us", b"x", UNKNOWN), ("su", [b"x"], UNKNOWN), ("ss", [b"x"], UNKNOWN),
             ("uu", session, SPARK + "Config"), ("us", session, SPARK + "ExecutePlan"),
             ("su", [session], SPARK + "AddArtifacts"), ("uu", session, SPARK + "NotYetInvented"),
             ("ss", [b""], "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")]
    for evil in ([], EVIL):
        for shape, body, path in calls:
            result = client.call(path, body, shape=shape, metadata=evil)
            expect_equal((result.code, result.details), ("OK", ""), f"{path} {shape}")
            expect_clean(server.of_case("end", result["case"]))


@proxied("headers: what a client calls its own is passed on, in its order")
def passed_on(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    sent = [("x-one", "1"), ("x-authorization", "mine"), ("x-two", "2"), ("x-one", "3"), ("databricks-x", "4"),
            ("x-profiles", "5"), ("grpc_max_message_size", "6"), ("use_ssl", "true")]
    result = client.call(UNKNOWN, b"", metadata=sent)
    event = server.of_case("end", result["case"])
    expect_equal([tuple(p) for p in event["metadata"] if tuple(p) in sent], sent, "headers at the server")
    expect(any("grpc-python" in value for value in values(event, "user-agent")), "the client's user-agent is gone")


@proxied("headers: no token, none sent")
def without_token(scene):
    server = scene.fake()
    client = scene.client(scene.daemon(f"sc://{server.address}"))
    result = client.call(UNKNOWN, b"", metadata=EVIL)
    event = server.of_case("end", result["case"])
    expect_equal(values(event, "authorization") + values(event, "x-databricks-cluster-id"), [], "credentials")


@proxied("headers: what is no gRPC path is refused here, the token goes nowhere with it")
def only_grpc(scene):
    raw = scene.raw()
    client = scene.client(scene.daemon(raw))
    for path in ("/api/2.0/clusters/list", "/Service/Some%2fMethod", "/Service/", "//Method", "/one", "/a/b/c"):
        expect_equal(client.call(path, b"x").code, "UNIMPLEMENTED", f"status for {path}")
    expect_equal(client.call("/odd_Service/Method", b"x").code, "OK", "status")
    expect_equal(dict(raw.wait_event("call")["headers"])[":path"], "/odd_Service/Method", "the first call seen")


@proxied("headers: the authority is the upstream's, the path untouched, what HTTP/2 needs is there once")
def on_the_wire(scene):
    raw = scene.raw()
    client = scene.client(scene.daemon(raw))
    result = client.call("/odd_Service.x_y/Some_Method9", b"x", metadata=[("x-data-bin", b"\x00\x01")], timeout=30)
    expect_equal(result.code, "OK", "status")
    headers = raw.wait_event("call")["headers"]
    found = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    expect_equal(found[":path"], ["/odd_Service.x_y/Some_Method9"], ":path")
    expect_equal(found[":authority"], [raw.address], ":authority")
    for name, value in ((":method", "POST"), (":scheme", "http"), ("te", "trailers"),
                        ("content-type", "application/grpc"), ("x-data-bin", "AAE"),
                        ("authorization", "Bearer " + TOKEN)):
        expect_equal(found.get(name), [value], name)
    expect_equal(len(found["grpc-timeout"]), 1, "number of grpc-timeout headers")
    pseudo = [name.startswith(":") for name, _ in headers]
    expect_equal(pseudo, sorted(pseudo, reverse=True), "pseudo headers first")


@proxied("cluster: a client may choose where the profile says so")
def cluster_choice(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server, cluster_id=CLUSTER, cluster_choice="client"))
    metadata = [*EVIL[:2], ("x-databricks-cluster-id", "0101-010101-mine")]
    expect_clean(server.of_case("end", client.call(UNKNOWN, b"", metadata=metadata)["case"]),
                 cluster="0101-010101-mine")
    expect_clean(server.of_case("end", client.call(UNKNOWN, b"")["case"]))


class TwoServers:
    """Two servers with a token each, and a daemon with a profile for each."""

    def __init__(self, scene, listen="127.0.0.1:0", **main):
        self.scene = scene
        self.servers = {name: scene.fake(token="token-" + name) for name in ("a", "b")}
        others = {name: {"upstream": f"sc://{server.address}/;token=token-{name}"}
                  for name, server in self.servers.items()}
        self.daemon = scene.daemon(self.servers["a"], main={"profile": "a", "listen": listen, **main}, others=others)

    def expect_at(self, name, result):
        expect_equal((result.code, result.details), ("OK", ""), f"the call for {name}")
        expect_clean(self.servers[name].of_case("end", result["case"]), token="token-" + name, cluster=None)


@proxied("profile: by x-profile or profile in the metadata, else the default")
def by_metadata(scene):
    two = TwoServers(scene)
    client = scene.client(two.daemon)
    two.expect_at("a", client.call(UNKNOWN, b""))
    two.expect_at("b", client.call(UNKNOWN, b"", metadata=[("x-profile", "b")]))
    two.expect_at("b", client.call(UNKNOWN, b"", metadata=[("profile", "b")]))
    two.expect_at("a", client.call(UNKNOWN, b"", metadata=[("x-profile", "a")]))


@proxied("profile: a listener's is the only one there; a client that asks for another is told, not served")
def by_listener(scene):
    two = TwoServers(scene, listen="127.0.0.1:0, 127.0.0.1:0;profile=b")
    expect_equal(len(two.daemon.targets), 2, "listeners")
    free, fixed = (scene.client(target) for target in two.daemon.targets)
    two.expect_at("a", free.call(UNKNOWN, b""))
    two.expect_at("b", fixed.call(UNKNOWN, b""))
    two.expect_at("b", fixed.call(UNKNOWN, b"", metadata=[("x-profile", "b")]))
    refused = fixed.call(UNKNOWN, b"", metadata=[("x-profile", "a")])
    expect_equal(refused["code"], "PERMISSION_DENIED", "status")
    expect("serves profile b" in refused["details"], f"details: {refused['details']}")


@proxied("profile: a call without metadata follows its session")
def by_session(scene):
    two = TwoServers(scene)
    client, another = scene.client(two.daemon), scene.client(two.daemon)
    two.expect_at("b", config(client, SESSION.format(2), metadata=[("x-profile", "b")]))
    two.expect_at("b", config(client, SESSION.format(2)))
    two.expect_at("b", config(another, SESSION.format(2)))
    two.expect_at("a", config(client, SESSION.format(3)))
    two.expect_at("b", client.call(SPARK + "ExecutePlan", field(1, SESSION.format(2)) + USER, shape="us"))
    two.expect_at("b", client.call(SPARK + "AddArtifacts", [field(1, SESSION.format(2)) + USER] * 3, shape="su"))
    two.expect_at("b", client.call(SPARK + "FetchErrorDetails", field(3, "error") + USER + field(1, SESSION.format(2))))


@proxied("profile: the same session id of two users is two sessions")
def by_user(scene):
    two = TwoServers(scene)
    client = scene.client(two.daemon)
    two.expect_at("b", config(client, SESSION.format(4), metadata=[("x-profile", "b")]))
    other_user = field(1, SESSION.format(4)) + field(2, field(1, "another"))
    two.expect_at("a", client.call(SPARK + "Config", other_user))


@proxied("profile: an unknown one is refused in words")
def unknown_profile(scene):
    two = TwoServers(scene)
    client = scene.client(two.daemon)
    result = client.call(UNKNOWN, b"", metadata=[("x-profile", "nosuch")])
    expect(result.code in ("NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION"), f"status {result.code}")
    expect("nosuch" in result.details, f"the profile is not named: {result.details}")
    two.expect_at("a", client.call(UNKNOWN, b""))


@proxied("session: 3,000 sessions, each answered as itself")
def many_sessions(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server, main={"max_sessions": "1000"}))
    sessions = [f"5e551000-0000-4000-8000-{i:012d}" for i in range(3000)]
    for start in range(0, len(sessions), 500):
        part = sessions[start:start + 500]
        running = [client.start(SPARK + "Config", field(1, session) + USER) for session in part]
        for session, call in zip(part, running):
            result = call.finish()
            expect_equal((result.code, text(result["messages"][0], 1)), ("OK", session), "answer")


@proxied("health: Check is answered by the daemon")
def health(scene):
    server = scene.fake(token=TOKEN)
    client = scene.client(scene.daemon(server))
    result = client.call("/grpc.health.v1.Health/Check", b"")
    expect_equal((result.code, result["messages"]), ("OK", [b"\x08\x01"]), "answer")
    client.call(UNKNOWN, b"", "echo")
    expect(not any("Health" in e["method"] for e in server.begun()), "it went to the server")


@proxied("health: also when the upstream is down")
def health_alone(scene):
    client = scene.client(scene.daemon("sc://127.0.0.1:1/;token=" + TOKEN))
    result = client.call("/grpc.health.v1.Health/Check", b"")
    expect_equal((result.code, result["messages"]), ("OK", [b"\x08\x01"]), "answer")


@proxied("listeners: unix and abstract sockets serve as TCP does")
def sockets(scene):
    server = scene.fake(token=TOKEN)
    path, name = os.path.join(scene.folder(), "s"), f"sparkbouncer-ring-{os.getpid()}"
    os.chmod(os.path.dirname(path), 0o700)
    scene.daemon(server, main={"listen": f"127.0.0.1:0, unix:{path}, abstract:{name}"})
    for target in ("unix:" + path, "unix-abstract:" + name):
        result = scene.client(target).call(UNKNOWN, b"x", "echo")
        expect_equal((result.code, result["messages"]), ("OK", [b"x"]), target)
    expect_equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the socket")
