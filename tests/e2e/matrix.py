#!/usr/bin/env python3
"""What PySpark does, each case run direct and through the daemon, results compared.

    matrix.py --direct sc://… --proxied sc://…              all cases
    matrix.py --direct sc://… --direct-only                 only to see that the cases hold on this server
    --second-direct / --second-proxied sc://…               a second server, for the cases that need two
    --only NAME (repeatable), --list, --limit SECONDS       (per case and side: whoever takes longer hangs)

The addresses can come from the environment instead (see --help), so that their tokens are in no process list. Prints
`ok NAME (direct s, proxied s)`, `FAIL NAME: why` or `skipped NAME: why` for each, and at the end `N passed, N failed,
N skipped`. MATRIX_TRACE=1 adds tracebacks on standard error.
"""

import argparse
import faulthandler
import json
import os
import re
import sys
import threading
import time
import traceback

import matrix_cases
from matrix_cases import Side, Skip


class Outcome:
    """What one side of one case came to: a value, or why there is none."""

    def __init__(self):
        self.value = None
        self.error = None
        self.skip = None
        self.seconds = 0.0


def run_side(case, side, limit):
    """Runs the case in a thread of its own, so that one that hangs is reported and the others still run."""
    outcome = Outcome()

    def work():
        try:
            # Through JSON: what is compared has no types of its own left.
            outcome.value = json.loads(json.dumps(case(side), sort_keys=True))
        except Skip as skip:
            outcome.skip = str(skip)
        except BaseException as error:  # noqa: B036: a case may fail in any way
            outcome.error = f"{type(error).__name__}: {error}"
            if os.environ.get("MATRIX_TRACE"):
                traceback.print_exc()
        finally:
            side.close()

    started = time.monotonic()
    thread = threading.Thread(target=work, name=f"{case.__name__}-{side.name}", daemon=True)
    thread.start()
    thread.join(limit)
    outcome.seconds = time.monotonic() - started
    if thread.is_alive():
        outcome.error = f"no end after {limit} s (where it hangs: see the stacks above)"
        faulthandler.dump_traceback(all_threads=True, file=sys.stdout)
    return outcome


def shorten(text, limit=400):
    text = re.sub(r"\s+", " ", str(text))
    return text if len(text) <= limit else text[:limit] + "…"


def difference(direct, proxied):
    """One line about where two results part."""
    if isinstance(direct, dict) and isinstance(proxied, dict):
        for key in sorted(direct.keys() | proxied.keys()):
            if direct.get(key) != proxied.get(key):
                return f"{key}: direct {shorten(direct.get(key), 150)}, proxied {shorten(proxied.get(key), 150)}"
    return f"direct {shorten(direct, 200)}, proxied {shorten(proxied, 200)}"


def judge(name, outcomes):
    """`outcomes` by side; -> ("ok" | "FAIL" | "skipped", line)"""
    for side, outcome in outcomes.items():
        if outcome.error:
            return "FAIL", f"FAIL {name}: {side}: {shorten(outcome.error)}"
    for outcome in outcomes.values():
        if outcome.skip:
            return "skipped", f"skipped {name}: {outcome.skip}"
    values = [outcome.value for outcome in outcomes.values()]
    if any(value != values[0] for value in values):
        return "FAIL", f"FAIL {name}: results differ: {difference(*values)}"
    seconds = ", ".join(f"{side} {outcome.seconds:.2f} s" for side, outcome in outcomes.items())
    return "ok", f"ok {name} ({seconds})"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for side in ("direct", "proxied", "second-direct", "second-proxied"):
        variable = "MATRIX_" + side.upper().replace("-", "_")
        parser.add_argument("--" + side, default=os.environ.get(variable), help=f"sc://… (default: {variable})")
    parser.add_argument("--direct-only", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--limit", type=float, default=120)
    args = parser.parse_args()
    if not args.list:
        if not args.direct:
            parser.error("--direct is missing")
        if not args.proxied and not args.direct_only:
            parser.error("--proxied is missing (or say --direct-only)")
    return args


def main():
    args = parse_arguments()
    cases = matrix_cases.CASES
    if args.list:
        print("\n".join(f"{name}: {case.__doc__}" for name, case in cases.items()))
        return
    unknown = [name for name in args.only if name not in cases]
    if unknown:
        sys.exit(f"no such case: {', '.join(unknown)} (see --list)")

    urls = {"direct": (args.direct, args.second_direct)}
    if not args.direct_only:
        urls["proxied"] = (args.proxied, args.second_proxied)
    counts = {"ok": 0, "FAIL": 0, "skipped": 0}
    for name, case in cases.items():
        if args.only and name not in args.only:
            continue
        outcomes = {}
        for side, (url, second) in urls.items():
            other = urls["direct" if side == "proxied" else list(urls)[-1]][0]
            outcomes[side] = run_side(case, Side(side, url, second, other), args.limit)
        verdict, line = judge(name, outcomes)
        counts[verdict] += 1
        print(line, flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skipped']} skipped", flush=True)
    # Not sys.exit: a case that hangs must not keep the process.
    os._exit(1 if counts["FAIL"] else 0)


if __name__ == "__main__":
    main()
