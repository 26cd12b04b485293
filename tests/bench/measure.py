"""Runs the load cases for all peers, round by round, and keeps every figure."""

import json
import statistics
import subprocess
import time
from dataclasses import dataclass, field

import cases
import h2load
from processes import Failure, busy_ns, children_ns, cpu_ns, environment

QUIET = 0.15      # cores that others may use before a run is repeated
MAX_FAILURES = 2  # of one peer in one case; then it is left out of it


@dataclass
class Results:
    """figures[case][peer][metric][round] is a number."""
    figures: dict = field(default_factory=dict)
    failures: list = field(default_factory=list)  # (case, peer, why)
    left_out: list = field(default_factory=list)  # (case, peer, why)
    pairs: dict = field(default_factory=dict)     # case -> sparkbouncer's time by direct's, one a pair
    rates: dict = field(default_factory=dict)     # case -> calls per second it was run at

    def add(self, case, peer, figures, number):
        for metric, value in figures.items():
            self.figures.setdefault(case, {}).setdefault(peer, {}).setdefault(metric, {})[number] = value

    def fail(self, case, peer, why):
        self.failures.append((case, peer, str(why)))
        say(f"   {case}, {peer}: {why}")

    def n_failures(self, case, peer):
        return sum(f[0] == case and f[1] == peer for f in self.failures)

    def by_round(self, case, peer, metric):
        return self.figures.get(case, {}).get(peer, {}).get(metric, {})

    def values(self, case, peer, metric):
        return list(self.by_round(case, peer, metric).values())

    def median(self, case, peer, metric):
        values = self.values(case, peer, metric)
        return statistics.median(values) if values else None

    def ratio(self, case, metric, peer, base, less=None):
        """Median of each round's ratio: within a round the machine is as busy for one as for the other. `less` names a peer
        whose figure is taken off both first."""
        above, below = self.by_round(case, peer, metric), self.by_round(case, base, metric)
        off = self.by_round(case, less, metric) if less else {n: 0 for n in above}
        ratios = [(above[n] - off[n]) / (below[n] - off[n]) for n in above if n in below and n in off and below[n] > off[n]]
        return statistics.median(ratios) if ratios else None

    def worst_ratio(self, case, metric, ours, peers, less=None):
        """The ratio to the proxy that is best, so the worst of all, and the name of that proxy."""
        found = [(self.ratio(case, metric.key, ours, p.name, less), p.name) for p in peers if p.is_proxy and not p.is_ours]
        found = [entry for entry in found if entry[0] is not None]
        return (min if metric.more_is_better else max)(found) if found else (None, None)


def say(text):
    print(text, flush=True)


def client_command(bench, running, arguments):
    command = [bench.programs / "bench-client", "--connect", running.address, *arguments]
    if running.ca:
        command += ["--tls-ca", running.ca]
    if running.pids():
        command += ["--cpu-of", ",".join(map(str, running.pids()))]
    for header in running.headers:
        command += ["--header", header]
    return [str(part) for part in command]


def run_client(command, seconds):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, env=environment())
    except subprocess.TimeoutExpired:
        raise Failure("the load client did not end") from None
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise Failure(done.stderr.strip() or f"the load client ended with {done.returncode}")
    said = json.loads(lines[-1])
    if said["errors"]:
        raise Failure(f"{said['errors']} calls failed, the first: {said['first_error']}")
    return said


def figures_of(case, said, has_cpu):
    seconds, latency = said["seconds"], said["latency_us"]
    is_upload = "upload" in case.arguments
    figures = {
        "calls_per_s": said["calls"] / seconds,
        "p50_us": latency["p50"], "p99_us": latency["p99"], "p999_us": latency["p99.9"], "max_us": latency["max"],
        "gb_per_s": said["bytes_out" if is_upload else "bytes_in"] / seconds / 1e9,
        "proxy_cpu_share": said["cpu_ms"] / 1e3 / seconds,
        "server_cpu_share": said["server_cpu_ms"] / 1e3 / seconds,
        "client_cpu_share": said["client_cpu_ms"] / 1e3 / seconds,
    }
    if said["first_message_us"]["n"]:
        figures["first_message_us"] = said["first_message_us"]["p50"]
    if not latency["n"]:
        figures = {key: value for key, value in figures.items() if not key.endswith("_us")}
    if has_cpu:
        if cases.CPU_PER_CALL in case.metrics and said["calls"]:
            figures["cpu_us_per_call"] = said["cpu_ms"] * 1e3 / said["calls"]
        if cases.CPU_PER_GB in case.metrics and figures["gb_per_s"]:
            figures["cpu_ms_per_gb"] = said["cpu_ms"] / (figures["gb_per_s"] * seconds)
    wanted = {metric.key for metric in case.metrics} | {"proxy_cpu_share", "server_cpu_share", "client_cpu_share"}
    return {key: value for key, value in figures.items() if key in wanted}


def run_load(bench, case, running, rate=0):
    """The figures of one run; of several, when others used the machine meanwhile, those of the quietest."""
    best = None
    for _ in range(bench.tries):
        pids = running.pids() + [bench.servers[case.upstream].pid]
        busy, own, used, started = busy_ns(), children_ns(), cpu_ns(pids), time.monotonic()
        figures = run_once(bench, case, running, rate)
        passed = (time.monotonic() - started) * 1e9
        others = (busy_ns() - busy) - (children_ns() - own) - (cpu_ns(pids) - used)
        figures["cores_of_others"] = max(0, others / passed)
        if best is None or figures["cores_of_others"] < best["cores_of_others"]:
            best = figures
        if best["cores_of_others"] < QUIET:
            break
    return best


def run_once(bench, case, running, rate):
    if case.group == "h2load":
        return h2load.run(bench, case, running)
    seconds = case.seconds * bench.time_factor
    arguments = [*case.arguments, "--seconds", seconds, "--warm-up", min(0.15, seconds / 4),
                 "--server", bench.servers[case.upstream].pid]
    if bench.options.upstream == "core" and case.upstream == "plain" and "stream" in case.arguments:
        shape = dict(zip(case.arguments[::2], case.arguments[1::2]))
        arguments += ["--header", f"x-fake=messages={shape['--messages']},size={shape['--size']}"]
    if rate:
        arguments += ["--rate", rate]
    said = run_client(client_command(bench, running, arguments), seconds)
    return figures_of(case, said, bool(running.pids()))


def half_of_slowest(results, case, peers):
    """Calls a second: half of what the slowest proxy of this run could."""
    rates = [results.median(case.rate_from, peer.name, "calls_per_s") for peer in peers
             if peer.is_proxy and not peer.is_slow]
    rates = [rate for rate in rates if rate]
    if not rates:
        raise Failure(f"no proxy has a figure for {case.rate_from}")
    return min(rates) / 2


def run_round(bench, results, chosen, number):
    """Each case for each peer once; whose turn is first goes round."""
    for case in chosen:
        line = []
        for i in range(len(bench.peers)):
            peer = bench.peers[(i + number) % len(bench.peers)]
            if results.n_failures(case.name, peer.name) >= MAX_FAILURES or bench.leaves_out(results, case, peer):
                continue
            try:
                figures = run_load(bench, case, bench.running(peer, case.upstream, case.is_bulk), results.rates.get(case.name, 0))
            except Failure as why:
                results.fail(case.name, peer.name, why)
                continue
            results.add(case.name, peer.name, figures, number)
            key = cases.CPU_PER_CALL if cases.CPU_PER_CALL in case.metrics else cases.CPU_PER_GB
            metric = key if key in case.metrics else case.metrics[0]
            value = figures.get(metric.key, figures.get(case.metrics[0].key))
            line.append(f"{peer.name} {value:.{metric.digits}f}")
        say(f"   round {number + 1} {case.name}: {', '.join(line)}")


def run_all(bench, results, chosen):
    loads = [case for case in chosen if case.group in ("load", "h2load")]
    latencies = [case for case in chosen if case.group == "latency"]
    for case in latencies:  # their rates come from other cases
        source = cases.find(case.rate_from)
        if source not in loads:
            loads.append(source)
    for number in range(bench.rounds):
        run_round(bench, results, loads, number)
    for case in latencies:
        try:
            results.rates[case.name] = half_of_slowest(results, case, bench.peers)
        except Failure as why:
            results.fail(case.name, "all", why)
    latencies = [case for case in latencies if case.name in results.rates]
    for number in range(bench.rounds if latencies else 0):
        run_round(bench, results, latencies, number)
    noise = [value for by_peer in results.figures.values() for by_metric in by_peer.values()
             for value in by_metric.get("cores_of_others", {}).values()]
    if noise:
        bench.facts["cores that others used meanwhile"] = f"{statistics.median(noise):.2f} (median), {max(noise):.2f} (most)"
