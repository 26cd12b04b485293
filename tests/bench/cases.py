"""The cases: what load each one is, and which figures it gives."""

import fnmatch
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    digits: int = 1
    more_is_better: bool = False


CALLS_PER_S = Metric("calls_per_s", "calls/s", 0, True)
CPU_PER_CALL = Metric("cpu_us_per_call", "CPU µs per call", 1)
P50 = Metric("p50_us", "median latency µs", 0)
P99 = Metric("p99_us", "p99 latency µs", 0)
P999 = Metric("p999_us", "p99.9 latency µs", 0)
GB_PER_S = Metric("gb_per_s", "GB/s", 2, True)
CPU_PER_GB = Metric("cpu_ms_per_gb", "CPU ms per GB", 0)
FIRST_MESSAGE = Metric("first_message_us", "time to first message µs", 0)
CONNECTS_PER_S = Metric("connects_per_s", "connections accepted/s", 0, True)
CPU_PER_CONNECT = Metric("cpu_us_per_connect", "CPU µs per connection", 0)
RSS_BEFORE = Metric("rss_before_mib", "RSS before MiB", 1)
RSS_HELD = Metric("rss_held_mib", "RSS meanwhile MiB", 1)
RSS_AFTER = Metric("rss_after_mib", "RSS after they have gone MiB", 1)
KIB_PER_CONNECTION = Metric("kib_per_connection", "KiB per connection", 1)
CPU_AT_REST = Metric("cpu_at_rest_ms_per_s", "CPU at rest, ms per s", 2)
SECONDS = Metric("seconds", "wall time s", 3)
UPSTREAM_CALLS = Metric("upstream_calls", "calls that reach the server", 0)
UPSTREAM_RELEASES = Metric("upstream_releases", "of them ReleaseExecute", 0)
UPSTREAM_MB = Metric("upstream_mb", "MB to and from the server", 2)
UPSTREAM_CONNECTIONS = Metric("upstream_connections", "new connections to the server", 0)
WAKE_UPS = Metric("wake_ups_per_s", "wake-ups per s at rest", 1)

UNARY = (CALLS_PER_S, CPU_PER_CALL, P50, P99)
LATENCY = (P50, P99, P999)
STREAM = (GB_PER_S, CPU_PER_GB, FIRST_MESSAGE)
UPLOAD = (GB_PER_S, CPU_PER_GB)
HELD = (RSS_BEFORE, RSS_HELD, KIB_PER_CONNECTION, RSS_AFTER, CONNECTS_PER_S, CPU_PER_CONNECT, CPU_AT_REST, WAKE_UPS)
STALLED = (RSS_BEFORE, RSS_HELD, RSS_AFTER)


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    group: str             # load, h2load, latency, hold, real, far: how it is measured
    metrics: tuple
    arguments: tuple = ()  # of bench-client
    upstream: str = "plain"  # or tls, or newtls: with the newest OpenSSL there is
    seconds: float = 1.0   # measured, in a full run
    is_quick: bool = True  # part of --quick
    is_fresh: bool = False  # on an instance started for it, because memory is what is looked at
    rate_from: str = ""    # the case whose rates say how much load this one is

    @property
    def is_bulk(self):
        return self.group != "h2load" and "unary" not in self.arguments


def unary(connections, calls):
    return ("--kind", "unary", "--connections", connections, "--calls", calls)


def stream(messages, size, connections=1, releases="yes"):
    return ("--kind", "stream", "--messages", messages, "--size", size, "--connections", connections, "--releases", releases)


def upload(connections=1):
    return ("--kind", "upload", "--connections", connections)


UNARY_LOADS = ((1, 1), (8, 4), (64, 1))
STREAMS = (
    ("stream-80k", "results as Spark sends them: 324 messages of 80 KB, a ReleaseExecute for each", (324, 80_000)),
    ("stream-1m", "64 messages of 1 MB, released one by one", (64, 1_000_000)),
    ("stream-4m", "16 messages of 4 MB, released one by one", (16, 4_000_000)),
    ("stream-64m", "2 messages of 64 MB, released one by one", (2, 64_000_000)),
)


def load_cases(prefix, upstream):
    """The unary, stream and upload cases, for one kind of upstream."""
    tls = upstream == "tls"
    suffix = ", TLS 1.3 to the server" if tls else ""
    cases = []
    for connections, calls in UNARY_LOADS:
        cases.append(Case(f"{prefix}unary-{connections}x{calls}",
                          f"Config of 200 bytes, {connections} connections × {calls} calls{suffix}", "load", UNARY,
                          unary(connections, calls), upstream, is_quick=not tls or connections == 8))
    for name, about, shape in STREAMS:
        cases.append(Case(prefix + name, about + suffix, "load", STREAM, stream(*shape), upstream,
                          is_quick=name != "stream-64m" and (not tls or name == "stream-80k")))
        cases.append(Case(f"{prefix}{name}-x8", f"{about}, 8 at once{suffix}", "load", STREAM, stream(*shape, 8), upstream,
                          is_quick=not tls and name == "stream-80k"))
        if name == "stream-80k":
            cases.append(Case(f"{prefix}{name}-no-release", f"the same without ReleaseExecutes{suffix}", "load", STREAM,
                              stream(*shape, releases="no"), upstream, is_quick=False))
    cases.append(Case(prefix + "upload", f"AddArtifacts, 100 MB in chunks of 32 KiB{suffix}", "load", UPLOAD, upload(),
                      upstream, is_quick=not tls))
    cases.append(Case(prefix + "upload-x8", f"the same, 8 at once{suffix}", "load", UPLOAD, upload(8), upstream,
                      is_quick=False))
    return cases


ALL = load_cases("", "plain")
ALL += [Case(f"latency-{c}x{k}", f"Config of 200 bytes on {c} × {k} at fixed times, half of what the slowest proxy can",
             "latency", LATENCY, unary(c, k), is_quick=(c == 8), seconds=2, rate_from=f"unary-{c}x{k}")
        for c, k in UNARY_LOADS]
ALL += [Case(f"h2load-{c}x{k}", f"Config of 200 bytes, {c} × {k}, sent and counted by h2load", "h2load", (CALLS_PER_S, CPU_PER_CALL),
             (c, k), is_quick=False) for c, k in UNARY_LOADS[1:]]
ALL += load_cases("tls-", "tls")
ALL += [replace(case, name="newtls-" + case.name, upstream="newtls", is_quick=False,
                about=case.about + ", TLS 1.3 to the server with the newest OpenSSL that a package brings")
        for case in ALL if case.name in ("unary-8x4", "stream-80k", "stream-1m", "stream-4m", "upload")]
ALL += [Case(f"tls-latency-{c}x{k}", f"Config of 200 bytes on {c} × {k} at fixed times, TLS 1.3 to the server",
             "latency", LATENCY, unary(c, k), "tls", is_quick=False, seconds=2, rate_from=f"tls-unary-{c}x{k}")
        for c, k in UNARY_LOADS[:2]]


def hold(name, about, metrics, *arguments, upstream="plain", is_quick=True, seconds=3.0):
    return Case(name, about, "hold", metrics, arguments, upstream, seconds, is_quick, is_fresh=True)


ALL += [
    hold("idle-1000", "1,000 client connections without a call", HELD, "--kind", "idle", "--connections", 1000),
    hold("idle-10000", "10,000 client connections without a call", HELD, "--kind", "idle", "--connections", 10_000, is_quick=False),
    hold("idle-stream-1000", "1,000 client connections, each with a stream on which nothing happens", HELD,
         "--kind", "idle-stream", "--connections", 1000, is_quick=False),
    hold("idle-tls", "idle, with connections to a TLS server", (RSS_BEFORE,), "--kind", "idle", "--connections", 1, upstream="tls",
         is_quick=False),
    hold("stalled-8", "8 clients that read nothing of their 640 MiB each", STALLED, "--kind", "stalled", "--connections", 8,
         "--messages", 8389, "--size", 80_000),
]

ENTITIES = ((1_000, "1k"), (10_000, "10k"), (100_000, "100k"), (1_000_000, "1m"))
FAR = (SECONDS, UPSTREAM_CALLS, UPSTREAM_RELEASES, UPSTREAM_MB, UPSTREAM_CONNECTIONS)
ALL += [Case(f"real-{name}", about, "real", (SECONDS,), is_quick=False) for name, about in (
    ("session", "PySpark: a session and the server's version"),
    ("counts", "PySpark: 20 counts"),
    ("collect-1m", "PySpark: toPandas of 1 M rows × 3 columns"),
    ("collect-5m", "PySpark: toPandas of 5 M rows × 3 columns"),
    ("create-100mb", "PySpark: createDataFrame of 100 MB, and a count"))]
ALL += [Case(f"real-entity-{name}", f"PySpark: the entity-matching program with {rows:,} entities, without Python's start", "real", (SECONDS,),
             ("rows", rows), is_quick=False) for rows, name in ENTITIES]
ALL += [Case(f"far-{name}-{ms}ms", f"PySpark: {about}, {ms} ms away, TLS", "far", FAR, (ms, name), is_quick=False)
        for ms in (20, 50, 100) for name, about in (("script", "a session and a short script"), ("collect-5m", "toPandas of 5 M rows"))]


def chosen(patterns, is_quick):
    """Those that were asked for; a word matches names that begin with it, or as a shell pattern."""
    if not patterns:
        return [case for case in ALL if case.is_quick or not is_quick]
    found = [case for case in ALL
             if any(case.name == p or case.name.startswith(p + "-") or fnmatch.fnmatch(case.name, p) for p in patterns)]
    unknown = [p for p in patterns
               if not any(c.name == p or c.name.startswith(p + "-") or fnmatch.fnmatch(c.name, p) for c in ALL)]
    if unknown:
        raise SystemExit(f"there is no case {', '.join(unknown)}; all: {', '.join(c.name for c in ALL)}")
    return found


def find(name):
    return next(case for case in ALL if case.name == name)
