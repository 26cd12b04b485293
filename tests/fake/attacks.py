"""The attacks, in the order in which they are made. Each takes the daemon, the server behind it and a scene."""

import contextlib
import random
import resource
import signal
import socket
import ssl
import struct
import subprocess

from harness import SPARK, TOKEN, WAIT_S, expect, expect_equal
from wire import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
                  WINDOW_UPDATE, RawClient, field, frame, grpc_headers, grpc_message, header_block, varint)

ATTACKS = []
UNKNOWN = "/some.other.Service/Method"
chance = random.Random(20240229)


def named(name):
    def add(function):
        ATTACKS.append((name, function))
        return function
    return add


def raw(daemon, **keywords):
    return RawClient(daemon.target, **keywords)


def flood(peer, chunks):
    """Sends until everything is out, the peer has closed, or takes no more for a second."""
    peer.socket.settimeout(1)
    with contextlib.suppress(OSError):
        for chunk in chunks:
            peer.send(chunk)
    peer.close()


@named("random bytes, 100 connections")
def garbage(daemon, _server, _scene):
    for i in range(100):
        peer = raw(daemon, greet=False)
        with contextlib.suppress(OSError):
            peer.send(chance.randbytes(1 + i * 40))
            peer.socket.shutdown(socket.SHUT_WR)
        expect(peer.read_to_end(), "the connection was left open")
        peer.close()


@named("random bytes after a good greeting, 100 connections")
def garbage_frames(daemon, _server, _scene):
    for _ in range(100):
        peer = raw(daemon)
        with contextlib.suppress(OSError):
            peer.send(chance.randbytes(2000))
            peer.socket.shutdown(socket.SHUT_WR)
        expect(peer.read_to_end(), "the connection was left open")
        peer.close()


@named("random frames that are well-formed, 200 connections")
def random_frames(daemon, _server, _scene):
    for _ in range(200):
        peer = raw(daemon)
        with contextlib.suppress(OSError):
            for _ in range(30):
                peer.send(frame(chance.randrange(12), chance.randrange(256), chance.randrange(12),
                                chance.randbytes(chance.randrange(64))))
            peer.socket.shutdown(socket.SHUT_WR)
        expect(peer.read_to_end(), "the connection was left open")
        peer.close()


@named("half a preface, then silence, 100 connections")
def half_preface(daemon, _server, _scene):
    peers = [raw(daemon, greet=False) for _ in range(100)]
    for i, peer in enumerate(peers):
        peer.send(PREFACE[:1 + i % 23])
    for peer in peers:
        peer.close()


@named("TLS ClientHello on the plain port")
def client_hello(daemon, _server, _scene):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    peer = raw(daemon, greet=False)
    try:
        context.wrap_socket(peer.socket)
    except (ssl.SSLError, ConnectionError, TimeoutError) as error:
        expect(not isinstance(error, TimeoutError), "the connection was left open")
    else:
        expect(False, "a TLS handshake succeeded")
    expect("TLS" in daemon.log(), "the log has no line about TLS")


@named("HTTP/1 request gets a short plain answer")
def http1(daemon, _server, _scene):
    for request in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\n",
                    b"HEAD / HTTP/1.1\r\n\r\n"):
        peer = raw(daemon, greet=False)
        peer.send(request)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := peer.socket.recv(4096):
                answer += data
        peer.close()
        expect(answer.startswith(b"HTTP/1.") and b"text/plain" in answer.lower() and len(answer) < 2000,
               f"the answer: {answer[:200]!r}")


@named("length prefix of 4 GiB")
def huge_length(daemon, server, _scene):
    for flag in (0, 1, 255):
        peer = raw(daemon)
        case = f"huge-{flag}"
        peer.send(frame(HEADERS, END_HEADERS, 1, grpc_headers(UNKNOWN, [("x-case", case), ("x-fake", "hang")])) +
                  frame(DATA, 0, 1, bytes([flag]) + b"\xff\xff\xff\xff" + b"z" * 1000))
        server.of_case("begin", case)
        flood(peer, [frame(DATA, 0, 1, b"z" * 16000)] * 3)
        server.of_case("end", case)


@named("malformed protobuf in each of Spark's methods")
def malformed(daemon, server, scene):
    names = ("ExecutePlan", "AnalyzePlan", "Config", "AddArtifacts", "ArtifactStatus", "Interrupt", "ReattachExecute",
             "ReleaseExecute", "ReleaseSession", "FetchErrorDetails", "CloneSession", "GetStatus")
    bodies = [b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", field(1, "5e551000")[:-3], b"\x0a", b"\x00" * 20,
              b"\x0b" * 30,
              field(1, b"\xff\xfe\x00"), field(1, "x" * 100000), field(2, field(1, "u" * 5000)) * 50,
              field(6, "") + field(1, ""), (b"\x12\x7f" * 64), varint((1 << 61) | 2) + b"\x05abcde",
              chance.randbytes(3000)]
    client = scene.client(daemon)
    straight = scene.client(server.address, metadata=[("authorization", "Bearer " + TOKEN)])
    for name in names:
        shape = {"ExecutePlan": "us", "ReattachExecute": "us", "AddArtifacts": "su"}.get(name, "uu")
        for body in bodies:
            sent = [body] if shape == "su" else body
            ends = [end.start(SPARK + name, sent, shape=shape) for end in (straight, client)]
            direct, proxied = (end.finish() for end in ends)
            expect_equal((proxied.code, proxied["messages"]), (direct.code, direct["messages"]),
                         f"{name} {body[:20]!r}")


@named("header list over the limit")
def large_headers(daemon, server, _scene):
    since = server.mark()
    for count in (30, 100, 400):
        peer = raw(daemon)
        block = grpc_headers(UNKNOWN, [(f"x-large-{i}", "v" * 1000) for i in range(count)])
        pieces = [block[i:i + 16000] for i in range(0, len(block), 16000)]
        with contextlib.suppress(OSError):
            peer.send(frame(HEADERS, END_STREAM, 1, pieces[0]))
            for piece in pieces[1:-1]:
                peer.send(frame(CONTINUATION, 0, 1, piece))
            peer.send(frame(CONTINUATION, END_HEADERS, 1, pieces[-1]))
        got = peer.read_until(lambda f: f[0] in (RST_STREAM, GOAWAY) or (f[0] == HEADERS and f[2] == 1))
        expect(got is None or got[0] in (RST_STREAM, GOAWAY, HEADERS), "no refusal")
        peer.close()
    expect(not server.events("begin", since) or not any(
        pair[0].startswith("x-large") for e in server.events("begin", since) for pair in e["metadata"]),
        "such headers reached the server")


@named("a small header block that unpacks to megabytes")
def header_bomb(daemon, _server, _scene):
    for _ in range(10):
        peer = raw(daemon)
        entry = b"\x40\x03x-a" + b"\x7f" + varint(3900 - 127) + b"v" * 3900
        with contextlib.suppress(OSError):
            peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, grpc_headers(UNKNOWN) + entry + b"\xbe" * 8000))
        peer.read_until(lambda f: f[0] in (RST_STREAM, GOAWAY, HEADERS))
        peer.close()


@named("2,000 connections opened and dropped")
def connections(daemon, _server, _scene):
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    at_once = min(500, soft // 3)
    done = 0
    while done < 2000:
        peers = [raw(daemon, greet=i % 2 == 0) for i in range(at_once)]
        for i, peer in enumerate(peers):
            peer.close(reset=i % 3 == 0)
        done += at_once


@named("rapid reset: 30,000 calls begun and reset")
def rapid_reset(daemon, _server, _scene):
    block = grpc_headers(UNKNOWN, [("x-fake", "hang")])
    reset = struct.pack(">I", 8)

    def chunks():
        for start in range(0, 30000, 500):
            yield b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, block) + frame(RST_STREAM, 0, 2 * i + 1, reset)
                           for i in range(start, start + 500))

    flood(raw(daemon), chunks())


@named("rapid reset by way of the peer: 20,000 calls that break a rule")
def made_you_reset(daemon, _server, _scene):
    block = grpc_headers(UNKNOWN, [("x-fake", "hang")])
    zero = struct.pack(">I", 0)

    def chunks():
        for start in range(0, 20000, 500):
            yield b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, block) + frame(WINDOW_UPDATE, 0, 2 * i + 1, zero)
                           for i in range(start, start + 500))

    flood(raw(daemon), chunks())


@named("CONTINUATION flood")
def continuation(daemon, _server, _scene):
    def chunks():
        yield frame(HEADERS, 0, 1, grpc_headers(UNKNOWN))
        for _ in range(200):
            yield frame(CONTINUATION, 0, 1, header_block([("x-more", "v" * 100)])) * 100

    flood(raw(daemon), chunks())


@named("CONTINUATION flood with empty frames")
def empty_continuation(daemon, _server, _scene):
    flood(raw(daemon), [frame(HEADERS, 0, 1, grpc_headers(UNKNOWN))] + [frame(CONTINUATION, 0, 1) * 1000] * 100)


@named("SETTINGS flood, answers not read")
def settings(daemon, _server, _scene):
    flood(raw(daemon), [frame(SETTINGS, 0, 0) * 1000] * 100)


@named("SETTINGS with thousands of entries")
def long_settings(daemon, _server, _scene):
    entries = b"".join(struct.pack(">HI", 4, i) for i in range(2700))
    flood(raw(daemon), [frame(SETTINGS, 0, 0, entries)] * 50)


@named("PING flood, answers not read")
def pings(daemon, _server, _scene):
    flood(raw(daemon), [frame(PING, 0, 0, b"12345678") * 1000] * 100)


@named("PRIORITY and unknown frames, 100,000")
def priorities(daemon, _server, _scene):
    chunk = b"".join(frame(2, 0, 2 * i + 1, struct.pack(">IB", 0, 1)) + frame(200, 7, 0, b"?") for i in range(500))
    flood(raw(daemon), [chunk] * 100)


@named("empty DATA frames, 100,000")
def empty_data(daemon, server, _scene):
    peer = raw(daemon)
    peer.send(frame(HEADERS, END_HEADERS, 1, grpc_headers(UNKNOWN, [("x-case", "empty-data"), ("x-fake", "hang")])))
    server.of_case("begin", "empty-data")
    flood(peer, [frame(DATA, 0, 1) * 1000] * 100)
    server.of_case("end", "empty-data")


@named("5,000 calls left open on one connection")
def many_streams(daemon, _server, _scene):
    block = grpc_headers(UNKNOWN, [("x-fake", "hang")])
    flood(raw(daemon), (b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, block) for i in range(start, start + 250))
                        for start in range(0, 5000, 250)))


@named("windows: none, then a byte at a time")
def tiny_windows(daemon, server, _scene):
    peer = raw(daemon)
    peer.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
    for i in range(40):
        peer.call(2 * i + 1, UNKNOWN, [("x-fake", "messages=50,size=100000"), ("x-case", f"window-{i}")], b"x")
    for i in range(40):
        server.of_case("begin", f"window-{i}")
    for _ in range(500):
        peer.send(b"".join(frame(WINDOW_UPDATE, 0, 2 * i + 1, struct.pack(">I", 1)) for i in range(40)))
    peer.close()
    for i in range(40):
        server.of_case("end", f"window-{i}")


@named("windows: updates of zero, overflows, sizes that are not allowed")
def wrong_windows(daemon, _server, _scene):
    most = struct.pack(">I", 0x7FFFFFFF)
    for bad in (frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0)), frame(WINDOW_UPDATE, 0, 0, most) * 3,
                frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0x80000000)),
                frame(SETTINGS, 0, 0, struct.pack(">HI", 5, 1)), frame(SETTINGS, 0, 0, b"12345"),
                frame(SETTINGS, 0, 1), frame(PING, 0, 0, b"123"), frame(DATA, 0, 0, b"x"),
                frame(HEADERS, END_HEADERS, 2, grpc_headers(UNKNOWN)), frame(RST_STREAM, 0, 99, b"\0\0\0\0"),
                frame(CONTINUATION, END_HEADERS, 1, b""),
                struct.pack(">I", 0xFFFFFF)[1:] + b"\0\0\0\0\0\1" + b"x" * 100,
                frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\x7f"), frame(5, 4, 1, b"\0\0\0\2")):
        peer = raw(daemon)
        with contextlib.suppress(OSError):
            peer.send(bad)
        expect(peer.read_to_end(), f"the connection was left open after {bad[:16].hex()}")
        peer.close()


@named("requests that are no gRPC")
def not_grpc(daemon, _server, _scene):
    base = [(":method", "POST"), (":scheme", "http"), (":path", UNKNOWN), (":authority", "x"), ("te", "trailers"),
            ("content-type", "application/grpc")]

    def changed(name, value):
        return [(n, v) for n, v in ((n, value if n == name else v) for n, v in base) if v is not None]

    for headers in (changed(":method", "GET"), changed(":path", "nothing"), changed(":path", ""),
                    changed(":path", None),
                    changed(":path", "/"), changed(":path", "/a/b/c/d"), changed(":path", "/" + "p" * 9000),
                    changed("content-type", "text/html"), changed("content-type", None), changed(":method", None),
                    base + [("Upper-Case", "x")], base + [("connection", "close")], base + [(":status", "200")],
                    base + [("grpc-timeout", "soon")], base + [("grpc-timeout", "99999999999H")],
                    base + [("grpc-timeout", "-1S")], base + [("x-bad", "a\r\nb: c")], base + [("content-length", "7")],
                    base + [("x-fake", "messages=1")] * 2, base + [("grpc-timeout", "1n")]):
        peer = raw(daemon)
        peer.send(frame(HEADERS, END_HEADERS, 1, header_block(headers)) +
                  frame(DATA, END_STREAM, 1, grpc_message(b"x")))
        peer.read_until(lambda f: f[2] == 1 and (f[0] == RST_STREAM or f[1] & END_STREAM) or f[0] == GOAWAY)
        peer.close()


@named("300 connections that stop in the middle of a header block")
def slow_headers(daemon, _server, _scene):
    peers = [raw(daemon) for _ in range(300)]
    block = grpc_headers(UNKNOWN)
    for i, peer in enumerate(peers):
        peer.send(frame(HEADERS, END_HEADERS, 1, block)[:5 + i % (len(block) + 4)])
    for peer in peers:
        peer.close()


@named("clients killed in the middle of streams, 20 times")
def killed_clients(daemon, server, scene):
    for _ in range(20):
        since = server.mark()
        with subprocess.Popen([scene.ring.program("load-client"), "--target", daemon.target, "--connections", "2",
                               "--calls", "4", "--count", "10000", "--method", "ExecutePlan", "--messages", "1000",
                               "--size", "50000", "--release", "--timeout", "20"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as client:
            server.wait_event("end", lambda e: e["method"].endswith("ReleaseExecute"), WAIT_S, since)
            client.send_signal(signal.SIGKILL)
        begun = [e["id"] for e in server.events("begin", since) if e["method"].endswith("ExecutePlan")]
        for call in begun:
            server.wait_event("end", lambda e, call=call: e["id"] == call, WAIT_S, since)
