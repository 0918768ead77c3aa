"""The step's benchmark: its numbers follow from its denominators, and a limit is one."""

import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.nn import functional

from benchmarks import collecting, gpu_steps, overhead
from benchmarks.machine import Instructions, busy_seconds, precisions
from benchmarks.products import Executed, Probes, Product, count_executed, limit_seconds
from benchmarks.step_time import COLUMNS
from tests.paths import ROOT

NEAR = 1e-4
"""Relative: the CSV has six digits."""


def test_results_are_collected_and_a_grid_of_short_runs_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collecting.main(3, tmp_path)
    assert capsys.readouterr().out.count("3 results, 0 problems") == 3
    grid = overhead.short_grid(4)
    assert [len(specs) for specs in grid.cells().values()] == [2, 2]


@pytest.mark.slow
def test_a_workload_end_to_end(tmp_path: Path) -> None:
    output = tmp_path / "steps.csv"
    command = [sys.executable, "-m", "benchmarks.step_time", "minilm-2x8", "--repeats", "1", "--threads", "1"]
    subprocess.run([*command, "--output", str(output)], cwd=ROOT, check=True, capture_output=True)
    frame = pd.read_csv(output)
    assert list(frame.columns) == COLUMNS
    assert [*zip(frame["precision"], frame["dropout"], strict=True)] == [(p, d) for p in precisions() for d in (0, 0.1)]
    assert frame["processor"].notna().all()
    with_peak = (frame["precision"] == precisions()[-1]) & (frame["dropout"] > 0)
    assert (frame["peak_memory_mb"].notna() == with_peak).all()
    for _, row in frame.iterrows():
        assert 0 < row["share_of_products"] < 1.2
        assert row["share_of_products"] == pytest.approx(row["product_limit_ms"] / row["ours_ms"], NEAR)
        assert row["product_limit_ms"] == pytest.approx(1000 * row["executed_gflop"] / row["product_gflops"], NEAR)
        assert row["ratio_same_dropout"] == pytest.approx(row["plain_ms"] / row["ours_ms"], NEAR)
        assert row["ratio_to_published"] == pytest.approx(row["plain_published_ms"] / row["ours_ms"], NEAR)
        if not Instructions().missing.get(row["precision"]):
            assert 0 < row["share_of_instructions"] < 1.2
            limit = 1000 * row["executed_gflop"] / row["instruction_gflops"]
            assert row["instruction_limit_ms"] == pytest.approx(limit, NEAR)
            assert row["share_of_instructions"] == pytest.approx(limit / row["ours_ms"], NEAR)
    published = frame[frame["dropout"] > 0]
    assert (published["plain_ms"] == published["plain_published_ms"]).all()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a compiler")
def test_no_product_is_faster_than_bare_instructions() -> None:
    square = Product(256, 256, 256, torch.float32)
    probes, instructions = Probes([Executed(square.flops, Counter({square: 1}))]), Instructions()
    for _ in range(10):
        probes.run()
    product, bare = square.flops / probes.fastest[square] / 1e9, 0.0
    # A neighbour on the core takes more from a loop of two milliseconds than from a product of half a one: patience.
    deadline = time.monotonic() + 60
    while product >= 1.2 * bare and time.monotonic() < deadline:
        bare = max(bare, instructions.rate("float32", threads=1) or 0.0)
    assert 1 < product < 1.2 * bare


def test_others_are_counted_on_the_cores_that_this_process_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other cores of a machine of sixteen take nothing away from a step that is pinned to two."""
    counters = tmp_path / "stat"
    # user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen
    counters.write_text("cpu  900 0 0 0 0 0 0 0\ncpu0 100 20 30 999 999 4 6 999\ncpu1 700 0 0 0 0 0 0 0\nintr 5\n")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    assert busy_seconds(counters) == 1.6
    assert busy_seconds(tmp_path / "none") == 0


def test_without_a_compiler_there_is_no_rate_but_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    instructions = Instructions()
    assert instructions.rate("float32", threads=1) is None
    assert "compiler" in instructions.missing["float32"]


def test_products_are_counted_where_they_are_executed_and_once() -> None:
    weight, bias = torch.ones(5, 3), torch.ones(5)
    given = torch.ones(2, 3, requires_grad=True)
    executed = count_executed(lambda: functional.linear(given, weight, bias).sum().backward())
    forward, backward = Product(2, 3, 5, torch.float32), Product(2, 5, 3, torch.float32)
    assert executed == Executed(2 * forward.flops, Counter({forward: 1, backward: 1}))


@pytest.mark.parametrize(("causal", "seen"), [(False, 8 * 8), (True, 8 * 9 // 2)])
def test_fused_attention_is_counted(causal: bool, seen: int) -> None:
    query, key, value = (torch.ones(1, 2, 8, 4, requires_grad=True) for _ in range(3))
    attend = functional.scaled_dot_product_attention
    executed = count_executed(lambda: attend(query, key, value, is_causal=causal).sum().backward())
    # Forward: scores, and values weighed by them; backward: scores again, and a gradient of each of four factors.
    assert executed.flops == (2 + 5) * 2 * 2 * 4 * seen
    assert not executed.products


def test_what_is_not_timed_is_taken_at_the_best_rate() -> None:
    square, flat = Product(10, 10, 10, torch.float32), Product(1, 10, 10, torch.float32)
    step = Executed(flops=3 * square.flops + flat.flops, products=Counter({square: 3, flat: 1}))
    assert limit_seconds(step, {square: 0.5}) == pytest.approx(3 * 0.5 + 0.05)


def test_the_gpus_benchmark_asks_for_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_steps"])
    with pytest.raises(SystemExit, match="2"):
        gpu_steps.main()
    assert "expected a GPU that CUDA can use, got none" in capsys.readouterr().err


@pytest.mark.slow
def test_the_gpus_rows_follow_from_their_denominators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken on a CPU, where nothing is launched, waited for or kept by a GPU."""
    monkeypatch.setattr(gpu_steps, "GPU", torch.device("cpu"))
    monkeypatch.setattr(gpu_steps, "TURNS", 1)
    monkeypatch.setattr(gpu_steps, "STEPS", 1)
    monkeypatch.setattr(gpu_steps, "_peak", lambda _: 0.0)
    monkeypatch.setattr(gpu_steps, "_waits", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    rows = {row["arm"]: row for row in gpu_steps.measure("minilm-2x8")}
    assert list(rows) == ["plain", "autocast", "float32", "bfloat16"]
    assert set(rows["bfloat16"]) <= set(gpu_steps.COLUMNS)
    assert rows["plain"]["plain_over_this"] == 1
    for arm in ("float32", "bfloat16"):
        assert 0 < rows[arm]["share_of_products"] < 1.2
        assert rows[arm]["share_of_products"] == pytest.approx(rows[arm]["limit_ms"] / rows[arm]["ms"])
        assert rows[arm]["executed_gflop"] == pytest.approx(0.6, abs=0.01)
