#!/usr/bin/env python3
"""Proves the fake workspace: with gRPC's own client, and with Databricks' own Python SDK, neither of them ours.

    test_workspace.py --build FOLDER [--envoy PROGRAM] [--sdk PYTHON] [--only TEXT] [--list]

Needs grpcio; --build has fake-server; --sdk is a Python with databricks-sdk. Prints `ok NAME`, `FAIL NAME: why` or
`skip NAME: why`, and `N passed, N failed, N skipped` at the end.
"""

import argparse
import os
import sys

import stage as stages
import world

import front_cases  # noqa: F401  (each import registers its cases)
import sdk_cases  # noqa: F401


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=os.path.abspath)
    parser.add_argument("--envoy", type=os.path.abspath)
    parser.add_argument("--sdk", help="python of a virtual environment with databricks-sdk")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--no-world", action="store_true", help="as where there are no namespaces")
    options = parser.parse_args()
    if options.sdk and not os.access(options.sdk, os.X_OK):
        options.sdk = None  # its cases say so
    return options


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
