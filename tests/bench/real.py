"""Stock PySpark and a real Spark Connect server, direct and through sparkbouncer, in pairs whose order changes."""

from measure import say
from processes import Failure
from spark import Spark

PREFIX = "real-"


def pairs(bench):
    return bench.options.rounds or (3 if bench.options.quick else 7)


def measure_pair(results, sides, number, measure, names):
    """`measure` gives seconds by case name for one side; both sides once, the other one first next time."""
    order = list(sides) if number % 2 == 0 else list(reversed(sides))
    seconds = {}
    for side in order:
        try:
            seconds[side] = measure(side)
        except Failure as why:
            results.fail(", ".join(names), side, why)
            return
    for name in names:
        for side in sides:
            results.add(name, side, {"seconds": seconds[side][name]}, number)
        results.pairs.setdefault(name, []).append(seconds["sparkbouncer"][name] / seconds["direct"][name])


def run_programs(bench, results, spark, remotes, chosen):
    """All parts but the entities, in one program."""
    names = [case.name for case in chosen if "rows" not in case.arguments]
    if not names:
        return
    parts = [name.removeprefix(PREFIX) for name in names]

    def measure(side):
        seconds = spark.program(remotes[side], parts)
        return {PREFIX + part: seconds[part] for part in parts}

    for side in remotes:  # the server's first time is nobody's
        spark.program(remotes[side], parts)
    for number in range(pairs(bench)):
        measure_pair(results, tuple(remotes), number, measure, names)
        say(f"   pair {number + 1}: " + ", ".join(f"{name} {results.pairs[name][-1]:.2f}" for name in names if results.pairs.get(name)))


def run_entities(bench, results, spark, remotes, chosen):
    for case in chosen:
        if "rows" not in case.arguments:
            continue
        rows = case.arguments[1]
        n = pairs(bench) if rows < 1_000_000 else min(pairs(bench), 3)
        try:
            spark.entities(remotes["direct"], rows)
            for number in range(n):
                measure_pair(results, tuple(remotes), number, lambda side: {case.name: spark.entities(remotes[side], rows)}, [case.name])
            for number in range(min(n, 3)):
                results.add(case.name, "local", {"seconds": spark.entities(None, rows)}, number)
        except Failure as why:
            results.fail(case.name, "local or warm-up", why)
        say(f"   {case.name}: " + ", ".join(f"{ratio:.2f}" for ratio in results.pairs.get(case.name, [])))


def run_all(bench, results, chosen):
    chosen = [case for case in chosen if case.group == "real"]
    if not chosen:
        return
    peer = bench.ours()
    try:
        spark = Spark(bench)
        daemon = spark.daemon(peer, spark.port)
    except Failure as why:
        results.fail("real", "all", why)
        return
    remotes = {"direct": f"sc://localhost:{spark.port}/;token={spark.token}", "sparkbouncer": f"sc://localhost:{daemon.port}"}
    try:
        run_programs(bench, results, spark, remotes, chosen)
        run_entities(bench, results, spark, remotes, chosen)
    except Failure as why:
        results.fail("real", "all", why)
    daemon.stop()
    spark.process.stop()
