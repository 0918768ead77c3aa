"""Targets come from rules and simple learners, by hand; and a simple learner that no arm is above is said."""

import math

import pytest

from fpt_bench.analysis.benches import Bench
from fpt_bench.analysis.cells import STATED
from fpt_bench.analysis.export import cells_frame
from fpt_bench.analysis.targets import HALF_WAY, target_of
from fpt_bench.config.grid import Grid
from fpt_bench.report.notes import below_simple, bench_notes
from fpt_bench.report.tables import text_tables
from fpt_bench.results.result import DataRecord, RunResult
from tests.made_up import made_up_grid, made_up_record, made_up_result


def data(floor: float, perfect: float = 1.0) -> DataRecord:
    return DataRecord(
        kind="real", source="numbers", fingerprint="d" * 64, perfect=perfect, trivial={"guess": floor}, floor=floor
    )


def test_the_target_is_the_best_that_is_on_record() -> None:
    assert target_of(data(0.1), made_up_record("mnist", {"centroid": 0.7, "linear": 0.88})) == (0.88, "linear")


@pytest.mark.parametrize("learners", [{}, {"linear": 0.05}, {"linear": 0.117}])
def test_where_nothing_simple_is_clearly_above_the_floor_it_is_half_way(learners: dict[str, float]) -> None:
    assert target_of(data(0.1), made_up_record("mnist", learners)) == (pytest.approx(0.55), HALF_WAY)
    assert target_of(data(0.1), None) == (pytest.approx(0.55), HALF_WAY)


def test_a_floor_that_an_earlier_result_did_not_know_is_a_target() -> None:
    known = made_up_record("mnist", {}).model_copy(update={"floors": {"guess": 0.5, "copy and average": 0.845}})
    assert target_of(data(0.75), known) == (0.845, "copy and average")


def test_a_perfect_floor_is_its_own_target() -> None:
    assert target_of(data(1.0), None) == (1.0, HALF_WAY)


def with_curve(score: float, init: str, seed: int) -> RunResult:
    return made_up_result("mnist", seed, score, init, curve=((50, score - 0.1), (100, score)))


def mnist_grid(targets: dict[str, float]) -> Grid:
    return made_up_grid(("mnist",)).model_copy(update={"targets": targets})


RESULTS = [with_curve(0.8, "pretrained", seed) for seed in range(3)] + [with_curve(0.6, "random", s) for s in range(3)]


@pytest.mark.parametrize(
    ("targets", "learners", "expected"),
    [
        ({}, {"linear": 0.65}, (0.65, "linear", 50, math.inf)),
        ({}, {"linear": 0.75}, (0.75, "linear", 100, math.inf)),
        ({}, {}, (pytest.approx(0.55), HALF_WAY, 50, 100)),
        ({"mnist": 0.58}, {"linear": 0.75}, (0.58, STATED, 50, 100)),
    ],
)
def test_steps_are_those_to_the_first_validation_at_the_target(
    targets: dict[str, float], learners: dict[str, float], expected: tuple[float, str, float, float]
) -> None:
    bench = Bench.of(mnist_grid(targets), RESULTS, simple=[made_up_record("mnist", learners)])
    language, random = (cell.convergence for cell in bench.cells)
    assert language is not None
    assert random is not None
    assert (language.target, language.what, language.steps, random.steps) == expected


def test_a_record_of_other_data_or_of_more_examples_says_nothing() -> None:
    other = made_up_record("mnist", {"linear": 0.9}).model_copy(update={"fingerprint": "e" * 64})
    bench = Bench.of(mnist_grid({}), RESULTS, simple=[other, made_up_record("mnist", {"linear": 0.9}, examples=9999)])
    assert bench.simple_of("mnist") is None
    assert [cell.beaten_by for cell in bench.cells] == [None, None]
    assert below_simple(bench) == []
    assert "simple_learner" not in cells_frame(bench)


def test_a_simple_learner_has_a_row_of_its_own_and_columns() -> None:
    record = made_up_record("mnist", {"centroid": 0.62, "linear": 0.88})
    bench = Bench.of(mnist_grid({}), RESULTS, simple=[record])
    accuracy = text_tables(bench)[0]
    rows = [dict(zip(accuracy.header, line, strict=True)) for line in accuracy.texts]
    assert [row["arm"] for row in rows[2:]] == ["centroid (simple learner)", "linear (simple learner)"]
    assert rows[3] == dict.fromkeys(accuracy.header, "") | {
        "task": "mnist†", "arm": "linear (simple learner)", "accuracy %": "88.0"
    }  # fmt: skip
    frame = cells_frame(bench)
    assert frame["simple_learner"].tolist() == ["linear", "linear"]
    assert frame["simple_learner_accuracy"].tolist() == [0.88, 0.88]
    assert frame["not_above"].tolist() == ["linear", "linear"]


@pytest.mark.parametrize(
    ("learners", "said"),
    [
        ({"linear": 0.88}, ["on mnist linear has 88.0 %, the best arm, `language`, 80.0 %."]),
        ({"linear": 0.8}, ["on mnist linear has 80.0 %, the best arm, `language`, 80.0 %."]),
        ({"linear": 0.7}, []),
        ({}, []),
    ],
)
def test_a_note_says_where_the_best_arm_is_not_above_it(learners: dict[str, float], said: list[str]) -> None:
    results = [with_curve(0.8, "pretrained", 0), with_curve(0.6, "random", 0)]
    bench = Bench.of(mnist_grid({}), results, simple=[made_up_record("mnist", learners)])
    expected = [f"Below a simple rule or learner: {words}" for words in said]
    assert below_simple(bench) == expected
    assert [note for note in bench_notes(bench) if note.startswith("Below")] == expected
