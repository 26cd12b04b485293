"""The front itself, with gRPC's own client: what passes, and what each refusal looks like from outside."""

import socket
import ssl
import threading
import zlib

from harness import SPARK, expect, expect_equal
from refusals import REFUSALS
from stage import CLUSTER, PAT, TlsClient, case
from wire import field

SESSION = "5e551000-0000-4000-8000-00000000cafe"
OTHER_SESSION = "5e551000-0000-4000-8000-0000000bad00"
USER = field(2, field(1, "someone"))
CONFIG = field(1, SESSION) + USER
UNKNOWN = "/some.other.Service/Method"
MIB = 1 << 20
HTTP_AS_GRPC = {400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "UNIMPLEMENTED", 429: "UNAVAILABLE",
                503: "UNAVAILABLE"}
GRPC_NAMES = {3: "INVALID_ARGUMENT", 7: "PERMISSION_DENIED", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED"}


def bearer(token, *more):
    return ("authorization", f"Bearer {token}"), *(more or (("x-databricks-cluster-id", CLUSTER),))


@case("front: TLS by the private authority, h2 and http/1.1 by ALPN, refused by anybody else's roots")
def tls(stage):
    workspace = stage.workspace
    for offered, expected in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
        context = ssl.create_default_context(cafile=workspace.ca)
        context.set_alpn_protocols(offered)
        with socket.create_connection(("127.0.0.1", workspace.port), 5) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as sock:
                expect_equal(sock.selected_alpn_protocol(), expected, "ALPN")
    try:
        with socket.create_connection(("127.0.0.1", workspace.port), 5) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost").close()
    except ssl.SSLCertVerificationError:
        return
    expect(False, "the system's roots took the certificate")


@case("front: calls pass with their headers, messages and trailers")
def passes(stage):
    client = stage.client()
    echo = client.call(UNKNOWN, b"hello", "echo", metadata=[("x-more", "yes")])
    expect_equal((echo.code, echo["messages"]), ("OK", [b"hello"]), "echo")
    seen = stage.spark.of_case("end", echo["case"])["metadata"]
    expect(["x-more", "yes"] in seen and ["x-databricks-cluster-id", CLUSTER] in seen, lambda: f"headers: {seen}")
    expect(not any(name.startswith("x-fake-workspace") for name, _ in seen), lambda: f"the front's own header: {seen}")
    status = client.call(UNKNOWN, b"x", "status=9,message=no%20luck")
    expect_equal((status.code, status.details), ("FAILED_PRECONDITION", "no luck"), "a status of the server's")
    results = client.call(SPARK + "ExecutePlan", CONFIG, "messages=20,size=100000", shape="us")
    expect_equal((results.code, len(results["messages"])), ("OK", 21), "ExecutePlan")


@case("front: 32 MiB down and up")
def bulk(stage):
    client = stage.client()
    down = client.call(UNKNOWN, b"", "messages=32,size=1048576", shape="us", limit=30)
    expect_equal((down.code, len(down["messages"])), ("OK", 32), "down")
    body = b"u" * MIB
    up = client.call(UNKNOWN, [body] * 32, "summary", shape="su", limit=30)
    crc = 0
    for _ in range(32):
        crc = zlib.crc32(body, crc)
    expect_equal((up.code, up["messages"][0]), ("OK", f"count=32,bytes={32 * MIB},crc={crc}".encode()), "up")


@case("front: bidirectional streams are not held back")
def in_step(stage):
    answered = threading.Semaphore(1)

    def requests():
        for i in range(10):
            expect(answered.acquire(timeout=8), "an answer did not come")
            yield f"{i}".encode()

    running = stage.client().start(UNKNOWN, requests(), "echo", shape="ss")
    got = []
    for message in running.call:
        got.append(message)
        answered.release()
    expect_equal((running.finish().code, len(got)), ("OK", 10), "in step")


def expect_refusal(result, name, form, **words):
    refusal = REFUSALS[name]
    if form == "http":
        expect_equal(result.code, HTTP_AS_GRPC[refusal.http], f"{name} as http")
        expect(str(refusal.http) in result.details, lambda: f"{name}: {result.details}")
        return
    text = refusal.message.format(**words)
    expect_equal((result.code, result.details) if result.code != "OK" else dict(result), (GRPC_NAMES[refusal.grpc], f"{refusal.code}: {text}" if
                                                 refusal.has_code_in_message else text), f"{name} as grpc")


@case("front: each refusal of a token, as http and as grpc")
def refused_tokens(stage):
    workspace = stage.workspace
    workspace.add_token("t-revoked")
    workspace.revoke(value="t-revoked")
    workspace.add_token("t-expired", life=-1)
    workspace.add_token("t-management", kind="management")
    clients = {"token-missing": stage.client(("x-databricks-cluster-id", CLUSTER)), "token-invalid": stage.client(*bearer("nobody's")),
               "token-expired": stage.client(*bearer("t-expired"))}
    for form in ("http", "grpc"):
        workspace.set(forms=dict.fromkeys(clients, form))
        for name, client in clients.items():
            expect_refusal(client.call(SPARK + "Config", CONFIG), name, form)
        for token in ("t-revoked", "t-management"):
            expect_refusal(stage.client(*bearer(token)).call(SPARK + "Config", CONFIG), "token-invalid", form)


@case("front: each refusal because of the cluster, as http and as grpc")
def refused_clusters(stage):
    workspace = stage.workspace
    workspace.cluster("c-terminated", state="TERMINATED")
    workspace.cluster("c-pending", state="PENDING")
    workspace.cluster("c-mode", access_mode="NONE")
    workspace.cluster("c-mine", may_attach=False)
    workspace.cluster("c-resizing", state="RESIZING")
    expected = {"c-none": ("cluster-missing", ""), "c-terminated": ("cluster-not-running", "TERMINATED"),
                "c-pending": ("cluster-not-running", "PENDING"), "c-mode": ("access-mode", ""), "c-mine": ("cluster-forbidden", "")}
    for form in ("http", "grpc"):
        workspace.set(forms={name: form for name, _ in expected.values()})
        for id, (name, state) in expected.items():
            result = stage.client(*bearer(PAT, ("x-databricks-cluster-id", id))).call(SPARK + "Config", CONFIG)
            expect_refusal(result, name, form, cluster=id, state=state)
    result = stage.client(*bearer(PAT, ("x-databricks-cluster-id", "c-resizing"))).call(SPARK + "Config", CONFIG)
    expect_equal(result.code, "OK", "a cluster that is being resized serves")


@case("front: serverless takes the session id of the request itself, and never both headers")
def serverless(stage):
    def result(session, *more, body=CONFIG, path="Config", shape="uu"):
        return stage.client(*bearer(PAT, ("x-databricks-session-id", session), *more)).call(SPARK + path, body, shape=shape)

    expect_equal(result(SESSION).code, "OK", "equal")
    # More of the body than is held back, in a stream.
    parts = [CONFIG + field(5, field(1, b"a" * 30000))] * 20
    expect_equal(result(SESSION, body=parts, path="AddArtifacts", shape="su").code, "OK", "a long upload")
    expect_refusal(result(OTHER_SESSION), "session-mismatch", "grpc")
    expect_refusal(result(OTHER_SESSION, body=parts, path="AddArtifacts", shape="su"), "session-mismatch", "grpc")
    expect_refusal(result(SESSION, ("x-databricks-cluster-id", CLUSTER)), "compute-unclear", "grpc")
    expect_refusal(stage.client(("authorization", f"Bearer {PAT}")).call(SPARK + "Config", CONFIG), "compute-unclear", "grpc")


@case("front: Azure's service principals need both headers where the workspace does not know them")
def azure_headers(stage):
    workspace = stage.workspace
    workspace.set(needs_resource_id=True, resource_id="/subscriptions/x")
    entra, management = workspace.mint("entra", subject="app"), workspace.mint("management", subject="app")
    person = workspace.mint("entra", subject="some@one")
    cluster = ("x-databricks-cluster-id", CLUSTER)
    second, resource = ("x-databricks-azure-sp-management-token", management), ("x-databricks-azure-workspace-resource-id",
                                                                              "/subscriptions/x")
    for headers, expected in (((cluster,), "management-token-invalid"), ((cluster, second), "resource-id-missing"),
                              ((cluster, (second[0], "stale"), resource), "management-token-invalid"),
                              ((cluster, second, resource), None)):
        result = stage.client(*bearer(entra, *headers)).call(SPARK + "Config", CONFIG)
        if expected:
            expect_refusal(result, expected, "http")
        else:
            expect_equal(result.code, "OK", "with both headers")
    expect_equal(stage.client(*bearer(person)).call(SPARK + "Config", CONFIG).code, "OK", "a person")


@case("front: a refused upload gets its answer")
def refused_upload(stage):
    client = stage.client(*bearer("nobody's"))
    for form in ("http", "grpc"):
        stage.workspace.set(forms={"token-invalid": form})
        result = client.call(SPARK + "AddArtifacts", (CONFIG + field(5, field(1, b"a" * 500000)) for _ in range(40)), shape="su")
        expect_refusal(result, "token-invalid", form)


@case("front: a token revoked in mid-query counts for the next call, and faults come as many times as asked for")
def revoked(stage):
    client = stage.client()
    running = client.start(UNKNOWN, b"", "messages=3,size=10,delay_ms=300,headers_first", shape="us")
    next(running.call)
    expect_equal(stage.workspace.revoke(value=PAT), 1, "tokens revoked")
    expect_equal(client.call(SPARK + "Config", CONFIG).code, "PERMISSION_DENIED", "the next call")
    expect_equal((running.finish().code), "OK", "the query under way")
    stage.workspace.add_token(PAT)
    stage.workspace.fail("call", times=2, refusal="token-expired", form="grpc")
    codes = [client.call(SPARK + "Config", CONFIG).code for _ in range(3)]
    expect_equal(codes, ["PERMISSION_DENIED", "PERMISSION_DENIED", "OK"], "two faults")
    expect_equal(stage.workspace.count("call.refused.token-expired"), 2, "counted")


@case("front: it logs and counts no secret")
def silent(stage):
    workspace = stage.workspace
    workspace.ask("marker", text="MARKEDTOKEN")
    token = workspace.mint("oauth-m2m", subject="x")
    expect("MARKEDTOKEN" in token, "the marker is not in the token")
    expect_equal(stage.client(*bearer(token)).call(SPARK + "Config", CONFIG).code, "OK", "status")
    expect("MARKEDTOKEN" not in repr(workspace.ask("counters")), "a token in the counters")
    for name in ("envoy.log", "front.stderr"):
        with open(f"{stage.folder}/{name}", encoding="utf-8", errors="replace") as file:
            expect("MARKEDTOKEN" not in file.read(), f"a token in {name}")


@case("front: a channel without the certificate of its authority gets nowhere")
def unknown_authority(stage):
    import certificates
    folder = stage.make_folder()
    ca, _, _ = certificates.make(folder)
    client = stage.keep(TlsClient(f"localhost:{stage.workspace.port}", ca, bearer(PAT)))
    expect_equal(client.call(SPARK + "Config", CONFIG, timeout=5).code, "UNAVAILABLE", "status")
