"""What is to be reached, as ratios within one run, and the short table for those who only want to choose."""

import statistics
from dataclasses import dataclass

import cases
from cases import CPU_PER_CALL, CPU_PER_GB, CALLS_PER_S, GB_PER_S, KIB_PER_CONNECTION, P50, P999, RSS_AFTER, RSS_BEFORE

UNARY = ("unary-1x1", "unary-8x4", "unary-64x1")
MESSAGES = ("stream-1m", "stream-4m")
TLS_BULK = ("tls-stream-80k", "tls-stream-1m", "tls-stream-4m", "tls-upload")


@dataclass(frozen=True)
class Goal:
    title: str
    metric: cases.Metric
    names: tuple            # of cases; the worst of them counts
    against: str = "best"   # best, added (less direct's), tcp-relay, direct, pairs, absolute, before
    limit: float = 1.0


GOALS = (
    Goal("CPU per unary call, against the best peer", CPU_PER_CALL, UNARY, limit=0.9),
    Goal("CPU per GB, 80 KB messages and their ReleaseExecutes, against the best peer", CPU_PER_GB, ("stream-80k",), limit=0.6),
    Goal("CPU per GB, 1 and 4 MB messages, against the best peer", CPU_PER_GB, MESSAGES, limit=0.8),
    Goal("CPU per GB, 1 and 4 MB messages, against the bare TCP relay", CPU_PER_GB, MESSAGES, "tcp-relay", 1.15),
    Goal("CPU per GB of upload, against the best peer", CPU_PER_GB, ("upload",), limit=0.7),
    Goal("TLS: CPU per unary call, against the best peer", CPU_PER_CALL, tuple("tls-" + name for name in UNARY), limit=0.9),
    Goal("TLS: CPU per GB, messages and upload, against the best peer", CPU_PER_GB, TLS_BULK, limit=0.9),
    Goal("bulk GB/s, against the best peer", GB_PER_S, ("stream-80k", *MESSAGES, "upload"), limit=1.0),
    Goal("unary calls/s, against the best peer", CALLS_PER_S, UNARY, limit=1.0),
    Goal("added median latency of a unary call, one client, against the best peer", P50, ("unary-1x1",), "added", 0.9),
    Goal("p99.9 at half load, against the best peer", P999, ("latency-1x1", "latency-8x4", "latency-64x1"), limit=1.0),
    Goal("PySpark collect of 5 M rows, proxied / direct", cases.SECONDS, ("real-collect-5m",), "pairs", 1.02),
    Goal("short script 50 ms away with TLS, proxied / direct", cases.SECONDS, ("far-script-50ms",), "pairs", 0.8),
    Goal("calls to the server of a collect, proxied / direct", cases.UPSTREAM_CALLS, ("far-collect-5m-50ms",), "direct", 0.1),
    Goal("RSS idle with a TLS upstream, MiB", RSS_BEFORE, ("idle-tls",), "absolute", 8),
    Goal("KiB per idle client connection", KIB_PER_CONNECTION, ("idle-1000", "idle-10000"), "absolute", 12),
    Goal("RSS after 1,000 connections or 8 stopped readers have gone, MiB more than before", RSS_AFTER, ("idle-1000", "stalled-8"),
         "before", 20),
)

SHORT = (
    ("CPU µs per small call, 8 clients × 4", "unary-8x4", CPU_PER_CALL),
    ("CPU µs per small call, 1 client", "unary-1x1", CPU_PER_CALL),
    ("median time of a small call, 1 client, µs", "unary-1x1", P50),
    ("CPU ms per GB of results, 80 KB messages as Spark sends them", "stream-80k", CPU_PER_GB),
    ("CPU ms per GB of results, 1 MB messages", "stream-1m", CPU_PER_GB),
    ("CPU ms per GB of results, 80 KB messages, TLS to the server", "tls-stream-80k", CPU_PER_GB),
    ("CPU ms per GB of upload", "upload", CPU_PER_GB),
    ("MiB of memory, idle", "idle-1000", RSS_BEFORE),
    ("KiB per idle client connection", "idle-1000", KIB_PER_CONNECTION),
    ("MiB of memory after 8 stopped readers of 640 MiB have gone", "stalled-8", RSS_AFTER),
)


def reached(results, goal, name, peers):
    """The figure that the limit is for; None when the run does not say."""
    key = goal.metric.key
    if goal.against == "pairs":
        return statistics.median(results.pairs[name]) if name in results.pairs else None
    if goal.against == "absolute":
        return results.median(name, "sparkbouncer", key)
    if goal.against == "before":
        after, before = results.median(name, "sparkbouncer", key), results.median(name, "sparkbouncer", RSS_BEFORE.key)
        return None if after is None or before is None else after - before
    if goal.against in ("best", "added"):
        return results.worst_ratio(name, goal.metric, "sparkbouncer", peers, "direct" if goal.against == "added" else None)[0]
    return results.ratio(name, key, "sparkbouncer", goal.against)


def table(results, peers):
    rows = []
    for goal in GOALS:
        found = {name: reached(results, goal, name, peers) for name in goal.names}
        found = {name: value for name, value in found.items() if value is not None}
        if not found:
            continue
        worst = (min if goal.metric.more_is_better else max)(found.values())
        is_met = worst >= goal.limit if goal.metric.more_is_better else worst <= goal.limit
        sign = "≥" if goal.metric.more_is_better else "≤"
        each = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        rows.append(f"| {goal.title} | {sign} {goal.limit:g} | {each} | {'yes' if is_met else 'no'} |")
    return ["## Goals", "", "| ratio or figure | at most, at least | this run | reached |", "|---|---|---|---|", *rows, ""] if rows else []


def short_table(results, peers):
    columns = [p.name for p in peers if p.is_proxy and (p.name == "sparkbouncer" or not p.is_ours)]
    rows = []
    for title, name, metric in SHORT:
        values = [results.median(name, column, metric.key) for column in columns]
        if any(value is not None for value in values):
            rows.append(f"| {title} | " + " | ".join("–" if v is None else f"{v:.{metric.digits}f}" for v in values) + " |")
    return ["## In short", "", "| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns), *rows, ""] if rows else []
