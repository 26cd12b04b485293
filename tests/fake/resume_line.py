"""A line of client, daemon, failing relay and server that keeps its operations, and what must hold on it."""

import itertools
import json
import subprocess

import grpc

from harness import TOKEN, Failure, expect, expect_equal

OPERATIONS = "/sparkbouncer.test.Fake/Operations"
AUTHORIZATION = "authorization=Bearer " + TOKEN
numbers = itertools.count(1)


class Line:
    """`direct`: without the daemon, and the client reattaches as PySpark does. Else it never does: the daemon must."""

    def __init__(self, scene, direct=False, server=(), main=None, record=False, **profile):
        self.direct = direct
        self.server = scene.fake("--operations", *server, token=TOKEN, record=record)
        self.relay = scene.relay(self.server)
        self.daemon = None
        profile = {"connections": "1", "max_connections": "2", **profile}
        if not direct:
            self.daemon = scene.daemon(self.relay, main={"log_level": "info", "log_calls": "off", **(main or {})},
                                       **profile)
        self.target = self.relay.address if direct else self.daemon.target
        self.scene = scene
        self.operations = 0

    def warm(self, channels=1):
        """A first operation for each session, so that the server knows them."""
        self.expect_whole(self.run(operations=channels, channels=channels, messages=1))
        return self

    def start(self, operations=1, reattach=None, limit=60, **options):
        """A resume-client; keywords are its options."""
        self.operations += operations
        arguments = [self.scene.ring.program("resume-client"), "--target", self.target, "--header", AUTHORIZATION,
                     "--operations", str(operations), "--first", str(next(numbers) * 1000000),
                     "--timeout", str(limit)]
        if self.direct if reattach is None else reattach:
            arguments.append("--reattach")
        for name, value in options.items():
            arguments.append("--" + name.replace("_", "-"))
            if value is not True:
                arguments.append(str(value))
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, operations=1, limit=60, **options):
        return self.result_of(self.start(operations, limit=limit, **options), limit)

    def result_of(self, process, limit=60):
        try:
            out, _ = process.communicate(timeout=limit + 10)
        finally:
            process.kill()
        try:
            return json.loads(out.decode().splitlines()[-1])
        except (ValueError, IndexError):
            raise Failure(f"resume-client said {out[-300:]!r}") from None

    def counts(self):
        """What the server knows of its operations."""
        with grpc.insecure_channel(self.server.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            headers = [("authorization", "Bearer " + TOKEN)]
            return json.loads(channel.unary_unary(OPERATIONS)(b"", metadata=headers, timeout=10))

    def faults(self):
        return self.relay.command("rate 0")

    def expect_whole(self, result):
        """Every operation ended well, and none was executed twice."""
        expect_equal((result["problems"], result["first_problem"]), (0, ""), "what the client saw")
        log = self.daemon.log()[-500:] if self.daemon else ""
        expect_equal(result["complete"], result["operations"], f"complete operations ({result['message']!r}, {log!r})")
        if not self.direct:
            expect_equal(result["statuses"], {"0": result["operations"]}, f"statuses ({result['message']!r})")
        self.expect_once()

    def expect_once(self):
        counts = self.counts()
        expect_equal((counts["executions"], counts["again"]), (self.operations, 0), "executions, and repeated ones")
        if self.daemon:
            expect(self.daemon.is_alive(), lambda: f"the daemon ended: {self.daemon.describe_end()}")
        return counts

    def whole(self, *plans, faults=None, **options):
        """Runs with those plans, which must all have happened."""
        before = self.relay.command("clear")
        self.relay.plan(*plans)
        result = self.run(**options)
        self.expect_whole(result)
        happened = self.faults() - before
        if faults is not None:
            expect_equal(happened, faults, "faults that happened")
        return result
