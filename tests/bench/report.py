"""build/bench/report.md and report.json."""

import json
import statistics

import cases
import goals


def summary(by_round):
    values = list(by_round.values())
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": by_round}


def as_json(bench, results):
    figures = {}
    for case, by_peer in results.figures.items():
        for peer, by_metric in by_peer.items():
            for metric, by_round in by_metric.items():
                entry = summary(by_round)
                for base in ("sparkbouncer", "direct"):
                    entry[f"ratio_to_{base}"] = results.ratio(case, metric, peer, base)
                figures.setdefault(case, {}).setdefault(peer, {})[metric] = entry
    return {
        **bench.facts,
        "rounds": bench.rounds,
        "versions": bench.versions,
        "missing": bench.missing,
        "left_out": sorted(set(results.left_out)),
        "failures": results.failures,
        "rates": results.rates,
        "pairs": results.pairs,
        "cases": {name: {"about": cases.find(name).about} for name in figures},
        "figures": figures,
        "commands": bench.commands,
    }


def cell(results, case, peer, metric):
    values = results.values(case.name, peer, metric.key)
    if not values:
        return "–"
    d = metric.digits
    if len(values) == 1:
        return f"{values[0]:.{d}f}"
    return f"{statistics.median(values):.{d}f} ({min(values):.{d}f}–{max(values):.{d}f})"


def number(value, digits=2):
    return "–" if value is None else f"{value:.{digits}f}"


def metric_table(bench, results, metric, chosen):
    """One table a figure: a row a case, a column a peer, and how ours compares."""
    rows = [case for case in chosen if metric in case.metrics and case.name in results.figures and case.group not in ("real", "far")]
    if not rows:
        return []
    names = [peer.name for peer in bench.peers]
    out = [f"### {metric.title}{' (more is better)' if metric.more_is_better else ''}", "",
           "| case | " + " | ".join(names) + " | ours / best peer | ours / tcp-relay | ours / direct |",
           "|---|" + "---|" * (len(names) + 3)]
    for case in rows:
        worst, best = results.worst_ratio(case.name, metric, "sparkbouncer", bench.peers)
        ratios = [f"{number(worst)} ({best})" if best else "–"]
        ratios += [number(results.ratio(case.name, metric.key, "sparkbouncer", base)) for base in ("tcp-relay", "direct")]
        out.append(f"| {case.name} | " + " | ".join([cell(results, case, name, metric) for name in names] + ratios) + " |")
    return out + [""]


def pair_table(results):
    """Real programs: how much longer they took through sparkbouncer, pair by pair."""
    if not results.pairs:
        return []
    out = ["## Real programs", "", "Seconds, median (least–most); the ratio is that of each pair of runs, one after the other.", "",
           "| case | direct | sparkbouncer | Spark without Connect | proxied / direct |", "|---|---|---|---|---|"]
    for name, ratios in results.pairs.items():
        case = cases.find(name)
        seconds = [cell(results, case, side, cases.SECONDS) for side in ("direct", "sparkbouncer", "local")]
        out.append(f"| {name} | {' | '.join(seconds)} | {statistics.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f}), {len(ratios)} pairs |")
    return out + [""]


def far_table(results):
    rows = [case for case in cases.ALL if case.group == "far" and case.name in results.figures]
    if not rows:
        return []
    metrics = [metric for metric in cases.FAR if metric is not cases.SECONDS]
    out = ["## Far away: what reaches the server", "", "| case | " + " | ".join(f"{m.title}: direct | sparkbouncer | ratio" for m in metrics) + " |",
           "|---|" + "---|" * (3 * len(metrics))]
    for case in rows:
        cells = []
        for metric in metrics:
            cells += [cell(results, case, side, metric) for side in ("direct", "sparkbouncer")]
            cells.append(number(results.ratio(case.name, metric.key, "sparkbouncer", "direct")))
        out.append(f"| {case.name} | {' | '.join(cells)} |")
    return out + [""]


def listing(title, rows, form):
    return [f"## {title}", "", *[form.format(*row) for row in rows], ""] if rows else []


def as_markdown(bench, results, chosen):
    out = ["# Benchmark", "", "Median of the rounds, with the least and the most; a ratio is the median of each round's. CPU is the "
           "proxy's own, all its threads. All of one run, interleaved. How it is done: tests/bench/README.md.", ""]
    out += [f"- {key}: {value}" for key, value in bench.facts.items()]
    out += [f"- rounds: {bench.rounds}", ""]
    out += ["| peer | version |", "|---|---|"] + [f"| {name} | {', '.join(said.splitlines())} |" for name, said in bench.versions.items()] + [""]
    out += listing("Missing", bench.missing.items(), "- {}: {}")
    out += goals.short_table(results, bench.peers) + goals.table(results, bench.peers)
    metrics = []
    for case in chosen:
        metrics += [metric for metric in case.metrics if metric not in metrics]
    out += ["## Figures", ""]
    for metric in metrics:
        out += metric_table(bench, results, metric, chosen)
    out += pair_table(results) + far_table(results)
    if results.rates:
        out += listing("Rates of the latency cases", results.rates.items(), "- {}: {:.0f} calls/s")
    out += listing("Cases", [(c.name, c.about) for c in chosen if c.name in results.figures], "- {}: {}")
    reasons = {}
    for name, peer, why in results.left_out:
        reasons.setdefault((peer, why), set()).add(name)
    out += listing("Left out", [(peer, why, ", ".join(sorted(names))) for (peer, why), names in reasons.items()], "- {}: {} ({})")
    out += listing("Failed", results.failures, "- {}, {}: {}")
    out += listing("Commands", bench.commands.items(), "- {}: `{}`")
    return "\n".join(out)


def write(bench, results, chosen, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(as_json(bench, results), indent=1, default=str) + "\n")
    (folder / "report.md").write_text(as_markdown(bench, results, chosen) + "\n")
