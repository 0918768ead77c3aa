"""Our training step beside the plain step on a GPU: time, launches, waits, share of the products' limit, workers.

Plain is Hugging Face's model in float32, padded to the longest, with the attention that the library picks; `autocast`
is the same under PyTorch's autocast to bfloat16, which is what one would write today. Dropout is 0. A step is forward,
cross-entropy, backward, clip 1.0, Adam; batches lie on the GPU. Arms take turns in one process; a turn is STEPS steps
of one arm, and the GPU is waited for at its end.

    python -m benchmarks.gpu_steps                      # all workloads, then the workers
    python -m benchmarks.gpu_steps minilm-32x64 --output FILE.csv

Columns of the CSV, a row for each workload and arm, or number of workers:

    ms                            median over turns of a step
    plain_over_this               the plain step's median over it
    launches, waits               kernels that a step launches; reads for which it waits for the GPU
    busy_ms                       of a step, the GPU's own: kernels alone, by its profiler
    executed_gflop, limit_ms      products that our step executes; their time, each shape at the best rate of it alone
    share_of_products             limit_ms / ms
    workers, steps_a_second       of so many processes of ours that share the GPU, together
    peak_memory_mb                MiB of the GPU's memory that the arm reached
"""

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.products import Probes, count_executed, limit_seconds
from benchmarks.training_steps import WORKLOADS, make_step

COLUMNS = [
    "workload", "arm", "ms", "plain_over_this", "launches", "waits", "busy_ms",
    "executed_gflop", "limit_ms", "share_of_products", "peak_memory_mb",
    "workers", "steps_a_second", "device", "torch",
]  # fmt: skip
NAMES = ("minilm-32x64", "minilm-16x10", "gpt2-16x64", "gpt2-2x1024", "minilm-16x50-500")
PLAIN, OURS = "plain", ("float32", "bfloat16")
ARMS = (PLAIN, "autocast", *OURS)
TURNS, STEPS = 7, 10
CREWS = (1, 2, 4, 6, 8, 12)
"""Processes that share the GPU."""
CREW_SECONDS, CREW_WORKLOAD = 4.0, "minilm-32x64"
GPU = torch.device("cuda")
Step = Callable[[int], None]
Row = dict[str, object]


def measure(name: str) -> list[Row]:
    """Return a row for each arm of a workload."""
    workload = WORKLOADS[name]
    steps = {arm: make_step(workload, 0.0, None if arm == PLAIN else arm, GPU) for arm in ARMS}
    executed = {arm: [count_executed(partial(steps[arm], turn)) for turn in range(workload.shapes)] for arm in OURS}
    probes = Probes([each for counted in executed.values() for each in counted], GPU)
    memory = {arm: _peak(step) for arm, step in steps.items()}
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for turn in range(TURNS + 1):
        probes.run()
        for arm, step in steps.items():
            taken = _timed(step)
            if turn:  # the first one warms up
                seconds[arm].append(taken)
    medians = {arm: statistics.median(found) for arm, found in seconds.items()}
    rows: list[Row] = []
    for arm, step in steps.items():
        launches, busy = _launched(step)
        row: Row = {"workload": name, "arm": arm, "ms": 1000 * medians[arm], "launches": launches, "busy_ms": busy}
        row |= {"plain_over_this": medians[PLAIN] / medians[arm], "waits": _waits(step)}
        row["peak_memory_mb"] = memory[arm]
        if arm in executed:
            limit = statistics.median(limit_seconds(each, probes.fastest) for each in executed[arm])
            flops = statistics.median(each.flops for each in executed[arm])
            row |= {"executed_gflop": flops / 1e9, "limit_ms": 1000 * limit, "share_of_products": limit / medians[arm]}
        rows.append(row)
    return rows


def measure_crews(sizes: Sequence[int]) -> list[Row]:
    """Return a row for each number of processes that take our steps on one GPU at once."""
    command = [sys.executable, "-m", "benchmarks.gpu_steps", "--worker"]
    crew = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(max(sizes))
    ]
    for child in crew:
        _hear(child)
    rows: list[Row] = []
    for size in sizes:
        for child in crew[:size]:
            _tell(child, "go")
        total = sum(float(_hear(child)) for child in crew[:size])
        rows.append({"workload": CREW_WORKLOAD, "arm": "bfloat16", "workers": size, "steps_a_second": total})
    for child in crew:
        child.communicate("end\n")
    return rows


def _tell(child: "subprocess.Popen[str]", word: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{word}\n")
    child.stdin.flush()


def _hear(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def work() -> None:
    """Take steps for CREW_SECONDS whenever a line says `go`, and tell how many there were a second."""
    torch.set_num_threads(1)
    step = make_step(WORKLOADS[CREW_WORKLOAD], 0.0, "bfloat16", GPU)
    _timed(step)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            return
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < CREW_SECONDS:
            _timed(step)
            count += STEPS
        print(count / (time.perf_counter() - began), flush=True)


def _timed(step: Step) -> float:
    """Return the seconds of one of STEPS steps that follow each other."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for turn in range(STEPS):
        step(turn)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / STEPS


def _peak(step: Step) -> float:
    torch.cuda.reset_peak_memory_stats()
    _timed(step)
    return torch.cuda.max_memory_allocated() / 2**20


def _launched(step: Step) -> tuple[int | None, float | None]:
    """Return how many kernels a step launches and the milliseconds that they take; None where nothing can tell."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        step(0)
        torch.cuda.synchronize()
    kernels = [event for event in profiled.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    if not kernels:
        return None, None
    return len(kernels), sum(kernel.time_range.elapsed_us() for kernel in kernels) / 1000


def _waits(step: Step) -> int:
    """Return how often a step waits for the GPU, which PyTorch warns of when it is asked to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step(0)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def main() -> None:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(WORKLOADS)}, workers; all of them by default")
    parser.add_argument("--output", type=Path, help="CSV; none by default")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("expected a GPU that CUDA can use, got none: `python -m benchmarks.step_time` times a processor")
    if given.worker:
        work()
        return
    machine = {"device": torch.cuda.get_device_name(), "torch": version("torch")}
    rows: list[Row] = []
    for name in given.names or [*NAMES, "workers"]:
        rows += measure_crews(CREWS) if name == "workers" else measure(name)
        frame = pd.DataFrame([row | machine for row in rows], columns=COLUMNS)
        if given.output:
            frame.to_csv(given.output, index=False, float_format="%.6g")
    print(frame.drop(columns=["device", "torch"]).to_string(index=False, float_format="%.3g", na_rep=""))
    print("; ".join(f"{word} {value}" for word, value in machine.items()))


if __name__ == "__main__":
    main()
