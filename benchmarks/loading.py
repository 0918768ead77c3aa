"""How much of a training step is spent waiting for data, for every task of an experiment at a profile's own budget.

    python -m benchmarks.loading                  # prints the table and writes benchmarks/loading.csv
    python -m benchmarks.loading --profile smoke --steps 5 --output /dev/null

Batches are fetched by the process that trains, so what fetching costs is what a step waits. Data are read or generated
before the clock starts, as a run does once; the first steps are passed over.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import nn

from datamodules.randomness import derive_seed
from fpt_bench.bodies.build import build_body
from fpt_bench.config.experiment import Experiment, Profile
from fpt_bench.config.grid_of import make_grid
from fpt_bench.config.spec import RunSpec
from fpt_bench.config.yaml_files import find_config, load
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.module import FPTModule
from fpt_bench.training.resolve import make_datamodule, resolve

WARM_UP_STEPS = 3
MOST = 0.05
"""Share of a step above which loading is worth mending."""


class Waiting(NamedTuple):
    """Means over the timed steps of one task."""

    task: str
    data: str
    batch_size: int
    positions: float
    """Real positions a step."""
    fetch_ms: float
    train_ms: float
    share: float
    """Of the whole step, in [0, 1], that is spent fetching."""


def measure(spec: RunSpec, workspace: Workspace, steps: int) -> Waiting:
    """Time `steps` training steps of a run, fetching and training apart."""
    spec, _ = resolve(spec, workspace)
    datamodule = make_datamodule(spec, workspace)
    torch.manual_seed(derive_seed(spec.seed, "body"))
    body, _ = build_body(spec, datamodule.task.max_length, workspace.offline)
    module = FPTModule(datamodule.task, body, spec).train()
    optimizer = module.configure_optimizers()
    batches = iter(datamodule.train_dataloader())
    fetching = training = 0.0
    positions = 0
    for step in range(WARM_UP_STEPS + steps):
        started = time.perf_counter()
        batch = next(batches)
        fetched = time.perf_counter()
        optimizer.zero_grad()
        module.loss(batch).backward()
        nn.utils.clip_grad_norm_(module.trained_parameters().values(), spec.gradient_clip)
        optimizer.step()
        if step >= WARM_UP_STEPS:
            fetching += fetched - started
            training += time.perf_counter() - fetched
            positions += int(batch.mask.sum())
    return Waiting(
        task=spec.task,
        data=spec.data,
        batch_size=spec.batch_size,
        positions=positions / steps,
        fetch_ms=1000 * fetching / steps,
        train_ms=1000 * training / steps,
        share=fetching / (fetching + training),
    )


def main() -> None:
    """Measure every task, print the table, write it as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--experiment", default="headline")
    parser.add_argument("--profile", default="embedded")
    parser.add_argument("--steps", type=int, default=20, help="timed steps a task")
    parser.add_argument("--threads", type=int, default=1, help="of torch; a bench's workers have one each")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    grid = make_grid(
        load(Experiment, find_config("experiments", arguments.experiment)),
        load(Profile, find_config("profiles", arguments.profile)),
    )
    # Arms and seeds of a task fetch the same way: one run of each task says it.
    specs = {run.task: run.spec for run in grid.runs if run.arm == grid.experiment.baseline}
    workspace = Workspace(Path("runs"), arguments.data_root, offline=True)
    table = pd.DataFrame([measure(spec, workspace, arguments.steps) for spec in specs.values()])
    print(table.to_string(index=False, float_format="%.4g"))
    slow = table.loc[table["share"] > MOST, "task"].tolist()
    print(f"above {MOST:.0%} of a step: {', '.join(slow) or 'none'}")
    table.to_csv(arguments.output, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
