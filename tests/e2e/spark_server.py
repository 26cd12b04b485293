#!/usr/bin/env python3
"""Starts a real Spark Connect server and stays with it.

Prints `ready sc://localhost:PORT` once it serves; ends, and the server with it, on SIGTERM or SIGINT or when the
process that started it is gone. The token that clients must show comes from SPARKBOUNCER_TEST_TOKEN (empty: none is asked for).
`--server spark` is the one in the PyPI package pyspark, `--server sail` is pysail (no Java, no token check).
"""

import argparse
import ctypes
import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

STARTED = re.compile(r"Spark Connect server started at: .*:(\d+)")
SAIL_STARTED = re.compile(r"Starting the Spark Connect server on \S+:(\d+)")  # said when it has bound the port

# What the server may say: its own start, and warnings. All of it goes into one file.
LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_OUT
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n
logger.service.name = org.apache.spark.sql.connect.service
logger.service.level = info
logger.sparkconnect.name = org.apache.spark.sql.connect.service.SparkConnectServer
logger.sparkconnect.level = info
"""


def die_with_parent():
    """In the child, before exec: a killed parent takes it along (Linux)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


def clean_environment():
    """Ours, less everything that would steer Spark, so that only what is set here counts."""
    drop = {"PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "PYTHONPATH", "PYTHONHOME", "SPARKBOUNCER_TEST_TOKEN"}
    return {k: v for k, v in os.environ.items() if not k.startswith("SPARK_") and k not in drop}


def spark_command(args, scratch, token):
    package = Path(importlib.util.find_spec("pyspark").submodule_search_locations[0])
    jars = sorted((package / "jars").glob("spark-connect_*.jar"))
    if not jars:
        sys.exit(f"no spark-connect jar in {package / 'jars'}: is this pyspark 4.0 or later?")
    conf_dir = scratch / "conf"
    conf_dir.mkdir(exist_ok=True)
    (conf_dir / "log4j2.properties").write_text(LOG4J)
    environment = clean_environment()
    environment.update(
        SPARK_HOME=str(package),
        SPARK_CONF_DIR=str(conf_dir),
        SPARK_LOCAL_IP="127.0.0.1",
        SPARK_LOCAL_DIRS=str(scratch / "local"),
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_DRIVER_PYTHON=sys.executable,
        # Some libraries of the Python workers start a thread per core otherwise.
        OMP_NUM_THREADS="1",
    )
    if token:
        environment["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = token
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(args.port),
        "spark.connect.progress.reportInterval": "200ms",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.driver.extraJavaOptions":
            f"-Dderby.system.home={scratch / 'derby'} -Djava.io.tmpdir={scratch} -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    }
    command = [str(package / "bin" / "spark-submit"), "--master", f"local[{args.cores}]", "--driver-memory", args.memory,
               "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--name", "sparkbouncer-test"]
    settings.update(setting.split("=", 1) for setting in args.conf)
    for key, value in settings.items():
        command += ["--conf", f"{key}={value}"]
    return command + [str(jars[0])], environment, STARTED


def sail_command(args, scratch, _token):
    environment = clean_environment()
    environment.update(RUST_LOG="info", PYSPARK_PYTHON=sys.executable)
    sail = Path(sys.executable).parent / "sail"
    return [str(sail), "spark", "server", "--ip", "127.0.0.1", "--port", str(args.port)], environment, SAIL_STARTED


def serve(args):
    scratch = Path(args.scratch).resolve()
    for name in ("work", "warehouse", "local", "derby"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    token = os.environ.get("SPARKBOUNCER_TEST_TOKEN", "")
    make = {"spark": spark_command, "sail": sail_command}[args.server]
    command, environment, started = make(args, scratch, token)

    process = subprocess.Popen(command, env=environment, cwd=scratch / "work", stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               start_new_session=True, preexec_fn=die_with_parent)

    def stop(_signal, _frame):
        process.terminate()
        signal.signal(signal.SIGALRM, lambda *_: kill_group(process))
        signal.alarm(10)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    ready = False
    try:
        with open(scratch / "server.log", "w", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if ready:
                    continue
                match = started.search(line)
                if match:
                    ready = True
                    print(f"ready sc://localhost:{match[1]}", flush=True)
                else:
                    print(line, end="", file=sys.stderr)
        return process.wait()
    finally:
        kill_group(process)


def kill_group(process):
    """The Python workers are in the server's process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=("spark", "sail"), default="spark")
    parser.add_argument("--scratch", required=True, help="existing folder for everything the server writes")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--memory", default="2g")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="of Spark's")
    args = parser.parse_args()
    die_with_parent()
    if os.getppid() == 1:
        sys.exit("the process that started this is gone")
    status = serve(args)
    sys.exit(0 if status in (0, 143, -signal.SIGTERM) else 1)


if __name__ == "__main__":
    main()
