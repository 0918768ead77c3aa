"""Our training step beside the plain one: Hugging Face's model, eager, float32, dropout 0.1, padded to the longest.

Both take their steps in turn in one process (forward, cross-entropy, backward, clip 1.0, Adam), so that ratios mean
something on a machine whose speed wanders. Times are medians; `spread` is the middle half's range over the median.

    make benchmark                                        # all workloads; writes benchmarks/step_time.csv
    python -m benchmarks.step_time minilm-32x64 grid      # some of them; writes nothing
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from datamodules.contract import Batch, TaskSpec
from fpt_bench.bodies.build import build_body
from fpt_bench.bodies.execution import PRODUCT_DTYPES, multiplies_bfloat16
from fpt_bench.config.spec import RunSpec
from fpt_bench.training.module import FPTModule

OUTPUT = Path(__file__).with_suffix(".csv")
GRID_SECONDS = 20.0
FEATURES, CLASSES = 48, 10


@dataclass(frozen=True)
class Workload:
    """A shape of batch for a body; lengths are drawn evenly from `shortest` to `longest`."""

    body: str
    batch: int
    shortest: int
    longest: int
    repeats: int = 9

    def batches(self, count: int = 3) -> list[Batch]:
        """Return batches, padded to their longest example."""
        generator = np.random.default_rng(0)
        made = []
        for _ in range(count):
            lengths = torch.from_numpy(generator.integers(self.shortest, self.longest + 1, self.batch))
            length = int(lengths.max())
            inputs = torch.from_numpy(generator.normal(size=(self.batch, length, FEATURES)).astype(np.float32))
            labels = torch.from_numpy(generator.integers(0, CLASSES, (self.batch, 1)))
            made.append(Batch(inputs, torch.arange(length) < lengths[:, None], labels))
        return made


WORKLOADS = {
    "minilm-32x64": Workload("minilm", 32, 64, 64),
    "minilm-16x10": Workload("minilm", 16, 10, 10, repeats=40),
    "gpt2-16x64": Workload("gpt2", 16, 64, 64, repeats=7),
    "gpt2-64x10": Workload("gpt2", 64, 10, 10, repeats=7),
    "gpt2-2x1024": Workload("gpt2", 2, 1024, 1024, repeats=3),
    "minilm-16x50-500": Workload("minilm", 16, 50, 500, repeats=5),
    "minilm-4x500-2000": Workload("minilm", 4, 500, 2000, repeats=3),
}
MEMORY_ONLY = {"gpt2-8x1024": Workload("gpt2", 8, 1024, 1024)}
"""Shapes at which the plain model keeps too much for an ordinary machine: only our peak memory is measured."""
GRID = "minilm-32x64"
"""Workload of the grid's rows."""


def our_precision() -> str:
    """Return the precision that a run takes on this machine by itself."""
    return "bfloat16" if multiplies_bfloat16() else "float32"


def make_step(workload: Workload, ours: bool) -> Callable[[], None]:
    """Return a function that takes one training step, on each of a few batches in turn."""
    spec = RunSpec(
        task="bit-xor",
        body=workload.body,
        init="random",
        dropout=0.1,
        body_execution="native" if ours else "reference",
        precision=our_precision() if ours else "float32",
    )
    task = TaskSpec("workload", "vectors", FEATURES, max_length=workload.longest, num_classes=CLASSES)
    torch.manual_seed(0)
    body, _ = build_body(spec, task.max_length, offline=True)
    module = FPTModule(task, body, spec).train()
    trained = list(module.trained_parameters().values())
    optimizer = torch.optim.Adam(trained, lr=1e-4)
    batches = workload.batches()

    def step() -> None:
        batches.append(batches.pop(0))
        module.loss(batches[-1]).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def time_in_turn(steps: Sequence[Callable[[], None]], repeats: int) -> list[list[float]]:
    """Return the seconds of each function's calls, taken in turn; a first call of each is not counted."""
    seconds: list[list[float]] = [[] for _ in steps]
    for turn in range(repeats + 1):
        for taken, step in zip(seconds, steps, strict=True):
            start = time.perf_counter()
            step()
            if turn:
                taken.append(time.perf_counter() - start)
    return seconds


def matrix_peak(precision: str) -> float:
    """Return the rate of a large matrix product on this machine, floating-point operations a second."""
    a, b = (torch.randn(*shape, dtype=PRODUCT_DTYPES[precision]) for shape in ((2048, 768), (768, 3072)))
    (taken,) = time_in_turn([lambda: torch.mm(a, b)], repeats=20)
    return 2 * 2048 * 768 * 3072 / min(taken)


def spread(seconds: Sequence[float]) -> float:
    low, high = np.percentile(seconds, [25, 75])
    return float((high - low) / statistics.median(seconds))


def measure(name: str) -> dict[str, object]:
    """Measure one workload: a row of the table."""
    if name in MEMORY_ONLY:
        return {"workload": name, "peak_memory_mb": _peak_memory(name)}
    workload = WORKLOADS[name]
    plain, ours = make_step(workload, ours=False), make_step(workload, ours=True)
    with FlopCounterMode(display=False) as counter:
        ours()
    plain_seconds, our_seconds = time_in_turn([plain, ours], workload.repeats)
    share = counter.get_total_flops() / statistics.median(our_seconds) / matrix_peak(our_precision())
    return _row(name, plain_seconds, our_seconds) | {"share_of_peak": share, "peak_memory_mb": _peak_memory(name)}


def _row(name: str, plain: Sequence[float], ours: Sequence[float]) -> dict[str, object]:
    first, second = statistics.median(plain), statistics.median(ours)
    return {
        "workload": name,
        "plain_ms": 1000 * first,
        "ours_ms": 1000 * second,
        "ratio": first / second,
        "spread": max(spread(plain), spread(ours)),
    }


def _child(*arguments: str, core: int | None = None) -> "subprocess.Popen[str]":
    """Start this file again, on one core and one thread if `core` is given, set up as the launcher sets up workers."""
    environment = {**os.environ, "THP_MEM_ALLOC_ENABLE": "1"}
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    if core is not None:
        environment["OMP_NUM_THREADS"] = "1"
    command = [*pinned, sys.executable, "-m", "benchmarks.step_time", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _answer(child: "subprocess.Popen[str]") -> float:
    output, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{' '.join(map(str, child.args))} ended with exit code {child.returncode}")
    return float(json.loads(output))


def _peak_memory(name: str) -> float:
    """Return the resident memory that a few of our steps reach in a process of their own, MiB."""
    return _answer(_child("--peak-memory", name))


def measure_grid() -> list[dict[str, object]]:
    """Measure steps a second of two one-thread workers beside one process with all threads: plain, and ours."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    plain = _answer(_child("--rate", GRID, "plain"))
    alone = _answer(_child("--rate", GRID, "ours"))
    together = sum(map(_answer, [_child("--rate", GRID, "ours", core=core) for core in cores]))
    rows = []
    for name, other in (("two workers to one plain process", plain), ("two workers to one process of ours", alone)):
        rows.append(_row(f"{GRID} {name}", [1 / other], [1 / together]) | {"spread": None})
    return rows


def _steps_a_second(name: str, ours: bool) -> float:
    step = make_step(WORKLOADS[name], ours)
    step()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < GRID_SECONDS:
        step()
        count += 1
    return count / (time.perf_counter() - start)


def _serve(arguments: list[str]) -> None:
    """Answer the process that started this one: one number on standard output."""
    if arguments[0] == "--rate":
        print(json.dumps(_steps_a_second(arguments[1], arguments[2] == "ours")))
        return
    step = make_step((WORKLOADS | MEMORY_ONLY)[arguments[1]], ours=True)
    for _ in range(2):
        step()
    # Not getrusage: what it gives starts at what the parent had.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps(float(status["VmHWM"].split()[0]) / 1024))


def main(names: list[str]) -> None:
    """Measure, print the table, and write it where all was measured."""
    rows = [
        measure(name) for name in track([n for n in names or (*WORKLOADS, *MEMORY_ONLY) if n != "grid"], "measuring")
    ]
    rows += measure_grid() if not names or "grid" in names else []
    frame = pd.DataFrame(rows)
    console = Console(width=140)
    console.print(frame.to_string(index=False, float_format="%.2f"))
    console.print(f"ours in {our_precision()}; torch {torch.__version__}, {torch.get_num_threads()} threads")
    if not names:
        columns = ["workload", "plain_ms", "ours_ms", "ratio", "share_of_peak", "peak_memory_mb"]
        frame[columns].to_csv(OUTPUT, index=False, float_format="%.3f")


if __name__ == "__main__":
    given = sys.argv[1:]
    if given and given[0].startswith("--"):
        _serve(given)
    else:
        main(given)
