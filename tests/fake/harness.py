"""What the ring-2 tests stand on: child processes with awaited output, the fake ends, the daemon, a gRPC client.

Nothing here knows a test case. Every wait has a limit, and what is waited for is an event (a line, a record, the
end of a call), not a period of time.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import zlib

import grpc

WAIT_S = 8.0  # the longest that any one event may take
TOKEN = "t0ken-of-the-profile"
CLUSTER = "0712-123456-fakefake"
SPARK = "/spark.connect.SparkConnectService/"

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
]


class Failure(Exception):
    """A test's expectation did not hold."""


class Skipped(Exception):
    """The case cannot run here; the text says why."""


def expect(condition, why):
    if not condition:
        raise Failure(why() if callable(why) else why)


def expect_equal(found, expected, what):
    expect(found == expected, lambda: f"{what}: {shorten(found)}, expected {shorten(expected)}")


def shorten(value, limit=400):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"


class Child:
    """A process whose standard output is read line by line by a thread; lines can be waited for."""

    def __init__(self, argv, env=None, stderr_path=None):
        self.argv = argv
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        self.stderr_path = stderr_path
        stderr = open(stderr_path, "ab") if stderr_path else subprocess.DEVNULL
        try:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                            env=env, start_new_session=True)
        finally:
            if stderr_path:
                stderr.close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            item = self._keep(line.decode("utf-8", "replace").rstrip("\n"))
            with self.changed:
                self.lines.append(item)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _keep(self, line):
        return line

    def wait_for(self, predicate, what, limit=WAIT_S, since=0):
        """The first kept line from `since` on that satisfies `predicate`."""
        end = time.monotonic() + limit
        at = since
        with self.changed:
            while True:
                for at in range(at, len(self.lines)):
                    if predicate(self.lines[at]):
                        return self.lines[at]
                at = len(self.lines)
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    how = f"ended ({self.describe_end()})" if self.ended else "said nothing of the kind"
                    raise Failure(f"waited for {what}: {os.path.basename(self.argv[0])} {how}")
                self.changed.wait(left)

    def describe_end(self):
        tail = ""
        if self.stderr_path and os.path.exists(self.stderr_path):
            with open(self.stderr_path, "rb") as file:
                tail = file.read()[-600:].decode("utf-8", "replace").strip()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        return f"exit code {self.process.returncode}" + (f", {tail}" if tail else "")

    def is_alive(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.is_alive():
            self.process.send_signal(number)

    def wait_exit(self, limit=WAIT_S):
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"{os.path.basename(self.argv[0])} did not exit within {limit:.0f} s") from None

    def kill(self):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def rss(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise Failure("the process is gone")


ends = itertools.count(1)


class Recorder(Child):
    """A fake end: prints `listening PORT`, then JSON events."""

    def __init__(self, argv, folder):
        super().__init__([*argv, "--until-eof"], stderr_path=os.path.join(folder, f"fake-{next(ends)}.stderr"))
        self.port = int(self.wait_for(lambda line: isinstance(line, str), "its port").split()[1])

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _keep(self, line):
        return json.loads(line) if line.startswith("{") else line

    def mark(self):
        with self.changed:
            return len(self.lines)

    def events(self, event, since=0):
        with self.changed:
            return [e for e in self.lines[since:] if isinstance(e, dict) and e["event"] == event]

    def settled(self, event):
        """The events so far, up to now: raw-server's lines are in order, so what precedes a new connection's is all."""
        since = self.mark()
        socket.create_connection(("127.0.0.1", self.port), 2).close()
        self.wait_event("connect", since=since)
        return self.events(event)

    def begun(self):
        """The `begin` events of the fake server: all that it has written, also what we have not read yet."""
        since = self.mark()
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.wait_event("mark", since=since)
        return self.events("begin")

    def finished(self):
        """The `end` events of the fake server, once all the calls that have come have ended."""
        for begun in self.begun():
            self.wait_event("end", lambda e, number=begun["id"]: e["id"] == number)
        return self.events("end")

    def wait_event(self, event, matches=lambda e: True, limit=WAIT_S, since=0):
        return self.wait_for(lambda e: isinstance(e, dict) and e["event"] == event and matches(e),
                             f"event {event}", limit, since)

    def of_case(self, event, case, limit=WAIT_S):
        """The event of the call that carried `x-case: case`."""
        return self.wait_event(event, lambda e: ["x-case", case] in e["metadata"], limit)


class FaultRelay(Recorder):
    """What lies before an upstream and fails as it is told (fault_relay.c)."""

    def command(self, text):
        """-> the faults so far."""
        since = self.mark()
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.wait_for(lambda e: isinstance(e, dict) and e.get("command") == text, f"answer to {text!r}",
                               since=since)
        expect(answer["event"] == "done", f"the relay does not understand {text!r}")
        return answer["faults"]

    def plan(self, *plans):
        for text in plans:
            self.command("plan " + text)


def growth(daemon, limit):
    """How much more memory the daemon may take: AddressSanitizer keeps what is freed, and pads the rest."""
    return limit * (8 if daemon.is_sanitized else 1)


class Daemon(Child):
    """sparkbouncer with a configuration of its own, ready."""

    def __init__(self, path, folder, sections, limit=WAIT_S, environ=None):
        self.folder = tempfile.mkdtemp(prefix="daemon-", dir=folder)
        self.config = os.path.join(self.folder, "config.ini")
        self.write_config(sections)
        env = {"HOME": self.folder, "XDG_RUNTIME_DIR": self.folder, "XDG_CONFIG_HOME": self.folder,
               "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS"):
                env[name] = value
        env.update(environ or {})
        with open(path, "rb") as file:
            self.is_sanitized = b"__asan_init" in file.read()
        super().__init__([path, "run", "--config", self.config], env, os.path.join(self.folder, "stderr"))
        try:
            self.wait_for(lambda line: line.startswith("ready"), "its ready line", limit)
        except Failure:
            self.kill()
            raise
        self.targets = [self._target(line) for line in self.lines if line.startswith("listening ")]

    def write_config(self, sections):
        """Replaced whole, as editors do it."""
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            for section, keys in sections.items():
                file.write(f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + "\n")
        os.chmod(self.config + ".new", 0o600)
        os.replace(self.config + ".new", self.config)

    @staticmethod
    def _target(line):
        found = re.match(r"listening (?:sc://)?(unix:[^;\s]*|[^/;\s]*)", line)
        return re.sub(r"^(localhost|0\.0\.0\.0)(?=:)", "127.0.0.1", found.group(1))

    @property
    def target(self):
        expect(self.targets, "the daemon printed no `listening` line")
        return self.targets[0]

    def log(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()


class Result(dict):
    """What a client saw of one call; comparable, key by key."""

    @property
    def code(self):
        return self["code"]

    @property
    def details(self):
        return self["details"]


def digest(message):
    """Short messages as they are, long ones as length and checksum; None as it is."""
    if message is None:
        return None
    return bytes(message) if len(message) <= 200 else (len(message), zlib.crc32(message))


def pairs(metadata):
    return [(key, value) for key, value in metadata or ()]


case_numbers = itertools.count(1)


class Running:
    """A call under way."""

    def __init__(self, call, case, answers_stream, limit):
        self.call = call
        self.case = case
        self.answers_stream = answers_stream
        self.limit = limit
        self.started = time.monotonic()

    def cancel(self):
        self.call.cancel()

    def finish(self, limit=None):
        """Waits for the end; a call that does not end in time is a failure, not a result."""
        hung = threading.Event()
        done = threading.Event()

        def cancel():
            if not done.is_set():
                hung.set()
                self.call.cancel()

        timer = threading.Timer(limit or self.limit, cancel)
        timer.daemon = True
        timer.start()
        messages = []
        try:
            if self.answers_stream:
                messages.extend(digest(message) for message in self.call)
            else:
                messages.append(digest(self.call.result()))
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass
        done.set()
        timer.cancel()
        expect(not hung.is_set(), f"the call did not end within {limit or self.limit:.0f} s")
        return Result(messages=messages, initial=pairs(self.call.initial_metadata()), code=self.call.code().name,
                      details=self.call.details(), trailing=pairs(self.call.trailing_metadata()), case=self.case,
                      seconds=time.monotonic() - self.started)


class Client:
    """One connection. Shapes: uu, us, su, ss (request, response; unary or stream)."""

    def __init__(self, target, metadata=(), options=()):
        self.channel = grpc.insecure_channel(target, options=[*CHANNEL_OPTIONS, *options])
        self.metadata = list(metadata)

    def start(self, path, requests=b"", fake=None, metadata=(), shape="uu", timeout=None, compression=None,
              limit=WAIT_S):
        case = f"case-{next(case_numbers)}"
        headers = [*self.metadata, ("x-case", case), *metadata]
        if fake is not None:
            headers.append(("x-fake", fake))
        kind = {"uu": "unary_unary", "us": "unary_stream", "su": "stream_unary", "ss": "stream_stream"}[shape]
        method = getattr(self.channel, kind)(path)
        start = method if shape.endswith("s") else method.future
        body = requests if shape.startswith("u") else iter(requests)
        call = start(body, timeout=timeout, metadata=headers, compression=compression)
        return Running(call, case, shape.endswith("s"), limit)

    def call(self, *arguments, **keywords):
        return self.start(*arguments, **keywords).finish()

    def close(self):
        self.channel.close()


class Scene:
    """The processes and clients of one case; everything goes when the case ends, however it ends."""

    def __init__(self, ring):
        self.ring = ring
        self.things = []

    def _keep(self, thing):
        self.things.append(thing)
        return thing

    def fake(self, *options, token=None, port=0, record=True):
        arguments = [self.ring.program("fake-server"), "--port", str(port), *options]
        if record:
            arguments += ["--record", "-"]
        if token:
            arguments += ["--token", token]
        return self._keep(Recorder(arguments, self.ring.folder))

    def raw(self, *options, port=0):
        return self._keep(Recorder([self.ring.program("raw-server"), "--port", str(port), *options],
                                   self.ring.folder))

    def relay(self, upstream):
        return self._keep(FaultRelay([self.ring.program("fault-relay"), "--to", str(upstream.port)],
                                     self.ring.folder))

    def daemon(self, upstream, main=None, others=None, **profile):
        """A daemon whose default profile `p` leads to `upstream`: a fake end, or an address."""
        address = upstream if isinstance(upstream, str) else f"sc://{upstream.address}/;token={TOKEN}"
        sections = {"sparkbouncer": {"listen": "127.0.0.1:0", "profile": "p", "log_calls": "debug",
                                     "log_level": "debug", **(main or {})},
                    "profile p": {"upstream": address, **profile}}
        for name, keys in (others or {}).items():
            sections[f"profile {name}"] = keys
        return self._keep(Daemon(self.ring.daemon_path, self.ring.folder, sections))

    def client(self, target, **keywords):
        return self._keep(Client(target if isinstance(target, str) else target.target, **keywords))

    def folder(self):
        return tempfile.mkdtemp(prefix="case-", dir=self.ring.folder)

    def close(self):
        for thing in reversed(self.things):
            with contextlib.suppress(Exception):
                thing.kill() if isinstance(thing, Child) else thing.close()
        self.things.clear()


class Target:
    """One end of a transparency case: the fake server itself, or the daemon before it."""

    def __init__(self, scene, server, address, metadata):
        self.scene = scene
        self.server = server
        self.address = address
        self.metadata = metadata
        self.client = scene.client(address, metadata=metadata)

    def another_client(self, **keywords):
        return self.scene.client(self.address, metadata=self.metadata, **keywords)

    def call(self, *arguments, **keywords):
        return self.seen(self.client.call(*arguments, **keywords))

    def seen(self, result):
        """The result with what the server saw of the call."""
        end = self.server.of_case("end", result["case"])
        result["server"] = {key: end[key] for key in
                            ("method", "messages", "bytes", "crc", "first", "cancelled", "status", "sent")}
        result["server"]["metadata"] = [pair for pair in end["metadata"] if pair[0] not in
                                        ("x-case", "authorization", "x-databricks-cluster-id")]
        return result


class Ring:
    """The run: where programs are, the shared server and daemon, the scratch folder."""

    def __init__(self, build, daemon_path):
        self.build = build
        self.daemon_path = daemon_path
        self.folder = tempfile.mkdtemp(prefix="ring-")
        self.shared = Scene(self)
        self.server = self.front = None

    def program(self, name):
        for path in (os.path.join(self.build, "tests", "fake", name), os.path.join(self.build, name)):
            if os.access(path, os.X_OK):
                return path
        raise SystemExit(f"{name} is not in {self.build}: build it first")

    def shared_server(self):
        if self.server is None or not self.server.is_alive():
            self.server = self.shared.fake("--cluster", CLUSTER, token=TOKEN)
            self.front = None
        return self.server

    def shared_daemon(self):
        server = self.shared_server()
        if self.front is None or not self.front.is_alive():
            self.front = self.shared.daemon(server, cluster_id=CLUSTER)
        return self.front

    def close(self):
        self.shared.close()
        shutil.rmtree(self.folder, ignore_errors=True)
