"""Kill and stop processes at random moments, for as long as it takes: results must be those of runs nobody disturbed.

    python -m tests.kills --grid 20 --pairs 60        # or: make kills

`grid`: a bench of 12 runs on two workers whose parent, a worker, or all of them are killed, and which the same command
goes on with each time. `pairs`: two processes in opposite order on 12 runs in one folder, with a lease of three
seconds, of which one is killed, or stopped for longer than the lease and let go on. Exit code 1 where anything differs.
"""

import argparse
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from fpt_bench.config.spec import RunSpec
from fpt_bench.results import lease
from fpt_bench.results.result_files import collect_results
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one

LEASE_SECONDS, BEAT_SECONDS = 3.0, 0.5
_SHORT = {"data": "real", "layers": 1, "max_steps": 60, "eval_every": 10, "learning_rate": 3e-4}
KINDS: tuple[dict[str, Any], ...] = (
    {"task": "bit-xor"},
    {"task": "bit-xor", "precision": "bfloat16"},
    {"task": "bit-xor", "patience": 2, "learning_rate": 1e-6},
    {"task": "bit-xor", "train": "readout", "dropout": 0.0},
    {"task": "bit-memory", "data_arguments": {"pattern_bits": 50}},
    {"task": "bit-memory", "data_arguments": {"pattern_bits": 50}, "body": "lstm", "init": "random"},
)
"""Dropout, both precisions, patience, cached features, a body without attention."""
SPECS = tuple(RunSpec(**{**_SHORT, **kind}, seed=seed) for kind in KINDS for seed in (0, 1))


def do_all(runs: Path, backwards: bool, lease_seconds: float | None = None) -> None:
    """Do every run, in this order or the other."""
    torch.set_num_threads(1)
    if lease_seconds is not None:
        lease.LEASE_SECONDS, lease.BEAT_SECONDS = lease_seconds, BEAT_SECONDS
    for spec in reversed(SPECS) if backwards else SPECS:
        run_one(spec, Workspace(runs, offline=True, loggers=()))


def start(function: Callable[..., None], *arguments: object) -> BaseProcess:
    # Forked, so that a killed worker's successor need not import everything again.
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def disturbed_pair(runs: Path, times: int, chance: random.Random) -> None:
    """Do every run by two processes of which one is killed or stopped again and again."""
    pair = [start(do_all, runs, way, LEASE_SECONDS) for way in (False, True)]
    for number in range(times):
        time.sleep(chance.uniform(0.2, 2.5))
        which = chance.randrange(2)
        if not pair[which].is_alive():
            pair[which] = start(do_all, runs, bool(which), LEASE_SECONDS)
        pid = pair[which].pid
        assert pid is not None
        if number % 3 == 2:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(LEASE_SECONDS + chance.uniform(0.5, 3.0))
            os.kill(pid, signal.SIGCONT)
        else:
            pair[which].kill()
            pair[which].join()
            pair[which] = start(do_all, runs, bool(which), LEASE_SECONDS)
    for process in pair:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a process ended with exit code {process.exitcode}")


EXPERIMENT = """
question: A test.
tasks: [bit-xor]
baseline: plain
arms:
  plain: {role: language, run: {init: random}}
  language: {role: language, run: {init: pretrained}}
"""
PROFILE = """
summary: A test.
bodies: {language: minilm}
seeds: [0, 1, 2, 3, 4, 5]
run: {layers: 1, dropout: 0.1, precision: float32}
tasks: {bit-xor: {max_steps: 200, eval_every: 10, data: real, learning_rate: 1.0e-4}}
"""


def bench(folder: Path, runs: Path) -> subprocess.Popen[bytes]:
    files = ("--experiments", f"{folder}/kills.yaml", "--profile", f"{folder}/short.yaml")
    command = [sys.executable, "-m", "fpt_bench", "bench", *files, "--runs", str(runs), "--workers", "2", "--offline"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)


def children(pid: int) -> list[int]:
    done = subprocess.run(["pgrep", "--parent", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in done.stdout.split()]


def disturbed_grid(folder: Path, runs: Path, times: int, chance: random.Random) -> None:
    """Do a bench whose processes are killed again and again, each time gone on with by the same command."""
    (folder / "kills.yaml").write_text(EXPERIMENT)
    (folder / "short.yaml").write_text(PROFILE)
    for kind in itertools.islice(itertools.cycle(("parent", "worker", "all")), times):
        parent = bench(folder, runs)
        time.sleep(chance.uniform(8.0, 25.0))
        workers = children(parent.pid)
        victims = {"parent": [parent.pid], "worker": workers[:1], "all": [parent.pid, *workers]}[kind]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        if kind == "worker":
            parent.terminate()
        parent.wait()
    if bench(folder, runs).wait():
        raise SystemExit("the last bench failed")


def differences(one: Path, other: Path) -> list[str]:
    """Say in which runs two folders differ, and what is left lying about in the first."""
    results, problems = zip(*(collect_results(runs) for runs in (one, other)), strict=True)
    numbers = [{result.spec.run_id: result.numbers() for result in found} for found in results]
    odd = [run for run in numbers[0].keys() | numbers[1].keys() if numbers[0].get(run) != numbers[1].get(run)]
    left = [str(path) for pattern in ("*.claim", ".*unfinished*", ".*.json.*") for path in one.rglob(pattern)]
    return [*problems[0], *problems[1], *odd, *left]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--grid", type=int, default=20)
    options.add_argument("--pairs", type=int, default=60)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    chance, found = random.Random(given.seed), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.pairs:
            disturbed_pair(folder / "pair", given.pairs, chance)
            start(do_all, folder / "alone", False).join()
            found += differences(folder / "pair", folder / "alone")
            print(
                f"{given.pairs} kills and stops of two processes, {len(SPECS)} runs: {found or 'all equal'}", flush=True
            )
        if given.grid:
            disturbed_grid(folder, folder / "grid", given.grid, chance)
            if bench(folder, folder / "quiet").wait():
                raise SystemExit("the undisturbed bench failed")
            found += differences(folder / "grid", folder / "quiet")
            print(f"{given.grid} kills of a bench of 12 runs: {found or 'all equal'}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
