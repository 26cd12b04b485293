"""Just enough protobuf and HTTP/2 to say what no library would: fields, frames, header blocks."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """A protobuf field: text and bytes length-delimited, numbers as varints."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(message):
    """{number: [values]} of a message; raises ValueError when it is malformed."""
    found, at = {}, 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(message):
                raise ValueError("truncated")
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = read()
        if tag & 7 == 0:
            value = read()
        elif tag & 7 in (1, 2, 5):
            length = {1: 8, 5: 4}.get(tag & 7) or (read() if tag & 7 == 2 else 0)
            value = message[at:at + length]
            if len(value) < length:
                raise ValueError("truncated")
            at += length
        else:
            raise ValueError("wire type")
        found.setdefault(tag >> 3, []).append(value)
    return found


def text(message, number):
    values = fields(message).get(number)
    return values[-1].decode() if values else None


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(data):
    if len(data) < 127:
        return bytes([len(data)]) + data
    return b"\x7f" + varint(len(data) - 127) + data


def header_block(headers):
    """HPACK without compression: literals, never indexed."""
    out = bytearray()
    for name, value in headers:
        out += b"\x10" + _literal(name.encode()) + _literal(value.encode() if isinstance(value, str) else value)
    return bytes(out)


def grpc_headers(path, more=()):
    return header_block([(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
                         ("te", "trailers"), ("content-type", "application/grpc"), *more])


def grpc_message(payload):
    return struct.pack(">BI", 0, len(payload)) + payload


class RawClient:
    """A client that sends what it is told and reads frames."""

    def __init__(self, target, limit=5.0, greet=True):
        host, port = target.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=limit)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if greet:
            self.send(PREFACE + frame(SETTINGS, 0, 0))

    def send(self, data):
        self.socket.sendall(data)

    def call(self, stream, path, more=(), message=b"", ends=True):
        self.send(frame(HEADERS, END_HEADERS, stream, grpc_headers(path, more)) +
                  frame(DATA, END_STREAM if ends else 0, stream, grpc_message(message)))

    def read_frame(self):
        """(kind, flags, stream, payload), or None at the end of the connection."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self.buffer += data
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload = self.buffer[9:9 + length]
        self.buffer = self.buffer[9 + length:]
        return kind, flags, stream & 0x7FFFFFFF, payload

    def read_until(self, wanted):
        """Reads until `wanted(frame)`; None when the connection ended before."""
        while True:
            got = self.read_frame()
            if got is None or wanted(got):
                return got

    def read_to_end(self):
        """What comes until the peer closes; True when it did so within the limit."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
