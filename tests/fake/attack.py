#!/usr/bin/env python3
"""Bad input against the daemon's listener, while a well-behaved client keeps calling and must not notice.

    attack.py --build BUILD-FOLDER --daemon BINARY [--only TEXT]

Each attack is bounded in count and time. Afterwards the daemon must live, must not have grown beyond a bound, and
the other client must have had no error. Output as ring.py's.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import traceback

import harness
from attacks import ATTACKS
from harness import Failure, expect, growth

MIB = 1024 * 1024
GROWTH = 96 * MIB  # 2,000 connections and a few streams' windows: up to 74 MiB were seen


class Bystander:
    """A client in a process of its own that calls all the time, two calls at once, and checks every byte."""

    def __init__(self, ring, daemon, server):
        self.server = server
        self.process = subprocess.Popen(
            [ring.program("load-client"), "--target", daemon.target, "--method", "Unknown", "--calls", "2", "--size",
             "2000", "--pause", "3", "--count", "1000000", "--timeout", "60"], stdout=subprocess.PIPE)

    def wait_calls(self, count):
        """Until so many more calls have arrived at the server."""
        for _ in range(count):
            self.server.wait_event("begin", lambda e: e["method"].startswith("/sparkbouncer.test.Load/"),
                                   since=self.server.mark())

    def finish(self):
        self.process.terminate()
        try:
            return json.loads(self.process.communicate(timeout=harness.WAIT_S)[0])
        except (subprocess.TimeoutExpired, ValueError):
            self.process.kill()
            raise Failure("the other client hangs") from None


class MemoryWatch:
    """The most that the daemon's resident memory was."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.peak = daemon.rss()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop.wait(0.02):
            try:
                self.peak = max(self.peak, self.daemon.rss())
            except (OSError, Failure):
                return

    def finish(self):
        self.stop.set()
        self.thread.join(2)


def attack(function, ring, daemon, server, scene):
    before = daemon.rss()
    memory, bystander = MemoryWatch(daemon), Bystander(ring, daemon, server)
    try:
        bystander.wait_calls(3)
        function(daemon, server, scene)
        bystander.wait_calls(3)
    finally:
        memory.finish()
        totals = bystander.finish()
    expect(daemon.is_alive(), lambda: f"the daemon ended: {daemon.describe_end()}")
    expect(totals["errors"] == 0, lambda: f"the other client had {totals['errors']} errors: {totals['first_error']}")
    grown = memory.peak - before
    expect(grown < growth(daemon, GROWTH), f"the daemon grew by {grown // MIB} MiB")
    return f"{totals['calls']} calls beside it, slowest {totals['latency_us']['max'] / 1000:.0f} ms, " \
           f"memory +{grown // 1024} KiB"


def run_attack(name, function, ring, ends):
    """(verdict, text). A fresh daemon when the last one did not survive."""
    outcome = []

    def body():
        scene = harness.Scene(ring)
        try:
            outcome.append(("ok", attack(function, ring, ends["daemon"], ends["server"], scene)))
        except Failure as failure:
            outcome.append(("FAIL", str(failure)))
        except harness.Skipped as skipped:
            outcome.append(("skip", str(skipped)))
        except Exception:
            outcome.append(("FAIL", " | ".join(traceback.format_exc().strip().splitlines()[-4:])))
        finally:
            scene.close()

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(45)
    return outcome[0] if outcome else ("FAIL", "did not end within 45 s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--daemon", required=True)
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    arguments = parser.parse_args()
    ring = harness.Ring(os.path.abspath(arguments.build), os.path.abspath(arguments.daemon))
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    ends = {}
    try:
        for name, function in ATTACKS:
            if arguments.only and not any(text in name for text in arguments.only):
                continue
            if not ends or not ends["daemon"].is_alive():
                ends["server"] = ring.shared.fake(token=harness.TOKEN)
                ends["daemon"] = ring.shared.daemon(ends["server"], main={"log_level": "info"})
            verdict, text = run_attack(name, function, ring, ends)
            counts[verdict] += 1
            print(f"{verdict} attack: {name}" + (f": {text}" if verdict != "ok" else f" ({text})"), flush=True)
    finally:
        ring.close()
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped", flush=True)
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
