#!/usr/bin/env python3
"""config/spark_utils.py with the real PySpark, run by `sparkbouncer exec -p dev`: two profiles in one process, and an
end that does not hang. `helper.py OTHER-PROFILE` prints one line of JSON."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "config"))

from spark_utils import get_spark_session


def complaint(*arguments, **keywords):
    try:
        get_spark_session(*arguments, **keywords)
    except ValueError as error:
        return str(error)
    return None


def main():
    from pyspark.sql import SparkSession

    default, other = get_spark_session(), get_spark_session(profile=sys.argv[1])
    result = {
        "apart": default is not other and default.session_id != other.session_id,
        "kept": get_spark_session() is default and get_spark_session(profile=sys.argv[1]) is other,
        "shared": SparkSession.builder.getOrCreate() is default,
        "sums": [session.range(100).selectExpr("sum(id) AS total").first().total for session in (default, other)],
        "unknown": "has no profile nowhere" in (complaint("nowhere") or ""),
        "local": "only one kind" in (complaint(force_local=True) or ""),
    }
    default.stop()
    result["again"] = get_spark_session().range(3).count()
    print(json.dumps(result))
    expected = {"apart": True, "kept": True, "shared": True, "sums": [4950, 4950], "unknown": True, "local": True,
                "again": 3}
    if result != expected:
        sys.exit(f"expected {expected}")


if __name__ == "__main__":
    main()
