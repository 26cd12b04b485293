#!/usr/bin/env python3
"""A program that a failing network must not disturb. Each line of standard input is a task, answered by a line of JSON:

    collect ROWS        every row once, in order, each value right
    write ROWS TABLE    appends that many
    count TABLE

The address is in SPARK_REMOTE. Says `ready` once it has a session. Stock PySpark from 3.5 on; nothing here knows of a
daemon.
"""

import json
import os
import sys
import time

import numpy
import pyspark
from pyspark.sql import SparkSession


def collect(spark, rows):
    """Every row once and in order, by comparison with what they must be."""
    frame = spark.range(rows).selectExpr("id", "id * 7919 % 1000003 AS value").toPandas()
    ids = numpy.arange(rows, dtype=numpy.int64)
    return {
        "rows": len(frame),
        "ids": bool(numpy.array_equal(frame["id"].to_numpy(), ids)),
        "values": bool(numpy.array_equal(frame["value"].to_numpy(), ids * 7919 % 1000003)),
        "sum": int(frame["value"].sum()),
    }


def write(spark, rows, table):
    """Appends, so that what runs twice is there twice."""
    frame = spark.range(0, rows, 1, 8).selectExpr("id", "md5(cast(id AS string)) AS digest")
    frame.write.mode("append").saveAsTable(table)
    return {"written": rows}


def count(spark, table):
    spark.catalog.refreshTable(table)  # another session has written it
    return {"count": spark.table(table).count()}


def main():
    spark = SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).getOrCreate()
    spark.range(10).collect()
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.monotonic()
        task, *words = [int(word) if word.isdigit() else word for word in line.split()]
        result = {"collect": collect, "write": write, "count": count}[task](spark, *words)
        result["seconds"] = round(time.monotonic() - started, 2)
        print(json.dumps({"client": pyspark.__version__, **result}), flush=True)


if __name__ == "__main__":
    main()
