#!/usr/bin/env python3
"""A session that has no server but the local one of the daemon. `local_session.py sc://…` ends with code 0 when it
counts right, keeps a table, and runs Python in the server's workers."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import udf


def main():
    spark = SparkSession.builder.remote(sys.argv[1]).create()
    count = spark.range(10).count()
    spark.range(5).write.mode("overwrite").saveAsTable("kept")
    kept = spark.table("kept").count()
    ids = [row[0] for row in spark.range(3).select(udf(lambda n: n + 1, "long")("id")).collect()]
    if (count, kept, ids) != (10, 5, [1, 2, 3]):
        sys.exit(f"found {count}, {kept} and {ids}, not 10, 5 and [1, 2, 3]")
    print("counted 10 rows")


if __name__ == "__main__":
    main()
