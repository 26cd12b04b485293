"""Programs that run beside the benchmark: started, awaited, measured from /proc, always stopped again."""

import atexit
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path


class Failure(Exception):
    """Something could not be run or measured; the text says why."""


def _die_with_parent():
    """In the child, before exec: a killed benchmark takes it along."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def environment(**more):
    """Ours, without what would steer a proxy, a client or Spark."""
    drop = ("SPARK", "DATABRICKS", "GRPC", "http_", "https_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    return {**kept, "no_proxy": "localhost,127.0.0.1", "NO_COLOR": "1", **more}


def free_port():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """One program with all that it starts itself."""

    _all = []

    def __init__(self, name, command, folder, **environ):
        self.name, self.command = name, [str(part) for part in command]
        folder.mkdir(parents=True, exist_ok=True)
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            try:
                self.popen = subprocess.Popen(self.command, cwd=folder, env=environment(**environ), stdout=out, stderr=err,
                                              stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
            except OSError as e:
                raise Failure(f"{name} does not start: {e}") from e
        Process._all.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def last_words(self):
        said = self.err.read_text(errors="replace") + self.out.read_text(errors="replace")
        return " / ".join(said.strip().splitlines()[-4:]) or "nothing"

    def await_port(self, port, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                raise Failure(f"{self.name} ended at once (exit {self.popen.returncode}); it said: {self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise Failure(f"{self.name} does not listen after {seconds} s; it said: {self.last_words()}")

    def await_line(self, beginning, seconds=20):
        """The rest of the first line of its output that begins so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.out.read_text(errors="replace").splitlines():
                if line.startswith(beginning):
                    return line[len(beginning):].strip()
            if self.popen.poll() is not None:
                break
            time.sleep(0.02)
        said = self.last_words()
        self.stop()
        raise Failure(f"{self.name} was not ready within {seconds} s; it said: {said}")

    def stop(self):
        if self in Process._all:
            Process._all.remove(self)
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(3)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()

    @classmethod
    def stop_all(cls):
        for process in list(cls._all):
            process.stop()


atexit.register(Process.stop_all)


def tree(pid):
    """pid and all its descendants."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_ns(pids):
    """All threads' time on a core as the scheduler counts it: /proc/PID/stat is in hundredths of a second."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (OSError, IndexError):
                pass
    return total


def busy_ns():
    """The time that all cores together were busy, whoever it was for; stolen time too."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, words)
    return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def children_ns():
    """What our own ended children have used, and we ourselves."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return int(sum(usage.ru_utime + usage.ru_stime for usage in both) * 1e9)


def wake_ups(pids):
    """Voluntary context switches, so how often a thread went to sleep again."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            try:
                for line in (task / "status").read_text().splitlines():
                    if line.startswith("voluntary_ctxt_switches"):
                        total += int(line.split()[1])
            except OSError:
                pass
    return total


def rss_bytes(pids):
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def output_of(*command, seconds=20, **environ):
    """What a short command says, both ways; empty when it cannot be run."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment(**environ))
        return (said.stdout + said.stderr).strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
