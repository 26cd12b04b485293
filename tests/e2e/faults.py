#!/usr/bin/env python3
"""Stock PySpark to a real Spark Connect server over a line that fails: results whole, tables written once.

    faults.py --server PORT --daemon BINARY --programs BUILD [--client NAME=PYTHON]… [--rows N] [--only TEXT] [--direct]

The server's token is in SPARKBOUNCER_TEST_TOKEN. Every client's program runs through daemon and failing relay (--direct:
through the relay alone, on the client's own reattaching). Prints `ok NAME`, `FAIL NAME: why` and at the end the counts.
"""

import argparse
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fake"))

import harness  # noqa: E402
from harness import Failure, expect, expect_equal  # noqa: E402

TOKEN = os.environ.get("SPARKBOUNCER_TEST_TOKEN", "")
# Where a write job's ExecutePlan is cut: before the server has it, when it has, at its first answer, all the time.
STAGES = ["close arrival times=1 path=ExecutePlan", "abort request times=1 path=ExecutePlan",
          "close first times=1 path=ExecutePlan", "close messages=1 times=1", "every 100 close", "every 30 abort"]


class Program(harness.Child):
    """A client's program that does what it is told."""

    def __init__(self, python, folder, remote):
        env = {"PATH": os.environ["PATH"], "HOME": folder, "USER": "someone", "SPARK_REMOTE": remote,
               "no_proxy": "localhost,127.0.0.1", "SPARK_HOME": folder}
        super().__init__([python, str(HERE / "faults_client.py")], env,
                         os.path.join(folder, f"client-{next(harness.ends)}.stderr"))
        self.wait_for(lambda line: line == "ready", "its session", 90)

    def start(self, *task):
        self.since = len(self.lines)
        self.process.stdin.write((" ".join(map(str, task)) + "\n").encode())
        self.process.stdin.flush()

    def result(self, limit=240):
        return json.loads(self.wait_for(lambda line: line.startswith("{"), "its result", limit, self.since))

    def run(self, *task):
        self.start(*task)
        return self.result()


class Server:
    def __init__(self, port):
        self.port = port
        self.address = f"127.0.0.1:{port}"


class Line:
    """Server, relay and, unless `direct`, a daemon that can be killed and comes back at the same port."""

    def __init__(self, scene, options):
        self.scene = scene
        self.options = options
        self.relay = scene.relay(Server(options.server))
        self.port = None
        self.daemon = None
        if not options.direct:
            self.start_daemon()

    def start_daemon(self):
        if self.port is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        self.daemon = self.scene.daemon(f"sc://{self.relay.address}/;token={TOKEN}",
                                        main={"listen": f"127.0.0.1:{self.port}", "log_level": "info",
                                              "log_calls": "info"}, connections="1", max_connections="2")

    def kill_daemon(self):
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.wait_exit()
        self.start_daemon()

    def expect_unseen(self):
        """The client never had to reattach."""
        if self.daemon:
            seen = [line for line in self.daemon.log().splitlines() if " ReattachExecute " in line]
            expect(not seen, lambda: f"the client reattached {len(seen)} times: {seen[0]}")

    @property
    def remote(self):
        if self.options.direct:
            return f"sc://localhost:{self.relay.port}/;token={TOKEN}"
        return f"sc://127.0.0.1:{self.port}"

    def program(self, python):
        program = Program(python, self.scene.folder(), self.remote)
        self.scene.things.append(program)
        return program

    def witness(self):
        """A client with nothing in between."""
        remote = f"sc://localhost:{self.options.server}/;token={TOKEN}"
        self.scene.things.append(Program(sys.executable, self.scene.folder(), remote))
        return self.scene.things[-1]


def check_collect(result, rows):
    expect_equal((result["rows"], result["ids"], result["values"]), (rows, True, True), "rows, ids and values in order")


def collect_cut(line, python, rows):
    """The connection is cut every 200 ms."""
    program = line.program(python)
    line.relay.command("every 200 close")
    before = line.relay.command("rate 0")
    program.start("collect", rows)
    result = program.result()
    faults = line.relay.command("clear") - before
    check_collect(result, rows)
    expect(faults >= 1, "the connection was never cut")
    line.expect_unseen()
    return f"{result['seconds']} s, {faults} cuts"


def collect_faults(line, python, rows):
    """One fault of each kind after the other, against the server's own HTTP/2."""
    program = line.program(python)
    before = line.relay.command("clear")
    line.relay.plan("reset=2 messages=9 times=2", "reset=8 messages=5 times=2", "goaway messages=7 times=2",
                    "below messages=4 times=2", "abort messages=6 times=2", "half messages=3 times=2",
                    "close bytes=123457 step=70001 times=9", "close first times=2 path=Reattach",
                    "close request times=2 path=Reattach", "page=503 times=2", "drain messages=3 times=1")
    program.start("collect", rows)
    result = program.result()
    faults = line.relay.command("clear") - before
    check_collect(result, rows)
    expect(faults >= 20, f"only {faults} faults happened")
    line.expect_unseen()
    return f"{result['seconds']} s, {faults} faults"


def collect_killed(line, python, rows):
    """The daemon is killed with SIGKILL in mid-result, twice, and started again."""
    program = line.program(python)
    kills = 0
    line.relay.plan("none messages=20 times=1")
    since = line.relay.mark()
    program.start("collect", rows)
    for following in ("none messages=40 times=1", None):
        line.relay.wait_event("fault", limit=60, since=since)
        since = line.relay.mark()
        if following:  # not before: it could come between the first and the mark
            line.relay.plan(following)
        line.kill_daemon()
        kills += 1
    result = program.result()
    check_collect(result, rows)
    return f"{result['seconds']} s, {kills} kills"


def write_cut(line, python, rows):
    """A table is written under cuts at each stage of the job; each time exactly once."""
    rows //= 10
    table = "t" + str(time.monotonic_ns())
    times = []
    program, witness = line.program(python), line.witness()
    for number, stage in enumerate(STAGES, 1):
        line.relay.command(stage if stage.startswith("every") else "plan " + stage)
        before = line.relay.command("rate 0")
        result = program.run("write", rows, table)
        faults = line.relay.command("clear") - before
        times.append(result["seconds"])
        expect(faults > 0, f"nothing was cut by {stage!r}")
        expect_equal(witness.run("count", table)["count"], number * rows, f"rows in the table after {stage!r}")
        line.expect_unseen()
    return f"{len(STAGES)} jobs, {', '.join(map(str, times))} s"


def write_killed(line, python, rows):
    """The daemon is killed when the server has the job, and started again."""
    rows //= 10
    table = "t" + str(time.monotonic_ns())
    program, witness = line.program(python), line.witness()
    line.relay.plan("none request times=1 path=ExecutePlan")
    program.start("write", rows, table)
    line.relay.wait_event("fault", limit=60)
    line.kill_daemon()
    result = program.result()
    expect_equal(witness.run("count", table)["count"], rows, "rows in the table")
    return f"{result['seconds']} s"


CASES = {"collect_cut_every_200_ms": collect_cut, "collect_faults_of_each_kind": collect_faults,
         "collect_daemon_killed": collect_killed, "write_cut_at_each_stage": write_cut,
         "write_daemon_killed": write_killed}


def run_case(name, function, options, ring, python):
    scene = harness.Scene(ring)
    started = time.monotonic()
    try:
        said = function(Line(scene, options), python, options.rows)
        print(f"ok {name} ({said}; all {time.monotonic() - started:.1f} s)", flush=True)
        return "ok"
    except Failure as failure:
        print(f"FAIL {name}: {failure}", flush=True)
    except Exception as error:  # noqa: B902: the other cases still run
        print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
    finally:
        scene.close()
    return "FAIL"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=int, required=True, help="the port of the real server")
    parser.add_argument("--daemon")
    parser.add_argument("--programs", required=True, help="build folder with tests/fake/fault-relay in it")
    parser.add_argument("--client", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--direct", action="store_true")
    options = parser.parse_args()
    if not options.daemon and not options.direct:
        parser.error("--daemon or --direct")
    return options


def main():
    options = parse_arguments()
    ring = harness.Ring(os.path.abspath(options.programs), os.path.abspath(options.daemon) if options.daemon else None)
    counts = {"ok": 0, "FAIL": 0}
    try:
        for client in options.client or [f"here={sys.executable}"]:
            name, _, python = client.partition("=")
            for case, function in CASES.items():
                if options.only and not any(text in case for text in options.only):
                    continue
                if options.direct and function in (collect_killed, write_killed):
                    continue
                counts[run_case(f"{case} {name}", function, options, ring, python)] += 1
    finally:
        ring.close()
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, 0 skipped", flush=True)
    sys.stdout.flush()
    os._exit(1 if counts["FAIL"] else 0)


if __name__ == "__main__":
    main()
