"""nghttp2's own load generator, as a check on ours: the same Config call, and it counts for itself."""

import re
import shutil
import subprocess


import peers
from processes import Failure, cpu_ns, environment

SESSION = "5e550000-0000-4000-8000-000000000001"
CLIENT_TYPE = "_SPARK_CONNECT_PYTHON spark/4.3.0 os/linux python/3.11.2"
PATH = "/spark.connect.SparkConnectService/Config"
RATE = re.compile(r"finished in [\d.]+m?s, ([\d.]+) req/s")
REQUESTS = re.compile(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed")


def field(number, content):
    data = content.encode() if isinstance(content, str) else content
    return bytes([number << 3 | 2, len(data)]) + data


def config_request():
    """A framed ConfigRequest of 200 bytes."""
    head = field(1, SESSION) + field(2, field(1, "bench")) + field(4, CLIENT_TYPE)
    message = head + field(3, field(2, field(1, "k" * (200 - len(head) - 6))))
    return b"\0" + len(message).to_bytes(4, "big") + message


def run(bench, case, running):
    program = shutil.which("h2load")
    if not program:
        raise Failure("there is no h2load here (Debian package nghttp2-client)")
    body = peers.Place(bench.folder, 0, 0).folder / "config.bin"
    body.write_bytes(config_request())
    connections, calls = case.arguments
    seconds = case.seconds * bench.time_factor
    command = [program, "-c", connections, "-m", calls, "-D", max(1, round(seconds)), "-t", 1, "-w", 24, "-W", 28, "-d", body,
               "-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{running.address}{PATH}"]
    pids, before = running.pids(), cpu_ns(running.pids())
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment(), timeout=60)
    except subprocess.TimeoutExpired:
        raise Failure("h2load did not end") from None
    used = cpu_ns(pids) - before
    rate, requests = RATE.search(done.stdout), REQUESTS.search(done.stdout)
    if not rate or not requests or int(requests[3]) or not int(requests[2]):
        raise Failure(f"h2load failed: {(done.stderr + done.stdout).strip()[-200:]}")
    figures = {"calls_per_s": float(rate[1])}
    if pids:
        figures["cpu_us_per_call"] = used / 1e3 / int(requests[2])
    return figures
