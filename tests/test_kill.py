"""Two workers on one grid, killed 20 times at random moments: the results are those of runs nobody disturbed."""

import itertools
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from fpt_bench.config.spec import RunSpec
from fpt_bench.results.result_files import collect_results
from fpt_bench.results.workspace import Workspace
from fpt_bench.training.one_run import run_one
from tests.kills import start

KILLS = 20
ENOUGH = "enough"


def spec_of(seed: int) -> RunSpec:
    return RunSpec(task="bit-xor", data="real", layers=1, max_steps=100, eval_every=10, learning_rate=1e-4, seed=seed)


def work(runs: Path, swap: int) -> None:
    """Do run after run until it is enough; with `swap` 0 and 1, two workers take turns and meet in the same folders."""
    torch.set_num_threads(1)
    for place in itertools.count():
        if (runs / ENOUGH).exists():
            return
        run_one(spec_of(place ^ swap), Workspace(runs, offline=True))


def finish(runs: Path, seeds: list[int]) -> None:
    torch.set_num_threads(1)
    for seed in seeds:
        run_one(spec_of(seed), Workspace(runs, offline=True))


def end(*workers: BaseProcess) -> None:
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


def numbers(runs: Path) -> dict[str, dict[str, object]]:
    results, problems = collect_results(runs)
    assert problems == []
    return {result.spec.run_id: result.numbers() for result in results}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_20_times_at_random_moments_two_workers_end_with_the_same_results(tmp_path: Path) -> None:
    chance = random.Random(0)
    disturbed, alone = tmp_path / "disturbed", tmp_path / "alone"
    workers = [start(work, disturbed, swap) for swap in (0, 1)]
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, 1.2))
        swap = chance.randrange(2)
        workers[swap].kill()
        workers[swap].join()
        assert workers[swap].exitcode == -signal.SIGKILL
        workers[swap] = start(work, disturbed, swap)
    (disturbed / ENOUGH).touch()
    end(*workers)
    begun = [seed for seed in range(1000) if (disturbed / spec_of(seed).run_id).exists()]
    end(start(finish, disturbed, begun))
    end(*(start(finish, alone, begun[half::2]) for half in (0, 1)))
    assert len(numbers(disturbed)) == len(begun) >= 2
    assert numbers(disturbed) == numbers(alone)
    left = [*disturbed.rglob(".result*"), *disturbed.rglob(".unfinished-*"), *disturbed.rglob("*.claim")]
    assert not left, "no half-written file and no lease stays"
