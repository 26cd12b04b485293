"""The network between daemon and upstream: changes, dead peers, and silence while nobody calls.

Those that change the machine's network put an address on the loopback device and take it away again; they need root
and `ip`, and are skipped without.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import uuid

from harness import SPARK, TOKEN, WAIT_S, Failure, Skipped, expect, expect_equal
from registry import proxied
from reload_cases import ask
from wire import PING, field, frame, text

EXECUTE, CONFIG = SPARK + "ExecutePlan", SPARK + "Config"
USER = field(2, field(1, "someone"))
ADDRESS = "192.0.2.77"  # for documentation (RFC 5737): nobody's
PING_HEAD = frame(PING, 0, 0, bytes(8))[:9]


def plan():
    return (field(1, str(uuid.uuid4())) + USER + field(5, field(1, field(1, 1))) + field(6, str(uuid.uuid4())))


class Wire:
    """A TCP relay before a fake end: what the daemon sends is kept, and it may fall silent without closing."""

    def __init__(self, port, address="127.0.0.1"):
        self.port = port
        self.listener = socket.create_server((address, 0))
        self.address = f"{address}:{self.listener.getsockname()[1]}"
        self.sent = []  # what the daemon has sent, a bytearray a connection
        self.sockets = []
        self.is_frozen = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.port))
                self.sockets += [near, far]
                self.sent.append(bytearray())
                frozen = []  # this connection's; later ones are well
                threading.Thread(target=self._carry, args=(near, far, self.sent[-1], frozen), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, None, frozen), daemon=True).start()

    def _carry(self, source, target, kept, frozen):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.is_frozen.is_set() and not frozen:
                    frozen.append(True)
                if frozen:
                    continue
                if kept is not None:
                    kept += data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self):
        for one in [self.listener, *self.sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def sent_bytes(self):
        return sum(len(one) for one in self.sent)


class Address:
    """An address that the machine has for a while."""

    def __init__(self):
        self.is_there = False
        if not shutil.which("ip") or os.geteuid() != 0:
            raise Skipped("needs root and the program ip")
        self.add()

    def _ip(self, verb):
        done = subprocess.run(["ip", "addr", verb, ADDRESS + "/32", "dev", "lo"], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0 and verb == "add":
            raise Skipped(f"no address may be added: {done.stderr.strip()}")

    def add(self):
        self._ip("add")
        self.is_there = True

    def remove(self):
        if self.is_there:
            self._ip("del")
        self.is_there = False

    close = remove


def wait_for(what, is_so, limit=WAIT_S):
    end = time.monotonic() + limit
    while not is_so():
        if time.monotonic() > end:
            raise Failure(f"waited for {what}")
        time.sleep(0.01)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@proxied("network: a change ends what held connecting back", limit=40)
def hold_back_ends(scene):
    port = free_port()
    daemon = scene.daemon(f"sc://127.0.0.1:{port}/;token={TOKEN}", connect_timeout="30s")
    call = scene.client(daemon).start(CONFIG, field(1, str(uuid.uuid4())) + USER, limit=30)
    wait_for("a long hold-back", lambda: re.search(r"next try in ([3-9]|1\d)\d{3} ms", daemon.log()), 20)
    since = time.monotonic()
    held_ms = int(re.findall(r"next try in (\d+) ms", daemon.log())[-1])
    scene.fake(token=TOKEN, port=port)
    scene._keep(Address())
    expect_equal(call.finish(30).code, "OK", "the call that waited")
    took_ms = (time.monotonic() - since) * 1000
    expect(took_ms < held_ms * 0.9, f"it took {took_ms:.0f} ms, as if held back for {held_ms} ms")
    expect("the network has changed" in daemon.log(), "the log does not say why")


@proxied("network: a change does no harm to a connection that is well")
def well(scene):
    server = scene.fake(token=TOKEN)
    wire = scene._keep(Wire(server.port))
    daemon = scene.daemon(f"sc://{wire.address}/;token={TOKEN}", connections="1")
    call = scene.client(daemon).start(EXECUTE, plan(), "messages=30,size=1000,delay_ms=100", shape="us")
    next(iter(call.call))
    before = wire.sent_bytes()
    scene._keep(Address())
    wait_for("the change", lambda: ask(daemon, "GET", "/status")[1]["counts"]["network_changes"] > 0)
    result = call.finish()
    expect_equal((result.code, len(result["messages"]), len(wire.sent)), ("OK", 30, 1), "the call")
    window_updates = wire.sent_bytes() - before
    expect(PING_HEAD not in bytes(wire.sent[0]), f"a ping was sent ({window_updates} bytes since)")


@proxied("network: a connection whose address is gone ends at once, and its results go on when there is one", limit=40)
def address_gone(scene):
    address = scene._keep(Address())
    server = scene.fake(token=TOKEN)
    wire = scene._keep(Wire(server.port, ADDRESS))
    daemon = scene.daemon(f"sc://{wire.address}/;use_ssl=false;token={TOKEN}", connections="1", connect_timeout="2s")
    call = scene.client(daemon).start(EXECUTE, plan(), "messages=40,size=1000,delay_ms=50", shape="us", limit=30)
    ids = [text(next(call.call), 13)]
    address.remove()
    wait_for("the end of the connection", lambda: "no longer has the address" in daemon.log())
    address.add()
    ids += [text(message, 13) for message in call.call]
    expect_equal(call.call.code().name, "OK", "the results")
    expect_equal([int(one[:8], 16) for one in ids], list(range(41)), "responses")
    expect(len(wire.sent) >= 2, "it was the same connection")


def quiet(scene, wire, **more):
    return scene.daemon(f"sc://{wire.address}/;token={TOKEN}", connections="1", keepalive="1s", http2_ping="1s",
                        http2_ping_force="yes", main={"session_idle_timeout": "2s", "orphan_grace": "300ms"}, **more)


@proxied("network: an idle daemon sends nothing upstream")
def idle(scene):
    server = scene.fake(token=TOKEN)
    wire = scene._keep(Wire(server.port))
    daemon = quiet(scene, wire)
    client = scene.client(daemon)
    body = plan()
    ids = [text(message, 13) for message in client.start(EXECUTE, body, "messages=3,size=100", shape="us").call]
    session, operation = text(body, 1), text(body, 6)
    client.call(SPARK + "ReleaseExecute", field(1, session) + USER + field(3, operation) + field(6, field(1, ids[0])))
    server.wait_event("end", lambda e: e["method"] == SPARK + "ReleaseExecute")  # held back for a second at the most
    expect_equal(len(wire.sent), 1, "connections")
    seen = -1  # the acknowledgement of the last ping may still be under way
    while seen != wire.sent_bytes():
        seen = wire.sent_bytes()
        time.sleep(0.3)
    time.sleep(5)  # five times the period of everything that has one
    expect_equal((wire.sent_bytes() - seen, len(wire.sent)), (0, 1), "bytes sent while nobody called")
    expect_equal(client.call(CONFIG, field(1, session) + USER).code, "OK", "a call after that")
    expect_equal(len(wire.sent), 1, "connections after that")


@proxied("network: http2_ping asks while a call runs")
def pings(scene):
    server = scene.fake(token=TOKEN)
    wire = scene._keep(Wire(server.port))
    client = scene.client(quiet(scene, wire))
    call = client.start(EXECUTE, plan(), "hang", shape="us")
    wait_for("a ping", lambda: any(PING_HEAD in bytes(one) for one in wire.sent))
    call.cancel()


@proxied("network: a peer that acknowledges and is silent is found by a ping, and the results go on", limit=40)
def half_open(scene):
    server = scene.fake(token=TOKEN)
    wire = scene._keep(Wire(server.port))
    daemon = quiet(scene, wire, connect_timeout="1s")
    call = scene.client(daemon).start(EXECUTE, plan(), "messages=20,size=1000,delay_ms=100", shape="us", limit=30)
    ids = [text(next(call.call), 13)]
    wire.is_frozen.set()
    wait_for("the end of the connection", lambda: "did not answer an HTTP/2 ping" in daemon.log())
    wire.is_frozen.clear()
    ids += [text(message, 13) for message in call.call]
    expect_equal(call.call.code().name, "OK", "the results")
    expect_equal([int(one[:8], 16) for one in ids], list(range(21)), "responses")
