"""What a bench costs beyond training: a grid of many short runs, with its view and its tables, as `bench` does it.

    python -m benchmarks.overhead [--runs 200] [--workers 2]

Prints the worker time of a run that is not its training and validation. Everything counts: starting workers, building
models, testing, checkpoints, results, tables. Ends with exit code 1 where it is over LIMIT_SECONDS, or a run is not ok.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from fpt_bench.commands.bench import run_grid
from fpt_bench.config.experiment import Arm, Experiment
from fpt_bench.config.grid import Grid, GridRun
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.workers import hire
from fpt_bench.results.workspace import Workspace

LIMIT_SECONDS = 0.3
"""A run may cost so much beyond training."""


def short_grid(count: int) -> Grid:
    """Return a grid of two arms of Bit XOR with one layer and 40 steps, `count` runs in all."""
    arms = {"language": Arm(run={"init": "pretrained"}), "random": Arm(run={"init": "random"})}
    experiment = Experiment(name="overhead", question="None.", tasks=("bit-xor",), baseline="random", arms=arms)
    runs = tuple(
        GridRun(
            task="bit-xor",
            arm=list(arms)[number % 2],
            spec=RunSpec(
                task="bit-xor", init=("pretrained", "random")[number % 2], layers=1, max_steps=40, eval_every=10,
                seed=number // 2, learning_rate=1e-4,
            ),
        )
        for number in range(count)
    )  # fmt: skip
    return Grid(experiment=experiment, profile="short", targets={}, runs=runs)


def main(count: int, workers: int) -> bool:
    """Do the grid, print what it cost, and say whether that was too much or a run went wrong."""
    # Workers import this file again: torch must not come with it before they have claimed their place.
    from fpt_bench.training.resolve import resolve

    grid = short_grid(count)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), offline=True)
        runs = [run.model_copy(update={"spec": resolve(run.spec, workspace)[0]}) for run in grid.runs]
        grid = grid.model_copy(update={"runs": tuple(runs)})
        started = time.monotonic()
        with hire(workers, workspace) as crew:
            results = run_grid(grid, workspace, crew, Console(stderr=True))
        taken = (time.monotonic() - started) * workers
    trained = sum(result.seconds for result in results)
    beyond = (taken - trained) / len(results)
    print(f"{len(results)} runs: {trained / len(results):.2f} s of training each, {beyond:.2f} s of a worker beyond it")
    return beyond > LIMIT_SECONDS or any(result.status != "ok" for result in results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    sys.exit(main(arguments.runs, arguments.workers))
