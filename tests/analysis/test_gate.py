"""The regression gate finds a planted regression and passes over noise."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from fpt_bench.analysis.cells import Bench
from fpt_bench.analysis.gate import COLUMNS, KeptCell, check_bench, make_baseline, read_baseline, write_baseline
from fpt_bench.report.verdict import render_junit, render_summary
from tests.made_up import INITS, made_up_grid, made_up_result

EFFECT = "language > random on bit-xor"


def bench_of(language: list[float], random: list[float], step: int = 50) -> Bench:
    curve = ((step, 0.97), (100, 0.98))
    results = [made_up_result("bit-xor", seed, accuracy, curve=curve) for seed, accuracy in enumerate(language)]
    results += [made_up_result("bit-xor", seed, accuracy, init="random") for seed, accuracy in enumerate(random)]
    return Bench.of(made_up_grid(("bit-xor",), tuple(range(len(language)))), results)


@pytest.fixture
def baseline(tmp_path: Path) -> list[KeptCell]:
    path = tmp_path / "baseline.csv"
    path.write_text(write_baseline(make_baseline(bench_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79]))))
    return read_baseline(path)


def test_the_same_table_passes(baseline: list[KeptCell]) -> None:
    verdict = check_bench(bench_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79]), baseline)
    assert verdict.problems == ()
    assert verdict.line == "check passed: 2 cells, no regression"


def test_a_planted_fall_is_found(baseline: list[KeptCell]) -> None:
    verdict = check_bench(bench_of([0.85, 0.86, 0.87], [0.80, 0.81, 0.79]), baseline)
    assert len(verdict.problems) == 1
    assert "bit-xor / language: accuracy fell from 96.0 to 86.0 %" in verdict.problems[0]


def test_slower_convergence_is_found_beyond_the_resolution() -> None:
    scores = [0.95, 0.96, 0.97], [0.80, 0.81, 0.79]
    kept = make_baseline(bench_of(*scores, step=30))
    verdict = check_bench(bench_of(*scores, step=90), kept)
    assert verdict.problems == (
        "bit-xor / language: steps to target rose from 30 to 90, more than 1.5 times and more than one validation",
    )
    one_validation_later = check_bench(bench_of(*scores, step=80), kept)
    assert one_validation_later.problems == ()


def test_a_target_that_is_missed_now_is_found() -> None:
    scores = [0.95, 0.96, 0.97], [0.80, 0.81, 0.79]
    kept = [replace(cell, steps_to_target=20.0) for cell in make_baseline(bench_of(*scores))]
    assert "bit-xor / random: steps to target rose from 20 to inf" in check_bench(bench_of(*scores), kept).problems[-1]


def test_a_changed_sign_of_a_declared_effect_is_found(baseline: list[KeptCell]) -> None:
    verdict = check_bench(bench_of([0.95, 0.96, 0.97], [0.98, 0.98, 0.98]), baseline)
    assert verdict.problems == (
        "effect: 'language > random on bit-xor' has changed its sign: accuracy 0.960 against 0.980",
    )


def test_a_missing_cell_and_changed_data_are_found(baseline: list[KeptCell]) -> None:
    now = bench_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79])
    changed = [replace(cell, data_fingerprint="0" * 16) for cell in baseline]
    assert "data fingerprint was" in check_bench(now, changed).problems[0]
    verdict = check_bench(replace(now, cells=now.cells[1:]), baseline)
    assert verdict.problems == (
        "bit-xor / language: expected a result, got none",
        f"effect: '{EFFECT}': expected results of both arms",
    )


PER_SEED = {"language": (0.93, 0.010), "random": (0.80, 0.015)}
"""Mean and standard deviation over seeds of a made-up bench's two cells."""


def draw_bench(generator: np.random.Generator, loss: float = 0.0, late: int = 0) -> Bench:
    """A bench of five seeds; the arm `language` has lost accuracy or converges later where a regression is planted."""
    results = []
    for seed in range(5):
        for arm, (mean, deviation) in PER_SEED.items():
            planted = arm == "language"
            accuracy = float(np.clip(generator.normal(mean - loss * planted, deviation), 0, 1))
            reached = int(generator.integers(3, 6)) * 10 + late * planted
            curve = ((reached, 0.96), (200, 0.97))
            result = made_up_result("bit-xor", seed, accuracy, init=INITS[arm], curve=curve)
            results.append(result)
    return Bench.of(made_up_grid(("bit-xor",), tuple(range(5))), results)


def test_planted_regressions_are_caught_and_noise_is_not_over_20_repeats() -> None:
    generator = np.random.default_rng(2021)

    def alarms(loss: float = 0.0, late: int = 0) -> int:
        """Of 20 benches, each against a baseline drawn anew."""
        return sum(
            bool(check_bench(draw_bench(generator, loss, late), make_baseline(draw_bench(generator))).problems)
            for _ in range(20)
        )

    counts = {"noise": alarms(), "5 pp lost": alarms(loss=0.05), "80 steps later": alarms(late=80)}
    assert counts == {"noise": 0, "5 pp lost": 20, "80 steps later": 20}


def test_a_baseline_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "baseline.csv"
    path.write_text("task,arm\nbit-xor,language\n")
    with pytest.raises(ValueError, match=r"baseline\.csv: expected the columns .*missing: accuracy"):
        read_baseline(path)


def test_two_seeds_do_not_hide_a_fall() -> None:
    kept = make_baseline(bench_of([0.90, 0.91], [0.80, 0.81]))
    assert check_bench(bench_of([0.84, 0.85], [0.80, 0.81]), kept).problems
    assert not check_bench(bench_of([0.885, 0.895], [0.80, 0.81]), kept).problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a baseline in CSV"),
        ('"a,b\n1,2,3\n', "expected a baseline in CSV"),
        (",".join(COLUMNS) + "\nbit-xor,random,3,good,0,1,1,0,a,b,0\n", "numbers in accuracy_mean"),
        (",".join(COLUMNS) + "\n", "expected a row for each cell"),
    ],
)
def test_a_garbled_baseline_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "baseline.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_baseline(path)


def test_a_seed_that_is_missing_is_found(baseline: list[KeptCell]) -> None:
    verdict = check_bench(bench_of([0.95, 0.96], [0.80, 0.81]), baseline)
    assert verdict.problems[0] == "bit-xor / language: expected 3 runs with a score, got 2"


def test_a_margin_of_a_task_is_kept_when_the_baseline_is_renewed(baseline: list[KeptCell]) -> None:
    wide = [replace(cell, margin=margin) for cell, margin in zip(baseline, (0.2, 0.02), strict=True)]
    renewed = make_baseline(bench_of([0.90, 0.91, 0.92], [0.80, 0.81, 0.79]), wide)
    assert [cell.margin for cell in renewed] == [0.2, 0.02]
    assert not check_bench(bench_of([0.81, 0.82, 0.83], [0.80, 0.81, 0.79]), renewed).problems


def test_junit_has_a_case_for_each_cell_and_check(baseline: list[KeptCell]) -> None:
    verdict = check_bench(bench_of([0.85, 0.86, 0.87], [0.90, 0.91, 0.89]), baseline)
    suite = ElementTree.fromstring(render_junit(verdict))
    cases = {(case.get("classname"), case.get("name")): case.find("failure") for case in suite}
    assert {check for place, check in cases if place == "bit-xor / random"} == {
        "result", "data", "body", "accuracy", "convergence",
    }  # fmt: skip
    failed = {place for place, failure in cases.items() if failure is not None}
    assert failed == {("bit-xor / language", "accuracy"), ("effect", EFFECT)}
    assert (suite.get("tests"), suite.get("failures")) == ("11", "2")


def test_the_summary_says_what_failed(baseline: list[KeptCell]) -> None:
    bad = check_bench(bench_of([0.85, 0.86, 0.87], [0.80, 0.81, 0.79]), baseline)
    page = render_summary(bad, Path("runs"), Path("kept.csv"))
    assert page.startswith("**check failed: 1 problems in 2 cells**\n\n`runs` against `kept.csv`\n")
    assert "| bit-xor / language | accuracy | accuracy fell from 96.0 to 86.0 %" in page
    good = check_bench(bench_of([0.95, 0.96, 0.97], [0.80, 0.81, 0.79]), baseline)
    assert "|" not in render_summary(good, Path("runs"), Path("kept.csv"))
