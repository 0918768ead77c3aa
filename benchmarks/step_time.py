"""Our training step beside what the machine can do, and beside the plain step.

Plain is the published code's way: Hugging Face's model, eager, float32, padded to the longest. All steps of a workload
(forward, cross-entropy, backward, clip 1.0, Adam), bare instructions and matrix products take turns in one
process, so that their ratios mean something on a machine whose speed wanders. The limits are

    instructions   the products that our step executes, over the best rate of nothing but fused multiply-adds
    products       the time of those products, each shape at the best rate at which `torch.mm` multiplied it alone

and the shares are a limit over the median of our step. `spread` is the middle half's range over the median.

    make benchmark                                            # all workloads; writes benchmarks/step_time.csv
    python -m benchmarks.step_time minilm-32x64 grid          # some of them; writes nothing without --output FILE
    python -m benchmarks.step_time minilm-16x10 --repeats 1   # under a minute

Columns of the CSV, a row for each workload, number of threads, precision and dropout of ours:

    share_of_products, share_of_instructions       *_limit_ms / ours_ms
    ours_ms, plain_ms, plain_published_ms          medians; plain at the same dropout, and at the published 0.1
    ratio_same_dropout, ratio_to_published         plain_ms / ours_ms, plain_published_ms / ours_ms
    ours_best_ms                                   the fastest of our steps
    others_cpus                                    CPUs that other processes kept busy meanwhile: it should be near 0
    executed_gflop                                 GFLOP of a step's products, attention and what is recomputed included
    instruction_gflops, instruction_limit_ms       GFLOP/s of all threads together; executed_gflop over it
    product_gflops, product_limit_ms               executed_gflop over the limit; the limit
    peak_memory_mb                                 MiB resident, of our step in a process of its own
    other_ms, ratio_to_other                       of the grid's rows: time of a step otherwise, and that over ours_ms
    processor, flags, torch                        what it was measured on
"""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.progress import track
from rich.table import Table

from benchmarks.machine import precisions, processor
from benchmarks.training_steps import PUBLISHED_DROPOUT, SMOKE, WORKLOADS
from fpt_bench.launching.crew import ALLOCATOR

OUTPUT = Path(__file__).with_suffix(".csv")
GRID = "minilm-32x64"
"""Workload of the grid's rows."""
CROWDED = 0.2
"""CPUs that may be wanted beyond those that there are before a row is called crowded."""
COLUMNS = [
    "workload", "threads", "precision", "dropout",
    "share_of_products", "share_of_instructions",
    "ours_ms", "plain_ms", "plain_published_ms", "ratio_same_dropout", "ratio_to_published",
    "ours_best_ms", "spread", "others_cpus",
    "executed_gflop", "instruction_gflops", "instruction_limit_ms", "product_gflops", "product_limit_ms",
    "peak_memory_mb", "other_ms", "ratio_to_other",
    "processor", "flags", "torch",
]  # fmt: skip
PRINTED = {
    "workload": "",
    "threads": "threads",
    "precision": "precision",
    "dropout": "dropout",
    "share_of_products": "share of\nproducts",
    "share_of_instructions": "share of\ninstruct.",
    "ratio_same_dropout": "plain/ours,\nsame drop.",
    "ratio_to_published": "plain 0.1\n/ours",
    "ratio_to_other": "other\n/ours",
    "ours_ms": "ours\nms",
    "spread": "spread",
    "product_gflops": "products\nGFLOP/s",
    "instruction_gflops": "instruct.\nGFLOP/s",
    "others_cpus": "others'\nCPUs",
    "peak_memory_mb": "peak\nMiB",
}
"""Columns that are printed, in this order, with their titles."""
Row = dict[str, object]


def _child(*arguments: str, threads: int | None = None, core: int | None = None) -> "subprocess.Popen[str]":
    """Start a process set up as the launcher sets up workers. Torch reads the number of threads only once."""
    environment = {**ALLOCATOR, **os.environ}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    command = [*pinned, sys.executable, "-m", "benchmarks.one_process", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _answer(child: "subprocess.Popen[str]") -> object:
    output, _ = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{' '.join(map(str, child.args))} ended with exit code {child.returncode}")
    return json.loads(output)


def _number(child: "subprocess.Popen[str]") -> float:
    return float(str(_answer(child)))


def measure_workload(name: str, repeats: int | None, threads: list[int] | None) -> list[Row]:
    """Measure a workload in a process for each number of threads, and our peak memory in one more."""
    workload, timed = WORKLOADS[name], ["--repeats", str(repeats)] if repeats else []
    peak: Row = {"precision": precisions()[-1], "dropout": PUBLISHED_DROPOUT}
    peak["peak_memory_mb"] = _number(_child("peak-memory", name))
    if workload.memory_only:
        return [{"workload": name} | peak]
    rows: list[Row] = []
    for count in threads or [count for count in workload.threads if count <= len(os.sched_getaffinity(0))]:
        answer = _answer(_child("measure", name, *timed, threads=count))
        assert isinstance(answer, list)
        rows += answer
    # The peak hardly depends on threads: it stands beside every step whose peak it is.
    return [row | peak if row["precision"] == peak["precision"] and row["dropout"] else row for row in rows]


def measure_grid() -> list[Row]:
    """Measure steps a second of two one-thread workers beside one process with all threads: plain, and ours."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    plain, alone = (_number(_child(question, GRID)) for question in ("plain-rate", "our-rate"))
    together = sum(map(_number, [_child("our-rate", GRID, threads=1, core=core) for core in cores]))
    ours: Row = {"precision": precisions()[-1], "dropout": PUBLISHED_DROPOUT, "ours_ms": 1000 / together}
    return [
        {"workload": f"{GRID} {name}", "other_ms": 1000 / other, "ratio_to_other": together / other} | ours
        for name, other in (("two workers to one plain process", plain), ("two workers to one process of ours", alone))
    ]


def _table(frame: pd.DataFrame) -> Table:
    shown = {column: title for column, title in PRINTED.items() if frame[column].notna().any()}
    table = Table(header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column, title in shown.items():
        justify: JustifyMethod = "left" if column in {"workload", "precision"} else "right"
        width = 0 if column == "workload" else max(map(len, title.split("\n")))
        table.add_column(title, justify=justify, min_width=width)
    for _, row in frame.iterrows():
        table.add_row(*(_cell(column, row[column]) for column in shown))
    return table


def _cell(column: str, value: Any) -> str:
    if pd.isna(value):
        return ""
    if column.startswith("share"):
        return f"{value:.0%}"
    if column.endswith(("ms", "gflops", "mb", "threads")):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(WORKLOADS)}, grid; all but the smoke test by default")
    parser.add_argument("--repeats", type=int, help="timed steps of each; the workload's own number by default")
    parser.add_argument("--threads", type=int, action="append", help="1 and 2 by default")
    parser.add_argument("--output", type=Path, help=f"CSV; {OUTPUT.name} if all is measured, else none by default")
    given = parser.parse_args()
    names = given.names or [*(name for name in WORKLOADS if name != SMOKE), "grid"]
    if unknown := set(names) - {*WORKLOADS, "grid"}:
        parser.error(f"expected {', '.join(WORKLOADS)} or grid, got {', '.join(unknown)}")
    output = given.output or (None if given.names else OUTPUT)
    machine = {**processor(), "torch": version("torch")}
    frame = pd.DataFrame(columns=COLUMNS)
    rows: list[Row] = []
    for name in track(names, "measuring", console=Console(stderr=True)):
        rows += measure_grid() if name == "grid" else measure_workload(name, given.repeats, given.threads)
        frame = pd.DataFrame([row | machine for row in rows], columns=COLUMNS)
        frame["threads"] = frame["threads"].astype("Int64")
        if output:  # after each: all of them take half an hour
            frame.to_csv(output, index=False, float_format="%.6g")
    Console(width=180).print(_table(frame))
    crowded = frame[frame["others_cpus"].astype(float) + frame["threads"] > len(os.sched_getaffinity(0)) + CROWDED]
    for _, row in crowded.iterrows():
        step = f"{row['workload']}, {row['threads']} threads, dropout {row['dropout']}"
        print(f"{step}: others had {row['others_cpus']:.1f} CPUs")
    if len(crowded):
        print("These rows waited for others: their times, ratios and shares are not the step's. Measure them again.")
    print("; ".join(f"{word} {value}" for word, value in machine.items()))


if __name__ == "__main__":
    main()
