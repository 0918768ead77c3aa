"""Grids on a real Slurm of two nodes: as an array, through dead nodes, requeues and cancellations."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fpt_bench.bench import send_grid
from fpt_bench.cli import app
from fpt_bench.harness import run_one
from fpt_bench.resources import Launcher
from fpt_bench.results import RESULT_FILE, RunResult, collect_results
from fpt_bench.spec import Arm, Experiment, Grid, GridRun, RunSpec
from fpt_bench.status import folder_status
from fpt_bench.workspace import Workspace
from tests.slurm.cluster import Cluster, missing_for_a_cluster

REASON = missing_for_a_cluster()
pytestmark = [
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
    pytest.mark.slow,
    pytest.mark.xdist_group("slurm"),
]
TIMES = {"seconds", "tokens_per_second", "peak_memory_mb", "provenance"}
MINUTES = Launcher(kind="slurm", time=10)
LONG = 240
"""Seconds that a test waits at most; on an idle machine it is a tenth of it."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("slurm")) as running:
        before = os.environ.get("SLURM_CONF")
        os.environ["SLURM_CONF"] = str(running.configuration)
        yield running
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


def grid_of(count: int, steps: int) -> Grid:
    """Runs that differ in their seed alone; float32, so that all launchers settle on the same specs."""
    arm = Arm(run={})
    experiment = Experiment(name="six", claim="A test.", tasks=("bit-xor",), arms={"one": arm}, baseline="one")
    fields = {"task": "bit-xor", "data": "real", "layers": 1, "dropout": 0.1, "learning_rate": 1e-4}
    specs = [
        RunSpec(**fields, max_steps=steps, eval_every=steps // 2, precision="float32", body_execution="native", seed=seed)
        for seed in range(count)
    ]
    runs = tuple(GridRun(task="bit-xor", arm="one", spec=spec) for spec in specs)
    return Grid(experiment=experiment, profile="tiny", targets={}, runs=runs)


def finished(runs: Path) -> dict[str, dict[str, object]]:
    results, problems = collect_results(runs)
    assert problems == []
    return {result.spec.run_id: numbers(result) for result in results}


def numbers(result: RunResult) -> dict[str, object]:
    assert result.status == "ok", result.error
    return result.model_dump(exclude=TIMES)


def wait_until_empty(cluster: Cluster) -> None:
    cluster.wait_for(lambda: not cluster.queue(), "an empty queue", LONG)


def alone(grid: Grid, folder: Path) -> dict[str, dict[str, object]]:
    """The same runs in this process, undisturbed."""
    return {run.spec.run_id: numbers(run_one(run.spec, Workspace(folder, offline=True))) for run in grid.runs}


def begun(runs: Path) -> bool:
    """A run has a checkpoint and no result: its job is in the middle."""
    return any(not (path.parents[1] / RESULT_FILE).exists() for path in runs.glob("*/checkpoints/last.ckpt"))


def test_six_runs_as_an_array_give_what_the_local_launcher_gives(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "six.yaml").write_text(
        "claim: A test.\ntasks: [bit-xor]\nbaseline: random\narms:\n"
        "  random: {role: language, run: {init: random}}\n  language: {role: language, run: {init: pretrained}}\n"
    )
    (tmp_path / "tiny.yaml").write_text(
        "summary: A test.\nbodies: {language: minilm}\nseeds: [0, 1, 2]\n"
        "run: {layers: 1, dropout: 0.1, precision: float32}\n"
        "tasks: {bit-xor: {max_steps: 20, eval_every: 10, data: real}}\n"
        "launcher: {kind: slurm, time: 10, parallelism: 2}\n"
    )
    files = ["--experiments", str(tmp_path / "six.yaml"), "--profile", str(tmp_path / "tiny.yaml"), "--offline"]

    def bench(runs: str, *more: str) -> str:
        command = [sys.executable, "-m", "fpt_bench", "bench", *files, "--runs", str(tmp_path / runs), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "6 runs sent as job" in bench("far")
    states = folder_status(tmp_path / "far", _console())["six-tiny"]
    assert {state.state for state in states} <= {"queued", "running"}, "the sender is gone, its jobs are not"
    assert "nothing to send: 0 done, 6 in the queue" in bench("far")
    wait_until_empty(cluster)
    assert "all runs are done" in bench("far")
    far = finished(tmp_path / "far")
    assert len(far) == 6
    bench("near", "--launcher", "local", "--workers", "1")
    assert far == finished(tmp_path / "near")
    shown = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["status", str(tmp_path / "far")]).stdout
    assert shown.split()[-7:] == ["six-tiny", "0", "0", "0", "6", "0", "0"]


def _console() -> object:
    from rich.console import Console

    return Console(stderr=True)
