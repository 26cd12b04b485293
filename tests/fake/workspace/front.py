#!/usr/bin/env python3
"""A Databricks workspace as a client sees it, in front of a real Spark Connect server or the fake one.

    front.py --envoy PROGRAM --upstream HOST:PORT --folder FOLDER [--port N] [--link-local HOST:PORT] [--until-eof]

Prints one line of JSON when it is ready: {"port", "local_port", "control_port", "ca", "host"}. TLS, HTTP/2 and HTTP/1.1, gRPC
and REST on one port; the metadata services in the clear on another; control for tests on a third (service.py, Control).
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import certificates
import envoy
from service import Control, Front, Local, Server
from workspace import Workspace

START_LIMIT_S = 30


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def await_port(port, process):
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"Envoy does not listen: {open(process.log, encoding='utf-8').read()[-1500:]}")


def start_envoy(options, service_port):
    authority, certificate, key = certificates.make(options.folder)
    port = options.port or free_port()
    host, _, upstream_port = options.upstream.rpartition(":")
    config, log = os.path.join(options.folder, "envoy.json"), os.path.join(options.folder, "envoy.log")
    with open(config, "w", encoding="ascii") as file:
        file.write(envoy.configuration(port, certificate, key, service_port, host, int(upstream_port)))
    with open(log, "wb") as stream:
        process = subprocess.Popen([options.envoy, "-c", config, "--concurrency", "1", "--log-level", "warning",
                                    "--disable-hot-restart"], stdout=stream, stderr=stream, stdin=subprocess.DEVNULL)
    process.log = log
    await_port(port, process)
    return process, port, authority


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envoy", required=True)
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT", help="a Spark Connect server, HTTP/2 in the clear")
    parser.add_argument("--folder", required=True, help="for certificates and logs")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--link-local", metavar="HOST:PORT", help="the metadata services there too")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    return parser.parse_args()


def main():
    options = parse_arguments()
    workspace = Workspace()
    service_port = Server(("127.0.0.1", 0), Front, workspace).start()
    local_port = Server(("127.0.0.1", 0), Local, workspace).start()
    if options.link_local:
        host, _, port = options.link_local.rpartition(":")
        Server((host, int(port)), Local, workspace).start()
    control_port = Server(("127.0.0.1", 0), Control, workspace).start()
    process, port, authority = start_envoy(options, service_port)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    if options.until_eof:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), done.set()), daemon=True).start()
    print(json.dumps({"port": port, "local_port": local_port, "control_port": control_port, "ca": authority,
                      "host": f"https://localhost:{port}" if port != 443 else "https://localhost"}), flush=True)
    while not done.wait(0.5):
        if process.poll() is not None:
            raise SystemExit(f"Envoy ended: {open(process.log, encoding='utf-8').read()[-1500:]}")
    process.terminate()
    process.wait(10)


if __name__ == "__main__":
    main()
