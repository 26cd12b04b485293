#!/usr/bin/env python3
"""The benchmark itself; tests/bench/run.sh prepares what it needs and starts it."""

import argparse
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import cases
import far
import hold
import hotpath
import machine
import measure
import peer_configs
import peers
import real
import report
import tls
from measure import say
from processes import Failure, Process, output_of

ROOT = Path(__file__).resolve().parents[2]


class Bench:
    """One run: its peers, servers and settings."""

    def __init__(self, options):
        self.options = options
        self.programs = options.programs
        self.folder = Path(tempfile.mkdtemp(prefix="sparkbouncer-bench."))
        self.folder.chmod(0o700)
        self.rounds = options.rounds or (3 if options.quick else 7)
        self.tries = options.tries or (1 if options.quick else 2)
        self.time_factor = 0.5 if options.quick else 1.0
        self.facts = machine.facts()
        self.peers, self.missing = [], {}
        for peer in peers.all_peers(options):
            is_asked = not options.peers or peer.name in options.peers or peer.name == "direct"
            if not is_asked and not peer.is_ours and not isinstance(peer, peers.External):
                continue
            if peer.missing:
                self.missing[peer.name] = peer.missing
                say(f"   missing: {peer.name}: {peer.missing}")
            else:
                self.peers.append(peer)
        self.versions = {peer.name: peer.version() for peer in self.peers}
        self.commands = {"this run": shlex.join(["tests/bench/run.sh", *options.arguments])}
        self.servers, self._running, self._tls, self._n_started = {}, {}, None, 0
        self.openssl = tls.newest_openssl(options.venvs / "openssl", self.folder / "openssl")
        if self.openssl:
            said = output_of(str(options.daemon), "version", LD_LIBRARY_PATH=str(self.openssl))
            self.facts["newest OpenSSL"] = next((" ".join(line.split(" (")[0].split()) for line in said.splitlines()
                                                 if line.startswith("OpenSSL")), "?")
        peer_configs.raise_file_limit()

    def certificate(self):
        """A CA of this run's own and a certificate for localhost."""
        if not self._tls:
            self._tls = tls.make(self.folder / "tls")
        return self._tls

    def library_path(self, upstream):
        if upstream != "newtls":
            return {}
        if not self.openssl:
            raise Failure("the Python package psycopg-binary, which brings a newer OpenSSL, could not be installed")
        return {"LD_LIBRARY_PATH": str(self.openssl)}

    def start_server(self, upstream):
        """The one of this kind; one that has died is started again in its place, and that is said."""
        server = self.servers.get(upstream)
        if server and server.popen.poll() is None:
            return server
        port = self.options.upstream_port if upstream == "plain" else 0
        if server:
            port = server.port
            say(f"   {server.name} has ended ({server.popen.returncode}) and is started again; it said: {server.last_words()}")
        command = [self.programs / "bench-server", "--listen", f"127.0.0.1:{port}"]
        if upstream != "plain":
            command += ["--tls", self.certificate().certificate, self.certificate().key]
        elif self.options.upstream == "core":
            command = [self.programs.parent / "fake" / "fake-server", "--host", "127.0.0.1", "--port", port]
        server = Process(f"server-{upstream}", command, self.folder / "server", **self.library_path(upstream))
        ready = "listening" if command[0].name == "fake-server" else "ready 127.0.0.1:"
        server.port = int(server.await_line(ready))
        self.servers[upstream] = server
        return server

    def start_peer(self, peer, upstream, for_bulk=True):
        """A fresh instance."""
        server = self.start_server(upstream)
        label = peer.name + ("" if upstream == "plain" else f"-{upstream}") + ("" if for_bulk else "-calls")
        self._n_started += 1
        running = peer.start(self.folder / f"{label}-{self._n_started}", server.port,
                             None if upstream == "plain" else self.certificate().ca, for_bulk, **self.library_path(upstream))
        if running.process:
            self.commands.setdefault(label, shlex.join(running.process.command))
        return running

    def running(self, peer, upstream, for_bulk=True):
        """The one that all cases share."""
        for_bulk = for_bulk or not peer.has_two_tunings
        self.start_server(upstream)
        key = (peer.name, upstream, for_bulk)
        running = self._running.get(key)
        if running and running.process and running.process.popen.poll() is not None:
            del self._running[key]  # the next case gets a new one
            raise Failure(f"has ended ({running.process.popen.returncode}); it said: {running.process.last_words()}")
        if not running:
            running = self._running[key] = self.start_peer(peer, upstream, for_bulk)
        return running

    def start_all(self, chosen):
        """What the chosen cases need; a proxy that does not start is missing from all of them."""
        if not self.openssl and any(case.upstream == "newtls" for case in chosen):
            self.missing["newest OpenSSL"] = "the Python package psycopg-binary, which brings one, could not be installed"
            chosen[:] = [case for case in chosen if case.upstream != "newtls"]
        for upstream in sorted({case.upstream for case in chosen if case.group in ("load", "h2load", "latency")}):
            for peer in list(self.peers):
                if peer.why_not_upstream(upstream):
                    continue
                try:
                    self.running(peer, upstream)
                    self.running(peer, upstream, for_bulk=False)
                except Failure as why:
                    say(f"   missing: {peer.name}: {why}")
                    self.missing[peer.name] = str(why)
                    self.peers.remove(peer)
        if not any(peer.is_ours for peer in self.peers):
            raise SystemExit("there is no sparkbouncer to measure")

    def ours(self):
        return next(peer for peer in self.peers if peer.is_ours)

    def leaves_out(self, results, case, peer):
        why = peer.why_not(case)
        if why:
            results.left_out.append((case.name, peer.name, why))
        return why

    def close(self):
        Process.stop_all()
        if self.options.keep:
            say(f"   configurations and logs: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def parse():
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="cases: " + ", ".join(case.name for case in cases.ALL))
    parser.add_argument("--quick", action="store_true", help="fewer cases and rounds, half the time each: about 5 minutes")
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help="only these; a word stands for all cases that begin with it")
    parser.add_argument("--peers", nargs="+", default=[], metavar="NAME", help="only these, direct and sparkbouncer")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=HOST:PORT:PID",
                        help="a proxy of yours that runs already, with its upstream at 127.0.0.1:UPSTREAM_PORT; may be repeated")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=PATH", help="another sparkbouncer binary to compare; may be repeated")
    parser.add_argument("--upstream-port", type=int, default=0, help="of the plain server, for --peer (default: any)")
    parser.add_argument("--upstream", choices=("bench", "core"), default="bench", help="core: the fake server on gRPC's own library, which is slow")
    parser.add_argument("--rounds", type=int, default=0, help="default 7, with --quick 3")
    parser.add_argument("--tries", type=int, default=0, help="how often a run is made when others use the machine meanwhile; the quietest counts (default 2, with --quick 1)")
    parser.add_argument("--strace", action="store_true", help="only count system calls per call: build/bench/system-calls.md")
    parser.add_argument("--perf", action="store_true", help="only look where the CPU time of --only CASE goes: build/bench/perf-CASE.txt, flame-CASE.svg")
    parser.add_argument("--keep", action="store_true", help="leave the configurations and logs of the run in their folder")
    parser.add_argument("--daemon", type=Path, default=ROOT / "build/release/sparkbouncer", help=argparse.SUPPRESS)
    parser.add_argument("--programs", type=Path, default=ROOT / "build/test/tests/bench", help=argparse.SUPPRESS)
    parser.add_argument("--venvs", type=Path, default=ROOT / "build/venvs", help=argparse.SUPPRESS)
    parser.add_argument("--python", type=Path, default=ROOT / "build/venv/bin/python", help=argparse.SUPPRESS)
    parser.add_argument("--java-home", default=os.environ.get("JAVA_HOME", ""), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.arguments = sys.argv[1:]
    return options


def run_profiles(bench, chosen):
    """In place of the measurements, which they would disturb."""
    try:
        if bench.options.strace:
            hotpath.system_calls(bench, bench.options.out)
        for case in chosen or [cases.find(name) for name in ("unary-8x4", "stream-80k", "stream-1m", "upload")]:
            if bench.options.perf and case.group in ("load", "latency"):
                hotpath.hot_path(bench, case, bench.options.out)
    finally:
        bench.close()
    return 0


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    chosen = cases.chosen(options.only, options.quick)
    results = measure.Results()
    bench = Bench(options)
    if options.strace or options.perf:
        return run_profiles(bench, chosen if options.only else [])
    try:
        bench.start_all(chosen)
        measure.run_all(bench, results, chosen)
        hold.run_all(bench, results, chosen)
        real.run_all(bench, results, chosen)
        far.run_all(bench, results, chosen)
    finally:
        report.write(bench, results, chosen, options.out)
        bench.close()
    say(f"   {options.out / 'report.md'}, after {time.monotonic() - started:.0f} s")
    return 1 if any(peer == "sparkbouncer" for _, peer, _ in results.failures) else 0


if __name__ == "__main__":
    sys.exit(main())
