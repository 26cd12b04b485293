#!/usr/bin/env python3
"""Processes that share a named session, with stock PySpark against a real server behind the daemon.

    named_sessions.py sc://localhost:PORT

Prints `ok NAME`, `FAIL NAME: why`, and how long the first result of a second process takes against that of a fresh
session; at the end `N passed, N failed, N skipped`. The times are printed, not judged: the machine may be busy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 4
ROWS = 10_000_000  # one to three seconds of work for two processors: what one caches a table for


def table():
    """Another plan in each process: a server has one cache for all sessions, and finds equal plans in it."""
    return f"SELECT id % 1000 AS key, sum(id * 3 % 7) AS total, '{os.getpid()}' AS maker FROM range({ROWS}) GROUP BY 1"


MODULE = "def answer(x):\n    return x * 6\n"


def connect(url):
    return SparkSession.builder.remote(url).getOrCreate()


def first(url, module):
    """Leaves a view, a cached table and a module behind."""
    spark = connect(url)
    spark.sql(table()).createOrReplaceTempView("cached")
    spark.catalog.cacheTable("cached")
    spark.range(7).createOrReplaceTempView("view")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    spark.addArtifacts(module, pyfile=True)
    result = spark.sql("SELECT count(*), sum(total) FROM cached").collect()[0]
    spark.stop()
    return {"sum": result[1]}


def second(url, module):
    """Finds all of it."""
    from pyspark.sql.functions import udf
    started = time.monotonic()
    spark = connect(url)
    result = spark.sql("SELECT count(*), sum(total) FROM cached").collect()[0]
    seconds = time.monotonic() - started
    spark.addArtifacts(module, pyfile=True)  # which is there already, as far as the daemon knows

    def use(x):
        import shared_module
        return shared_module.answer(x)

    found = {"sum": result[1], "view": spark.table("view").count(), "cached": spark.catalog.isCached("cached"),
             "conf": spark.conf.get("spark.sql.shuffle.partitions"),
             "module": spark.range(8).select(udf(use, "long")("id").alias("x")).agg({"x": "max"}).collect()[0][0]}
    spark.stop()
    return {**found, "seconds": seconds}


def fresh(url, module):
    """A session of its own has to make the table first; none of the shared one is there."""
    started = time.monotonic()
    spark = connect(url)
    spark.sql(table()).createOrReplaceTempView("cached")
    spark.catalog.cacheTable("cached")
    result = spark.sql("SELECT count(*), sum(total) FROM cached").collect()[0]
    seconds = time.monotonic() - started
    has_view = spark.catalog.tableExists("view")
    spark.stop()
    return {"sum": result[1], "has_view": has_view, "seconds": seconds}


def small(url, module):
    """The first result of all, of a query that needs nothing."""
    started = time.monotonic()
    spark = connect(url)
    spark.range(3).collect()
    seconds = time.monotonic() - started
    spark.stop()
    return {"seconds": seconds}


def both(url, module):
    """interruptAll of one client does not stop the other's query."""
    import threading
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.session import SparkSession
    one, other = (SparkSession.builder.channelBuilder(DefaultChannelBuilder(url)).create() for _ in range(2))
    outcome = {}

    def run(name, spark, query):
        try:
            outcome[name] = spark.sql(query).collect()[0][0]
        except Exception as error:
            outcome[name] = "interrupted" if "CANCEL" in str(error).upper() else str(error)

    started = threading.Event()
    one.registerProgressHandler(lambda stages, inflight_tasks, **more: inflight_tasks and started.set())
    threads = [threading.Thread(target=run, args=("one", one, "SELECT sum(id % 7 ^ 3) FROM range(0, 1000000000000, 1, 1)")),
               threading.Thread(target=run, args=("other", other, "SELECT sum(id % 7 ^ 3) FROM range(0, 20000000, 1, 1)"))]
    threads[0].start()
    assert started.wait(60), "the query did not start"
    threads[1].start()
    one.interruptAll()
    for thread in threads:
        thread.join(100)
    one.stop()
    outcome["other_ended"] = isinstance(outcome.get("other"), (int, float))
    outcome["afterwards"] = other.range(4).count()
    other.stop()
    return outcome


def load():
    """What takes seconds before Spark is talked to at all."""
    global SparkSession
    from pyspark.sql import SparkSession
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401
    import pyspark.sql.connect.session  # noqa: F401
    import pyspark.sql.connect.functions  # noqa: F401


ROLES = {role.__name__: role for role in (first, second, fresh, small, both)}


def run(role, url, module):
    done = subprocess.run([sys.executable, __file__, url, "--role", role, "--module", module], capture_output=True, text=True,
                          timeout=180, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{role}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def expect(name, found, expected, counts):
    good = all(found.get(key) == value for key, value in expected.items())
    counts[0 if good else 1] += 1
    print(f"ok {name}" if good else f"FAIL {name}: {found}, expected {expected}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--role", choices=ROLES)
    parser.add_argument("--module", default="")
    args = parser.parse_args()
    if args.role:
        load()
        print(json.dumps(ROLES[args.role](args.url, args.module)))
        return 0
    base = args.url if "/;" in args.url else args.url.rstrip("/") + "/"
    shared = f"{base};x-session=named-{os.getpid()}"
    counts = [0, 0]
    with tempfile.TemporaryDirectory() as folder:
        module = str(Path(folder) / "shared_module.py")
        Path(module).write_text(MODULE)
        made = run("first", shared, module)
        times = {"second": [], "fresh": [], "small_shared": [], "small_fresh": []}
        for _ in range(ROUNDS):
            found = run("second", shared, module)
            times["second"].append(found["seconds"])
            times["small_shared"].append(run("small", shared, module)["seconds"])
            times["small_fresh"].append(run("small", base, module)["seconds"])
            alone = run("fresh", base, module)
            times["fresh"].append(alone["seconds"])
        expect("named_session_shares_view_table_artifact_conf", found,
               {"sum": made["sum"], "view": 7, "cached": True, "conf": "3", "module": 42}, counts)
        expect("a_fresh_session_has_none_of_it", alone, {"sum": made["sum"], "has_view": False}, counts)
        both_sides = run("both", shared, module)
        expect("interrupt_all_is_one_clients", both_sides, {"one": "interrupted", "other_ended": True, "afterwards": 4},
               counts)
    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"   first result of a cached table: {middle['second'] * 1000:.0f} ms in the named session, "
          f"{middle['fresh'] * 1000:.0f} ms in a fresh one that has to make it: {middle['fresh'] / middle['second']:.1f} times")
    print(f"   first result of range(3): {middle['small_shared'] * 1000:.0f} ms in the named session, "
          f"{middle['small_fresh'] * 1000:.0f} ms in a fresh one: {middle['small_fresh'] / middle['small_shared']:.1f} times")
    print(f"{counts[0]} passed, {counts[1]} failed, 0 skipped")
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
