#!/usr/bin/env python3
"""The entity-matching program: stock PySpark, nothing in it knows of sparkbouncer.

Made-up company names go to the server as `source_entities`, a pandas_udf gives each a match, the result is saved as a
table, read back and compared with the same thing computed here in plain Python. Prints one JSON object:
`result` must be the same wherever it runs, `seconds` says how long each part took.
"""

import time

STARTED = time.monotonic()

import argparse
import hashlib
import json
import os
import sys

RESULTS = "entity_matching_results"

FIRST = ("Acme", "Borealis", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbour", "Indigo", "Juniper")
SECOND = ("Freight", "Foods", "Optics", "Power", "Software", "Steel", "Textiles", "Timber", "Tools", "Water")
FORM = ("AG", "BV", "GmbH", "Inc.", "Ltd", "Oy", "plc", "SA", "S.p.A.", "Łtd & Söhne")


def company_names(rows):
    return [f"{FIRST[i % 10]} {SECOND[i // 10 % 10]} {i // 100} {FORM[i * 7 % 10]}" for i in range(rows)]


def make_matcher():
    """The function that runs on the server: it is defined in here so that cloudpickle sends it whole."""

    def match_one(name):
        digest = hashlib.sha256(" ".join(name.lower().split()).encode()).hexdigest()
        return "IQ" + str(int(digest[:10], 16)), int(digest[10:14], 16) % 1001 / 1000

    return match_one


def digest_rows(rows):
    """A checksum that does not depend on the order of the rows."""
    text = "\n".join(sorted(f"{name}\t{ciq_id}\t{confidence:.3f}" for name, ciq_id, confidence in rows))
    return hashlib.sha256(text.encode()).hexdigest()


def expected_result(rows, big):
    match_one = make_matcher()
    matched = [(name, *match_one(name)) for name in company_names(rows)]
    return {
        "rows": rows,
        "distinct_names": len({name for name, _, _ in matched}),
        "confident": sum(confidence >= 0.5 for _, _, confidence in matched),
        "confidence_thousandths": sum(round(confidence * 1000) for _, _, confidence in matched),
        "checksum": digest_rows(matched),
        "big_rows": big,
        "big_sum": 3 * big * (big - 1) // 2,
        "big_names": min(big, 1000),
    }


class Timer:
    def __init__(self):
        self.seconds = {}
        self.last = STARTED

    def lap(self, name):
        now = time.monotonic()
        self.seconds[name] = round(now - self.last, 3)
        self.last = now


def run_program(spark, rows, big, timer):
    from pyspark.sql.functions import col, count, countDistinct, expr, pandas_udf, sum as sum_

    match_one = make_matcher()

    @pandas_udf("struct<ciq_id:string,confidence:double>")
    def match(names):
        import pandas

        return pandas.DataFrame([match_one(name) for name in names], columns=["ciq_id", "confidence"])

    entities = spark.createDataFrame([(i, name) for i, name in enumerate(company_names(rows))], "id bigint, name string")
    entities.createOrReplaceTempView("source_entities")
    timer.lap("upload")

    matched = spark.table("source_entities").withColumn("match", match(col("name")))
    matched.select("id", "name", "match.ciq_id", "match.confidence").write.saveAsTable(RESULTS)
    timer.lap("match_and_save")

    saved = spark.read.table(RESULTS)
    counts = saved.agg(
        count("*").alias("rows"),
        countDistinct("name").alias("names"),
        sum_(expr("if(confidence >= 0.5, 1, 0)")).alias("confident"),
        sum_(expr("cast(round(confidence * 1000) as bigint)")).alias("thousandths"),
    ).collect()[0]
    back = saved.select("name", "ciq_id", "confidence").collect()
    timer.lap("read_back")

    frame = spark.range(big).selectExpr("id", "id * 2 as twice", "concat('c', id % 1000) as name").toPandas()
    timer.lap("to_pandas")
    return {
        "rows": counts.rows,
        "distinct_names": counts.names,
        "confident": counts.confident,
        "confidence_thousandths": counts.thousandths,
        "checksum": digest_rows(back),
        "big_rows": len(frame),
        "big_sum": int(frame["id"].sum() + frame["twice"].sum()),
        "big_names": int(frame["name"].nunique()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--remote", default=os.environ.get("SPARK_REMOTE"), help="sc://… (default: SPARK_REMOTE)")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--big", type=int, default=1_000_000, help="rows of the toPandas() part")
    args = parser.parse_args()
    if not args.remote:
        parser.error("say --remote sc://… or set SPARK_REMOTE")

    timer = Timer()
    from pyspark.sql import SparkSession

    timer.lap("import")
    spark = SparkSession.builder.remote(args.remote).getOrCreate()
    version = spark.version
    timer.lap("session")

    # The table is made new and dropped again; one that somebody else has is left alone.
    if spark.catalog.tableExists(RESULTS):
        spark.stop()
        sys.exit(f"this server already has a table {RESULTS}; drop it first: it is not touched here")
    timer.lap("check")
    try:
        result = run_program(spark, args.rows, args.big, timer)
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {RESULTS}")
    timer.lap("drop")
    spark.stop()
    timer.lap("stop")

    expected = expected_result(args.rows, args.big)
    wrong = [key for key in expected if result[key] != expected[key]]
    seconds = timer.seconds
    total = round(sum(seconds.values()), 3)
    print(json.dumps({
        "result": result,
        "as_expected": not wrong,
        "server": version,
        "seconds": {**seconds, "total": total, "without_start": round(total - seconds["import"], 3)},
    }))
    if wrong:
        sys.exit("not what plain Python computes: " + ", ".join(f"{k}: {result[k]} != {expected[k]}" for k in wrong))


if __name__ == "__main__":
    main()
