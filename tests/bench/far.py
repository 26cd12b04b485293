"""A server that is far away: delay-relay and TLS between it and the client, or between it and sparkbouncer.

    client ─ delay-relay ─ TLS end (nghttpx) ─ server          direct
    client ─ sparkbouncer ─ delay-relay ─ TLS end ─ server     through sparkbouncer, whose connections are there already

The TLS end logs each call, the relay counts bytes and connections.
"""

import json
import shutil
import subprocess
import time
from collections import Counter

from measure import say
from processes import Failure, Process, environment, free_port
from real import measure_pair, pairs
from spark import Spark


class TlsEnd:
    """nghttpx in front of the server, which counts the calls that come to it."""

    def __init__(self, bench, server_port):
        program = shutil.which("nghttpx")
        if not program:
            raise Failure("the far cases end TLS with nghttpx, which is not here (Debian package nghttp2-proxy)")
        made = bench.certificate()
        self.port, self.log = free_port(), bench.folder / "tls-end.log"
        command = [program, "--conf=/dev/null", "--workers=1", "--single-process", "--single-thread", "--no-ocsp", "--log-level=ERROR",
                   f"--accesslog-file={self.log}", "--accesslog-format=$path", "--errorlog-file=/dev/stderr",
                   f"--frontend=127.0.0.1,{self.port}", f"--backend=127.0.0.1,{server_port};;proto=h2", "--tls-min-proto-version=TLSv1.3",
                   "--frontend-http2-window-size=16M", "--frontend-http2-connection-window-size=256M",
                   "--backend-http2-window-size=16M", "--backend-http2-connection-window-size=256M",
                   "--frontend-http2-read-timeout=1h", "--stream-read-timeout=1h", "--stream-write-timeout=1h",
                   "--backend-read-timeout=1h", "--backend-write-timeout=1h", "--no-via",
                   made.key, made.certificate]
        self.process = Process("tls-end", command, bench.folder / "tls-end").await_port(self.port)
        self.position = 0

    def calls(self):
        """By method, since the last time."""
        time.sleep(0.3)
        text = self.log.read_text() if self.log.exists() else ""
        new, self.position = text[self.position:], len(text)
        return Counter(line.rsplit("/", 1)[-1] for line in new.splitlines())


class Distance:
    """delay-relay."""

    def __init__(self, bench, upstream_port, round_trip_ms):
        command = [bench.programs / "delay-relay", "127.0.0.1:0", f"127.0.0.1:{upstream_port}", round_trip_ms]
        self.popen = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env=environment())
        self.port = int(self.popen.stdout.readline().rsplit(":", 1)[1])

    def counts(self):
        """Connections and bytes since the last time."""
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())

    def stop(self):
        self.popen.kill()
        self.popen.communicate()


def run_distance(bench, results, spark, tls_end, case):
    round_trip_ms, part = case.arguments
    peer = bench.ours()
    distances = {side: Distance(bench, tls_end.port, round_trip_ms) for side in ("direct", "sparkbouncer")}
    daemon = spark.daemon(peer, distances["sparkbouncer"].port, bench.certificate().ca, warm=True)
    remotes = {"direct": f"sc://localhost:{distances['direct'].port}/;use_ssl=true;token={spark.token}",
               "sparkbouncer": f"sc://localhost:{daemon.port}"}

    def measure(side):
        tls_end.calls()
        distances[side].counts()
        seconds = spark.program(remotes[side], [part], GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(bench.certificate().ca))
        time.sleep(1.2)  # a release that waits for a newer one travels by itself after a second
        counts, calls = distances[side].counts(), tls_end.calls()
        results.add(case.name, side, {"upstream_calls": sum(calls.values()), "upstream_releases": calls["ReleaseExecute"],
                                      "upstream_mb": (counts["bytes_up"] + counts["bytes_down"]) / 1e6,
                                      "upstream_connections": counts["connections"]}, len(results.values(case.name, side, "upstream_mb")))
        return {case.name: seconds["all"] if part == "script" else seconds[part]}

    try:
        for side in remotes:
            spark.program(remotes[side], [part], GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(bench.certificate().ca))
        for number in range(pairs(bench)):
            measure_pair(results, tuple(remotes), number, measure, [case.name])
    finally:
        daemon.stop()
        for distance in distances.values():
            distance.stop()
    say(f"   {case.name}: " + ", ".join(f"{ratio:.2f}" for ratio in results.pairs.get(case.name, [])))


def run_all(bench, results, chosen):
    chosen = [case for case in chosen if case.group == "far"]
    if not chosen:
        return
    try:
        spark = Spark(bench)
        tls_end = TlsEnd(bench, spark.port)
    except Failure as why:
        results.fail("far", "all", why)
        return
    for case in chosen:
        try:
            run_distance(bench, results, spark, tls_end, case)
        except Failure as why:
            results.fail(case.name, "all", why)
    tls_end.process.stop()
    spark.process.stop()
