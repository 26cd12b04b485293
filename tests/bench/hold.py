"""Connections that do nothing, and clients that stop reading: what they cost and whether it is given back."""

import os
import selectors
import subprocess
import time

import measure
from measure import MAX_FAILURES, say
from processes import Failure, cpu_ns, environment, rss_bytes, wake_ups
import cases
import json

MIB = 1048576
SETTLE_SECONDS = 3  # until connections count as idle
GONE_SECONDS = 8   # for memory to be given back; half with --quick
STALL_SECONDS = 4  # for buffers to fill up; half with --quick


class HoldingClient:
    """bench-client with connections open; it does as its standard input says."""

    def __init__(self, command):
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=environment(), bufsize=0)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.popen.stdout, selectors.EVENT_READ)
        self.buffer = b""

    def read(self, seconds=90):
        """Its next line."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if not self.selector.select(max(0, deadline - time.monotonic())):
                raise Failure("the load client says nothing")
            data = os.read(self.popen.stdout.fileno(), 65536)
            if not data:
                raise Failure(self.popen.stderr.read().decode(errors="replace").strip() or "the load client ended")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        said = json.loads(line)
        if said.get("errors"):
            raise Failure(f"{said['errors']} calls failed, the first: {said['first_error']}")
        return said

    def close_connections(self):
        self.popen.stdin.write(b"close\n")
        return self.read()

    def stop(self):
        self.popen.kill()
        self.popen.communicate()
        self.selector.close()


def await_rss(pids, goal, seconds):
    """The resident size once it is down to the goal, or after that many seconds."""
    deadline = time.monotonic() + seconds
    while rss_bytes(pids) > goal and time.monotonic() < deadline:
        time.sleep(0.1)
    return rss_bytes(pids)


def peak_rss(pids, seconds):
    peak, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        peak = max(peak, rss_bytes(pids))
        time.sleep(0.05)
    return peak


def warm_up(bench, running):
    """A few calls, so that what every instance needs has been allocated and the server is connected."""
    command = measure.client_command(bench, running, ["--kind", "unary", "--connections", 2, "--seconds", 0.1])
    measure.run_client(command, 1)


def at_rest(pids, seconds):
    cpu, woken, start = cpu_ns(pids), wake_ups(pids), time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - start
    return {"cpu_at_rest_ms_per_s": (cpu_ns(pids) - cpu) / 1e6 / passed, "wake_ups_per_s": (wake_ups(pids) - woken) / passed}


def held(bench, case, running, client, before, cpu_before):
    pids = running.pids()
    connections = case.arguments[case.arguments.index("--connections") + 1]
    connecting = client.read()["connect_seconds"]
    said = client.read()
    figures = {"connects_per_s": connections / connecting}
    if "idle-stream" in case.arguments and said["messages"] < connections:
        raise Failure(f"only {said['messages']} of {connections} streams began")
    if not pids:
        return figures
    figures["cpu_us_per_connect"] = (cpu_ns(pids) - cpu_before) / 1e3 / connections
    time.sleep(SETTLE_SECONDS)
    if "stalled" in case.arguments:
        meanwhile = peak_rss(pids, STALL_SECONDS * bench.time_factor)
    else:
        meanwhile = rss_bytes(pids)
        figures.update(at_rest(pids, case.seconds * bench.time_factor))
    figures["rss_held_mib"] = meanwhile / MIB
    figures["kib_per_connection"] = (meanwhile - before) / 1024 / connections
    return figures


def run_case(bench, case, peer):
    running = bench.start_peer(peer, case.upstream)
    try:
        warm_up(bench, running)
        time.sleep(0.3)
        pids = running.pids()
        before, cpu_before = rss_bytes(pids), cpu_ns(pids)
        client = HoldingClient(measure.client_command(bench, running, case.arguments))
        try:
            figures = held(bench, case, running, client, before, cpu_before)
            client.close_connections()
            if pids:
                figures["rss_before_mib"] = before / MIB
                figures["rss_after_mib"] = await_rss(pids, before + MIB, GONE_SECONDS * bench.time_factor) / MIB
        finally:
            client.stop()
    finally:
        running.stop()
    wanted = {metric.key for metric in case.metrics}
    return {key: value for key, value in figures.items() if key in wanted}


def run_all(bench, results, chosen):
    holds = [case for case in chosen if case.group == "hold"]
    rounds = min(bench.rounds, 1 if bench.options.quick else 3)
    for number in range(rounds if holds else 0):
        for case in holds:
            line = []
            for i in range(len(bench.peers)):
                peer = bench.peers[(i + number) % len(bench.peers)]
                if results.n_failures(case.name, peer.name) >= MAX_FAILURES or bench.leaves_out(results, case, peer):
                    continue
                try:
                    figures = run_case(bench, case, peer)
                except Failure as why:
                    results.fail(case.name, peer.name, why)
                    continue
                results.add(case.name, peer.name, figures, number)
                shown = [m for m in (cases.KIB_PER_CONNECTION, cases.RSS_HELD, cases.RSS_AFTER) if m.key in figures]
                line.append(f"{peer.name} " + "/".join(f"{figures[m.key]:.{m.digits}f}" for m in shown))
            say(f"   round {number + 1} {case.name} (KiB each / MiB meanwhile / after): {', '.join(line)}")
