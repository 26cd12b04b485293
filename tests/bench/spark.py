"""A real Spark Connect server and PySpark programs, for the real and far cases."""

import json
import secrets
import subprocess
from pathlib import Path

from processes import Failure, Process, environment

ROOT = Path(__file__).resolve().parents[2]
E2E = ROOT / "tests/e2e"
BENCH = ROOT / "tests/bench"
PROGRAM_SECONDS = 900


class Spark:
    """The server, which asks for a token, and how programs are run against it."""

    def __init__(self, bench):
        self.bench, self.python = bench, bench.options.python
        if not self.python.exists():
            raise Failure(f"{self.python} is not there: PySpark could not be installed")
        self.token = "made-up-" + secrets.token_hex(24)
        folder = bench.folder / "spark"
        folder.mkdir(exist_ok=True)
        self.process = Process("spark-server", [self.python, E2E / "spark_server.py", "--scratch", folder, "--memory", "4g"], folder,
                               SPARKBOUNCER_TEST_TOKEN=self.token, JAVA_HOME=bench.options.java_home)
        self.port = int(self.process.await_line("ready sc://localhost:", 240))

    def run(self, command, **environ):
        """What a program prints last, as JSON."""
        done = subprocess.run([str(part) for part in [self.python, *command]], capture_output=True, text=True, cwd=self.bench.folder,
                              env=environment(PYTHONUNBUFFERED="1", **environ), timeout=PROGRAM_SECONDS)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise Failure(f"{Path(command[0]).name}: {' / '.join(done.stderr.strip().splitlines()[-2:])[-300:]}")
        return json.loads(lines[-1])

    def program(self, remote, parts, **environ):
        return self.run([BENCH / "real_program.py", "--parts", *parts], SPARK_REMOTE=remote, **environ)["seconds"]

    def entities(self, remote, rows):
        """Seconds without Python's own start and imports; remote None: Spark in the program itself."""
        if remote:
            said = self.run([E2E / "entity_matching.py", "--rows", rows, "--big", 1000], SPARK_REMOTE=remote)
        else:
            said = self.run([BENCH / "entity_local.py", rows, 1000], JAVA_HOME=self.bench.options.java_home)
        if not said["as_expected"]:
            raise Failure(f"{rows} entities: a wrong result")
        return said["seconds"]["without_start"]

    def daemon(self, peer, upstream_port, ca=None, warm=False):
        """sparkbouncer in front of this server, or of what stands in front of that."""
        import peer_configs
        import peers
        from processes import free_port

        self.bench._n_started += 1
        place = peers.Place(self.bench.folder / f"{peer.name}-spark-{self.bench._n_started}", free_port(), upstream_port, ca)
        config = place.write("config.ini", peer_configs.sparkbouncer(place, self.token, peers.CLUSTER) + ("warm = yes\n" if warm else ""))
        process = Process(peer.name, [peer.binary, "run", "--config", config], place.folder).await_port(place.port)
        process.port = place.port
        return process
