#!/usr/bin/env python3
"""Ring 2: the daemon between gRPC's reference implementation at both ends.

    ring.py --build BUILD-FOLDER --daemon BINARY [--only TEXT] [--direct-only] [--long] [--list]

Needs Python 3.11 and grpcio. Prints `ok NAME`, `FAIL NAME: why` or `skip NAME: why` for each case and at the end
`N passed, N failed, N skipped`; exit code 1 when a case failed.
"""

import argparse
import os
import sys
import threading
import time
import traceback

import harness
from registry import CASES

import fake_cases  # noqa: F401  (each import registers its cases)
import flow_cases  # noqa: F401
import policy_cases  # noqa: F401
import release_cases  # noqa: F401
import parting_cases  # noqa: F401
import named_cases  # noqa: F401
import artifact_cases  # noqa: F401
import revive_cases  # noqa: F401
import resume_cases  # noqa: F401
import touch_cases  # noqa: F401
import spool_cases  # noqa: F401
import fault_cases  # noqa: F401
import pace_cases  # noqa: F401
import lifecycle_cases  # noqa: F401
import tls_cases  # noqa: F401
import reload_cases  # noqa: F401
import orphan_cases  # noqa: F401
import network_cases  # noqa: F401
import local_spark_cases  # noqa: F401
import metadata_cases  # noqa: F401
import cli_cases  # noqa: F401

NOT_COMPARED = ("case", "seconds")


def differences(direct, proxied, path=""):
    """Where two results differ, as text."""
    if isinstance(direct, dict) and isinstance(proxied, dict):
        found = []
        for key in sorted(direct.keys() | proxied.keys()):
            if key not in NOT_COMPARED:
                found += differences(direct.get(key), proxied.get(key), f"{path}.{key}")
        return found
    if isinstance(direct, list) and isinstance(proxied, list) and len(direct) == len(proxied):
        return [text for i, (a, b) in enumerate(zip(direct, proxied)) for text in differences(a, b, f"{path}[{i}]")]
    if direct == proxied:
        return []
    return [f"{path or 'result'}: direct {harness.shorten(direct, 200)}, proxied {harness.shorten(proxied, 200)}"]


def run_both(case, ring, scene):
    server = ring.shared_server()
    headers = [("authorization", "Bearer " + harness.TOKEN), ("x-databricks-cluster-id", harness.CLUSTER)]
    direct = case.function(harness.Target(scene, server, server.address, headers))
    if ring.daemon_path is None:
        return
    front = ring.shared_daemon()
    proxied = case.function(harness.Target(scene, server, front.target, []))
    found = differences(direct, proxied)
    harness.expect(not found, "; ".join(found[:4]))
    harness.expect(front.is_alive(), lambda: f"the daemon ended: {front.describe_end()}")


def run_case(case, ring):
    """None, or what went wrong; the case's thread is left behind when it hangs."""
    outcome = []
    scene = harness.Scene(ring)

    def body():
        try:
            if case.compares:
                run_both(case, ring, scene)
            else:
                case.function(scene)
            outcome.append(("ok", ""))
        except harness.Skipped as skipped:
            outcome.append(("skip", str(skipped)))
        except harness.Failure as failure:
            outcome.append(("FAIL", str(failure)))
        except Exception:  # a case that breaks is a failed case; the others still run
            lines = traceback.format_exc().strip().splitlines()
            outcome.append(("FAIL", " | ".join(line.strip() for line in lines[-5:])))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(case.limit)
    if not outcome:
        outcome.append(("FAIL", f"did not end within {case.limit} s"))
    scene.close()
    return outcome[0]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build folder with tests/fake/fake-server in it")
    parser.add_argument("--daemon", help="the sparkbouncer binary")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="cases whose name has TEXT")
    parser.add_argument("--direct-only", action="store_true", help="without a daemon")
    parser.add_argument("--long", action="store_true", help="also the cases that take minutes")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--times", action="store_true", help="print how long each case took")
    arguments = parser.parse_args()
    if not arguments.daemon and not arguments.direct_only and not arguments.list:
        parser.error("--daemon or --direct-only")
    return arguments


def main():
    arguments = parse_arguments()
    cases = [case for case in CASES if not arguments.only or any(text in case.name for text in arguments.only)]
    cases = [case for case in cases if arguments.long or not case.is_long]
    if arguments.list:
        print("\n".join(case.name for case in cases))
        return 0
    ring = harness.Ring(os.path.abspath(arguments.build),
                        None if arguments.direct_only else os.path.abspath(arguments.daemon))
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    try:
        for case in cases:
            started = time.monotonic()
            if arguments.direct_only and not case.compares and case.needs_daemon:
                verdict, why = "skip", "needs the daemon"
            else:
                verdict, why = run_case(case, ring)
            counts[verdict] += 1
            took = f" ({time.monotonic() - started:.2f} s)" if arguments.times else ""
            print(f"{verdict} {case.name}{': ' + why if why else ''}{took}", flush=True)
    finally:
        ring.close()
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped", flush=True)
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a case that hung may have left a thread behind
