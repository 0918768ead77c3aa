"""One process of `step_time`: it measures what it is asked for, with the threads it was given, and prints JSON.

OMP_NUM_THREADS=1 python -m benchmarks.one_process measure minilm-32x64 --repeats 3
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import Instructions, busy_seconds, precisions
from benchmarks.products import Probes, count_executed, limit_seconds
from benchmarks.training_steps import DROPOUTS, PUBLISHED_DROPOUT, WORKLOADS, make_step

GRID_SECONDS = 20.0
TRIES = 8
"""Of the bare instructions in each turn; the best of all turns is the rate."""
Row = dict[str, object]


def measure(name: str, repeats: int | None) -> list[Row]:
    """Measure one workload with the threads that this process has: a row for each precision and dropout of ours."""
    workload, threads = WORKLOADS[name], torch.get_num_threads()
    arms = [(precision, dropout) for precision in (None, *precisions()) for dropout in DROPOUTS]
    steps = {arm: make_step(workload, arm[1], arm[0]) for arm in arms}
    # Counting, and turn 0 below, are the steps that warm up.
    executed = {
        (precision, dropout): [count_executed(partial(step, turn)) for turn in range(workload.shapes)]
        for (precision, dropout), step in steps.items()
        if precision
    }
    instructions, probes = Instructions(), Probes([e for counted in executed.values() for e in counted])
    rates: dict[str, list[float]] = {precision: [] for precision in precisions()}
    seconds: dict[tuple[str | None, float], list[float]] = {arm: [] for arm in arms}
    began, others = time.perf_counter(), busy_seconds() - time.process_time()
    turns = range(1, 1 + (repeats or workload.repeats))
    for turn in (0, *turns):
        for arm, step in steps.items():
            start = time.perf_counter()
            step(turn)
            if turn:
                seconds[arm].append(time.perf_counter() - start)
        probes.run()
        for precision, found in rates.items():
            found += [rate for _ in range(TRIES) if (rate := instructions.rate(precision, threads))]
    others = (busy_seconds() - time.process_time() - others) / (time.perf_counter() - began)
    rows: list[Row] = []
    for arm, counted in executed.items():
        precision, dropout = arm
        ours = seconds[arm]
        # Ragged batches differ: of work and limit, too, the median over the turns that were timed.
        work = [counted[turn % workload.shapes] for turn in turns]
        row: Row = {"workload": name, "threads": threads, "precision": precision, "dropout": dropout}
        row["others_cpus"] = max(0.0, others)
        row |= _against_plain(ours, seconds[None, dropout], seconds[None, PUBLISHED_DROPOUT])
        row |= _against_limits(
            statistics.median(ours),
            statistics.median(e.flops for e in work),
            statistics.median(limit_seconds(e, probes.fastest) for e in work),
            max(rates[precision], default=None),
        )
        rows.append(row)
    for precision, reason in instructions.missing.items():
        print(f"no instruction rate in {precision}: {reason}", file=sys.stderr)
    return rows


def _against_plain(ours: Sequence[float], plain: Sequence[float], published: Sequence[float]) -> Row:
    median = statistics.median(ours)
    return {
        "ours_ms": 1000 * median,
        "ours_best_ms": 1000 * min(ours),
        "plain_ms": 1000 * statistics.median(plain),
        "plain_published_ms": 1000 * statistics.median(published),
        "ratio_same_dropout": statistics.median(plain) / median,
        "ratio_to_published": statistics.median(published) / median,
        "spread": max(spread(ours), spread(plain)),
    }


def _against_limits(ours: float, flops: float, product_limit: float, instruction_gflops: float | None) -> Row:
    row: Row = {
        "executed_gflop": flops / 1e9,
        "product_gflops": flops / product_limit / 1e9,
        "product_limit_ms": 1000 * product_limit,
        "share_of_products": product_limit / ours,
    }
    if instruction_gflops:
        limit = flops / 1e9 / instruction_gflops
        row |= {
            "instruction_gflops": instruction_gflops,
            "instruction_limit_ms": 1000 * limit,
            "share_of_instructions": limit / ours,
        }
    return row


def spread(seconds: Sequence[float]) -> float:
    """Return the range of the middle half over the median."""
    low, high = np.percentile(seconds, [25, 75])
    return float((high - low) / statistics.median(seconds))


def steps_a_second(name: str, precision: str | None) -> float:
    """Return how many steps of ours, or of the plain model where `precision` is None, were taken in GRID_SECONDS."""
    step = make_step(WORKLOADS[name], PUBLISHED_DROPOUT, precision)
    step(0)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < GRID_SECONDS:
        count += 1
        step(count)
    return count / (time.perf_counter() - start)


def peak_memory(name: str) -> float:
    """Return the resident memory that a few of our steps reach in this process, MiB."""
    step = make_step(WORKLOADS[name], PUBLISHED_DROPOUT, precisions()[-1])
    for turn in range(2):
        step(turn)
    # Not getrusage: what it gives starts at what the parent had.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return float(status["VmHWM"].split()[0]) / 1024


def main() -> None:
    """Answer one question on standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("question", choices=["measure", "peak-memory", "plain-rate", "our-rate"])
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--repeats", type=int, help="timed steps; the workload's own number by default")
    given = parser.parse_args()
    answers = {
        "measure": lambda: measure(given.workload, given.repeats),
        "peak-memory": lambda: peak_memory(given.workload),
        "plain-rate": lambda: steps_a_second(given.workload, None),
        "our-rate": lambda: steps_a_second(given.workload, precisions()[-1]),
    }
    print(json.dumps(answers[given.question]()))


if __name__ == "__main__":
    main()
