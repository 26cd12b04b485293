"""TLS to the upstream: which certificates are taken, and what is said of the others."""

import os
import shutil
import socket
import ssl
import subprocess
import threading

from harness import TOKEN, Skipped, expect, expect_equal
from registry import proxied

UNKNOWN = "/some.other.Service/Method"
made = {}  # folder: Certificates


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


class Certificates:
    """A certificate authority and servers' certificates by it, made once a run."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = self._self_signed("authority", "/CN=ring test authority")
        self.stranger = self._self_signed("stranger", "/CN=another authority")
        open(os.path.join(folder, "index"), "w", encoding="ascii").close()
        with open(os.path.join(folder, "ca.cnf"), "w", encoding="ascii") as file:
            file.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index\nnew_certs_dir={folder}\n"
                       "default_md=sha256\npolicy=p\nrand_serial=yes\nunique_subject=no\ncopy_extensions=copy\n"
                       "[p]\ncommonName=supplied\n")
        self.good = self._signed("good", "DNS:localhost,IP:127.0.0.1", "20200101000000Z", "21200101000000Z")
        self.other_name = self._signed("other", "DNS:other.example", "20200101000000Z", "21200101000000Z")
        self.expired = self._signed("expired", "DNS:localhost,IP:127.0.0.1", "20200101000000Z", "20210101000000Z")

    def _self_signed(self, name, subject):
        key, certificate = self._paths(name)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                "-subj", subject, "-keyout", key, "-out", certificate)
        return certificate

    def _signed(self, name, names, start, end):
        key, certificate = self._paths(name)
        request = os.path.join(self.folder, name + ".csr")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=" + name, "-addext", "subjectAltName=" + names, "-keyout", key, "-out", request)
        openssl("ca", "-batch", "-notext", "-config", os.path.join(self.folder, "ca.cnf"), "-cert", self.authority,
                "-keyfile", os.path.join(self.folder, "authority.key"), "-startdate", start, "-enddate", end,
                "-in", request, "-out", certificate)
        return certificate, key

    def _paths(self, name):
        return os.path.join(self.folder, name + ".key"), os.path.join(self.folder, name + ".pem")


def certificates(scene):
    if not shutil.which("openssl"):
        raise Skipped("no openssl program")
    if scene.ring.folder not in made:
        folder = os.path.join(scene.ring.folder, "certificates")
        os.mkdir(folder)
        made[scene.ring.folder] = Certificates(folder)
    return made[scene.ring.folder]


def url(host, port):
    return f"sc://{host}:{port}/;use_ssl=true;token={TOKEN}"


def call_over_tls(scene, pair, ca_file, host="localhost", fake="echo"):
    server = scene.fake("--tls", *pair, token=TOKEN)
    daemon = scene.daemon(url(host, server.port), ca_file=ca_file, connect_timeout="1s")
    return scene.client(daemon).call(UNKNOWN, b"secret", fake)


def expect_refused(result, host, *words):
    expect_equal(result.code, "UNAVAILABLE", "status")
    said = result.details.lower()
    expect(host in said, f"the host is not named: {result.details!r}")
    expect(any(word in said for word in words), f"the reason is not named: {result.details!r}")


@proxied("tls: a certificate of a known authority, by name and by address")
def good(scene):
    made_ = certificates(scene)
    for host in ("localhost", "127.0.0.1"):
        result = call_over_tls(scene, made_.good, made_.authority, host)
        expect_equal((result.code, result.details, result["messages"]), ("OK", "", [b"secret"]), host)


@proxied("tls: 64 MiB down and up, and many calls")
def bulk(scene):
    made_ = certificates(scene)
    server = scene.fake("--tls", *made_.good, token=TOKEN)
    client = scene.client(scene.daemon(url("localhost", server.port), ca_file=made_.authority))
    down = client.start(UNKNOWN, b"", "messages=64,size=1048576", shape="us", limit=20)
    up = client.start(UNKNOWN, (b"u" * 1048576 for _ in range(64)), "summary", shape="su", limit=20)
    small = [client.start(UNKNOWN, f"{i}".encode(), "echo") for i in range(100)]
    expect_equal([call.finish(20)["messages"] for call in small], [[f"{i}".encode()] for i in range(100)], "echoes")
    expect_equal(len(down.finish()["messages"]), 64, "messages down")
    expect(up.finish()["messages"][0].startswith(b"count=64,bytes=67108864,"), "messages up")


@proxied("tls: an unknown authority is refused, and said")
def unknown_authority(scene):
    made_ = certificates(scene)
    expect_refused(call_over_tls(scene, made_.good, made_.stranger), "localhost", "issuer", "authority", "trusted",
                   "self-signed", "self signed")


@proxied("tls: another name in the certificate is refused, and said")
def other_name(scene):
    made_ = certificates(scene)
    expect_refused(call_over_tls(scene, made_.other_name, made_.authority), "localhost", "name", "mismatch")


@proxied("tls: an expired certificate is refused, and said")
def expired(scene):
    made_ = certificates(scene)
    expect_refused(call_over_tls(scene, made_.expired, made_.authority), "localhost", "expired")


def serve_tls_without_alpn(scene, pair):
    """A TLS server that does not know HTTP/2; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    listener = socket.create_server(("127.0.0.1", 0))
    scene.things.append(listener)

    def serve():
        while True:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as peer:
                    peer.settimeout(2)
                    peer.recv(4096)
            except ssl.SSLError:
                pass
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


@proxied("tls: a server without ALPN h2 is refused, and said")
def no_alpn(scene):
    made_ = certificates(scene)
    port = serve_tls_without_alpn(scene, made_.good)
    daemon = scene.daemon(url("localhost", port), ca_file=made_.authority, connect_timeout="1s")
    expect_refused(scene.client(daemon).call(UNKNOWN, b"x"), "localhost", "alpn", "http/2", "h2")


@proxied("tls: to a server in the clear is refused, and said")
def not_tls(scene):
    made_ = certificates(scene)
    server = scene.fake(token=TOKEN)
    daemon = scene.daemon(url("localhost", server.port), ca_file=made_.authority, connect_timeout="1s")
    expect_refused(scene.client(daemon).call(UNKNOWN, b"x"), "localhost", "tls", "ssl")


@proxied("tls: in the clear to a TLS server is refused, and said")
def not_clear(scene):
    made_ = certificates(scene)
    server = scene.fake("--tls", *made_.good, token=TOKEN)
    daemon = scene.daemon(f"sc://localhost:{server.port}/;use_ssl=false;token={TOKEN}", connect_timeout="1s")
    result = scene.client(daemon).call(UNKNOWN, b"x")
    expect_equal(result.code, "UNAVAILABLE", "status")
    expect("localhost" in result.details, f"the host is not named: {result.details!r}")
