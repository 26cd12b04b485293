#!/usr/bin/env python3
"""Stock PySpark against --remote, one part after the other; prints one JSON object with the seconds of each part.

Knows nothing of sparkbouncer. What comes back is checked, so that a fast answer is a right one.
"""

import argparse
import json
import os
import time

COUNTS = 20
COLUMNS, ROWS = 4, 3_125_000  # 100 MB of float64


def counts(spark, _):
    for i in range(COUNTS):
        assert spark.range(1000 + i).count() == 1000 + i


def collect(spark, rows):
    frame = spark.range(rows).selectExpr("id", "id * 2 as twice", "concat('c', id % 1000) as name").toPandas()
    assert len(frame) == rows and int(frame["twice"].sum()) == rows * (rows - 1)


def create(spark, _):
    import numpy
    import pandas

    numbers = numpy.random.default_rng().random((ROWS, COLUMNS))
    frame = pandas.DataFrame(numbers, columns=[f"c{i}" for i in range(COLUMNS)])
    started = time.monotonic()
    assert spark.createDataFrame(frame).count() == ROWS
    return time.monotonic() - started


def script(spark, _):
    """What somebody types to see whether it works."""
    assert spark.sql("select 1 as one").collect()[0].one == 1
    frame = spark.range(1000).selectExpr("id", "id % 7 as g")
    assert frame.groupBy("g").count().count() == 7
    assert len(frame.limit(20).toPandas()) == 20


PARTS = {
    "counts": (counts, 0),
    "collect-1m": (collect, 1_000_000),
    "collect-5m": (collect, 5_000_000),
    "create-100mb": (create, 0),
    "script": (script, 0),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remote", default=os.environ.get("SPARK_REMOTE"))
    parser.add_argument("--parts", nargs="*", default=[], choices=[*PARTS, "session"])
    args = parser.parse_args()

    import numpy  # noqa: F401  (imported before the clock starts)
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401
    from pyspark.sql import SparkSession
    import pyspark.sql.connect.session  # noqa: F401

    seconds = {}
    started = time.monotonic()
    spark = SparkSession.builder.remote(args.remote).getOrCreate()
    spark.version
    seconds["session"] = time.monotonic() - started
    for name in args.parts:
        if name in PARTS:
            part, argument = PARTS[name]
            begun = time.monotonic()
            own = part(spark, argument)
            seconds[name] = own or time.monotonic() - begun
    begun = time.monotonic()
    spark.stop()
    seconds["stop"] = time.monotonic() - begun
    seconds["all"] = time.monotonic() - started
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
