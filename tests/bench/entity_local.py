#!/usr/bin/env python3
"""The entity-matching program of tests/e2e on a Spark of its own, without Spark Connect: entity_local.py ROWS BIG. Prints the
same JSON."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import entity_matching  # noqa: E402


def main():
    rows, big = int(sys.argv[1]), int(sys.argv[2])
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    timer = entity_matching.Timer()
    from pyspark.sql import SparkSession

    timer.lap("import")
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false",
            "spark.driver.memory": "3g", "spark.sql.shuffle.partitions": "4", "spark.sql.warehouse.dir": folder,
            "spark.local.dir": folder, "spark.sql.catalogImplementation": "in-memory",
            "spark.sql.execution.arrow.pyspark.enabled": "true",
            "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        }
        builder = SparkSession.builder.master("local[2]").config(map=settings)
        spark = builder.getOrCreate()
        spark.sparkContext.setLogLevel("ERROR")
        timer.lap("session")
        result = entity_matching.run_program(spark, rows, big, timer)
        spark.stop()
        timer.lap("stop")
    expected = entity_matching.expected_result(rows, big)
    total = time.monotonic() - entity_matching.STARTED
    seconds = {**timer.seconds, "total": total, "without_start": total - timer.seconds["import"]}
    print(json.dumps({"as_expected": all(result[key] == expected[key] for key in expected), "seconds": seconds}))


if __name__ == "__main__":
    main()
