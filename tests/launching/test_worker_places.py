"""How many workers there are, and the core, GPU and thread that each of them has."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fpt_bench.launching.workers import _gpus, _pin, _places, default_workers
from fpt_bench.results.result_files import collect_results
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("gpus", "gigabytes", "cores", "workers"),
    [(0, 0, 6, 6), (1, 140, 16, 8), (1, 80, 16, 6), (1, 24, 16, 2), (1, 8, 16, 1), (2, 80, 4, 4), (8, 80, 4, 8)],
)
def test_there_are_as_many_workers_as_gpus_have_room_and_cores_can_drive(
    monkeypatch: pytest.MonkeyPatch, gpus: int, gigabytes: int, cores: int, workers: int
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    memory = SimpleNamespace(total_memory=gigabytes * 2**30)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: memory)
    monkeypatch.setattr("fpt_bench.launching.workers.cores", lambda: list(range(cores)))
    assert default_workers() == workers


def test_workers_take_a_gpu_each_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpt_bench.launching.workers._gpus", lambda: ["3", "5"])
    assert list(_places(3)) == [(None, "3"), (None, "5"), (None, "3")]
    for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
    _pin(None, "5")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"


def test_workers_have_a_core_each_where_a_bench_has_one_for_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two benches of one worker on two cores both lay on the first, and the second core was idle."""
    monkeypatch.setattr("fpt_bench.launching.workers._gpus", list)
    monkeypatch.setattr("fpt_bench.launching.workers.cores", lambda: [4, 6])
    assert [core for core, _ in _places(1)] == [None]
    assert [core for core, _ in _places(2)] == [4, 6]
    assert [core for core, _ in _places(3)] == [4, 6, 4]


def test_gpus_that_cuda_does_not_see_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for named, seen in (("0,7", ["0"]), (" 0,", ["0"]), ("", ["0"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert _gpus() == seen


SCRIPT = """
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from fpt_bench.launching.workers import hire, run_all
from fpt_bench.config.spec import RunSpec
from fpt_bench.results.workspace import Workspace

if __name__ == "__main__":
    torch.set_num_threads(2)
    spec = RunSpec(task="bit-xor", data="real", layers=1, max_steps=2, eval_every=2, precision="float32")
    workspace = Workspace(Path(sys.argv[1]), offline=True)
    with hire(1, workspace) as crew:
        list(run_all([spec], workspace, crew))
"""


def test_a_script_that_imports_torch_first_has_workers_of_one_thread_all_the_same(tmp_path: Path) -> None:
    """Two threads on the one core that a worker is pinned to took fifty times as long."""
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    here = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, env=here, timeout=300)
    (result,) = collect_results(tmp_path)[0]
    assert (result.status, {attempt.threads for attempt in result.attempts}) == ("ok", {1})
