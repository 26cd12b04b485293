"""Starts gizmodata's spark-connect-proxy as its own command does, but on the loopback address only: it knows no option for
that and would listen on all of them. Runs in its own virtual environment: gizmo_launch.py PORT UPSTREAM-PORT."""

import sys

import grpc
from spark_connect_proxy.server import click_serve

make_server = grpc.server


def loopback_server(*args, **kwargs):
    server = make_server(*args, **kwargs)
    add_port = server.add_insecure_port
    server.add_insecure_port = lambda address: add_port(address.replace("[::]", "127.0.0.1"))
    return server


grpc.server = loopback_server
click_serve(["--port", sys.argv[1], "--spark-connect-server-url", f"127.0.0.1:{sys.argv[2]}", "--grpc-max-message-size", "-1",
             "--log-level", "ERROR"])
