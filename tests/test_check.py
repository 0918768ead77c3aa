"""The regression gate finds a planted regression and passes over noise."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fpt_bench.check import check_table, make_baseline, read_baseline
from fpt_bench.tables import build_frame
from tests.made_up import made_up_grid, made_up_result

EFFECT = ("language > random on bit-xor",)


def frame_of(language: list[float], random: list[float], step: int = 50) -> pd.DataFrame:
    curve = ((step, 0.97), (100, 0.98))
    results = [made_up_result("bit-xor", seed, accuracy, curve=curve) for seed, accuracy in enumerate(language)]
    results += [made_up_result("bit-xor", seed, accuracy, init="random") for seed, accuracy in enumerate(random)]
    return build_frame(made_up_grid(("bit-xor",), tuple(range(len(language)))), results)


@pytest.fixture
def baseline(tmp_path: Path) -> pd.DataFrame:
    path = tmp_path / "baseline.csv"
    make_baseline(frame_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79])).to_csv(path, index=False)
    return read_baseline(path)


def test_the_same_table_passes(baseline: pd.DataFrame) -> None:
    verdict = check_table(frame_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79]), baseline, EFFECT)
    assert verdict.problems == ()
    assert verdict.line == "check passed: 2 cells, no regression"


def test_a_planted_fall_is_found(baseline: pd.DataFrame) -> None:
    verdict = check_table(frame_of([0.85, 0.86, 0.87], [0.80, 0.81, 0.79]), baseline)
    assert len(verdict.problems) == 1
    assert "bit-xor / language: accuracy fell from 96.0 to 86.0 %" in verdict.problems[0]


def test_slower_convergence_is_found(baseline: pd.DataFrame) -> None:
    verdict = check_table(frame_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79], step=90), baseline)
    assert verdict.problems == ("bit-xor / language: steps to target rose from 50 to 90, more than 1.5 times",)


def test_a_changed_sign_of_a_declared_effect_is_found(baseline: pd.DataFrame) -> None:
    verdict = check_table(frame_of([0.95, 0.96, 0.97], [0.98, 0.98, 0.98]), baseline, EFFECT)
    assert verdict.problems == (
        "effect 'language > random on bit-xor' has changed its sign: accuracy 0.960 against 0.980",
    )


def test_a_missing_cell_and_changed_data_are_found(baseline: pd.DataFrame) -> None:
    now = frame_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79])
    changed = baseline.assign(data_fingerprint="0" * 16)
    assert "data fingerprint was" in check_table(now, changed).problems[0]
    verdict = check_table(now[now["arm"] == "random"], baseline)
    assert verdict.problems == ("bit-xor / language: expected a result, got none",)


def test_noise_passes_and_a_regression_does_not_over_20_repeats() -> None:
    generator = np.random.default_rng(0)

    def draw(mean: float) -> list[float]:
        return list(generator.normal(mean, 0.01, size=3))

    kept = make_baseline(frame_of(draw(0.9), draw(0.8)))
    noise = [check_table(frame_of(draw(0.9), draw(0.8)), kept).problems for _ in range(20)]
    planted = [check_table(frame_of(draw(0.8), draw(0.8)), kept).problems for _ in range(20)]
    assert sum(bool(problems) for problems in noise) <= 1
    assert all(planted)


def test_a_baseline_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "baseline.csv"
    path.write_text("task,arm\nbit-xor,language\n")
    with pytest.raises(ValueError, match=r"baseline\.csv: expected the columns .*missing: accuracy"):
        read_baseline(path)


def test_two_seeds_do_not_hide_a_fall() -> None:
    kept = make_baseline(frame_of([0.90, 0.91], [0.80, 0.81]))
    assert check_table(frame_of([0.84, 0.85], [0.80, 0.81]), kept).problems
    assert not check_table(frame_of([0.885, 0.895], [0.80, 0.81]), kept).problems
