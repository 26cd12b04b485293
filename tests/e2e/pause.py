#!/usr/bin/env python3
"""Stock PySpark pauses in the middle of its results for longer than a real Spark Connect server's patience.

    pause.py --daemon sparkbouncer --scratch FOLDER

Without reattach_period the server gives the query up; with it the client gets every row. Spark's two and five minutes
are three and ten seconds here.
"""

import re
import signal
import sys
import threading
import time
from pathlib import Path

import numpy

import checks

HERE = Path(__file__).resolve().parent
ROWS = 1_000_000  # 100 MB: more than what lies between a server and a client that does not read
IMPATIENT = ["spark.connect.execute.reattachable.senderMaxStreamDuration=3s",
             "spark.connect.execute.manager.detachedTimeout=10s",
             "spark.connect.execute.manager.maintenanceInterval=1s"]
PROFILES = {"plain": "no", "kept": "6s"}
TOUCHES = 3
LIMIT_S = 240


def start_server(scratch):
    (scratch / "server").mkdir()
    options = [text for setting in IMPATIENT for text in ("--conf", setting)]
    return checks.start([sys.executable, str(HERE / "spark_server.py"), "--scratch", str(scratch / "server"), *options],
                        "ready sc://localhost:", scratch / "server.err")


def start_daemon(path, scratch, server_port):
    profiles = "".join(f"[profile {name}]\nupstream = sc://127.0.0.1:{server_port}\nreattach_period = {period}\n"
                       for name, period in PROFILES.items())
    return checks.start_daemon(path, scratch, f"log_level = debug\n{profiles}")


class Reader(threading.Thread):
    """Reads three batches, waits until it may read on, and checks every row."""

    def __init__(self, port, profile):
        super().__init__(daemon=True)
        self.url = f"sc://localhost:{port}/;x-profile={profile}"
        self.session_id, self.rows, self.error = None, 0, None
        self.may_read_on = threading.Event()

    def run(self):
        try:
            self.read()
        except Exception as error:  # it is what the case looks at
            self.error = error

    def read(self):
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.remote(self.url).create()
        self.session_id = spark.session_id
        frame = spark.range(0, ROWS, 1, 2).selectExpr("id", "md5(cast(id AS string)) AS a",
                                                      "sha2(cast(id AS string), 256) AS b")
        n_tables = 0
        for item in spark.client.to_table_as_iterator(frame._plan.to_proto(spark.client), {}):
            if not hasattr(item, "num_rows"):
                continue
            ids = item.column(0).to_numpy()
            if not numpy.array_equal(ids, numpy.arange(self.rows, self.rows + len(ids))):
                raise AssertionError(f"other rows than {self.rows} and those after it")
            self.rows += len(ids)
            n_tables += 1
            if n_tables == 3 and not self.may_read_on.wait(LIMIT_S):
                raise AssertionError("nobody said that it may read on")


def await_that(holds, what):
    end = time.monotonic() + LIMIT_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"waited for {what}")
        time.sleep(0.2)


def check_plain(reader, removed):
    await_that(lambda: reader.error or removed(reader.session_id), "the server to give the query up")
    reader.may_read_on.set()
    reader.join(LIMIT_S)
    assert "OPERATION_ABANDONED" in str(reader.error), f"{reader.rows} rows, {reader.error}"


def check_kept(reader, count_touches):
    await_that(lambda: reader.error or count_touches() >= TOUCHES, f"{TOUCHES} touches")
    reader.may_read_on.set()
    reader.join(LIMIT_S)
    assert reader.error is None, reader.error
    assert reader.rows == ROWS, f"{reader.rows} rows"


def body(path, scratch):
    server, server_port = start_server(scratch)
    daemon, port = start_daemon(path, scratch, server_port)

    def removed(session_id):
        log = (scratch / "server" / "server.log").read_text(errors="replace")
        return session_id and re.search(rf"ExecuteKey\([^)]*{session_id}[^)]*\) is removed", log)

    def count_touches():
        return (scratch / "daemon.err").read_text(errors="replace").count("is kept alive")

    try:
        plain, kept = (Reader(port, profile) for profile in PROFILES)
        plain.start(), kept.start()
        checks.run("given_up_without_reattach_period", lambda: check_plain(plain, removed))
        checks.run("kept_alive_while_the_client_pauses", lambda: check_kept(kept, count_touches))
    finally:
        for process in (daemon, server):
            process.send_signal(signal.SIGTERM)
            process.wait(60)


if __name__ == "__main__":
    checks.main(body, __doc__)
