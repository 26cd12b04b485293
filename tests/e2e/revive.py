#!/usr/bin/env python3
"""A Spark server that is restarted between two calls of stock PySpark: see revive.sh.

    revive.py --daemon sparkbouncer --scratch FOLDER
"""

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOST = "temporary views, SQL settings, cached tables and artifacts are gone; make a new session"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(argv, wanted, log, **keywords):
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=open(log, "a"), text=True, **keywords)
    for line in process.stdout:
        if line.startswith(wanted):
            return process
    sys.exit(f"{argv[0]} did not start; see {log}")


class Server:
    def __init__(self, scratch):
        self.scratch, self.port, self.process = scratch / "server", free_port(), None
        self.scratch.mkdir()

    def restart(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        self.process = start([sys.executable, str(HERE / "spark_server.py"), "--scratch", str(self.scratch), "--port",
                              str(self.port), "--memory", "1g"], "ready", self.scratch / "err")


def start_daemon(path, scratch, server):
    port, config = free_port(), scratch / "config.ini"
    profiles = "".join(f"[profile {name}]\nupstream = sc://127.0.0.1:{server.port}\nrevive = {revive}\n"
                       for name, revive in (("plain", "no"), ("kept", "yes")))
    config.write_text(f"[sparkbouncer]\nlisten = 127.0.0.1:{port}\n{profiles}")
    config.chmod(0o600)
    env = {"HOME": str(scratch), "XDG_RUNTIME_DIR": str(scratch), "PATH": os.environ["PATH"]}
    return start([path, "run", "--config", str(config)], "ready", scratch / "daemon.err", env=env), port


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


def run(name, check, counts):
    try:
        check()
    except Exception as error:  # whatever it is, the others go on
        counts[1] += 1
        print(f"FAIL {name}: {type(error).__name__}: {' | '.join(str(error).splitlines())}", flush=True)
    else:
        counts[0] += 1
        print(f"ok {name}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", required=True)
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    scratch = Path(arguments.scratch)
    server, counts = Server(scratch), [0, 0]
    server.restart()
    daemon, port = start_daemon(arguments.daemon, scratch, server)
    try:
        plain, kept, idle = session(port, "plain"), session(port, "kept"), session(port, "kept")
        server.restart()
        run("default_error_says_what_is_lost", lambda: check_default(plain), counts)
        run("revived_settings_views_functions", lambda: check_revived(kept), counts)
        server.restart()
        run("revived_again", lambda: check_revived(kept), counts)
        run("revived_after_two_restarts", lambda: check_revived(idle), counts)
        run("a_new_session_works", lambda: check_new(connect(port, "plain")), counts)
    finally:
        daemon.terminate()
        server.process.terminate()
    print(f"{counts[0]} passed, {counts[1]} failed, 0 skipped", flush=True)
    return 1 if counts[1] else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # PySpark's sessions would wait for a server that is gone
