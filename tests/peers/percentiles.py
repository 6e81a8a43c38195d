"""Recomputes the percentiles of runs and their bounds from `latency.hdr` and `report.json`.

    pip install hdrhistogram scipy
    python tests/peers/percentiles.py runs/ID…

Histograms come from the package hdrhistogram, ranks from scipy, the effective number of samples from
the seconds of the report. docs/compare.md describes the method.
"""

import json
import math
import sys
from pathlib import Path

import numpy
from hdrh.histogram import HdrHistogram
from scipy import stats

PERCENTILES = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)]


def histograms(log):
    """Returns the histogram of each stage."""
    merged = {}
    for line in log.read_text().splitlines():
        if line.startswith("Tag="):
            tag, _start, _length, _highest, encoded = line.split(",")
            stage = merged.setdefault(tag[4:], HdrHistogram(1, 3_600_000_000, 3))
            stage.add(HdrHistogram.decode(encoded))
    return merged


def share_above(second, stage, value):
    """Returns the share of a second's samples above a value, between the kept percentiles."""
    p50, p90, p99, highest = (second[f"{stage}_{name}_us"] for name in ["p50", "p90", "p99", "max"])
    if p50 is None:
        return None
    if value < p50:
        width = math.log(p90 / p50)
        return min(0.5 + 0.4 * math.log(p50 / max(value, 1)) / width, 1) if width > 0 else 1
    knots = [(p50, 0.5), (p90, 0.1), (p99, 0.01), (highest, 0)]
    for (low, most), (high, least) in zip(knots, knots[1:]):
        if low <= value < high:
            return most - (most - least) * math.log(value / low) / math.log(high / low)
    return 0


def effective(report, stage, value, quantile):
    """Returns the effective number of samples; None with too few seconds."""
    counted = "acked" if stage.startswith("publish") else "stored"
    seconds = []
    for second in report["intervals"]:
        if second["phase"] != "warm_up":
            share = share_above(second, stage, value)
            samples = 0 if share is None else second[counted]
            seconds.append((samples, samples * (share or 0)))
    seconds = numpy.array(seconds, dtype=float).reshape(-1, 2)
    samples, above = seconds.sum(axis=0)
    effects, length = [], 1
    while samples and -(-len(seconds) // length) >= 8:
        excess = seconds[:, 1] - above / samples * seconds[:, 0]
        sums = numpy.add.reduceat(excess, range(0, len(excess), length))
        variance = (sums**2).sum() * len(sums) / (len(sums) - 1)
        student = stats.t.ppf(0.975, len(sums) - 1) / stats.norm.ppf(0.975)
        effects.append(student**2 * max(1, variance / (samples * quantile * (1 - quantile))))
        length *= 2
    return samples / max(effects) if effects else None


def at_rank(histogram, rank):
    """Returns the value of the sample at a rank, from 1."""
    counted = 0
    for step in histogram.get_recorded_iterator():
        counted += step.count_added_in_this_iter_step
        if counted >= rank:
            return histogram.get_highest_equivalent_value(step.value_iterated_to)


def check(run):
    """Returns what differs from the report of a run."""
    report = json.loads((run / "report.json").read_text())
    problems = []
    for stage, histogram in histograms(run / "latency.hdr").items():
        summary = report["summary"]["stages"][stage]
        count = histogram.get_total_count()
        for name, quantile in PERCENTILES:
            value = summary[f"{name}_us"]
            if value is None:
                continue
            # Its get_value_at_percentile takes the nearest rank instead of the one that covers it.
            found = at_rank(histogram, max(math.ceil(quantile * count - 1e-9 * count), 1))
            if found != value:
                problems.append(f"{stage} {name}: {value}, hdrhistogram has {found}")
            bounds = summary.get("bounds", {}).get(name)
            expected = effective(report, stage, value, quantile)
            expected = expected and min(expected, count)
            if bounds is None:
                enough = expected and stats.binom(int(expected), quantile).isf(0.025) < int(expected) - 1
                if enough:
                    problems.append(f"{stage} {name}: no bounds, but {expected:.0f} effective samples")
                continue
            # The report rounds Student's percentiles by an expansion.
            if abs(bounds["effective_count"] - expected) > 1 + expected / 100:
                problems.append(f"{stage} {name}: effective {bounds}, numpy has {expected:.0f}")
            independent = bounds["effective_count"]
            distribution = stats.binom(independent, quantile)
            low, high = int(distribution.ppf(0.025)), int(distribution.isf(0.025)) + 1
            low = at_rank(histogram, max(low * count // independent, 1))
            high = at_rank(histogram, -(-high * count // independent))
            if (min(low, value), max(high, value)) != (bounds["low_us"], bounds["high_us"]):
                problems.append(f"{stage} {name}: {bounds}, scipy has {low} to {high}")
    return problems


if __name__ == "__main__":
    failed = False
    for name in sys.argv[1:]:
        problems = check(Path(name))
        failed |= bool(problems)
        print(name, *(problems or ["agrees"]), sep="\n  ")
    sys.exit(failed)
