"""Artifacts of named sessions: what the session has already ends at the daemon, which answers as the server did."""

import threading
import zlib
from concurrent import futures

import grpc

from harness import SPARK, Skipped, expect, expect_equal, growth
from named_cases import SESSION, command, head, shared_id
from registry import proxied
from wire import ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RawClient, field, fields, frame, grpc_headers, grpc_message

ADD = SPARK + "AddArtifacts"
ETL = [("x-session", "etl")]
CHUNK = 32 * 1024
ONE = b"print('one')\n"
OTHER = b"print('other')\n"


class SparkServer:
    """As much of a Spark Connect server as takes artifacts, as Spark does it."""

    def __init__(self, scene):
        self.session_ids = {}  # the server's own, by (user, session)
        self.restarts = 0
        self.uploads = []  # (session id, messages) that have ended well or not
        self.begun = threading.Semaphore(0)
        self.checks = 0
        self.fails = False
        self.lies = False  # says that the checksums are wrong
        self.gate, self.reads = threading.Event(), threading.Event()
        self.gate.set()
        self.reads.set()
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        scene.things.append(self)

    def close(self):
        self.gate.set()
        self.reads.set()
        self.server.stop(0)

    @property
    def url(self):
        return f"sc://127.0.0.1:{self.port}/;token=t"

    def service(self, call):
        if call.method == ADD:
            return grpc.stream_unary_rpc_method_handler(self.add)
        if call.method == SPARK + "Config":
            return grpc.unary_unary_rpc_method_handler(self.config)
        if call.method == SPARK + "ReleaseSession":
            return grpc.unary_unary_rpc_method_handler(lambda request, _: field(1, fields(request)[1][0]))
        return None

    def restart(self):
        self.session_ids = {}
        self.restarts += 1

    def ids(self, request):
        found = fields(request)
        session = found[1][0].decode()
        key = (fields(found[2][0])[1][0], session)
        number = len(self.session_ids) + 100 * self.restarts
        return session, self.session_ids.setdefault(key, f"5e55104e-0000-4000-8000-00000000{number:04d}")

    def config(self, request, _):
        self.checks += 1
        session, own = self.ids(request)
        return field(1, session) + field(4, own)

    def add(self, requests, context):
        messages, artifacts = [], []
        for request in requests:
            if not messages:
                self.begun.release()
                self.reads.wait(40)
            messages.append(request)
            found = fields(request)
            if 3 in found:
                for single in fields(found[3][0])[1]:
                    single = fields(single)
                    artifacts.append([single[1][0], self.is_good(single[2][0])])
            elif 4 in found:
                begin = fields(found[4][0])
                artifacts.append([begin[1][0], self.is_good(begin[4][0])])
            else:
                artifacts[-1][1] &= self.is_good(found[5][0])
        self.gate.wait(20)
        session, own = self.ids(messages[0])
        self.uploads.append((session, messages))
        if self.fails:
            context.abort(grpc.StatusCode.INTERNAL, "no space left")
        summaries = b"".join(field(1, field(1, name) + (field(2, 1) if good and not self.lies else b""))
                             for name, good in artifacts)
        return summaries + field(2, session) + field(3, own)

    @staticmethod
    def is_good(chunk):
        found = fields(chunk)
        return found.get(2, [0])[0] == zlib.crc32(found.get(1, [b""])[0])


def chunk_of(data, crc=None):
    crc = zlib.crc32(data) if crc is None else crc
    return (field(1, data) if data else b"") + (field(2, crc) if crc else b"")


def batch(number, *artifacts, user="ann", crc=None):
    """One message with all of them."""
    return head(number, user) + field(3, b"".join(field(1, field(1, name) + field(2, chunk_of(data, crc)))
                                                  for name, data in artifacts))


def chunked(number, name, data, user="ann"):
    """A message for each chunk, as PySpark does it."""
    chunks = [data[at:at + CHUNK] for at in range(0, len(data), CHUNK)]
    first = field(1, name) + field(2, len(data)) + field(3, len(chunks)) + field(4, chunk_of(chunks[0]))
    return [head(number, user) + field(4, first)] + [head(number, user) + field(5, chunk_of(c)) for c in chunks[1:]]


def answer_of(number, server_session, *names, good=True, user="ann"):
    return (b"".join(field(1, field(1, name) + (field(2, 1) if good else b"")) for name in names) +
            field(2, SESSION.format(number)) + field(3, server_session))


FIRST_SERVER_SESSION = "5e55104e-0000-4000-8000-000000000000"


class Stage:
    """A daemon before such a server, and a client."""

    def __init__(self, scene, **profile):
        self.scene = scene
        self.server = SparkServer(scene)
        self.daemon = scene.daemon(self.server.url, **profile)
        self.client = scene.client(self.daemon)

    def add(self, messages, metadata=ETL, client=None, limit=20):
        messages = [messages] if isinstance(messages, bytes) else messages
        return (client or self.client).call(ADD, messages, metadata=metadata, shape="su", limit=limit)

    def expect(self, result, expected, uploads, what):
        expect_equal((result.code, result.details), ("OK", ""), what)
        expect_equal(result["messages"], [expected], what)
        expect_equal(len(self.server.uploads), uploads, f"uploads at the server, {what}")


def name_of(number):
    return f"pyfiles/module_{number}.py"


@proxied("artifacts: what another client of the named session has added is not sent again")
def not_again(scene):
    stage = Stage(scene)
    several = [("pyfiles/a.py", ONE), ("files/empty", b""), ("archives/c.zip#c", b"\0" * 1000), ("jars/d.jar", b"jar")]
    names = [name for name, _ in several]
    stage.expect(stage.add(batch(1, *several)), answer_of(1, FIRST_SERVER_SESSION, *names), 1, "the first")
    expect_equal(stage.server.checks, 0, "questions to the server for what it does not have")
    other = scene.client(stage.daemon)
    for number in range(2, 6):
        stage.expect(stage.add(batch(number, *several), client=other), answer_of(number, FIRST_SERVER_SESSION, *names), 1,
                     f"client {number}")
    some = [("jars/d.jar", b"jar"), ("pyfiles/a.py", ONE)]
    stage.expect(stage.add(batch(6, *some)), answer_of(6, FIRST_SERVER_SESSION, "jars/d.jar", "pyfiles/a.py"), 1, "some")
    expect_equal(stage.server.checks, 5, "questions to the server")


@proxied("artifacts: the first upload goes on as it comes, nothing in it is changed but the session's id")
def relayed(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/known", ONE)))
    messages = [batch(2, ("files/known", ONE)), *chunked(2, "jars/new.jar", bytes(range(256)) * 400), batch(2, ("files/x", b""))]
    result = stage.add(messages)
    stage.expect(result, answer_of(2, FIRST_SERVER_SESSION, "files/known", "jars/new.jar", "files/x"), 2, "the second")
    own, shared = SESSION.format(2).encode(), shared_id().encode()
    expect_equal(stage.server.uploads[1], (shared_id(), [message.replace(own, shared) for message in messages]), "the upload")
    stage.expect(stage.add([message.replace(own, SESSION.format(3).encode()) for message in messages]),
                 answer_of(3, FIRST_SERVER_SESSION, "files/known", "jars/new.jar", "files/x"), 2, "the third")
    raw = RawClient(stage.daemon.target)  # at its first message the server is reached, though there will be more
    raw.call(1, ADD, ETL, batch(4, ("files/unknown", ONE)), ends=False)
    for _ in range(3):
        expect(stage.server.begun.acquire(timeout=8), "the upload waits in the daemon")
    raw.close()


@proxied("artifacts: other content of the same name goes up, and is then what the session has")
def other_content(scene):
    stage = Stage(scene)
    for content, uploads in ((ONE, 1), (ONE, 1), (OTHER, 2), (OTHER, 2), (ONE, 3), (ONE[:-1], 4), (ONE[:-1] + b"\r", 5), (b"", 6)):
        stage.expect(stage.add(batch(1, ("files/a", content))), answer_of(1, FIRST_SERVER_SESSION, "files/a"), uploads,
                     f"{content}")


@proxied("artifacts: a wrong checksum is for the server to find, and nothing of it is remembered")
def wrong_crc(scene):
    stage = Stage(scene)
    wrong = batch(1, ("files/a", ONE), crc=zlib.crc32(ONE) ^ 1)
    stage.expect(stage.add(wrong), answer_of(1, FIRST_SERVER_SESSION, "files/a", good=False), 1, "the first")
    stage.expect(stage.add(batch(1, ("files/a", ONE))), answer_of(1, FIRST_SERVER_SESSION, "files/a"), 2, "a good one")
    stage.expect(stage.add(wrong), answer_of(1, FIRST_SERVER_SESSION, "files/a", good=False), 3, "of what is known")
    stage.expect(stage.add(batch(1, ("files/a", ONE))), answer_of(1, FIRST_SERVER_SESSION, "files/a"), 4, "a good one then")
    stage.server.lies = True
    stage.expect(stage.add(batch(1, ("files/b", ONE))), answer_of(1, FIRST_SERVER_SESSION, "files/b", good=False), 5, "by the server")
    stage.server.lies = False
    stage.expect(stage.add(batch(1, ("files/b", ONE))), answer_of(1, FIRST_SERVER_SESSION, "files/b"), 6, "not remembered")


@proxied("artifacts: an upload that fails is not remembered")
def failed(scene):
    stage = Stage(scene)
    stage.server.fails = True
    for uploads in (1, 2):
        result = stage.add(batch(1, ("files/a", ONE)))
        expect_equal((result.code, result.details, len(stage.server.uploads)), ("INTERNAL", "no space left", uploads), "failing")
    stage.server.fails = False
    for _ in range(2):
        stage.expect(stage.add(batch(1, ("files/a", ONE))), answer_of(1, FIRST_SERVER_SESSION, "files/a"), 3, "then")


def read_answer(raw):
    """The message of the answer, and its last frame."""
    body = b""
    while not (got := raw.read_frame())[0] == HEADERS or not got[1] & END_STREAM:
        body += got[3] if got[0] == DATA else b""
    return body[5:]


@proxied("artifacts: chunks and batches, split anywhere")
def split(scene):
    stage = Stage(scene)
    content = bytes(range(256)) * 300
    for number, step in enumerate((None, 1 << 14, 4999, 37, 3), start=1):
        messages = [*chunked(number, "archives/a.zip", content), batch(number, ("files/b", ONE), ("files/c", b""))]
        if step is None:
            stage.add(messages)
            continue
        sent = b"".join(grpc_message(message) for message in messages)
        raw = RawClient(stage.daemon.target)
        raw.send(frame(HEADERS, END_HEADERS, 1, grpc_headers(ADD, ETL)))
        raw.send(b"".join(frame(DATA, END_STREAM if at + step >= len(sent) else 0, 1, sent[at:at + step])
                          for at in range(0, len(sent), step)))
        expect_equal(read_answer(raw), answer_of(number, FIRST_SERVER_SESSION, "archives/a.zip", "files/b", "files/c"),
                     f"the answer, in steps of {step}")
        raw.close()
    expect_equal(len(stage.server.uploads), 1, "uploads at the server")


@proxied("artifacts: nothing is answered, or asked, before the client has ended its upload")
def not_before_the_end(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/a", ONE)))
    raw = RawClient(stage.daemon.target)
    raw.call(1, ADD, ETL, batch(2, ("files/a", ONE)), ends=False)
    raw.send(frame(PING, 0, 0, b"arrived?"))
    seen = []
    raw.read_until(lambda f: seen.append(f[0]) or (f[0] == PING and f[1] == ACK))
    expect(HEADERS not in seen and DATA not in seen, f"frames: {seen}")
    expect_equal(stage.server.checks, 0, "questions to the server")
    raw.send(frame(DATA, END_STREAM, 1, b""))
    expect_equal(read_answer(raw), answer_of(2, FIRST_SERVER_SESSION, "files/a"), "the answer")
    expect_equal((len(stage.server.uploads), stage.server.checks), (1, 1), "uploads, questions")
    raw.close()


@proxied("artifacts: an upload that ends within its first message goes up")
def cut_short(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/a", ONE), user=""))
    raw = RawClient(stage.daemon.target)
    raw.send(frame(HEADERS, END_HEADERS, 1, grpc_headers(ADD, ETL)))
    raw.send(frame(DATA, END_STREAM, 1, grpc_message(batch(2, ("files/a", ONE), user=""))[:45]))
    expect(raw.read_until(lambda f: f[0] == HEADERS and f[1] & END_STREAM), "no answer")
    raw.close()


@proxied("artifacts: more than is held back goes up, known or not", limit=90)
def over_the_limit(scene):
    stage = Stage(scene)
    large, half = b"\1" * (33 << 20), b"\2" * (20 << 20)
    for uploads in (1, 2):
        stage.expect(stage.add(chunked(1, "jars/large", large)), answer_of(1, FIRST_SERVER_SESSION, "jars/large"), uploads, "33 MiB")
    for name, uploads in (("jars/b", 3), ("jars/c", 4), ("jars/b", 4)):
        stage.expect(stage.add(chunked(1, name, half)), answer_of(1, FIRST_SERVER_SESSION, name), uploads, f"20 MiB, {name}")
    before = stage.daemon.rss()
    both = chunked(2, "jars/b", half) + chunked(2, "jars/c", half)
    stage.expect(stage.add(both), answer_of(2, FIRST_SERVER_SESSION, "jars/b", "jars/c"), 5, "40 MiB of two that are known")
    expect(stage.daemon.rss() - before < growth(stage.daemon, 80 << 20), "memory of one upload")
    shared = [m.replace(SESSION.format(2).encode(), shared_id().encode()) for m in both]
    expect(stage.server.uploads[4] == (shared_id(), shared), "the upload is not what was sent")


@proxied("artifacts: of many uploads at a time no more than 64 MiB are held back", limit=90)
def over_all_limits(scene):
    stage = Stage(scene)
    content = b"\3" * (30 << 20)
    stage.add(chunked(1, "jars/a", content))
    stop, held = threading.Event(), []

    def all_but_the_end(number, sent):
        yield from chunked(number, "jars/a", content)[:-1]
        sent.set()
        stop.wait(60)

    for number in (2, 3):
        sent = threading.Event()
        held.append(scene.client(stage.daemon).start(ADD, all_but_the_end(number, sent), metadata=ETL, shape="su"))
        expect(sent.wait(30), "a known upload is not taken")
    expect_equal(len(stage.server.uploads), 1, "uploads at the server while there is room")
    stage.expect(stage.add(chunked(4, "jars/a", content)), answer_of(4, FIRST_SERVER_SESSION, "jars/a"), 2, "when there is none")
    for call in held:
        call.cancel()
    stop.set()
    stage.expect(stage.add(chunked(5, "jars/a", content)), answer_of(5, FIRST_SERVER_SESSION, "jars/a"), 2, "when there is again")


@proxied("artifacts: what was held back and goes up after all counts until the server has it", limit=90)
def passed_slowly(scene):
    stage = Stage(scene)
    content = b"\3" * (30 << 20)
    numbers = range(2, 8)
    for number in numbers:
        stage.add(chunked(1, f"jars/{number}", content))
        expect(stage.server.begun.acquire(timeout=30), "nothing was begun")
    stage.server.reads.clear()
    before, uploads = stage.daemon.rss(), []
    for number in numbers:
        messages = [*chunked(number, f"jars/{number}", content), batch(number, (f"files/{number}", ONE))]
        uploads.append(scene.client(stage.daemon).start(ADD, iter(messages), metadata=ETL, shape="su"))
        expect(stage.server.begun.acquire(timeout=30), f"upload {number} is not taken")
    more = stage.daemon.rss() - before
    expect(more < growth(stage.daemon, 100 << 20), f"{more >> 20} MiB for six uploads")
    stage.server.reads.set()
    expect_equal([upload.finish(60).code for upload in uploads], ["OK"] * 6, "statuses")


@proxied("artifacts: a server that has been restarted gets them again")
def restarted(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/a", ONE)))
    stage.server.restart()
    again = "5e55104e-0000-4000-8000-000000000100"
    stage.expect(stage.add(batch(2, ("files/a", ONE))), answer_of(2, again, "files/a"), 2, "after the restart")
    stage.expect(stage.add(batch(3, ("files/a", ONE))), answer_of(3, again, "files/a"), 2, "the next")


@proxied("artifacts: a session that has been released gets them again")
def released(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/a", ONE)))
    command(stage.daemon, "sessions", "release", "etl")
    stage.expect(stage.add(batch(2, ("files/a", ONE))), answer_of(2, FIRST_SERVER_SESSION, "files/a"), 2, "after the release")


@proxied("artifacts: a client that cancels in mid-upload leaves nothing behind")
def cancelled(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/a", ONE)))
    for messages in ([batch(2, ("files/a", ONE))], [batch(2, ("files/b", ONE))]):
        stop, sent = threading.Event(), threading.Event()

        def requests(messages=messages, stop=stop, sent=sent):
            yield from messages
            sent.set()
            stop.wait(10)

        running = stage.client.start(ADD, requests(), metadata=ETL, shape="su")
        expect(sent.wait(8), "nothing was sent")
        running.cancel()
        expect_equal(running.finish().code, "CANCELLED", "status")
        stop.set()
    stage.expect(stage.add(batch(3, ("files/a", ONE))), answer_of(3, FIRST_SERVER_SESSION, "files/a"), 1, "what was known")
    stage.server.gate.clear()
    running = stage.client.start(ADD, [batch(3, ("files/c", ONE))], metadata=ETL, shape="su")
    for _ in range(2):
        expect(stage.server.begun.acquire(timeout=8), "the upload did not arrive")
    running.cancel()
    stage.server.gate.set()
    result = stage.add(batch(4, ("files/c", ONE)))
    expect_equal((result.code, result["messages"]), ("OK", [answer_of(4, FIRST_SERVER_SESSION, "files/c")]), "then")
    sent = [messages for _, messages in stage.server.uploads if b"files/c" in messages[0]]
    expect(sent, "what was cancelled passed for added")


@proxied("artifacts: two clients that add the same at once both upload it, and no third one does")
def at_once(scene):
    stage = Stage(scene)
    stage.server.gate.clear()
    running = [scene.client(stage.daemon).start(ADD, [batch(number, ("files/a", ONE))], metadata=ETL, shape="su")
               for number in (1, 2)]
    for _ in range(2):
        expect(stage.server.begun.acquire(timeout=8), "an upload waits in the daemon")
    stage.server.gate.set()
    for number, call in enumerate(running, start=1):
        expect_equal(call.finish()["messages"], [answer_of(number, FIRST_SERVER_SESSION, "files/a")], "the answer")
    stage.expect(stage.add(batch(3, ("files/a", ONE))), answer_of(3, FIRST_SERVER_SESSION, "files/a"), 2, "the third")


@proxied("artifacts: other users, other names and sessions without one upload for themselves")
def others(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/a", ONE)))
    expect_equal(stage.add(batch(2, ("files/a", ONE), user="bob")).code, "OK", "another user")
    expect_equal(stage.add(batch(3, ("files/a", ONE)), metadata=[("x-session", "ml")]).code, "OK", "another name")
    for number in (4, 4, 5):
        expect_equal(stage.add(batch(number, ("files/a", ONE)), metadata=[]).code, "OK", "no name")
    found = [session for session, _ in stage.server.uploads]
    expect_equal(found, [shared_id(), shared_id(user="bob"), shared_id("ml"), *(SESSION.format(n) for n in (4, 4, 5))], "uploads")
    expect_equal(stage.add(batch(6, ("files/a", ONE), user="bob")).code, "OK", "the other user again")
    expect_equal(len(stage.server.uploads), 6, "uploads, then")


@proxied("artifacts: names that a server may write over, or that clients ask for themselves, always go up")
def never_kept(scene):
    stage = Stage(scene)
    for uploads, name in enumerate(("cache/" + "0" * 64, "classes/A.class", "forward_to_fs/tmp/a", "a.py")):
        for again in (1, 2):
            stage.expect(stage.add(batch(1, (name, ONE))), answer_of(1, FIRST_SERVER_SESSION, name), 2 * uploads + again, name)


@proxied("artifacts: an upload in messages that are too large to be read goes up, and what it may have replaced is forgotten")
def unreadable(scene):
    stage = Stage(scene)
    stage.add(batch(1, ("files/a", ONE)))
    large = batch(2, ("files/b", b"x" * 300000))
    for uploads in (2, 3):
        stage.expect(stage.add(large), answer_of(2, FIRST_SERVER_SESSION, "files/b"), uploads, "a large message")
    for _ in range(2):
        stage.expect(stage.add(batch(3, ("files/a", ONE))), answer_of(3, FIRST_SERVER_SESSION, "files/a"), 4, "what was known")


@proxied("artifacts: a server that is gone when the upload ends: the call waits as others do")
def server_gone(scene):
    stage = Stage(scene, connect_timeout="1s")
    stage.add(batch(1, ("files/a", ONE)))
    stage.server.close()
    result = stage.add(batch(2, ("files/a", ONE)))
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect("127.0.0.1" in result.details, f"it says {result.details!r}")


@proxied("artifacts: stock PySpark's uploads of one file, from two sessions", limit=60)
def pyspark(scene):
    try:
        from pyspark.sql.connect.client.artifact import ArtifactManager
    except Exception as error:
        raise Skipped(f"no PySpark here: {error}") from None
    stage = Stage(scene)
    path = scene.folder() + "/module.py"
    with open(path, "w", encoding="ascii") as file:
        file.write("# a module\n" * 20000)
    for number in (1, 2, 3):
        channel = grpc.insecure_channel(stage.daemon.target)
        manager = ArtifactManager("ann", SESSION.format(number), channel, ETL)
        manager.add_artifacts(path, pyfile=True, archive=False, file=False)
        channel.close()
        if number == 2:
            with open(path, "a", encoding="ascii") as file:
                file.write("changed = True\n")
    expect_equal([len(messages) for _, messages in stage.server.uploads], [7, 7], "messages of each upload")
