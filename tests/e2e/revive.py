#!/usr/bin/env python3
"""A real Spark Connect server is restarted between two calls of stock PySpark.

    revive.py --daemon sparkbouncer --scratch FOLDER

By default the client gets the server's error with a sentence of what is lost; with revive = yes it has its settings
and views back.
"""

import logging
import signal
import socket
import sys
from pathlib import Path

import checks

HERE = Path(__file__).resolve().parent
LOST = "temporary views, SQL settings, cached tables and artifacts are gone; make a new session"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, scratch):
        self.scratch, self.port, self.process = scratch / "server", free_port(), None
        self.scratch.mkdir()

    def restart(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        self.process, _ = checks.start([sys.executable, str(HERE / "spark_server.py"), "--scratch", str(self.scratch),
                                        "--port", str(self.port), "--memory", "1g"], "ready", self.scratch / "err")


def start_daemon(path, scratch, server):
    profiles = "".join(f"[profile {name}]\nupstream = sc://127.0.0.1:{server.port}\nrevive = {revive}\n"
                       for name, revive in (("plain", "no"), ("kept", "yes")))
    return checks.start_daemon(path, scratch, profiles)


def connect(port, profile):
    from pyspark.sql import SparkSession
    return SparkSession.builder.remote(f"sc://localhost:{port}/;x-profile={profile}").create()


def session(port, profile):
    spark = connect(port, profile)
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    spark.range(10).where("id > 6").createOrReplaceTempView("v")
    spark.sql("SET spark.sql.ansi.enabled = false").collect()
    spark.udf.register("plus_one", lambda x: x + 1, "bigint")
    assert spark.sql("SELECT count(*) FROM v").first()[0] == 3
    return spark


class Refusals(logging.Handler):
    """What the client was told, as it came. PySpark 4.3 closes itself before it asks for the error's details, and then
    raises NO_ACTIVE_SESSION in place of what the server has said."""

    def __init__(self):
        super().__init__()
        self.words = []

    def emit(self, record):
        if record.exc_info and hasattr(record.exc_info[1], "details"):
            self.words.append(record.exc_info[1].details())


def check_default(spark):
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.logging import logger
    refusals = Refusals()
    logger.disabled, before, logger.handlers = False, logger.handlers, [refusals]
    try:
        spark.sql("SELECT count(*) FROM v").first()
    except PySparkException as error:
        told = str(error) if "NO_ACTIVE_SESSION" not in str(error) else refusals.words[0]
        assert "[INVALID_HANDLE.SESSION_CHANGED]" in told and LOST in told, told
        assert spark.client.is_closed, "the client has not seen what the error was"
    else:
        raise AssertionError("no error")
    finally:
        logger.disabled, logger.handlers = True, before


def check_new(spark):
    assert spark.range(3).count() == 3
    assert spark.conf.get("spark.sql.shuffle.partitions") == "4"


def check_revived(spark):
    assert spark.sql("SELECT count(*), sum(plus_one(id)) FROM v").first() == (3, 27)
    assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
    assert spark.conf.get("spark.sql.ansi.enabled") == "false"
    assert spark.table("v").toPandas()["id"].tolist() == [7, 8, 9]
    assert spark.range(5).count() == 5


def body(path, scratch):
    server = Server(scratch)
    server.restart()
    daemon, port = start_daemon(path, scratch, server)
    try:
        plain, kept, idle = session(port, "plain"), session(port, "kept"), session(port, "kept")
        server.restart()
        checks.run("default_error_says_what_is_lost", lambda: check_default(plain))
        checks.run("revived_settings_views_functions", lambda: check_revived(kept))
        server.restart()
        checks.run("revived_again", lambda: check_revived(kept))
        checks.run("revived_after_two_restarts", lambda: check_revived(idle))
        checks.run("a_new_session_works", lambda: check_new(connect(port, "plain")))
    finally:
        daemon.terminate()
        server.process.terminate()


if __name__ == "__main__":
    checks.main(body, __doc__)
