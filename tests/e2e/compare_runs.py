#!/usr/bin/env python3
"""Puts runs of entity_matching.py side by side: fails when the results differ, prints the mean seconds of each part.

Each argument is a path without suffix: PATH.json is what the program printed, PATH.wall its seconds seen from outside.
"""

import argparse
import json
import sys
from pathlib import Path


def load(stem):
    run = json.loads(Path(stem + ".json").read_text(encoding="utf-8"))
    run["seconds"]["with Python's start"] = float(Path(stem + ".wall").read_text(encoding="utf-8"))
    return run


def mean(runs, part):
    return sum(run["seconds"][part] for run in runs) / len(runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--left", nargs="+", required=True)
    parser.add_argument("--right", nargs="+", required=True)
    parser.add_argument("--left-name", default="left")
    parser.add_argument("--right-name", default="right")
    args = parser.parse_args()
    left = [load(stem) for stem in args.left]
    right = [load(stem) for stem in args.right]

    parts = {
        "session": "create the session", "upload": "upload the names", "match_and_save": "match, save as table",
        "read_back": "read back, count", "to_pandas": "toPandas()",
        "without_start": "all, PySpark's start-up not counted", "with Python's start": "all, start-up counted",
    }
    print(f"   {'seconds':<38}{args.left_name:>20}{args.right_name:>10}")
    for part, title in parts.items():
        print(f"   {title:<38}{mean(left, part):>20.2f}{mean(right, part):>10.2f}")

    results = [run["result"] for run in left + right]
    if any(result != results[0] for result in results) or not all(run["as_expected"] for run in left + right):
        sys.exit(f"results differ: {json.dumps(results)}")
    print(f"   results equal: {results[0]['rows']} rows, checksum {results[0]['checksum'][:16]}…")


if __name__ == "__main__":
    main()
