"""Grids on a real Slurm of two nodes: as an array, through dead nodes, requeues and cancellations."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fpt_bench.cli import app
from fpt_bench.commands.status import folder_status
from fpt_bench.config.launcher import Launcher
from fpt_bench.config.spec import RunSpec
from fpt_bench.launching.slurm import queued_runs, send
from fpt_bench.results.folder import RESULT_FILE
from fpt_bench.results.result_files import collect_results
from fpt_bench.results.workspace import Workspace
from tests.launching.slurm.cluster import Cluster, missing_for_a_cluster
from tests.launching.slurm.stand_in import CHECKPOINT, HISTORY, count_steps
from tests.test_distributed import assert_same_run, run, run_here

REASON = missing_for_a_cluster()
pytestmark = [pytest.mark.skipif(REASON is not None, reason=str(REASON)), pytest.mark.slow]
TEN_MINUTES = Launcher(kind="slurm", time=10)
PATIENCE_SECONDS = 150.0
"""That a test waits at most; on an idle machine it takes a fifth of it."""
REQUEUE_SECONDS = 3.0
"""That a job which Slurm takes back may be in no list: once its run was left at a step, and the queue looked empty."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch, Cluster(tmp_path_factory.mktemp("slurm")) as running:
        patch.setenv("SLURM_CONF", str(running.configuration))
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "runs", offline=True)


def specs(count: int, steps: int = 50) -> list[RunSpec]:
    return [RunSpec(task="bit-xor", data="real", max_steps=steps, eval_every=steps, seed=n) for n in range(count)]


def wait_until_empty(cluster: Cluster) -> None:
    def is_empty() -> bool:
        cluster.hurry()
        if cluster.queue():
            return False
        time.sleep(REQUEUE_SECONDS)
        return not cluster.queue()

    cluster.wait_for(is_empty, "an empty queue", PATIENCE_SECONDS)


def wait_until_over(cluster: Cluster, workspace: Workspace, wanted: list[RunSpec]) -> None:
    """Wait for every run's result, then for the queue: that alone may look empty while Slurm takes a job back."""

    def are_over() -> bool:
        cluster.hurry()
        return all((workspace.runs / spec.run_id / RESULT_FILE).exists() for spec in wanted)

    cluster.wait_for(are_over, "all results", PATIENCE_SECONDS)
    wait_until_empty(cluster)


def history(workspace: Workspace, spec: RunSpec) -> list[str]:
    path = workspace.runs / spec.run_id / HISTORY
    return path.read_text().splitlines() if path.exists() else []


def begun(workspace: Workspace, wanted: list[RunSpec]) -> list[RunSpec]:
    """Return the runs in the middle: with a checkpoint and no result."""
    folders = [(spec, workspace.runs / spec.run_id) for spec in wanted]
    return [spec for spec, at in folders if (at / CHECKPOINT).exists() and not (at / RESULT_FILE).exists()]


def assert_each_done_once(workspace: Workspace, wanted: list[RunSpec]) -> None:
    results, problems = collect_results(workspace.runs)
    assert problems == []
    assert sorted(r.spec.run_id for r in results) == sorted(s.run_id for s in wanted), "nothing twice, nothing lost"
    assert all(history(workspace, spec).count("finished") == 1 for spec in wanted)


def test_four_runs_as_an_array_give_what_the_local_launcher_gives(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "four.yaml").write_text(
        "question: A test.\ntasks: [bit-xor]\nbaseline: random\narms:\n"
        "  random: {role: language, run: {init: random}}\n  language: {role: language, run: {init: pretrained}}\n"
    )
    (tmp_path / "tiny.yaml").write_text(
        "summary: A test.\nbodies: {language: minilm}\nseeds: [0, 1]\n"
        "run: {layers: 1, dropout: 0.1, precision: float32}\n"
        "tasks: {bit-xor: {max_steps: 20, eval_every: 10, data: real}}\n"
        "launcher: {kind: slurm, time: 10, parallelism: 2}\n"
    )
    files = ["--experiments", str(tmp_path / "four.yaml"), "--profile", str(tmp_path / "tiny.yaml"), "--offline"]

    def bench(runs: str, *more: str) -> str:
        done = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["bench", *files, "--runs", str(tmp_path / runs), *more])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def numbers(runs: str) -> dict[str, dict[str, object]]:
        results, problems = collect_results(tmp_path / runs)
        assert problems == []
        return {result.spec.run_id: result.numbers() for result in results}

    assert "4 runs sent as job" in bench("far")
    states = folder_status(tmp_path / "far", Console(stderr=True))["four-tiny"]
    assert {state.state for state in states} <= {"queued", "running"}
    assert "nothing to send: 0 done, 4 in the queue" in bench("far")
    wait_until_empty(cluster)
    assert "all runs are done" in bench("far")
    bench("near", "--launcher", "local", "--workers", "1")
    assert len(numbers("far")) == 4
    assert numbers("far") == numbers("near")
    shown = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["status", str(tmp_path / "far")]).stdout
    assert shown.split()[-8:] == ["four-tiny", "0", "0", "0", "0", "4", "0", "0"]


def test_jobs_outlive_the_process_that_sent_them(cluster: Cluster, workspace: Workspace) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from fpt_bench.launching.slurm import send; from fpt_bench.results.workspace import Workspace\n"
        "from tests.launching.slurm.stand_in import count_steps\n"
        "from tests.launching.slurm.test_slurm import specs, TEN_MINUTES\n"
        "send(specs(2, steps=10), Workspace(Path(sys.argv[1])), TEN_MINUTES, count_steps)"
    )
    subprocess.run([sys.executable, "-c", code, str(workspace.runs)], check=True, timeout=PATIENCE_SECONDS)
    wait_until_over(cluster, workspace, specs(2, steps=10))
    assert_each_done_once(workspace, specs(2, steps=10))


def test_runs_of_a_node_that_dies_are_sent_again_and_finish(cluster: Cluster, workspace: Workspace) -> None:
    wanted = specs(4, steps=30)
    send(wanted, workspace, TEN_MINUTES, count_steps)
    cluster.wait_for(lambda: len(begun(workspace, wanted)) == 2, "a run on each node", PATIENCE_SECONDS)
    (killed,) = [line.split()[0] for line in cluster.queue() if line.endswith("RUNNING n2")]
    cluster.kill_node("n2")
    cluster.start_node("n2")
    # Slurm would do it again by itself after two minutes; whoever sent it does not wait for that.
    cluster.wait_for(lambda: f"{killed} RUNNING n2" not in cluster.queue(), "Slurm to see it", PATIENCE_SECONDS)
    cluster.client("scancel", killed)
    wait_until_empty(cluster)
    lost = [spec for spec in wanted if not (workspace.runs / spec.run_id / RESULT_FILE).exists()]
    assert len(lost) == 1
    assert send(lost, workspace, TEN_MINUTES, count_steps)[0] == 1
    wait_until_over(cluster, workspace, wanted)
    assert_each_done_once(workspace, wanted)
    attempts = [line for line in history(workspace, lost[0]) if line.startswith("from")]
    assert len(attempts) == 2
    assert attempts[-1] != "from 0", "it went on from its checkpoint"


def test_a_requeued_run_goes_on_from_its_checkpoint(cluster: Cluster, workspace: Workspace) -> None:
    wanted = specs(1, steps=60)
    send(wanted, workspace, TEN_MINUTES, count_steps)
    cluster.wait_for(lambda: begun(workspace, wanted) != [], "a running job", PATIENCE_SECONDS)
    (job,) = [line.split()[0] for line in cluster.queue()]
    cluster.client("scontrol", "requeue", job.removesuffix("_N/A"))
    wait_until_over(cluster, workspace, wanted)
    assert_each_done_once(workspace, wanted)
    first, left, second, last = history(workspace, wanted[0])
    assert (first, last) == ("from 0", "finished")
    step = left.removeprefix("left at ").removesuffix(" after SIGTERM")
    assert second == f"from {step}"


def test_what_is_cancelled_is_sent_again(cluster: Cluster, workspace: Workspace) -> None:
    wanted = specs(4, steps=30)
    _, (array,) = send(wanted, workspace, TEN_MINUTES, count_steps)
    cluster.wait_for(lambda: len(begun(workspace, wanted)) == 2, "two running jobs", PATIENCE_SECONDS)
    assert sorted(queued_runs(workspace.runs).values()) == ["queued", "queued", "running", "running"]
    assert send(wanted, workspace, TEN_MINUTES, count_steps) == (0, [])
    cluster.client("scancel", array)
    wait_until_empty(cluster)
    assert collect_results(workspace.runs) == ([], [])
    assert send(wanted, workspace, TEN_MINUTES, count_steps)[0] == 4
    (workspace.runs / "slurm" / f"sent-{array}.json").unlink()
    wait_until_over(cluster, workspace, wanted)
    assert_each_done_once(workspace, wanted)


@pytest.mark.usefixtures("cluster")
def test_one_run_over_two_nodes_gives_the_curve_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The nodes' names are of this cluster alone: no name service knows them.
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    srun = ("srun", "--nodes=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1")
    over_nodes = ("--num-nodes", "2", "--strategy", "ddp")
    two = run(tmp_path / "two", *over_nodes, under=srun)
    assert_same_run(run_here(tmp_path / "one"), two)
    for checkpoints in tmp_path.glob("two/*/checkpoints"):
        shutil.rmtree(checkpoints)
    assert run(tmp_path / "two", *over_nodes, under=srun) == two, "a run that is over waits for nobody"
