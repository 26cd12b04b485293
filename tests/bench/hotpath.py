"""--strace and --perf: system calls per call, and where the CPU time goes."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import flame
import measure
from measure import say
from processes import Failure, environment, output_of

LOADS = (("unary-1x1", (1, 1)), ("unary-8x4", (8, 4)), ("unary-64x1", (64, 1)))
SECONDS = 2
NAMES = ("read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "epoll_wait", "epoll_pwait", "epoll_pwait2",
         "epoll_ctl", "poll", "ioctl", "futex", "timerfd_settime", "madvise", "brk", "mmap", "munmap")
STRACE_ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.M)


def client_of(bench, running, load):
    connections, calls = load
    return measure.client_command(bench, running, ["--kind", "unary", "--connections", connections, "--calls", calls,
                                                   "--seconds", SECONDS, "--warm-up", 0])


def run_beside(command, client):
    """`command` watches a process for as long as the client, its last words, runs."""
    done = subprocess.run([str(part) for part in command + client], capture_output=True, text=True, timeout=60, env=environment())
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failure(f"{command[0]}: {done.stderr.strip()[-200:]}") from None


def has_perf_tracepoints():
    return "sys_enter" in output_of("perf", "stat", "-e", "raw_syscalls:sys_enter", "true")


def by_perf(bench, running, load):
    """Counted by the kernel, so the proxy is not slowed."""
    events = ["raw_syscalls:sys_enter"] + [f"syscalls:sys_enter_{name}" for name in NAMES]
    out = bench.folder / "perf.csv"
    command = ["perf", "stat", "-x", ",", "-o", out, "-e", ",".join(events), "-p", ",".join(map(str, running.pids())), "--"]
    said = run_beside(command, client_of(bench, running, load))
    counts = {}
    for line in out.read_text().splitlines():
        parts = line.split(",")
        if len(parts) > 2 and parts[0].isdigit():
            counts[parts[2].removeprefix("syscalls:sys_enter_")] = int(parts[0])
    total = counts.pop("raw_syscalls:sys_enter", sum(counts.values()))
    return said["calls"], total, counts


def by_strace(bench, running, load):
    """Each system call stops the proxy, so more of them are done at once than otherwise: a lower bound at 8 × 4 and 64 × 1."""
    out = bench.folder / "strace.txt"
    pids = [part for pid in running.pids() for part in ("-p", str(pid))]
    watcher = subprocess.Popen(["strace", "-c", "-f", "-o", str(out), *pids], stderr=subprocess.PIPE, text=True, env=environment())
    try:
        watcher.stderr.readline()  # "attached"
        said = measure.run_client(client_of(bench, running, load), SECONDS)
    finally:
        watcher.send_signal(2)
        watcher.wait(20)
        watcher.stderr.close()
    counts = {name: int(n) for n, name in STRACE_ROW.findall(out.read_text()) if name != "total"}
    return said["calls"], sum(counts.values()), counts


def system_calls(bench, out):
    """A table in out/system-calls.md."""
    uses_perf = has_perf_tracepoints()
    if not uses_perf and not shutil.which("strace"):
        say("   no system calls: there is neither a perf that can count them nor strace")
        return
    count = by_perf if uses_perf else by_strace
    rows = ["# System calls per call", "", f"Counted with {'perf stat' if uses_perf else 'strace -c -f'}.", "",
            "| load | peer | all | which |", "|---|---|---|---|"]
    for name, load in LOADS:
        for peer in bench.peers:
            if peer.name == "direct":
                continue
            try:
                calls, total, counts = count(bench, bench.running(peer, "plain", for_bulk=False), load)
            except Failure as why:
                rows.append(f"| {name} | {peer.name} | – | {why} |")
                continue
            most = sorted(counts.items(), key=lambda item: -item[1])
            which = ", ".join(f"{what} {n / calls:.2f}" for what, n in most if n / calls >= 0.005)
            rows.append(f"| {name} | {peer.name} | {total / calls:.2f} | {which} |")
            say(f"   {name} {peer.name}: {total / calls:.2f} system calls per call")
    out.mkdir(parents=True, exist_ok=True)
    (out / "system-calls.md").write_text("\n".join(rows) + "\n")


def hot_path(bench, case, out):
    """perf-CASE.txt and flame-CASE.svg of sparkbouncer, and of every variant of it."""
    if not shutil.which("perf"):
        say("   no profile: there is no perf here (Debian package linux-perf)")
        return
    out.mkdir(parents=True, exist_ok=True)
    for peer in bench.peers:
        if not peer.is_ours:
            continue
        running = bench.running(peer, case.upstream)
        data = bench.folder / "perf.data"
        seconds = 3
        client = measure.client_command(bench, running, [*case.arguments, "--seconds", seconds, "--warm-up", 0])
        command = ["perf", "record", "-q", "-F", "997", "--call-graph", "dwarf,16384", "-o", data,
                   "-p", ",".join(map(str, running.pids())), "--"]
        try:
            run_beside(command, client)
        except Failure as why:
            say(f"   no profile of {peer.name} in {case.name}: {why}")
            continue
        label = f"{case.name}" + ("" if peer.name == "sparkbouncer" else f"-{peer.name}")
        text = output_of("perf", "report", "-i", str(data), "--no-children", "--no-inline", "--stdio", "-g", "none", "--percent-limit",
                         "0.3", "--sort", "dso,symbol", seconds=300)
        (out / f"perf-{label}.txt").write_text(text + "\n")
        folded = flame.fold(output_of("perf", "script", "-i", str(data), "--no-inline", "-F", "comm,ip,sym,dso", seconds=300))
        Path(out / f"flame-{label}.svg").write_text(flame.draw(folded, f"sparkbouncer, {case.name}"))
        say(f"   {out / f'perf-{label}.txt'}, {out / f'flame-{label}.svg'}")
