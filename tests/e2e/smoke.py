#!/usr/bin/env python3
"""The least that any PySpark client of 3.5 and later must be able to do; no Python functions, so that the versions of
client and server may differ. `smoke.py sc://…` prints one line of JSON."""

import json
import sys

import pyspark
from pyspark.sql import SparkSession


def main():
    spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
    rows = spark.range(1000).selectExpr("id", "concat('row ', id) AS name").collect()
    sent = spark.createDataFrame([(1, "one"), (2, "two"), (3, "drei ß")], "n int, word string")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    frame = spark.range(50_000).toPandas()
    try:
        spark.sql("SELECT nothing_of_this_name").collect()
        error = None
    except Exception as raised:
        error = "UNRESOLVED_COLUMN" in str(raised)
    result = {
        "count": int(spark.range(1000).count()), "rows": len(rows), "last": rows[-1].name, "ids": int(sum(row.id for row in rows)),
        "words": sorted(row.word for row in sent.where("n > 1").collect()), "frame": int(frame["id"].sum()),
        "conf": spark.conf.get("spark.sql.shuffle.partitions"), "schema": sent.schema.simpleString(), "error": error,
    }
    expected = {
        "count": 1000, "rows": 1000, "last": "row 999", "ids": 499_500, "words": ["drei ß", "two"],
        "frame": 1_249_975_000, "conf": "3", "schema": "struct<n:int,word:string>", "error": True,
    }
    spark.stop()
    print(json.dumps({"client": pyspark.__version__, "result": result}))
    if result != expected:
        sys.exit(f"expected {expected}")


if __name__ == "__main__":
    main()
