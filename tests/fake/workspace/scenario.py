#!/usr/bin/env python3
"""The daemon between stock clients and the fake workspace: every way to log in, and everything that may happen to it.

    scenario.py --build FOLDER --daemon BINARY [--seconds N] [--envoy PROGRAM] [--only TEXT] [--list] [--no-world]

--seconds: how long the queries of the first case go on (10). Prints `ok NAME`, `FAIL NAME: why` or `skip NAME: why` and
`N passed, N failed, N skipped` at the end.

The machine's sleep is played by a library that is loaded into the daemon (sleep_clock.c), not by a time namespace: a process
that runs cannot be moved into another one from outside.
"""

import argparse
import os
import sys

import stage as stages
import world

import scenario_cases  # noqa: F401  (registers its cases)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=os.path.abspath, help="has fake-server and sleep-clock.so")
    parser.add_argument("--daemon", required=True, type=os.path.abspath)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--envoy", type=os.path.abspath)
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--no-world", action="store_true", help="as where there are no namespaces")
    return parser.parse_args()


def main():
    options = parse_arguments()
    if options.list:
        print("\n".join(name for name, *_ in stages.CASES))
        return
    stages.find_or_skip_envoy(options)
    stage = stages.Stage(options, "--no-world" if options.no_world else world.enter())
    try:
        counts = stages.run_all(stage, options.only)
    finally:
        stage.close()
    stages.finish(counts)


if __name__ == "__main__":
    sys.exit(main())
