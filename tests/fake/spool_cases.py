"""Reading ahead to disk: the server finishes while the client does not read, and the client misses nothing."""

import contextlib
import os
import resource
import signal
import time

import metadata_cases
from harness import TOKEN, Failure, expect, expect_equal, growth
from registry import proxied
from resume_cases import await_that, response_ids, start_execute, start_reattach
from resume_line import Line

UNKNOWN = "/some.other.Service/Method"
MIB = 1024 * 1024
# More than what lies between a server and a client that does not read: windows, socket buffers, the client's own.
LONG = f"messages=100,size={MIB}"
LONG_BYTES = 100 * MIB


class Reader:
    """A daemon that spools, and a client that has read one message of a long answer."""

    def __init__(self, scene, script=LONG, main=None, **profile):
        self.folder = scene.folder()
        self.server = scene.fake(token=TOKEN)
        self.daemon = scene.daemon(self.server, main={"spool_folder": self.folder, "log_level": "info", **(main or {})},
                                   **{"spool": "1GiB", **profile})
        self.before = self.daemon.rss()
        self.client = scene.client(self.daemon)
        self.direct = scene.client(self.server.address, metadata=[("authorization", "Bearer " + TOKEN)])
        self.script = script
        self.running = self.start()

    def start(self, client=None):
        running = (client or self.client).start(UNKNOWN, b"", self.script, shape="us", limit=25,
                                                metadata=[("x-echo-trailing-t", "the end")])
        next(running.call)
        return running

    def finished(self, running=None):
        """The server has sent everything."""
        return self.server.of_case("end", (running or self.running).case)

    def stalled(self, running=None):
        """The server waits for the client, after so many bytes."""
        case = (running or self.running).case
        try:
            return self.server.of_case("stalled", case)["sent_bytes"]
        except Failure as failure:
            ends = [event["sent"] for event in self.server.events("end") if ["x-case", case] in event["metadata"]]
            raise Failure(f"{failure}; it sent all of {ends}, calls {metadata_cases.status(self.daemon)['calls']}, "
                          f"log {self.daemon.log()[-300:]!r}") from None

    def spooled(self):
        return metadata_cases.status(self.daemon)["bytes_spooled"]

    def has_files(self, n):
        """Whether the daemon has so many files open in the folder. None of them has a name."""
        found = []
        descriptors = f"/proc/{self.daemon.process.pid}/fd"
        expect_equal(os.listdir(self.folder), [], "names in the folder")
        if not os.access(descriptors, os.R_OK):
            return True  # the daemon hides them from all but root
        for name in os.listdir(descriptors):
            with contextlib.suppress(OSError):
                found.append(os.readlink(os.path.join(descriptors, name)))
        found = [path for path in found if path.startswith(self.folder)]
        expect(all(path.endswith("(deleted)") for path in found), f"files with names: {found}")
        return len(found) == n

    def expect_unspooled(self):
        await_that(lambda: self.has_files(0), "the file to be closed")
        expect_equal(self.spooled(), 0, "bytes spooled")

    def expect_whole(self, *runnings):
        """What is left to read is what a client gets that asks the server itself."""
        direct = self.start(self.direct).finish()
        for running in runnings or (self.running,):
            result = running.finish()
            for key in ("messages", "initial", "code", "details", "trailing"):
                expect_equal(result[key], direct[key], key)


@proxied("spool: the server finishes while the client does not read, who then gets everything")
def finishes(scene):
    reader = Reader(scene)
    end = reader.finished()
    expect_equal((end["sent"], end["cancelled"]), (100, False), "what the server could send")
    await_that(lambda: reader.spooled() > LONG_BYTES // 2, "most of it on disk")
    expect(reader.has_files(1), "there is not one file")
    call = metadata_cases.status(reader.daemon)["calls"][0]
    expect((call["state"], call["bytes_spooled"] > LONG_BYTES // 2) == ("answered", True), f"the call is {call}")
    grown = reader.daemon.rss() - reader.before
    expect(grown < growth(reader.daemon, 32 * MIB), f"the daemon grew by {grown // MIB} MiB")
    reader.expect_whole()
    reader.expect_unspooled()


@proxied("spool: a status other than OK comes behind what is on disk")
def fails_at_the_end(scene):
    reader = Reader(scene, script=LONG + ",status=13,message=no%20good,details=0a0b0c")
    reader.finished()
    reader.expect_whole()
    reader.expect_unspooled()


@proxied("spool: a client that reads and pauses again and again")
def reads_and_pauses(scene):
    reader = Reader(scene, script=f"messages=120,size={MIB},delay_ms=5", main={"stream_window": "1MiB"})
    n_spooled = 0
    for _ in range(6):
        with contextlib.suppress(Exception):
            await_that(lambda: reader.spooled() > 0, "something on disk")
            n_spooled += 1
        for _ in range(15):
            next(reader.running.call)
    expect(n_spooled > 0, "nothing was ever on disk")
    direct = reader.direct.start(UNKNOWN, b"", reader.script, shape="us", limit=25,
                                 metadata=[("x-echo-trailing-t", "the end")])
    for _ in range(91):
        next(direct.call)
    expect_equal(reader.running.finish()["messages"], direct.finish()["messages"], "messages")
    reader.expect_unspooled()


@proxied("spool: without it, and above its size, the server waits for the client")
def bounded(scene):
    for spool in ("no", "4MiB"):
        reader = Reader(scene, script=LONG + ",stall_ms=200", spool=spool)
        stalled = reader.stalled()
        expect(stalled < 64 * MIB, f"the server could send {stalled // MIB} MiB")
        expect(reader.spooled() <= (4 * MIB if spool != "no" else 0), f"{reader.spooled()} bytes are on disk")
        expect(reader.has_files(0 if spool == "no" else 1), "the number of files")
        reader.expect_whole()
        reader.expect_unspooled()


@proxied("spool: all calls together stay within spool_limit, and each is whole", limit=60)
def bounded_together(scene):
    reader = Reader(scene, script=LONG + ",stall_ms=200", main={"spool_limit": "12MiB"})
    others = [reader.start(scene.client(reader.daemon)) for _ in range(3)]
    for running in (reader.running, *others):
        reader.stalled(running)
        expect(reader.spooled() <= 12 * MIB, f"{reader.spooled()} bytes are on disk")
    expect(reader.spooled() > 0, "nothing is on disk")
    reader.expect_whole(others[0], others[1], reader.running, others[2])
    reader.expect_unspooled()


@proxied("spool: a full disk is plain back-pressure, said once, and nothing is lost")
def disk_full(scene):
    reader = Reader(scene, script=LONG + ",stall_ms=200")
    resource.prlimit(reader.daemon.process.pid, resource.RLIMIT_FSIZE, (9 * MIB + 12345, 9 * MIB + 12345))
    full = reader.start(scene.client(reader.daemon))
    stalled = reader.stalled(full)
    expect(stalled < 80 * MIB, f"the server could send {stalled // MIB} MiB")
    reader.expect_whole(full)
    reader.expect_whole(reader.running)
    reader.expect_unspooled()
    said = [line for line in reader.daemon.log().splitlines() if "file too large" in line]
    expect(1 <= len(said) <= 2, f"said of two calls: {said}")  # the first may have been faster than the limit
    expect(reader.folder in said[0] and "profile p" in said[0], f"it says {said[0]!r}")


@proxied("spool: a folder that is not there is plain back-pressure, said once, and nothing is lost")
def no_folder(scene):
    reader = Reader(scene, script=LONG + ",stall_ms=200", main={"spool_folder": "/nowhere/at/all"})
    reader.stalled()
    expect_equal(reader.spooled(), 0, "bytes spooled")
    reader.expect_whole()
    said = [line for line in reader.daemon.log().splitlines() if "/nowhere/at/all" in line]
    expect_equal(len(said), 1, f"sentences {said}")
    expect("no such file or directory" in said[0], f"it says {said[0]!r}")


@proxied("spool: a client that cancels, or goes, leaves no file")
def cancelled(scene):
    for goes in (False, True):
        reader = Reader(scene, script=f"messages=1000,size={MIB}", spool="32MiB")
        await_that(lambda: reader.spooled() > 8 * MIB, "something on disk")
        if goes:
            reader.client.close()
        else:
            reader.running.cancel()
        expect(reader.finished()["cancelled"], "the server's call was not cancelled")
        reader.expect_unspooled()
        expect_equal(scene.client(reader.daemon).call(UNKNOWN, b"after", "echo").code, "OK", "a call afterwards")


@proxied("spool: a client that goes after the server has finished leaves no file")
def gone_after_the_end(scene):
    reader = Reader(scene)
    reader.finished()
    reader.client.close()
    reader.expect_unspooled()


@proxied("spool: the daemon stops while a client still has to read from disk")
def daemon_stops(scene):
    for patience in ("20s", "100ms"):
        reader = Reader(scene, main={"drain_timeout": patience})
        reader.finished()
        reader.daemon.signal(signal.SIGTERM)
        if patience == "20s":
            reader.expect_whole()  # it waits for the client
        expect_equal(reader.daemon.wait_exit(), 0, f"exit code ({reader.daemon.log()[-300:]!r})")
        expect_equal(os.listdir(reader.folder), [], "names in the folder")
        if patience != "20s":
            expect(reader.running.finish().code != "OK", "a part of the results passes for all of them")


# Results of operations, which go on after a cut.


def spooling_line(scene, server=(), **profile):
    folder = scene.folder()
    return Line(scene, server=server, main={"spool_folder": folder, "stream_window": "1MiB"}, spool="256MiB", **profile)


def spooled(line):
    return metadata_cases.status(line.daemon)["bytes_spooled"]


@proxied("spool: results that break off go on behind what is on disk, while their client does not read")
def cut_while_spooled(scene):
    line = spooling_line(scene, resume_timeout="2s")
    client = scene.client(line.daemon)
    running = start_execute(line, client, "messages=200,size=200000,delay_ms=5")
    seen = [next(running.call)]
    await_that(lambda: spooled(line) > 0, "something on disk")
    n_cuts = 0
    while n_cuts < 5:
        attached, on_disk = line.counts()["attaches"], spooled(line)
        line.relay.command("now close")
        n_cuts += 1
        await_that(lambda: line.counts()["attaches"] > attached, "another stream at the server")
        await_that(lambda: spooled(line) > on_disk, "more on disk")
    await_that(lambda: metadata_cases.status(line.daemon)["calls"][0]["state"] == "answered", "the server to finish")
    seen += list(running.call)
    expect_equal(running.call.code().name, "OK", f"status ({running.call.details()!r})")
    expect_equal([int(i[:8], 16) for i in response_ids(seen)], list(range(201)), "responses")
    expect_equal(line.expect_once()["attaches"], 1 + n_cuts, "streams at the server")
    expect_equal(spooled(line), 0, "bytes spooled")


@proxied("spool: cuts at any byte, several slow readers, every byte compared", limit=60)
def cuts_and_slow_readers(scene):
    line = spooling_line(scene)
    line.relay.command("every 30 close")
    process = line.start(operations=3, parallel=3, channels=3, messages=150, size=200000, read_delay=20,
                         fake="delay_ms=6")
    most = 0
    while process.poll() is None:
        most = max(most, spooled(line))
        time.sleep(0.01)
    line.expect_whole(line.result_of(process))
    expect(line.faults() > 3, "the line was hardly cut")
    expect(most > MIB, f"{most} bytes were on disk at the most")
    expect_equal(spooled(line), 0, "bytes spooled")


@proxied("spool: a client's own ReattachExecute takes over, and the file of its older call goes")
def taken_over(scene):
    # The server has to have what was read ahead: for less than it keeps one can hardly wait.
    line = spooling_line(scene, server=("--retained", str(256 * MIB)))
    client = scene.client(line.daemon)
    first = start_execute(line, client, "messages=400,size=200000")
    seen = [next(first.call) for _ in range(2)]
    await_that(lambda: spooled(line) > 0, "something on disk")
    second = start_reattach(scene.client(line.daemon), response_ids(seen)[1])
    rest = list(second.call)
    expect_equal(second.call.code().name, "OK", f"status ({second.call.details()!r})")
    expect_equal([int(i[:8], 16) for i in response_ids(seen + rest)], list(range(401)), "responses")
    await_that(lambda: spooled(line) == 0, "nothing on disk")
    expect(first.finish().code != "OK", "the older call passes for whole")
    line.expect_once()
